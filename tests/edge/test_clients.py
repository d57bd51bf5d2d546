"""What client commands mean: dialogues over real sessions, with the cluster played by the test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.clients import FIGURES_MISSED_MAX, RETURNS_PER_S
from edge.connecting import BOOTSTRAP_HEADS
from edge.connection import Peer
from edge.heads import LINGER_TICKS
from hubbub.base.errors import (
    CHANNEL_NOT_FOUND,
    INTERNAL,
    NOT_A_MEMBER,
    RATE_LIMITED,
    REMOVED_FROM_CHANNEL,
    SHUTDOWN,
    UNRECOVERABLE_POSITION,
)
from hubbub.settings.app import Rate
from hubbub.wire.centrifuge import JSON
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.event import EVICTS, LISTS, UNLISTS
from hubbub.wire.shapes import Kind, Lines, Outcome, Presence, SignalKind, Submit
from tests.edge.stage import (
    BUDGET_BYTES,
    EdgeStage,
    Person,
    event_body,
    offsets,
)

ROOM = "group:x"


def code(reply: Any) -> int:
    return int(reply["error"]["code"])


def details(reply: Any) -> Any:
    """The JSON object behind an error's text."""
    text = reply["error"]["message"]
    return json.loads(text[text.index("{") :])


def nothing_left(stage: EdgeStage) -> None:
    """After everybody left nothing may be kept for anybody."""
    assert stage.clients.sessions == {}
    for _ in range(LINGER_TICKS):
        stage.heads.tick()
    assert stage.hub.channels == {}
    assert stage.interest == set()
    assert stage.flusher.total_bytes == 0


# --- connect


def test_connect_answers_with_bootstrap_and_the_own_stream() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token("ann", info={"name": "Ann"})}})
    assert ann.take() == [], "the answer needs the own stream"
    ask = stage.take(Kind.SUBSCRIBE)
    assert (ask.key, ask.subscribe.viewer.user, ask.subscribe.edge) == ("#ann", "ann", "edge-1.1")
    info = json.loads(ask.subscribe.viewer.info)
    assert (info["client"], info["transport"]) == ("client-1", "websocket")
    assert "conn_info" not in info, "what her devices see of the connection"
    ask.subscribed(7, data=b'{"hello":"ann"}')
    [reply] = ann.take()
    result = reply["connect"]
    assert result["client"] == "client-1"
    assert result["version"]
    assert result["data"] == {"hello": "ann", "cursor": ["e", 7], "heads": {}}
    assert result["subs"]["#ann"]["offset"] == 7
    assert "data" not in result["subs"]["#ann"], "the snapshot is told once"
    assert (result["expires"], result["ttl"]) == (True, 3_600)
    ann.gone()
    nothing_left(stage)


def test_an_expired_token_is_an_error_and_the_connection_is_over() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    past = stage.clock.wall_ms() // 1_000 - 10
    reply = ann.ask(connect={"token": stage.token(exp=past)})
    assert code(reply) == 109
    assert reply["error"]["message"].startswith("token_expired: ")
    ann.send({"rpc": {"method": "x"}})
    assert ann.closed is not None
    assert ann.closed.code == 3501


@pytest.mark.parametrize("token", ["rubbish", "a.b.c"])
def test_an_invalid_token_closes(token: str) -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": token}})
    assert ann.closed is not None
    assert ann.closed.code == 3500
    assert stage.asks == []


def test_without_a_token_the_app_decides() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {}})
    assert ann.closed is not None
    assert ann.closed.code == 3501
    free = EdgeStage(token_required=False)
    anonymous = Person(free)
    reply = anonymous.ask(connect={})
    assert "subs" not in reply["connect"]
    assert "ttl" not in reply["connect"]
    assert free.asks == []


