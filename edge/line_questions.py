"""Questions for lines of heads: one under way to each leader, the next one gathers. Pure.

Rules:
1. Where no question is under way to a leader, the next goes at once: a lone connect waits for
   nothing. What is asked meanwhile goes together when the answer comes, so that the more people
   connect at a time the fewer messages each of them costs in edge, router and node.
2. What waited for WAIT_MS goes without that answer: a leader that is slow or away delays nobody
   for longer.
3. Each ask is answered once for each leader, with its lines or None; at the latest when the time
   of its request is up. What waits is bounded by the connects that are under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import HeadsAnswer, HeadsQuery, Kind, Lines, LinesAsk, Status

# Called for each leader with its part; None: it did not answer.
Came = Callable[[LinesAsk, Lines | None], None]
# Answers come within some ms. Half hardly gathers on a full machine; double shows to who connects.
WAIT_MS: Final = 100
# In one question: at 500 bytes a line half a MiB of answer. An ask alone may have more.
LINES_MAX: Final = 1_000

# kind, app, body, slot, done
Request = Callable[[Kind, str, bytes, int, Callable[[Status, bytes], None]], None]
_Part = tuple[LinesAsk, Came]
_log = get_logger("edge")


class _Leader:
    """`under_way`: numbers of the questions that were not answered yet."""

    __slots__ = ("parts", "under_way", "waits_since_ms")

    def __init__(self) -> None:
        self.under_way: set[int] = set()
        self.parts: list[_Part] = []
        self.waits_since_ms = 0


class LineQuestions:
    """Of one edge. Args: process: its `name.boot_id`. slots_of: of an app's streams.
    leaders_of: the nodes that lead these slots."""

    def __init__(
        self,
        request: Request,
        process: str,
        slots_of: Callable[[str, Sequence[str]], list[int]],
        leaders_of: Callable[[Sequence[int]], list[str]],
        now_ms: Callable[[], int],
    ) -> None:
        self._request = request
        self._process = process
        self._slots_of = slots_of
        self._leaders_of = leaders_of
        self._now_ms = now_ms
        self._leaders: dict[str, _Leader] = {}  # that are asked something
        self._number = 0
        self.asked = 0
        self.sent = 0
        self.broken = 0  # answers that made us fail: our bugs

    def ask(self, app: str, user: str, keys: Sequence[str], came: Came) -> None:
        """Have the lines of many streams told: `came` is called once for each of their leaders."""
        slots = self._slots_of(app, keys)
        rows = list(zip(self._leaders_of(slots), slots, keys, strict=True))
        for name in dict.fromkeys([leads for leads, _, _ in rows]):
            self.asked += 1
            theirs = [slot for leads, slot, _ in rows if leads == name]
            named = [key for leads, _, key in rows if leads == name]
            part = LinesAsk(app, user, tuple(theirs), tuple(named))
            leader = self._leaders.setdefault(name, _Leader())
            if not leader.parts:
                leader.waits_since_ms = self._now_ms()
            leader.parts.append((part, came))
            if not leader.under_way:
                self._send(name, leader)

    def tick(self) -> None:
        """Some times a second: what waited for too long goes."""
        due_ms = self._now_ms() - WAIT_MS
        for name, leader in list(self._leaders.items()):
            if leader.parts and leader.waits_since_ms <= due_ms:
                self._send(name, leader)

    # --- inside

    def _send(self, name: str, leader: _Leader) -> None:
        parts, leader.parts = leader.parts, []
        for portion in _portions(parts):
            self._number += 1
            self._question(name, leader, self._number, portion)

    def _question(self, name: str, leader: _Leader, number: int, parts: list[_Part]) -> None:
        def done(status: Status, body: bytes) -> None:
            leader.under_way.discard(number)
            if leader.parts and not leader.under_way:
                self._send(name, leader)
            if not (leader.parts or leader.under_way) and self._leaders.get(name) is leader:
                del self._leaders[name]
            told: tuple[Lines | None, ...] = (None,) * len(parts)
            if status is Status.OK:
                told = decode_pack(body, HeadsAnswer).lines
            for (part, came), lines in zip(parts, told, strict=True):
                self._tell(part, came, lines)

        leader.under_way.add(number)
        self.sent += 1
        first = parts[0][0]
        query = HeadsQuery(self._process, (), lines=tuple(part for part, _ in parts))
        self._request(Kind.HEADS, first.app, encode_pack(query), first.slots[0], done)

    def _tell(self, part: LinesAsk, came: Came, lines: Lines | None) -> None:
        try:
            came(part, lines)
        except Exception:  # noqa: BLE001 - boundary: the other parts are other people's
            self.broken += 1
            _log.error("lines.answer_failed", exc_info=True)


def _portions(parts: list[_Part]) -> list[list[_Part]]:
    """Questions of a bounded size."""
    portions: list[list[_Part]] = [[]]
    count = 0
    for part in parts:
        count += len(part[0].keys)
        if portions[-1] and count > LINES_MAX:
            portions.append([])
            count = len(part[0].keys)
        portions[-1].append(part)
    return portions
