"""The slot's promises: order, answers, retries, restart."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    CMID_CLOCK,
    CMID_REUSED,
    OVERLOADED,
    STORAGE_FULL,
    Rejected,
)
from hubbub.base.ids import IDEMPOTENCY_PREFIX
from hubbub.wire.event import decode_row
from hubbub.wire.shapes import Outcome
from node import keys
from node.entry import BrokenChain, EntryKind, decode_logged
from node.ready import Redirected, Unknown
from node.replica import Role
from node.slot import PENDING_ENTRIES_MAX, Slot, decode_meta
from node.store.api import Family
from node.store.memory import MemoryStore
from tests.node.rig import APP, START_MS, Rig, led_alone, write_records

ROOM = "group:x"
HOUR_MS = 3_600_000


def seqs_of(rig: Rig, key: str) -> list[int]:
    return [seq for p in rig.published if p.key == key for seq, _ in p.events]


def test_a_message_is_answered_and_published_only_after_it_is_durable() -> None:
    rig = Rig()
    rig.create(ROOM)
    before = len(rig.published)
    request = rig.submit(ROOM, rig.command("message.send", {"channel": ROOM, "text": "hi"}))
    assert request not in rig.results
    assert len(rig.published) == before
    rig.settle()
    outcome = rig.results[request]
    assert isinstance(outcome, Outcome)
    assert (outcome.seq, outcome.dup) == (2, False)
    seq, row = rig.published[-1].events[0]
    event = decode_row(seq, row)
    assert (event.seq, event.head.by, event.head.type) == (2, "alice", "message.created")
    assert b'"text":"hi"' in event.data
    assert b'"seq":2' in event.data


def test_seqs_are_contiguous_over_several_pending_commands() -> None:
    rig = Rig()
    rig.create(ROOM)
    requests = [
        rig.submit(ROOM, rig.command("message.send", {"channel": ROOM, "text": str(i)}))
        for i in range(20)
    ]
    rig.settle()
    answers = [rig.results[request] for request in requests]
    assert [a.seq for a in answers if isinstance(a, Outcome)] == list(range(2, 22))
    assert seqs_of(rig, ROOM) == list(range(1, 22))


def test_a_retry_gets_the_first_answer_pending_and_committed() -> None:
    rig = Rig()
    rig.create(ROOM)
    command = rig.command("message.send", {"channel": ROOM, "text": "once"})
    first, second = rig.submit(ROOM, command), rig.submit(ROOM, command)
    assert second not in rig.results
    rig.settle()
    third = rig.submit(ROOM, command)
    one, two, three = (rig.results[r] for r in (first, second, third))
    assert isinstance(one, Outcome)
    assert two == three == msgspec.structs.replace(one, dup=True)
    assert seqs_of(rig, ROOM) == [1, 2]


def test_the_same_id_for_another_request_is_refused_pending_and_committed() -> None:
    rig = Rig()
    rig.create(ROOM)
    cmid = rig.cmid()
    rig.submit(ROOM, rig.command("message.send", {"channel": ROOM, "text": "a"}, cmid=cmid))
    other = rig.command("message.send", {"channel": ROOM, "text": "b"}, cmid=cmid)
    for _ in range(2):
        refused = rig.results[rig.submit(ROOM, other)]
        assert isinstance(refused, Rejected)
        assert refused.error is CMID_REUSED
        rig.settle()


@pytest.mark.parametrize("hours", [-25, 1])
def test_an_id_outside_the_window_is_refused_with_the_servers_time(hours: int) -> None:
    rig = Rig()
    rig.create(ROOM)
    rig.now_ms += hours * HOUR_MS
    cmid = rig.cmid()
    rig.now_ms -= hours * HOUR_MS
    refused = rig.send(ROOM, "x", cmid=cmid)
    assert refused.error is CMID_CLOCK
    assert refused.details == {"server_time_ms": rig.now_ms}


def test_an_idempotency_key_is_found_in_every_hour_that_is_kept() -> None:
    rig = Rig()
    rig.create(ROOM)
    key = IDEMPOTENCY_PREFIX + "order 66"
    first = rig.send(ROOM, "x", cmid=key)
    rig.now_ms += 23 * HOUR_MS
    assert rig.send(ROOM, "x", cmid=key) == msgspec.structs.replace(first, dup=True)
    rig.now_ms += 3 * HOUR_MS
    assert rig.send(ROOM, "x", cmid=key).seq == first.seq + 1


def test_old_answers_go_by_an_entry_and_their_ids_stay_refused() -> None:
    rig = Rig()
    rig.create(ROOM)
    cmid = rig.cmid()
    rig.send(ROOM, "x", cmid=cmid)
    assert rig.store.iterate(Family.DEDUP, b"", b"\xff", limit=10)
    rig.now_ms += 27 * HOUR_MS
    for _ in range(2):  # the second tick has nothing to do
        rig.obey(rig.slot(ROOM).tidy(rig.now))
        rig.settle()
    slot = rig.slot(ROOM)
    last = rig.store.get(Family.LOG, keys.log(slot.number, slot.last_index))
    assert last is not None
    assert decode_logged(last).kind is EntryKind.DEDUP_FLOOR
    assert rig.store.iterate(Family.DEDUP, b"", b"\xff", limit=10) == []
    rig.now_ms = START_MS  # a clock that was set back does not bring the id back
    assert rig.send(ROOM, "x", cmid=cmid).error is CMID_CLOCK


def test_a_refusal_stores_nothing() -> None:
    rig = Rig()
    rig.create(ROOM)
    before = rig.dump()
    refused = rig.send(ROOM, "x", user="mallory")
    assert refused.error is CHANNEL_NOT_FOUND
    assert rig.dump() == before
    assert not rig.waiting


def test_a_success_without_events_stores_nothing_and_carries_the_head() -> None:
    rig = Rig()
    rig.create(ROOM)
    sent = rig.send(ROOM, "x")
    before = rig.dump()
    again = rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent.id})
    assert again.seq == 3
    after_delete = rig.dump()
    once_more = rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent.id})
    assert once_more.seq == 3
    assert before != after_delete == rig.dump()


def test_a_success_that_rests_on_pending_rows_waits_for_them() -> None:
    rig = Rig()
    rig.create(ROOM)
    sent = rig.send(ROOM, "x")
    body = {"channel": ROOM, "id": sent.id}
    rig.submit(ROOM, rig.command("message.delete", body))
    no_op = rig.submit(ROOM, rig.command("message.delete", body))
    assert no_op not in rig.results
    rig.settle()
    assert isinstance(rig.results[no_op], Outcome)


def test_overload_is_said_before_an_index_is_given() -> None:
    rig = Rig()
    rig.create(ROOM)
    index = rig.slot(ROOM).last_index
    for i in range(PENDING_ENTRIES_MAX):
        rig.submit(ROOM, rig.command("message.send", {"channel": ROOM, "text": str(i)}))
    refused = rig.results[
        rig.submit(ROOM, rig.command("message.send", {"channel": ROOM, "text": "more"}))
    ]
    assert isinstance(refused, Rejected)
    assert refused.error is OVERLOADED
    assert refused.details["retry_after_ms"]
    assert rig.slot(ROOM).last_index == index + PENDING_ENTRIES_MAX
    rig.settle()
    assert (rig.backlog.byte_count, rig.backlog.entry_count) == (0, 0)
    assert isinstance(rig.send(ROOM, "now it fits"), Outcome)


def test_what_waits_in_a_slot_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.slot.PENDING_BYTES_MAX", 3_000)
    rig = Rig()
    rig.create(ROOM)
    large = {"channel": ROOM, "text": "x" * 1_000}
    for _ in range(5):
        one, two = (rig.submit(ROOM, rig.command("message.send", large)) for _ in range(2))
        refused = rig.results[rig.submit(ROOM, rig.command("message.send", large))]
        assert isinstance(refused, Rejected), "an entry and the row that is told weigh twice a text"
        assert refused.error is OVERLOADED
        rig.settle()
        assert {type(rig.results[request]) for request in (one, two)} == {Outcome}


def test_a_command_has_an_id_by_which_a_retry_is_known() -> None:
    rig = Rig()
    rig.create(ROOM)
    command = rig.command("message.send", {"channel": ROOM, "text": "x"})
    refused = rig.results[rig.submit(ROOM, msgspec.structs.replace(command, cmid=""))]
    assert isinstance(refused, Rejected)
    assert refused.error is BAD_REQUEST


def test_a_node_wide_bound_holds_over_all_slots() -> None:
    rig = Rig(backlog_bytes_max=2_000)
    refused = 0
    for i in range(20):
        key = f"group:{i}"
        request = rig.submit(key, rig.command("channel.create", {"channel": key}))
        refused += isinstance(rig.results.get(request), Rejected)
    assert 0 < refused < 20
    assert rig.backlog.overloaded_total == refused


def test_what_waits_is_unknown_when_the_disk_fails_and_nothing_is_taken_after() -> None:
    rig = Rig()
    rig.create(ROOM)
    command = rig.command("message.send", {"channel": ROOM, "text": "x"})
    one, two = rig.submit(ROOM, command), rig.submit(ROOM, command)
    slot = rig.slot(ROOM)
    rig.obey(slot.fail("the disk failed"))
    assert rig.results[one] == rig.results[two] == Unknown()
    assert (rig.backlog.byte_count, rig.backlog.entry_count) == (0, 0)
    assert rig.results[rig.submit(ROOM, command)] == Redirected(1)
    rig.settle()
    assert seqs_of(rig, ROOM) == [1]


def test_a_slot_that_stepped_down_redirects() -> None:
    rig = Rig()
    rig.create(ROOM)
    rig.obey(rig.slot(ROOM).step_down())
    assert rig.send(ROOM, "x") == Redirected(1)


def test_nothing_is_taken_before_the_term_has_begun() -> None:
    rig = Rig()
    slot = Slot(3, rig.context)
    command = rig.command("x", {})
    assert slot.submit("r", APP, ROOM, command, rig.now, b"").results == [("r", Redirected(1))]
    ready = slot.follow(led_alone(rig.copy, 2), 2, rig.now)
    assert slot.replica.role is Role.FENCING
    while ready.persist:
        assert not slot.is_active
        write_records(rig.store, list(ready.persist))
        ready = slot.persisted(ready.persist[-1].token, rig.now)
    assert slot.is_active


def test_a_term_is_never_led_twice() -> None:
    rig = Rig(term=5)
    slot = Slot(0, rig.context)
    assert not slot.follow(led_alone(rig.copy, 5), 9, rig.now).persist
    assert slot.replica.role is Role.FOLLOWER


def test_a_restart_continues_seqs_answers_and_incarnation() -> None:
    rig = Rig()
    rig.create(ROOM, members=("bob",))
    command = rig.command("message.send", {"channel": ROOM, "text": "before"})
    rig.submit(ROOM, command)
    rig.settle()
    epoch = rig.slot(ROOM).epoch
    again = Rig(rig.store, term=2, seed=2)
    assert again.slot(ROOM).epoch == epoch
    retry = again.submit(ROOM, command)
    assert again.results[retry] == Outcome(2, START_MS, again.results[retry].id, dup=True)  # type: ignore[union-attr]
    assert again.send(ROOM, "after", user="bob").seq == 3


def test_log_time_never_falls() -> None:
    rig = Rig()
    first = rig.create(ROOM)
    rig.now_ms -= 60_000
    second = rig.send(ROOM, "from the past")
    assert second.ts_ms == first.ts_ms


def test_entries_that_were_not_applied_are_replayed_to_the_same_rows() -> None:
    """As a later leader will have it: log ahead of the rows."""
    live = Rig()
    live.create(ROOM, members=("bob", "carol"))
    sent = live.send(ROOM, "hello")
    live.do(ROOM, "message.edit", {"channel": ROOM, "id": sent.id, "text": "bye"})
    live.send(ROOM, "again", user="bob")
    behind = MemoryStore()
    for number, slot in live.slots.items():
        start, end = keys.log(number, 1), keys.log(number + 1, 0)
        log = live.store.iterate(Family.LOG, start, end, limit=100)
        behind.write([(Family.LOG, key, value) for key, value in log])
        terms = live.store.iterate(Family.META, *keys.term_range(number), limit=100)
        behind.write([(Family.META, key, value) for key, value in terms])
        assert slot.last_index == len(log)
    replayed = Rig(behind, term=2, seed=2)
    again = Rig(live.store, term=2, seed=2)
    for family in (Family.CHAN, Family.STATE, Family.DEDUP, Family.OUTBOX):
        assert replayed.dump()[family] == again.dump()[family], family
    assert {p.key for p in replayed.published} == {ROOM}
    assert replayed.send(ROOM, "next").seq == again.send(ROOM, "next").seq


@pytest.mark.parametrize("damage", ["entry", "chain", "missing"])
def test_a_log_that_does_not_verify_is_never_served(damage: str) -> None:
    rig = Rig()
    rig.create(ROOM)
    rig.send(ROOM, "x")
    slot = rig.slot(ROOM)
    key = keys.log(slot.number, slot.last_index)
    value = rig.store.get(Family.LOG, key)
    assert value is not None
    if damage == "missing":
        rig.store.write([(Family.LOG, key, None)])
    elif damage == "chain":
        rig.store.write([(Family.LOG, key, b"\x00" * 8 + value[8:])])
    else:
        meta = rig.store.get(Family.META, keys.slot_meta(slot.number))
        assert meta is not None
        behind = decode_meta(meta)._replace(applied=0, chain=0).encode()
        rig.store.write(
            [
                (Family.META, keys.slot_meta(slot.number), behind),
                (Family.LOG, key, value[:-1] + bytes((value[-1] ^ 1,))),
            ]
        )
    with pytest.raises(BrokenChain):
        Rig(rig.store, term=2)


def test_an_entry_holds_what_a_replay_needs() -> None:
    rig = Rig()
    rig.create(ROOM)
    rig.send(ROOM, "x")
    slot = rig.slot(ROOM)
    value = rig.store.get(Family.LOG, keys.log(slot.number, slot.last_index))
    assert value is not None
    entry = decode_logged(value)
    assert (entry.app, entry.key, entry.seq, entry.by) == (APP, ROOM, 2, "alice")
    assert [tag for tag, _ in entry.events] == ["message.created"]


def test_a_full_disk_refuses_what_is_new_and_answers_what_it_has_taken() -> None:
    """A retry of a stored command is no new one: refusing it would be a lie."""
    rig = Rig()
    rig.create(ROOM)
    stored = rig.command("message.send", {"channel": ROOM, "text": "before"})
    rig.submit(ROOM, stored)
    rig.settle()
    full = msgspec.structs.replace(rig.context, is_out_of_room=lambda tag: tag == "message.send")
    rig.slot(ROOM)._context = full
    refused = rig.results[rig.submit(ROOM, rig.command("message.send", {"channel": ROOM}))]
    assert isinstance(refused, Rejected)
    assert refused.error is STORAGE_FULL
    again = rig.results[rig.submit(ROOM, stored)]
    assert isinstance(again, Outcome)
    assert again.dup
    freed = rig.submit(ROOM, rig.command("message.delete", {"channel": ROOM, "id": again.id}))
    rig.settle()
    assert isinstance(rig.results[freed], Outcome)
