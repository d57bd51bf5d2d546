"""One copy by itself: what goes in, what comes out, in which order. Stories are in tests/sim."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hubbub.ring.hashing import chain as chain_of
from hubbub.ring.map import Leader, SlotRecord, activated, next_leader, placed
from hubbub.wire.replication import (
    Append,
    Appended,
    CopyMessage,
    Fence,
    Fetch,
    Nak,
    Offer,
    Promised,
    Recall,
    Stale,
    Tail,
)
from node import keys
from node.progress import RETRY_MS
from node.replica import (
    EMPTIED,
    QUORUM_LOST_MS,
    SOURCE_LOST_MS,
    Copy,
    Mail,
    Promise,
    Replica,
    Role,
    read_promise,
)
from node.store.api import Family, Op
from node.store.memory import MemoryStore

SLOT = 3
ME, OTHER, THIRD = "disk-a", "disk-b", "disk-c"
MINE, THEIRS = Leader("a", 11), Leader("b", 22)
RECORD = placed((ME, OTHER, THIRD))


class Machine:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.upto = 0
        self.retirements = 0
        self.wipes = 0

    def lead(self, now_ms: int) -> bytes:
        return b"start"

    def committed(self, upto: int) -> None:
        self.upto = upto

    def retired(self) -> None:
        self.retirements += 1

    def wipe(self) -> list[Op]:
        self.wipes += 1
        return []


class Sut:
    """A replica, and what it has given out since it was asked last."""

    def __init__(self, store: MemoryStore | None = None, leader: Leader = MINE) -> None:
        self.store = store or MemoryStore()
        self.machine = Machine()
        self.replica = Replica(SLOT, Copy(ME, leader), self.store, self.machine, 0)
        self.revision = 0

    def role(self) -> Role:
        """What it is doing now."""
        return self.replica.role

    def follow(self, record: SlotRecord, now_ms: int = 0) -> None:
        self.revision += 1
        self.replica.follow(record, self.revision, now_ms)

    def receive(self, term: int, *bodies: CopyMessage, now_ms: int = 0) -> None:
        for body in bodies:
            self.replica.receive(term, body, now_ms)

    def sync(self, now_ms: int = 0) -> None:
        """Everything that was handed over becomes durable."""
        while self.replica.persists:
            batches, self.replica.persists = self.replica.persists, []
            for batch in batches:
                self.store.write(batch.ops)
            self.replica.persisted(batches[-1].token, now_ms)

    def mails(self, *shapes: type[CopyMessage]) -> list[Mail]:
        mails, self.replica.mails = self.replica.mails, []
        return [mail for mail in mails if not shapes or isinstance(mail.body, shapes)]

    def lead(self, record: SlotRecord | None = None) -> None:
        """Named, promised by OTHER, synced by OTHER."""
        record = record or next_leader(RECORD, MINE)
        self.follow(record)
        self.sync()
        self.receive(record.term, Promised(OTHER, MINE.boot_id, 0, 0, ok=True))
        self.sync()
        self.receive(record.term, Appended(OTHER, self.replica.log.last_index, ok=True))
        self.mails()


def entries(*values: bytes, term: int = 1, chain: int = 0) -> tuple[tuple[int, bytes], ...]:
    """A leader's entries behind `chain`."""
    made = []
    for value in values:
        chain = chain_of(chain, value)
        made.append((term, keys.pack_u64(chain) + value))
    return tuple(made)


def append(*values: bytes, commit: int = 0, boot_id: int = THEIRS.boot_id) -> Append:
    """The first entries of a log."""
    return Append(OTHER, boot_id, 0, 0, commit, entries(*values))


# --- leading


