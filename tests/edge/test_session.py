"""The protocol's state machine: dialogues of frames in and messages out. Time is the test's."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.connection import Peer
from edge.session import (
    DEFERRED_MAX,
    HELD_PUSHES_MAX,
    Phase,
    Session,
    SessionSettings,
    State,
    Subscription,
)
from edge.timers import Timers
from edge.variants import DELTA_OFF, Variant
from hubbub.base.errors import (
    ALREADY_SUBSCRIBED,
    BAD_PROTOCOL,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    LIMIT_EXCEEDED,
    NO_PONG,
    RATE_LIMITED,
    REMOVED_FROM_CHANNEL,
    SHUTDOWN,
    STALE,
    TOKEN_EXPIRED,
    UNKNOWN_CHANNEL,
    UNSUBSCRIBED_INSUFFICIENT,
    CloseCode,
    LocalProtocolError,
    Rejected,
    RemoteProtocolError,
)
from hubbub.wire import client_shapes as shapes
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import ConnectResult, Publication, SubscribeResult

PLAIN = Variant("json", 0, DELTA_OFF)


class Sink:
    """What a session writes to: an Outgoing that keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.closed: CloseCode | None = None
        self.heartbeats = 0

    def _take(self, message: bytes) -> None:
        assert self.closed is None, "the disconnect is the last thing sent"
        self.messages.append(json.loads(message))

    reply = push = push_signal = _take

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def close(self, close: CloseCode) -> None:
        self.closed = close

    def take(self) -> list[Any]:
        messages, self.messages = self.messages, []
        return messages


class Stage:
    """One session with its surroundings."""

    def __init__(self, *, peer: Peer | None = None, **settings: int) -> None:
        self.timers: Timers[Session] = Timers(0)
        self.ended: list[str] = []
        self.sink = Sink()
        shared = SessionSettings(timers=self.timers, on_ended=self._ended, **settings)
        peer = peer or Peer(encoding=JSON, transport="websocket", remote="::1")
        self.session = Session(self.sink, peer, shared, now_ms=0)  # type: ignore[arg-type]

    def _ended(self, subscription: Subscription) -> None:
        self.ended.append(subscription.channel)

    def send(self, *commands: object) -> list[shapes.Command]:
        return self.session.receive("\n".join(map(json.dumps, commands)).encode())

    def refused(self, *commands: object) -> CloseCode:
        with pytest.raises(RemoteProtocolError) as caught:
            self.send(*commands)
        return caught.value.close

    def connect(self, *, expires_in_ms: int = 0, **result: Any) -> None:
        self.send({"id": 1, "connect": {}})
        self.session.identify("demo", "ann", "c1")
        self.answer_connect(expires_in_ms=expires_in_ms, **result)
        self.sink.take()

    def answer_connect(self, *, expires_in_ms: int = 0, **result: Any) -> list[shapes.Command]:
        return self.session.connected(
            1,
            ConnectResult(client="c1", version="1", **result),
            now_ms=0,
            random=0.0,
            expires_in_ms=expires_in_ms,
        )

    def begin(self, channel: str, id: int = 2) -> Subscription:
        [command] = self.send({"id": id, "subscribe": {"channel": channel}})
        assert isinstance(command, shapes.Subscribe)
        return self.session.begin(command, PLAIN)

    def subscribe(self, channel: str, **result: Any) -> Subscription:
        subscription = self.begin(channel)
        assert self.session.subscribed(subscription, SubscribeResult(), **result)
        self.sink.take()
        return subscription

    def advance(self, now_ms: int) -> None:
        """As the process does: the wheel, then the sessions that are due."""
        for session in self.timers.advance(now_ms):
            session.tick(now_ms)


def pub(seq: int) -> bytes:
    return JSON.push_publication("x", Publication(b"%d" % seq, seq))


def offsets(messages: list[Any]) -> list[int]:
    return [message["push"]["pub"].get("offset", 0) for message in messages]


# --- connect


