"""Users on screens: who is told what, how often, and at what cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edge import watching as module
from edge.hub import Hub
from edge.watching import LOOKS_PER_TICK, Rows, Screen, Watching
from hubbub.wire.codec import encode_json
from hubbub.wire.event import LISTS, EventHead, StoredEvent
from hubbub.wire.presence import Looked, Sees
from hubbub.wire.shapes import HeadAsk, HeadRow

ALL = int(Sees.STATE | Sees.LAST_SEEN)
BOB = ("demo", "#bob")
GONE_MS = 1_769_860_800_000
GONE = "2026-01-31T12:00:00.000Z"


class Session:
    """A listener that keeps what it is told."""

    app = "demo"

    def __init__(self, user: str) -> None:
        self.user = user
        self.told: list[dict[str, Any]] = []

    def push_heads(self, data: bytes) -> None:
        push = json.loads(data)
        assert push["t"] == "presence"
        self.told.append(push["users"])


class Stage:
    """Watching, with the leaders played by the test."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.interest: dict[tuple[str, str], None] = {}
        self.asked: list[tuple[list[HeadAsk], Any, Any]] = []
        self.looked: list[tuple[Screen, list[str], Callable[[Rows | None], None]]] = []
        self.hub = Hub(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            repair=lambda _: None,
            interest=self._interested,
            head=lambda channel, event: self.watching.note(channel, event),
            listed=lambda *_: None,
            moved=lambda stream, data: self.watching.signal(stream, data),
        )
        self.watching = Watching(
            self.hub,
            ask=lambda *question: self.asked.append(question),
            look=lambda *question: self.looked.append(question),
            slot_of=lambda app, key: 3,
            sight={"user.audience_changed"},
        )

    def _interested(self, stream: tuple[str, str], wanted: bool) -> None:
        if wanted:
            self.interest[stream] = None
        else:
            del self.interest[stream]

    def tick(self) -> None:
        """A second."""
        self.now_ms += 1_000
        self.watching.tick()
        self.watching.tell(self.now_ms)

    def screen(self, user: str, **rows: Looked) -> tuple[Screen, Session]:
        session = Session(user)
        screen = Screen(session)
        self.show(screen, **rows)
        return screen, session

    def show(self, screen: Screen, **rows: Looked) -> None:
        self.watching.watch(screen, rows)
        self.watching.looked(screen, rows)

    def signal(self, user: str, state: str, last_seen_ms: int = 0) -> None:
        moved = {"t": "presence.moved", "state": state, "last_seen_ms": last_seen_ms}
        self.hub.signal("demo", f"#{user}", None, encode_json(moved))  # type: ignore[arg-type]

    def answer(self, *rows: Looked) -> list[str]:
        """Answer the oldest question, the same for all its streams or row by row."""
        asks, answered, _ = self.asked.pop(0)
        given = rows * len(asks) if len(rows) == 1 else rows
        answered([
            (ask, HeadRow(ask.app, ask.key, True, "e", 0, answer=encode_json(row)))
            for ask, row in zip(asks, given, strict=True)
        ])  # fmt: skip
        return [ask.key for ask in asks]

    def event(self, user: str, type: str, flags: int = 0) -> None:
        head = EventHead(flags, 0, 0, type, user)
        self.watching.note(self.hub.channels["demo", f"#{user}"], StoredEvent(1, head, b"", b"{}"))


def row(state: Any = "online", sees: int = ALL, **more: Any) -> Looked:
    return Looked(state=state, sees=sees, **more)


def settled(stage: Stage) -> None:
    """The first question, about positions, is out of the way."""
    stage.tick()
    while stage.asked:
        asks = stage.asked[0][0]
        known = [stage.watching._watched[ask.app, ask.key] for ask in asks]
        stage.answer(*(row(w.state, last_seen_ms=w.last_seen_ms) for w in known))


