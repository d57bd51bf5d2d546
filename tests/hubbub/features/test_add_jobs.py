"""Thousands of members by a job: part by part, once, and it says how far it is."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    OVERLOADED,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.add_jobs import (
    JOBS,
    JOBS_MAX,
    PACE_MS,
    PARTS,
    TRIES_MAX,
    USERS_MAX,
    AddJobRequest,
    AddPart,
    JobRequest,
    RunPart,
    turn_add,
)
from hubbub.features.guarantees import ChannelTierChanged
from hubbub.features.members import MembersJoined
from hubbub.features.standing import member_count
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook, walk

X = "group:x"


def names(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"u{n}" for n in range(first, last))


def group() -> Playbook:
    return Playbook(X, owner="ann")


def start(book: Playbook, users: tuple[str, ...], cmid: str = "") -> str:
    """What the edge does; the job."""
    ctx = book.edge_context(Viewer("", "server"))
    answers = [b"{}"] * (-(-len(users) // 1_000))
    *parts, last = walk(turn_add(AddJobRequest(X, users, cmid), ctx), *answers)
    for part in parts:
        assert isinstance(part, AddPart)
        book.do("", part, authority="server")
    assert isinstance(last, bytes)
    return decode_json(last, dict[str, str])["job"]


def info(book: Playbook, job: str) -> dict[str, Any]:
    return book.query("", "jobs.get", JobRequest(X, job), authority="server")


def run_out(book: Playbook) -> list[Any]:
    """All that a job does, a part at a time."""
    events: list[Any] = []
    while book.dues:
        events += book.fall_due()
        book.tick(PACE_MS)
    return events


def test_parts_leave_room_between_them_unless_they_added_nobody() -> None:
    book = group()
    job = start(book, names(0, 3_000))
    for done in (1, 2):
        book.fall_due()
        assert info(book, job)["done"] == done
        book.tick(PACE_MS - 1)
        assert book.fall_due() == []
        book.tick(1)
    run_out(book)
    again = start(book, names(0, 3_000))
    book.fall_due()
    assert (info(book, again)["state"], info(book, again)["added"]) == ("done", 0)


def test_a_part_without_room_is_sent_again() -> None:
    errand = turn_add(AddJobRequest(X, names(0, 1_500)), group().edge_context(Viewer("", "server")))
    steps = errand.steps()
    sent = next(steps)
    for _ in range(TRIES_MAX - 1):
        assert steps.throw(Rejected(OVERLOADED)) == sent
    second = steps.send(b"{}")
    assert (sent.part, second.part) == (1, 2)
    for _ in range(TRIES_MAX - 1):
        steps.throw(Rejected(OVERLOADED))
    with pytest.raises(Rejected) as refusal:
        steps.throw(Rejected(OVERLOADED))
    assert refusal.value.error is OVERLOADED
    steps = errand.steps()
    next(steps)
    with pytest.raises(Rejected) as refusal:
        steps.throw(Rejected(PERMISSION_DENIED))
    assert refusal.value.error is PERMISSION_DENIED


def test_a_job_adds_its_parts_one_behind_the_other() -> None:
    book = group()
    job = start(book, names(0, 2_500))
    assert (info(book, job)["state"], info(book, job)["total"]) == ("running", 2_500)
    events = run_out(book)
    assert [len(e.users) for e in events if isinstance(e, MembersJoined)] == [1_000, 1_000, 500]
    assert sum(isinstance(e, ChannelTierChanged) for e in events) == 1
    assert member_count(book.tables) == 2_501
    shown = info(book, job)
    assert (shown["state"], shown["done"], shown["added"]) == ("done", 3, 2_500)
    assert book.tables[PARTS].packed == {}
    again = start(book, names(2_400, 2_600))
    run_out(book)
    assert (info(book, again)["added"], info(book, again)["total"]) == (100, 200)
    book.assert_replay_equal()


def test_the_same_request_is_the_same_job() -> None:
    book = group()
    job = start(book, names(0, 1_500), cmid="one")
    run_out(book)
    assert start(book, names(0, 1_500), cmid="one") == job
    assert book.fall_due() == []
    assert start(book, names(0, 1_500)) != job


def test_a_job_that_does_not_fit_ends_and_says_why() -> None:
    members_max = 3_000
    book = Playbook(X, owner="ann", settings=AppSettings(channel_members_max=members_max))
    first = start(book, names(0, members_max - 1_500))
    run_out(book)
    second = start(book, names(20_000, 23_000))
    run_out(book)
    assert info(book, first)["state"] == "done"
    shown = info(book, second)
    assert (shown["state"], shown["error"]) == ("failed", "too_many")
    assert book.tables[PARTS].packed == {}
    assert member_count(book.tables) <= members_max
    book.assert_replay_equal()


def test_who_may_and_what_is_no_job() -> None:
    book = group()
    part = AddPart(channel=X, job="j", part=1, parts=2, users=("bob",))
    assert book.refused("ann", part) is PERMISSION_DENIED
    late = AddPart(channel=X, job="j", part=2, parts=2, users=("bob",))
    assert book.refused("", late, authority="server") is BAD_REQUEST
    many = AddPart(channel=X, job="j", part=1, parts=1, users=names(0, 1_001))
    assert book.refused("", many, authority="server") is TOO_MANY
    assert book.refused("ann", RunPart(channel=X, job="j")) is PERMISSION_DENIED
    with pytest.raises(Rejected) as caught:
        info(book, "none")
    assert caught.value.error is NOT_FOUND
    ctx = book.edge_context(Viewer("", "server"))
    for users in ((), names(0, USERS_MAX + 1), ("a b",)):
        with pytest.raises(Rejected):
            turn_add(AddJobRequest(X, users), ctx)


def test_old_jobs_are_forgotten() -> None:
    book = group()
    jobs = []
    for n in range(JOBS_MAX + 1):
        jobs.append(start(book, (f"u{n}",)))
        run_out(book)
        book.tick(1)
    assert len(book.tables[JOBS].packed) == JOBS_MAX
    with pytest.raises(Rejected):
        info(book, jobs[0])
    assert info(book, jobs[-1])["state"] == "done"
    book.assert_replay_equal()
