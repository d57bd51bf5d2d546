"""What is in the log: matches, cuts, which log wins, what is committed.

Long because it is a list of stories.
"""

from __future__ import annotations

from msgspec.structs import replace

from hubbub.wire.replication import Append, Appended
from node.progress import APPEND_BYTES_MAX
from node.replica import Mail, Role
from tests.sim.scenarios.play import scenario
from tests.sim.scenarios.stage import Post, Stage


def matches(stage: Stage, sender: str) -> list[int]:
    """What a copy acknowledges in mail that is on its way."""
    bodies = [post.mail.body for post in stage.posts(kind="Appended", sender=sender)]
    return [body.match for body in bodies if isinstance(body, Appended)]


def forge(post: Post, **changes: object) -> Post:
    """A message with other contents."""
    mail = post.mail
    return Post(post.sender, Mail(mail.to, mail.term, replace(mail.body, **changes)))


def parted() -> Stage:
    """Terms 1 and 2 part at entry 2: s1 has (2, 1) and (3, 1), s2 leads term 2 with s0."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.send("s0", 2)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.drop()
    stage.crash("s0")
    stage.start("s0")
    stage.name("s2")
    stage.tell("s2")
    stage.sync("s2")
    stage.deliver("s0", "Fence")
    stage.sync("s0")
    stage.deliver("s2", "Promised")
    assert stage.role("s2") is Role.SYNCING
    return stage


@scenario(3)
def a_leader_counts_itself_after_its_sync() -> None:
    """One follower and an unsynced leader are no majority: a crash leaves one copy."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.deliver("s0", "Appended")
    assert said.answers == []
    stage.sync("s0")
    assert said.answers == [1]
    stage.crash("s1")
    stage.check("s2")


@scenario()
def two_followers_are_a_majority_without_the_leader() -> None:
    """A slow disk at the leader holds nobody up."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.settle("s1", "s2")
    stage.deliver("s1")
    stage.deliver("s2")
    stage.sync("s1", "s2")
    stage.deliver("s0")
    assert said.answers == [1]
    stage.crash("s0")
    stage.check("s2")


@scenario(4)
def a_match_is_what_was_checked() -> None:
    """An APPEND that comes again is acknowledged for what it holds, not for what the log holds."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.send("s0", 2)
    first, second = stage.take("s1", "Append")
    stage.give([first, second])
    stage.sync("s1")
    assert matches(stage, "s1") == [2, 3]
    stage.drop()
    stage.give([first])
    stage.sync("s1")
    assert matches(stage, "s1") == [2]
    stage.check("s0")


@scenario(4)
def an_ack_of_an_earlier_term_counts_for_nothing() -> None:
    """s1 acknowledged entry 4 of term 1 to s0, which leads term 3 with another entry 3 now."""
    stage = Stage()
    stage.lead("s0")
    for n in (1, 2, 3):
        stage.send("s0", n)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    late = stage.take("s0", "Appended", sender="s1")
    assert late
    stage.drop()
    stage.crash("s0")
    stage.start("s0")
    stage.lead("s2", "s0", "s2")
    stage.name("s0")
    stage.tell("s0")
    stage.sync("s0")
    stage.deliver("s2", "Fence")
    stage.sync("s2")
    stage.deliver("s0", "Promised")
    stage.sync("s0")
    assert stage.log("s0") == [(1, 1), (2, 2), (3, 3)]
    stage.give(late)
    assert stage.role("s0") is Role.SYNCING
    stage.check("s2")


@scenario(2, 3)
def an_ack_waits_for_the_disk() -> None:
    """s1 loses what it had not synced: nobody heard that it had it."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.sync("s0")
    stage.deliver("s1", "Append")
    assert matches(stage, "s1") == []
    stage.crash("s1")
    stage.start("s1")
    stage.settle("s0", "s1")
    assert said.answers in ([], [1])
    stage.check("s1")


@scenario(5)
def a_late_append_cuts_nothing() -> None:
    """A shorter APPEND that was overtaken agrees with the log: what lies behind it stays."""
    stage = Stage()
    stage.lead("s0")
    said = [stage.send("s0", 1), stage.send("s0", 2)]
    first, second = stage.take("s1", "Append")
    stage.give([first, second])
    stage.sync("s0", "s1")
    stage.deliver("s0", "Appended")
    assert [one.answers for one in said] == [[1], [2]]
    stage.give([first])
    assert stage.log("s1") == [(1, 1), (2, 1), (3, 1)]
    stage.sync("s1")
    stage.crash("s0")
    stage.check("s1")


@scenario(5)
def a_cut_is_at_the_first_conflict() -> None:
    """What agrees stays, what differs goes, and nothing is kept behind it."""
    stage = parted()
    stage.settle("s0", "s2")
    stage.send("s2", 3)
    stage.settle("s0", "s2")
    stage.wait(400, "s2")
    stage.settle("s1", "s2")
    assert stage.log("s1") == stage.log("s2") == [(1, 1), (2, 2), (3, 2)]
    stage.check("s1")


@scenario(6)
def a_restart_keeps_what_is_stored() -> None:
    """s1 never heard that entry 2 is committed; it was acknowledged all the same."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.sync("s0", "s1")
    stage.deliver("s0", "Appended")
    assert said.answers == [1]
    stage.crash("s1")
    stage.start("s1")
    assert stage.log("s1") == [(1, 1), (2, 1)]
    stage.crash("s0")
    stage.lead("s1", "s1", "s2")
    assert stage.log("s1")[:2] == [(1, 1), (2, 1)]
    stage.check("s2")