def test_changes_are_pushed_once_a_second_and_only_to_those_who_watch() -> None:
    stage = Stage()
    _, ann = stage.screen("ann", bob=row(), cid=row("offline"))
    _, dan = stage.screen("dan", cid=row("offline"))
    settled(stage)
    assert (ann.told, dan.told) == ([], []), "the answers said it"
    for state in ("away", "busy", "online", "away"):
        stage.signal("bob", state)
    stage.signal("cid", "offline")
    stage.tick()
    assert ann.told == [{"bob": {"state": "away"}}]
    assert dan.told == []
    stage.signal("cid", "online")
    stage.signal("bob", "offline", GONE_MS)
    stage.tick()
    stage.tick()
    both = {"cid": {"state": "online"}, "bob": {"state": "offline", "last_seen": GONE}}
    assert ann.told[1:] == [both]
    assert dan.told == [{"cid": {"state": "online"}}]


def test_the_first_is_told_soon_and_the_next_a_second_later() -> None:
    stage = Stage()
    _, ann = stage.screen("ann", bob=row(), cid=row())
    settled(stage)
    start_ms = stage.now_ms + 5_000
    stage.signal("bob", "away")
    stage.watching.tell(start_ms)
    assert ann.told == [{"bob": {"state": "away"}}]
    for ms in (250, 500, 750):
        stage.signal("cid", "away" if ms == 500 else "busy")
        stage.watching.tell(start_ms + ms)
    assert len(ann.told) == 1
    stage.watching.tell(start_ms + 1_000)
    assert ann.told[1:] == [{"cid": {"state": "busy"}}]


def test_a_burst_is_told_over_several_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAIRS_PER_TICK", 3)
    stage = Stage()
    users = {f"u{n}": row() for n in range(5)}
    sessions = [stage.screen(user, **users)[1] for user in ("ann", "dan")]
    for _ in range(5):
        stage.tick()
    for user in users:
        stage.signal(user, "away")
    for ticks in range(1, 4):
        stage.tick()
        told = [user for users in sessions[0].told for user in users]
        assert told == list(users)[: 2 * ticks]
    assert sessions[0].told == sessions[1].told


def test_there_and_back_within_a_second_is_nothing() -> None:
    stage = Stage()
    _, ann = stage.screen("ann", bob=row())
    settled(stage)
    stage.signal("bob", "away")
    stage.signal("bob", "online")
    stage.tick()
    assert ann.told == []


def test_a_screen_sees_what_it_may_and_nothing_else() -> None:
    stage = Stage()
    _, blind = stage.screen("ann", bob=row(sees=0))
    _, half = stage.screen("cid", bob=row(sees=int(Sees.STATE)))
    settled(stage)
    stage.signal("bob", "busy")
    stage.tick()
    stage.signal("bob", "offline", GONE_MS)
    stage.tick()
    assert blind.told == []
    assert half.told == [{"bob": {"state": "busy"}}, {"bob": {"state": "offline"}}]


def test_interest_is_taken_once_and_ends_with_the_last_screen() -> None:
    stage = Stage()
    one, _ = stage.screen("ann", bob=row(), cid=row())
    two, _ = stage.screen("dan", bob=row())
    assert set(stage.interest) == {("demo", f"#{user}") for user in ("ann", "dan", "bob", "cid")}
    stage.show(one, bob=row())
    assert ("demo", "#cid") not in stage.interest
    stage.watching.left(one)
    stage.watching.left(one)
    assert set(stage.interest) == {BOB, ("demo", "#dan")}
    again, _ = stage.screen("dan", bob=row())
    stage.watching.left(two)
    assert set(stage.interest) == {BOB, ("demo", "#dan")}, "his other session watches"
    stage.watching.left(again)
    assert stage.interest == {}
    assert stage.watching.user_count == 0


