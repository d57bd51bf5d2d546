"""Publish, presence and history over real sessions, with the cluster played by the test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubbub.base.errors import (
    UNRECOVERABLE_POSITION,
)
from hubbub.wire.codec import decode_pack, encode_json, encode_pack
from hubbub.wire.presence import Looked, Sees
from hubbub.wire.reads import StreamHistory
from hubbub.wire.shapes import HeadRow, Kind, Outcome, Query, Submit
from tests.edge.stage import EPOCH, EdgeStage

ROOM = "group:x"


def code(reply: Any) -> int:
    return int(reply["error"]["code"])


def test_publish_needs_the_right_and_answers_without_an_offset() -> None:
    stage = EdgeStage()
    ann = stage.person()
    publish = {"channel": "raw:1", "data": {"n": [1.0, 2]}}
    assert code(ann.ask(publish=publish)) == 103
    stage.subscriber(ann, "raw:1")
    [id] = ann.send({"publish": publish})
    ask = stage.take(Kind.SUBMIT)
    submit = decode_pack(ask.body, Submit)
    assert (ask.key, submit.tag, submit.viewer.user) == ("raw:1", "event.publish", "ann")
    assert json.loads(submit.body)["data"] == {"n": [1.0, 2]}
    ask.ok(encode_pack(Outcome(9, 1_000, "mid")))
    assert ann.take() == [{"id": id, "publish": {}}]


@pytest.mark.parametrize(
    ("publish", "expected"),
    [
        ({"channel": ROOM, "data": 1}, 103),
        ({"channel": "quiet:1", "data": 1}, 103),
        ({"channel": "nowhere:1", "data": 1}, 102),
        ({"channel": "raw:1", "data": 1, "type": 1}, 108),
    ],
)
def test_publish_refusals(publish: dict[str, Any], expected: int) -> None:
    stage = EdgeStage()
    ann = stage.person()
    assert code(ann.ask(publish=publish)) == expected
    assert stage.asks == []


def test_presence_is_for_subscribers() -> None:
    stage = EdgeStage()
    ann = stage.person()
    assert code(ann.ask(presence={"channel": "raw:1"})) == 103
    assert code(ann.ask(presence_stats={"channel": "raw:1"})) == 103
    stage.subscriber(ann, "raw:1")
    ann.send({"presence": {"channel": "raw:1"}}, {"presence_stats": {"channel": "raw:1"}})
    stage.take(Kind.QUERY).ok(b'{"presence":{"c1":{"user":"ann","client":"c1"}}}')
    stage.take(Kind.QUERY).ok(b'{"num_clients":1,"num_users":1}')
    listed, counted = ann.take()
    assert listed["presence"] == {"presence": {"c1": {"user": "ann", "client": "c1"}}}
    assert counted["presence_stats"] == {"num_clients": 1, "num_users": 1}


def test_of_a_chat_channel_those_are_listed_whom_one_may_see() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.subscriber(ann, ROOM, presence=True)
    here = {n: {"user": user, "client": n} for n, user in (("c1", "ann"), ("c2", "bob"))}
    shown = {"ann": Looked("online", 0, Sees.STATE), "bob": Looked("offline", 0, Sees.STATE)}
    own = b'{"presence":"everybody","last_seen":"everybody"}'

    def answers(command: str) -> Any:
        stage.head_asks.clear()
        ann.send({command: {"channel": ROOM}})
        for key, answer in (
            (ROOM, b'{"members":["ann","bob"],"watchers":0}'),
            (ROOM, json.dumps({"presence": here}).encode()),
            ("#ann", own),
        ):
            stage.take(Kind.QUERY, key).ok(answer)
        [(asks, answered, _)] = stage.head_asks
        rows = {f"#{user}": encode_json(row) for user, row in shown.items()}
        answered([(a, HeadRow("demo", a.key, True, EPOCH, 0, answer=rows[a.key])) for a in asks])
        return ann.take()[0][command]

    assert answers("presence") == {"presence": {"c1": here["c1"]}}
    assert answers("presence_stats") == {"num_clients": 1, "num_users": 1}


def test_history_asks_for_events() -> None:
    stage = EdgeStage()
    ann = stage.person()
    assert code(ann.ask(history={"channel": ROOM})) == 103
    assert code(ann.ask(history={"channel": "quiet:1"})) == 103
    since = {"offset": 3, "epoch": "e"}
    ann.send({"history": {"channel": "raw:1", "limit": 2, "since": since, "reverse": True}})
    query = decode_pack(stage.asks[0].body, Query)
    assert query.name == "stream.history"
    args = json.loads(query.args)
    assert args == {"limit": 2, "since": since, "reverse": True}
    assert StreamHistory(limit=2).subscribed is False
    stage.take(Kind.QUERY).ok(
        b'{"publications":[{"offset":2,"data":{"n":2}}],"offset":9,"epoch":"e"}'
    )
    [reply] = ann.take()
    result = reply["history"]
    assert (result["offset"], result["epoch"]) == (9, "e")
    assert result["publications"] == [{"offset": 2, "data": {"n": 2}}]


def test_what_is_sent_behind_a_subscribe_is_asked_of_the_log() -> None:
    """In one frame with it, it was refused because the subscribe was not answered yet."""
    stage = EdgeStage()
    ann = stage.person()
    [first, second] = ann.send(
        {"subscribe": {"channel": ROOM}}, {"history": {"channel": ROOM, "limit": 1}}
    )
    query = decode_pack(stage.take(Kind.QUERY, ROOM).body, Query)
    assert (query.name, json.loads(query.args)) == ("stream.history", {"limit": 1})  # as a member
    assert ann.take() == [], (first, second)


def test_a_query_that_the_leader_refuses() -> None:
    stage = EdgeStage()
    ann = stage.person()
    ann.send({"history": {"channel": "raw:1"}})
    stage.take(Kind.QUERY).rejected(UNRECOVERABLE_POSITION)
    assert code(ann.take()[0]) == 112


def test_an_answer_that_makes_no_sense_closes_that_session() -> None:
    stage = EdgeStage()
    ann, bob = stage.person(), stage.person("bob")
    ann.send({"history": {"channel": "raw:1"}})
    stage.take(Kind.QUERY).ok(b'{"nonsense":1}')
    assert ann.closed is not None
    assert ann.closed.code == 3004
    assert stage.clients.broken == 1
    assert bob.closed is None