@scenario(7)
def the_newest_log_wins_not_the_longest() -> None:
    """s0 has five entries of term 1 that nobody else has; term 2 committed two."""
    stage = Stage()
    stage.lead("s0")
    for n in range(1, 6):
        stage.send("s0", n)
    stage.sync("s0")
    stage.drop()
    stage.lead("s1", "s1", "s2")
    stage.committed("s1", 10, "s1", "s2")
    stage.name("s0")
    stage.tell("s0")
    stage.settle("s0", "s1")
    assert stage.role("s0") is Role.ACTIVE
    assert stage.log("s0")[:3] == [(1, 1), (2, 2), (3, 2)]
    stage.check("s2")


@scenario(7)
def in_one_term_the_longer_log_wins() -> None:
    """s2 named: s1 has one entry of the same term more, which is committed."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.name("s2")
    stage.tell("s2")
    stage.settle("s1", "s2")
    assert stage.role("s2") is Role.ACTIVE
    assert stage.log("s2")[1] == (2, 1)
    stage.check("s2")


@scenario(8)
def an_old_entry_is_not_committed_by_counting() -> None:
    """Figure 8 of Raft: an entry of term 1 is on a majority, and term 2 may still replace it."""
    stage = Stage(5)
    stage.lead("s0")
    stage.fill("s0", APPEND_BYTES_MAX)  # a page of its own in the catch-up below
    stage.sync("s0")
    stage.deliver("s1", "Append")
    stage.sync("s1")
    stage.drop()
    stage.name("s4")
    stage.tell("s4")
    stage.sync("s4")
    for voter in ("s2", "s3"):
        stage.deliver(voter, "Fence")
        stage.sync(voter)
    stage.deliver("s4", "Promised")
    stage.sync("s4")
    assert stage.log("s4") == [(1, 1), (2, 2)]
    stage.drop()
    stage.crash("s4")
    stage.name("s0")
    stage.tell("s0")
    stage.sync("s0")
    for voter in ("s1", "s2"):
        stage.deliver(voter, "Fence")
        stage.sync(voter)
    stage.deliver("s0", "Promised")
    assert stage.role("s0") is Role.SYNCING
    for copy in ("s2", "s3"):  # the first APPEND is refused, the second brings entry 2 alone
        for _ in range(2):
            stage.deliver(copy, "Append")
            stage.sync(copy)
            stage.deliver("s0", sender=copy)
        assert stage.log(copy) == [(1, 1), (2, 1)]
    assert stage.replica("s0").commit == 1
    assert stage.role("s0") is Role.SYNCING
    stage.drop()
    stage.crash("s0")
    stage.start("s4")
    stage.lead("s4", "s2", "s3", "s4")
    stage.check("s4")


@scenario(8)
def a_term_begins_with_its_own_entry() -> None:
    """Entry 2 of term 1 is on all copies; term 2 commits it with its own first entry."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    for copy in ("s1", "s2"):
        stage.deliver(copy, "Append")
        stage.sync(copy)
    stage.drop()
    stage.crash("s0")
    stage.lead("s1", "s1", "s2")
    assert stage.log("s1") == [(1, 1), (2, 1), (3, 2)]
    assert stage.replica("s1").commit == 3
    stage.check("s1")


@scenario(11)
def a_cut_and_what_replaces_it_are_one_write() -> None:
    """Whichever batches a crash keeps: the log is the old one or the new one."""
    outcomes = set()
    for keep in range(4):
        stage = parted()
        stage.deliver("s1", "Append")
        stage.crash("s1", keep)
        stage.start("s1")
        outcomes.add(tuple(stage.log("s1")))
        stage.check("s2")
    assert outcomes == {((1, 1), (2, 1), (3, 1)), ((1, 1), (2, 2))}


