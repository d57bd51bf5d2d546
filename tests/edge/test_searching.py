"""One search, many nodes: asked at once, merged in order, honest about what is missing."""

from __future__ import annotations

from typing import Any

from edge.searching import ANSWER_MS, SEARCHES_MAX, Searches, merged
from hubbub.base.errors import OVERLOADED
from hubbub.features.contract import SearchCall, SearchFound
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.search import Criteria, Place, Search, SearchAnswer, SearchHit
from hubbub.wire.shapes import Kind, Status, Viewer
from tests.support.clock import FakeClock

ANN = Viewer(user="ann")


def hit(ms: int, key: str = "group:a") -> SearchHit:
    return SearchHit((0, ms, key, ms), b"%d" % ms)


class Stage:
    """Searches of a cluster with 6 slots: even ones led by n0, odd ones by n1."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leaders = {slot: f"n{slot % 2}" for slot in range(6)}
        self.asked: list[tuple[Search, Any]] = []
        self.done: list[tuple[Any, SearchFound | None]] = []
        self.searches = Searches(
            self.request,
            6,
            lambda _, key: int(key[-1]),
            lambda slot: self.leaders[slot],
            self.clock.monotonic_ms,
        )

    def request(
        self, kind: Kind, app: str, key: str, body: bytes, done: Any, *, slot: int = -1
    ) -> None:
        assert (kind, app, key) == (Kind.SEARCH, "demo", "")
        search = decode_pack(body, Search)
        assert slot == search.slots[0]
        self.asked.append((search, done))

    def start(
        self, keys: tuple[str, ...] | None, limit: int = 3, before: Place | None = None
    ) -> None:
        call = SearchCall(keys, Criteria("tea"), ANN, before, limit)
        self.searches.start(call, "demo", lambda *found: self.done.append(found))

    def answer(self, *hits: SearchHit, **more: Any) -> None:
        _, done = self.asked.pop(0)
        done(Status.OK, encode_pack(SearchAnswer(hits, **{"indexed_to_ms": 50} | more)))

    def found(self) -> SearchFound:
        [(refusal, found)] = self.done
        assert refusal is None
        assert found is not None
        return found


def test_every_leader_is_asked_once_and_the_first_places_are_the_page() -> None:
    stage = Stage()
    stage.start(("group:0", "group:1", "group:2", "group:0"))
    assert [(s.slots, s.keys) for s, _ in stage.asked] == [
        ((0, 2), ("group:0", "group:2")),
        ((1,), ("group:1",)),
    ]
    stage.answer(hit(9), hit(7), hit(5), has_more=True)
    assert not stage.done
    stage.answer(hit(8), indexed_to_ms=40)
    found = stage.found()
    assert [h.body for h in found.hits] == [b"9", b"8", b"7"]
    assert (found.next, found.indexed_to_ms, found.incomplete) == (
        (0, 7, "group:a", 7),
        40,
        False,
    )


def test_the_whole_app_is_all_slots() -> None:
    stage = Stage()
    stage.start(None)
    assert [(s.slots, s.keys) for s, _ in stage.asked] == [((0, 2, 4), ()), ((1, 3, 5), ())]
    stage.answer(hit(9))
    stage.answer()
    assert (len(stage.found().hits), stage.found().next) == (1, None)


def test_no_channels_at_all_is_an_empty_page() -> None:
    stage = Stage()
    stage.start(())
    assert stage.found() == SearchFound((), None, 0, False)


def test_slots_that_moved_are_asked_again_of_their_new_leader() -> None:
    stage = Stage()
    stage.start(("group:0", "group:2"))
    stage.leaders[2] = "n1"
    stage.answer(hit(9, "group:0"), elsewhere=(2,))
    assert not stage.done
    stage.searches.tick()
    assert [(s.slots, s.keys) for s, _ in stage.asked] == [((2,), ("group:2",))]
    stage.answer(hit(10, "group:2"))
    assert [h.body for h in stage.found().hits] == [b"10", b"9"]
    assert not stage.found().incomplete


def test_who_does_not_answer_is_missing_and_that_is_said() -> None:
    stage = Stage()
    stage.start(("group:0", "group:1"))
    stage.answer(hit(9))
    stage.asked[0][1](Status.UNKNOWN, b"")
    stage.searches.tick()
    assert len(stage.asked) == 2  # asked again
    stage.clock.advance(ANSWER_MS)
    stage.searches.tick()
    found = stage.found()
    assert [h.body for h in found.hits] == [b"9"]
    assert (found.incomplete, found.indexed_to_ms) == (True, 0)
    stage.asked[1][1](Status.OK, encode_pack(SearchAnswer((hit(3),))))  # too late
    stage.searches.tick()
    assert len(stage.done) == 1


def test_where_one_gave_up_the_page_ends() -> None:
    reached: Place = (0, 6, "", 0)
    page = merged(
        [
            SearchAnswer((hit(9),), True, reached, 50),
            SearchAnswer((hit(8), hit(5)), False, None, 50),
        ],
        3,
        is_missing=False,
    )
    assert [h.body for h in page.hits] == [b"9", b"8"]
    assert (page.next, page.incomplete) == (reached, False)


def test_an_index_that_is_built_makes_the_answer_incomplete() -> None:
    page = merged([SearchAnswer((hit(9),), indexed_to_ms=0)], 3, is_missing=False)
    assert (page.indexed_to_ms, page.incomplete) == (0, True)
    page = merged([SearchAnswer((), indexed_to_ms=5, is_whole=False)], 3, is_missing=False)
    assert page.incomplete


def test_a_full_page_goes_on_behind_its_last_hit() -> None:
    answers = [
        SearchAnswer((hit(9), hit(8)), True, None, 1),
        SearchAnswer((hit(7),), False, None, 1),
    ]
    page = merged(answers, 2, is_missing=False)
    assert page.next == (0, 8, "group:a", 8)
    page = merged([SearchAnswer((hit(9), hit(8)), False, None, 1)], 2, is_missing=False)
    assert page.next is None


def test_too_many_at_once_are_refused() -> None:
    stage = Stage()
    for _ in range(SEARCHES_MAX):
        stage.start(("group:0",))
    stage.start(("group:0",))
    [(refusal, _)] = stage.done
    assert refusal.error is OVERLOADED
