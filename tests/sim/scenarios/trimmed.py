"""Trimmed logs, and copies that are replaced by a snapshot."""

from __future__ import annotations

from msgspec.structs import replace

from hubbub.wire.replication import Offer, Part, Promised
from node.replica import EMPTIED, Mail, Role
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Post, Stage
from tests.sim.snapshots import small_parts


def behind(messages: int = 30) -> Stage:
    """s2 has nothing but the first entry; s0 and s1 have many, and s0's log is trimmed."""
    stage = Stage()
    stage.lead("s0")
    for n in range(1, messages + 1):
        stage.committed("s0", n, "s0", "s1")
        stage.drop("s2")
    stage.trim("s0")
    assert stage.replica("s0").log.base > 1
    return stage


def installing() -> Stage:
    """s2 has taken the first of several parts from s0."""
    stage = behind()
    stage.node("s0").link_up("s2")
    stage.deliver("s2", "Offer")
    assert stage.replica("s2").install_from == "s0"
    stage.deliver("s0", "Ask")
    (post,) = stage.posts("s2", "Part")
    assert isinstance(post.mail.body, Part)
    assert post.mail.body.place >= 0, "one part holds it all"
    stage.deliver("s2", "Part")
    stage.sync("s2")
    return stage


@scenario()
def who_lacks_more_than_the_log_gets_a_snapshot() -> None:
    """It is whole without waiting for a time-out, and goes on with the log."""
    with small_parts():
        stage = behind()
        stage.node("s0").link_up("s2")
        stage.settle()
        assert stage.node("s2").snapshots.installed == 1
        assert stage.replica("s2").promise.recall == 0
        assert stage.replica("s2").log.last_index == stage.replica("s0").log.last_index
        assert stage.replica("s0").amnesia_total == stage.replica("s2").amnesia_total == 0
        said = stage.send("s0", 31)
        stage.settle("s0", "s2")
        assert said.answers == [31]
        stage.crash("s0")
        stage.crash("s1")
        stage.check("s2")


@scenario()
def a_leader_may_need_a_snapshot_itself() -> None:
    """s2 is named: the newest log among the promises begins behind the end of its own."""
    with small_parts():
        stage = behind()
        stage.name("s2")
        stage.tell("s2")
        stage.settle("s0", "s2")
        assert stage.role("s2") is Role.ACTIVE
        assert stage.node("s2").snapshots.installed == 1
        stage.check("s2")


@scenario()
def an_offer_promises_as_an_append_does() -> None:
    """s2 missed the fence, and there is no APPEND that it could be sent."""
    stage = behind()
    stage.lead("s0", "s0", "s1")
    for n in range(40, 60):
        stage.committed("s0", n, "s0", "s1")
    stage.drop("s2")
    stage.trim("s0")
    stage.wait(400, "s0")
    assert {post.kind for post in stage.posts("s2")} == {"Offer"}
    stage.settle()
    assert stage.replica("s2").promise.term == 2
    assert stage.replica("s2").log.last_index == stage.replica("s0").log.last_index
    stage.check("s2")


