"""Getting into a channel while events, losses, repairs and other subscribers go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.heads import LINGER_TICKS
from edge.hub import Repair
from edge.subscribing import Position
from hubbub.settings.app import Rate
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import FLAG_COMPACTION
from hubbub.wire.event import EVICTS
from hubbub.wire.protobuf import PROTOBUF
from hubbub.wire.shapes import HeadRow, Kind
from tests.edge.stage import EPOCH, Ask, EdgeStage, Person, event_body, offsets

ROOM = "group:x"
STREAM = ("demo", ROOM)


def code(reply: Any) -> int:
    return int(reply["error"]["code"])


def test_the_hub_is_joined_before_the_leader_is_asked() -> None:
    stage = EdgeStage()
    ann = stage.person()
    at_question: list[bool] = []
    ask = stage.subscribing._request

    def asking(*question: Any) -> None:
        at_question.append(STREAM in stage.interest)
        ask(*question)

    stage.subscribing._request = asking
    ann.send({"subscribe": {"channel": ROOM}})
    assert at_question == [True]


def test_an_answer_from_before_the_channel_began_here_is_tried_again() -> None:
    """Two ask; the second one's answer overtakes the first one's: what lies between was held for
    neither."""
    stage = EdgeStage()
    ann, bob = stage.person(), stage.person("bob")
    ann.send({"subscribe": {"channel": ROOM}})
    bob.send({"subscribe": {"channel": ROOM}})
    first, second = stage.take(Kind.SUBSCRIBE, ROOM), stage.take(Kind.SUBSCRIBE, ROOM)
    stage.event(ROOM, 6)
    stage.event(ROOM, 7)
    second.subscribed(7)
    first.subscribed(5)
    [reply] = ann.take()
    assert code(reply) == 100
    assert bob.take()[0]["subscribe"]["offset"] == 7
    assert stage.subscriber(ann, ROOM, 7)["offset"] == 7


def test_an_answer_of_an_epoch_that_is_over_is_tried_again() -> None:
    stage = EdgeStage()
    ann, bob = stage.person(), stage.person("bob")
    stage.subscriber(ann, ROOM, 4)
    bob.send({"subscribe": {"channel": ROOM}})
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(6)  # waits for the repair of 5 and 6
    assert bob.take() == []
    stage.hub.head_is(STREAM, 2, "other")
    assert ann.take()[0]["push"]["unsubscribe"]["code"] == 2500
    [reply] = bob.take()
    assert code(reply) == 100
    assert STREAM not in stage.interest


def test_a_new_epoch_in_an_answer_ends_those_who_stand_on_the_old_one() -> None:
    stage = EdgeStage()
    ann, bob = stage.person(), stage.person("bob")
    stage.subscriber(ann, ROOM, 9)
    assert stage.subscriber(bob, ROOM, 2, epoch="other")["offset"] == 2
    assert ann.take()[0]["push"]["unsubscribe"]["code"] == 2500
    stage.event(ROOM, 3)
    assert offsets(bob.take(), ROOM) == [3]


def test_who_is_evicted_while_he_asks_does_not_get_in() -> None:
    stage = EdgeStage()
    ann = stage.person()
    bob = stage.person("bob")
    stage.subscriber(bob, ROOM, 4)
    ann.send({"subscribe": {"channel": ROOM}})
    stage.event(ROOM, 5, EVICTS, b'["ann"]')
    [reply] = ann.take()
    assert code(reply) == 103
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(4)
    stage.event(ROOM, 6)
    assert ann.take() == []


def test_deltas_are_for_those_who_ask_and_may() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send({"subscribe": {"channel": "raw:1", "delta": "fossil"}})
    stage.take(Kind.SUBSCRIBE, "raw:1").subscribed(0)
    assert ann.take()[0]["subscribe"]["delta"]
    ann.send({"subscribe": {"channel": ROOM, "delta": "fossil"}})
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(0)
    assert "delta" not in ann.take()[0]["subscribe"]


def test_compact_numbers_are_shared_by_all_subscribers_of_a_raw_channel() -> None:
    stage = EdgeStage()
    numbers = []
    for user in ("ann", "bob"):
        person = stage.person(user)
        person.send({"subscribe": {"channel": "raw:1", "flag": 1}})
        stage.take(Kind.SUBSCRIBE, "raw:1").subscribed(0)
        numbers.append(person.take()[0]["subscribe"]["id"])
    assert numbers == [1, 1]


def test_a_binary_connection_gets_no_number() -> None:
    """Story (decision record 0008): an SDK that reads int64 as objects lost every push."""
    stage = EdgeStage()
    person = stage.person()
    asked = Position(flag=FLAG_COMPACTION)
    subscribing, app = stage.subscribing, stage.apps["demo"]
    granted = {}
    for encoding in (JSON, PROTOBUF):
        person.session.peer = msgspec.structs.replace(person.session.peer, encoding=encoding)
        granted[encoding.name] = subscribing.variant(person.session, app, "raw:1", asked).compact_id
    assert granted == {"json": 1, "protobuf": 0}


def test_events_that_come_before_the_first_position_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.hub.AHEAD_BYTES_MAX", 100)
    stage = EdgeStage()
    ann = stage.person()
    ann.send({"subscribe": {"channel": ROOM}})
    for seq in range(1, 200):
        stage.event(ROOM, seq)
    channel = stage.hub.channels[STREAM]
    assert len(channel.ahead or ()) < 20
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(0)
    [repair] = stage.repairs
    kept = repair.position
    assert 0 < kept < 20, "what was dropped is fetched, although nothing newer comes"
    missed = tuple(event_body(seq) for seq in range(kept + 1, 200))
    stage.hub.repaired(STREAM, EPOCH, 199, True, missed)
    assert offsets(ann.take(), ROOM) == list(range(1, 200))
    assert channel.ahead is None


# --- any interleaving


class World:
    """A log of one stream, an edge, three people and a watcher; whatever is under way may come in
    any order, twice or never."""

    def __init__(self) -> None:
        self.stage = EdgeStage(subscribes_per_connection=Rate(0, 0))
        self.stage.hub._repair = self._repair
        self.head = 3
        self.people = [self.stage.person(user) for user in ("ann", "bob", "cleo")]
        self.positions: dict[Person, int | None] = dict.fromkeys(self.people)
        self.last: dict[Person, int] = {}
        self.watched: Any = None
        self.noted: list[dict[str, Any]] = []
        self.under_way: list[Callable[[], None]] = []
        self.asked: list[Ask] = []

    app, user = "demo", "dan"  # the watcher
    blocked: frozenset[str] = frozenset()

    def push_heads(self, data: bytes) -> None:
        self.noted.append(json.loads(data)["heads"])

    # --- steps

    def commit(self, _: int) -> None:
        self.head += 1
        seq = self.head
        self.under_way.append(lambda: self.stage.event(ROOM, seq))

    def arrive(self, pick: int) -> None:
        if self.under_way:
            self.under_way.pop(pick % len(self.under_way))()

    def repeat(self, pick: int) -> None:
        seq = 1 + pick % self.head
        self.stage.event(ROOM, seq)

    def lose(self, pick: int) -> None:
        """An event, or the answer to a repair, is lost; its deadline says so."""
        if self.under_way:
            lost = self.under_way.pop(pick % len(self.under_way))
            if isinstance(lost, Answer):
                lost.unknown()

    def subscribe(self, pick: int) -> None:
        person = self.people[pick % 3]
        if self.positions[person] is None and ROOM not in person.session.subscriptions:
            position: dict[str, Any] = {}
            if pick % 2 and person in self.last:
                position = {"recover": True, "offset": self.last[person], "epoch": EPOCH}
            person.send({"subscribe": {"channel": ROOM, **position}})
            self.read(person)

    def unsubscribe(self, pick: int) -> None:
        person = self.people[pick % 3]
        self.read(person)
        person.send({"unsubscribe": {"channel": ROOM}})
        self.positions[person] = None
        person.take()

    def process(self, pick: int) -> None:
        """The leader answers a question as of now; the answer is then under way."""
        asks = [ask for ask in self.stage.asks if ask.key == ROOM]
        if not asks:
            return
        ask = asks[pick % len(asks)]
        self.stage.asks.remove(ask)
        head, wanted = self.head, ask.subscribe
        events = [event_body(seq) for seq in range(wanted.offset + 1, head + 1)]
        if not wanted.recover:
            events = []
        answer = Answer(
            lambda: ask.subscribed(head, *events, recovered=wanted.recover), ask.unknown
        )
        self.under_way.append(answer)

    def ask_position(self, _: int) -> None:
        head = self.head
        self.under_way.append(lambda: self.stage.hub.head_is(STREAM, head, EPOCH))

    def watch(self, _: int) -> None:
        if self.watched is None:
            self.watched = self.stage.heads.open(self, [ROOM], 10)
        else:
            self.stage.heads.close(self.watched)
            self.watched = None

    def answer_heads(self, _: int) -> None:
        self.stage.heads.flush()
        questions, self.stage.head_asks = self.stage.head_asks, []
        for asks, answered, failed in questions:
            rows = [HeadRow(a.app, a.key, True, EPOCH, self.head, fields=(b"{}",)) for a in asks]
            pairs = list(zip(asks, rows, strict=True))
            streams = [(a.app, a.key) for a in asks]
            self.under_way.append(
                Answer(
                    lambda pairs=pairs, answered=answered: answered(pairs),  # type: ignore[misc]
                    lambda streams=streams, failed=failed: failed(streams),  # type: ignore[misc]
                )
            )

    # --- what must hold

    def read(self, person: Person) -> None:
        """Take what came; offsets go on from the position by one."""
        for message in person.take():
            if "subscribe" in message:
                result = message["subscribe"]
                position = result.get("offset", 0)
                for publication in result.get("publications", ()):
                    assert publication["offset"] == position + 1
                    position += 1
                if result.get("was_recovering"):
                    assert result["recovered"]
                self.positions[person] = position
            elif "error" in message:
                assert code(message) == 100
                self.positions[person] = None
            elif message.get("push", {}).get("channel") == ROOM:
                position = self.positions[person]
                assert position is not None, "a push before the reply"
                assert message["push"]["pub"]["offset"] == position + 1
                self.positions[person] = position + 1
            position = self.positions[person]
            if position is not None:
                self.last[person] = position

    def settle(self) -> None:
        """Everything that is under way comes, and nothing more is lost."""
        for _ in range(20):
            self.ask_position(0)
            self.answer_heads(0)
            while self.under_way or any(ask.key == ROOM for ask in self.stage.asks):
                self.process(0)
                self.arrive(0)
        for person in self.people:
            self.read(person)

    def _repair(self, repair: Repair) -> None:
        position = repair.position
        head = self.head

        def answer() -> None:
            bodies = tuple(event_body(seq) for seq in range(position + 1, head + 1))
            self.stage.hub.repaired(STREAM, EPOCH, head, True, bodies)

        self.under_way.append(Answer(answer, lambda: self.stage.hub.repair_failed(STREAM)))


class Answer:
    """An answer under way: it comes, or its deadline does."""

    def __init__(self, come: Callable[[], None], unknown: Callable[[], None]) -> None:
        self._come = come
        self.unknown = unknown

    def __call__(self) -> None:
        self._come()


STEPS = (
    *("commit", "arrive", "arrive", "process", "process", "repeat", "lose"),
    *("subscribe", "subscribe", "unsubscribe", "ask_position", "watch", "answer_heads"),
)


@settings(max_examples=250)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1_000)), min_size=30, max_size=90))
def test_whatever_happens_each_subscriber_gets_every_event_once(
    steps: list[tuple[str, int]],
) -> None:
    world = World()
    for step, pick in steps:
        getattr(world, step)(pick)
        for person in world.people:
            world.read(person)
    world.settle()
    for person in world.people:
        is_in = ROOM in person.session.subscriptions
        assert world.positions[person] == (world.head if is_in else None)
    channel = world.stage.hub.channels.get(STREAM)
    if channel is not None:
        assert (channel.ahead, channel.waiting, channel.joining) == (None, None, None)
        assert channel.position == world.head
    if world.watched is not None:
        world.commit(0)
        world.settle()
        world.stage.heads.tick()
        assert world.noted[-1][ROOM]["seq"] == world.head
        world.stage.heads.close(world.watched)
    for person in world.people:
        person.gone()
    for _ in range(LINGER_TICKS + 1):
        world.stage.heads.tick()
    assert world.stage.hub.channels == {}
    assert world.stage.interest == set()