def test_it_begins_only_what_names_this_process_and_is_new() -> None:
    sut = Sut()
    for record in (
        next_leader(RECORD, THEIRS),
        next_leader(RECORD, Leader("a", 10)),
        next_leader(placed((OTHER, THIRD)), MINE),
    ):
        sut.follow(record)
        assert sut.role() is Role.FOLLOWER
        assert not sut.replica.mails
    sut.follow(next_leader(RECORD, MINE))
    assert sut.role() is Role.FENCING
    assert sut.replica.is_leading
    assert sut.replica.is_busy
    assert [(mail.to, mail.term, mail.body) for mail in sut.mails()] == [
        (to, 1, Fence(ME, MINE.boot_id)) for to in (OTHER, THIRD)
    ]


def test_fences_go_to_old_and_new_members() -> None:
    sut = Sut()
    sut.follow(next_leader(RECORD, MINE, (ME, "disk-x")))
    assert [mail.to for mail in sut.mails(Fence)] == [OTHER, THIRD, "disk-x"]


def test_its_own_promise_is_durable_before_it_counts() -> None:
    sut = Sut()
    sut.follow(next_leader(RECORD, MINE))
    sut.receive(1, Promised(OTHER, MINE.boot_id, 0, 0, ok=True))
    sut.receive(1, Promised(THIRD, MINE.boot_id, 0, 0, ok=True))
    assert sut.role() is Role.FENCING
    sut.sync()
    assert sut.role() is Role.SYNCING
    stored = sut.store.get(Family.META, keys.promise(SLOT))
    assert read_promise(stored) == Promise(1, MINE.boot_id)


def test_from_the_first_entry_of_the_term_on_it_commits() -> None:
    sut = Sut()
    sut.lead()
    assert sut.role() is Role.ACTIVE
    assert (sut.replica.commit, sut.machine.upto) == (1, 1)
    logged = sut.replica.append(b"x", 5)
    assert (logged.index, logged.term) == (2, 1)
    sent = sut.mails(Append)
    assert [mail.to for mail in sent] == [OTHER], "THIRD has not said where it stands"
    sut.receive(1, Appended(OTHER, 2, ok=True))
    assert sut.replica.commit == 1
    sut.sync()
    assert sut.replica.commit == 2


def test_more_operations_travel_with_an_entry() -> None:
    sut = Sut()
    sut.lead()
    row: Op = (Family.STATE, b"k", b"v")
    sut.replica.append(b"x", 0, (row,))
    assert sut.replica.persists[-1].ops[-1] == row


def test_new_members_commit_once_the_record_says_activated() -> None:
    sut = Sut()
    record = next_leader(RECORD, MINE, (ME, OTHER))
    sut.lead(record)
    assert sut.role() is Role.ACTIVATING
    assert sut.replica.take_activate() == activated(record)
    assert sut.replica.take_activate() is None
    sut.replica.cas_answered(ok=True, now_ms=0)
    assert sut.role() is Role.ACTIVATING, "the answer may be an earlier term's"
    sut.follow(activated(record))
    assert sut.role() is Role.ACTIVE
    assert sut.replica.commit == 1


def test_a_failed_activation_ends_the_term() -> None:
    sut = Sut()
    sut.lead(next_leader(RECORD, MINE, (ME, OTHER)))
    sut.replica.cas_answered(ok=False, now_ms=0)
    assert sut.role() is Role.FOLLOWER
    assert sut.machine.retirements == 1


def test_an_answer_without_an_activation_changes_nothing() -> None:
    sut = Sut()
    sut.lead()
    sut.replica.cas_answered(ok=False, now_ms=0)
    assert sut.role() is Role.ACTIVE


def test_a_lone_copy_needs_nobody() -> None:
    sut = Sut()
    sut.follow(next_leader(placed((ME,)), MINE))
    sut.sync()
    assert sut.role() is Role.ACTIVE
    sut.replica.append(b"x", 0)
    assert sut.replica.commit == 1
    sut.sync()
    assert (sut.replica.commit, sut.mails()) == (2, [])


