"""What falls due in a slot: exactly once, whoever leads and whatever the clock does."""

from __future__ import annotations

from itertools import count
from typing import Any

from hubbub.base.errors import INTERNAL, RATE_LIMITED, Rejected
from hubbub.features.due import DUE
from hubbub.wire.event import decode_row
from hubbub.wire.shapes import Outcome
from node import keys
from node.ready import Fired, Redirected, Unknown
from node.store.api import Family
from tests.node.alarms import REGISTRY, ROOM
from tests.node.rig import APP, START_MS, Rig
from tests.node.trio import Trio

AT = START_MS + 5_000
REQUESTS = count()


def rig(**more: Any) -> Rig:
    return Rig(registry=REGISTRY, **more)


def put(rig: Rig, name: str = "tea", at: int = AT, mode: str = "") -> None:
    body = {"channel": ROOM, "name": name, "at": at, "mode": mode}
    assert isinstance(rig.do(ROOM, "alarm.set", body), Outcome)


def index(rig: Rig) -> list[bytes]:
    return rig.slot(ROOM).due_keys(b"", 1_000)


def fire(rig: Rig, due: bytes, *, is_synced: bool = True) -> Any:
    request = ("due", next(REQUESTS))
    slot = rig.slot(ROOM)
    rig.obey(slot.submit_due(request, due, rig.now, bytes(16)))
    if is_synced:
        rig.settle()
    return rig.results.get(request)


def rang(published: list[Any]) -> list[str]:
    rows = [decode_row(seq, row) for p in published for seq, row in p.events]
    return [row.head.type for row in rows if row.head.type == "alarm.rang"]


def test_a_row_and_its_index_come_with_the_entry_and_go_with_the_next() -> None:
    one = rig()
    put(one)
    (due,) = index(one)
    assert keys.due_ms(due) == AT
    assert keys.parse_due(due) == (APP, ROOM, "tea")
    one.now_ms = AT
    assert fire(one, due) == Fired()
    (event,) = one.published[-1].events
    row = decode_row(*event)
    assert (row.head.by, row.head.ts_ms) == ("alice", AT)
    assert b'"cmid":"c-tea"' in row.data
    assert index(one) == []
    assert fire(one, due) == Fired(is_gone=True)
    assert rang(one.published) == ["alarm.rang"]


def test_set_again_replaces_and_taken_back_is_gone() -> None:
    one = rig()
    put(one)
    (old,) = index(one)
    put(one, at=AT + 1)
    (new,) = index(one)
    assert keys.due_ms(new) == AT + 1
    one.now_ms = AT + 1
    assert fire(one, old) == Fired(is_gone=True)
    put(one, at=0)
    put(one, at=0)  # nothing to take back
    assert index(one) == []
    assert fire(one, new) == Fired(is_gone=True)
    assert rang(one.published) == []


def test_a_proposal_that_is_pending_is_not_made_twice() -> None:
    one = rig()
    put(one)
    (due,) = index(one)
    one.now_ms = AT
    assert fire(one, due, is_synced=False) is None
    assert fire(one, due, is_synced=False) == Fired(is_gone=True)
    assert index(one) == [due], "what is committed"
    one.settle()
    assert rang(one.published) == ["alarm.rang"]


def test_a_refusal_for_good_ends_it_and_nothing_is_an_answer() -> None:
    one = rig()
    put(one, "a", mode="refuse")
    put(one, "b", mode="nothing")
    one.now_ms = AT
    refused, nothing = index(one)
    assert fire(one, refused) == Fired(is_refused=True)
    assert fire(one, nothing) == Fired()
    assert (index(one), rang(one.published)) == ([], [])


def test_a_refusal_for_now_and_a_bug_leave_it() -> None:
    one = rig()
    put(one, "a", mode="later")
    put(one, "b", mode="break")
    one.now_ms = AT
    later, broken = index(one)
    refusal = fire(one, later)
    assert isinstance(refusal, Rejected)
    assert (refusal.error, refusal.details) == (RATE_LIMITED, {"retry_after_ms": 500})
    failure = fire(one, broken)
    assert isinstance(failure, Rejected)
    assert failure.error is INTERNAL
    assert index(one) == [later, broken]
    one.do(ROOM, "alarm.mend", {"channel": ROOM})
    assert fire(one, later) == fire(one, broken) == Fired()
    assert index(one) == []


def test_an_event_may_set_its_own_name_anew() -> None:
    one = rig()
    put(one, mode="again")
    one.now_ms = AT
    for _ in range(3):
        (due,) = index(one)
        assert fire(one, due) == Fired()
    assert index(one) == []
    assert len(rang(one.published)) == 3


def test_log_time_is_what_a_feature_sees_when_the_clock_was_set_back() -> None:
    one = rig()
    put(one)
    (due,) = index(one)
    one.now_ms = AT
    put(one, "other", at=AT + 10_000)  # the slot's log time is AT now
    one.now_ms = START_MS
    slot = one.slot(ROOM)
    assert slot.log_time(one.now) == AT
    assert fire(one, due) == Fired()
    (event,) = one.published[-1].events
    assert decode_row(*event).head.ts_ms == AT


def test_a_restart_knows_what_waits_and_not_what_is_done() -> None:
    one = rig()
    put(one, "a", at=AT)
    put(one, "b", at=AT + 1)
    one.now_ms = AT
    assert fire(one, index(one)[0]) == Fired()
    again = Rig(one.store, registry=REGISTRY, term=2, seed=2)
    assert [keys.parse_due(due)[2] for due in index(again)] == ["b"]
    again.now_ms = AT + 1
    assert fire(again, index(again)[0]) == Fired()
    assert index(again) == []