@scenario(11)
def a_cut_is_stored_with_its_terms() -> None:
    """s1 alone has entry 2 of term 2, which goes with its term; a restart knows of neither."""
    stage = Stage()
    stage.lead("s0")
    stage.name("s1")
    stage.tell("s1")
    stage.sync("s1")
    stage.deliver("s2", "Fence")
    stage.sync("s2")
    stage.deliver("s1", "Promised")
    stage.sync("s1")
    assert stage.log("s1") == [(1, 1), (2, 2)]
    stage.drop()
    stage.lead("s2", "s0", "s2")
    stage.wait(400, "s2")
    stage.settle("s1", "s2")
    for _ in range(2):
        assert stage.log("s1") == [(1, 1), (2, 3)]
        assert stage.replica("s1").log.terms == [(1, 1), (3, 2)]
        stage.crash("s1")
        stage.start("s1")
    stage.check("s1")


@scenario()
def an_append_behind_a_gap_is_refused() -> None:
    """Entry 3 without entry 2; the answer says where the log ends."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.drop("s1")
    stage.send("s0", 2)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    assert stage.log("s1") == [(1, 1)]
    assert [post.kind for post in stage.posts(sender="s1")] == ["Nak"]
    stage.settle()
    assert stage.log("s1") == [(1, 1), (2, 1), (3, 1)]
    stage.check("s1")


@scenario()
def an_append_behind_another_entry_is_refused() -> None:
    """s1 has its own entry 2 and 3 of term 1; the leader of term 2 sends its entry 3."""
    stage = parted()
    stage.settle("s0", "s2")
    stage.drop()
    stage.send("s2", 3)
    stage.wait(400, "s2")
    stage.settle("s1", "s2")
    assert stage.log("s1") == [(1, 1), (2, 2), (3, 2)]
    stage.check("s1")


@scenario()
def a_broken_chain_is_refused() -> None:
    """An entry that does not follow from the one before it never gets into a log."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    (post,) = stage.take("s1", "Append")
    assert isinstance(post.mail.body, Append)
    ((term, value),) = post.mail.body.entries
    for broken in (bytes(8) + value[8:], value[:-1] + b"?", b""):
        stage.give([forge(post, entries=((term, broken),))])
        assert stage.log("s1") == [(1, 1)]
    stage.drop("s0")
    stage.give([post])
    assert stage.log("s1") == [(1, 1), (2, 1)]
    stage.check("s1")


@scenario()
def an_entry_of_an_older_term_is_refused() -> None:
    """Terms in a log never fall."""
    stage = Stage()
    stage.lead("s0")
    stage.lead("s1")
    stage.send("s1", 1)
    (post,) = stage.take("s2", "Append")
    assert isinstance(post.mail.body, Append)
    ((_, value),) = post.mail.body.entries
    stage.give([forge(post, entries=((1, value),))])
    assert stage.log("s2") == [(1, 1), (2, 2)]
    stage.check("s1")


@scenario(5)
def a_committed_entry_is_not_replaced() -> None:
    """A leader that would is no leader: the copy stops for ever and says so."""
    stage = Stage(is_lenient=True)
    stage.lead("s0")
    stage.committed("s0", 1)
    stage.committed("s0", 2)  # tells all that entry 2 is committed
    assert stage.replica("s1").commit == 2
    stage.send("s0", 3)
    (post,) = stage.take("s1", "Append")
    other = Stage()
    other.lead("s0")
    other.lead("s1")
    other.send("s1", 9)
    (foreign,) = other.take("s2", "Append")
    assert isinstance(foreign.mail.body, Append)
    before = stage.log("s1")
    start = other.replica("s1").log.read(2, 1)[0]
    entries = ((2, start.value), *foreign.mail.body.entries)
    chain = other.replica("s1").log.chain_at(1)
    assert chain == stage.replica("s1").log.chain_at(1)
    forged = forge(post, prev_index=1, prev_chain=chain, entries=entries)
    stage.give([forged])
    assert stage.log("s1") == before
    assert stage.role("s1") is Role.FAILED
    assert "committed" in stage.replica("s1").failure


@scenario()
def a_committed_entry_does_not_differ() -> None:
    """A leader whose entry 2 has another chain than the committed one here."""
    stage = Stage(is_lenient=True)
    stage.lead("s0")
    stage.committed("s0", 1)
    stage.committed("s0", 2)
    stage.send("s0", 3)
    (post,) = stage.take("s1", "Append")
    stage.give([forge(post, prev_index=2, prev_chain=12345)])
    assert stage.role("s1") is Role.FAILED


