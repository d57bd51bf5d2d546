"""Mail and beats between nodes, over the real messages."""

from __future__ import annotations

from functools import partial

from hubbub.coordinator.records import ProcessRecord
from hubbub.ring.map import Leader, SlotMap, SlotRecord, next_leader, placed
from hubbub.wire.codec import encode_pack
from hubbub.wire.frame import Message, decode_frame, encode_frame
from hubbub.wire.replication import Fence
from hubbub.wire.shapes import Kind
from node.beats import SUSPECT_MS
from node.copies import Copies
from node.elections import AGAIN_MS, STAGGER_MS
from node.gray import CLOCK_OFF_MS, CLOCK_SURE_MS, SLOW_MS
from node.ready import Ready
from node.replica import QUORUM_LOST_MS, Mail, Role
from node.slot import Slot
from node.store.api import StoreError
from node.store.memory import MemoryStore
from tests.node.rig import SLOTS, write_records
from tests.node.trio import Member
from tests.support.clock import FakeClock

SLOT = 3


class Nodes:
    """Three nodes' `Copies`, over links that a test may break."""

    def __init__(self) -> None:
        self.clock = FakeClock(1_000_000)
        self.members = [Member(number, MemoryStore(), number + 1, SLOT) for number in range(3)]
        self.map = SlotMap(SLOTS)
        self.names = [member.copy.leader.node for member in self.members]
        self.records = {
            member.copy.leader.node: ProcessRecord(
                name=member.copy.leader.node,
                role="node",
                boot_id=member.copy.leader.boot_id,
                storage_id=member.copy.storage,
            )
            for member in self.members
        }
        self.broken: set[str] = set()
        self.under_way: list[tuple[str, str, bytes]] = []
        self.copies = [self._copies(member) for member in self.members]
        self.revision = 1
        self.follow(placed(tuple(member.copy.storage for member in self.members)))
        for number, copies in enumerate(self.copies):
            for name in self.names:
                if name != self.names[number]:
                    copies.peer_up(name)

    def _copies(self, member: Member) -> Copies:
        copies = Copies(member.copy, {SLOT: member.slot}, self.records, self.map, self.clock)
        name, nodes = member.copy.leader.node, self

        class Links:
            def send(self, peer: str, message: bytes) -> bool:
                nodes.under_way.append((name, peer, message))
                return peer not in nodes.broken and name not in nodes.broken

            send_windowed = send

        def obey(slot: Slot, ready: Ready) -> None:
            copies.send(slot.number, ready.mails)
            member.waiting += ready.persist

        copies.links, copies.obey = Links(), obey
        return copies

    def follow(self, record: object) -> None:
        self.revision += 1
        self.map.apply(SLOT, record, self.revision)  # type: ignore[arg-type]
        for copies, member in zip(self.copies, self.members, strict=True):
            now = copies._now()
            copies.run(member.slot, member.slot.follow, record, self.revision, now)

    def run(self) -> None:
        for _ in range(100):
            if not self.under_way and not any(member.waiting for member in self.members):
                return
            for copies, member in zip(self.copies, self.members, strict=True):
                records, member.waiting = member.waiting, []
                for _, token in write_records(member.store, records) if records else ():
                    copies.run(member.slot, member.slot.persisted, token, copies._now())
            sent, self.under_way = self.under_way, []
            for sender, peer, message in sent:
                if not {sender, peer} & self.broken:
                    self.copies[self.names.index(peer)].receive(sender, parsed(message))
        raise AssertionError("it never comes to rest")

    def pass_time(self, ms: int) -> None:
        for _ in range(ms // 200):
            self.clock.advance(200)
            for copies in self.copies:
                copies.beat()
                copies.tick()
            self.run()

    def elect(self, number: int) -> int:
        wanted = self.copies[number].elect()
        for one in wanted:
            self.follow(one.record)
        self.run()
        return len(wanted)


def parsed(message: bytes) -> Message:
    return decode_frame(encode_frame([message], generation=1, boot_id=1, n=1, ack=0))[1][0]


def test_the_first_member_leads_and_everybody_learns_what_is_committed() -> None:
    nodes = Nodes()
    assert nodes.elect(0) == 1
    slots = [member.slot for member in nodes.members]
    assert slots[0].is_active
    nodes.pass_time(400)
    assert [slot.applied for slot in slots] == [1, 1, 1]
    assert nodes.copies[1].counts.beats_total > 0


def test_a_leader_that_is_cut_off_is_replaced_and_gives_up() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.broken = {nodes.names[0]}
    assert nodes.elect(1) == 0
    nodes.pass_time(SUSPECT_MS + 400)
    assert nodes.elect(1) == 1
    assert nodes.members[1].slot.is_active
    other = Nodes()
    other.elect(0)
    other.broken = set(other.names[1:])
    other.pass_time(QUORUM_LOST_MS + 200)
    assert other.members[0].slot.replica.role is Role.FOLLOWER
    assert other.copies[0].counts.stepped_down_total == 1


def test_a_process_that_stood_still_does_not_believe_that_it_leads() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    nodes.clock.advance(10_000)  # SIGSTOP and SIGCONT
    nodes.copies[0].keep_time()
    assert not nodes.members[0].slot.is_active


def test_a_message_of_a_copy_that_the_sender_does_not_hold_is_dropped() -> None:
    nodes = Nodes()
    record = next_leader(placed(("disk-0", "disk-1", "disk-2")), nodes.members[0].copy.leader)
    body = encode_pack(Fence("disk-0", 1))
    mail = Message(Kind.FENCE, 0, SLOT, record.term, 0, 0, "", "", body, b"")
    nodes.copies[1].receive("node-2", mail)
    assert nodes.copies[1].counts.foreign_total == 1
    assert nodes.members[1].slot.replica.promise.term == 0
    nodes.copies[1].receive("node-0", mail)
    assert nodes.members[1].slot.replica.promise.term == 1


def test_two_followers_get_the_same_bytes() -> None:
    nodes = Nodes()
    body = Fence("disk-0", 1)
    nodes.under_way.clear()
    nodes.copies[0].send(SLOT, [Mail("disk-1", 1, body), Mail("disk-2", 1, body)])
    (_, one, first), (_, two, second) = nodes.under_way
    assert (one, two) == ("node-1", "node-2")
    assert first is second


def test_a_lease_that_the_coordinator_forgot_is_no_death() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    nodes.records.clear()
    for copies in nodes.copies:
        copies.nodes_changed()
    nodes.pass_time(4_000)
    assert [nodes.elect(number) for number in range(3)] == [0, 0, 0]
    assert nodes.members[0].slot.is_active


def test_a_slot_taken_from_another_node_is_a_failover_and_a_first_term_is_none() -> None:
    nodes = Nodes()
    nodes.elect(0)
    assert nodes.copies[0].counts.failovers_total == 0
    nodes.broken = {nodes.names[0]}
    nodes.pass_time(SUSPECT_MS + 400)
    nodes.elect(1)
    taken = nodes.copies[1]
    assert taken.counts.failovers_total == 1
    (event,) = taken.failovers.last_hour(nodes.clock.monotonic_ms())
    assert (event.node, event.slots) == (nodes.names[0], 1)


def test_a_silent_node_is_unheard_and_its_copies_with_it() -> None:
    nodes = Nodes()
    nodes.pass_time(400)
    assert nodes.copies[0].unheard() == []
    assert nodes.copies[0].storages_heard() == {"disk-0", "disk-1", "disk-2"}
    nodes.broken = {nodes.names[2]}
    nodes.pass_time(SUSPECT_MS + 400)
    assert nodes.copies[0].unheard() == [nodes.names[2]]
    assert nodes.copies[0].storages_heard() == {"disk-0", "disk-1"}


def test_what_a_gray_node_leads_is_taken_over_and_it_leads_until_then() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    for _ in range((SLOW_MS + 400) // 200):
        for number, took_s in enumerate((0.5, 0.001, 0.002)):
            gray = nodes.copies[number].gray
            gray.synced(took_s, nodes.clock.monotonic_ms())
        nodes.pass_time(200)
    assert [copies.gray.is_gray for copies in nodes.copies] == [True, False, False]
    assert nodes.members[0].slot.is_active
    assert nodes.copies[1].storages_gray() == {"disk-0"}
    assert nodes.elect(2) == 0, "the second one goes first"
    assert nodes.elect(1) == 1
    assert nodes.members[1].slot.is_active
    assert not nodes.members[0].slot.is_active


def test_a_process_that_stood_still_is_gray_and_one_that_starts_slowly_is_not() -> None:
    nodes = Nodes()
    nodes.clock.advance(5_000)
    nodes.pass_time(400)
    assert not any(copies.gray.is_gray for copies in nodes.copies)
    nodes.clock.advance(5_000)
    nodes.copies[0].keep_time()
    assert nodes.copies[0].gray.is_gray


def test_a_slot_whose_log_cannot_be_read_fails_and_another_copy_is_named() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    first = nodes.members[0].slot

    def damaged(_: object) -> Ready:
        raise StoreError("Corruption: block checksum mismatch")

    nodes.copies[0].run(first, damaged, None)
    assert first.replica.role is Role.FAILED
    nodes.pass_time(AGAIN_MS)
    assert nodes.elect(0) == 1
    assert nodes.members[1].slot.is_active
    assert nodes.copies[0].counts.slots_failed_total == 1


def test_a_copy_that_was_asked_too_early_is_asked_again() -> None:
    """Its slot is quiet: nothing else would ever ask, and it counted as missing for good."""
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    leader = nodes.members[0].slot.replica
    assert leader.lag("disk-1") == 0
    nodes.broken = {nodes.names[1]}
    nodes.copies[0].peer_up(nodes.names[1])  # the other side of the link is not up yet
    nodes.run()
    nodes.broken = set()
    assert leader.lag("disk-1") is None
    nodes.pass_time(3_000)
    assert leader.lag("disk-1") == 0


def test_a_follower_may_read_while_it_hears_its_leader() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    follower, slot = nodes.copies[1], nodes.members[1].slot
    assert follower.may_read(slot)
    assert not nodes.copies[0].may_read(nodes.members[0].slot), "who leads is no follower"
    nodes.broken = {nodes.names[0]}
    nodes.pass_time(SUSPECT_MS + 200)
    assert not follower.may_read(slot)


def test_a_node_whose_clock_is_wrong_does_not_lead() -> None:
    nodes = Nodes()
    nodes.elect(0)
    nodes.pass_time(400)
    wrong = nodes.copies[0]
    right = wrong._clock

    class Wrong(FakeClock):
        def monotonic_ms(self) -> int:
            return right.monotonic_ms()

        def wall_ms(self) -> int:
            return right.wall_ms() + CLOCK_OFF_MS + 1_000

    wrong._clock = Wrong(0)
    nodes.pass_time(CLOCK_SURE_MS + 5_000)
    assert wrong.gray.is_clock_off
    assert not nodes.members[0].slot.is_active
    assert nodes.elect(0) == 0
    assert not nodes.copies[1].gray.is_clock_off
    assert nodes.elect(1) == 1
    assert nodes.members[1].slot.is_active
    wrong._clock = right
    nodes.pass_time(5_000)
    assert not wrong.gray.is_clock_off


def test_a_broken_link_is_told_at_once_and_both_others_elect_without_waiting_for_a_beat() -> None:
    nodes = Nodes()
    nodes.elect(0)
    hurried: list[int] = []
    for number, copies in enumerate(nodes.copies):
        copies.hurry = partial(hurried.append, number)
    nodes.broken = {nodes.names[0]}
    nodes.copies[1].peer_down(nodes.names[0])
    assert nodes.elect(1) == 0, "one witness is none"
    nodes.copies[2].peer_down(nodes.names[0])
    nodes.run()
    assert hurried == [1, 2, 2, 1], "for what it saw, and for what the other one said"
    assert nodes.elect(1) == 1
    assert nodes.members[1].slot.is_active


def test_what_was_written_to_last_is_taken_over_first() -> None:
    clock, slots = FakeClock(1_000_000), SlotMap(SLOTS)
    records = dict[str, ProcessRecord]()
    held = dict[int, Slot]()
    member = Member(0, MemoryStore(), 1, SLOT)
    copies = Copies(member.copy, held, records, slots, clock)
    for number, ts_ms in ((2, 50), (3, 900), (4, 0), (5, 300)):
        slot = held[number] = Member(0, MemoryStore(), 1, number).slot
        slot.meta = slot.meta._replace(ts_ms=ts_ms)
        slots.apply(number, placed((member.copy.storage,)), 7)
    assert [one.slot for one in copies.elect()] == [3, 5, 2, 4]


class Counted(SlotMap):
    """A map that counts who asks."""

    asked = 0

    def record_of(self, slot: int) -> SlotRecord | None:
        self.asked += 1
        return super().record_of(slot)


def test_an_election_looks_at_the_slots_only_when_something_changed() -> None:
    nodes = Nodes()
    nodes.elect(0)
    copies, counted = nodes.copies[1], Counted(SLOTS)
    counted.apply(SLOT, nodes.map.record_of(SLOT), 5)
    copies._slot_map = counted
    copies.elect()
    before = counted.asked
    for _ in range(20):
        nodes.pass_time(200)
        assert copies.elect() == []
    assert counted.asked == before
    gone = next_leader(placed(tuple(m.copy.storage for m in nodes.members)), Leader("node-9", 9))
    counted.apply(SLOT, gone, 6)  # a process that nobody knows
    nodes.pass_time(STAGGER_MS)
    copies.elect()
    nodes.pass_time(STAGGER_MS)
    assert len(copies.elect()) == 1
