"""The JSON encoding: what it writes is the JSON that the protocol names, what it reads is typed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_PROTOCOL, CloseCode, RemoteProtocolError
from hubbub.wire import client_shapes as shapes
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import Publication
from tests.hubbub.wire.client_samples import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_replies_and_pushes(name: str) -> None:
    make, value = SAMPLES[name]
    message = make(JSON)
    assert json.loads(message) == value
    assert b"\n" not in message


def test_zeros_that_clients_index_are_written() -> None:
    assert JSON.reply_presence_stats(1, 0, 0) == (
        b'{"id":1,"presence_stats":{"num_clients":0,"num_users":0}}'
    )
    assert JSON.reply_presence(1, {}) == b'{"id":1,"presence":{"presence":{}}}'
    assert JSON.reply_history(1, [], 0, "") == (
        b'{"id":1,"history":{"publications":[],"offset":0,"epoch":""}}'
    )


def test_payloads_are_copied_as_they_are() -> None:
    data = '{ "big":12345678901234567890, "é" : 1.0 }'.encode()
    assert data in JSON.push_publication("x", Publication(data, 1))
    assert data in JSON.reply_rpc(1, data)
    [command] = JSON.decode(b'{"id":1,"rpc":{"method":"m","data":%b}}' % data)
    assert command == shapes.Rpc(1, "m", data)


def test_messages_of_a_frame_are_lines() -> None:
    assert JSON.join([b'{"id":1}', JSON.ping]) == b'{"id":1}\n{}'


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('{"id":1,"connect":{}}', shapes.Connect(1)),
        (
            '{"id":1,"connect":{"token":"t","data":{"a":1},"name":"a-name-that-is-too-long",'
            '"version":"1","headers":{"x":"y"},"flag":1,"unknown":[],'
            '"subs":{"#ann":{"recover":true,"offset":3,"epoch":"e"}}}}',
            shapes.Connect(
                1,
                "t",
                b'{"a":1}',
                {"#ann": shapes.ServerPosition(True, 3, "e")},
                "a-name-that-is-t",
                "1",
                {"x": "y"},
            ),
        ),
        ('{"id":2,"subscribe":{"channel":"c"}}', shapes.Subscribe(2, "c")),
        (
            '{"id":2,"subscribe":{"channel":"c","token":"t","data":1,"recover":true,"offset":9,'
            '"epoch":"e","positioned":true,"recoverable":true,"join_leave":true,'
            '"delta":"fossil","flag":3,"type":1,"tf":{"op":"not"}}}',
            shapes.Subscribe(
                2, "c", "t", b"1", True, 9, "e", True, True, True, "fossil", 3, 1, True
            ),
        ),
        ('{"id":3,"unsubscribe":{"channel":"c"}}', shapes.Unsubscribe(3, "c")),
        (
            '{"id":4,"publish":{"channel":"c","data":{"a":"b"},"type":1}}',
            shapes.Publish(4, "c", b'{"a":"b"}', 1),
        ),
        ('{"id":5,"presence":{"channel":"c"}}', shapes.PresenceList(5, "c")),
        ('{"id":6,"presence_stats":{"channel":"c"}}', shapes.PresenceStats(6, "c")),
        ('{"id":7,"history":{"channel":"c"}}', shapes.History(7, "c")),
        (
            '{"id":7,"history":{"channel":"c","limit":-1,"since":{"offset":2,"epoch":"e"},'
            '"reverse":true}}',
            shapes.History(7, "c", -1, shapes.Position(2, "e"), True),
        ),
        ('{"id":8,"rpc":{"method":"m"}}', shapes.Rpc(8, "m", b"")),
        ('{"rpc":{"method":"m","data":null},"id":8}', shapes.Rpc(8, "m", b"null")),
        ('{"send":{"data":[1]}}', shapes.Send(0, b"[1]")),
        ('{"id":9,"refresh":{"token":"t"}}', shapes.Refresh(9, "t")),
        ('{"id":10,"sub_refresh":{"channel":"c","token":"t"}}', shapes.SubRefresh(10, "c", "t")),
        ("{}", shapes.Pong(0)),
        (' {"future": 1} ', shapes.Pong(0)),
    ],
)
def test_commands(line: str, command: shapes.Command) -> None:
    assert JSON.decode(line.encode()) == [command]


def test_a_frame_holds_lines_with_one_break_at_the_end() -> None:
    frame = b'{"id":1,"rpc":{"method":"a"}}\n{"id":2,"rpc":{"method":"b","data":"\\n"}}\n'
    assert JSON.decode(frame) == [shapes.Rpc(1, "a", b""), shapes.Rpc(2, "b", b'"\\n"')]


def test_carriage_returns_in_payloads_go() -> None:
    [command] = JSON.decode(b'{"id":1,"publish":{"channel":"c","data":{\r"a":1}}}')
    assert command == shapes.Publish(1, "c", b'{"a":1}')


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\n",
        b"{}\n\n",
        b"nonsense",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"{",
        b'{"id":1}',
        b'{"id":1,"ping":{}}',
        b'{"rpc":{"method":"m"}}',
        b'{"id":0,"connect":{}}',
        b'{"id":-1,"connect":{}}',
        b'{"id":4294967296,"connect":{}}',
        b'{"id":"1","connect":{}}',
        b'{"id":1,"connect":null}',
        b'{"id":1,"connect":[]}',
        b'{"id":1,"connect":{"token":1}}',
        b'{"id":1,"connect":{},"rpc":{"method":"m"}}',
        b'{"id":1,"subscribe":{"channel":"c","offset":-1}}',
        b'{"id":1,"subscribe":{"channel":"c","offset":1e400}}',
        b'{"id":1,"rpc":{"method":"m","data":NaN}}',
        b'{"id":1,"rpc":{"method":"m","data":"\xff"}}',
        b'{"id":1,"rpc":{"method":"m","data":"\\ud800"}}',
        b'{"id":1,"rpc":{"method":"m","data":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
        b"\xff\xfe",
        b"\x00",
    ],
)
def test_what_is_no_command_breaks_the_protocol(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        JSON.decode(frame)
    assert caught.value.close is BAD_PROTOCOL


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_names = st.sampled_from(
    ["id", "connect", "subscribe", "publish", "rpc", "history", "send", "channel", "data", "since"]
)


def close_of(frame: bytes) -> CloseCode | None:
    """What a frame closes its connection with; None if it holds commands."""
    try:
        commands = JSON.decode(frame)
    except RemoteProtocolError as error:
        return error.close
    assert all(isinstance(command, shapes.Command) for command in commands)
    return None


@given(st.dictionaries(_names, _values | st.dictionaries(_names, _values)))
def test_any_object_is_a_command_or_breaks_the_protocol(value: object) -> None:
    assert close_of(json.dumps(value).encode()) in (None, BAD_PROTOCOL)


@given(st.binary())
def test_any_bytes_are_a_command_or_break_the_protocol(frame: bytes) -> None:
    assert close_of(frame) in (None, BAD_PROTOCOL)


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**53))
def test_foreign_names_are_escaped(channel: str, reason: str, offset: int) -> None:
    push = json.loads(JSON.push_unsubscribe(channel, 2000, reason))["push"]
    assert (push["channel"], push["unsubscribe"]["reason"]) == (channel, reason)
    pub = json.loads(JSON.push_publication(channel, Publication(b"1", offset)))["push"]["pub"]
    assert pub.get("offset", 0) == offset


@given(st.text())
def test_text_data_is_a_string_of_the_text(text: str) -> None:
    assert json.loads(JSON.text_data(text.encode())) == text