@pytest.mark.parametrize("why", ["record", "stale", "fence", "append", "told"])
def test_what_ends_a_leader(why: str) -> None:
    sut = Sut()
    sut.lead()
    if why == "record":
        sut.follow(next_leader(next_leader(RECORD, MINE), THEIRS))
    elif why == "stale":
        sut.receive(1, Stale(OTHER, 2))
    elif why == "fence":
        sut.receive(2, Fence(OTHER, THEIRS.boot_id))
    elif why == "append":
        sut.receive(2, append())
    else:
        sut.replica.step_down()
    assert sut.role() is Role.FOLLOWER
    assert sut.machine.retirements == 1
    assert sut.replica.lag(OTHER) is None
    sut.replica.step_down()
    assert sut.machine.retirements == 1


def test_a_stale_of_an_earlier_term_ends_nothing() -> None:
    sut = Sut()
    sut.lead()
    sut.receive(0, Stale(OTHER, 1))
    assert sut.role() is Role.ACTIVE


def test_who_leads_in_vain_gives_up() -> None:
    sut = Sut()
    sut.lead()
    sut.replica.append(b"x", 1_000)
    sut.replica.tick(1_000 + QUORUM_LOST_MS - 1)
    assert sut.role() is Role.ACTIVE
    sut.replica.tick(1_000 + QUORUM_LOST_MS)
    assert sut.role() is Role.FOLLOWER


def test_the_newest_log_is_fetched_and_only_from_its_owner() -> None:
    sut = Sut()
    sut.follow(next_leader(RECORD, MINE))
    sut.sync()
    sut.mails()
    sut.receive(1, Promised(OTHER, MINE.boot_id, 4, 2, ok=True), now_ms=10)
    assert sut.role() is Role.FETCHING
    assert sut.mails() == [Mail(OTHER, 1, Fetch(ME, MINE.boot_id, 0, ()))]
    theirs = entries(b"one", b"two", term=0)
    sut.receive(1, Tail(THIRD, MINE.boot_id, 0, 0, theirs, 2))
    assert sut.role() is Role.FETCHING
    sut.receive(1, Tail(OTHER, MINE.boot_id, 0, 0, theirs[:1], 2), now_ms=20)
    assert [mail.body for mail in sut.mails(Fetch)] == [Fetch(ME, MINE.boot_id, 1, ())]
    for now_ms in (20 + RETRY_MS, 21 + RETRY_MS):
        sut.replica.tick(now_ms)
    assert len(sut.mails(Fetch)) == 1
    sut.receive(1, Tail(OTHER, MINE.boot_id, 1, read(theirs[0]), theirs[1:], 2))
    assert sut.role() is Role.SYNCING
    assert sut.replica.log.last_index == 3


def read(entry: tuple[int, bytes]) -> int:
    return keys.read_u64(entry[1])


def test_a_source_that_falls_silent_is_asked_to_promise_again() -> None:
    sut = Sut()
    sut.follow(next_leader(RECORD, MINE))
    sut.sync()
    sut.receive(1, Promised(OTHER, MINE.boot_id, 4, 2, ok=True))
    sut.mails()
    sut.replica.tick(SOURCE_LOST_MS)
    assert sut.role() is Role.FENCING
    assert {mail.to for mail in sut.mails(Fence)} == {OTHER, THIRD}
    sut.receive(1, Promised(THIRD, MINE.boot_id, 0, 0, ok=True))
    assert sut.role() is Role.SYNCING, "a majority without it has no more than this"


def test_a_copy_with_holes_neither_counts_nor_leads() -> None:
    sut = Sut()
    sut.follow(next_leader(RECORD, MINE))
    sut.sync()
    sut.receive(1, Promised(OTHER, MINE.boot_id, 4, 2, ok=False))
    assert sut.role() is Role.FENCING
    store = MemoryStore()
    row = Promise(0, 0, 7)
    store.write([(Family.META, keys.promise(SLOT), _packed(row))])
    sut = Sut(store)
    assert not sut.replica.is_ok
    sut.follow(next_leader(RECORD, MINE))
    sut.sync()
    assert sut.role() is Role.FOLLOWER