@scenario(17)
def a_commit_is_not_beyond_what_is_stored() -> None:
    """The leader has committed entry 2 with s2; s1 has it in memory only."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.settle("s0", "s2")
    stage.send("s0", 2)
    stage.deliver("s1", "Append")
    assert stage.replica("s1").commit <= 1
    assert stage.read("s1") == 0
    stage.sync("s1")
    assert stage.replica("s1").commit == 2
    assert stage.read("s1") == 1
    stage.check("s0")


@scenario(17)
def a_beat_commits_only_what_matches() -> None:
    """s1 has entries 2 and 3 of term 1 and has promised term 2, whose entry 2 is another one."""
    stage = parted()
    stage.deliver("s1", "Fence")
    stage.sync("s1")
    stage.settle("s0", "s2")
    leader = stage.replica("s2")
    assert leader.commit == 2
    stage.node("s1").hear_beat(leader.term, stage.node("s2").boot_id, leader.commit)
    assert stage.replica("s1").commit <= 1
    stage.wait(400, "s2")
    stage.settle("s1", "s2")
    stage.node("s1").hear_beat(leader.term, stage.node("s2").boot_id, leader.commit)
    assert stage.replica("s1").commit == 2
    stage.check("s1")


@scenario(17)
def a_beat_of_another_term_commits_nothing() -> None:
    """The old leader's beat is late; and a beat does not count what the copy lacks."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    boot_id = stage.node("s0").boot_id
    stage.drop()
    stage.lead("s2", "s0", "s2")
    stage.deliver("s1", "Fence")
    stage.sync("s1")
    stage.node("s1").hear_beat(1, boot_id, 2)
    assert stage.replica("s1").commit <= 1
    stage.check("s2")


@scenario(17)
def an_append_commits_only_what_it_reaches() -> None:
    """Its `commit` is ahead of its entries: what this copy has there is another entry 2."""
    stage = parted()
    stage.settle("s0", "s2")
    assert stage.replica("s2").commit == 2
    post = stage.take("s1", "Append")[0]
    stage.give([forge(post, entries=(), commit=2)])
    stage.sync("s1")
    assert stage.log("s1") == [(1, 1), (2, 1), (3, 1)]
    assert stage.replica("s1").commit <= 1
    stage.check("s0")


@scenario()
def a_silent_source_is_given_up() -> None:
    """s1 has the newest log and falls silent; s3 has as good a one."""
    stage = Stage(5)
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1", "s3")
    stage.name("s2")
    stage.tell("s2")
    stage.sync("s2")
    for voter in ("s1", "s3", "s4"):
        stage.deliver(voter, "Fence")
        stage.sync(voter)
    stage.deliver("s2", "Promised", sender="s1")
    stage.deliver("s2", "Promised")
    assert stage.role("s2") is Role.FETCHING
    assert [post.mail.to for post in stage.posts(kind="Fetch")] == ["s1"]
    stage.drop("s1")
    stage.wait(1_600, "s2")
    stage.drop("s1")
    stage.settle("s2", "s3", "s4")
    assert stage.role("s2") is Role.ACTIVE
    assert stage.log("s2")[1] == (2, 1)
    stage.check("s2")


@scenario()
def a_fetch_is_repeated_slowly() -> None:
    """Its answer may be large: one every 300 ms, however often time is looked at."""
    stage = Stage()
    stage.lead("s0")
    stage.committed("s0", 1, "s0", "s1")
    stage.name("s2")
    stage.tell("s2")
    stage.sync("s2")
    stage.deliver("s1", "Fence")
    stage.sync("s1")
    stage.deliver("s2", "Promised")
    for _ in range(14):
        stage.wait(100, "s2")
    assert len(stage.posts(kind="Fetch")) == 5
    stage.settle()
    assert stage.role("s2") is Role.ACTIVE
    stage.check("s2")


@scenario()
def a_log_of_many_pages_is_fetched_to_its_end() -> None:
    """Three pages; the leader begins its term behind the last one."""
    stage = Stage()
    stage.lead("s0")
    for _ in range(3):
        stage.fill("s0", APPEND_BYTES_MAX)
        stage.settle("s0", "s1")
    assert stage.replica("s0").commit == 4
    stage.name("s2")
    stage.tell("s2")
    stage.settle("s1", "s2")
    assert stage.log("s2") == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]
    stage.check("s2")