@scenario()
def a_late_append_below_the_base_is_harmless() -> None:
    """It comes again after the follower has trimmed what it brought."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.send("s0", 2)
    late = stage.posts("s1", "Append")
    stage.settle()
    for n in range(3, 20):
        stage.committed("s0", n)
    stage.committed("s0", 20)
    stage.trim("s1")
    assert stage.replica("s1").log.base > 3
    before = stage.log("s1")
    stage.give(late)
    stage.settle()
    assert stage.log("s1") == before
    assert stage.role("s1") is Role.FOLLOWER
    stage.check("s1")


@scenario()
def a_copy_that_has_the_base_is_not_emptied() -> None:
    """The offer is late: the copy has caught up meanwhile."""
    stage = behind()
    stage.node("s0").link_up("s2")
    late = stage.posts("s2", "Offer")
    stage.settle()
    assert stage.node("s2").snapshots.installed == 1
    before = stage.log("s2")
    stage.give(late)
    assert stage.log("s2") == before
    assert stage.replica("s2").promise.recall == 0
    assert not stage.replica("s2").install_from
    stage.check("s2")


@scenario(24)
def a_snapshot_leaves_the_promise() -> None:
    """s2 promised term 2 and is emptied: whatever a crash keeps, term 1 is over for it."""
    for keep in range(4):
        with small_parts():
            stage = behind()
            old = stage.node("s0").boot_id
            stage.lead("s1", "s1", "s2", "s0")
            stage.drop()
            stage.crash("s2")
            stage.lose("s2", 1)
            stage.start("s2")
            for n in range(40, 60):
                stage.committed("s1", n, "s0", "s1")
                stage.drop("s2")
            stage.trim("s1")
            stage.wait(400, "s1")
            stage.deliver("s2")
            stage.sync("s2")
            stage.deliver("s1", sender="s2")
            stage.deliver("s2")
            stage.crash("s2", keep)
            stage.start("s2")
            assert stage.replica("s2").promise[:2] == (2, stage.node("s1").boot_id)
            assert stage.node("s0").boot_id == old
            stage.check("s1")


@scenario(24)
def half_a_snapshot_does_not_count() -> None:
    """A crash in between: s2 says that it is not whole, and begins anew."""
    with small_parts():
        stage = installing()
        assert stage.replica("s2").promise.recall == EMPTIED
        stage.crash("s2")
        stage.start("s2")
        assert stage.replica("s2").promise.recall == EMPTIED
        assert stage.replica("s2").log.last_index == 0
        stage.drop()
        stage.name("s1")
        stage.tell("s1")
        stage.deliver("s2", "Fence")
        stage.sync("s1", "s2")
        (post,) = stage.posts("s1", "Promised")
        assert isinstance(post.mail.body, Promised)
        assert not post.mail.body.ok
        stage.deliver("s1", "Promised")
        assert stage.role("s1") is Role.FENCING
        stage.settle()
        assert stage.role("s1") is Role.ACTIVE
        stage.wait(400, "s1")
        stage.settle()
        assert stage.replica("s2").promise.recall == 0
        stage.check("s2")


@scenario(11)
def half_a_snapshot_is_deleted_before_the_log_begins_anew() -> None:
    """Its source dies; the next leader has the log from its first entry on."""
    with small_parts():
        stage = installing()
        stage.crash("s0")
        stage.drop()
        stage.replica("s2").abandon_install()
        stage.node("s2").snapshots.follow(stage.node("s2").now())
        stage.name("s1")
        stage.start("s0")
        stage.tell("s1")
        stage.settle("s0", "s1")
        assert stage.role("s1") is Role.ACTIVE
        assert stage.replica("s1").log.base == 0
        stage.wait(400, "s1")
        stage.settle("s1", "s2")
        stage.committed("s1", 99, "s1", "s2")
        assert stage.log("s2") == stage.log("s1")
        assert stage.replica("s2").promise.recall == 0
        stage.check("s2")


@scenario()
def an_emptied_copy_counts_when_it_is_whole() -> None:
    """A part of the log of an older term is not enough for that."""
    with small_parts():
        stage = installing()
        stage.crash("s0")
        stage.drop()
        stage.replica("s2").abandon_install()
        stage.node("s2").snapshots.follow(stage.node("s2").now())
        stage.name("s1")
        stage.start("s0")
        stage.tell("s1")
        stage.settle("s0", "s1")
        stage.wait(400, "s1")
        stage.deliver("s2", "Append")
        stage.sync("s2")
        stage.deliver("s1", "Nak")
        (post,) = stage.take("s2", "Append")
        body = post.mail.body
        part = replace(body, entries=body.entries[:5])  # type: ignore[union-attr]
        stage.give([Post(post.sender, Mail("s2", post.mail.term, part))])
        stage.sync("s2")
        assert stage.replica("s2").promise.recall == EMPTIED
        assert not stage.replica("s2").is_ok
        stage.give([post])
        stage.settle()
        assert stage.replica("s2").is_ok
        stage.check("s2")


@scenario()
def a_snapshot_below_what_was_forgotten_is_not_enough() -> None:
    """s2 forgot entries that it had acknowledged, up to 5; a snapshot of 3 leaves it so."""
    stage = Stage(is_lenient=True)
    stage.lead("s0")
    replica = stage.replica("s2")
    replica.promise = replica.promise._replace(recall=5)
    replica._clear()
    assert (replica.promise.recall, replica.promise.forgot) == (5 | EMPTIED, 5)
    chain = stage.replica("s0").log.last_chain
    replica.install_from = "s0"
    replica.finish_install(3, chain, ((1, 1),), (), 0)
    assert replica.promise.recall == 5
    replica.install_from = "s0"
    replica.finish_install(5, chain, ((1, 1),), (), 0)
    assert replica.promise.recall == 0


@scenario()
def a_trimmed_log_survives_a_restart() -> None:
    """It begins where it began, and leads from there."""
    stage = behind()
    base, end = stage.replica("s0").log.base, stage.replica("s0").log.last_index
    stage.crash("s0")
    stage.start("s0")
    log = stage.replica("s0").log
    assert (log.base, log.last_index) == (base, end)
    stage.lead("s0", "s0", "s1")
    stage.check("s2")


@scenario()
def an_offer_of_an_old_term_is_refused() -> None:
    """It would empty a copy that another leader counts on."""
    stage = behind()
    stage.node("s0").link_up("s2")
    late = stage.take("s2", "Offer")
    assert isinstance(late[0].mail.body, Offer)
    stage.lead("s1", "s1", "s2")
    before = stage.log("s2")
    stage.give(late)
    assert stage.log("s2") == before
    assert not stage.replica("s2").install_from
    stage.check("s2")


@scenario()
def a_leader_takes_no_tail_while_it_is_replaced() -> None:
    """s3 is new and fetches everything; then the source has trimmed its log, and offers. The first
    answer comes last."""
    with small_parts():
        stage = Stage(4, members=3)
        stage.lead("s0")
        for n in range(1, 31):
            stage.committed("s0", n, "s0", "s1", "s2")
        stage.name("s3", "s0", "s1", "s3")
        stage.tell("s3", "s0")
        stage.sync("s3")
        for voter in ("s0", "s1"):
            stage.deliver(voter, "Fence")
            stage.sync(voter)
        stage.deliver("s3", "Promised")
        assert stage.role("s3") is Role.FETCHING
        stage.deliver("s0", "Fetch")
        late = stage.take("s3", "Tail")
        assert late
        stage.trim("s0")
        stage.wait(400, "s3")
        stage.deliver("s0", "Fetch")
        stage.deliver("s3", "Offer")
        assert stage.replica("s3").install_from == "s0"
        stage.give(late)
        assert stage.role("s3") is Role.FETCHING
        assert stage.replica("s3").log.last_index == 0
        stage.settle()
        assert stage.node("s3").snapshots.installed == 1
        stage.check("s3")


@scenario(4)
def an_emptied_copy_says_nothing_of_what_it_had() -> None:
    """An ack that waited for the disk is void: what it speaks of is deleted."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    first = stage.take("s2", "Append")[:1]
    for n in range(2, 31):
        stage.committed("s0", n, "s0", "s1")
    stage.drop("s2")
    stage.trim("s0")
    stage.node("s0").link_up("s2")
    stage.give(first)
    stage.deliver("s2", "Offer")
    stage.drop("s0")
    stage.sync("s2")
    assert not stage.posts(sender="s2", kind="Appended")
    stage.check("s0")