def _packed(promise: Promise) -> bytes:
    """The row that a replica writes for it."""
    sut = Sut()
    sut.replica._write_promise(promise)
    (op,) = sut.replica.persists[-1].ops
    assert isinstance(op, tuple)
    assert op[2] is not None
    return op[2]


def test_learners_hear_and_do_not_count() -> None:
    sut = Sut()
    record = next_leader(RECORD, MINE)
    sut.lead(record)
    sut.follow(replace(record, learners=("disk-x",)))
    (probe,) = sut.mails(Append)
    assert probe.to == "disk-x"
    sut.replica.append(b"x", 0)
    sut.sync()
    sut.receive(1, Appended("disk-x", 2, ok=True))
    assert sut.replica.commit == 1
    assert sut.replica.lag("disk-x") == 0
    assert sut.replica.lag(THIRD) is None
    sut.follow(record)
    assert sut.replica.lag("disk-x") is None


# --- following


def test_a_promise_is_said_once_it_is_stored() -> None:
    sut = Sut()
    sut.receive(1, Fence(OTHER, THEIRS.boot_id))
    assert sut.mails() == []
    sut.sync()
    promised = Promised(ME, THEIRS.boot_id, 0, 0, ok=True)
    assert sut.mails() == [Mail(OTHER, 1, promised)]
    sut.receive(1, Fence(OTHER, THEIRS.boot_id))
    assert sut.mails() == [Mail(OTHER, 1, promised)], "again, and at once"


@pytest.mark.parametrize(
    "body",
    [
        Fence(OTHER, 99),
        append(b"x", boot_id=99),
        Fetch(OTHER, 99, 0, ()),
        Recall(OTHER, 99, 4),
        Offer(OTHER, 99, 4, 4),
    ],
)
@pytest.mark.parametrize("term", [1, 2])
def test_a_lower_term_and_another_process_of_the_same_are_refused(
    body: CopyMessage, term: int
) -> None:
    sut = Sut()
    sut.receive(2, Fence(OTHER, THEIRS.boot_id))
    sut.sync()
    sut.mails()
    sut.receive(term, body)
    assert sut.mails() == [Mail(OTHER, term, Stale(ME, 2))]
    assert sut.replica.promise == Promise(2, THEIRS.boot_id)
    assert sut.replica.log.last_index == 0


def test_an_ack_is_said_once_the_entries_are_stored() -> None:
    sut = Sut()
    sut.receive(1, append(b"one", b"two", commit=1))
    assert (sut.mails(), sut.replica.durable, sut.replica.commit) == ([], 0, 0)
    sut.sync()
    assert sut.mails() == [Mail(OTHER, 1, Appended(ME, 2, ok=True))]
    assert (sut.replica.durable, sut.replica.commit) == (2, 1)
    again = Sut(sut.store)
    assert again.replica.promise == Promise(1, THEIRS.boot_id)
    assert (again.replica.log.last_index, again.replica.durable, again.replica.commit) == (2, 2, 0)


def test_a_gap_is_refused_with_what_is_there() -> None:
    sut = Sut()
    sut.receive(1, append(b"one"))
    sut.sync()
    sut.mails()
    sut.receive(1, Append(OTHER, THEIRS.boot_id, 5, 5, 0, ()))
    assert sut.mails() == [Mail(OTHER, 1, Nak(ME, 1, ((1, 1),)))]


def test_a_beat_moves_the_commit_of_the_leaders_own_entries() -> None:
    sut = Sut()
    sut.receive(1, append(b"one", b"two"))
    sut.replica.hear_commit(1, THEIRS.boot_id, 2)
    assert sut.replica.commit == 0
    sut.sync()
    assert sut.replica.commit == 2
    sut.replica.hear_commit(1, 99, 9)
    sut.replica.hear_commit(2, THEIRS.boot_id, 9)
    assert sut.replica.commit == 2


def test_mail_for_an_older_promise_is_not_sent_any_more() -> None:
    sut = Sut()
    sut.receive(1, append(b"one"))
    sut.receive(2, Fence(THIRD, 33))
    sut.sync()
    assert [mail.to for mail in sut.mails()] == [THIRD]