def test_the_happy_conversation() -> None:
    stage = Stage()
    [command] = stage.send({"id": 1, "connect": {"token": "t"}})
    assert command == shapes.Connect(1, "t")
    stage.session.identify("demo", "ann", "c1")
    assert stage.answer_connect() == []
    assert stage.sink.take() == [
        {"id": 1, "connect": {"client": "c1", "version": "1", "ping": 25, "pong": True}}
    ]
    assert stage.send({"id": 2, "rpc": {"method": "m", "data": 1}}) == [shapes.Rpc(2, "m", b"1")]
    stage.session.reply_rpc(2, b'{"ok":true}')
    assert stage.sink.take() == [{"id": 2, "rpc": {"data": {"ok": True}}}]


@pytest.mark.parametrize(
    "command",
    [
        {"id": 1, "rpc": {"method": "m"}},
        {"id": 1, "subscribe": {"channel": "x"}},
        {"send": {"data": 1}},
        {},
    ],
)
def test_the_first_command_must_be_connect(command: object) -> None:
    assert Stage().refused(command) is BAD_PROTOCOL


def test_what_follows_connect_waits_for_its_answer() -> None:
    stage = Stage()
    connect = {"id": 1, "connect": {}}
    assert len(stage.send(connect, {"id": 2, "subscribe": {"channel": "x"}})) == 1
    assert stage.send({"id": 3, "rpc": {"method": "m"}}) == []
    stage.session.identify("demo", "ann", "c1")
    assert stage.answer_connect() == [shapes.Subscribe(2, "x"), shapes.Rpc(3, "m", b"")]


def test_subscribes_right_behind_the_connect_may_be_taken_ahead() -> None:
    stage = Stage()
    rpc = {"id": 4, "rpc": {"method": "m"}}
    later = {"id": 5, "subscribe": {"channel": "z"}}
    subscribes = [{"id": n, "subscribe": {"channel": c}} for n, c in ((2, "x"), (3, "y"))]
    stage.send({"id": 1, "connect": {}}, *subscribes, rpc, later)
    stage.session.identify("demo", "ann", "c1")
    ahead = [shapes.Subscribe(2, "x"), shapes.Subscribe(3, "y")]
    assert stage.session.take_ahead() == ahead
    assert stage.session.take_ahead() == []
    assert stage.answer_connect() == [shapes.Rpc(4, "m", b""), shapes.Subscribe(5, "z")]
    assert stage.session.take_ahead() == []


def test_a_refused_connect_swallows_the_rest_and_then_closes() -> None:
    stage = Stage()
    stage.send({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "x"}})
    stage.session.refuse(1, TOKEN_EXPIRED, "token_expired: token expired")
    assert [message["error"]["code"] for message in stage.sink.take()] == [109]
    assert stage.refused({"id": 3, "rpc": {"method": "m"}}) is BAD_PROTOCOL
    assert stage.session.state is State.REFUSED


def test_a_second_connect_closes() -> None:
    stage = Stage()
    stage.send({"id": 1, "connect": {}})
    assert stage.refused({"id": 2, "connect": {}}) is BAD_PROTOCOL
    other = Stage()
    other.connect()
    assert other.refused({"id": 2, "connect": {}}) is BAD_PROTOCOL


def test_what_waits_for_connect_is_bounded() -> None:
    stage = Stage()
    stage.send({"id": 1, "connect": {}})
    flood = [{"id": 2, "rpc": {"method": "m"}}] * DEFERRED_MAX
    assert stage.send(*flood) == []
    assert stage.refused({"id": 3, "rpc": {"method": "m"}}) is BAD_PROTOCOL


def test_emulated_clients_learn_their_session_and_node() -> None:
    peer = Peer(encoding=JSON, transport="sse", remote="::1", session_id="s1", node="edge-1.ff")
    stage = Stage(peer=peer)
    stage.send({"id": 1, "connect": {}})
    stage.session.identify("demo", "ann", "c1")
    stage.answer_connect()
    [reply] = stage.sink.take()
    assert (reply["connect"]["session"], reply["connect"]["node"]) == ("s1", "edge-1.ff")


def test_the_connect_may_be_answered_after_the_connection_went() -> None:
    stage = Stage()
    stage.send({"id": 1, "connect": {}})
    stage.session.identify("demo", "ann", "c1")
    stage.session.ended()
    assert stage.answer_connect() == []
    stage.session.refuse(1, TOKEN_EXPIRED, "")
    assert stage.sink.messages == []


