"""Heads: marked at once, pushed once an interval, with figures where they are seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from edge.heads import GREETING_TURNS, LINGER_TICKS, Greeting, Heads, HeadsOf
from edge.hub import Hub, Stream
from hubbub.wire.event import COUNTABLE, encode_event_body, encode_row
from hubbub.wire.shapes import HeadAsk, HeadRow, Lines, LinesAsk, SignalKind
from tests.edge.test_outgoing import Loop

APP = "demo"


class Silent:
    """An encoder: nobody here is subscribed."""

    def publication(self, *_: object) -> bytes:
        return b""

    def signal(self, channel: str, variant: object, kind: SignalKind, data: bytes) -> bytes:
        return b""


class Listener:
    app = APP
    blocked: frozenset[str] = frozenset()

    def __init__(self, user: str) -> None:
        self.user = user
        self.pushed: list[dict[str, Any]] = []

    def push_heads(self, data: bytes) -> None:
        publication = json.loads(data)
        assert publication["t"] == "heads"
        self.pushed.append(publication["heads"])

    def take(self) -> list[dict[str, Any]]:
        pushed, self.pushed = self.pushed, []
        return pushed


class Stage:
    def __init__(self) -> None:
        self.questions: list[tuple[list[HeadAsk], Any, Any]] = []
        self.interest: set[Stream] = set()
        self.repairs: list[object] = []
        self.hub = Hub(
            Silent(),
            Loop().flusher(),
            repair=self.repairs.append,
            interest=lambda stream, on: (self.interest.add if on else self.interest.remove)(stream),
            head=lambda channel, event: self.heads.note(channel, event),
            listed=lambda channel, event: None,
        )
        self.fresh: list[set[Stream]] = []
        self.lines: list[tuple[LinesAsk, Any]] = []
        self.heads = Heads(
            self.hub,
            ask=self.ask,
            slot_of=lambda a, k: 3,
            ask_lines=self.ask_lines,
        )

    def ask(self, asks: list[HeadAsk], answered: Any, failed: Any, fresh: Any) -> None:
        self.questions.append((asks, answered, failed))
        self.fresh.append(set(fresh))

    def ask_lines(self, app: str, user: str, keys: Sequence[str], came: Any) -> None:
        ask = LinesAsk(app, user, tuple(3 for _ in keys), tuple(keys))
        self.lines.append((ask, came))

    def open(self, user: str, *channels: str, limit: int = 10) -> tuple[Listener, HeadsOf]:
        listener = Listener(user)
        return listener, self.heads.open(listener, channels, limit)

    def event(self, channel: str, seq: int, text: str = "hi", flags: int = COUNTABLE) -> None:
        data = json.dumps({"text": text}).encode()
        row = encode_row(flags, 1_760_000_000_000 + seq, 0, "message.created", "bob", data)
        self.hub.event(APP, channel, encode_event_body(seq, row))

    def answer(self, head: int) -> list[HeadAsk]:
        """The leaders answer all questions; unread figures are 10 + the length of the name."""
        self.heads.flush()
        asked: list[HeadAsk] = []
        questions, self.questions = self.questions, []
        for asks, answered, _ in questions:
            asked += asks
            answered([(ask, row(ask, head)) for ask in asks])
        return asked


def row(ask: HeadAsk, head: int) -> HeadRow:
    fields = tuple(b'{"unread":%d}' % (10 + len(user)) for user in ask.users)
    return HeadRow(APP, ask.key, True, "e", head, 1_760_000_000_000, b'{"text":"last"}', fields)


def test_the_first_heads_hold_all_channels_with_figures() -> None:
    stage = Stage()
    ann, _ = stage.open("ann", "group:x", "group:y")
    bob, _ = stage.open("robert", "group:x")
    asked = stage.answer(4)
    assert {ask.key: ask.users for ask in asked} == {
        "group:x": ("ann", "robert"),
        "group:y": ("ann",),
    }
    assert all(ask.preview for ask in asked)
    line = {"seq": 4, "ts": "2025-10-09T08:53:20.000Z", "preview": {"text": "last"}}
    assert ann.take() == [{"group:x": line | {"unread": 13}, "group:y": line | {"unread": 13}}]
    assert bob.take() == [{"group:x": line | {"unread": 16}}]


def test_a_burst_is_one_push_an_interval_with_the_last_state() -> None:
    stage = Stage()
    ann, _ = stage.open("ann", "group:x", "group:y")
    stage.answer(0)
    ann.take()
    for seq in range(1, 30):
        stage.event("group:x", seq, f"text {seq}")
    assert ann.take() == []
    stage.heads.tick()
    [heads] = ann.take()
    assert list(heads) == ["group:x"]
    assert (heads["group:x"]["seq"], heads["group:x"]["preview"]) == (29, {"text": "text 29"})
    stage.heads.tick()
    assert ann.take() == [], "nothing happened since"


def test_what_is_no_message_or_too_long_has_no_preview() -> None:
    stage = Stage()
    ann, _ = stage.open("ann", "group:x")
    stage.answer(0)
    ann.take()
    stage.event("group:x", 1, "y" * 2_000)
    stage.heads.tick()
    stage.event("group:x", 2, flags=0)
    stage.heads.tick()
    assert [set(heads["group:x"]) for heads in ann.take()] == [{"seq", "ts"}] * 2


def test_events_before_the_first_answer_are_not_lost() -> None:
    stage = Stage()
    ann, _ = stage.open("ann", "group:x")
    stage.event("group:x", 5)
    stage.event("group:x", 6)
    stage.answer(5)
    ann.take()
    stage.heads.tick()
    assert [heads["group:x"]["seq"] for heads in ann.take()] == [6]
    assert stage.hub.channels[(APP, "group:x")].ahead is None


def test_a_gap_in_a_watched_channel_is_noticed() -> None:
    stage = Stage()
    stage.open("ann", "group:x")
    stage.answer(4)
    stage.event("group:x", 7)
    assert len(stage.repairs) == 1


def test_on_the_screen_heads_come_with_figures_from_the_leader() -> None:
    stage = Stage()
    ann, mine = stage.open("ann", "group:x", "group:y")
    stage.answer(4)
    ann.take()
    stage.heads.set_screen(mine, frozenset({"group:x", "group:foreign"}))
    assert [ask.key for ask in stage.answer(4)] == ["group:x"], "only channels of the list"
    ann.take()
    stage.event("group:x", 5)
    stage.event("group:y", 5)
    stage.heads.tick()
    assert [list(heads) for heads in ann.take()] == [["group:y"]]
    assert [ask.key for ask in stage.answer(5)] == ["group:x"]
    assert [heads["group:x"]["unread"] for heads in ann.take()] == [13]


def test_an_open_channel_needs_no_heads_and_a_closed_one_does() -> None:
    stage = Stage()
    ann, mine = stage.open("ann", "group:x")
    stage.answer(4)
    ann.take()
    stage.event("group:x", 5)
    stage.heads.subscribed(mine, "group:x")
    stage.heads.tick()
    assert ann.take() == []
    assert stage.interest == set(), "the subscription holds its own interest"
    stage.heads.unsubscribed(mine, "group:x")
    assert [ask.key for ask in stage.answer(5)] == ["group:x"], "its position is asked for anew"
    stage.event("group:x", 6)
    ann.take()
    stage.heads.tick()
    assert [heads["group:x"]["seq"] for heads in ann.take()] == [6]


def test_the_list_grows_to_its_limit_and_shrinks() -> None:
    stage = Stage()
    ann, mine = stage.open("ann", "a:1", "a:2", "a:3", limit=2)
    assert list(mine.channels) == ["a:1", "a:2"]
    stage.heads.listed(mine, ["a:4"], 2)
    assert list(mine.channels) == ["a:1", "a:2"]
    stage.heads.unlisted(mine, ["a:1", "a:9"])
    stage.heads.listed(mine, ["a:4", "a:4"], 2)
    assert list(mine.channels) == ["a:2", "a:4"]
    assert stage.interest == {(APP, "a:2"), (APP, "a:4")}
    stage.answer(1)
    [heads] = ann.take()
    assert set(heads) == {"a:2", "a:4"}


def test_a_closed_session_leaves_nothing_behind() -> None:
    stage = Stage()
    ann, mine = stage.open("ann", "group:x", "group:y")
    bob, other = stage.open("bob", "group:x")
    stage.answer(4)
    stage.event("group:x", 5)
    stage.heads.ask_figures(mine, ["group:y"])
    stage.heads.close(mine)
    ann.take()
    bob.take()
    assert stage.answer(5) == [], "nobody is left who wanted it"
    stage.heads.tick()
    assert (ann.take(), len(bob.take())) == ([], 1)
    stage.heads.close(other)
    for _ in range(LINGER_TICKS):
        stage.heads.tick()
    assert (stage.interest, stage.hub.channels, stage.heads._watchers) == (set(), {}, {})
    assert (stage.heads._wanted, stage.heads._marked) == ({}, {})


def test_who_comes_back_soon_finds_his_channels_watched() -> None:
    stage = Stage()
    _, mine = stage.open("ann", "group:x", "group:y")
    stage.answer(4)
    stage.heads.close(mine)
    assert (len(stage.interest), stage.heads.lingering) == (2, 2)
    stage.event("group:x", 5)
    ann, mine = stage.open("ann", "group:x", "group:y", "group:z")
    assert stage.heads.lingering == 0
    stage.answer(5)
    assert stage.fresh[-1] == {(APP, "group:z")}, "of the others it is known where they stand"
    assert set(ann.take()[0]) == {"group:x", "group:y", "group:z"}
    for _ in range(2 * LINGER_TICKS):
        stage.heads.tick()
    stage.event("group:x", 6)
    stage.heads.tick()
    assert [list(heads) for heads in ann.take()] == [["group:x"]]
    stage.heads.unlisted(mine, ["group:x"])
    assert (APP, "group:x") not in stage.interest, "it left the list: nobody will ask for it"
    stage.heads.close(mine)
    for _ in range(LINGER_TICKS - 1):
        stage.heads.tick()
    assert len(stage.interest) == 2
    stage.heads.tick()
    assert (stage.interest, stage.heads.lingering) == (set(), 0)


def test_what_lingers_is_bounded_and_the_longest_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.heads.LINGERING_MAX", 2)
    stage = Stage()
    sessions = [stage.open("ann", f"group:{n}")[1] for n in range(3)]
    stage.answer(1)
    for mine in sessions:
        stage.heads.close(mine)
    assert stage.interest == {(APP, "group:1"), (APP, "group:2")}
    _, asked = stage.open("ann", "group:new")
    stage.heads.close(asked)
    assert (APP, "group:new") not in stage.interest, "nobody knows where it stands"


def test_an_answer_for_a_session_that_closed_meanwhile() -> None:
    stage = Stage()
    ann, mine = stage.open("ann", "group:x")
    stage.heads.flush()
    stage.heads.close(mine)
    [(asks, answered, failed)] = stage.questions
    answered([(ask, row(ask, 4)) for ask in asks])
    assert ann.take() == []
    failed([(APP, "group:x")])
    assert stage.heads._wanted == {}, "a failed question is not asked for nobody"


def test_a_failed_question_is_asked_again() -> None:
    stage = Stage()
    ann, _ = stage.open("ann", "group:x", "group:y")
    stage.heads.flush()
    [(_, _, failed)] = stage.questions
    stage.questions.clear()
    failed([(APP, "group:y")])
    assert [ask.key for ask in stage.answer(4)] == ["group:y"]
    assert [list(heads) for heads in ann.take()] == [["group:y"]]


def test_a_question_says_whom_each_user_blocks() -> None:
    stage = Stage()
    ann, of_ann = stage.open("ann", "group:x")
    ann.blocked = frozenset({"bob"})
    stage.open("robert", "group:x", "group:y")
    asked = {ask.key: ask for ask in stage.answer(4)}
    assert asked["group:x"].users == ("ann", "robert")
    assert asked["group:x"].blocked == (("bob",), ())
    assert asked["group:y"].blocked == (), "nobody there blocks anybody"
    ann.blocked = frozenset()
    stage.heads.ask_figures(of_ann, ["group:x"])
    assert [ask.blocked for ask in stage.answer(4)] == [()]


class Greeted:
    """A session whose connect waits for the heads of two channels, and what it was answered."""

    def __init__(
        self, stage: Stage, brought: Lines | None, blocked: frozenset[str] = frozenset()
    ) -> None:
        self.answers: list[dict[str, Any]] = []
        self.listener = Listener("ann")
        self.listener.blocked = blocked
        greeting = Greeting(2, lambda heads: self.answers.append(json.loads(heads)), brought)
        self.of = stage.heads.open(self.listener, ("group:x", "group:y"), 10, greeting)
        stage.heads.greet(self.of, greeting)


def lines(**seqs: int) -> Lines:
    """Of group:x and group:y; -1 elsewhere."""
    told = [b'"group:%b":{"seq":%d}' % (n.encode(), seq) for n, seq in seqs.items() if seq >= 0]
    return Lines(tuple(seqs.values()), b",".join(told))


def watched() -> Stage:
    """Both channels stand at 4, and are known here."""
    stage = Stage()
    stage.open("bob", "group:x", "group:y")
    stage.answer(4)
    return stage


def test_lines_that_came_with_the_own_stream_are_the_answer() -> None:
    stage = watched()
    ann = Greeted(stage, lines(x=4, y=5))
    assert ann.answers == [{"group:x": {"seq": 4}, "group:y": {"seq": 5}}]
    assert (stage.answer(4), stage.lines, ann.listener.pushed) == ([], [], [])
    stage.event("group:y", 5)
    stage.heads.tick()
    assert [heads["group:y"]["seq"] for heads in ann.listener.take()] == [5]


def test_an_event_that_overtook_its_line_is_told_behind_the_answer() -> None:
    """It came while nobody knew yet that the new session wants to hear of the channel."""
    stage = watched()
    stage.event("group:x", 5)
    ann = Greeted(stage, lines(x=4, y=4))
    assert len(ann.answers) == 1
    assert [ask.key for ask in stage.answer(5)] == ["group:x"]
    assert [heads["group:x"]["seq"] for heads in ann.listener.take()] == [5]


@pytest.mark.parametrize("head", [4, 6])
def test_where_a_channel_is_not_followed_yet_its_line_is_confirmed(head: int) -> None:
    stage = Stage()
    ann = Greeted(stage, lines(x=4, y=4))
    assert len(ann.answers) == 1, "it is not waited for"
    assert stage.fresh == [{(APP, "group:x"), (APP, "group:y")}]
    [(asks, answered, _)], stage.questions = stage.questions, []
    assert [(ask.key, ask.users, ask.preview) for ask in asks] == [
        ("group:x", (), False),
        ("group:y", (), False),
    ]
    answered([(asks[0], row(asks[0], head)), (asks[1], row(asks[1], 4))])
    assert [ask.key for ask in stage.answer(head)] == (["group:x"] if head > 4 else [])
    stage.event("group:x", head + 1)
    stage.heads.tick()
    assert ann.listener.take()[-1]["group:x"]["seq"] == head + 1
    assert stage.repairs == []


def test_a_line_that_cannot_be_confirmed_is_asked_for_again() -> None:
    stage = Stage()
    ann = Greeted(stage, lines(x=4, y=4))
    [(_, _, failed)], stage.questions = stage.questions, []
    failed([(APP, "group:y")])
    assert [ask.key for ask in stage.answer(4)] == ["group:y"]
    assert [list(heads) for heads in ann.listener.take()] == [["group:y"]]


def test_of_another_leader_lines_are_asked_for() -> None:
    stage = watched()
    ann = Greeted(stage, lines(x=4, y=-1))
    assert ann.answers == []
    [(ask, came)], stage.lines = stage.lines, []
    assert (ask.user, ask.slots, ask.keys) == ("ann", (3,), ("group:y",))
    came(ask, Lines((4,), b'"group:y":{"seq":4}'))
    assert ann.answers == [{"group:x": {"seq": 4}, "group:y": {"seq": 4}}]
    came(ask, Lines((4,), b'"group:y":{"seq":4}'))
    assert len(ann.answers) == 1


@pytest.mark.parametrize("came_back", [None, Lines((-1,), b"")])
def test_who_leads_no_more_or_does_not_answer_is_not_waited_for(came_back: Lines | None) -> None:
    stage = watched()
    ann = Greeted(stage, lines(x=4, y=-1))
    [(ask, came)] = stage.lines
    came(ask, came_back)
    assert ann.answers == [{"group:x": {"seq": 4}}]
    assert [ask.key for ask in stage.answer(4)] == ["group:y"]


def test_a_leader_that_says_nothing_holds_an_answer_for_two_ticks() -> None:
    stage = watched()
    ann = Greeted(stage, lines(x=4, y=-1))
    [(ask, came)] = stage.lines
    for _ in range(GREETING_TURNS):
        assert ann.answers == []
        stage.heads.tick()
    assert ann.answers == [{"group:x": {"seq": 4}}]
    came(ask, Lines((4,), b'"group:y":{"seq":4}'))
    assert [ask.key for ask in stage.answer(4)] == ["group:y"]
    assert len(ann.answers) == 1


@pytest.mark.parametrize(
    ("brought", "blocked"), [(lines(x=4, y=4), frozenset({"bob"})), (lines(x=4), frozenset())]
)
def test_lines_that_are_not_this_sessions_are_not_used(
    brought: Lines, blocked: frozenset[str]
) -> None:
    """He blocks somebody since, or the edge hears of fewer channels than the leader thought."""
    stage = watched()
    ann = Greeted(stage, brought, blocked)
    assert ann.answers == []
    if blocked:
        assert [(ask.key, ask.blocked) for ask in stage.answer(4)] == [
            ("group:x", (("bob",),)),
            ("group:y", (("bob",),)),
        ]
        assert list(ann.answers[0]) == ["group:x", "group:y"]
    else:
        assert [ask.keys for ask, _ in stage.lines] == [("group:x", "group:y")]
