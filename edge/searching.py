"""A search over all nodes: asked of every leader concerned, merged into one page. Pure.

Rules:
1. One request a leader, all at once. Slots that moved, or whose leader did not answer, are asked
   again at the next tick, until ANSWER_MS have gone; what is missing then makes the answer
   `incomplete`, never an error.
2. Each leader gives the first places of its own, so the first of all of them are the page. Where a
   leader gave up early, the page ends there and `next` goes on behind it: nothing is left out.
3. At most SEARCHES_MAX at once; more are refused as overloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hubbub.base.errors import OVERLOADED, Rejected
from hubbub.features.contract import SearchCall, SearchFound
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.search import Place, Search, SearchAnswer, SearchHit
from hubbub.wire.shapes import Kind, Status

ANSWER_MS: Final = 2_500  # a node takes 1.5 s at most; the SDKs give up at 5 s
SEARCHES_MAX: Final = 200  # of one edge: each holds up to a page of every leader

Done = Callable[[Rejected | None, SearchFound | None], None]
Pairs = list[tuple[int, str]]  # slot, stream key; "": everything of the app there


class Request(Protocol):
    """Uplink.request."""

    def __call__(
        self,
        kind: Kind,
        app: str,
        key: str,
        body: bytes,
        done: Callable[[Status, bytes], None],
        *,
        slot: int = -1,
    ) -> None: ...


class Searches:
    """All searches that wait.

    Args: slots: how many there are. slot_of: of (app, key). leader_of(slot): the name of its
    leader, "" if nobody knows one. now_ms: monotonic.
    """

    def __init__(
        self,
        request: Request,
        slots: int,
        slot_of: Callable[[str, str], int],
        leader_of: Callable[[int], str],
        now_ms: Callable[[], int],
    ) -> None:
        self.request = request
        self.leader_of = leader_of
        self.now_ms = now_ms
        self._slots = slots
        self._slot_of = slot_of
        self._waiting: dict[_Waiting, None] = {}

    def start(self, call: SearchCall, app: str, done: Done) -> None:
        """Ask everybody; `done` is called once."""
        if len(self._waiting) >= SEARCHES_MAX:
            done(Rejected(OVERLOADED), None)
            return
        if call.keys is None:
            pairs = [(slot, "") for slot in range(self._slots)]
        else:
            pairs = [(self._slot_of(app, key), key) for key in dict.fromkeys(call.keys)]
        search = _Waiting(self, call, app, done)
        self._waiting[search] = None
        search.ask(pairs)

    def tick(self) -> None:
        """What must be asked again, and what has no time left."""
        for search in list(self._waiting):
            search.tick(self.now_ms())

    def over(self, search: _Waiting) -> None:
        """It was answered."""
        self._waiting.pop(search, None)


class _Waiting:
    """One search."""

    __slots__ = (
        "_again",
        "_answers",
        "_app",
        "_call",
        "_done",
        "_ends_ms",
        "_is_over",
        "_open",
        "_owner",
    )

    def __init__(self, owner: Searches, call: SearchCall, app: str, done: Done) -> None:
        self._owner = owner
        self._call = call
        self._app = app
        self._done = done
        self._ends_ms = owner.now_ms() + ANSWER_MS
        self._answers: list[SearchAnswer] = []
        self._again: Pairs = []
        self._open = 0
        self._is_over = False

    def ask(self, pairs: Pairs) -> None:
        """Ask these, each of its leader."""
        by_leader: dict[str, Pairs] = {}
        for pair in pairs:
            by_leader.setdefault(self._owner.leader_of(pair[0]), []).append(pair)
        self._open += len(by_leader)
        for theirs in by_leader.values():
            self._send(theirs)
        self._settle()

    def tick(self, now_ms: int) -> None:
        if now_ms >= self._ends_ms:
            self._end()
        elif self._again:
            again, self._again = self._again, []
            self.ask(again)

    def _send(self, pairs: Pairs) -> None:
        call = self._call
        slots = tuple(slot for slot, _ in pairs)
        keys = tuple(key for _, key in pairs) if call.keys is not None else ()
        search = Search(call.viewer, slots, keys, call.criteria, call.before, call.limit)

        def done(status: Status, body: bytes) -> None:
            answer = decode_pack(body, SearchAnswer) if status is Status.OK else None
            self._open -= 1
            if answer is not None:
                self._answers.append(answer)
                moved = set(answer.elsewhere)
                self._again += [pair for pair in pairs if pair[0] in moved]
            else:
                self._again += pairs
            self._settle()

        self._owner.request(Kind.SEARCH, self._app, "", encode_pack(search), done, slot=slots[0])

    def _settle(self) -> None:
        if not self._open and not self._again:
            self._end()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._owner.over(self)
        is_missing = bool(self._open or self._again)
        self._done(None, merged(self._answers, self._call.limit, is_missing=is_missing))


def merged(answers: Sequence[SearchAnswer], limit: int, *, is_missing: bool) -> SearchFound:
    """One page of what the leaders have (rule 2)."""
    reached = max((a.reached for a in answers if a.reached is not None), default=None)
    hits = sorted((hit for a in answers for hit in a.hits), key=_place, reverse=True)
    known = [hit for hit in hits if reached is None or hit.place >= reached]
    page = known[:limit]
    following: Place | None = None
    if len(hits) > len(page) or any(a.has_more for a in answers):
        is_full = len(page) == limit or reached is None
        following = page[-1].place if page and is_full else reached
    indexed_ms = min((a.indexed_to_ms for a in answers), default=0)
    is_whole = bool(answers) and all(a.is_whole for a in answers)
    incomplete = is_missing or not is_whole or not indexed_ms
    if not answers and not is_missing:  # nothing was asked for
        return SearchFound((), None, 0, False)
    return SearchFound(page, following, 0 if is_missing else indexed_ms, incomplete)


def _place(hit: SearchHit) -> Place:
    return hit.place