@pytest.mark.parametrize(
    "command",
    [
        {"id": 2, "subscribe": {}},
        {"id": 2, "subscribe": {"channel": "x", "delta": "other"}},
        {"id": 2, "unsubscribe": {}},
        {"id": 2, "publish": {"data": 1}},
        {"id": 2, "publish": {"channel": "x"}},
        {"id": 2, "presence": {}},
        {"id": 2, "presence_stats": {}},
        {"id": 2, "history": {}},
        {"id": 2, "refresh": {}},
        {"id": 2, "sub_refresh": {"token": "t"}},
        {"id": 2, "sub_refresh": {"channel": "x"}},
        {"id": 2, "ping": {}},
        {"id": 2},
        {},
    ],
)
def test_commands_that_close(command: object) -> None:
    stage = Stage()
    stage.connect()
    assert stage.refused(command) is BAD_PROTOCOL


def test_our_own_mistakes_are_bugs() -> None:
    stage = Stage()
    with pytest.raises(LocalProtocolError):
        stage.session.identify("demo", "ann", "c1")
    with pytest.raises(LocalProtocolError):
        stage.answer_connect()
    with pytest.raises(LocalProtocolError):
        stage.session.begin(shapes.Subscribe(1, "x"), PLAIN)


# --- subscriptions


def test_pushes_are_held_until_the_reply_and_then_released_in_order() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    for seq in (3, 4, 0, 5):
        subscription.hold(pub(seq), seq)
    recovered = tuple(Publication(b"%d" % seq, seq) for seq in (2, 3, 4))
    result = SubscribeResult(offset=1, recovered=True, publications=recovered)
    assert stage.session.subscribed(subscription, result)
    reply, *pushes = stage.sink.take()
    assert reply["id"] == 2
    assert offsets(pushes) == [0, 5]
    subscription.outgoing.push(pub(6))
    assert offsets(stage.sink.take()) == [6]


def test_without_recovery_what_the_position_covers_is_not_sent() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    for seq in (7, 8, 8, 9, 9):
        subscription.hold(pub(seq), seq)
    assert stage.session.subscribed(subscription, SubscribeResult(offset=8))
    _, *pushes = stage.sink.take()
    assert offsets(pushes) == [9]


@given(st.integers(0, 10), st.integers(0, 10), st.lists(st.integers(0, 20), max_size=20))
def test_offsets_only_rise_whatever_was_held(offset: int, recovered: int, held: list[int]) -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    for seq in sorted(held):
        subscription.hold(pub(seq), seq)
    publications = tuple(
        Publication(b"1", seq) for seq in range(offset + 1, offset + recovered + 1)
    )
    result = SubscribeResult(offset=offset, recovered=True, publications=publications)
    stage.session.subscribed(subscription, result)
    _, *pushes = stage.sink.take()
    top = offset + recovered
    expected = sorted({seq for seq in held if seq > top})
    assert [seq for seq in offsets(pushes) if seq] == expected
    assert offsets(pushes).count(0) == held.count(0)


def test_too_many_held_pushes_end_in_a_resubscribe() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    for seq in range(1, HELD_PUSHES_MAX + 2):
        subscription.hold(pub(seq), seq)
    assert not stage.session.subscribed(subscription, SubscribeResult())
    reply, push = stage.sink.take()
    assert reply == {"id": 2, "subscribe": {}}
    assert push["push"]["unsubscribe"]["code"] == 2500
    assert stage.ended == ["x"]


def test_the_same_channel_twice_and_too_many_channels() -> None:
    stage = Stage(channels_max=2)
    stage.connect()
    stage.subscribe("x")
    with pytest.raises(Rejected) as twice:
        stage.begin("x", id=3)
    assert twice.value.error is ALREADY_SUBSCRIBED
    stage.subscribe("y")
    with pytest.raises(Rejected) as many:
        stage.begin("z", id=4)
    assert many.value.error is LIMIT_EXCEEDED


def test_a_failed_subscribe_leaves_the_channel_free() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    stage.session.subscribe_failed(subscription, UNKNOWN_CHANNEL)
    assert stage.sink.take() == [{"id": 2, "error": {"code": 102, "message": "unknown channel"}}]
    assert stage.ended == ["x"]
    stage.subscribe("x")


