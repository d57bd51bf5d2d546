"""A connect and what comes right behind it, asked for together and answered in its turn."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND, INTERNAL, RATE_LIMITED
from hubbub.wire.codec import decode_pack
from hubbub.wire.shapes import Kind, Presence
from tests.edge.stage import EPOCH, EdgeStage, Person, event_body, offsets

ROOM = "group:x"


class Opening:
    """A client that sends all it wants in one frame, as SDKs do."""

    def __init__(self, *commands: dict[str, Any], **token: Any) -> None:
        self.stage = EdgeStage()
        self.ann = Person(self.stage)
        self.ann.send({"connect": {"token": self.stage.token(**token)}}, *commands)

    def answer(self, channel: str, head: int = 0, **answer: Any) -> None:
        self.stage.take(Kind.SUBSCRIBE, channel).subscribed(head, **answer)

    def ids(self) -> list[int]:
        """The replies since the last time, in order."""
        return [row["id"] for row in self.ann.take() if "id" in row]

    def left(self) -> list[tuple[str, tuple[str, ...]]]:
        """Who was reported as gone, by channel."""
        asks = [ask for ask in self.stage.asks if ask.kind is Kind.PRESENCE]
        return [(ask.key, decode_pack(ask.body, Presence).left) for ask in asks]


def subscribe(channel: str = ROOM, **options: Any) -> dict[str, Any]:
    return {"subscribe": {"channel": channel, **options}}


def test_subscribes_are_asked_for_together_with_the_connect() -> None:
    opening = Opening(subscribe(), subscribe("group:y"))
    assert [ask.key for ask in opening.stage.asks] == ["#ann", ROOM, "group:y"]
    opening.answer("#ann")
    assert opening.ids() == [1]
    opening.answer("group:y")
    opening.answer(ROOM)
    assert opening.ids() == [3, 2]


def test_the_connect_is_answered_first_and_nothing_in_between_is_lost() -> None:
    opening = Opening(subscribe(recover=True, offset=3, epoch=EPOCH))
    opening.stage.event(ROOM, 6)  # overtakes the answer
    opening.stage.take(Kind.SUBSCRIBE, ROOM).subscribed(5, event_body(4), event_body(5))
    opening.stage.event(ROOM, 7)
    assert opening.ann.take() == [], "the answer waits for the connect's"
    opening.answer("#ann")
    connect, reply, *pushes = opening.ann.take()
    assert (connect["id"], reply["id"]) == (1, 2)
    assert [pub["offset"] for pub in reply["subscribe"]["publications"]] == [4, 5]
    assert offsets(pushes, ROOM) == [6, 7]
    opening.stage.event(ROOM, 8)
    assert offsets(opening.ann.take(), ROOM) == [8]


def test_a_channel_that_began_anew_meanwhile_is_not_entered_at_an_old_position() -> None:
    opening = Opening(subscribe())
    bob = opening.stage.person("bob")
    opening.stage.take(Kind.SUBSCRIBE, ROOM).subscribed(5)
    opening.stage.subscriber(bob, ROOM, 2, epoch="new")
    opening.stage.event(ROOM, 3)
    opening.answer("#ann")
    connect, reply = opening.ann.take()
    assert (connect["id"], reply["id"], reply["error"]["code"]) == (1, 2, INTERNAL.code)
    assert offsets(bob.take(), ROOM) == [3], "nobody is thrown out for an answer that is over"


def test_what_does_not_follow_at_once_waits() -> None:
    opening = Opening(subscribe(), {"presence": {"channel": "raw:a"}}, subscribe("group:y"))
    assert [ask.key for ask in opening.stage.asks] == ["#ann", ROOM]
    opening.answer("#ann")
    assert [ask.key for ask in opening.stage.asks] == [ROOM, "group:y"]


@pytest.mark.parametrize("is_answered_first", [True, False])
def test_after_a_refusal_nothing_is_told_and_nobody_stays_present(is_answered_first: bool) -> None:
    opening = Opening(subscribe(), subscribe("no such namespace:x"))
    if is_answered_first:
        opening.answer(ROOM, presence=True)
    opening.stage.take(Kind.SUBSCRIBE, "#ann").rejected(RATE_LIMITED)
    if not is_answered_first:
        opening.answer(ROOM, presence=True)
    assert opening.ids() == [1]
    assert opening.left() == [(ROOM, ("client-1",))]
    opening.ann.gone()
    assert opening.stage.hub.channels == {}


def test_a_connection_that_is_lost_meanwhile_leaves_nobody_present() -> None:
    opening = Opening(subscribe())
    opening.answer(ROOM, presence=True)
    opening.ann.gone()
    assert opening.left() == [(ROOM, ("client-1",))]
    opening.answer("#ann")
    assert opening.stage.hub.channels == {}


def test_what_the_edge_or_the_leader_refuses_is_told_behind_the_connect() -> None:
    opening = Opening(subscribe("bad channel\n"), subscribe(), subscribe())
    opening.stage.take(Kind.SUBSCRIBE, ROOM).rejected(CHANNEL_NOT_FOUND)
    assert opening.ann.take() == []
    opening.answer("#ann")
    connect, *refused = opening.ann.take()
    assert "connect" in connect
    assert [(row["id"], row["error"]["code"]) for row in refused] == [
        (2, 107),
        (4, 105),
        (3, CHANNEL_NOT_FOUND.code),
    ]


def test_a_token_of_somebody_else_behind_a_connect_closes() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    token = stage.token("bob", channel=ROOM)
    ann.send({"connect": {"token": stage.token()}}, subscribe(token=token))
    assert ann.closed is None
    stage.take(Kind.SUBSCRIBE, "#ann").subscribed()
    assert ann.closed is not None
    assert ann.closed.code == 3500


def test_too_many_devices_ask_for_nothing() -> None:
    stage = EdgeStage(devices_per_user_max=1)
    stage.person()
    second = Person(stage)
    second.send({"connect": {"token": stage.token()}}, subscribe())
    assert second.closed is not None
    assert stage.asks == []
