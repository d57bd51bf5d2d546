"""A connect and what comes right behind it, asked for together and answered in its turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.connecting import BOOTSTRAP_HEADS
from edge.heads import GREETING_TURNS
from hubbub.base.errors import BAD_REQUEST, CHANNEL_NOT_FOUND, INTERNAL, RATE_LIMITED, REVOKED
from hubbub.base.units import DAY_MS
from hubbub.wire.codec import decode_pack
from hubbub.wire.event import SIGNS_OUT
from hubbub.wire.shapes import HeadRow, Kind, Presence, Submit
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


# --- the bootstrap


def test_a_bootstrap_waits_for_the_heads_of_its_first_channels() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    channels = tuple(f"group:{n}" for n in range(BOOTSTRAP_HEADS + 1))
    stage.take(Kind.SUBSCRIBE).subscribed(7, data=b'{"user":"ann"}', channels=channels)
    assert ann.take() == [], "the heads are missing"
    [(asks, answered, _)], stage.head_asks = stage.head_asks, []
    assert [ask.key for ask in asks] == list(channels[:BOOTSTRAP_HEADS])
    assert {ask.users for ask in asks} == {("ann",)}
    rows = [
        HeadRow(a.app, a.key, True, EPOCH, 3, preview=b'{"text":"hi"}', fields=(b'{"unread":2}',))
        for a in asks
    ]
    answered(list(zip(asks, rows, strict=True)))
    [reply] = ann.take()
    data = reply["connect"]["data"]
    assert (data["user"], data["cursor"]) == ("ann", [EPOCH, 7])
    assert len(data["heads"]) == BOOTSTRAP_HEADS
    assert data["heads"]["group:0"] == {"seq": 3, "unread": 2, "preview": {"text": "hi"}}
    assert [ask.key for ask in stage.answer_heads(3)] == [channels[-1]], "the others came already"


def test_a_leader_that_is_away_does_not_hold_a_connect() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    stage.take(Kind.SUBSCRIBE).subscribed(7, data=b'{"user":"ann"}', channels=(ROOM, "group:y"))
    [(asks, answered, failed)], stage.head_asks = stage.head_asks, []
    failed([("demo", ROOM)])
    for _ in range(GREETING_TURNS):
        assert ann.take() == []
        stage.heads.tick()
    [reply] = ann.take()
    assert reply["connect"]["data"]["heads"] == {}
    answered([(asks[1], HeadRow("demo", "group:y", True, EPOCH, 3))])
    assert ann.take() == [], "too late for the answer"
    assert sorted(ask.key for ask in stage.answer_heads(3)) == [ROOM, "group:y"]
    assert len(ann.take()) == 1


def test_who_resumes_gets_no_bootstrap() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    subs = {"#ann": {"recover": True, "offset": 7, "epoch": EPOCH}}
    ann.send({"connect": {"token": stage.token(), "subs": subs}})
    stage.take(Kind.SUBSCRIBE).subscribed(7, recovered=True, channels=(ROOM,))
    [reply] = ann.take()
    assert reply["connect"]["data"] == {"resumed": True}
    assert [ask.key for ask in stage.answer_heads(3)] == [ROOM]


def test_a_device_is_reported_once_a_day_and_told_to_the_log() -> None:
    stage = EdgeStage()
    data = {"device": "phone-1", "device_name": "Ann's phone"}
    for again in range(3):
        ann = Person(stage)
        ann.send({"connect": {"token": stage.token(jti="t1"), "data": data, "version": "1.2"}})
        ask = stage.take(Kind.SUBSCRIBE)
        claim = json.loads(ask.subscribe.args)
        assert (claim["device"], claim["issued"] > 0) == ("phone-1", True)
        info = json.loads(ask.subscribe.viewer.info)
        assert (info["device"], info["name"]) == ("phone-1", "Ann's phone")
        ask.subscribed(7)
        if again == 1:
            assert stage.asks == []
            stage.clock.advance(DAY_MS)
            continue
        sent = decode_pack(stage.take(Kind.SUBMIT, "#ann").body, Submit)
        assert sent.tag == "device.see"
        body = json.loads(sent.body)
        assert (body["device"], body["name"], body["version"], body["jti"]) == (
            "phone-1",
            "Ann's phone",
            "1.2",
            "t1",
        )


@pytest.mark.parametrize("device", ["x y", "*", "d" * 65])
def test_what_can_be_no_device_is_refused(device: str) -> None:
    stage = EdgeStage()
    ann = Person(stage)
    reply = ann.ask(connect={"token": stage.token(), "data": {"device": device}})
    assert reply["error"]["code"] == BAD_REQUEST.code


@pytest.mark.parametrize("data", [7, ["device"], {"device": 7}, "text"])
def test_an_apps_own_data_is_not_ours(data: Any) -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token(), "data": data}})
    stage.take(Kind.SUBSCRIBE).subscribed(7)
    assert "connect" in ann.take()[0]


def signed_out(stage: EdgeStage, *names: str) -> None:
    stage.event("#ann", 1, flags=SIGNS_OUT, info=json.dumps(names).encode())


@pytest.mark.parametrize(
    ("names", "gone"), [(("phone",), {"phone"}), (("*", "phone"), {"desk", ""})]
)
def test_who_is_signed_out_is_closed_and_the_token_revoked(
    names: tuple[str, ...], gone: set[str]
) -> None:
    stage = EdgeStage()
    people = {}
    for device in ("phone", "desk", ""):
        person = people[device] = Person(stage)
        data = {"device": device} if device else {}
        person.send({"connect": {"token": stage.token(jti=f"t-{device}"), "data": data}})
        stage.take(Kind.SUBSCRIBE).subscribed(0)
    stage.asks.clear()
    signed_out(stage, *names)
    closed = {device for device, person in people.items() if person.closed is not None}
    assert closed == gone
    assert all(people[device].closed is REVOKED for device in gone)
    sent = [decode_pack(ask.body, Submit) for ask in stage.asks if ask.kind is Kind.SUBMIT]
    assert {(s.tag, json.loads(s.body)["jti"]) for s in sent} == {
        ("token.revoke", f"t-{device}") for device in gone
    }
