"""What clients are told: retries, refusals, seqs. The machine here stands for `node.slot`."""

from __future__ import annotations

from node.replica import Role
from tests.sim.machine import PENDING_MAX, REDIRECT, REJECTED, UNKNOWN
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Stage


@scenario(14)
def a_retry_waits_with_the_first_attempt() -> None:
    """A message that is not committed is neither answered nor appended twice."""
    stage = Stage()
    stage.lead("s0")
    said = [stage.send("s0", 1), stage.send("s0", 1)]
    stage.sync("s0")
    assert [one.answers for one in said] == [[], []]
    assert len(stage.log("s0")) == 2
    stage.settle()
    assert [one.answers for one in said] == [[1], [1]]
    assert stage.send("s0", 1).answers == [1]
    stage.check("s1")


@scenario(14, 15)
def a_message_that_was_cut_off_is_stored_anew() -> None:
    """Its id and its seq went with the entry: the retry is no duplicate, and leaves no gap."""
    stage = Stage()
    stage.lead("s0")
    cut = [stage.send("s0", 1), stage.send("s0", 3, stream=1)]
    stage.sync("s0")
    stage.drop()
    stage.lead("s1", "s1", "s2")
    assert stage.committed("s1", 2, "s1", "s2") == 1
    stage.lead("s0")
    assert [one.answers for one in cut] == [[UNKNOWN], [UNKNOWN]]
    assert stage.log("s0") == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert stage.committed("s0", 1) == 2
    assert stage.committed("s0", 3) == 1
    stage.check("s2")


@scenario(14)
def a_retry_at_the_next_leader_finds_the_first_attempt() -> None:
    """Entry 2 survived its leader: the retry gets its seq."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.drop()
    stage.crash("s0")
    stage.name("s1")
    stage.tell("s1")
    assert stage.send("s1", 1).answers == [REDIRECT]
    stage.settle("s1", "s2")
    assert stage.role("s1") is Role.ACTIVE
    assert stage.send("s1", 1).answers == [1]
    assert said.answers == []
    stage.check("s1")


@scenario(16)
def a_lost_leader_says_that_nobody_knows() -> None:
    """Not that it failed: the entry is on a majority, and the next leader commits it."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.deliver("s2", "Append")
    stage.sync("s1", "s2")
    stage.drop()
    stage.name("s1")
    stage.tell("s0")
    assert said.answers == [UNKNOWN]
    stage.tell("s1")
    stage.settle()
    assert stage.send("s1", 1).answers == [1]
    stage.check("s1")


@scenario(16)
def what_was_refused_is_never_stored() -> None:
    """Too much waits: the refusal comes before an index is given."""
    stage = Stage()
    stage.lead("s0")
    said = [stage.send("s0", n) for n in range(1, PENDING_MAX + 3)]
    refused = [one for one in said if one.answers == [REJECTED]]
    assert len(refused) == 2
    for one in refused:
        one.message.is_refused = True
    assert len(stage.log("s0")) == PENDING_MAX + 1
    stage.settle()
    stage.check("s0")


@scenario(17)
def nothing_is_shown_before_it_is_committed() -> None:
    """Neither at the leader nor at a follower."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.sync("s0")
    stage.deliver("s1", "Append")
    stage.sync("s1")
    assert [stage.read(copy) for copy in ("s0", "s1", "s2")] == [0, 0, 0]
    stage.deliver("s0", "Appended")
    assert stage.read("s0") == 1
    assert stage.read("s1") == 0
    stage.node("s1").hear_beat(1, stage.node("s0").boot_id, 2)
    assert stage.read("s1") == 1
    stage.check("s1")


@scenario(15)
def seqs_count_what_is_pending() -> None:
    """Three messages of one stream and one of another, before anything is committed."""
    stage = Stage()
    stage.lead("s0")
    said = [stage.send("s0", n) for n in (1, 2)]
    other = stage.send("s0", 3, stream=1)
    said.append(stage.send("s0", 4))
    stage.settle()
    assert [one.answers for one in [*said, other]] == [[1], [2], [3], [1]]
    stage.check("s2")
