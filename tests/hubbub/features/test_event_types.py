"""Registered types, their versions, and events that follow them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    NAME_RESERVED,
    NOT_FOUND,
    PERMISSION_DENIED,
    SCHEMA_MISMATCH,
    TOO_LARGE,
    Rejected,
)
from hubbub.features.event_types import (
    RESERVED,
    SCHEMA_BYTES_MAX,
    DeleteType,
    EventSent,
    RegisterType,
    SendEvent,
    SendEventRequest,
    TypeRequest,
    TypesRequest,
    turn_send,
)
from hubbub.features.registry import REGISTRY
from hubbub.model.channel import ChannelKind
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook, walk
from tests.support.requirement import missing

SEAT = b'{"type":"object","required":["row"]}'


@pytest.fixture(autouse=True)
def _library() -> None:
    if find_spec("jsonschema_rs") is None:
        missing("jsonschema-rs", "jsonschema-rs is not installed")


def register(schema: bytes = SEAT, name: str = "seat.taken", **more: Any) -> RegisterType:
    return RegisterType(name=name, schema=Raw(schema), **more)


def app() -> Playbook:
    book = Playbook("@app")
    book.do("", register(), authority="server")
    return book


def newest(book: Playbook, version: int = 0) -> tuple[int, Any]:
    found = book.query("ann", "event_type.get", TypeRequest("seat.taken", version))
    return found["version"], found["schema"]


def test_names_of_our_own_events_are_refused() -> None:
    assert {tag.partition(".")[:2] for tag in REGISTRY.events} == {(one, ".") for one in RESERVED}
    book = Playbook("@app")
    for name in ("message.created", "message.waved", "user."):
        refused = book.refusal("", register(name=name), authority="server")
        assert refused.error == NAME_RESERVED
        assert refused.details == {"reserved": name.partition(".")[0]}
    for name in ("messages.created", "order.message", "my.message.created", "message"):
        book.do("", register(name=name), authority="server")


def test_every_schema_is_a_version() -> None:
    book = app()
    assert book.reply == {"version": 1}
    assert book.do("", register(), authority="server") == []
    book.do("", register(b"true"), authority="server")
    assert newest(book) == (2, True)
    assert newest(book, 1)[0] == 1
    assert book.refused("ann", register(b"false")) is PERMISSION_DENIED
    assert book.refused("ann", DeleteType(name="seat.taken")) is PERMISSION_DENIED
    book.do("", DeleteType(name="seat.taken"), authority="server")
    assert book.do("", DeleteType(name="seat.taken"), authority="server") == []
    for version in (0, 1, 2):
        with pytest.raises(Rejected) as caught:
            newest(book, version)
        assert caught.value.error is NOT_FOUND
    book.do("", register(b"true"), authority="server")
    assert newest(book) == (3, True)
    book.assert_replay_equal()


def test_types_are_listed() -> None:
    book = app()
    for name in ("b", "a", "c"):
        book.do("", register(name=name), authority="server")
    book.do("", DeleteType(name="b"), authority="server")
    page = book.query("ann", "event_type.list", TypesRequest(limit=2))
    assert ([t["name"] for t in page["types"]], page["next"]) == (["a"], "b")
    rest = book.query("ann", "event_type.list", TypesRequest(after="b"))
    assert [t["name"] for t in rest["types"]] == ["c", "seat.taken"]


def test_what_is_no_schema_is_not_registered() -> None:
    book = Playbook("@app")
    assert book.refused("", register(b'{"type":"nope"}'), authority="server") is BAD_REQUEST
    long = b'"' + b"x" * SCHEMA_BYTES_MAX + b'"'
    assert book.refused("", register(long), authority="server") is TOO_LARGE
    assert book.refused("", register(name="a b"), authority="server") is BAD_REQUEST


def test_the_edge_validates_before_it_sends() -> None:
    book = app()
    ann = book.edge_context(Viewer("ann"))
    found = encode_json(book.query("ann", "event_type.get", TypeRequest("seat.taken")))
    request = SendEventRequest("group:x", "seat.taken", Raw(b'{"row": 7}'))
    _, command, answer = walk(turn_send(request, ann), found, b"{}")
    assert command == SendEvent(
        channel="group:x", type="seat.taken", version=1, data=Raw(b'{"row": 7}')
    )
    assert answer == b"{}"
    wrong = SendEventRequest("group:x", "seat.taken", Raw(b"{}"))
    with pytest.raises(Rejected) as caught:
        walk(turn_send(wrong, ann), found)
    assert caught.value.error is SCHEMA_MISMATCH
    long = SendEventRequest("group:x", "seat.taken", Raw(b'"' + b"x" * 70_000 + b'"'))
    with pytest.raises(Rejected) as caught:
        turn_send(long, ann)
    assert caught.value.error is TOO_LARGE


def test_an_event_is_published_and_no_message() -> None:
    book = Playbook("group:x", owner="ann", members=["bob"])
    send = SendEvent(channel="group:x", type="t", version=2, data=Raw(b'{"a":1.0}'))
    assert book.do("bob", send) == [EventSent(type="t", version=2, data=Raw(b'{"a":1.0}'))]
    shown = book.shown(2)
    assert (shown["t"], shown["type"], shown["version"]) == ("event.sent", "t", 2)
    assert book.head("ann")["unread"] == 0
    for_dms = SendEvent(
        channel="group:x", type="t", version=2, data=Raw(b"1"), kinds=(ChannelKind.DM,)
    )
    assert book.refused("bob", for_dms) is BAD_REQUEST
    book.assert_replay_equal()