def test_a_token_that_expired_while_it_was_answered_is_refused() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token(exp=stage.clock.wall_ms() // 1_000 + 3)}})
    stage.clock.advance(5_000)
    stage.take(Kind.SUBSCRIBE).subscribed()
    [reply] = ann.take()
    assert code(reply) == 109


def test_info_that_is_no_json_is_refused_not_a_crash() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    reply = ann.ask(connect={"token": stage.token(b64info="bm90IGpzb24=")})
    assert code(reply) == 107
    assert stage.clients.broken == 0


def test_a_refused_own_stream_refuses_the_connect_with_its_details() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}}, {"subscribe": {"channel": ROOM}})
    stage.take(Kind.SUBSCRIBE).rejected(RATE_LIMITED, "slow down", retry_after_ms=1_600)
    [reply] = ann.take()
    assert code(reply) == 111
    assert details(reply) == {"retry_after_ms": 1_600}
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed()
    assert ann.take() == [], "what was pipelined behind a refused connect is swallowed"
    ann.gone()
    nothing_left(stage)


def test_the_handshake_limit_says_when_to_come_back() -> None:
    stage = EdgeStage(handshakes_per_address=Rate(1.0, 1))
    peer = Peer(encoding=JSON, transport="websocket", remote="10.0.0.9")
    Person(stage, peer).send({"connect": {"token": stage.token()}})
    reply = Person(stage, peer).ask(connect={"token": stage.token()})
    assert code(reply) == 111
    assert reply["error"]["temporary"]
    assert 0 < details(reply)["retry_after_ms"] <= 1_001
    assert details(reply)["scope"] == "address"


def test_channels_of_the_token_are_subscribed_from_the_start() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    token = stage.token(channels=["raw:a", "raw:b"])
    subs = {"raw:b": {"recover": True, "offset": 3, "epoch": "e"}}
    ann.send({"connect": {"token": token, "subs": subs}})
    stage.take(Kind.SUBSCRIBE, "#ann").subscribed(1)
    stage.take(Kind.SUBSCRIBE, "raw:a").subscribed(2)
    assert ann.take() == []
    ask = stage.take(Kind.SUBSCRIBE, "raw:b")
    assert (ask.subscribe.recover, ask.subscribe.offset, ask.subscribe.epoch) == (True, 3, "e")
    stage.event("raw:b", 6)
    ask.subscribed(5, event_body(4), event_body(5))
    first, *pushes = ann.take()
    result = first["connect"]["subs"]
    assert sorted(result) == ["#ann", "raw:a", "raw:b"]
    assert result["raw:b"]["recovered"]
    assert [p["offset"] for p in result["raw:b"]["publications"]] == [4, 5]
    assert offsets(pushes, "raw:b") == [6], "what came meanwhile follows the reply"
    stage.event("raw:b", 7)
    assert offsets(ann.take(), "raw:b") == [7]


def test_commands_behind_a_connect_wait_for_it() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    history = {"history": {"channel": "raw:a"}}
    ann.send({"connect": {"token": stage.token()}}, history, {"subscribe": {"channel": ROOM}})
    assert [ask.key for ask in stage.asks] == ["#ann"]
    stage.take(Kind.SUBSCRIBE).subscribed()
    assert [ask.key for ask in stage.asks] == ["raw:a", ROOM]
    stage.take(Kind.SUBSCRIBE).subscribed(4)
    connect, subscribe = ann.take()
    assert (connect["id"], subscribe["id"]) == (1, 3)


@pytest.mark.parametrize(
    ("command", "close"),
    [({"send": {"data": {}}}, 3508), ({"refresh": {"token": "rubbish"}}, 3500)],
)
def test_a_forbidden_command_behind_a_connect_closes_its_own_session_alone(
    command: dict[str, Any], close: int
) -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    stage.clients.frame(ann.session, json.dumps({"id": 2, **command}).encode())
    stage.take(Kind.SUBSCRIBE).subscribed()  # must not raise into the link that brought it
    assert ann.closed is not None
    assert ann.closed.code == close


def test_an_own_stream_that_ends_while_it_is_asked_for_ends_the_connection() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    stage.hub.end(stage.hub.channels[("demo", "#ann")], "ann", REMOVED_FROM_CHANNEL)
    assert ann.closed is not None
    assert ann.closed.code == 3010
    stage.take(Kind.SUBSCRIBE).subscribed()
    ann.gone()
    nothing_left(stage)


