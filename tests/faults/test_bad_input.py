"""Whatever a client sends, it gets the documented answer, and nobody else notices.

After every case a good client sends to a room, and a witness that has been connected all the time
receives it: the connection handler lives, and no frame of the bad client reached anybody.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from hubbub.base.ids import message_id
from tests.support.client import Client, Closed, ReplyError, new_cmid
from tests.support.cluster import Cluster

ROOM, OTHER_ROOM = "group:bad-input", "group:bad-input-other"
MIB = 1 << 20
BAD_REQUEST_CLOSE, INVALID_TOKEN_CLOSE = 3501, 3500
TOO_BIG_CLOSE, NOT_UTF8_CLOSE = 1009, 1007

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=1, edges=1) as running:
        for room in (ROOM, OTHER_ROOM):
            running.rest("POST", "/v1/channels", {"channel": room, "members": ["ann", "bob"]})
        yield running


@asynccontextmanager
async def witnessed(cluster: Cluster) -> AsyncIterator[None]:
    """Whatever happens inside, a witness of the room sees one good message and nothing else."""
    pid = cluster.process("edge-1").pid
    async with Client(cluster.url, cluster.token("bob")) as witness:
        before = (await witness.subscribe(ROOM))["offset"]
        yield
        async with Client(cluster.url, cluster.token("ann")) as ann:
            ack = await ann.send(ROOM, "all is well")
        seen = await witness.wait_publications(ROOM, 1)
        assert [pub["data"]["id"] for pub in seen if pub.get("offset")] == [ack["id"]]
        assert ack["seq"] == before + 1, "a bad command was stored"
        assert witness.closed is None
    assert cluster.process("edge-1").pid == pid, "the edge was restarted"


@pytest.fixture
async def ann(cluster: Cluster) -> AsyncIterator[Client]:
    """A connected client that may misbehave; the witness watches until it is gone."""
    async with witnessed(cluster), Client(cluster.url, cluster.token("ann")) as client:
        yield client


@pytest.fixture
async def stranger(cluster: Cluster) -> AsyncIterator[Client]:
    """An open socket that has not connected yet."""
    async with witnessed(cluster):
        client = Client(cluster.url)
        await client.open()
        try:
            yield client
        finally:
            await client.close()


# --- frames

DEEP = "[" * 10_000 + "]" * 10_000
UNDECODABLE = {
    "empty": "",
    "only-newlines": "\n\n",
    "no-json": "hello",
    "truncated": '{"id":1,"connect":{"tok',
    "array": '[{"id":1,"connect":{}}]',
    "string": '"connect"',
    "number": "17",
    "null": "null",
    "nan": '{"id":1,"connect":{"data":NaN}}',
    "infinity": '{"id":1,"connect":{"data":-Infinity}}',
    "deep": f'{{"id":1,"connect":{{"data":{DEEP}}}}}',
    "lone-surrogate": '{"id":1,"connect":{"data":"\\ud800"}}',
    "two-values": '{"id":1,"connect":{}} {"id":2}',
    "id-is-text": '{"id":"1","connect":{}}',
    "id-is-negative": '{"id":-1,"connect":{}}',
    "id-is-huge": '{"id":18446744073709551617,"connect":{}}',
    "connect-is-text": '{"id":1,"connect":"please"}',
    "token-is-number": '{"id":1,"connect":{"token":5}}',
    "no-id": '{"connect":{}}',
    "not-connect-first": '{"id":1,"rpc":{"method":"history.get","data":{}}}',
    "subscribe-first": '{"id":1,"subscribe":{"channel":"group:x"}}',
}


@pytest.mark.parametrize("name", list(UNDECODABLE))
async def test_a_stranger_with_a_bad_frame_is_closed(stranger: Client, name: str) -> None:
    await stranger.send_raw(UNDECODABLE[name])
    assert (await stranger.wait_closed()).code == BAD_REQUEST_CLOSE


@pytest.mark.parametrize(
    "name", ["empty", "no-json", "truncated", "array", "nan", "deep", "lone-surrogate", "no-id"]
)
async def test_a_client_with_a_bad_frame_is_closed(ann: Client, name: str) -> None:
    await ann.send_raw(UNDECODABLE[name])
    assert (await ann.wait_closed()).code == BAD_REQUEST_CLOSE


@pytest.mark.parametrize(
    "field", ["text", "data", "method", "cmid"], ids=lambda field: f"inside-{field}"
)
async def test_invalid_utf8_inside_a_command_reaches_nobody(ann: Client, field: str) -> None:
    values = {"text": '"hi"', "data": "{}", "method": '"message.send"', "cmid": f'"{new_cmid()}"'}
    values[field] = '"BROKEN"'
    frame = (
        f'{{"id":9,"rpc":{{"method":{values["method"]},"data":{{"channel":"{ROOM}",'
        f'"cmid":{values["cmid"]},"text":{values["text"]},"data":{values["data"]}}}}}}}'
    ).encode()
    await ann.send_raw(frame.replace(b"BROKEN", b"\xff\xfe\xc0"))
    assert (await ann.wait_closed()).code in (BAD_REQUEST_CLOSE, NOT_UTF8_CLOSE)


@pytest.mark.parametrize("data", [b'"\xff\xfe\xc0"', b'"\\ud800"', b"NaN", b"{", b"[" * 10_000])
async def test_bad_json_inside_a_protobuf_command_reaches_nobody(
    cluster: Cluster, data: bytes
) -> None:
    """Protobuf's `bytes` hold anything; what JSON subscribers would get is checked all the same."""
    url = f"{cluster.url}/connection/websocket?format=protobuf"
    body = b'{"channel":"%s","cmid":"%s","text":"hi","data":%s}'
    body %= (ROOM.encode(), new_cmid().encode(), data)
    token = cluster.token("ann").encode()
    async with (
        witnessed(cluster),
        aiohttp.ClientSession() as session,
        session.ws_connect(url) as socket,
    ):
        await socket.send_bytes(_command(1, 4, _field(1, token)))
        assert (await socket.receive(10)).type is aiohttp.WSMsgType.BINARY
        await socket.send_bytes(_command(2, 13, _field(1, body) + _field(2, b"message.send")))
        while (message := await socket.receive(10)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == BAD_REQUEST_CLOSE


def _command(number: int, kind: int, request: bytes) -> bytes:
    """A length-delimited Command: id is field 1, connect 4, rpc 13."""
    command = b"\x08" + bytes((number,)) + _field(kind, request)
    return _varint(len(command)) + command


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    rest, low = divmod(value, 128)
    return bytes((low | 128,)) + _varint(rest) if rest else bytes((low,))


async def test_a_frame_above_1_mib_is_closed_with_1009(ann: Client) -> None:
    padding = "x" * (MIB + 1)
    with contextlib.suppress(ConnectionError):  # it may hang up before all is written
        await ann.send_raw(f'{{"id":9,"rpc":{{"method":"message.send","data":"{padding}"}}}}')
    assert (await ann.wait_closed()).code == TOO_BIG_CLOSE


async def test_a_frame_just_below_1_mib_is_read(ann: Client) -> None:
    pings = '{"id":%d,"rpc":{"method":"no.such.method","data":{}}}\n'
    frame = "".join(pings % number for number in range(1_000, 17_000))
    assert 0.8 * MIB < len(frame) < MIB
    await ann.send_raw(frame)
    with pytest.raises(ReplyError) as refused:
        await ann.rpc("no.such.method")
    assert refused.value.code == 108


async def test_frames_cut_in_the_middle_leave_no_trace(cluster: Cluster) -> None:
    async with witnessed(cluster):
        parts = urlsplit(cluster.url)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            f"GET /connection/websocket HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        whole = upgrade + b"\x81\xfe\x01\x00" + b"\x00" * 4 + b'{"id":1,"connect":{'
        for length in (1, 20, len(upgrade) - 2, len(upgrade), len(upgrade) + 3, len(whole)):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(whole[:length])
            await writer.drain()
            if length >= len(upgrade):
                assert b"101" in await reader.readline()
            writer.transport.abort()


@pytest.mark.parametrize("seed", range(5))
async def test_noise_is_closed_or_refused_and_never_kills(cluster: Cluster, seed: int) -> None:
    random = Random(seed)
    good = [
        json.dumps({"id": 1, "connect": {"token": cluster.token("ann")}}),
        json.dumps({"id": 2, "subscribe": {"channel": OTHER_ROOM}}),
        json.dumps({"id": 3, "history": {"channel": OTHER_ROOM, "limit": 3}}),
    ]
    async with witnessed(cluster):
        for _ in range(20):
            client = Client(cluster.url)
            await client.open()
            with contextlib.suppress(ConnectionError):
                for frame in good[: random.randint(0, 3)]:
                    await client.send_raw(frame)
                for _ in range(random.randint(1, 4)):
                    await client.send_raw(_noise(random, good))
            await client.close()


def _noise(random: Random, good: list[str]) -> bytes:
    data = bytearray(random.choice(good).encode())
    for _ in range(random.randint(1, 8)):
        place = random.randrange(len(data))
        how = random.random()
        if how < 0.4:
            data[place] = random.randrange(256)
        elif how < 0.7:
            del data[place : place + random.randint(1, 20)]
            data += b"\x00"
        else:
            data[place:place] = random.randbytes(random.randint(1, 20))
    return bytes(data)


# --- commands


async def test_connecting_twice_is_closed(ann: Client) -> None:
    with pytest.raises(Closed) as closed:
        await ann.command(connect={})
    assert closed.value.code == BAD_REQUEST_CLOSE


@pytest.mark.parametrize("method", ["no.such.method", "", "message", "message.send.", "é" * 300])
async def test_an_unknown_method_is_108(ann: Client, method: str) -> None:
    with pytest.raises(ReplyError) as refused:
        await ann.rpc(method)
    assert refused.value.code == 108


BAD_SENDS: dict[str, tuple[dict[str, Any], int]] = {
    "channel-is-number": ({"channel": 5}, 107),
    "channel-is-missing": ({"channel": None}, 107),
    "text-is-object": ({"text": {}}, 107),
    "text-is-blank": ({"text": " \n "}, 107),
    "cmid-is-number": ({"cmid": 1}, 107),
    "cmid-is-no-uuid": ({"cmid": "abc"}, 107),
    "cmid-is-another-version": ({"cmid": "6fa459ea-ee8a-4ca4-894e-db77e160355e"}, 107),
    "cmid-is-of-1970": ({"cmid": "00000000-0001-7000-8000-000000000000"}, 411),
    "text-is-too-long": ({"text": "x" * 5_001}, 413),
    "data-is-too-big": ({"data": {"x": "y" * 70_000}}, 413),
    "channel-does-not-exist": ({"channel": "group:there-is-none"}, 405),
    "namespace-does-not-exist": ({"channel": "nowhere:x"}, 102),
    "channel-of-the-system": ({"channel": "@app"}, 102),
    "channel-with-a-space": ({"channel": "group:a b"}, 107),
    "channel-is-too-long": ({"channel": "group:" + "x" * 300}, 107),
    "channel-is-not-ascii": ({"channel": "group:größe"}, 107),
}


@pytest.mark.parametrize("name", list(BAD_SENDS))
async def test_a_bad_send_has_its_code(ann: Client, name: str) -> None:
    changes, code = BAD_SENDS[name]
    data = {"channel": ROOM, "cmid": new_cmid(), "text": "hi", **changes}
    with pytest.raises(ReplyError) as refused:
        await ann.rpc("message.send", **{k: v for k, v in data.items() if v is not None})
    assert refused.value.code == code, refused.value.message
    assert ":" in refused.value.message, "a message is `name: text`"


@pytest.mark.parametrize(
    ("channel", "code"),
    [("group:there-is-none", 405), ("nowhere:x", 102), ("@app", 102), ("#bob", 103)],
)
async def test_a_bad_subscribe_has_its_code(ann: Client, channel: str, code: int) -> None:
    with pytest.raises(ReplyError) as refused:
        await ann.subscribe(channel)
    assert refused.value.code == code


async def test_subscribing_twice_is_105(ann: Client) -> None:
    await ann.subscribe(OTHER_ROOM)
    with pytest.raises(ReplyError) as refused:
        await ann.subscribe(OTHER_ROOM)
    assert refused.value.code == 105


async def test_publishing_to_a_chat_channel_is_103(ann: Client) -> None:
    await ann.subscribe(OTHER_ROOM)
    with pytest.raises(ReplyError) as refused:
        await ann.command(publish={"channel": OTHER_ROOM, "data": {}})
    assert refused.value.code == 103


async def test_ids_of_another_channel_or_app_name_nothing(ann: Client) -> None:
    elsewhere = await ann.send(OTHER_ROOM, "an id of another channel")
    stream = f"demo\0{ROOM}".encode()
    foreign = message_id(
        int(time.time() * 1_000), elsewhere["seq"], stream, b"another app's secret"
    )
    for mid in (elsewhere["id"], foreign):
        with pytest.raises(ReplyError) as refused:
            await ann.rpc("message.edit", channel=ROOM, id=mid, cmid=new_cmid(), text="mine now")
        assert refused.value.code == 404
    with pytest.raises(ReplyError) as refused:
        await ann.rpc("message.delete", channel=ROOM, id="no id at all", cmid=new_cmid())
    assert refused.value.code == 107


async def test_a_user_who_is_no_member_gets_nothing(cluster: Cluster) -> None:
    async with witnessed(cluster), Client(cluster.url, cluster.token("eve")) as eve:
        for attempt in (
            eve.send(ROOM, "hi"),
            eve.subscribe(ROOM),
            eve.rpc("history.get", channel=ROOM, limit=5),
            eve.command(history={"channel": ROOM, "limit": 5}),
        ):
            with pytest.raises(ReplyError) as refused:
                await attempt
            assert refused.value.code in (103, 405)
            assert "all is well" not in refused.value.message


# --- tokens


def signed(secret: str, claims: dict[str, Any], **header: str) -> str:
    head = {"alg": "HS256", "typ": "JWT", **header}
    parts = [base64.urlsafe_b64encode(json.dumps(x).encode()).rstrip(b"=") for x in (head, claims)]
    mac = hmac.new(secret.encode(), b".".join(parts), sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def later(seconds: int = 600) -> int:
    return int(time.time()) + seconds


def tokens(secret: str) -> dict[str, str]:
    """Tokens that must close the connection with 3500."""
    unsigned = signed(secret, {"sub": "ann", "exp": later()}, alg="none").rpartition(".")[0] + "."
    good = signed(secret, {"sub": "ann", "exp": later()})
    return {
        "forged": signed("x" * 32, {"sub": "ann", "exp": later()}),
        "unsigned": unsigned,
        "another-algorithm": signed(secret, {"sub": "ann", "exp": later()}, alg="RS256"),
        "unknown-key": signed(secret, {"sub": "ann", "exp": later()}, kid="nobody's"),
        "another-app": signed(secret, {"sub": "ann", "exp": later(), "app": "another"}),
        "channel-claim": signed(secret, {"sub": "ann", "exp": later(), "channel": ROOM}),
        "not-yet-valid": signed(secret, {"sub": "ann", "exp": later(900), "nbf": later(600)}),
        "sub-is-number": signed(secret, {"sub": 42, "exp": later()}),
        "user-with-a-comma": signed(secret, {"sub": "a,b", "exp": later()}),
        "changed-payload": ".".join([good.split(".")[0], "e30", good.split(".")[2]]),
        "no-token-at-all": "hello",
    }


@pytest.mark.parametrize("name", list(tokens("")))
async def test_a_bad_token_closes_with_3500(cluster: Cluster, stranger: Client, name: str) -> None:
    token = tokens(cluster.token_secret)[name]
    await stranger.send_raw(json.dumps({"id": 1, "connect": {"token": token}}))
    assert (await stranger.wait_closed()).code == INVALID_TOKEN_CLOSE


async def test_no_token_closes_with_3501(stranger: Client) -> None:
    await stranger.send_raw('{"id":1,"connect":{}}')
    assert (await stranger.wait_closed()).code == BAD_REQUEST_CLOSE


async def test_an_expired_token_is_109_and_what_follows_is_swallowed(
    cluster: Cluster, stranger: Client
) -> None:
    token = signed(cluster.token_secret, {"sub": "ann", "exp": later(-60)})
    with pytest.raises(ReplyError) as refused:
        await stranger.command(connect={"token": token})
    assert refused.value.code == 109
    await stranger.send_raw('{"id":2,"subscribe":{"channel":"group:x"}}')
    assert (await stranger.wait_closed()).code == BAD_REQUEST_CLOSE


# --- HTTP


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"user":NaN}', 400),
        (b'{"user":"\\ud800"}', 400),
        (b'{"user":5}', 400),
        (b'{"user":"a b"}', 400),
        (b"[" * 10_000, 400),
        (b"", 400),
    ],
)
async def test_a_bad_body_is_a_problem_document(cluster: Cluster, body: bytes, status: int) -> None:
    head = {"Authorization": f"Bearer {cluster.server_key}", "Content-Type": "application/json"}
    url = f"{cluster.url}/v1/tokens"
    async with (
        witnessed(cluster),
        aiohttp.ClientSession(headers=head) as session,
        session.post(url, data=body) as answer,
    ):
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["code"]


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic YTpi", "Bearer " + "x" * 5_000])
async def test_a_wrong_server_key_is_401(cluster: Cluster, key: str) -> None:
    head = {"Authorization": key} if key else {}
    url = f"{cluster.url}/v1/tokens"
    async with (
        witnessed(cluster),
        aiohttp.ClientSession(headers=head) as session,
        session.post(url, json={"user": "ann"}) as answer,
    ):
        assert answer.status == 401