def test_pages_of_the_index_are_exact_while_rows_are_on_their_way() -> None:
    """Committed and not written yet: set, taken back, and both, on every page size."""
    trio = Trio(ROOM, registry=REGISTRY)
    trio.elect(0)
    for n in range(40):
        put_trio(trio, 0, f"n{n}", AT + n * 3 % 40)
    trio.run()
    for n in range(0, 40, 3):
        put_trio(trio, 0, f"n{n}", 0)
    for n in range(5):
        put_trio(trio, 0, f"late{n}", AT + n * 11)
    leader = trio.members[0]
    for _ in range(50):  # committed by the others' disks; the leader's rows wait
        trio.sync()
        trio.deliver()
        if leader.slot.overlay._unwritten:
            break
    overlay, number = leader.slot.overlay, trio.number
    stream = overlay.stream(APP, ROOM)
    expected = sorted(
        keys.due(number, row.at_ms, APP, ROOM, name)
        for name, row in overlay.committed(stream)[DUE].scan()
    )
    for limit in (1, 2, 7, 100):
        found: list[bytes] = []
        while page := leader.slot.due_keys(found[-1] if found else b"", limit):
            found += page
        assert found == expected
    trio.run()


# --- three copies


def put_trio(trio: Trio, number: int, name: str, at: int, mode: str = "") -> int:
    body = {"channel": ROOM, "name": name, "at": at, "mode": mode}
    return trio.submit(number, "alarm.set", body)


def fire_trio(trio: Trio, number: int, due: bytes, request: str) -> None:
    member = trio.members[number]
    trio.obey(member, member.slot.submit_due(request, due, trio.now, bytes(16)))


def all_rang(trio: Trio) -> int:
    """How often it rang, by the log of whoever leads."""
    leader = max((m for m in trio.members if m.slot.is_active), key=lambda m: m.slot.term)
    stream = leader.slot.overlay.stream(APP, ROOM)
    events = leader.slot.overlay.committed(stream).published_range(limit=100)
    return sum(event.head.type == "alarm.rang" for event in events)


def waiting(trio: Trio, number: int) -> list[str]:
    return [keys.parse_due(due)[2] for due in trio.members[number].slot.due_keys(b"", 100)]


def started() -> tuple[Trio, bytes]:
    trio = Trio(ROOM, registry=REGISTRY)
    trio.elect(0)
    put_trio(trio, 0, "tea", AT)
    trio.run()
    (due,) = trio.members[0].slot.due_keys(b"", 10)
    return trio, due


def test_every_copy_has_the_rows() -> None:
    trio, due = started()
    put_trio(trio, 0, "milk", AT + 1)
    trio.run()
    trio.now_ms = AT
    fire_trio(trio, 0, due, "ring")
    trio.run()
    trio.beat()
    assert trio.members[0].results["ring"] == Fired()
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)
    stored = [key for key, _ in trio.dump(2)[Family.META] if key[:1] == b"d"]
    assert [keys.parse_due(key)[2] for key in stored] == ["milk"]


def test_a_leader_that_dies_before_it_proposes_is_followed_by_one_that_does() -> None:
    trio, due = started()
    trio.cut = {0}
    trio.elect(1)
    assert waiting(trio, 1) == ["tea"]
    trio.now_ms = AT
    fire_trio(trio, 1, due, "ring")
    trio.run()
    assert trio.members[1].results["ring"] == Fired()
    assert (all_rang(trio), waiting(trio, 1)) == (1, [])


def test_a_proposal_that_no_majority_has_is_made_by_the_next_leader() -> None:
    trio, due = started()
    trio.now_ms = AT
    trio.cut = {0}
    fire_trio(trio, 0, due, "lost")
    trio.run()
    trio.elect(1)
    fire_trio(trio, 1, due, "ring")
    trio.run()
    assert all_rang(trio) == 1
    trio.cut = set()
    old = trio.members[0]
    trio.obey(old, old.slot.follow(trio.record, trio.revision, trio.now))
    assert old.results["lost"] == Unknown()
    trio.now_ms += 1_000
    trio.obey(trio.members[1], trio.members[1].slot.peer_up("disk-0", trio.now))
    trio.run()
    trio.beat()
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)
    fire_trio(trio, 0, due, "late")
    assert isinstance(old.results["late"], Redirected)


def test_a_proposal_that_a_majority_has_is_not_made_again() -> None:
    """The leader dies between the followers' disks and its own commit."""
    trio, due = started()
    trio.now_ms = AT
    fire_trio(trio, 0, due, "unheard")
    trio.sync()
    trio.deliver()
    trio.mails.clear()
    trio.cut = {0}
    trio.sync()
    trio.elect(2)
    assert waiting(trio, 2) == []
    fire_trio(trio, 2, due, "again")
    assert trio.members[2].results["again"] == Fired(is_gone=True)
    trio.run()
    assert all_rang(trio) == 1


def test_a_copy_that_gets_a_snapshot_can_lead_what_waits() -> None:
    trio, due = started()
    trio.cut = {2}
    for n in range(60):  # more than the log keeps
        put_trio(trio, 0, f"n{n}", AT + 10_000 + n)
        trio.run()
    put_trio(trio, 0, "tea", 0)
    trio.run()
    for member in trio.members[:2]:
        trio.obey(member, member.slot.tidy(trio.now))
    trio.run()
    trio.cut = set()
    trio.now_ms += 1_000
    trio.obey(trio.members[0], trio.members[0].slot.peer_up("disk-2", trio.now))
    trio.run()
    trio.beat()
    trio.elect(2)
    assert len(waiting(trio, 2)) == 60
    fire_trio(trio, 2, due, "gone")
    assert trio.members[2].results["gone"] == Fired(is_gone=True)
