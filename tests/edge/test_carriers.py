"""Which router carries what, and in whose set an interest stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.carriers import Carriers
from hubbub.ring.hashing import rendezvous

ROUTERS = ["r1", "r2", "r3"]
STREAMS = [("demo", str(number)) for number in range(40)]


def slot_of(app: str, key: str) -> int:
    return int(key)


def made(*live: str) -> Carriers:
    carriers = Carriers(slot_of)
    carriers.set_routers(ROUTERS)
    for name in live:
        carriers.set_live(name, True)
    return carriers


def test_the_first_live_router_of_the_slots_order_carries_it() -> None:
    carriers = made(*ROUTERS)
    first, second, third = rendezvous(7, ROUTERS)
    assert carriers.carrier(7) == first
    carriers.set_live(first, False)
    assert carriers.carrier(7) == second
    carriers.set_live(second, False)
    assert carriers.carrier(7) == third
    carriers.set_live(third, False)
    assert carriers.carrier(7) == ""


def test_interest_without_a_router_is_placed_when_one_comes() -> None:
    carriers = made()
    carriers.add(STREAMS[3])
    assert carriers.sets == {}
    moved = carriers.set_live("r2", True)
    assert moved == [STREAMS[3]]
    assert STREAMS[3] in carriers.sets["r2"]


def test_a_router_that_returns_gets_its_slots_back_and_no_other_moves() -> None:
    carriers = made(*ROUTERS)
    for stream in STREAMS:
        carriers.add(stream)
    before = {name: set(carriers.carried_by(name)) for name in ROUTERS}
    assert all(before.values())
    lost = carriers.set_live("r1", False)
    assert set(lost) == before["r1"]
    back = carriers.set_live("r1", True)
    assert set(back) == before["r1"]
    assert {name: set(carriers.carried_by(name)) for name in ROUTERS} == before


def test_a_router_that_registers_again_over_a_living_link_is_used_again() -> None:
    carriers = made("r1")
    carriers.add(STREAMS[0])
    carriers.set_routers(["r2", "r3"])  # its lease was lost; the link was not
    assert carriers.carrier(0) == ""
    moved = carriers.set_routers(ROUTERS)
    assert moved == [STREAMS[0]]
    assert carriers.carrier(0) == "r1"


def test_interest_that_is_lost_stands_nowhere() -> None:
    carriers = made(*ROUTERS)
    carriers.add(STREAMS[5])
    carriers.remove(STREAMS[5])
    carriers.remove(STREAMS[5])
    assert carriers.streams() == []
    assert all(STREAMS[5] not in held for held in carriers.sets.values())
    assert carriers.set_live("r1", False) == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(STREAMS)),
        st.tuples(st.just("remove"), st.sampled_from(STREAMS)),
        st.tuples(st.sampled_from(["up", "down"]), st.sampled_from(ROUTERS)),
        st.tuples(st.just("names"), st.sets(st.sampled_from(ROUTERS))),
    ),
    max_size=40,
)


@given(steps)
def test_each_stream_stands_in_exactly_its_carriers_set(steps: list[tuple[str, object]]) -> None:
    carriers = made()
    wanted: set[object] = set()
    for what, value in steps:
        before = {stream: carriers.carrier(slot_of(*stream)) for stream in STREAMS}
        moved: list[tuple[str, str]] | None = None
        if what == "add":
            carriers.add(value)  # type: ignore[arg-type]
            wanted.add(value)
        elif what == "remove":
            carriers.remove(value)  # type: ignore[arg-type]
            wanted.discard(value)
        elif what == "names":
            moved = carriers.set_routers(value)  # type: ignore[arg-type]
        else:
            moved = carriers.set_live(value, what == "up")  # type: ignore[arg-type]
        if moved is not None:
            changed = {s for s in wanted if carriers.carrier(slot_of(*s)) != before[s]}  # type: ignore[misc, index]
            assert set(moved) == changed
        for stream in STREAMS:
            carrier = carriers.carrier(slot_of(*stream))
            holders = [name for name, held in carriers.sets.items() if stream in held]
            expected = [carrier] if stream in wanted and carrier else []
            assert holders == expected
