"""Bugs of what stands around the log: beats, elections, retries, deletions, clocks.

The classes are the product's own; there is no network in these stories, only their calls.
"""

from __future__ import annotations

from random import Random

from hubbub.base.errors import CMID_CLOCK, Rejected
from hubbub.base.ids import uuid7
from hubbub.base.units import HOUR_MS
from hubbub.ring.map import Leader, SlotRecord, activated, next_leader, placed
from hubbub.wire.frame import decode_frame, encode_frame, encode_message
from hubbub.wire.replication import NodeBeat
from hubbub.wire.shapes import Kind, Outcome, Status
from node.beats import BEAT_MS, Beats
from node.elections import STAGGER_MS, Elections, Living
from node.gray import LATE_MS, WELL_MS, Gray
from node.removals import is_given_up
from node.replica import QUORUM_LOST_MS
from router.leaders import Leaders
from router.relay import BUCKET_MS, Relay, RelayLimits, Reply, Send
from tests.node.trio import Trio
from tests.sim.scenarios.play import scenario

COPIES = ("a", "b", "c")
LEADERS = {name: Leader(f"node-{name}", ord(name)) for name in COPIES}
ROOM = "group:window"


@scenario(20)
def a_stale_map_deletes_nothing() -> None:
    """c was replaced by d, came back, and promised the term that names it again: the map that this
    node has still says that c is not a member."""
    led = next_leader(placed(COPIES), LEADERS["a"])
    without = next_leader(led, LEADERS["a"], ("a", "b", "d"))
    assert not is_given_up(without, "c", without.term)  # nobody agreed on it yet
    assert not is_given_up(led, "c", led.term)
    settled = activated(without)
    assert is_given_up(settled, "c", without.term)
    back = next_leader(settled, LEADERS["a"], COPIES)
    assert not is_given_up(settled, "c", back.term)  # the promise knows better than the map
    assert not is_given_up(activated(back), "c", back.term)


@scenario(22)
def a_stalled_node_is_replaced_once() -> None:
    """Its loop stood still for longer than the others wait. It does not get its slots back as soon
    as it can speak, only to lose them at the next stall."""
    gray = Gray()
    assert gray.look(1_000, syncing_ms=0, late_ms=LATE_MS + 200, peers_us=[])
    assert gray.is_gray
    beats = Beats()
    beats.up("node-a", 0)
    beats.heard("node-a", NodeBeat(ord("a"), 1, 0, (), (), 0, gray.is_gray), 1_000)
    assert beats.gray(1_000) == {"node-a"}
    record = next_leader(placed(COPIES), LEADERS["b"])  # b has taken over
    processes = frozenset((leader.node, leader.boot_id) for leader in LEADERS.values())
    gone = Living(
        frozenset(COPIES), processes - {("node-b", ord("b"))}, frozenset(), frozenset("a")
    )
    stalled, sound = Elections("a", LEADERS["a"]), Elections("c", LEADERS["c"])
    for now_ms in range(2_000, 2_000 + 2 * STAGGER_MS, 100):  # b is gone, and c is faster than a
        assert not _tries(stalled, record, gone, now_ms)
        if _tries(sound, record, gone, now_ms):
            break
    else:
        raise AssertionError("nobody leads")
    for now_ms in range(2_000, 1_000 + WELL_MS, BEAT_MS):
        gray.look(now_ms, syncing_ms=0, late_ms=0, peers_us=[])
        assert gray.is_gray
    assert gray.look(1_000 + WELL_MS, syncing_ms=0, late_ms=0, peers_us=[])
    assert not gray.is_gray


def _tries(elections: Elections, record: SlotRecord, living: Living, now_ms: int) -> bool:
    return bool(elections.wanted([(5, record, 9)], living, lambda _: False, now_ms))


@scenario(23)
def silence_is_no_reason_for_a_storm() -> None:
    """A leader that says nothing gets each request twice or three times until its time is up, and
    whoever asked gets one answer: that nobody knows."""
    leaders = Leaders(1)
    leaders.from_map(0, 1, "n1")
    relay, requests = Relay(leaders, 7, RelayLimits()), 200
    relay.node_up("n1", 0)
    raw = encode_message(Kind.SUBMIT, b"body", request_id=5, app="demo", key="group:x")
    frame = encode_frame([raw], generation=1, boot_id=1, n=1, ack=0)
    outputs = []
    for _ in range(requests):
        outputs += relay.receive("edge-1", decode_frame(frame)[1], 0)
    for now_ms in range(0, 4_000, BUCKET_MS):
        outputs += relay.tick(now_ms)
    sends = sum(isinstance(output, Send) for output in outputs)
    replies = [output for output in outputs if isinstance(output, Reply)]
    assert requests <= sends <= 3 * requests, sends
    assert len(replies) == requests
    answers = [decode_frame(encode_frame([r.message], generation=1, boot_id=1, n=1, ack=0))[1][0]
               for r in replies]  # fmt: skip
    assert {answer.flags for answer in answers} == {Status.UNKNOWN}


@scenario(25)
def an_hour_of_answers_ends_by_an_entry() -> None:
    """The leader's clock says that an hour is over. The others' clocks are a day behind, and they
    drop the same answers at the same entry; whoever of them leads next refuses those ids."""
    trio = Trio(ROOM)
    trio.elect(0)
    old = uuid7(trio.now_ms, Random(5).randbytes(10))
    body = {"channel": ROOM}
    request = trio.submit(0, "channel.create", body, cmid=old)
    trio.run()
    assert isinstance(trio.members[0].results[request], Outcome)
    began_ms = trio.now_ms
    trio.now_ms = began_ms + 26 * HOUR_MS  # at the leader alone
    leader = trio.members[0]
    trio.obey(leader, leader.slot.tidy(trio.now))
    trio.now_ms = began_ms
    trio.run()
    trio.beat()
    floors = {member.slot.meta.dedup_floor for member in trio.members}
    assert len(floors) == 1, floors
    assert floors.pop() > began_ms // HOUR_MS
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)
    trio.elect(1)
    again = trio.submit(1, "channel.create", body, cmid=old)
    refused = trio.members[1].results[again]
    assert isinstance(refused, Rejected)
    assert refused.error is CMID_CLOCK


@scenario(28)
def contact_is_as_old_as_the_question() -> None:
    """The answer took its time: what it proves is that the other was there when it was asked."""
    beats = Beats()
    beats.up("node-b", 0)
    beat = beats.make("node-b", 1, (), 100)
    late_ms = 100 + QUORUM_LOST_MS - 50
    beats.heard("node-b", NodeBeat(2, 1, beat.n, (), ()), late_ms)
    assert beats.in_contact(QUORUM_LOST_MS, late_ms) == {"node-b"}
    assert beats.in_contact(QUORUM_LOST_MS, 100 + QUORUM_LOST_MS + 1) == frozenset()