def test_who_stays_on_a_screen_is_known() -> None:
    stage = Stage()
    screen, ann = stage.screen("ann", bob=row(), ann=row())
    assert stage.watching.watch(screen, ["bob", "ann"]) == {}, "their positions are asked for"
    settled(stage)
    assert stage.hub.channels[BOB].position is not None
    stage.signal("bob", "away")
    known = stage.watching.watch(screen, ["bob", "ann", "new"])
    assert known == {"bob": row("away")}, "and not of herself, whose choice is told too"
    stage.watching.looked(screen, known)
    stage.tick()
    assert ann.told == [], "the answer said it"
    stage.asked.clear()
    stage.event("bob", "user.audience_changed")
    assert stage.watching.watch(screen, ["bob"]) == {}


def test_a_dropped_user_is_not_told_of_any_more() -> None:
    stage = Stage()
    screen, ann = stage.screen("ann", bob=row(), cid=row())
    stage.show(screen, cid=row())
    stage.signal("bob", "away")
    stage.signal("cid", "away")
    stage.tick()
    assert ann.told == [{"cid": {"state": "away"}}]


def test_a_signal_that_crosses_an_answer_is_asked_about() -> None:
    stage = Stage()
    session = Session("ann")
    screen = Screen(session)
    stage.watching.watch(screen, ["bob"])
    stage.signal("bob", "online")
    stage.watching.looked(screen, {"bob": row("offline")})
    stage.tick()
    assert session.told == [{"bob": {"state": "online"}}]
    assert stage.answer(row("online")) == ["#bob"]
    stage.watching.doubt(BOB)
    stage.tick()
    stage.signal("bob", "busy")
    stage.answer(row("online"))
    stage.tick()
    assert session.told[1:] == [{"bob": {"state": "busy"}}]
    assert stage.answer(row("busy")) == ["#bob"], "asked again: the answer was older"


def test_one_question_for_all_screens_repairs_lost_signals() -> None:
    stage = Stage()
    sessions = [stage.screen(f"u{n}", bob=row())[1] for n in range(50)]
    settled(stage)
    stage.watching.doubt(BOB)
    stage.watching.doubt(("demo", "#nobody"))
    stage.tick()
    [(asks, _, failed)] = stage.asked
    assert [ask.key for ask in asks] == ["#bob"]
    failed([BOB])
    stage.asked.clear()
    stage.tick()
    assert stage.answer(row("offline", last_seen_ms=GONE_MS)) == ["#bob"]
    stage.tick()
    gone = [{"bob": {"state": "offline", "last_seen": GONE}}]
    assert all(session.told == gone for session in sessions)


def test_a_new_leader_that_does_not_know_him_yet_is_asked_again() -> None:
    stage = Stage()
    _, ann = stage.screen("ann", bob=row())
    settled(stage)
    stage.watching.doubt(BOB)
    for _ in range(3):
        stage.tick()
        assert stage.answer(row("offline", is_settled=False)) == ["#bob"]
    assert ann.told == []
    stage.tick()
    stage.answer(row("offline"))
    stage.tick()
    assert ann.told == [{"bob": {"state": "offline"}}]
    stage.tick()
    assert stage.asked == []


def test_an_audience_that_changed_has_the_pair_looked_at_anew() -> None:
    stage = Stage()
    screen, ann = stage.screen("ann", bob=row(), cid=row())
    settled(stage)
    stage.event("bob", "user.audience_changed")
    stage.tick()
    [(looking, users, done)] = stage.looked
    assert (looking, users) == (screen, ["bob"])
    stage.event("bob", "user.audience_changed")
    stage.tick()
    assert len(stage.looked) == 1, "one errand of a session at a time"
    assert stage.watching.watch(screen, ["bob", "cid"]) == {}, "it is being looked at"
    done({"bob": row(sees=0)})
    stage.tick()
    assert ann.told == [{"bob": {"state": "offline"}}]
    stage.looked.pop(0)
    [(_, users, done)] = stage.looked
    done(None)  # it could not be asked
    stage.looked.clear()
    stage.tick()
    assert [users for _, users, _ in stage.looked] == [["bob"]]
    stage.looked.clear()
    stage.event("ann", "user.audience_changed")
    stage.tick()
    assert stage.looked == [], "the last errand is not answered"


