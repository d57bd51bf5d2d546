"""Receipts on screens: who is told which counts, how often, and at what cost."""

from __future__ import annotations

import json
from typing import Any

from edge.dispatch import App, Reply
from edge.hub import PLAIN, Variant
from edge.screens import SEQS_MAX, Screens
from hubbub.base.errors import INTERNAL, NOT_A_MEMBER, Rejected
from hubbub.features.contract import QueryCall
from hubbub.settings.app import AppSettings
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
        self.screens = Screens(self.ask, self.encode)

    def ask(self, call: QueryCall, app: App, viewer: Viewer, reply: Reply) -> None:
        assert (call.key, call.name, app) == (X, "receipts.get", DEMO)
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
            reply(None, json.dumps({"receipts": rows}).encode())
        return [seqs for seqs, _, _ in asked]

    def watch(self, screen: Screen, *seqs: int) -> None:
        self.screens.watch(DEMO, X, screen, ANN, seqs)

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
