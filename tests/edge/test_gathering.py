"""Requests of many users for one stream become one command, and each gets his own answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from edge.dispatch import App, Reply
from edge.gathering import ASKED_MAX, GATHER_MS, INTERVAL_MS, Gathering
from hubbub.base.errors import CHANNEL_NOT_FOUND, NOT_A_MEMBER, TOO_LARGE, Rejected
from hubbub.features.contract import Command, Gather
from hubbub.features.marks import GATHER as MARKS_GATHER
from hubbub.features.marks import MarkDelivered, MarkRead, MarkUnread
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Viewer
from tests.support.clock import FakeClock

DEMO = App("demo", AppSettings(), b"secret")
OTHER = App("other", AppSettings(), b"secret")


class Vote(Command, frozen=True):
    TAG = "toy.vote"

    channel: str
    n: int = 0


class Votes(Command, frozen=True):
    TAG = "toy.votes"

    channel: str
    votes: dict[str, int]


def merge(commands: Mapping[str, Sequence[Vote]]) -> Votes:
    channel = next(iter(commands.values()))[0].channel
    return Votes(channel=channel, votes={u: max(c.n for c in cs) for u, cs in commands.items()})


def split(answer: bytes, commands: Mapping[str, Sequence[Vote]]) -> Mapping[str, bytes | Rejected]:
    refused = json.loads(answer)["refused"]
    return {
        user: Rejected(NOT_A_MEMBER) if user in refused else b'{"of":"%b"}' % user.encode()
        for user in commands
    }


GATHER = Gather(merge, split, "votes", users_max=3)


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sent: list[tuple[Votes, str, Viewer, Reply]] = []
        self.changed: list[tuple[str, str, str]] = []
        self.replies: list[tuple[str, object]] = []
        self.refusal: Rejected | None = None
        self.gathering = Gathering(
            self.send, lambda *what: self.changed.append(what), self.clock.monotonic_ms, "edge-1.1"
        )

    def send(self, command: Command, app: App, viewer: Viewer, reply: Reply) -> None:
        if self.refusal is not None:
            raise self.refusal
        assert isinstance(command, Votes)
        self.sent.append((command, app.name, viewer, reply))

    def vote(self, user: str, n: int = 1, channel: str = "group:x", app: App = DEMO) -> None:
        def reply(refusal: Rejected | None, data: bytes) -> None:
            self.replies.append((user, refusal.error if refusal else json.loads(data)["of"]))

        self.gathering.add(GATHER, Vote(channel=channel, n=n), app, user, reply)

    def after(self, ms: int) -> list[dict[str, int]]:
        """What leaves when so much time has passed."""
        self.clock.advance(ms)
        self.gathering.tick()
        return [command.votes for command, *_ in self.take()]

    def take(self) -> list[tuple[Votes, str, Viewer, Reply]]:
        sent, self.sent = self.sent, []
        return sent


def test_what_comes_within_the_window_is_one_command_of_the_edge() -> None:
    stage = Stage()
    stage.vote("ann", 3)
    assert stage.after(GATHER_MS - 1) == []
    stage.vote("bob", 5)
    stage.vote("ann", 4)
    stage.clock.advance(1)
    stage.gathering.tick()
    [(command, app, viewer, reply)] = stage.take()
    assert command == Votes(channel="group:x", votes={"ann": 4, "bob": 5})
    assert (app, viewer.user, viewer.authority) == ("demo", "", "edge")
    assert stage.replies == [], "not before it is committed"
    reply(None, b'{"refused":["bob"]}')
    assert stage.replies == [("ann", "ann"), ("bob", NOT_A_MEMBER), ("ann", "ann")]
    assert stage.changed == [("demo", "ann", "group:x")]


def test_a_stream_gets_one_command_an_interval() -> None:
    stage = Stage()
    stage.vote("ann", 1)
    assert stage.after(GATHER_MS) == [{"ann": 1}]
    stage.vote("ann", 2)
    assert stage.after(GATHER_MS) == []
    stage.vote("bob", 3)
    assert stage.after(INTERVAL_MS - GATHER_MS - 1) == []
    assert stage.after(1) == [{"ann": 2, "bob": 3}]
    assert stage.after(10 * INTERVAL_MS) == []
    assert stage.gathering._sent_ms == {}, "a quiet stream leaves nothing behind"
    stage.vote("ann", 4)
    assert stage.after(GATHER_MS) == [{"ann": 4}]


def test_streams_and_apps_do_not_wait_for_one_another() -> None:
    stage = Stage()
    stage.vote("ann", 1)
    assert stage.after(GATHER_MS) == [{"ann": 1}]
    stage.vote("ann", 2, "group:y")
    stage.vote("ann", 3, app=OTHER)
    assert stage.after(GATHER_MS) == [{"ann": 2}, {"ann": 3}]


def test_more_users_than_fit_fill_the_next_command() -> None:
    stage = Stage()
    for user in ("ann", "bob", "cid"):
        stage.vote(user)
    stage.vote("bob", 2)
    assert stage.take() == [], "a user who is in it already still fits"
    stage.vote("dan")
    assert [command.votes for command, *_ in stage.take()] == [{"ann": 1, "bob": 2, "cid": 1}]
    assert stage.after(INTERVAL_MS) == [{"dan": 1}]


def test_what_one_user_asks_for_is_bounded() -> None:
    stage = Stage()
    for n in range(2 * ASKED_MAX + 1):
        stage.vote("ann", n)
    assert [command.votes for command, *_ in stage.take()] == [
        {"ann": ASKED_MAX - 1},
        {"ann": 2 * ASKED_MAX - 1},
    ]
    assert stage.after(INTERVAL_MS) == [{"ann": 2 * ASKED_MAX}]


def test_an_edge_that_closes_lets_all_leave_and_waits_for_the_answers() -> None:
    stage = Stage()
    assert not stage.gathering.flush(), "nothing waits"
    stage.vote("ann")
    stage.vote("bob", channel="group:y")
    assert stage.gathering.flush()
    [(first, *_, answer_first), (_, *_, answer_second)] = stage.take()
    assert first == Votes(channel="group:x", votes={"ann": 1})
    answer_first(None, b'{"refused":[]}')
    assert stage.gathering.flush(), "one is left"
    answer_second(Rejected(NOT_A_MEMBER), b"")
    assert not stage.gathering.flush()
    assert [user for user, _ in stage.replies] == ["ann", "bob"]
    stage.refusal = Rejected(NOT_A_MEMBER)
    stage.vote("ann")
    assert not stage.gathering.flush(), "refused on the way: answered"


def test_a_refusal_of_the_whole_command_is_everybodys() -> None:
    stage = Stage()
    stage.vote("ann")
    stage.vote("bob")
    stage.clock.advance(GATHER_MS)
    stage.gathering.tick()
    stage.take()[0][3](Rejected(CHANNEL_NOT_FOUND), b"")
    assert stage.replies == [("ann", CHANNEL_NOT_FOUND), ("bob", CHANNEL_NOT_FOUND)]
    stage.refusal = Rejected(TOO_LARGE)
    stage.vote("cid", channel="group:y")
    assert stage.after(GATHER_MS) == []
    assert stage.replies[2:] == [("cid", TOO_LARGE)]
    assert stage.changed == []


def test_a_reply_that_breaks_costs_itself_alone_and_is_told() -> None:
    stage = Stage()

    def broken(_: Rejected | None, __: bytes) -> None:
        raise ZeroDivisionError

    stage.gathering.add(GATHER, Vote(channel="group:x"), DEMO, "eve", broken)
    stage.vote("ann")
    stage.clock.advance(GATHER_MS)
    stage.gathering.tick()
    with pytest.raises(ZeroDivisionError):
        stage.take()[0][3](None, b'{"refused":[]}')
    assert stage.replies == [("ann", "ann")]
    assert [user for _, user, _ in stage.changed] == ["eve", "ann"]


def test_marks_under_the_longest_names_stay_below_an_envelope() -> None:
    """Every user asks for all there is, under names that cost most as JSON."""
    sent: list[bytes] = []
    clock = FakeClock()
    gathering = Gathering(
        lambda command, *_: sent.append(encode_json(command)),
        lambda *_: None,
        clock.monotonic_ms,
        "edge-1.1",
    )
    channel, upto = "group:" + "x" * 249, 1 << 62
    for n in range(1_000):
        for command in (
            MarkRead(channel=channel, upto=upto - 1, rev=1 << 62),
            MarkUnread(channel=channel, since=upto),
            MarkRead(channel=channel, upto=upto - 1),
            MarkDelivered(channel=channel, upto=upto),
        ):
            user = f"{n:04d}" + '"' * 124
            gathering.add(MARKS_GATHER, command, DEMO, user, lambda *_: None)
    clock.advance(GATHER_MS)
    gathering.tick()
    assert len(sent) > 1
    assert max(map(len, sent)) < AppSettings().envelope_bytes_max


def test_who_asks_for_nothing_that_shows_is_not_told_figures() -> None:
    stage = Stage()
    quiet = replace(GATHER, changes_figures=False)
    stage.gathering.add(quiet, Vote(channel="group:x"), DEMO, "ann", lambda *_: None)
    stage.vote("bob")
    stage.clock.advance(GATHER_MS)
    stage.gathering.tick()
    ((_, _, _, reply),) = stage.take()
    reply(None, b'{"refused":[]}')
    assert stage.changed == [("demo", "bob", "group:x")]
