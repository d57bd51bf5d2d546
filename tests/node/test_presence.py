"""Client lists: absolute per edge, joins and leaves once, nothing stays of a dead edge."""

from __future__ import annotations

import pytest

from hubbub.wire.codec import encode_json
from hubbub.wire.presence import Activity
from hubbub.wire.shapes import SignalKind
from node import presence as module
from node.presence import EDGE_GONE_MS, PresenceLists, PresenceSignal

ROOM = ("demo", "room")
EDGE = "edge-1.7"


def info(user: str) -> bytes:
    return encode_json({"user": user})


def join(lists: PresenceLists, client: str, user: str = "u", edge: str = EDGE) -> list[SignalKind]:
    return kinds(lists.join(*ROOM, edge, client, info(user), is_announced=True))


def kinds(signals: list[PresenceSignal]) -> list[SignalKind]:
    return [signal.kind for signal in signals]


def test_a_client_joins_once_and_leaves_once() -> None:
    lists = PresenceLists()
    assert join(lists, "a") == [SignalKind.JOIN]
    assert join(lists, "a") == []
    assert join(lists, "b", "w") == [SignalKind.JOIN]
    assert lists.counts(*ROOM) == (2, 2)
    assert kinds(lists.leave(*ROOM, EDGE, ["a", "x"])) == [SignalKind.LEAVE]
    assert lists.leave(*ROOM, EDGE, ["a"]) == []
    assert dict(lists.clients(*ROOM)) == {"b": info("w")}
    lists.leave(*ROOM, EDGE, ["b"])
    assert lists.statistics().streams == 0
    assert lists.counts(*ROOM) == (0, 0)


def test_two_clients_of_a_user_are_one_user() -> None:
    lists = PresenceLists()
    join(lists, "a")
    join(lists, "b", edge="edge-2.1")
    assert lists.counts(*ROOM) == (2, 1)


def test_nothing_is_announced_where_it_is_off() -> None:
    lists = PresenceLists()
    assert lists.join(*ROOM, EDGE, "a", info("u"), is_announced=False) == []
    assert lists.leave(*ROOM, EDGE, ["a"]) == []


def test_a_report_is_absolute_and_the_first_one_is_no_news() -> None:
    lists = PresenceLists()
    two = [("a", info("u")), ("b", info("v"))]
    assert lists.report(*ROOM, EDGE, two, is_announced=True) == []
    changed = lists.report(*ROOM, EDGE, [("b", info("v")), ("c", info("w"))], is_announced=True)
    assert kinds(changed) == [SignalKind.LEAVE, SignalKind.JOIN]
    assert set(lists.clients(*ROOM)) == {"b", "c"}
    assert kinds(lists.report(*ROOM, EDGE, [], is_announced=True)) == [SignalKind.LEAVE] * 2
    assert lists.report(*ROOM, EDGE, [], is_announced=True) == []


def test_an_edge_that_vanished_leaves_after_ten_seconds() -> None:
    lists = PresenceLists()
    join(lists, "a")
    join(lists, "b", edge="edge-2.1")
    assert lists.tick(["edge-2.1"], 0) == []
    assert lists.tick([EDGE, "edge-2.1"], EDGE_GONE_MS) == []  # it came back
    assert lists.tick(["edge-2.1"], EDGE_GONE_MS + 1) == []
    assert lists.tick(["edge-2.1"], 2 * EDGE_GONE_MS) == []
    assert kinds(lists.tick(["edge-2.1"], 2 * EDGE_GONE_MS + 1)) == [SignalKind.LEAVE]
    assert set(lists.clients(*ROOM)) == {"b"}


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = PresenceLists()
    monkeypatch.setattr(module, "CLIENTS_PER_STREAM_MAX", 3)
    for number in range(5):
        join(lists, str(number))
    assert (lists.counts(*ROOM)[0], lists.statistics().unlisted) == (3, 2)
    lists.forget([ROOM])
    assert lists.statistics().clients == 0


def test_a_user_is_active_on_any_device_and_idle_on_all() -> None:
    lists, user = PresenceLists(), ("demo", "#ann")
    idle = encode_json({"client": "b", "idle": True})
    assert lists.activity(*user) is Activity.NONE
    lists.join(*user, EDGE, "a", info("ann"), is_announced=False)
    lists.join(*user, "edge-2.1", "b", idle, is_announced=False)
    assert lists.activity(*user) is Activity.ACTIVE
    lists.change(*user, EDGE, [("a", idle), ("unknown", idle)])
    assert lists.activity(*user) is Activity.IDLE
    assert set(lists.clients(*user)) == {"a", "b"}
    lists.change(*user, "edge-2.1", [("b", info("ann"))])
    assert lists.activity(*user) is Activity.ACTIVE


def test_nobody_is_active_on_an_edge_that_is_silent() -> None:
    lists, user = PresenceLists(), ("demo", "#ann")
    lists.join(*user, EDGE, "a", info("ann"), is_announced=False)
    assert lists.silent([EDGE]) == []
    assert lists.silent([]) == [user]
    assert lists.activity(*user) is Activity.NONE
    assert lists.silent([]) == [], "said once"
    assert lists.silent([EDGE]) == [user]
    assert lists.activity(*user) is Activity.ACTIVE
