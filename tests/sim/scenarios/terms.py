"""Who may lead: promises, terms, records, restarts."""

from __future__ import annotations

from msgspec.structs import replace

from node.replica import Role
from tests.sim.machine import REDIRECT, UNKNOWN
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Stage


@scenario(1)
def a_restarted_leader_does_not_resume_its_term() -> None:
    """Entry 2 of term 1 is lost with the process; a second one would be another (1, 2)."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    old = stage.take("s1", "Append")
    stage.crash("s0")
    stage.start("s0")
    stage.tell("s0")
    assert stage.role("s0") is Role.FOLLOWER
    assert stage.send("s0", 2).answers == [REDIRECT]
    stage.settle()
    stage.give(old)
    stage.check("s1")


@scenario(1)
def the_same_process_does_not_resume_its_term_either() -> None:
    """It stepped down, and the record that still names it comes again with a newer revision."""
    stage = Stage(4, members=3)
    stage.lead("s0")
    stage.send("s0", 1)
    stage.drop()
    stage.wait(3_000, "s0")
    assert stage.role("s0") is Role.FOLLOWER
    stage.desk.write(replace(stage.desk.record, learners=("s3",)))
    stage.tell("s0")
    assert stage.role("s0") is Role.FOLLOWER
    stage.check("s1")


@scenario(1)
def a_new_process_does_not_take_the_term_of_the_old_one() -> None:
    """The record names the first process, whose promise was lost with it."""
    stage = Stage()
    stage.name("s0")
    stage.tell("s0")
    stage.crash("s0")
    stage.start("s0")
    stage.tell("s0")
    assert stage.role("s0") is Role.FOLLOWER
    stage.check("s1")


@scenario(2)
def a_promise_is_stored_before_it_is_given() -> None:
    """s2 forgets a promise that nobody heard: the old leader may still commit with it."""
    stage = Stage()
    stage.lead("s0")
    stage.name("s1")
    stage.tell("s1")
    stage.deliver("s2", "Fence")
    assert not stage.posts(sender="s2", kind="Promised")
    stage.crash("s2")
    stage.start("s2")
    stage.drop()
    stage.committed("s0", 1, "s0", "s2")
    stage.wait(400, "s1")
    stage.settle("s1", "s2")
    assert stage.role("s1") is Role.ACTIVE
    assert stage.log("s1")[1] == (2, 1)
    stage.check("s1")


@scenario(2)
def the_promise_of_an_append_is_stored_before_the_ack() -> None:
    """A copy that was never fenced promises by the first APPEND; it keeps that over a crash."""
    stage = Stage()
    stage.lead("s0")
    stage.lead("s1", "s0", "s1")
    stage.wait(400, "s1")
    stage.deliver("s2")
    assert not stage.posts(sender="s2", kind="Appended")
    stage.sync("s2")
    stage.crash("s2")
    stage.start("s2")
    assert stage.replica("s2").promise[:2] == (2, stage.node("s1").boot_id)
    stage.check("s1")


@scenario(2)
def a_leader_waits_for_its_own_promise() -> None:
    """If it forgot its term now, nothing would have begun that could be there twice."""
    stage = Stage()
    stage.name("s0")
    stage.tell("s0")
    stage.settle("s1")
    stage.deliver("s1")
    stage.deliver("s2")
    stage.sync("s1", "s2")
    stage.deliver("s0", "Promised")
    assert stage.role("s0") is Role.FENCING
    stage.sync("s0")
    assert stage.role("s0") is Role.SYNCING
    stage.check("s0")


@scenario()
def a_lower_term_is_refused() -> None:
    """Term 2 is promised; the leader of term 1 hears of it, and s0 does not get its promise."""
    stage = Stage()
    stage.name("s0")
    stage.tell("s0")
    fences = stage.take(kind="Fence")
    stage.lead("s1", "s1", "s2")
    stage.give(fences)
    stage.settle()
    assert stage.replica("s2").promise.term == 2
    assert stage.role("s0") is Role.FOLLOWER
    assert stage.role("s1") is Role.ACTIVE
    stage.check("s1")


@scenario(1, 21)
def one_term_of_two_processes() -> None:
    """The coordinator lost a write and names another leader for term 1: nobody follows it."""
    stage = Stage()
    stage.lead("s0", "s0", "s1")
    stage.committed("s0", 1, "s0", "s1")
    stage.drop("s2")
    stage.desk.is_checked = False
    stage.desk.roll_back(1, moves_on=True)
    stage.name("s2")
    stage.tell("s2")
    assert stage.role("s2") is Role.FENCING
    stage.settle()
    assert stage.role("s2") is Role.FOLLOWER
    assert stage.replica("s1").promise[:2] == (1, stage.node("s0").boot_id)
    stage.committed("s0", 2, "s0", "s1")
    stage.check("s0")


@scenario(1)
def a_promise_to_an_earlier_process_is_none() -> None:
    """s1 promised term 1 to a process that is gone; a lost write names its successor for term 1."""
    stage = Stage()
    stage.name("s0")
    stage.tell("s0")
    stage.deliver("s1", "Fence")
    stage.sync("s1")
    late = stage.take("s0", "Promised")
    assert late
    stage.crash("s0")
    stage.start("s0")
    stage.desk.is_checked = False
    stage.desk.roll_back(1, moves_on=True)
    stage.name("s0")
    stage.tell("s0")
    stage.drop()
    stage.sync("s0")
    stage.give(late)
    assert stage.role("s0") is Role.FENCING
    stage.check("s1")


@scenario()
def one_promise_is_no_majority() -> None:
    """Five copies, two promises: a committed entry may be on the other three."""
    stage = Stage(5)
    stage.lead("s0", "s0", "s1", "s2")
    stage.committed("s0", 1, "s0", "s1", "s2")
    stage.name("s3")
    stage.tell("s3")
    stage.settle("s3", "s4")
    assert stage.role("s3") is Role.FENCING
    stage.wait(400, "s3")
    stage.settle("s2", "s3", "s4")
    assert stage.role("s3") is Role.ACTIVE
    assert stage.log("s3")[1] == (2, 1)
    stage.check("s3")


@scenario(19)
def a_record_does_not_go_back() -> None:
    """A watch that is connected anew to a lagging server tells of what is long past."""
    stage = Stage()
    stage.name("s1")
    past = stage.desk.state
    stage.lead("s0")
    stage.node("s0").map_changed(past.record, past.revision)
    assert stage.role("s0") is Role.ACTIVE
    assert stage.node("s0").map.term_of(0) == 2
    stage.node("s1").map_changed(past.record, past.revision)
    stage.check("s0")


@scenario(19)
def an_old_record_does_not_make_a_leader() -> None:
    """s1 knows of term 2, then hears that term 1 is its own."""
    stage = Stage()
    stage.name("s1")
    past = stage.desk.state
    stage.name("s0")
    stage.tell("s1")
    stage.node("s1").map_changed(past.record, past.revision)
    assert stage.role("s1") is Role.FOLLOWER
    assert not stage.posts(kind="Fence")
    stage.check("s0")


@scenario()
def a_newer_record_ends_a_leader() -> None:
    """It hears of its successor by the record: whoever waits is told that nobody knows."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.drop()
    stage.name("s1")
    stage.tell("s0")
    assert stage.role("s0") is Role.FOLLOWER
    assert said.answers == [UNKNOWN]
    stage.check("s1")


