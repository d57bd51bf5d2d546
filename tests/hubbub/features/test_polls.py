"""Polls: votes that change, figures that cannot drift, and what nobody learns."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    CONFLICT,
    MESSAGE_DELETED,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    ErrorCode,
    Rejected,
)
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.contract import EventKind
from hubbub.features.history import HistoryRequest
from hubbub.features.members import RemoveMembers
from hubbub.features.messages import DeleteMessage, EditMessage, MessageCreated, SendMessage
from hubbub.features.poll_rows import POLLS, VOTERS, VOTES
from hubbub.features.polls import (
    OPEN_MS_MAX,
    AddOption,
    ClosePoll,
    CreatePoll,
    EndPoll,
    PollBallot,
    PollClosed,
    PollRequest,
    PollVoted,
    Vote,
    VotersRequest,
)
from hubbub.settings.profiles import BENCH
from hubbub.wire.codec import decode_json
from tests.support.playbook import START_MS, Playbook

X = "group:x"
PEOPLE = ("bob", "cid", "dan", "eve")


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=PEOPLE, settings=BENCH)


def create(book: Playbook, user: str = "bob", **fields: Any) -> str:
    fields = {"channel": X, "question": "Tea?", "options": ("yes", "no", "later")} | fields
    book.do(user, CreatePoll(**fields))
    return book.outcome.id


def vote(book: Playbook, mid: str, user: str, *options: int) -> Any:
    return book.do(user, Vote(channel=X, id=mid, options=options))


def get(book: Playbook, mid: str, user: str = "ann") -> dict[str, Any]:
    return book.query(user, "poll.get", PollRequest(X, mid))


def votes(book: Playbook, mid: str) -> list[int]:
    return [option.get("votes", 0) for option in get(book, mid)["poll"]["options"]]


def voters(book: Playbook, mid: str, option: int, **more: Any) -> list[str]:
    request = VotersRequest(X, mid, option, **more)
    page = book.query("ann", "poll.voters", request)
    return [voter["user"] for voter in page["voters"]]


def test_a_poll_is_a_message(book: Playbook) -> None:
    mid = create(book, closes_at=START_MS + 60_000)
    shown = book.shown(2)
    assert (shown["t"], shown["id"], shown["text"]) == ("message.created", mid, "Tea?")
    assert shown["poll"] == {
        "options": [{"id": 1, "text": "yes"}, {"id": 2, "text": "no"}, {"id": 3, "text": "later"}],
        "closes_at": "2026-01-31T12:01:00.000Z",
    }
    row = book.tables[POLLS].get(2)
    assert (row.id, row.by) == (mid, "bob")
    page = get(book, mid)
    assert (page["question"], page["by"], page["id"]) == ("Tea?", "bob", mid)
    book.do("bob", EditMessage(channel=X, id=mid, text="Tea or coffee?"))
    assert get(book, mid)["question"] == "Tea or coffee?"
    assert "poll" in book.shown(2)
    book.assert_replay_equal()


def test_a_vote_is_the_whole_choice_of_a_user(book: Playbook) -> None:
    mid = create(book, votes_max=2)
    (event,) = vote(book, mid, "cid", 3, 1, 3)
    assert event == PollVoted(
        id=mid, message_seq=2, rev=1, voters=1, votes=(1, 0, 1), options=(1, 3)
    )
    shown = book.shown(3)
    assert (shown["t"], shown["by"], shown["id"], shown["options"]) == (
        "poll.voted",
        "cid",
        mid,
        [1, 3],
    )
    assert book.reply == {"rev": 1, "voters": 1, "votes": [1, 0, 1], "options": [1, 3]}
    vote(book, mid, "dan", 1)
    vote(book, mid, "cid", 2)
    assert vote(book, mid, "cid", 2) == [], "nothing new"
    assert (votes(book, mid), get(book, mid)["poll"]["voters"]) == ([1, 1, 0], 2)
    assert (get(book, mid, "cid")["own"], get(book, mid).get("own")) == ([2], None)
    assert [voters(book, mid, option) for option in (1, 2, 3)] == [["dan"], ["cid"], []]
    vote(book, mid, "cid")
    assert (votes(book, mid), get(book, mid)["poll"]["rev"]) == ([1, 0, 0], 4)
    assert book.shown(2)["poll"]["options"][0]["votes"] == 1, "wherever the message shows"
    (message,) = book.query("ann", "history.get", HistoryRequest(X))["messages"]
    assert message["poll"] == get(book, mid)["poll"]
    book.assert_replay_equal()


def test_what_is_no_vote(book: Playbook) -> None:
    mid = create(book)
    for options in ((0,), (4,), (-1,)):
        assert book.refused("cid", Vote(channel=X, id=mid, options=options)) is BAD_REQUEST
    refusal = book.refusal("cid", Vote(channel=X, id=mid, options=(1, 2)))
    assert (refusal.error, refusal.details) == (TOO_MANY, {"limit": 1})
    assert book.refused("zoe", Vote(channel=X, id=mid, options=(1,))) is CHANNEL_NOT_FOUND
    no_user = Vote(channel=X, id=mid, options=(1,))
    assert book.refused("", no_user, authority="server") is BAD_REQUEST
    book.do("bob", SendMessage(channel=X, text="no poll"))
    plain = book.outcome.id
    assert book.refused("cid", Vote(channel=X, id=plain, options=(1,))) is NOT_FOUND
    book.do("bob", DeleteMessage(channel=X, id=mid))
    assert book.refused("cid", Vote(channel=X, id=mid, options=(1,))) is MESSAGE_DELETED
    assert "poll" not in book.shown(2)
    with pytest.raises(Rejected):
        get(book, mid)


def test_what_is_no_poll(book: Playbook) -> None:
    def refused(user: str = "bob", **fields: Any) -> ErrorCode:
        return book.refused(
            user, CreatePoll(**{"channel": X, "question": "?", "options": ("a",)} | fields)
        )

    many = tuple(str(n) for n in range(101))
    late = START_MS + OPEN_MS_MAX + 1
    for wrong in (
        {"question": " "},
        {"question": " ", "data": Raw(b"1")},
        {"options": ()},
        {"options": many},
        {"options": ("a", "a")},
        {"options": ("a b", " a  b")},
        {"options": ("a", " ")},
        {"votes_max": 0},
        {"votes_max": 11},
        {"closes_at": START_MS},
        {"closes_at": late},
        {"closes_at": "noon"},
    ):
        assert refused(**wrong) is BAD_REQUEST, wrong
    assert refused(options=("x" * 501,)) is TOO_LARGE
    assert refused(question="x" * 5_001) is TOO_LARGE
    assert refused(options=tuple("é" * 490 + str(n) for n in range(100))) is TOO_LARGE
    assert refused("zoe") is CHANNEL_NOT_FOUND
    book.do("ann", SetMemberCapabilities(channel=X, user="cid", deny=("create_poll", "vote")))
    assert refused("cid") is PERMISSION_DENIED
    assert create(book, options=("x" * 500,))
    assert book.waiting("poll") == {}
    create(book, options=many[:100], votes_max=10, closes_at=START_MS + OPEN_MS_MAX)


def test_options_are_added_where_the_poll_allows_it(book: Playbook) -> None:
    closed, mid = create(book), create(book, may_add=True)
    book.do("bob", AddOption(channel=X, id=closed, text="mine"))
    assert book.refused("cid", AddOption(channel=X, id=closed, text="x")) is PERMISSION_DENIED
    vote(book, mid, "cid", 2)
    book.do("cid", AddOption(channel=X, id=mid, text="coffee"))
    shown = book.shown(book.tables.head_seq)
    assert (shown["t"], shown["option"], shown["text"]) == ("poll.option_added", 4, "coffee")
    again = book.refusal("dan", AddOption(channel=X, id=mid, text=" coffee"))
    assert (again.error, again.details) == (CONFLICT, {"option": 4})
    assert (shown["rev"], get(book, mid)["poll"]["rev"]) == (2, 2)
    for blank in ("", " ", "x" * 501):
        assert book.refused("bob", AddOption(channel=X, id=mid, text=blank)) is not CONFLICT
    book.do("ann", SetMemberCapabilities(channel=X, user="eve", deny=("vote",)))
    assert book.refused("eve", AddOption(channel=X, id=mid, text="tea")) is PERMISSION_DENIED
    book.do("bob", AddOption(channel=X, id=mid, text="the author's"))
    assert "by" not in get(book, mid)["poll"]["options"][4]
    vote(book, mid, "dan", 4)
    options = get(book, mid)["poll"]["options"]
    assert options[3] == {"id": 4, "text": "coffee", "by": "cid", "votes": 1}
    assert votes(book, mid) == [0, 1, 0, 1, 0]
    for n in range(95):
        book.do("cid", AddOption(channel=X, id=mid, text=str(n)))
    assert book.refused("cid", AddOption(channel=X, id=mid, text="more")) is TOO_MANY
    book.assert_replay_equal()


def test_who_closes_it(book: Playbook) -> None:
    mid = create(book)
    vote(book, mid, "cid", 1)
    assert book.refused("cid", ClosePoll(channel=X, id=mid)) is PERMISSION_DENIED
    assert book.do("bob", ClosePoll(channel=X, id=mid)) == [
        PollClosed(id=mid, message_seq=2, rev=2, voters=1, votes=(1, 0, 0))
    ]
    assert book.do("bob", ClosePoll(channel=X, id=mid)) == []
    assert get(book, mid)["poll"]["closed_at"] == "2026-01-31T12:00:00.000Z"
    assert get(book, mid)["poll"]["rev"] == 2
    for late in (Vote(channel=X, id=mid, options=(2,)), AddOption(channel=X, id=mid, text="x")):
        assert book.refused("bob", late) is CONFLICT
    other = create(book)
    assert len(book.do("ann", ClosePoll(channel=X, id=other))) == 1, "staff"
    book.assert_replay_equal()


def test_its_time_ends_it_once(book: Playbook) -> None:
    timed = create(book, closes_at=START_MS + 60_000)
    early = create(book, closes_at=START_MS + 60_000)
    book.do("bob", ClosePoll(channel=X, id=early))
    vote(book, timed, "cid", 3)
    book.tick(60_000)
    assert book.refused("dan", Vote(channel=X, id=timed, options=(1,))) is CONFLICT, "on time"
    (closed,) = book.fall_due("poll:")
    assert closed == PollClosed(
        id=timed, message_seq=2, rev=2, voters=1, votes=(0, 0, 1), timed=True
    )
    assert book.waiting("poll:") == {}
    assert book.refused("bob", EndPoll(channel=X, seq=2)) is PERMISSION_DENIED
    book.assert_replay_equal()


def test_its_time_ends_it_though_its_author_left(book: Playbook) -> None:
    mid = create(book, "cid", closes_at=START_MS + 60_000)
    book.do("ann", RemoveMembers(channel=X, user="cid"))
    book.tick(60_000)
    assert len(book.fall_due("poll:")) == 1
    assert "closed_at" in get(book, mid)["poll"]


# --- anonymous, and large


def test_nobody_learns_who_chose_what(book: Playbook) -> None:
    mid = create(book, anonymous=True, votes_max=2)
    (ballot,) = vote(book, mid, "cid", 1, 2)
    assert ballot.KIND is EventKind.SILENT
    assert "cid" not in repr(ballot)
    vote(book, mid, "dan", 1)
    vote(book, mid, "cid", 3)
    assert votes(book, mid) == [1, 0, 1]
    assert get(book, mid, "cid")["own"] == [3]
    assert get(book, mid, "dan")["own"] == [1]
    for user, authority in (("ann", "client"), ("", "server"), ("", "moderator")):
        with pytest.raises(Rejected) as caught:
            book.query(user, "poll.voters", VotersRequest(X, mid, 1), authority=authority)
        assert caught.value.error is PERMISSION_DENIED
    rows = {**book.tables[VOTES].packed, **book.tables[VOTERS].packed}
    assert len(rows) == 2
    assert not any(user in repr(rows) for user in PEOPLE)
    published = [event.data for event in book.tables.published_range(limit=100)]
    assert b"poll.voted" not in b"".join(published)
    other = create(book, anonymous=True)
    vote(book, other, "cid", 1)
    names = [key[1] for key in book.tables[VOTES].packed]
    assert len(set(names)) == 3, "another poll, another name"
    (counted, again) = book.pulse()
    assert (counted["t"], counted["id"], counted["votes"]) == ("poll.counted", mid, [1, 0, 1])
    assert again["id"] == other
    assert "cid" not in repr(counted)
    book.assert_replay_equal()


def large(members: int = 101) -> Playbook:
    names = [f"u{n}" for n in range(members - 1)]
    return Playbook(X, owner="ann", members=names, settings=BENCH)


def test_above_a_hundred_members_votes_take_no_seq(book: Playbook) -> None:
    big = large()
    mid = create(big, "u1")
    head = big.tables.head_seq
    (ballot,) = vote(big, mid, "u2", 1)
    assert ballot == PollBallot(message_seq=2, voter="u2", anonymous=False, options=(1,))
    for n in range(3, 60):
        vote(big, mid, f"u{n}", 1 + n % 3)
    assert big.tables.head_seq == head
    (counted,) = big.pulse()
    assert (counted["rev"], sum(counted["votes"]), counted["voters"]) == (58, 58, 58)
    assert big.pulse() == []
    found, after = [], ""
    while page := voters(big, mid, 1, after=after, limit=7):
        found += page
        after = page[-1]
    assert len(found) == votes(big, mid)[0]
    assert found == sorted(found)
    small = large(100)
    assert vote(small, create(small, "u1"), "u2", 1)[0].KIND is EventKind.NUMBERED
    hall = Playbook("open:hall", members=["ann"], settings=BENCH)
    big.assert_replay_equal()
    hall.do(
        "",
        CreatePoll(channel="open:hall", question="?", options=("a", "b")),
        authority="server",
    )
    in_hall = Vote(channel="open:hall", id=hall.outcome.id, options=(1,))
    assert hall.do("zoe", in_hall)[0].KIND is EventKind.SILENT


@pytest.mark.parametrize("seed", range(12))
def test_figures_equal_a_count_by_hand(seed: int) -> None:
    """Random votes, withdrawals, options and ends over three polls, of every kind."""
    random = Random(seed)
    book = large() if seed % 3 == 0 else Playbook(X, owner="ann", members=PEOPLE, settings=BENCH)
    people = [f"u{n}" for n in range(12)] if seed % 3 == 0 else list(PEOPLE)
    polls = [
        create(book, people[0], may_add=True, votes_max=n + 1, anonymous=n == 1, options=("a", "b"))
        for n in range(3)
    ]
    sizes = dict.fromkeys(polls, 2)
    chosen: dict[tuple[str, str], tuple[int, ...]] = {}
    closed: set[str] = set()
    for _ in range(150):
        mid, user = random.choice(polls), random.choice(people)
        act = random.random()
        if mid in closed:
            assert book.refused(user, Vote(channel=X, id=mid, options=(1,))) is CONFLICT
        elif act < 0.85:
            count = random.randrange(polls.index(mid) + 2)
            options = tuple(random.sample(range(1, sizes[mid] + 1), min(count, sizes[mid])))
            vote(book, mid, user, *options)
            chosen[mid, user] = tuple(sorted(options))
        elif act < 0.98:
            book.do(user, AddOption(channel=X, id=mid, text=f"o{sizes[mid]}"))
            sizes[mid] += 1
        else:
            book.do("ann", ClosePoll(channel=X, id=mid))
            closed.add(mid)
    for mid in polls:
        by_hand = [
            sum(option in options for (poll, _), options in chosen.items() if poll == mid)
            for option in range(1, sizes[mid] + 1)
        ]
        assert votes(book, mid) == by_hand
        who = {user for (poll, user), options in chosen.items() if poll == mid and options}
        assert get(book, mid)["poll"].get("voters", 0) == len(who)
        for user in people:
            assert tuple(get(book, mid, user).get("own", ())) == chosen.get((mid, user), ())
        if not get(book, mid)["poll"].get("anonymous"):
            for option in range(1, sizes[mid] + 1):
                assert voters(book, mid, option) == sorted(
                    user
                    for (poll, user), options in chosen.items()
                    if poll == mid and option in options
                )
    last = [
        decode_json(event.data, dict[str, Any]) for event in book.tables.published_range(limit=999)
    ]
    for row in last:
        if row["t"] == "poll.voted":
            assert sum(row["votes"]) >= row["voters"]
    book.assert_replay_equal()


def test_a_message_with_a_poll_is_like_others(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="root"))
    root = book.outcome.id
    events = book.do(
        "bob",
        CreatePoll(channel=X, question="?", options=("a",), thread=root, silent=True),
    )
    created = events[0]
    assert isinstance(created, MessageCreated)
    assert (created.thread, created.silent) == (root, True)


def test_the_question_stays_once_somebody_has_voted(book: Playbook) -> None:
    mid = create(book, "ann", options=("a", "b"))
    book.do("ann", EditMessage(channel=X, id=mid, text="Which?"))
    assert get(book, mid)["question"] == "Which?"
    for more in ({}, {"data": Raw(b"1")}):
        blank = EditMessage(channel=X, id=mid, text=" ", **more)
        assert book.refused("ann", blank) is BAD_REQUEST
    vote(book, mid, "bob", 1)
    other = EditMessage(channel=X, id=mid, text="Which not?")
    refusal = book.refusal("ann", other)
    assert (refusal.error, refusal.details) == (CONFLICT, {"voters": 1})
    assert book.refused("", other, authority="server") is CONFLICT
    book.do("ann", EditMessage(channel=X, id=mid, data=Raw(b"[1]")))
    vote(book, mid, "bob")
    book.do("ann", other)
    vote(book, mid, "bob", 2)
    book.do("ann", ClosePoll(channel=X, id=mid))
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="Why?")) is CONFLICT
    book.assert_replay_equal()


def test_who_chose_it_comes_in_pages(book: Playbook) -> None:
    mid, other = create(book, options=("a", "b")), create(book)
    for user in PEOPLE:
        vote(book, mid, user, 1)
        vote(book, other, user, 1)
    vote(book, mid, "ann", 2)
    found, request = [], VotersRequest(X, mid, 1, limit=2)
    while True:
        page = book.query("ann", "poll.voters", request)
        found += [voter["user"] for voter in page["voters"]]
        if not page.get("next"):
            break
        request = VotersRequest(X, mid, 1, after=page["next"], limit=2)
    assert found == list(PEOPLE)
    for wrong in ({"option": 0}, {"option": 3}, {"limit": 0}, {"limit": 101}, {"after": "a b"}):
        with pytest.raises(Rejected) as caught:
            book.query(
                "ann",
                "poll.voters",
                VotersRequest(**{"channel": X, "id": mid, "option": 1} | wrong),
            )
        assert caught.value.error is BAD_REQUEST