def test_unsubscribe_always_succeeds() -> None:
    stage = Stage()
    stage.connect()
    stage.subscribe("x")
    for id in (5, 6):
        stage.session.unsubscribe(shapes.Unsubscribe(id, "x"))
    assert stage.sink.take() == [{"id": 5, "unsubscribe": {}}, {"id": 6, "unsubscribe": {}}]
    assert stage.ended == ["x"]


def test_a_client_that_left_meanwhile_gets_one_subscribe_reply() -> None:
    """At once: without any, his SDK waited for its timeout of 5 s."""
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    stage.session.unsubscribe(shapes.Unsubscribe(3, "x"))
    again = stage.begin("x", id=4)
    assert not stage.session.subscribed(subscription, SubscribeResult())
    stage.session.subscribe_failed(subscription, UNKNOWN_CHANNEL)
    assert stage.session.subscribed(again, SubscribeResult())
    first, *others = stage.sink.take()
    assert (first["id"], first["error"]["code"], first["error"]["temporary"]) == (2, 100, True)
    assert [message["id"] for message in others] == [3, 4]
    assert stage.session.subscriptions == {"x": again}


def test_the_server_ends_a_subscription() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe("x")
    assert subscription.user == "ann"
    subscription.end(REMOVED_FROM_CHANNEL)
    subscription.end(REMOVED_FROM_CHANNEL)
    [push] = stage.sink.take()
    assert push["push"] == {
        "channel": "x",
        "unsubscribe": {"code": 2100, "reason": "removed from channel"},
    }
    assert (stage.ended, subscription.phase) == (["x"], Phase.ENDED)


@pytest.mark.parametrize(
    ("close", "code"), [(REMOVED_FROM_CHANNEL, 103), (UNSUBSCRIBED_INSUFFICIENT, 100)]
)
def test_an_end_during_the_subscribe_answers_it(close: CloseCode, code: int) -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.begin("x")
    subscription.end(close)
    subscription.hold(pub(1), 1)
    assert [message["error"]["code"] for message in stage.sink.take()] == [code]
    assert not stage.session.subscribed(subscription, SubscribeResult())


def test_server_side_subscriptions_come_with_the_connect_reply() -> None:
    stage = Stage()
    stage.send({"id": 1, "connect": {}})
    stage.session.identify("demo", "ann", "c1")
    subscription = stage.session.begin_server_side("#ann", PLAIN)
    subscription.hold(pub(6), 6)
    stage.answer_connect(subs={"#ann": SubscribeResult(offset=5)})
    reply, push = stage.sink.take()
    assert reply["connect"]["subs"] == {"#ann": {"offset": 5}}
    assert offsets([push]) == [6]
    stage.session.unsubscribe(shapes.Unsubscribe(2, "#ann"))
    assert list(stage.session.subscriptions) == ["#ann"]
    subscription.end(UNSUBSCRIBED_INSUFFICIENT)
    assert stage.sink.closed is INSUFFICIENT_STATE
    assert stage.ended == ["#ann"]


def test_the_server_subscribes_a_live_session() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.session.begin_server_side("#ann", PLAIN)
    assert stage.session.subscribed_by_server(
        subscription, SubscribeResult(recoverable=True, offset=2)
    )
    [push] = stage.sink.take()
    assert push["push"]["subscribe"] == {"recoverable": True, "offset": 2}
    assert not stage.session.subscribed_by_server(subscription, SubscribeResult())


def test_refusals_carry_their_name_and_details() -> None:
    stage = Stage()
    stage.connect()
    stage.session.reply_rejected(7, Rejected(RATE_LIMITED, retry_after_ms=1600))
    assert stage.sink.take() == [
        {
            "id": 7,
            "error": {
                "code": 111,
                "message": 'rate_limited: slow down {"retry_after_ms":1600}',
                "temporary": True,
            },
        }
    ]


# --- time


def test_pings_come_on_time_and_are_answered() -> None:
    stage = Stage()
    stage.connect()
    at = []
    for now in range(0, 100_000, 250):
        stage.advance(now)
        if stage.sink.take() == [{}]:
            at.append(now)
            stage.send({})
    assert [12_500 <= at[0] <= 13_000, len(at)] == [True, 4]
    gaps = [second - first for first, second in pairwise(at)]
    assert all(25_000 <= gap <= 25_500 for gap in gaps)
    assert stage.sink.closed is None