@scenario()
def a_leader_takes_over_from_a_source_that_is_gone() -> None:
    """s0 answers no more; s1 leads, learns what s2 lacks, and offers its own snapshot."""
    with small_parts():
        stage = installing()
        leader = stage.replica("s0")
        stage.node("s1").hear_beat(leader.term, stage.node("s0").boot_id, leader.commit)
        stage.trim("s1")
        stage.drop()
        stage.name("s1")
        stage.tell("s1")
        stage.settle("s0", "s1")
        assert stage.role("s1") is Role.ACTIVE
        assert stage.replica("s1").log.base > 0
        for _ in range(2):
            stage.wait(700, "s1")
            stage.settle("s1", "s2")
        assert stage.replica("s2").is_ok
        assert stage.replica("s2").log.last_chain == stage.replica("s1").log.last_chain
        stage.check("s2")


@scenario()
def a_whole_log_is_better_than_a_snapshot_that_broke_off() -> None:
    """s0 answers no more; s1 leads and has every entry: s2 takes these without waiting for s0."""
    with small_parts():
        stage = installing()
        stage.drop()
        stage.name("s1")
        stage.tell("s1")
        stage.settle("s0", "s1")
        assert stage.role("s1") is Role.ACTIVE
        assert stage.replica("s1").log.base == 0
        stage.wait(700, "s1")
        stage.settle("s1", "s2")
        assert stage.replica("s2").install_from == ""
        assert stage.node("s2").snapshots.install is None
        assert stage.replica("s2").is_ok
        assert stage.replica("s2").log.last_chain == stage.replica("s1").log.last_chain
        stage.check("s2")