def test_too_many_devices_of_one_user() -> None:
    stage = EdgeStage(devices_per_user_max=2)
    first = stage.person()
    stage.person()
    stage.person("bob")
    third = Person(stage)
    third.send({"connect": {"token": stage.token()}})
    assert third.closed is not None
    assert third.closed.code == 3504
    third.gone()
    first.gone()
    assert stage.person().closed is None


def test_a_full_edge_takes_nobody() -> None:
    stage = EdgeStage(connections_max=1)
    ann = stage.person()
    assert stage.clients.open(ann.outgoing, ann.session.peer) is None
    ann.gone()
    assert stage.clients.open(ann.outgoing, ann.session.peer) is not None


# --- subscribe


def test_a_subscribe_gives_the_position_and_then_events() -> None:
    stage = EdgeStage()
    ann = stage.person()
    [id] = ann.send({"subscribe": {"channel": ROOM, "data": {"a": 1}}})
    ask = stage.take(Kind.SUBSCRIBE, ROOM)
    assert ask.subscribe.args == b'{"a": 1}'
    stage.event(ROOM, 5)
    assert ann.take() == [], "the reply comes first"
    ask.subscribed(4, data=b'{"snapshot":1}')
    stage.event(ROOM, 6)
    reply, *pushes = ann.take()
    assert reply["id"] == id
    result = reply["subscribe"]
    assert (result["offset"], result["epoch"], result["data"]) == (4, "e", {"snapshot": 1})
    assert result["recoverable"]
    assert result["positioned"]
    assert offsets(pushes, ROOM) == [5, 6]


def test_recovery_gives_what_was_missed_and_no_more() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send({"subscribe": {"channel": ROOM, "recover": True, "offset": 2, "epoch": "e"}})
    stage.event(ROOM, 4)
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(4, event_body(3), event_body(4))
    stage.event(ROOM, 5)
    reply, *pushes = ann.take()
    result = reply["subscribe"]
    assert result["was_recovering"]
    assert result["recovered"]
    assert result["offset"] == 2, "the client advances by the publications"
    assert [p["offset"] for p in result["publications"]] == [3, 4]
    assert offsets(pushes, ROOM) == [5]


@pytest.mark.parametrize("flag", [0, 2])
def test_recovery_beyond_the_budget_is_none(flag: int) -> None:
    stage = EdgeStage()
    ann = stage.person()
    position = {"recover": True, "offset": 1, "epoch": "e", "flag": flag}
    ann.send({"subscribe": {"channel": ROOM, **position}})
    bodies = [event_body(seq, info=b" " * 32_000) for seq in range(2, 6)]
    assert sum(map(len, bodies)) > BUDGET_BYTES
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(5, *bodies)
    [reply] = ann.take()
    if flag:
        assert code(reply) == 112
        assert ("demo", ROOM) not in stage.interest
    else:
        result = reply["subscribe"]
        assert not result.get("recovered", False)
        assert "publications" not in result
        assert result["offset"] == 5


SUBSCRIBE_ERRORS: list[tuple[dict[str, Any], int]] = [
    ({"channel": "@app"}, 102),
    ({"channel": "nowhere:x"}, 102),
    ({"channel": "plain"}, 102),
    ({"channel": "members:x"}, 102),
    ({"channel": "with space"}, 107),
    ({"channel": "#a,b"}, 107),
    ({"channel": "#ann"}, 105),
    ({"channel": ROOM, "type": 1}, 108),
    ({"channel": ROOM, "tf": {"op": "eq"}}, 107),
    ({"channel": ROOM, "token": "rubbish"}, 103),
]


