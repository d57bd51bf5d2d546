"""Members of a slot change, step by step as `moves` writes them; over real copies."""

from __future__ import annotations

from msgspec.structs import replace

from hubbub.ring.map import SlotRecord, activated, next_leader
from hubbub.wire.shapes import Outcome
from node.removals import removal
from node.replica import Role
from node.slot import Slot
from tests.node.rig import write_records
from tests.node.trio import Trio

KEY = "group:x"
NEXT_MS = 10_000


class Moving(Trio):
    """A trio whose activations may be withheld."""

    withholds = False

    def write(self, record: SlotRecord) -> None:
        if not (self.withholds and record.activated and record.term == self.record.term):
            super().write(record)


def started(members: int) -> Moving:
    """Led by the first of so many members; the others hold nothing."""
    trio = Moving(KEY)
    names = tuple(member.copy.storage for member in trio.members)
    trio.record = replace(trio.record, members=names[:members], prev=names[:members])
    trio.elect(0)
    trio.submit(0, "channel.create", {"channel": KEY})
    trio.run()
    return trio


def send(trio: Trio, number: int, text: str) -> object:
    request = trio.submit(number, "message.send", {"channel": KEY, "text": text})
    trio.run()
    return trio.members[number].results[request]


def test_a_learner_becomes_a_member_and_a_member_goes() -> None:
    trio = started(2)
    names = [member.copy.storage for member in trio.members]
    for text in "abc":
        send(trio, 0, text)
    trio.write(replace(trio.record, learners=(names[2],)))
    trio.run()
    leader = trio.members[0].slot
    assert leader.replica.lag(names[2]) == 0
    trio.write(next_leader(trio.record, trio.members[0].copy.leader, (names[0], names[2])))
    trio.run()
    assert trio.record.activated
    assert leader.is_active
    trio.cut = {1}
    assert send(trio, 0, "without the one that went").seq == 5  # type: ignore[attr-defined]
    trio.beat()
    assert trio.dump(0) == trio.dump(2)


def test_the_last_copy_moves_and_the_old_place_is_emptied_and_filled_again() -> None:
    trio = started(1)
    names = [member.copy.storage for member in trio.members]
    send(trio, 0, "a")
    trio.write(replace(trio.record, learners=(names[1],)))
    trio.run()
    trio.write(next_leader(trio.record, trio.members[1].copy.leader, (names[1],)))
    trio.run()
    assert trio.members[1].slot.is_active
    assert send(trio, 1, "b").seq == 3  # type: ignore[attr-defined]
    old = trio.members[0]
    write_records(old.store, [*old.waiting, removal(old.store, trio.number)])
    old.waiting.clear()
    old.context.caches.clear()
    old.slot = Slot(trio.number, old.context)
    assert (old.slot.last_index, old.slot.term) == (0, 2), "its promise stays"
    trio.write(replace(trio.record, learners=(names[0],)))
    trio.run()
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[1], trio.members[1].slot.tick(trio.now))
    trio.run()
    assert trio.members[1].slot.replica.lag(names[0]) == 0
    trio.write(next_leader(trio.record, old.copy.leader, (names[0],)))
    trio.run()
    assert send(trio, 0, "c").seq == 4  # type: ignore[attr-defined]


def test_a_lone_successor_that_was_not_activated_leaves_nothing_behind() -> None:
    """Its rows went to the disk with its first entry, ahead of the commit: the slot failed when
    another leader replaced that entry."""
    trio = started(3)
    names = tuple(member.copy.storage for member in trio.members)
    send(trio, 0, "a")
    trio.beat()
    before = trio.record
    trio.withholds = True
    trio.write(next_leader(before, trio.members[2].copy.leader, names[2:]))
    trio.run()
    assert trio.members[2].slot.replica.role is Role.ACTIVATING
    trio.withholds = False
    trio.cut = {2}
    trio.write(next_leader(trio.record, trio.members[0].copy.leader, names))
    trio.run()
    assert isinstance(send(trio, 0, "b"), Outcome)
    trio.cut = set()
    trio.restart(2)
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[0], trio.members[0].slot.peer_up(names[2], trio.now))
    trio.run()
    trio.beat()
    assert trio.members[2].slot.replica.failure == ""
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)


def test_the_order_of_members_may_change_within_a_term() -> None:
    trio = started(3)
    names = tuple(member.copy.storage for member in trio.members)
    term = trio.record.term
    trio.write(replace(activated(trio.record), members=names[::-1]))
    trio.run()
    assert trio.members[0].slot.is_active
    assert isinstance(send(trio, 0, "a"), Outcome)
    assert trio.record.term == term