@scenario(21)
def mail_of_an_old_term_is_refused() -> None:
    """ZeroMQ delivers after a partition what was sent before it."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    old = stage.take(kind="Append")
    stage.lead("s1", "s1", "s2")
    stage.committed("s1", 2, "s1", "s2")
    before = stage.log("s2")
    stage.give(old)
    assert stage.log("s2") == before
    assert stage.deliver("s0", "Stale")
    assert stage.role("s0") is Role.FOLLOWER
    stage.check("s1")


@scenario()
def a_leader_that_hears_nobody_gives_up() -> None:
    """Two seconds without a word of a majority while something waits; not before, not when idle."""
    stage = Stage()
    stage.lead("s0")
    stage.wait(60_000, "s0")
    assert stage.role("s0") is Role.ACTIVE
    said = stage.send("s0", 1)
    stage.sync("s0")
    stage.wait(1_900, "s0")
    assert stage.role("s0") is Role.ACTIVE
    stage.wait(200, "s0")
    assert stage.role("s0") is Role.FOLLOWER
    assert said.answers == [UNKNOWN]
    stage.check("s1")


@scenario()
def a_majority_that_answers_keeps_a_leader() -> None:
    """One of two others is silent for long: nothing changes."""
    stage = Stage()
    stage.lead("s0")
    for n in range(1, 6):
        stage.committed("s0", n, "s0", "s1")
        stage.wait(900, "s0")
    assert stage.role("s0") is Role.ACTIVE
    stage.check("s0")


@scenario()
def a_lost_fence_is_said_again() -> None:
    """FENCE and PROMISED are lost once each."""
    stage = Stage()
    stage.name("s0")
    stage.tell("s0")
    stage.sync("s0")
    stage.drop()
    stage.wait(400, "s0")
    assert stage.deliver("s1", "Fence")
    stage.sync("s1")
    stage.drop()
    stage.wait(400, "s0")
    stage.settle()
    assert stage.role("s0") is Role.ACTIVE
    stage.check("s0")


@scenario(26)
def a_failed_disk_is_not_asked_again() -> None:
    """Nothing is acknowledged, promised or led by a process whose sync failed."""
    stage = Stage(is_lenient=True)
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.deliver("s2", "Append")
    stage.replica("s0").fail("the disk failed")
    stage.node("s0").obey()
    assert said.answers == [UNKNOWN]
    stage.settle()
    assert said.answers == [UNKNOWN]
    stage.name("s1")
    stage.tell("s1", "s0")
    stage.deliver("s0")
    stage.sync("s0")
    stage.name("s0")
    stage.tell("s0")
    stage.sync("s0")
    assert not stage.posts(sender="s0")
    assert stage.role("s0") is Role.FAILED
    stage.crash("s0", keep=2)
    stage.check("s1")


@scenario()
def who_is_no_member_does_not_lead() -> None:
    """A record that names a process whose copy is no member: nobody's term."""
    stage = Stage(4, members=3)
    stage.name("s3")
    stage.tell("s3")
    assert stage.role("s3") is Role.FOLLOWER
    stage.check("s0")


@scenario()
def a_leader_that_promises_another_term_leads_no_more() -> None:
    """s0 promises term 2 and would go on to commit in term 1 with s2, which nobody has fenced."""
    stage = Stage()
    stage.lead("s0")
    stage.name("s1")
    stage.tell("s1")
    stage.deliver("s0", "Fence")
    stage.sync("s0", "s1")
    said = stage.send("s0", 1)
    stage.sync("s0")
    stage.deliver("s2", "Append")
    stage.sync("s2")
    stage.deliver("s0")
    assert said.answers == [REDIRECT]
    stage.drop("s2")
    stage.settle("s0", "s1")
    assert stage.role("s1") is Role.ACTIVE
    stage.check("s2")


@scenario()
def a_leader_that_follows_leads_no_more() -> None:
    """s0 missed the fence; the first APPEND of term 2 tells it."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.drop()
    stage.lead("s1", "s1", "s2")
    stage.drop("s0", "Fence")
    stage.deliver("s0", "Append")
    assert stage.role("s0") is Role.FOLLOWER
    assert said.answers == [UNKNOWN]
    stage.check("s0")