@pytest.mark.parametrize(("command", "expected"), SUBSCRIBE_ERRORS)
def test_what_the_edge_refuses_by_itself(command: dict[str, Any], expected: int) -> None:
    stage = EdgeStage()
    ann = stage.person()
    interest = set(stage.interest)
    assert code(ann.ask(subscribe=command)) == expected
    assert stage.asks == []
    assert stage.interest == interest
    assert ann.closed is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [(NOT_A_MEMBER, 420), (CHANNEL_NOT_FOUND, 405), (INTERNAL, 100), (UNRECOVERABLE_POSITION, 112)],
)
def test_what_the_leader_refuses_is_passed_on_and_leaves_nothing(error: Any, expected: int) -> None:
    stage = EdgeStage()
    ann = stage.person()
    [id] = ann.send({"subscribe": {"channel": ROOM}})
    stage.take(Kind.SUBSCRIBE, ROOM).rejected(error, "why", limit=3)
    [reply] = ann.take()
    assert (reply["id"], code(reply)) == (id, expected)
    assert reply["error"]["message"].startswith(f"{error.name}: why ")
    assert details(reply) == {"limit": 3}
    assert ("demo", ROOM) not in stage.interest
    assert stage.subscriber(ann, ROOM, 3)["offset"] == 3, "it may try again"


def test_no_answer_is_a_temporary_error_of_that_subscription() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send({"subscribe": {"channel": ROOM}})
    stage.take(Kind.SUBSCRIBE, ROOM).unknown()
    [reply] = ann.take()
    assert code(reply) == 100
    assert reply["error"]["temporary"]
    assert ann.closed is None


def test_an_expired_subscription_token_is_109_and_anothers_closes() -> None:
    stage = EdgeStage()
    ann = stage.person()
    past = stage.clock.wall_ms() // 1_000 - 10
    expired = stage.token(channel=ROOM, exp=past)
    assert code(ann.ask(subscribe={"channel": ROOM, "token": expired})) == 109
    ann.send({"subscribe": {"channel": ROOM, "token": stage.token("bob", channel=ROOM)}})
    assert ann.closed is not None
    assert ann.closed.code == 3500


def test_too_many_channels_leave_no_channel_behind() -> None:
    stage = EdgeStage()
    ann = stage.person()
    for number in range(4):
        stage.subscriber(ann, f"raw:{number}")
    interest = set(stage.interest)
    for number in range(10, 20):
        assert code(ann.ask(subscribe={"channel": f"raw:{number}", "flag": 1})) == 106
    assert code(ann.ask(subscribe={"channel": "raw:1", "flag": 1})) == 105
    assert stage.interest == interest
    ann.gone()
    nothing_left(stage)


def test_a_subscribe_that_was_taken_back_gets_no_late_reply() -> None:
    stage = EdgeStage()
    ann = stage.person()
    sent = ann.send({"subscribe": {"channel": ROOM}}, {"unsubscribe": {"channel": ROOM}})
    assert [row["id"] for row in ann.take()] == sent
    assert ("demo", ROOM) not in stage.interest
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(4, presence=True)
    assert ann.take() == []
    gone = stage.take(Kind.PRESENCE, ROOM)
    assert decode_pack(gone.body, Presence).left == (ann.session.client,)


def test_a_resubscribe_is_not_reported_as_gone_by_the_first_ones_answer() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send(
        {"subscribe": {"channel": ROOM}},
        {"unsubscribe": {"channel": ROOM}},
        {"subscribe": {"channel": ROOM}},
    )
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(4, presence=True)
    assert [ask.kind for ask in stage.asks] == [Kind.SUBSCRIBE]
    stage.take(Kind.SUBSCRIBE, ROOM).subscribed(4, presence=True)
    assert [row["id"] for row in ann.take()] == [2, 3, 4]


def test_leaving_a_channel_with_presence_is_reported() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.subscriber(ann, ROOM, presence=True)
    channel = stage.hub.channels[("demo", ROOM)]
    [(client, info)] = stage.clients.present(channel)
    assert (client, json.loads(info)["user"]) == (ann.session.client, "ann")
    ann.gone()
    assert decode_pack(stage.take(Kind.PRESENCE, ROOM).body, Presence).left == (client,)


