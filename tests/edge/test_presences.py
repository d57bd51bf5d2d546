"""The verbs of presence over real sessions, with the cluster played by the test."""

from __future__ import annotations

from typing import Any

from hubbub.wire.codec import decode_json, decode_pack, encode_json
from hubbub.wire.presence import Looked, Sees
from hubbub.wire.shapes import HeadRow, Kind, Presence
from tests.edge.stage import EPOCH, EdgeStage, Person

ALL = int(Sees.STATE | Sees.LAST_SEEN)
OWN = encode_json({"presence": "everybody", "last_seen": "everybody"})


def entered(stage: EdgeStage) -> Person:
    """ann, connected; what she is asked about besides is out of the way."""
    ann = stage.person("ann", presence=True)
    stage.head_asks.clear()
    stage.asks.clear()
    return ann


def answer_looks(stage: EdgeStage, **rows: Looked) -> None:
    """Answer the HEADS question of an errand."""
    [(asks, answered, _)] = stage.head_asks
    stage.head_asks.clear()
    assert [ask.key for ask in asks] == [f"#{user}" for user in rows]
    answered(
        [
            (ask, HeadRow("demo", ask.key, True, EPOCH, 0, answer=encode_json(row)))
            for ask, row in zip(asks, rows.values(), strict=True)
        ]
    )


def watch(stage: EdgeStage, ann: Person, **rows: Looked) -> Any:
    """What ann is answered who watches these."""
    ann.send({"rpc": {"method": "presence.watch", "data": {"users": list(rows)}}})
    ask = stage.take(Kind.QUERY)
    assert ask.key == "#ann"
    ask.ok(OWN)
    answer_looks(stage, **rows)
    [reply] = ann.take()
    return reply["rpc"]["data"]["users"]


def moved(stage: EdgeStage, user: str, state: str) -> None:
    data = encode_json({"t": "presence.moved", "state": state})
    stage.hub.signal("demo", f"#{user}", None, data)  # type: ignore[arg-type]
    stage.watching.tick()
    stage.watching.tell(stage.clock.advance(1_000))


def told(ann: Person) -> list[Any]:
    pubs = [row["push"]["pub"]["data"] for row in ann.take() if "push" in row]
    return [data["users"] for data in pubs if data["t"] == "presence"]


def test_a_screen_is_answered_and_then_kept_up_to_date() -> None:
    stage = EdgeStage()
    ann = entered(stage)
    online = {"state": "online"}
    assert watch(stage, ann, bob=Looked("online", 0, ALL)) == {"bob": online}
    moved(stage, "bob", "busy")
    assert told(ann) == [{"bob": {"state": "busy"}}]
    stage.head_asks.clear()
    assert watch(stage, ann, cid=Looked("online", 0, ALL)) == {"cid": online}
    moved(stage, "bob", "online")
    assert told(ann) == []
    ann.gone()
    assert stage.watching.user_count == 0
    assert stage.hub.channels == {}
    assert stage.interest == set()


def test_an_audience_that_changed_is_looked_at_with_the_sessions_rights() -> None:
    stage = EdgeStage()
    ann = entered(stage)
    watch(stage, ann, bob=Looked("online", 0, ALL))
    stage.watching._doubt(*stage.watching._own["demo", "#ann"], ["bob"])
    stage.watching.tick()
    stage.head_asks.clear()
    stage.take(Kind.QUERY).ok(OWN)
    answer_looks(stage, bob=Looked("online", 0, 0))
    stage.watching.tell(stage.clock.advance(1_000))
    assert told(ann) == [{"bob": {"state": "offline"}}]


def test_idle_is_told_once_and_repeated_with_the_lists() -> None:
    stage = EdgeStage()
    ann = entered(stage)

    def idle(is_idle: bool) -> Any:
        ann.send({"rpc": {"method": "presence.set", "data": {"idle": is_idle}}})
        [reply] = ann.take()
        return reply["rpc"]["data"]

    assert idle(False) == {}
    assert stage.asks == []
    for is_idle in (True, True, False):
        assert idle(is_idle) == {}
    for said in ({"idle": True}, {}):
        ask = stage.take(Kind.PRESENCE)
        assert ask.key == "#ann"
        report = decode_pack(ask.body, Presence)
        [(client, info)] = report.changed
        assert client == ann.session.client
        words = decode_json(info, dict[str, Any])
        assert {name: value for name, value in words.items() if name == "idle"} == said
    assert stage.asks == []
    idle(True)
    channel = stage.hub.channels["demo", "#ann"]
    [(_, info)] = stage.clients.present(channel)
    assert decode_json(info, dict[str, Any])["idle"] is True
