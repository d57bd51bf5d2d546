"""A SEARCH on its way: places from the index, each shown through its stream's own reads.

Rules:
1. The index proposes, the stream decides: what is shown went through the reads of the slot's leader
   at this moment. So nothing is seen that was deleted, changed, or is not the viewer's, however far
   behind the index is.
2. What the stream does not show is made up for by further places, within ROUNDS_MAX rounds and the
   time there is; then `reached` says how far it went.
3. A slot that is not led here is named, never searched: its leader answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from hubbub.base.errors import Rejected
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.search import (
    SHOWN,
    Criteria,
    Place,
    Search,
    SearchAnswer,
    SearchHit,
    ShownHits,
    ShownRequest,
)
from hubbub.wire.shapes import Query
from node.reads import Reads
from node.search.shapes import Find, Found
from node.slot import Slot
from node.store.api import StoreError

ROUNDS_MAX: Final = 8
ANSWER_MS: Final = 1_500  # of one search here; the edge waits a second longer
PLACES_MIN: Final = 20  # of one round: a page of one hit costs as much as one of twenty
KEY_AT: Final = 2  # in a Place
_log = get_logger()

Done = Callable[[SearchAnswer], None]


class Finder(Protocol):
    """Who asks the index."""

    def find(self, ask: Find, done: Callable[[Found | None], None]) -> None:
        """`done` is called once; None: it cannot be searched now."""
        ...

    def indexed_ms(self, slots: Sequence[int]) -> int:
        """Up to which log time all of these slots can be searched; 0: nobody can say."""
        ...


class Answers:
    """All searches of a node; each goes its own way."""

    def __init__(
        self,
        slots: Mapping[int, Slot],
        reads: Reads,
        finder: Finder,
        wall_ms: Callable[[], int],
        mono_ms: Callable[[], int],
    ) -> None:
        self.slots = slots
        self.reads = reads
        self.finder = finder
        self.wall_ms = wall_ms
        self.mono_ms = mono_ms

    def start(self, app: str, search: Search, done: Done) -> None:
        """Answer, once."""
        led = [at for at, slot in enumerate(search.slots) if self._leads(slot)]
        slots = tuple(search.slots[at] for at in led)
        keys = tuple(search.keys[at] for at in led) if search.keys else ()
        elsewhere = tuple({slot for slot in search.slots if not self._leads(slot)})
        if not slots:
            done(SearchAnswer((), elsewhere=elsewhere, indexed_to_ms=self.wall_ms()))
            return
        _Under(self, app, search, slots, keys, elsewhere, done).ask(search.before)

    def _leads(self, number: int) -> bool:
        slot = self.slots.get(number)
        return slot is not None and slot.is_active


class _Under:
    """One search under way."""

    __slots__ = (
        "_answers",
        "_app",
        "_done",
        "_elsewhere",
        "_ends_ms",
        "_hits",
        "_indexed_ms",
        "_is_whole",
        "_keys",
        "_rounds_left",
        "_search",
        "_slots",
    )

    def __init__(
        self,
        answers: Answers,
        app: str,
        search: Search,
        slots: tuple[int, ...],
        keys: tuple[str, ...],
        elsewhere: tuple[int, ...],
        done: Done,
    ) -> None:
        self._answers = answers
        self._app = app
        self._search = search
        self._slots = slots
        self._keys = keys
        self._elsewhere = elsewhere
        self._done = done
        self._hits: list[SearchHit] = []
        self._is_whole = True
        self._rounds_left = ROUNDS_MAX
        self._ends_ms = answers.mono_ms() + ANSWER_MS
        self._indexed_ms = answers.finder.indexed_ms(slots)

    def ask(self, before: Place | None) -> None:
        """One round."""
        self._rounds_left -= 1
        search = self._search
        ask = Find(
            0,
            self._app,
            self._slots,
            self._keys,
            search.criteria,
            before,
            max(search.limit, PLACES_MIN),
            max(1, self._ends_ms - self._answers.mono_ms()),
        )
        self._answers.finder.find(ask, self._found)

    def _found(self, found: Found | None) -> None:
        if found is None:
            self._is_whole, self._indexed_ms = False, 0
            return self._end(has_more=False, reached=None)
        self._is_whole = self._is_whole and found.is_whole
        self._show(found.places)
        limit = self._search.limit
        if len(self._hits) >= limit:
            has_more = found.has_more or len(self._hits) > limit
            return self._end(has_more=has_more, reached=None)
        if found.reached is not None or not found.has_more or not found.places:
            return self._end(has_more=found.has_more, reached=found.reached)
        if not self._rounds_left or self._answers.mono_ms() >= self._ends_ms:
            return self._end(has_more=True, reached=found.places[-1])
        return self.ask(found.places[-1])

    def _end(self, *, has_more: bool, reached: Place | None) -> None:
        answer = SearchAnswer(
            tuple(self._hits[: self._search.limit]),
            has_more,
            reached,
            self._indexed_ms,
            self._is_whole,
            self._elsewhere,
        )
        self._done(answer)

    def _show(self, places: Sequence[Place]) -> None:
        by_key: dict[str, list[int]] = {}
        for place in places:
            by_key.setdefault(place[KEY_AT], []).append(place[-1])
        shown = {
            (key, hit.seq): bytes(hit.hit)
            for key, seqs in by_key.items()
            for hit in self._shown(key, seqs, self._search.criteria).hits
        }
        for place in places:
            body = shown.get((place[KEY_AT], place[-1]))
            if body is not None:
                self._hits.append(SearchHit(place, body))

    def _shown(self, key: str, seqs: Sequence[int], criteria: Criteria) -> ShownHits:
        answers = self._answers
        slot = answers.slots.get(answers.reads.slot_of(self._app, key))
        if slot is None or not slot.is_active:
            self._is_whole = False
            return ShownHits([])
        args = encode_json(ShownRequest(tuple(seqs), criteria))
        query = Query(SHOWN, self._search.viewer, args)
        try:
            answer = answers.reads.query(slot, self._app, key, query, answers.wall_ms())
            return decode_json(answer, ShownHits)
        except Rejected:  # not the viewer's
            return ShownHits([])
        except StoreError as error:
            _log.error("search.unreadable", slot=slot.number, reason=str(error))
        except Exception as error:  # noqa: BLE001 - boundary: one stream's hits are missing, and that is told
            _log.error("search.not_shown", exc_info=error)
        self._is_whole = False
        return ShownHits([])
