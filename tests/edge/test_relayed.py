"""What arrives from the links, handed to the parts it is for."""

from __future__ import annotations

import pytest

from edge.hub import Channel
from edge.relayed import Relayed
from hubbub.wire.codec import encode_pack
from hubbub.wire.shapes import HeadAsk, HeadRow, SignalKind
from tests.edge.stage import EPOCH, EdgeStage, event_body, offsets

ROOM = "group:x"


class Streams:
    def __init__(self) -> None:
        self.delivered: list[tuple[str, bytes]] = []

    def deliver(self, session_id: str, data: bytes) -> bool:
        self.delivered.append((session_id, data))
        return True


@pytest.fixture
def stage() -> EdgeStage:
    return EdgeStage()


def relayed(stage: EdgeStage, streams: Streams | None = None) -> Relayed:
    def present(channel: Channel) -> tuple[tuple[str, bytes], ...]:
        return stage.clients.present(channel)

    return Relayed(stage.hub, streams or Streams(), present)


def test_events_and_signals_go_to_the_hub(stage: EdgeStage) -> None:
    ann = stage.person()
    stage.subscriber(ann, ROOM)
    to = relayed(stage)
    to.event("demo", ROOM, event_body(1))
    to.signal("demo", ROOM, SignalKind.PUBLICATION, b'{"typing":"bob"}')
    assert offsets(ann.take(), ROOM) == [1, 0]


def test_an_order_ends_one_users_subscriptions(stage: EdgeStage) -> None:
    ann, bob = stage.person(), stage.person("bob")
    for person in (ann, bob):
        stage.subscriber(person, ROOM)
    order = b'{"user":"bob","code":2101,"reason":"kicked"}'
    relayed(stage).signal("demo", ROOM, SignalKind.UNSUBSCRIBE, order)
    relayed(stage).signal("demo", "group:nobody", SignalKind.UNSUBSCRIBE, order)
    assert ann.take() == []
    [row] = bob.take()
    assert row["push"]["unsubscribe"] == {"code": 2101, "reason": "kicked"}


def test_positions_are_compared(stage: EdgeStage) -> None:
    ann = stage.person()
    stage.subscriber(ann, ROOM, 4)
    ask = HeadAsk(3, "demo", ROOM)
    relayed(stage).heads([(ask, HeadRow("demo", ROOM, True, EPOCH, 6))])
    assert [repair.position for repair in stage.repairs] == [4]


def test_a_question_names_the_clients_where_presence_is_kept(stage: EdgeStage) -> None:
    ann = stage.person()
    stage.subscriber(ann, ROOM, presence=True)
    stage.subscriber(ann, "group:y")
    to = relayed(stage)
    asked = to.ask(("demo", ROOM), 3)
    assert asked is not None
    assert [client for client, _ in asked.clients or ()] == [ann.session.client]
    plain = to.ask(("demo", "group:y"), 3)
    assert plain is not None
    assert plain.clients is None
    assert to.ask(("demo", "group:gone"), 3) is None


def test_posted_commands_reach_their_stream(stage: EdgeStage) -> None:
    streams = Streams()
    relayed(stage, streams).for_process(encode_pack(("secret", b"{}")))
    assert streams.delivered == [("secret", b"{}")]
