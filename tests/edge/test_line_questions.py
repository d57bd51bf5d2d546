"""Lines of heads are asked for one question a leader at a time; nothing is lost, and nobody waits
for a leader that says nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from edge.line_questions import LINES_MAX, WAIT_MS, LineQuestions
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import HeadsAnswer, HeadsQuery, Kind, Lines, LinesAsk, Status

LEADERS = ("n1", "n2", "n3")


class Question:
    """One that was sent, and its answer."""

    def __init__(self, body: bytes, slot: int, done: Callable[[Status, bytes], None]) -> None:
        query = decode_pack(body, HeadsQuery)
        assert (query.edge, query.asks, query.newest) == ("edge-1.7", (), None)
        self.parts = query.lines
        self.slot = slot
        self._done = done

    @property
    def users(self) -> list[str]:
        return [part.user for part in self.parts]

    def tell(self) -> None:
        """Each part's line says whose it is."""
        rows = tuple(Lines((1,) * len(part.keys), part.user.encode()) for part in self.parts)
        self._done(Status.OK, encode_pack(HeadsAnswer((), lines=rows)))

    def fail(self) -> None:
        self._done(Status.UNKNOWN, b"")


class Stage:
    """An edge's questions; slot n is led by LEADERS[n % 3]."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.sent: list[Question] = []
        self.came: list[tuple[str, str, bytes | None]] = []  # user, leader, line
        self.lines = LineQuestions(
            self._request,
            "edge-1.7",
            lambda app, keys: [int(key.removeprefix("group:")) for key in keys],
            lambda slots: [LEADERS[slot % 3] for slot in slots],
            lambda: self.now_ms,
        )

    def _request(
        self, kind: Kind, app: str, body: bytes, slot: int, done: Callable[[Status, bytes], None]
    ) -> None:
        assert (kind, app) == (Kind.HEADS, "demo")
        self.sent.append(Question(body, slot, done))

    def ask(self, user: str, *slots: int) -> None:
        keys = tuple(f"group:{slot}" for slot in slots)

        def came(part: LinesAsk, lines: Lines | None) -> None:
            assert part.keys == tuple(f"group:{slot}" for slot in part.slots)
            (leader,) = {LEADERS[slot % 3] for slot in part.slots}
            self.came.append((part.user, leader, None if lines is None else lines.json))

        self.lines.ask("demo", user, keys, came)

    def take(self) -> list[Question]:
        sent, self.sent = self.sent, []
        return sent


def test_every_leader_is_asked_at_once_for_its_own() -> None:
    stage = Stage()
    stage.ask("ann", 0, 1, 3, 4, 6)
    first, second = stage.take()
    assert [part.slots for part in (*first.parts, *second.parts)] == [(0, 3, 6), (1, 4)]
    assert (first.slot, second.slot) == (0, 1)
    second.fail()
    first.tell()
    assert stage.came == [("ann", "n2", None), ("ann", "n1", b"ann")]


def test_who_asks_while_a_question_is_under_way_shares_the_next() -> None:
    stage = Stage()
    for user in ("ann", "bob", "eve"):
        stage.ask(user, 0)
    stage.ask("joe", 1)  # of another leader, which nobody waits for
    first, other = stage.take()
    assert (first.users, other.users) == (["ann"], ["joe"])
    first.tell()
    (second,) = stage.take()
    assert second.users == ["bob", "eve"]
    assert stage.came == [("ann", "n1", b"ann")]
    second.tell()
    assert stage.came[1:] == [("bob", "n1", b"bob"), ("eve", "n1", b"eve")]
    stage.ask("kim", 0)
    assert [question.users for question in stage.take()] == [["kim"]]
    assert (stage.lines.asked, stage.lines.sent) == (5, 4)


def test_a_leader_that_says_nothing_delays_nobody_for_long() -> None:
    stage = Stage()
    stage.ask("ann", 0)
    (silent,) = stage.take()
    stage.ask("bob", 0)
    stage.now_ms = WAIT_MS - 1
    stage.lines.tick()
    assert not stage.sent
    stage.ask("eve", 0)
    stage.now_ms = WAIT_MS
    stage.lines.tick()
    (second,) = stage.take()
    assert second.users == ["bob", "eve"]
    stage.ask("joe", 0)  # two are under way
    second.tell()
    assert not stage.sent
    silent.fail()
    assert [question.users for question in stage.take()] == [["joe"]]


def test_a_question_has_a_bound() -> None:
    stage = Stage()
    stage.ask("ann", 0)
    for user in ("bob", "eve", "joe"):
        stage.ask(user, *[3] * (LINES_MAX // 2))
    stage.ask("kim", *[3] * (2 * LINES_MAX))
    stage.take()[0].tell()
    assert [question.users for question in stage.take()] == [["bob", "eve"], ["joe"], ["kim"]]


def test_a_failure_of_one_is_not_the_others() -> None:
    stage, told = Stage(), list[str]()

    def broken(part: LinesAsk, _: Lines | None) -> None:
        told.append(part.user)
        raise ValueError(part.user)

    stage.ask("ann", 0)
    stage.lines.ask("demo", "bob", ("group:0",), broken)
    stage.ask("eve", 0)
    stage.take()[0].tell()
    stage.take()[0].tell()
    assert (told, stage.lines.broken) == (["bob"], 1)
    assert stage.came == [("ann", "n1", b"ann"), ("eve", "n1", b"eve")]


@pytest.mark.parametrize("seed", range(3))
def test_each_is_answered_once_for_each_leader(seed: int) -> None:
    stage, random, wanted = Stage(), Random(seed), list[tuple[str, str]]()
    under_way: list[Question] = []

    def step() -> None:
        stage.now_ms += random.choice((0, 1, WAIT_MS))
        stage.lines.tick()
        under_way.extend(stage.take())
        if under_way and random.random() < 0.6:
            question = under_way.pop(random.randrange(len(under_way)))
            random.choice((question.tell, question.tell, question.fail))()

    for number in range(200):
        slots = random.sample(range(9), random.randint(1, 6))
        stage.ask(f"u{number}", *slots)
        wanted += {(f"u{number}", LEADERS[slot % 3]) for slot in slots}
        step()
    while under_way or stage.sent:
        step()
    assert sorted((user, leader) for user, leader, _ in stage.came) == sorted(wanted)
    assert all(line in (None, user.encode()) for user, _, line in stage.came)
    assert stage.lines.sent < stage.lines.asked