def test_an_eviction_unsubscribes_with_its_code() -> None:
    stage = EdgeStage()
    ann, bob = stage.person(), stage.person("bob")
    stage.subscriber(ann, ROOM)
    stage.subscriber(bob, ROOM)
    stage.event(ROOM, 1, EVICTS, b'["bob"]')
    assert [next(iter(set(row["push"]) - {"channel"})) for row in bob.take()] == [
        "pub",
        "unsubscribe",
    ]
    assert offsets(ann.take(), ROOM) == [1]
    stage.event(ROOM, 2)
    assert bob.take() == []


def test_subscribes_have_a_bucket_of_their_own() -> None:
    stage = EdgeStage(subscribes_per_connection=Rate(1.0, 1))
    ann = stage.person()
    stage.subscriber(ann, "raw:1")
    reply = ann.ask(subscribe={"channel": "raw:2"})
    assert code(reply) == 111
    assert details(reply)["scope"] == "subscribe"


# --- rpc


def test_an_rpc_is_answered_once() -> None:
    stage = EdgeStage()
    ann = stage.person()
    data = {"channel": ROOM, "text": "hi", "data": {"n": 1}}
    [id] = ann.send({"rpc": {"method": "message.send", "data": data}})
    submit = decode_pack(stage.asks[0].body, Submit)
    assert submit.tag == "message.send"
    assert json.loads(submit.body)["data"] == {"n": 1}
    stage.take(Kind.SUBMIT).ok(encode_pack(Outcome(9, 1_000, "mid")))
    [reply] = ann.take()
    assert reply["id"] == id
    assert reply["rpc"]["data"]["seq"] == 9


def test_unknown_methods_and_unknown_outcomes() -> None:
    stage = EdgeStage()
    ann = stage.person()
    assert code(ann.ask(rpc={"method": "no.such"})) == 108
    ann.send({"rpc": {"method": "message.send", "data": {"channel": ROOM, "text": "hi"}}})
    stage.take(Kind.SUBMIT).unknown()
    [reply] = ann.take()
    assert code(reply) == 400
    assert reply["error"]["temporary"]


def test_the_command_limit_says_when_the_next_one_passes() -> None:
    stage = EdgeStage(commands_per_connection=Rate(10.0, 2))
    ann = stage.person()
    for _ in range(2):
        assert code(ann.ask(rpc={"method": "no.such"})) == 108
    reply = ann.ask(rpc={"method": "no.such"})
    assert code(reply) == 111
    assert reply["error"]["message"].startswith("rate_limited: ")
    assert reply["error"]["temporary"]
    wait_ms = details(reply)["retry_after_ms"]
    assert 0 < wait_ms <= 101
    stage.clock.advance(wait_ms)
    assert code(ann.ask(rpc={"method": "no.such"})) == 108


def test_answers_for_a_connection_that_is_gone_go_nowhere() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send(
        {"rpc": {"method": "message.send", "data": {"channel": ROOM, "text": "hi"}}},
        {"subscribe": {"channel": ROOM}},
        {"history": {"channel": "raw:1"}},
    )
    ann.gone()
    for ask in list(stage.asks):
        if ask.kind is Kind.SUBSCRIBE:
            ask.subscribed(4)
        else:
            ask.unknown()
    assert ann.take() == []
    nothing_left(stage)


# --- tokens and time


def test_send_is_not_available() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.clients.frame(ann.session, b'{"send":{"data":{}}}')
    assert ann.closed is not None
    assert ann.closed.code == 3508


def test_a_revocation_closes_whom_it_hits() -> None:
    stage = EdgeStage()
    ann, bob, jti = stage.person(), stage.person("bob"), Person(stage)
    jti.send({"connect": {"token": stage.token("bob", jti="t1")}})
    stage.take(Kind.SUBSCRIBE, "#bob").subscribed()
    stage.auth.revoke_user("demo", "ann", stage.clock.wall_ms() + 1_000)
    stage.clients.revoked("demo", "ann", "")
    stage.auth.revoke_token("demo", "t1")
    stage.clients.revoked("demo", "", "t1")
    assert [p.closed and p.closed.code for p in (ann, bob, jti)] == [4501, None, 4501]
    again = Person(stage)
    again.send({"connect": {"token": stage.token()}})
    assert again.closed is not None
    assert again.closed.code == 3500


