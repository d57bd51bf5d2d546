"""Three copies of one slot: equal rows, one answer, and nothing acknowledged is lost."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.base.errors import Rejected
from hubbub.wire.replication import Confirm, Offer
from hubbub.wire.shapes import Outcome
from node.ready import ReadNow, Redirected, Unknown
from node.slot import READS_WAITING_MAX
from node.store.api import Family
from tests.node.trio import KEPT, Trio

ROOM = "group:x"
NEXT_MS = 1_000


def started(leader: int = 0) -> Trio:
    trio = Trio(ROOM)
    trio.elect(leader)
    trio.submit(leader, "channel.create", {"channel": ROOM, "members": ["bob", "carol"]})
    trio.run()
    return trio


def send(trio: Trio, number: int, text: str, **more: str) -> int:
    return trio.submit(number, "message.send", {"channel": ROOM, "text": text}, **more)


def test_all_copies_have_the_same_rows() -> None:
    trio = started()
    first = send(trio, 0, "hello")
    trio.run()
    sent = trio.members[0].results[first]
    assert isinstance(sent, Outcome)
    edit = {"channel": ROOM, "id": sent.id, "text": "bye"}
    trio.submit(0, "message.edit", edit)
    send(trio, 0, "again", user="bob")
    trio.run()
    trio.beat()
    dumps = [trio.dump(number) for number in range(3)]
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(dumps[0][Family.CHAN]) == 4
    assert not trio.members[1].published, "only the leader publishes"


def test_nothing_is_answered_or_shown_before_a_majority_has_it() -> None:
    trio = started()
    trio.cut = {1, 2}
    request = send(trio, 0, "alone")
    trio.run()
    leader = trio.members[0]
    assert request not in leader.results
    stream = leader.slot.overlay.stream("demo", ROOM)
    assert leader.slot.overlay.committed(stream).head_seq == 1
    trio.cut = {2}
    trio.now_ms += NEXT_MS
    trio.obey(leader, leader.slot.tick(trio.now))
    trio.run()
    assert leader.results[request] == Outcome(
        2, leader.results[request].ts_ms, leader.results[request].id
    )  # type: ignore[union-attr]
    assert leader.slot.overlay.committed(stream).head_seq == 2


def test_a_new_leader_has_what_was_acknowledged_and_answers_retries() -> None:
    trio = started()
    cmid = trio.cmid()
    request = send(trio, 0, "kept", cmid=cmid)
    trio.run()
    first = trio.members[0].results[request]
    assert isinstance(first, Outcome)
    trio.cut = {0}
    trio.elect(1)
    again = send(trio, 1, "kept", cmid=cmid)
    trio.run()
    assert trio.members[1].results[again] == msgspec.structs.replace(first, dup=True)
    more = send(trio, 1, "more")
    trio.run()
    assert trio.members[1].results[more].seq == first.seq + 1  # type: ignore[union-attr]


def test_what_only_the_old_leader_had_is_unknown_and_gives_its_seq_back() -> None:
    trio = started()
    trio.cut = {0}
    cmid = trio.cmid()
    lost = send(trio, 0, "lost", cmid=cmid)
    trio.run()
    trio.elect(1)
    new = send(trio, 1, "new")
    trio.run()
    assert trio.members[1].results[new].seq == 2  # type: ignore[union-attr]
    trio.cut = set()
    old = trio.members[0]
    trio.obey(old, old.slot.follow(trio.record, trio.revision, trio.now))
    assert old.results[lost] == Unknown()
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[1], trio.members[1].slot.peer_up("disk-0", trio.now))
    trio.run()
    trio.beat()
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)
    retried = send(trio, 1, "lost", cmid=cmid)
    trio.run()
    assert trio.members[1].results[retried].seq == 3  # type: ignore[union-attr]
    assert isinstance(trio.members[0].results[lost], Unknown)
    refused = send(trio, 0, "x")
    assert isinstance(old.results[refused], Redirected)


def test_what_a_majority_had_is_published_by_the_next_leader() -> None:
    trio = started()
    request = send(trio, 0, "half way")
    trio.sync()  # the leader's disk
    trio.deliver()  # followers have it in memory
    for member in trio.members[1:]:
        assert member.waiting
    trio.mails.clear()
    trio.cut = {0}
    trio.sync()  # and on their disks; the answer never reaches the leader
    trio.elect(2)
    assert request not in trio.members[0].results
    (publication,) = trio.members[2].published
    assert [seq for seq, _ in publication.events] == [2]


@pytest.mark.parametrize("number", [0, 1])
def test_a_copy_that_restarts_catches_up(number: int) -> None:
    trio = started()
    send(trio, 0, "one")
    trio.run()
    trio.cut = {number}
    other = 2
    if number == 0:
        trio.elect(other)
    leader = other if number == 0 else 0
    for text in "abc":
        send(trio, leader, text)
    trio.run()
    trio.cut = set()
    trio.restart(number)
    trio.now_ms += NEXT_MS
    storage = trio.members[number].copy.storage
    trio.obey(trio.members[leader], trio.members[leader].slot.peer_up(storage, trio.now))
    trio.run()
    trio.beat()
    assert trio.dump(0) == trio.dump(1) == trio.dump(2)


def test_the_incarnation_stays_over_changes_of_the_leader() -> None:
    trio = started()
    epoch = trio.members[0].slot.epoch
    assert epoch
    trio.elect(2)
    trio.beat()
    assert [member.slot.epoch for member in trio.members] == [epoch] * 3


def test_new_members_are_activated_before_anything_is_acknowledged() -> None:
    trio = started()
    lone = trio.members[2].copy
    record = msgspec.structs.replace(
        trio.record,
        term=trio.record.term + 1,
        leader=lone.leader,
        members=(lone.storage,),
        prev=trio.record.members,
    )
    trio.write(record)
    assert not trio.members[2].slot.is_active
    trio.run()
    assert trio.record.activated
    assert trio.members[2].slot.is_active
    request = send(trio, 2, "alone and safe")
    trio.run()
    assert trio.members[2].results[request].seq == 2  # type: ignore[union-attr]


def trimmed(trio: Trio, number: int) -> None:
    """The copy drops what it needs no more."""
    member = trio.members[number]
    trio.obey(member, member.slot.tidy(trio.now))
    trio.run()


def behind(trio: Trio, number: int, count: int = 60) -> None:
    """One copy misses more than the others keep."""
    trio.cut = {number}
    leader = next(n for n in range(3) if trio.members[n].slot.is_active)
    for text in range(count):
        send(trio, leader, f"{text} " + "x" * 9_000)
        trio.run()
    for other in {0, 1, 2} - {number}:
        trio.beat()
        trimmed(trio, other)
        assert trio.members[other].slot.replica.log.base > KEPT
    trio.cut = set()


def rows(trio: Trio, number: int) -> dict[Family, list[tuple[bytes, bytes]]]:
    """What a reader or a later leader finds: everything but the log, and where it begins."""
    dump = trio.dump(number)
    dump[Family.META] = [row for row in dump[Family.META] if row[0][:1] not in b"bt"]
    del dump[Family.LOG]
    return dump


def test_the_log_is_trimmed_and_goes_on() -> None:
    trio = started()
    behind(trio, 2)
    log = trio.members[0].slot.replica.log
    stored = trio.members[0].store.iterate(Family.LOG, b"", b"\xff", limit=1_000)
    assert len(stored) == log.last_index - log.base
    trio.restart(0)
    again = trio.members[0].slot.replica.log
    assert (again.base, again.base_chain, again.last_index) == (
        log.base,
        log.base_chain,
        log.last_index,
    )


def test_a_copy_that_lacks_too_much_gets_a_snapshot() -> None:
    trio = started()
    behind(trio, 2)
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[0], trio.members[0].slot.peer_up("disk-2", trio.now))
    trio.run()
    newcomer = trio.members[2].slot
    assert newcomer.replica.is_ok
    assert newcomer.replica.log.base > KEPT
    send(trio, 0, "and on")
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[0], trio.members[0].slot.tick(trio.now))
    trio.run()
    trio.beat()
    assert rows(trio, 2) == rows(trio, 0)
    trio.cut = {0}
    trio.elect(2)
    request = send(trio, 2, "led by the newcomer")
    trio.run()
    assert trio.members[2].results[request].seq == 63  # type: ignore[union-attr]


def test_a_leader_that_lacks_too_much_gets_one_before_it_leads() -> None:
    trio = started()
    behind(trio, 2)
    trio.elect(2)
    assert trio.members[2].slot.is_active
    request = send(trio, 2, "next")
    trio.run()
    assert trio.members[2].results[request].seq == 62  # type: ignore[union-attr]
    trio.beat()
    assert rows(trio, 2) == rows(trio, 0) == rows(trio, 1)


def test_a_half_installed_copy_does_not_vote_and_begins_anew() -> None:
    trio = started()
    behind(trio, 2)
    trio.now_ms += NEXT_MS
    leader = trio.members[0]
    trio.obey(leader, leader.slot.peer_up("disk-2", trio.now))
    while not trio.members[2].slot.replica.install_from:
        trio.sync()
        trio.deliver()
    trio.sync()
    trio.deliver()  # the first part is under way
    trio.deliver()
    trio.sync()
    trio.mails.clear()
    trio.restart(2)
    copy = trio.members[2].slot
    assert not copy.replica.is_ok
    assert copy.applied == 0
    trio.cut = {0}
    trio.elect(1)
    assert not trio.members[1].slot.is_active, "one whole copy is no majority"
    trio.cut = set()
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[1], trio.members[1].slot.tick(trio.now))
    trio.run()
    assert trio.members[1].slot.is_active
    trio.now_ms += NEXT_MS
    trio.obey(trio.members[1], trio.members[1].slot.peer_up("disk-2", trio.now))
    trio.run()
    trio.beat()
    assert copy.replica.is_ok
    assert rows(trio, 2) == rows(trio, 1)


def test_an_old_offer_never_empties_a_copy() -> None:
    trio = started()
    behind(trio, 2)
    leader = trio.members[0].slot
    log = leader.replica.log
    offer = Offer("disk-0", trio.members[0].copy.leader.boot_id, log.base, log.base_chain)
    copy = trio.members[1]
    trio.obey(copy, copy.slot.receive(trio.record.term, offer, trio.now))
    assert not copy.slot.replica.install_from
    assert copy.slot.replica.is_ok


def test_reads_that_may_not_be_stale_wait_for_a_round_each() -> None:
    """The second and third come while the first round is under way: they share the next one."""
    trio = Trio(ROOM)
    trio.elect(0)
    leader = trio.members[0]
    trio.obey(leader, leader.slot.confirm("first", trio.now))
    trio.obey(leader, leader.slot.confirm("second", trio.now))
    trio.obey(leader, leader.slot.confirm("third", trio.now))
    rounds = {mail.body.n for _, mail in trio.mails if isinstance(mail.body, Confirm)}
    assert len(rounds) == 1
    assert leader.results == {}
    trio.run()
    assert leader.results == {name: ReadNow() for name in ("first", "second", "third")}
    assert leader.slot.replica.asked_n == 2


def test_reads_of_a_leader_that_is_deposed_go_elsewhere() -> None:
    trio = Trio(ROOM)
    trio.elect(0)
    leader = trio.members[0]
    trio.obey(leader, leader.slot.confirm("first", trio.now))
    trio.mails.clear()
    trio.elect(1)
    assert leader.results == {"first": Redirected(1)}
    trio.obey(leader, leader.slot.confirm("second", trio.now))
    assert leader.results["second"] == Redirected(2)


def test_reads_that_wait_are_bounded() -> None:
    trio = Trio(ROOM)
    trio.elect(0)
    leader = trio.members[0]
    for n in range(READS_WAITING_MAX + 1):
        trio.obey(leader, leader.slot.confirm(n, trio.now))
    assert list(leader.results) == [READS_WAITING_MAX]
    assert isinstance(leader.results[READS_WAITING_MAX], Rejected)
