"""Receipts on screens: who is told which counts, how often, and at what cost."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from edge.dispatch import App, Reply
from edge.screens import SEQS_MAX, Screens
from edge.variants import PLAIN, Variant
from hubbub.base.errors import INTERNAL, NOT_A_MEMBER, Rejected
from hubbub.features.contract import QueryCall
from hubbub.settings.app import AppSettings
from hubbub.wire.event import EventHead, StoredEvent
from hubbub.wire.shapes import SignalKind, Viewer

DEMO = App("demo", AppSettings(), b"secret")
X = "group:x"
STREAM = ("demo", X)
ANN = Viewer("ann")


class Screen:
    """A watcher that keeps what it is told."""

    variant: Variant = PLAIN["json"]

    def __init__(self) -> None:
        self.told: list[dict[int, int]] = []

    @property
    def outgoing(self) -> Any:
        return self

    def push_signal(self, push: bytes) -> None:
        body = json.loads(push)
        assert body["t"] == "receipts.counted"
        self.told.append({receipt["seq"]: receipt["read"] for receipt in body["receipts"]})


class Stage:
    def __init__(self) -> None:
        self.read: dict[int, int] = {}
        self.asked: list[tuple[tuple[int, ...], str, Reply]] = []
        self.encoded = 0
        self.named: list[list[str] | None] = []  # who was asked about, by question
        self.refused: list[str] = []
        self.followed: list[Any] = []
        self.app = DEMO
        self.screens = Screens(
            self.ask,
            self.encode,
            lambda _, ear: self.followed.append(ear),
            lambda _, ear: self.followed.remove(ear),
            lambda _: self.app,
        )

    def ask(self, call: QueryCall, app: App, viewer: Viewer, reply: Reply) -> None:
        assert (call.key, app.name) == (X, "demo")
        users = getattr(call.args, "users", None)
        assert call.name == ("receipts.get" if users is None else "receipts.watched")
        self.named.append(users and sorted(users))
        self.asked.append((call.args.seqs, viewer.authority, reply))  # type: ignore[attr-defined]

    def encode(self, channel: str, _: Variant, kind: SignalKind, data: bytes) -> bytes:
        assert (channel, kind) == (X, SignalKind.PUBLICATION)
        self.encoded += 1
        return data

    def answer(self) -> list[tuple[int, ...]]:
        """Answer everything that was asked; what that was."""
        asked, self.asked = self.asked, []
        for seqs, _, reply in asked:
            rows = [{"seq": seq, "read": self.read.get(seq, 0), "read_of": 9} for seq in seqs]
            reply(None, json.dumps({"receipts": rows, "refused": self.refused}).encode())
        return [seqs for seqs, _, _ in asked]

    def watch(self, screen: Screen, *seqs: int, viewer: Viewer = ANN, app: App = DEMO) -> None:
        self.screens.watch(app, X, screen, viewer, seqs)

    def event(self, kind: str) -> None:
        """Something happened in the channel."""
        for ear in self.followed:
            ear.event(StoredEvent(1, EventHead(0, 0, 0, kind, "ann"), b"", b"{}"))

    def moved(self, **_: Any) -> list[tuple[int, ...]]:
        self.screens.stirred(STREAM)
        self.screens.tick()
        return self.answer()


def test_a_watcher_gets_all_counts_first_and_then_what_changed() -> None:
    stage, screen = Stage(), Screen()
    stage.watch(screen, 3, 1)
    assert stage.asked[0][1] == "client", "asked for with his own rights"
    assert stage.answer() == [(1, 3)]
    assert screen.told == [{1: 0, 3: 0}]
    stage.screens.tick()
    assert stage.asked == [], "nothing stirred"
    stage.read = {3: 5}
    assert stage.moved() == [(1, 3)]
    assert screen.told[1:] == [{3: 5}]
    assert stage.moved() == [(1, 3)]
    assert len(screen.told) == 2, "nothing changed"


def test_all_watchers_of_a_channel_cost_one_query_and_one_push_each() -> None:
    stage = Stage()
    alike = [Screen() for _ in range(50)]
    for screen in alike:
        stage.watch(screen, 1, 2)
    other = Screen()
    stage.watch(other, 2, 7)
    stage.answer()
    stage.encoded = 0
    stage.read = {1: 1, 7: 2}
    for _ in range(10):
        stage.screens.stirred(STREAM)
    stage.screens.tick()
    stage.screens.tick()
    assert stage.answer() == [(1, 2, 7)]
    assert all(screen.told[1:] == [{1: 1}] for screen in alike)
    assert other.told[1:] == [{7: 2}]
    assert stage.encoded == 2


def test_what_moves_while_an_answer_is_awaited_is_asked_for_again() -> None:
    stage, screen = Stage(), Screen()
    stage.watch(screen, 1)
    stage.answer()
    stage.screens.stirred(STREAM)
    stage.screens.tick()
    stage.screens.stirred(STREAM)
    stage.screens.tick()
    assert stage.answer() == [(1,)]
    stage.read = {1: 4}
    stage.screens.tick()
    assert stage.answer() == [(1,)]
    assert screen.told[-1] == {1: 4}


def test_who_may_not_see_hears_nothing_and_a_failed_query_is_asked_again() -> None:
    stage, eve, ann = Stage(), Screen(), Screen()
    stage.watch(eve, 1)
    stage.asked.pop()[2](Rejected(NOT_A_MEMBER), b"")
    assert stage.moved() == []
    stage.watch(ann, 1)
    stage.answer()
    stage.read = {1: 1}
    stage.screens.stirred(STREAM)
    stage.screens.tick()
    stage.asked.pop()[2](Rejected(INTERNAL), b"")
    stage.screens.tick()
    stage.answer()
    assert (eve.told, ann.told[-1]) == ([], {1: 1})


def test_the_last_word_counts_and_leaving_ends_it() -> None:
    stage, screen = Stage(), Screen()
    stage.watch(screen, 1)
    stage.watch(screen, 2)
    assert stage.answer() == [(1,), (2,)]
    assert screen.told == [{2: 0}]
    stage.watch(screen)
    assert stage.moved() == []
    stage.watch(screen, 2)
    stage.answer()
    stage.screens.left(STREAM, screen)
    stage.screens.left(STREAM, screen)
    assert stage.moved() == []


def test_only_so_many_messages_are_kept_up_to_date() -> None:
    stage = Stage()
    for at in range(0, 1_000, 100):
        stage.watch(Screen(), *range(at + 1, at + 101))
    stage.answer()
    asked = stage.moved()
    assert [len(seqs) for seqs in asked] == [100, 100, 100]
    assert {seq for seqs in asked for seq in seqs} == set(range(1_001 - SEQS_MAX, 1_001))


def test_a_right_that_is_taken_ends_it_before_the_next_counts_and_one_given_begins_it() -> None:
    stage, ann, bob, mod = Stage(), Screen(), Screen(), Screen()
    stage.watch(ann, 1)
    stage.watch(bob, 1, viewer=Viewer("bob"))
    stage.watch(mod, 1, viewer=Viewer("bob", authority="moderator"))
    stage.answer()
    stage.event("message.created")
    stage.read = {1: 1}
    stage.moved()
    stage.event("member.capabilities_changed")
    stage.refused, stage.read = ["bob"], {1: 2}
    stage.moved()
    assert stage.named[3:] == [None, ["ann", "bob"]], "it is asked for where there is doubt"
    stage.read = {1: 3}
    stage.moved()
    assert [told[1] for told in ann.told] == [0, 1, 2, 3]
    assert [told[1] for told in bob.told] == [0, 1]
    assert [told[1] for told in mod.told] == [0, 1, 2, 3], "he may whatever he is in the channel"
    stage.event("member.capabilities_changed")
    stage.refused = []
    stage.screens.tick()
    stage.answer()
    assert bob.told[2:] == [{1: 3}], "at once, also where nothing moves"


def test_what_was_asked_for_before_a_right_changed_is_not_told() -> None:
    stage, ann, bob = Stage(), Screen(), Screen()
    stage.watch(ann, 1)
    stage.watch(bob, 1, viewer=Viewer("bob"))
    stage.answer()
    stage.screens.stirred(STREAM)
    stage.screens.tick()
    stage.event("channel.capabilities_changed")
    stage.read = {1: 1}
    stage.answer()
    stage.refused = ["bob"]
    stage.screens.tick()
    stage.answer()
    assert (ann.told[1:], bob.told[1:]) == ([{1: 1}], [])


def test_guests_are_told_as_long_as_the_app_lets_them_see() -> None:
    stage, gil, ann = Stage(), Screen(), Screen()
    stage.watch(gil, 1, viewer=Viewer("gil", guest=True))
    stage.watch(ann, 1)
    stage.answer()
    stage.app = replace(DEMO, settings=AppSettings(guest_capabilities=("read",)))
    stage.read = {1: 1}
    for _ in range(5):
        stage.moved()
    assert (gil.told, ann.told) == ([{1: 0}], [{1: 0}, {1: 1}])
    stage.screens.left(STREAM, gil)
    stage.screens.left(STREAM, ann)
    assert stage.followed == []
