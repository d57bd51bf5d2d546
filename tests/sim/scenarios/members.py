"""Which copies count: old and new members, learners, wiped disks, copies that forgot."""

from __future__ import annotations

from msgspec.structs import replace

from hubbub.wire.replication import Appended, Promised
from node.replica import Role
from tests.sim.machine import REDIRECT
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Asked, Stage

NEW = ("s3", "s4", "s5")


@scenario(9)
def the_old_members_are_asked() -> None:
    """All members are new: they have nothing, and the old ones have entry 2."""
    stage = Stage(6, members=3)
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle(*NEW)
    assert stage.role("s3") is Role.FENCING
    stage.wait(400, "s3")
    stage.settle("s1", "s2", *NEW)
    assert stage.role("s3") is Role.ACTIVATING
    assert stage.decide()
    stage.settle(*NEW)
    assert stage.log("s3")[:2] == [(1, 1), (2, 1)]
    assert stage.log("s4") == stage.log("s3")
    stage.check("s4")


@scenario(9)
def a_majority_of_the_new_members_has_the_log() -> None:
    """The leader and the old members are not enough: s4 or s5 must have everything."""
    stage = Stage(6, members=3)
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle("s0", "s1", "s2", "s3")
    assert stage.role("s3") is Role.SYNCING
    stage.wait(400, "s3")
    stage.settle("s3", "s4")
    assert stage.role("s3") is Role.ACTIVATING
    assert stage.log("s4") == stage.log("s3")
    stage.check("s5")


@scenario(9, 10, 29)
def an_unactivated_configuration_is_no_previous_one() -> None:
    """Three changes in a row, none activated: each must ask the members of the first one."""
    stage = Stage(9, members=3)
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle("s1", "s2", *NEW)
    assert stage.role("s3") is Role.ACTIVATING
    assert stage.send("s3", 2).answers == [REDIRECT]
    second = stage.name("s6", "s6", "s7", "s8")
    third = stage.name("s0", "s0", "s4", "s8")
    assert second.prev == third.prev == ("s0", "s1", "s2")
    assert not stage.decide()
    assert stage.role("s3") is Role.FOLLOWER
    stage.tell("s0")
    stage.settle()
    assert stage.role("s0") is Role.ACTIVATING
    assert stage.decide()
    stage.settle()
    assert stage.role("s0") is Role.ACTIVE
    stage.check("s4")


@scenario(10)
def an_activation_is_tied_to_the_revision() -> None:
    """A learner came between: the compare-and-swap fails, and the leader gives its term up."""
    stage = Stage(7, members=3)
    stage.lead("s0")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle()
    assert stage.role("s3") is Role.ACTIVATING
    stage.desk.write(replace(stage.desk.record, learners=("s6",)))
    assert not stage.decide()
    assert stage.role("s3") is Role.FOLLOWER
    assert not stage.desk.record.activated
    assert stage.desk.record.learners == ("s6",)
    stage.check("s3")


@scenario(9, 10)
def nothing_is_committed_before_activation() -> None:
    """A majority of the new members has everything; the record does not say so yet."""
    stage = Stage(6, members=3)
    stage.lead("s0")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle()
    assert stage.role("s3") is Role.ACTIVATING
    assert stage.replica("s3").commit <= 1
    assert stage.send("s3", 1).answers == [REDIRECT]
    stage.wait(5_000, "s3")
    assert stage.role("s3") is Role.ACTIVATING
    assert stage.decide()
    assert stage.role("s3") is Role.ACTIVE
    stage.check("s3")


@scenario()
def the_watch_may_tell_of_the_activation_first() -> None:
    """The answer to the compare-and-swap is lost; the record says it all the same."""
    stage = Stage(6, members=3)
    stage.lead("s0")
    stage.name("s3", *NEW)
    stage.tell("s3")
    stage.settle()
    asked = stage.desk.asked.pop()
    stage.desk.write(asked.record)
    assert stage.role("s3") is Role.ACTIVATING
    stage.tell("s3")
    assert stage.role("s3") is Role.ACTIVE
    stage.check("s3")


