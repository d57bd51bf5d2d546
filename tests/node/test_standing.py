"""What a node tells of its copies, by three real ones without sockets."""

from __future__ import annotations

from hubbub.runtime.metrics import Metrics
from node.failovers import Failovers
from node.standing import BEHIND_ENTRIES, LOOK_MS, CopyStanding, Standing
from tests.node.trio import Trio
from tests.support.clock import FakeClock

ROOM = "group:x"
ALL = frozenset({"disk-0", "disk-1", "disk-2"})
GAUGES = (
    "node_slots_starting",
    "node_slots_recovering",
    "node_slots_failed",
    "node_slots_under_replicated",
    "node_follower_lag_entries_max",
    "node_apply_lag_entries_max",
    "node_nodes_unheard",
)


class Contacts:
    """The node hears whom a test says."""

    def __init__(self) -> None:
        self.failovers = Failovers()
        self.heard = ALL

    def storages_heard(self) -> frozenset[str]:
        return self.heard

    def unheard(self) -> list[str]:
        return sorted(ALL - self.heard)


class Stage:
    """Three copies of one slot, led by the first; `standings` look at each."""

    def __init__(self) -> None:
        self.trio = Trio(ROOM)
        self.clock = FakeClock()
        self.contacts = Contacts()
        self.standings = [
            Standing(
                member.copy.storage, {self.trio.number: member.slot}, self.contacts, self.clock
            )
            for member in self.trio.members
        ]

    def led(self) -> Stage:
        self.trio.elect(0)
        self.trio.submit(0, "channel.create", {"channel": ROOM, "members": ["bob"]})
        self.trio.run()
        return self

    def send(self, count: int) -> None:
        for _ in range(count):
            self.trio.submit(0, "message.send", {"channel": ROOM, "text": "x"})
        self.trio.run()
        self.clock.advance(LOOK_MS)


def test_every_copy_has_one_place() -> None:
    stage = Stage()
    for standing in stage.standings:
        assert (standing.statistics().held, standing.statistics().following) == (1, 1)
    stage.led()
    stage.clock.advance(LOOK_MS)
    leader, follower, _ = (standing.statistics() for standing in stage.standings)
    assert (leader.led, leader.following, leader.under_replicated) == (1, 0, 0)
    assert (follower.led, follower.following) == (0, 1)
    slot = stage.trio.members[1].slot
    slot.fail("the disk is gone")
    stage.clock.advance(LOOK_MS)
    failed = stage.standings[1].statistics()
    assert (failed.failed, failed.following) == (1, 0)
    assert failed.failures == {slot.number: "the disk is gone"}


def test_a_term_that_has_no_majority_is_starting() -> None:
    stage = Stage()
    stage.trio.cut = {1, 2}
    stage.trio.elect(0)
    assert stage.standings[0].statistics().starting == 1


def test_a_copy_that_is_not_heard_is_missing_even_if_nothing_is_written() -> None:
    stage = Stage().led()
    stage.clock.advance(LOOK_MS)
    stage.contacts.heard = ALL - {"disk-2"}
    told = stage.standings[0].statistics()
    assert (told.under_replicated, told.short, told.unheard) == (1, {2: 1}, ("disk-2",))
    assert told.follower_lag_max == 0, "nothing is known of it"
    short = stage.standings[0].row("short")
    assert short is not None
    assert short.by_copies == {2: [stage.trio.number]}  # type: ignore[union-attr]


def test_a_copy_counts_until_it_is_too_far_behind() -> None:
    stage = Stage().led()
    stage.trio.cut = {2}
    stage.send(BEHIND_ENTRIES)
    told = stage.standings[0].statistics()
    assert (told.under_replicated, told.follower_lag_max) == (0, BEHIND_ENTRIES)
    stage.send(1)
    told = stage.standings[0].statistics()
    assert (told.under_replicated, told.follower_lag_max) == (1, BEHIND_ENTRIES + 1)


def test_one_slot_is_told_in_full() -> None:
    stage = Stage().led()
    stage.trio.cut = {2}
    stage.send(3)
    number = str(stage.trio.number)
    leader = stage.standings[0].row(number)
    follower = stage.standings[1].row(number)
    assert (leader.role, leader.term, leader.last_index) == ("active", 1, 5)  # type: ignore[union-attr]
    assert leader.copies == {  # type: ignore[union-attr]
        "disk-1": CopyStanding(0, True, True),
        "disk-2": CopyStanding(3, True, True),
    }
    assert (follower.role, follower.durable, follower.copies) == ("follower", 5, {})  # type: ignore[union-attr]
    assert stage.standings[0].row("999") is None
    assert stage.standings[0].row("x") is None


def test_one_walk_answers_a_whole_scrape() -> None:
    stage = Stage().led()
    before = stage.standings[0].statistics()
    stage.contacts.heard = frozenset()
    stage.clock.advance(LOOK_MS - 1)
    assert stage.standings[0].statistics() is before
    stage.clock.advance(1)
    assert stage.standings[0].statistics().under_replicated == 1


def test_each_gauge_is_there() -> None:
    stage = Stage().led()
    stage.contacts.heard = frozenset({"disk-0"})
    metrics = Metrics("node")
    stage.standings[0].expose(metrics)
    text = metrics.render().decode()
    for name in GAUGES:
        assert f"\nhubbub_{name} " in text, name
    assert "\nhubbub_node_slots_under_replicated 1.0" in text
    assert "\nhubbub_node_nodes_unheard 2.0" in text