def test_no_pong_closes() -> None:
    stage = Stage()
    stage.connect()
    stage.advance(13_000)
    assert stage.sink.take() == [{}]
    stage.advance(20_000)
    assert stage.sink.closed is None
    stage.advance(21_500)
    assert stage.sink.closed is NO_PONG


def test_a_pong_that_was_not_asked_for_closes() -> None:
    stage = Stage()
    stage.connect()
    stage.advance(13_000)
    stage.send({})
    assert stage.refused({}) is BAD_PROTOCOL


def test_transport_pings_replace_ours() -> None:
    peer = Peer(encoding=JSON, transport="websocket", remote="::1", application_pings=False)
    stage = Stage(peer=peer)
    stage.send({"id": 1, "connect": {}})
    stage.session.identify("demo", "ann", "c1")
    stage.answer_connect()
    assert stage.sink.take() == [{"id": 1, "connect": {"client": "c1", "version": "1"}}]
    for now in range(0, 60_000, 250):
        stage.advance(now)
    assert (stage.sink.messages, stage.sink.heartbeats, stage.sink.closed) == ([], 2, None)


def test_a_connection_that_does_not_connect_is_stale() -> None:
    stage = Stage()
    stage.advance(9_900)
    assert stage.sink.closed is None
    stage.advance(10_500)
    assert stage.sink.closed is STALE
    assert stage.refused({"id": 1, "connect": {}}) is BAD_PROTOCOL


def test_a_token_expires_after_its_grace_unless_it_is_refreshed() -> None:
    stage = Stage(ping_interval_ms=3_600_000)
    stage.connect(expires_in_ms=60_000)
    stage.advance(80_000)
    stage.session.refreshed(now_ms=80_000, expires_in_ms=60_000)
    stage.advance(164_000)
    assert stage.sink.closed is None
    stage.advance(166_000)
    assert stage.sink.closed is CONNECTION_EXPIRED


def test_a_subscription_expires_alone() -> None:
    stage = Stage(ping_interval_ms=3_600_000)
    stage.connect()
    stage.subscribe("x", expires_ms=30_000)
    kept = stage.subscribe("y", expires_ms=40_000)
    stage.subscribe("z")
    stage.session.subscription_refreshed(kept, 90_000)
    stage.advance(29_900)
    assert stage.sink.messages == []
    stage.advance(31_000)
    stage.advance(41_000)
    [push] = stage.sink.take()
    assert push["push"]["channel"] == "x"
    assert push["push"]["unsubscribe"]["code"] == 2501
    stage.advance(91_000)
    assert [push["push"]["channel"] for push in stage.sink.take()] == ["y"]
    assert list(stage.session.subscriptions) == ["z"]


def test_closing_ends_everything_once() -> None:
    stage = Stage()
    stage.connect()
    stage.subscribe("x")
    stage.begin("y", id=3)
    stage.session.close(SHUTDOWN)
    stage.session.close(STALE)
    stage.session.ended()
    assert (sorted(stage.ended), stage.sink.closed) == (["x", "y"], SHUTDOWN)
    assert not stage.session.is_connected
    for now in range(0, 100_000, 1_000):
        stage.advance(now)
    assert stage.sink.messages == []


@given(st.lists(st.sampled_from(["connect", "rpc", "subscribe", "pong", "junk", "tick"])))
def test_any_conversation_answers_or_breaks_the_protocol(steps: list[str]) -> None:
    frames = {
        "connect": b'{"id":1,"connect":{}}',
        "rpc": b'{"id":2,"rpc":{"method":"m"}}',
        "subscribe": b'{"id":3,"subscribe":{"channel":"x"}}',
        "pong": b"{}",
        "junk": b"\xff",
    }
    stage = Stage()
    session = stage.session
    now = 0
    for step in steps:
        now += 5_000
        if step == "tick":
            stage.advance(now)
            continue
        try:
            commands = session.receive(frames[step])
        except RemoteProtocolError as error:
            session.close(error.close)
            continue
        for command in commands:
            if isinstance(command, shapes.Connect):
                session.identify("demo", "ann", "c1")
                stage.answer_connect()
    if "junk" in steps:
        assert session.state is State.CLOSED
