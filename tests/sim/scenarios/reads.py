"""Reads that may not be stale: a leader asks a majority whether it still leads."""

from __future__ import annotations

from hubbub.wire.replication import Confirmed
from node.progress import RETRY_MS
from node.replica import Role
from tests.sim.scenarios.members import forgetful
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Stage


def deposed() -> Stage:
    """s0 led and does not know that s1 leads now, nor that message 2 is acknowledged there."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1)
    stage.drop()
    stage.name("s1")
    stage.tell("s1")
    stage.drop("s0")
    stage.settle("s1", "s2")
    assert stage.committed("s1", 2, "s1", "s2") == 2
    stage.drop()
    assert stage.role("s0") is Role.ACTIVE
    return stage


@scenario(18)
def a_deposed_leader_answers_no_linear_read() -> None:
    """Its own state says 1, and 2 was acknowledged elsewhere before the read was sent."""
    stage = deposed()
    seen = stage.read_linear("s0")
    assert seen == []
    stage.deliver("s1", "Confirm")
    stage.deliver("s2", "Confirm")
    stage.deliver("s0")
    assert seen == []
    assert stage.role("s0") is Role.FOLLOWER
    stage.tell("s0", "s2")
    stage.settle()
    again = stage.read_linear("s1")
    stage.settle()
    assert again == [2]
    stage.check("s1")


@scenario(18)
def an_answer_of_an_earlier_round_confirms_nothing() -> None:
    """s1 said yes to the first round before it promised another term: the second read waits."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1)
    first = stage.read_linear("s0")
    stage.deliver("s1", "Confirm")
    late = stage.take("s0", "Confirmed", sender="s1")
    stage.drop()
    stage.name("s1")
    stage.tell("s1")
    stage.drop("s0")
    stage.settle("s1", "s2")
    stage.committed("s1", 2, "s1", "s2")
    second = stage.read_linear("s0")
    stage.drop()
    stage.give(late)
    assert first == [1]  # it was asked for before 2 was even sent
    assert second == []
    stage.tell("s0")
    stage.check("s1")


@scenario(18)
def one_other_copy_of_five_confirms_nothing() -> None:
    """Three of five must say it; the leader is one of them."""
    stage = Stage(5)
    stage.lead("s0")
    stage.committed("s0", 1)
    seen = stage.read_linear("s0")
    stage.deliver("s1", "Confirm")
    stage.deliver("s0", "Confirmed")
    assert seen == []
    stage.deliver("s4", "Confirm")
    stage.deliver("s0", "Confirmed")
    assert seen == [1]
    stage.check("s0")


@scenario()
def a_lost_question_is_asked_again() -> None:
    """Nobody answers the first time."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1)
    seen = stage.read_linear("s0")
    stage.drop()
    assert stage.replica("s0").is_busy
    stage.wait(RETRY_MS, "s0")
    stage.settle()
    assert seen == [1]
    assert not stage.replica("s0").is_busy
    stage.check("s0")


@scenario(18)
def a_copy_that_forgot_confirms_nothing() -> None:
    """It may have forgotten a promise as well."""
    stage = forgetful()
    stage.drop()
    seen = stage.read_linear("s0")
    stage.deliver("s1", "Confirm")
    assert not [p for p in stage.posts("s0") if isinstance(p.mail.body, Confirmed)]
    assert seen == []
    stage.check("s0")


@scenario()
def a_lone_copy_confirms_itself() -> None:
    """There is nobody to ask."""
    stage = Stage(1)
    stage.lead("s0")
    stage.committed("s0", 1)
    assert stage.read_linear("s0") == [1]
    stage.check("s0")
