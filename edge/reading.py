"""Many queries at once: grouped by leader, asked in batches, handed on round by round. Pure.

Rules:
1. One batched request at a time for each leader, at most ASKS_MAX queries in it: what else the
   leader does goes on in between. Leaders work at the same time.
2. A query whose leader is another by now, or that got no answer, is asked again at the next tick,
   until ANSWER_MS have gone since the round began; then it is refused as temporary.
3. The round's answers stay below its `bytes_max`, give or take one batch: what is left out is
   answered None.
4. The reply is given exactly once; what a feature's `then` breaks is INTERNAL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from edge.dispatch import Reply, refusal_of
from hubbub.base.errors import INTERNAL, OVERLOADED, Rejected
from hubbub.features.contract import Reads
from hubbub.wire.codec import decode_pack, encode_json, encode_pack
from hubbub.wire.shapes import (
    Json,
    Kind,
    Queries,
    QueriesAnswer,
    QueryAnswer,
    QueryAsk,
    Status,
    Viewer,
)

ASKS_MAX: Final = 100  # of one batch: about 10 ms of a node's time, between two of its frames
ANSWER_MS: Final = 3_000  # of one round; two rounds come before the SDKs give up at 5 s
READINGS_MAX: Final = 1_000  # at once on one edge; beyond it OVERLOADED

Answer = Json | Rejected | None
Done = Callable[[Status, bytes], None]


class Request(Protocol):
    """Uplink.request."""

    def __call__(
        self, kind: Kind, app: str, key: str, body: bytes, done: Done, *, slot: int = -1
    ) -> None: ...


class Readings:
    """All reads that wait.

    Args: slot_of: of (app, key). leader_of(slot): the name of its leader, "" if nobody knows one.
    """

    def __init__(
        self,
        request: Request,
        slot_of: Callable[[str, str], int],
        leader_of: Callable[[int], str],
        now_ms: Callable[[], int],
    ) -> None:
        self._request = request
        self._slot_of = slot_of
        self._leader_of = leader_of
        self._now_ms = now_ms
        self._waiting: dict[_Round, None] = {}

    def start(self, reads: Reads, app: str, viewer: Viewer, reply: Reply) -> None:
        """Ask all calls; the reply follows when the last round has its answers."""
        if len(self._waiting) >= READINGS_MAX:
            reply(Rejected(OVERLOADED), b"")
            return

        def answered(answers: Sequence[Answer]) -> None:
            try:
                following = reads.then(answers)
            except Rejected as refusal:
                reply(refusal, b"")
            except Exception:
                reply(Rejected(INTERNAL), b"")
                raise  # the uplink counts and logs it
            else:
                if isinstance(following, Reads):
                    self.start(following, app, following.viewer or viewer, reply)
                else:
                    reply(None, following)

        asks = [
            QueryAsk(self._slot_of(app, call.key), call.key, call.name, encode_json(call.args))
            for call in reads.calls
        ]
        if not asks:
            answered(())
            return
        found = _Round(self, app, viewer, asks, reads.bytes_max, answered)
        self._waiting[found] = None
        found.ask(range(len(asks)))

    def tick(self) -> None:
        """What must be asked again, and what has no time left."""
        now_ms = self._now_ms()
        for round in list(self._waiting):
            round.tick(now_ms)

    # --- for its rounds

    def now_ms(self) -> int:
        """Monotonic."""
        return self._now_ms()

    def leader_of(self, slot: int) -> str:
        """Who leads a slot by this edge's map."""
        return self._leader_of(slot)

    def send(self, app: str, slot: int, body: bytes, done: Done) -> None:
        """One batch, to whoever leads the slot."""
        self._request(Kind.QUERIES, app, "", body, done, slot=slot)

    def over(self, round: _Round) -> None:
        """It has been answered."""
        self._waiting.pop(round, None)


class _Round:
    """Queries that are answered together."""

    __slots__ = (
        "_again",
        "_answered",
        "_answers",
        "_app",
        "_asks",
        "_bytes_left",
        "_deadline_ms",
        "_open",
        "_owner",
        "_viewer",
    )

    def __init__(
        self,
        owner: Readings,
        app: str,
        viewer: Viewer,
        asks: Sequence[QueryAsk],
        bytes_max: int,
        answered: Callable[[Sequence[Answer]], None],
    ) -> None:
        self._owner = owner
        self._app = app
        self._viewer = viewer
        self._asks = asks
        self._answers: list[Answer] = [None] * len(asks)
        self._open = set(range(len(asks)))
        self._bytes_left = bytes_max
        self._deadline_ms = owner.now_ms() + ANSWER_MS
        self._answered = answered
        self._again: list[int] = []

    def ask(self, numbers: Sequence[int] | range) -> None:
        """Ask these, each of its leader."""
        by_leader: dict[str, deque[int]] = {}
        for number in numbers:
            leader = self._owner.leader_of(self._asks[number].slot)
            by_leader.setdefault(leader, deque()).append(number)
        for queue in by_leader.values():
            self._next(queue)

    def tick(self, now_ms: int) -> None:
        again, self._again = self._again, []
        if now_ms >= self._deadline_ms:
            # What is in flight gets its UNKNOWN yet; twice the time, and it was lost by a fault.
            if now_ms >= self._deadline_ms + ANSWER_MS:
                again = list(self._open)
            refusal = Rejected(INTERNAL, "the leader does not answer")
            self._put(again, [refusal] * len(again))
        elif again:
            self.ask(again)

    def _next(self, queue: deque[int]) -> None:
        """The next batch for one leader."""
        if not queue:
            return
        if self._bytes_left <= 0:
            self._put(list(queue), [None] * len(queue))
            return
        numbers = [queue.popleft() for _ in range(min(ASKS_MAX, len(queue)))]
        asks = tuple(self._asks[number] for number in numbers)

        def done(status: Status, body: bytes) -> None:
            if status is Status.OK:
                self._take(numbers, decode_pack(body, QueriesAnswer).rows)
            elif status is Status.REJECTED:
                self._put(numbers, [refusal_of(status, body)] * len(numbers))
            else:
                self._again += numbers
            self._next(queue)

        body = encode_pack(Queries(self._viewer, asks, self._bytes_left))
        self._owner.send(self._app, asks[0].slot, body, done)

    def _take(self, numbers: Sequence[int], rows: Sequence[QueryAnswer]) -> None:
        answered: list[int] = []
        answers: list[Answer] = []
        for number, row in zip(numbers, rows, strict=True):
            if row.status is Status.REDIRECT:
                self._again.append(number)
                continue
            answered.append(number)
            if row.status is Status.OK:
                self._bytes_left -= len(row.body)
                answers.append(row.body)
            else:
                is_refused = row.status is Status.REJECTED
                answers.append(refusal_of(row.status, row.body) if is_refused else None)
        self._put(answered, answers)

    def _put(self, numbers: Sequence[int], answers: Sequence[Answer]) -> None:
        if not self._open:
            return  # it is over
        for number, answer in zip(numbers, answers, strict=True):
            if number in self._open:
                self._open.discard(number)
                self._answers[number] = answer
        if not self._open:
            self._owner.over(self)
            self._answered(self._answers)
