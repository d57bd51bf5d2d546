"""A place in a channel: what of any publications is told, whatever their order (see test_core)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.client.events import Event, Published, Reset
from hubbub.client.places import Phase, Place
from hubbub.client.replies import HistoryResult, Publication, SubscribeResult


def live(offset: int) -> tuple[Place, list[Event]]:
    """A place that stands there."""
    events: list[Event] = []
    place = Place("group:x", events.append, is_own=False)
    place.subscribed(SubscribeResult(recoverable=True, epoch="e", offset=offset))
    events.clear()
    return place, events


@given(st.lists(st.integers(1, 12), max_size=30))
def test_live_publications_are_told_once_and_in_order_or_missed(offsets: list[int]) -> None:
    place, events = live(0)
    is_whole = True
    for offset in offsets:
        at = place.offset
        is_whole = place.live(Publication(data=offset, offset=offset))
        assert is_whole is (offset <= at + 1)
    told = [event.offset for event in events if isinstance(event, Published)]
    assert told == list(range(1, place.offset + 1))


@given(st.integers(1, 9), st.lists(st.integers(1, 14), max_size=8), st.integers(1, 4))
def test_pages_and_live_publications_meet(missed: int, ahead: list[int], page_size: int) -> None:
    """Whatever comes live while pages are read, everything is told once and nothing is reset."""
    place, events = live(0)
    place.phase = Phase.ASKED
    place.subscribed(SubscribeResult(recoverable=True, epoch="e", offset=missed))
    top = max([missed, *ahead])
    for offset in sorted(set(ahead)):
        if offset > missed:
            assert place.live(Publication(offset=offset))
    while place.phase is Phase.PAGING:
        page = range(place.offset + 1, min(place.offset + page_size, top) + 1)
        found = tuple(Publication(offset=n) for n in page)
        place.paged(HistoryResult(found, top, "e"))
    assert [e.offset for e in events if isinstance(e, Published)] == list(range(1, top + 1))
    assert not any(isinstance(event, Reset) for event in events)