def test_what_it_forgot_it_must_have_again() -> None:
    sut = Sut()
    sut.receive(1, append(b"one"))
    sut.receive(1, Recall(OTHER, THEIRS.boot_id, 1))
    assert (sut.replica.promise.recall, sut.replica.amnesia_total) == (0, 0)
    sut.receive(1, Recall(OTHER, THEIRS.boot_id, 3))
    assert (sut.replica.promise.recall, sut.replica.amnesia_total) == (3, 1)
    sut.sync()
    sut.mails()
    sut.receive(1, append(b"one", b"two"))
    sut.sync()
    assert [mail.body for mail in sut.mails()] == [Appended(ME, 2, ok=False)]
    sut.receive(1, append(b"one", b"two", b"three"))
    sut.sync()
    assert [mail.body for mail in sut.mails()] == [Appended(ME, 3, ok=True)]
    assert sut.replica.is_ok


def test_a_failed_copy_is_silent() -> None:
    sut = Sut()
    sut.lead()
    sut.replica.append(b"x", 0)
    sut.replica.fail("the disk failed")
    sut.mails()
    sut.sync()
    sut.receive(2, Fence(OTHER, THEIRS.boot_id), append(b"x"))
    sut.follow(next_leader(next_leader(RECORD, MINE), MINE))
    sut.replica.tick(10**6)
    sut.replica.step_down()
    assert (sut.role(), sut.replica.failure) == (Role.FAILED, "the disk failed")
    assert sut.mails() == []
    assert sut.machine.retirements == 1


# --- snapshots


def test_an_offer_empties_whoever_lacks_it() -> None:
    sut = Sut()
    sut.receive(1, append(b"one"))
    sut.sync()
    sut.mails()
    sut.receive(1, Offer(OTHER, THEIRS.boot_id, 1, sut.replica.log.last_chain))
    assert [type(mail.body) for mail in sut.mails()] == [Nak], "it has that"
    sut.receive(1, Offer(OTHER, THEIRS.boot_id, 5, 5))
    assert (sut.replica.install_from, sut.machine.wipes) == (OTHER, 1)
    assert sut.replica.promise == Promise(1, THEIRS.boot_id, EMPTIED)
    assert sut.replica.is_busy
    sut.sync()
    sut.receive(1, append(b"one"))
    assert sut.mails() == [], "while it lasts nothing is taken"
    sut.replica.finish_install(5, 77, ((1, 1),), (), 0)
    sut.sync()
    assert (sut.replica.commit, sut.replica.durable, sut.replica.log.last_chain) == (5, 5, 77)
    assert sut.replica.is_ok
    assert [mail.body for mail in sut.mails()] == [Nak(ME, 5, ((1, 1),))]


def test_a_leader_offers_what_its_log_has_no_more() -> None:
    sut = Sut()
    sut.lead()
    for _ in range(5):
        sut.replica.append(b"x", 0)
    sut.sync()
    sut.receive(1, Appended(OTHER, 6, ok=True))
    assert sut.replica.lowest_match == 0
    sut.replica.log.trim(4)
    sut.mails()
    sut.receive(1, Nak(THIRD, 1, ((1, 1),)))
    offer = Offer(ME, MINE.boot_id, 4, sut.replica.log.base_chain)
    assert sut.mails() == [Mail(THIRD, 1, offer)]
    sut.receive(1, Nak(THIRD, 4, ((1, 1),)))
    (mail,) = sut.mails()
    assert isinstance(mail.body, Append)
    assert (mail.body.prev_index, len(mail.body.entries)) == (4, 2)


def test_tokens_are_in_the_order_of_writing() -> None:
    sut = Sut()
    first = sut.replica.next_token()
    sut.receive(1, Fence(OTHER, THEIRS.boot_id))
    assert sut.replica.persists[0].token == first + 1
    assert sut.replica.next_token() == first + 2