def test_lists_of_channels_matter_where_it_depends_on_them() -> None:
    stage = Stage()
    stage.screen("ann", bob=row(), cid=row(sees=ALL | int(Sees.BY_LIST)))
    settled(stage)
    for user in ("bob", "cid", "ann"):
        stage.event(user, "channel.added", LISTS)
        stage.tick()
        for _, users, done in stage.looked:
            assert users == ["cid"]
            done({})
    assert len(stage.looked) == 2, "of cid's list and of her own"
    stage.event("cid", "user.settings_changed")
    stage.tick()
    assert len(stage.looked) == 2
    stage.event("ann", "user.audience_changed")
    stage.tick()
    assert stage.looked[2][1] == ["bob", "cid"], "whom she sees depends on what she shows"


def test_looking_anew_is_paced() -> None:
    stage = Stage()
    for n in range(LOOKS_PER_TICK + 5):
        stage.screen(f"u{n}", bob=row())
    stage.event("bob", "user.audience_changed")
    stage.tick()
    assert len(stage.looked) == LOOKS_PER_TICK
    stage.tick()
    assert len(stage.looked) == LOOKS_PER_TICK + 5


def test_an_answer_that_differs_from_what_was_known_is_asked_about() -> None:
    stage = Stage()
    stage.screen("ann", bob=row())
    settled(stage)
    stage.screen("dan", bob=row("busy"))
    stage.tick()
    assert stage.answer(row("busy")) == ["#bob"]


def test_what_changed_before_the_first_answer_is_told_behind_it() -> None:
    stage = Stage()
    session = Session("ann")
    screen = Screen(session)
    stage.watching.watch(screen, ["bob"])
    stage.signal("bob", "busy")
    stage.tick()
    assert stage.watching.watch(screen, ["bob"]) == {}, "not what is known of him: what she may see"
    stage.watching.looked(screen, {"bob": row("online"), "dropped": row()})
    stage.tick()
    assert session.told == [{"bob": {"state": "busy"}}]
    stage.signal("bob", "online", GONE_MS)
    stage.tick()
    assert session.told[1:] == [{"bob": {"state": "online"}}], "no last_seen of who is there"


def test_who_left_the_screen_meanwhile_is_in_no_answer() -> None:
    stage = Stage()
    screen, ann = stage.screen("ann", bob=row(), cid=row())
    settled(stage)
    for user in ("bob", "cid"):
        stage.event(user, "user.audience_changed")
    stage.watching.doubt(BOB)
    stage.tick()
    [(_, users, done)] = stage.looked
    assert users == ["bob", "cid"]
    stage.watching.watch(screen, ["cid"])
    stage.answer(row("busy"))
    done({"bob": row(sees=0), "cid": row()})
    stage.tick()
    assert ann.told == []
    assert stage.watching.watch(screen, ["cid"]) == {"cid": row()}, "nothing is in doubt any more"
    assert stage.watching.watch(screen, ["cid", "bob"]) == {"cid": row()}, "he is new again"


def test_a_leader_that_does_not_answer_is_asked_again_and_who_was_gone_is_gone() -> None:
    stage = Stage()
    stage.screen("ann", bob=row("offline"))
    settled(stage)
    stage.watching.doubt(BOB)
    stage.tick()
    asks, answered, _ = stage.asked.pop()
    answered([(asks[0], HeadRow("demo", "#bob", True, "e", 0))])
    stage.tick()
    assert stage.answer(row("offline", is_settled=False)) == ["#bob"]
    stage.tick()
    assert stage.asked == [], "a new leader says no more of who is not there"
