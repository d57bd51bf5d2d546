"""New tokens on a connection that lives."""

from __future__ import annotations

from hubbub.wire.shapes import Kind
from tests.edge.stage import EdgeStage
from tests.edge.test_clients import code


def test_refresh() -> None:
    stage = EdgeStage()
    ann = stage.person()
    reply = ann.ask(refresh={"token": stage.token()})
    assert reply["refresh"]["expires"]
    assert reply["refresh"]["ttl"] == 3_600
    past = stage.clock.wall_ms() // 1_000 - 10
    for claims, close in (
        ({"exp": past}, 3005),
        ({"expire_at": past}, 3005),
        ({"sub": "bob"}, 3500),
    ):
        person = stage.person("ann")
        person.send({"refresh": {"token": stage.token(**claims)}})
        assert person.closed is not None
        assert person.closed.code == close, claims
        person.gone()


def test_sub_refresh() -> None:
    stage = EdgeStage()
    ann = stage.person()
    token = stage.token(channel="raw:1")
    assert code(ann.ask(sub_refresh={"channel": "raw:1", "token": token})) == 103
    ann.send({"subscribe": {"channel": "raw:1", "token": token}})
    ask = stage.take(Kind.SUBSCRIBE, "raw:1")
    assert ask.subscribe.token_channel
    ask.subscribed()
    [reply] = ann.take()
    assert (reply["subscribe"]["expires"], reply["subscribe"]["ttl"]) == (True, 3_600)
    reply = ann.ask(sub_refresh={"channel": "raw:1", "token": token})
    assert (reply["sub_refresh"]["expires"], reply["sub_refresh"]["ttl"]) == (True, 3_600)
    expired = stage.token(channel="raw:1", exp=stage.clock.wall_ms() // 1_000 - 10)
    ann.send({"sub_refresh": {"channel": "raw:1", "token": expired}})
    reply, push = ann.take()
    assert reply["sub_refresh"] == {}
    assert push["push"]["unsubscribe"]["code"] == 2501


def test_sub_refresh_for_something_else_closes() -> None:
    stage = EdgeStage()
    ann = stage.person()
    stage.subscriber(ann, "raw:1")
    ann.send({"sub_refresh": {"channel": "raw:1", "token": stage.token(channel="raw:2")}})
    assert ann.closed is not None
    assert ann.closed.code == 3500