@scenario(10)
def a_late_answer_activates_nothing_else() -> None:
    """The answer for term 2 is late: its leader waits for the activation of term 3 already."""
    stage = Stage(5, members=1)
    stage.lead("s0")
    stage.name("s0", "s0", "s1")
    stage.tell("s0")
    stage.settle()
    first: Asked = stage.desk.asked.pop()
    stage.desk.write(first.record)
    written = stage.desk.state.revision
    stage.tell("s0")
    stage.settle()
    assert stage.role("s0") is Role.ACTIVE
    stage.name("s0", "s0", "s2", "s3")
    stage.tell("s0")
    stage.settle()
    assert stage.role("s0") is Role.ACTIVATING
    first.reply(True, written)
    assert stage.role("s0") is Role.ACTIVATING
    assert stage.decide()
    assert stage.role("s0") is Role.ACTIVE
    stage.check("s0")


@scenario(12)
def a_wiped_disk_is_another_copy() -> None:
    """s1 had entry 2 and is empty now: what it says must not count as s1's word."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    new = stage.wipe("s1")
    stage.name("s2")
    stage.tell("s2")
    assert stage.deliver("s1", "Fence")
    stage.sync("s2", new)
    assert stage.posts("s2", "Promised", sender=new)
    stage.deliver("s2", "Promised")
    assert stage.role("s2") is Role.FENCING
    stage.settle("s0", "s2")
    assert stage.role("s2") is Role.ACTIVE
    assert stage.log("s2")[1] == (2, 1)
    stage.lead("s0", "s0", "s2", new, members=("s0", "s2", new))
    stage.check("s0")


@scenario(12)
def an_ack_of_another_copy_counts_for_nobody() -> None:
    """The leader streams to s1; the empty copy in its place answers."""
    stage = Stage()
    stage.lead("s0")
    new = stage.wipe("s1")
    said = stage.send("s0", 1)
    stage.sync("s0")
    for _ in range(4):
        stage.deliver("s1")
        stage.sync(new)
        stage.deliver("s0")
    assert said.answers == []
    stage.settle("s0", "s2")
    assert said.answers == [1]
    stage.lead("s0", "s0", "s2", new, members=("s0", "s2", new))
    stage.check("s0")


def taught() -> Stage:
    """s0 leads s0, s1, s2 and teaches s3, which has everything."""
    stage = Stage(4, members=3)
    stage.lead("s0")
    stage.committed("s0", 1)
    stage.desk.write(replace(stage.desk.record, learners=("s3",)))
    stage.tell("s0")
    stage.settle()
    assert stage.log("s3") == stage.log("s0")
    assert stage.replica("s0").lag("s3") == 0
    return stage


@scenario()
def a_learner_does_not_count() -> None:
    """Leader and learner have entry 3; no other member has."""
    stage = taught()
    said = stage.send("s0", 2)
    stage.settle("s0", "s3")
    assert stage.log("s3") == stage.log("s0")
    assert said.answers == []
    stage.settle()
    assert said.answers == [2]
    stage.check("s1")


@scenario()
def a_learner_becomes_a_member() -> None:
    """It counts from the term on that names it, and not before."""
    stage = taught()
    stage.lead("s0", members=("s0", "s1", "s3"))
    said = stage.send("s0", 2)
    stage.settle("s0", "s2")
    assert said.answers == []
    stage.settle("s0", "s3")
    assert said.answers == [2]
    stage.check("s3")


@scenario()
def a_learner_that_is_dropped_hears_no_more() -> None:
    """The record has no learner any more: nothing is sent to it."""
    stage = taught()
    stage.desk.write(replace(stage.desk.record, learners=()))
    stage.tell("s0")
    stage.send("s0", 2)
    assert not stage.posts("s3")
    stage.check("s0")


@scenario()
def a_lone_copy_is_enough_for_itself() -> None:
    """One member: its own sync commits, and a move to another one takes the log along."""
    stage = Stage(2, members=1)
    stage.lead("s0")
    assert stage.committed("s0", 1, "s0") == 1
    stage.lead("s1", members=("s1",))
    assert stage.log("s1")[:2] == [(1, 1), (2, 1)]
    stage.crash("s0")
    assert stage.committed("s1", 2, "s1") == 2
    stage.check("s1")


@scenario(9, 29)
def a_lone_copy_without_the_log_is_not_activated() -> None:
    """s1 is to be the only member and has nothing yet: `prev` must go on naming s0."""
    stage = Stage(3, members=1)
    stage.lead("s0")
    stage.committed("s0", 1, "s0")
    first = stage.name("s1", "s1")
    assert not first.activated
    second = stage.name("s2", "s2")
    assert (second.prev, second.activated) == (("s0",), False)
    stage.check("s2")


def forgetful() -> Stage:
    """s1 acknowledged entries 2 and 3 to s0, and has lost them; s0 learned of it and told it."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.committed("s0", 2, "s0", "s1")
    stage.sync("s0", "s1")
    stage.crash("s1")
    stage.lose("s1", 1)
    stage.start("s1")
    assert stage.log("s1") == [(1, 1)]
    stage.drop()
    stage.wait(50, "s0")
    stage.send("s0", 3)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.deliver("s0", "Nak", sender="s1")
    stage.deliver("s1", "Recall")
    assert stage.replica("s1").promise.recall == 3
    assert stage.replica("s1").amnesia_total == 1
    return stage


