"""The Protobuf encoding against the compiled schema of an official SDK, and against fixed bytes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_PROTOCOL, CloseCode, RemoteProtocolError
from hubbub.wire import client_shapes as shapes
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import Publication
from hubbub.wire.protobuf import PROTOBUF, decode_emulation
from hubbub.wire.protobuf_fields import delimited, encode
from tests.hubbub.wire.client_samples import SAMPLES

SDK = "centrifuge-python==0.7.0"
# Fields that hold embedded JSON, wherever they stand.
JSON_FIELDS = frozenset({"data", "conn_info", "chan_info"})


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The SDK's compiled messages, from its wheel."""
    folder = tmp_path_factory.mktemp("sdk")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder)]
    try:
        run = subprocess.run([*command, SDK], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{SDK} did not arrive within 60 s")
    wheels = list(Path(folder).glob("*.whl"))
    if run.returncode or not wheels:
        pytest.skip(f"{SDK} could not be downloaded: {run.stderr.strip()[-200:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        path = wheel.extract("centrifuge/protocol/client_pb2.py", folder)
    spec = importlib.util.spec_from_file_location("sdk_client_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the runtime may be newer than the compiled file
        spec.loader.exec_module(module)
    return module


def plain(message: Any) -> Any:
    """A compiled message as the JSON value that the JSON encoding would write."""
    value = {}
    for descriptor, content in message.ListFields():
        name = descriptor.name
        if name in JSON_FIELDS:
            value[name] = json.loads(content)
        elif descriptor.message_type is None:
            value[name] = content
        elif descriptor.message_type.GetOptions().map_entry:
            value[name] = {
                key: plain(content[key]) if hasattr(content[key], "ListFields") else content[key]
                for key in content
            }
        elif hasattr(content, "ListFields"):
            value[name] = plain(content)
        else:
            value[name] = [plain(item) for item in content]
    return value


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sdk_reads_what_we_write(schema: Any, name: str) -> None:
    make, value = SAMPLES[name]
    reply = schema.Reply()
    message = make(PROTOBUF)
    assert message == delimited(message[len(message) - _body_length(message) :])
    reply.ParseFromString(message[len(message) - _body_length(message) :])
    assert plain(reply) == value


def _body_length(message: bytes) -> int:
    length = shift = 0
    for byte in message:
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return length
    raise AssertionError("no length")


COMMANDS = [
    '{"id":1,"connect":{"token":"t","data":{"a":1},"name":"js","version":"1","headers":{"x":"y"},'
    '"subs":{"#ann":{"recover":true,"offset":3,"epoch":"e"}}}}',
    '{"id":2,"subscribe":{"channel":"c","token":"t","data":1,"recover":true,"offset":9,'
    '"epoch":"e","positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil",'
    '"flag":3,"tf":{"op":"not"}}}',
    '{"id":3,"unsubscribe":{"channel":"c"}}',
    '{"id":4,"publish":{"channel":"c","data":{"a":"b"}}}',
    '{"id":5,"presence":{"channel":"c"}}',
    '{"id":6,"presence_stats":{"channel":"c"}}',
    '{"id":7,"history":{"channel":"c","limit":-1,"since":{"offset":2,"epoch":"e"},"reverse":true}}',
    '{"id":7,"history":{"channel":"c"}}',
    '{"id":8,"rpc":{"method":"m","data":[1,"x"]}}',
    '{"send":{"data":[1]}}',
    '{"id":9,"refresh":{"token":"t"}}',
    '{"id":4294967295,"sub_refresh":{"channel":"c","token":"t"}}',
    "{}",
]


def compiled(schema: Any, line: str) -> bytes:
    """The same command as the SDK would send it."""
    command = schema.Command()
    for name, value in json.loads(line).items():
        _fill(command, name, value)
    raw: bytes = command.SerializeToString()
    return delimited(raw)


def _fill(message: Any, name: str, value: Any) -> None:
    if name in JSON_FIELDS:
        setattr(message, name, json.dumps(value, separators=(",", ":")).encode())
    elif name == "headers":
        message.headers.update(value)
    elif name == "subs":
        for channel, row in value.items():
            for key, content in row.items():
                _fill(message.subs[channel], key, content)
    elif isinstance(value, dict):
        inner = getattr(message, name)
        inner.SetInParent()
        for key, content in value.items():
            _fill(inner, key, content)
    else:
        setattr(message, name, value)


@pytest.mark.parametrize("line", COMMANDS)
def test_we_read_what_the_sdk_writes_as_we_read_json(schema: Any, line: str) -> None:
    assert PROTOBUF.decode(compiled(schema, line)) == JSON.decode(line.encode())


def test_emulation_requests(schema: Any) -> None:
    request = schema.EmulationRequest(node="edge-1.ff", session="s1", data=b"\x00")
    assert decode_emulation(request.SerializeToString()) == ("edge-1.ff", "s1", b"\x00")


# --- fixed bytes, so that nothing above is needed to know that the format did not change


def test_golden_messages() -> None:
    assert PROTOBUF.ping == b"\x00"
    assert PROTOBUF.reply_unsubscribe(3) == b"\x04\x08\x03\x3a\x00"
    assert PROTOBUF.reply_rpc(1, b"{}") == b"\x08\x08\x01\x6a\x04\x0a\x02{}"
    assert PROTOBUF.push_publication("c", Publication(b"1", 5)) == (
        b"\x0c\x22\x0a\x12\x01c\x22\x05\x22\x011\x30\x05"
    )
    assert PROTOBUF.push_publication("c", Publication(b"1"), 2) == (
        b"\x09\x22\x07\x08\x02\x22\x03\x22\x011"
    )
    assert PROTOBUF.push_disconnect(3001, "x") == b"\x0a\x22\x08\x5a\x06\x08\xb9\x17\x12\x01x"


def test_golden_commands() -> None:
    connect = b"\x04\x08\x01\x22\x00"
    rpc = b"\x0b\x08\x02\x6a\x07\x0a\x02{}\x12\x01m"
    assert PROTOBUF.decode(connect + rpc + b"\x00") == [
        shapes.Connect(1),
        shapes.Rpc(2, "m", b"{}"),
        shapes.Pong(0),
    ]


def test_join_puts_messages_behind_one_another() -> None:
    assert PROTOBUF.join([PROTOBUF.ping, b"\x01x"]) == b"\x00\x01x"


def test_line_breaks_of_payloads_go() -> None:
    raw = encode("Command", {"id": 1, "rpc": encode("RPCRequest", {"data": b'{\n"a":1}'})})
    assert PROTOBUF.decode(delimited(raw)) == [shapes.Rpc(1, "", b'{"a":1}')]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x05\x08\x01",
        b"\x80",
        b"\x02\x08\x01",  # an id and no request
        b"\x02\x22\x00",  # a connect without id
        delimited(encode("Command", {"id": 1, "ping": b""})),
        delimited(encode("Command", {"id": 1, "connect": b"", "rpc": b""})),
        delimited(encode("Command", {"id": 1, "rpc": encode("RPCRequest", {"data": b"{"})})),
        delimited(encode("Command", {"id": 1, "rpc": encode("RPCRequest", {"data": b'"\xff"'})})),
        b'{"id":1,"connect":{}}',
    ],
)
def test_what_is_no_command_breaks_the_protocol(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        PROTOBUF.decode(frame)
    assert caught.value.close is BAD_PROTOCOL


def close_of(frame: bytes) -> CloseCode | None:
    """What a frame closes its connection with; None if it holds commands."""
    try:
        PROTOBUF.decode(frame)
    except RemoteProtocolError as error:
        return error.close
    return None


def test_kinds_that_newer_clients_send() -> None:
    subscribe = encode("Command", {"id": 1, "subscribe": encode("SubscribeRequest", {"type": 1})})
    publish = encode("Command", {"id": 2, "publish": encode("PublishRequest", {"type": 1})})
    assert PROTOBUF.decode(delimited(subscribe) + delimited(publish)) == [
        shapes.Subscribe(1, "", kind=1),
        shapes.Publish(2, "", b"", 1),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_commands_or_break_the_protocol(frame: bytes) -> None:
    assert close_of(frame) in (None, BAD_PROTOCOL)
    assert close_of(delimited(frame)) in (None, BAD_PROTOCOL)


@given(st.data())
def test_damaged_commands_break_the_protocol_or_mean_something_else(data: st.DataObject) -> None:
    request = encode("SubscribeRequest", {"channel": "c", "offset": 9, "epoch": "e", "data": b"1"})
    raw = bytearray(delimited(encode("Command", {"id": 1, "subscribe": request})))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert close_of(bytes(raw)) in (None, BAD_PROTOCOL)