def test_a_drain_closes_with_shutdown_and_takes_nobody_new() -> None:
    stage = EdgeStage()
    ann = stage.person()
    assert stage.clients.drain()
    assert ann.closed is not None
    assert ann.closed.code == 3001
    assert stage.clients.open(ann.outgoing, ann.session.peer) is None
    ann.gone()
    assert not stage.clients.drain()


def test_a_drain_tells_everybody_another_time_to_come_back() -> None:
    people_count = RETURNS_PER_S // 50
    stage = EdgeStage(connections_max=people_count)
    people = [stage.person(f"u{n}") for n in range(people_count)]
    draws = iter(n / people_count for n in range(people_count))
    stage.clients._random = lambda: next(draws)
    stage.clients.drain()
    told = []
    for person in people:
        assert person.closed is not None
        text, _, details = person.closed.reason.partition(" {")
        assert text == "shutdown"
        told.append(json.loads("{" + details)["retry_after_ms"])
    spread_ms = people_count * 1_000 // RETURNS_PER_S
    assert told == [n * spread_ms // people_count for n in range(people_count)]
    assert max(len(p.closed.reason.encode()) for p in people if p.closed) <= 123, "a close frame"


# --- heads


def pushed_heads(person: Person) -> list[dict[str, Any]]:
    pubs = [row["push"]["pub"]["data"] for row in person.take() if "push" in row]
    return [data["heads"] for data in pubs if data.get("t") == "heads"]


def test_heads_of_channels_that_are_not_open() -> None:
    stage = EdgeStage()
    ann = stage.person(channels=(ROOM, "group:y"))
    stage.answer_heads(4)
    assert pushed_heads(ann) == [
        {ROOM: {"seq": 4, "unread": 1}, "group:y": {"seq": 4, "unread": 1}}
    ]
    stage.subscriber(ann, ROOM, head=4)
    stage.event(ROOM, 5)
    stage.event("group:y", 5)
    stage.heads.tick()
    assert [list(heads) for heads in pushed_heads(ann)] == [["group:y"]]
    ann.ask(unsubscribe={"channel": ROOM})
    stage.event(ROOM, 6)
    stage.heads.tick()
    assert [list(heads) for heads in pushed_heads(ann)] == [[ROOM]]
    assert stage.hub.channels[("demo", ROOM)].ahead is None
    ann.gone()
    nothing_left(stage)


def test_what_was_open_when_a_session_went_is_known_when_it_comes_back() -> None:
    stage = EdgeStage()
    ann = stage.person(channels=(ROOM,))
    stage.subscriber(ann, ROOM, head=4)
    stage.subscriber(ann, "raw:1")
    stage.answer_heads(4)
    ann.gone()
    assert stage.interest == {("demo", ROOM)}, "what is not of the list is let go"
    stage.event(ROOM, 5)
    lines = Lines((5,), b'"%b":{"seq":5}' % ROOM.encode())
    stage.person(channels=(ROOM,), data=b'{"user":"ann"}', heads=lines)
    stage.heads.flush()
    assert stage.head_asks == [], "where it stands is known here"
    stage.event(ROOM, 6)
    assert stage.hub.channels[("demo", ROOM)].position == 6


def test_what_a_closed_session_had_open_is_watched_once() -> None:
    """Whoever else has it open, and however often they go and come."""
    stage = EdgeStage()
    people = [stage.person(f"u{n}", channels=(ROOM,)) for n in range(3)]
    stage.answer_heads(4)
    for person in people:
        stage.subscriber(person, ROOM, head=4)
    people[0].session.close(SHUTDOWN)  # its subscriptions end before its transport does
    for person in people:
        person.gone()
    again = stage.person("u0", channels=(ROOM,))
    assert stage.hub.channels[("demo", ROOM)].watch == 1
    again.gone()
    nothing_left(stage)


def test_the_list_of_channels_follows_the_own_stream() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.event("#ann", 1, LISTS, b'["group:new"]')
    assert ("demo", "group:new") in stage.interest
    assert offsets(ann.take(), "#ann") == [1]
    asked = stage.answer_heads(2)
    assert [(ask.key, ask.users) for ask in asked] == [("group:new", ("ann",))]
    assert offsets(ann.take(), "#ann") == [0], "heads have no offset"
    stage.event("#ann", 2, UNLISTS, b'["group:new"]')
    assert ("demo", "group:new") not in stage.interest
    assert offsets(ann.take(), "#ann") == [2]


def test_figures_that_changed_are_told_to_all_devices_of_the_user() -> None:
    """Also to the one that has the channel open; nobody else, and nothing about other channels."""
    stage = EdgeStage()
    phone, laptop = (stage.person(channels=(ROOM, "group:y")) for _ in range(2))
    bob = stage.person("bob", channels=(ROOM,))
    stage.subscriber(laptop, ROOM, head=4)
    stage.answer_heads(4)
    for person in (phone, laptop, bob):
        pushed_heads(person)
    stage.clients.figures_changed("demo", "ann", ROOM)
    stage.clients.figures_changed("demo", "ann", "group:unlisted")
    stage.clients.figures_changed("demo", "nobody", ROOM)
    assert [(ask.key, ask.users) for ask in stage.answer_heads(4, b'{"unread":0}')] == [
        (ROOM, ("ann",))
    ]
    told = [pushed_heads(person) for person in (phone, laptop, bob)]
    assert told == [[{ROOM: {"seq": 4, "unread": 0}}]] * 2 + [[]]


@pytest.mark.parametrize("count", [1, FIGURES_MISSED_MAX])
def test_figures_that_change_while_a_connect_is_answered_are_told_behind_it(count: int) -> None:
    """The leader's answer may be older; beyond a bound all channels are asked for."""
    stage = EdgeStage()
    stage.person("bob", channels=(ROOM, "group:y"))
    stage.answer_heads(4)
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    for number in range(count):
        stage.clients.figures_changed("demo", "ann", f"group:{number}" if number else ROOM)
    lines = Lines((4, 4), b'"%b":{"seq":4},"group:y":{"seq":4}' % ROOM.encode())
    ask = stage.take(Kind.SUBSCRIBE, "#ann")
    assert ask.subscribe.heads == BOOTSTRAP_HEADS
    ask.subscribed(7, data=b'{"user":"ann"}', channels=(ROOM, "group:y"), heads=lines)
    [reply] = ann.take()
    assert reply["connect"]["data"]["heads"] == {ROOM: {"seq": 4}, "group:y": {"seq": 4}}
    every = [ROOM, "group:y"]
    assert [ask.key for ask in stage.answer_heads(4)] == (every[:1] if count == 1 else every)


def test_the_screen_is_set_on_a_connection_alone() -> None:
    stage = EdgeStage()
    ann = stage.person(channels=(ROOM,))
    stage.answer_heads(4)
    reply = ann.ask(rpc={"method": "screen.set", "data": {"channels": [ROOM]}})
    assert reply["rpc"]["data"] == {}
    assert [ask.key for ask in stage.answer_heads(4)] == [ROOM]
    stage.event(ROOM, 5)
    stage.heads.tick()
    assert [ask.key for ask in stage.answer_heads(5)] == [ROOM], "figures for what is on screen"


def test_signals_reach_members_without_an_offset() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.subscriber(ann, "raw:1")
    info = b'{"user":"bob","client":"c9"}'
    stage.hub.signal("demo", "raw:1", SignalKind.JOIN, info)
    [row] = ann.take()
    assert row["push"] == {"channel": "raw:1", "join": {"info": json.loads(info)}}