@scenario()
def a_fetched_log_replaces_what_conflicts() -> None:
    """s1 has entries of term 1 that lost; it is named, and must take those of term 2."""
    stage = parted()
    stage.settle("s0", "s2")
    stage.committed("s2", 3, "s0", "s2")
    stage.drop()
    stage.name("s1")
    stage.tell("s1")
    stage.settle("s0", "s1")
    assert stage.role("s1") is Role.ACTIVE
    assert stage.log("s1") == [(1, 1), (2, 2), (3, 2), (4, 3)]
    stage.check("s1")


@scenario()
def a_lost_append_is_sent_again() -> None:
    """Nothing follows that would show the gap: only time does."""
    stage = Stage()
    stage.lead("s0")
    said = stage.send("s0", 1)
    stage.sync("s0")
    stage.drop()
    stage.wait(400, "s0")
    stage.settle()
    assert said.answers == [1]
    stage.check("s1")


@scenario()
def one_lost_append_is_one_probe() -> None:
    """Twenty APPENDs behind a lost one are refused: their entries are sent once more, not twenty
    times."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.drop("s1")
    for n in range(2, 22):
        stage.send("s0", n)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    assert len(stage.posts("s0", "Nak")) == 20
    stage.deliver("s0", "Nak")
    assert len(stage.posts("s1", "Append")) == 1
    stage.settle()
    assert stage.log("s1") == stage.log("s0")
    stage.check("s0")


@scenario(27)
def a_silent_copy_costs_a_window() -> None:
    """It is sent a few messages and asked again later; the leader forgets what it applied."""
    stage = Stage()
    stage.lead("s0")
    for _ in range(12):
        stage.fill("s0", APPEND_BYTES_MAX)
        stage.settle("s0", "s1")
    assert stage.replica("s0").commit == 13
    sent = [post.mail.body for post in stage.posts("s2", "Append")]
    assert sum(len(body.entries) for body in sent if isinstance(body, Append)) <= 5
    stage.wait(50, "s0")
    assert not stage.replica("s0").log._recent
    stage.wait(400, "s0")
    stage.settle()
    assert stage.log("s2") == stage.log("s0")
    stage.check("s2")


@scenario()
def an_overtaken_refusal_is_no_loss_of_memory() -> None:
    """s1 refused, then caught up and said so; the refusal arrives last."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.drop("s1")
    stage.send("s0", 2)
    stage.deliver("s1", "Append")
    stage.sync("s1")
    late = stage.posts("s0", "Nak")
    stage.settle()
    assert stage.replica("s1").durable == 3
    stage.give(late)
    stage.settle()
    assert stage.replica("s0").amnesia_total == stage.replica("s1").amnesia_total == 0
    stage.committed("s0", 3, "s0", "s1")
    stage.check("s0")


@scenario()
def a_probe_is_checked_as_well() -> None:
    """An APPEND without entries asks about its prev: s1 has another entry 2."""
    stage = parted()
    stage.sync("s2")
    stage.drop()
    stage.node("s2").link_up("s1")
    (post,) = stage.posts("s1", "Append")
    assert isinstance(post.mail.body, Append)
    assert (post.mail.body.prev_index, post.mail.body.entries) == (2, ())
    stage.settle("s1", "s2")
    assert stage.log("s1") == [(1, 1), (2, 2)]
    stage.check("s1")


@scenario()
def what_was_cut_is_not_stored_any_more() -> None:
    """s1 has stored its own entries 2 and 3; entry 2 of term 2 replaces them and is not stored."""
    stage = parted()
    stage.settle("s0", "s2")
    post = stage.take("s1", "Append")[0]
    stage.give([forge(post, commit=2)])
    assert stage.log("s1") == [(1, 1), (2, 2)]
    assert stage.replica("s1").durable == 1
    assert stage.replica("s1").commit <= 1
    stage.sync("s1")
    assert stage.replica("s1").commit == 2
    stage.check("s1")


@scenario()
def a_sync_of_what_was_cut_says_nothing() -> None:
    """Entries 2 and 3 of term 1 are being written when term 2 replaces them."""
    stage = Stage()
    stage.lead("s0")
    stage.send("s0", 1)
    stage.send("s0", 2)
    stage.deliver("s1", "Append")
    written = stage.replica("s1")._token
    stage.drop()
    stage.crash("s0")
    stage.start("s0")
    stage.lead("s2", "s0", "s2")
    stage.deliver("s1", "Append")
    assert stage.log("s1") == [(1, 1), (2, 2)]
    stage.replica("s1").persisted(written, 0)
    stage.node("s1").obey()
    assert stage.replica("s1").durable == 1
    stage.check("s1")