@scenario(13)
def a_copy_that_forgot_does_not_vote() -> None:
    """s1 and s2 are a majority; entries 2 and 3 were on s0 and s1."""
    stage = forgetful()
    stage.drop()
    stage.sync("s1")
    stage.crash("s1")  # it remembers that it forgot
    stage.start("s1")
    assert stage.replica("s1").promise.recall == 3
    stage.name("s2")
    stage.tell("s2")
    stage.sync("s2")
    stage.deliver("s1", "Fence")
    stage.sync("s1")
    (post,) = stage.posts("s2", "Promised")
    assert isinstance(post.mail.body, Promised)
    assert not post.mail.body.ok
    stage.deliver("s2", "Promised")
    assert stage.role("s2") is Role.FENCING
    stage.settle()
    assert stage.role("s2") is Role.ACTIVE
    assert stage.log("s2")[1:3] == [(2, 1), (3, 1)]
    assert stage.replica("s1").promise.recall == 0
    stage.check("s1")


@scenario()
def a_copy_that_forgot_does_not_count() -> None:
    """It has part of what it forgot, and says that it does not count; then it has all of it."""
    stage = forgetful()
    (post,) = stage.take("s1", "Append")
    body = post.mail.body
    part = replace(body, entries=body.entries[:1])  # type: ignore[union-attr]
    stage.node("s1").receive(post.mail.term, part)
    stage.sync("s1")
    (answer,) = stage.posts("s0", "Appended", sender="s1")
    assert isinstance(answer.mail.body, Appended)
    assert (answer.mail.body.match, answer.mail.body.ok) == (2, False)
    stage.deliver("s0", "Appended")
    assert not stage.replica("s0")._progress["s1"].counts
    assert not stage.replica("s1").is_ok
    stage.give([post])
    stage.settle()
    assert stage.replica("s1").is_ok
    assert stage.replica("s0")._progress["s1"].counts
    stage.check("s0")


@scenario(13)
def a_copy_that_forgot_does_not_lead() -> None:
    """It is named, and gives its term back."""
    stage = forgetful()
    stage.drop()
    stage.sync("s1")
    stage.name("s1")
    stage.tell("s1")
    stage.settle("s1", "s2")
    assert stage.role("s1") is Role.FOLLOWER
    stage.check("s0")


@scenario(13)
def a_match_that_is_lost_is_not_counted() -> None:
    """Entry 4 is on s0's disk alone; s1 acknowledged it and has forgotten it."""
    stage = Stage(5)
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.sync("s0")
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.deliver("s0", "Appended", sender="s1")
    stage.crash("s1")
    stage.lose("s1", 1)
    stage.start("s1")
    stage.send("s0", 2)
    held = stage.take("s2", "Append")
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.deliver("s0", "Nak")
    stage.take("s1")
    stage.give(held[:1])
    stage.sync("s2")
    stage.deliver("s0", "Appended", sender="s2")
    assert said.answers == []
    stage.check("s0")
