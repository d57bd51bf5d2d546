"""Real sockets: an independent WebSocket client against the edge's endpoints on both loops."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from hubbub.base.errors import SHUTDOWN
from hubbub.base.units import KIB
from hubbub.wire.protobuf_fields import decode, decode_varint, delimited, encode
from tests.edge.toy_host import ToyServer, serve

PATH = "/connection/websocket"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class JsonClient:
    """Lines over one socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._lines: list[Any] = []

    async def ask(self, *commands: object) -> Any:
        await self.socket.send("\n".join(map(json.dumps, commands)))
        return await self.next()

    async def next(self) -> Any:
        while not self._lines:
            frame = await self.socket.recv()
            assert isinstance(frame, str)
            self._lines = [json.loads(line) for line in frame.split("\n")]
        return self._lines.pop(0)

    async def close_code(self) -> tuple[int, str]:
        """Reads until the server closed."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as closed:
            received = closed.rcvd
        assert received is not None, "the connection was cut"
        return received.code, received.reason


async def connected(server: ToyServer, **options: Any) -> JsonClient:
    client = JsonClient(await connect(server.url(PATH, "ws"), **options))
    reply = await client.ask({"id": 1, "connect": {}})
    assert reply["connect"]["client"]
    return client


@pytest.mark.parametrize("has_doors", [True, False])
@pytest.mark.parametrize("loop", LOOPS)
def test_both_loops_carry_a_conversation(loop: str, has_doors: bool) -> None:
    """uvloop's transports are none by inheritance, and pause at other moments."""

    async def talk() -> None:
        async with serve(has_doors=has_doors) as server:
            client = await connected(server)
            await client.ask({"id": 2, "subscribe": {"channel": "x"}})
            ack = await client.ask({"id": 3, "publish": {"channel": "x", "data": {"n": 1}}})
            assert ack["push"]["pub"] == {"data": {"n": 1}, "offset": 1}
            assert await client.next() == {"id": 3, "publish": {}}
            await client.socket.close()
            async with asyncio.timeout(5):
                await server.host.idle.wait()
            assert server.host.closed_count == 1

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(talk())


async def test_connect_and_subscribe_in_one_frame_with_recovery() -> None:
    async with serve() as server:
        for number in range(5):
            server.host.publish("x", b"%d" % number)
        client = JsonClient(await connect(server.url(PATH, "ws")))
        await client.ask(
            {"id": 1, "connect": {}},
            {"id": 2, "subscribe": {"channel": "x", "recover": True, "offset": 3, "flag": 1}},
        )
        result = (await client.next())["subscribe"]
        assert (result["offset"], result["recovered"]) == (3, True)
        assert [pub["offset"] for pub in result["publications"]] == [4, 5]
        server.host.publish("x", b"5")
        assert (await client.next())["push"] == {
            "id": result["id"],
            "pub": {"data": 5, "offset": 6},
        }
        await client.socket.close()


def messages(frame: bytes) -> list[dict[str, Any]]:
    found = []
    at = 0
    while at < len(frame):
        length, at = decode_varint(frame, at, len(frame))
        found.append(decode("Reply", frame, at, at + length))
        at += length
    return found


def protobuf(id: int, name: str, kind: str, **fields: object) -> bytes:
    return delimited(encode("Command", {"id": id, name: encode(kind, fields)}))


@pytest.mark.parametrize(
    ("query", "subprotocols"),
    [
        ("", ["centrifuge-protobuf"]),
        ("?format=protobuf", None),
        ("?cf_protocol=protobuf", None),
        ("", ["chat", "centrifuge-protobuf", "centrifuge-json"]),
    ],
)
async def test_protobuf_clients(query: str, subprotocols: list[str] | None) -> None:
    async with serve() as server:
        offered = [Subprotocol(name) for name in subprotocols] if subprotocols else None
        async with connect(server.url(PATH + query, "ws"), subprotocols=offered) as socket:
            assert socket.subprotocol == ("centrifuge-protobuf" if subprotocols else None)
            await socket.send(protobuf(1, "connect", "ConnectRequest", data=b'{"a":1}'))
            [reply] = messages(await socket.recv(decode=False))
            assert reply["connect"]["data"] == b'{"a":1}'
            await socket.send(
                protobuf(2, "subscribe", "SubscribeRequest", channel="x")
                + protobuf(3, "rpc", "RPCRequest", method="echo", data=b"[1]")
            )
            assert messages(await socket.recv(decode=False)) == [
                {"id": 2, "subscribe": {"recoverable": True, "positioned": True, "epoch": "epoch"}},
                {"id": 3, "rpc": {"data": b"[1]"}},
            ]
            server.host.publish("x", b'"live"')
            [push] = messages(await socket.recv(decode=False))
            assert push["push"]["pub"] == {"data": b'"live"', "offset": 1}


async def test_json_subprotocol_is_echoed_and_an_empty_one_accepted() -> None:
    async with serve() as server:
        offered = [Subprotocol("centrifuge-json")]
        async with connect(server.url(PATH, "ws"), subprotocols=offered) as socket:
            assert socket.subprotocol == "centrifuge-json"
        headers = {"Sec-WebSocket-Protocol": ""}
        async with connect(server.url(PATH, "ws"), additional_headers=headers) as socket:
            assert socket.subprotocol is None


async def test_what_is_no_handshake_gets_400_at_once() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        for headers in (
            {},
            {"Upgrade": "websocket", "Connection": "Upgrade"},
            {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "short",
            },
        ):
            async with http.get(server.url(PATH), headers=headers) as response:
                assert response.status == 400


async def test_origins_are_checked() -> None:
    async with serve(origins=("https://chat.example.org",)) as server:
        url = server.url(PATH, "ws")
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, origin="https://evil.example.org")  # type: ignore[arg-type]
        assert caught.value.response.status_code == 403
        await (await connect(url, origin="https://chat.example.org")).close()  # type: ignore[arg-type]
        await (await connect(url)).close()


async def test_a_full_edge_answers_503_before_the_handshake() -> None:
    async with serve() as server:
        server.host.is_full = True
        with pytest.raises(InvalidStatus) as caught:
            await connect(server.url(PATH, "ws"))
        assert caught.value.response.status_code == 503


@pytest.mark.parametrize(
    "frame",
    [
        b"nonsense",
        b"",
        b'{"id":2}',
        b'{"id":2,"rpc":{"method":"echo","data":"\xff"}}',
        b'{"id":2,"rpc":{"method":"echo","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b'{"id":2,"connect":{}}',
    ],
)
async def test_bad_input_closes_that_connection_alone(frame: bytes) -> None:
    async with serve() as server:
        good, bad = await connected(server), await connected(server)
        await good.ask({"id": 2, "subscribe": {"channel": "x"}})
        await bad.socket.send(frame, text=True)
        assert await bad.close_code() == (3501, "bad request")
        server.host.publish("x", b"1")
        assert (await good.next())["push"]["pub"]["data"] == 1
        await good.socket.close()


async def test_a_message_over_the_bound_closes_with_1009() -> None:
    async with serve(frame_bytes_max=64 * KIB) as server:
        client = await connected(server)
        echo = await client.ask({"id": 2, "rpc": {"method": "echo", "data": "x" * 60_000}})
        assert len(echo["rpc"]["data"]) == 60_000
        await client.socket.send("x" * (64 * KIB + 1))
        assert (await client.close_code())[0] == 1009


async def test_websocket_pings_are_answered_and_fragments_joined() -> None:
    async with serve() as server:
        client = await connected(server)
        async with asyncio.timeout(5):
            await (await client.socket.ping(b"?"))
        await client.socket.send(['{"id":2,"rpc":', '{"method":"echo","data":2}}'])
        assert await client.next() == {"id": 2, "rpc": {"data": 2}}
        await client.socket.close()


async def test_transport_pings_instead_of_ours() -> None:
    async with serve(ping_interval_s=0.2, pong_timeout_s=0.2) as server:
        socket = await connect(server.url(PATH + "?cf_ws_frame_ping_pong=true", "ws"))
        client = JsonClient(socket)
        reply = await client.ask({"id": 1, "connect": {}})
        assert "ping" not in reply["connect"]
        [session] = server.host.sessions
        first = session.deadline_ms
        async with asyncio.timeout(10):
            while session.deadline_ms == first:
                assert await client.ask({"id": 2, "rpc": {"method": "echo", "data": 0}}) == {
                    "id": 2,
                    "rpc": {"data": 0},
                }
        await socket.close()


async def test_pings_and_no_pong() -> None:
    async with serve(ping_interval_s=0.5, pong_timeout_s=0.3) as server:
        client = await connected(server)
        assert await client.next() == {}
        assert await client.close_code() == (3012, "no pong")


async def test_no_connect_in_time() -> None:
    async with serve(connect_deadline_s=0.1) as server:
        client = JsonClient(await connect(server.url(PATH, "ws")))
        assert await client.close_code() == (3502, "stale")


async def test_the_server_says_why_it_closes() -> None:
    async with serve() as server:
        client = await connected(server)
        [session] = server.host.sessions
        session.reply_rpc(7, b'"last"')
        session.close(SHUTDOWN)
        assert await client.next() == {"id": 7, "rpc": {"data": "last"}}
        assert await client.close_code() == (3001, "shutdown")


async def test_a_client_that_does_not_read_is_closed_as_slow() -> None:
    async with serve(outgoing_bytes_max=256 * KIB) as server:
        slow, quick = await connected(server), await connected(server)
        for client in (slow, quick):
            await client.ask({"id": 2, "subscribe": {"channel": "x"}})
        slow.socket.transport.pause_reading()
        statistics = server.host.pace.flusher.statistics
        text = json.dumps("x" * 60_000).encode()
        published = 0
        async with asyncio.timeout(30):
            while not statistics.slow_closes_total:
                server.host.publish("x", text)
                published += 1
                assert (await quick.next())["push"]["pub"]["offset"] == published
        slow.socket.transport.resume_reading()
        assert await slow.close_code() == (3008, "slow")
        assert len(server.host.sessions) == 1
        await quick.socket.close()


async def test_replies_that_nobody_reads_stop_the_reading_of_commands() -> None:
    async with serve(
        recovery_connection_bytes_max=256 * KIB, recovery_bytes_max=128 * KIB
    ) as server:
        client = await connected(server)
        client.socket.transport.pause_reading()
        command = json.dumps({"id": 2, "rpc": {"method": "echo", "data": "y" * 50_000}})
        [session] = server.host.sessions
        other = await connected(server)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send_many(client, command, 600))
            while session.outgoing.outstanding_bytes <= 256 * KIB:
                await other.ask({"id": 2, "rpc": {"method": "echo", "data": 0}})
            for _ in range(500):  # the sender goes on, the server takes no more of it
                await other.ask({"id": 2, "rpc": {"method": "echo", "data": 0}})
            assert session.outgoing.outstanding_bytes < 512 * KIB
            assert not sending.done()
            client.socket.transport.resume_reading()
            for _ in range(600):
                assert (await client.next())["id"] == 2
            await other.socket.close()
        await client.socket.close()


async def _send_many(client: JsonClient, command: str, count: int) -> None:
    for _ in range(count):
        await client.socket.send(command)


async def test_an_idle_connection_leaves_no_task_behind() -> None:
    async with serve() as server:
        clients = [await connected(server) for _ in range(20)]
        running = [repr(task.get_coro()) for task in asyncio.all_tasks()]
        assert not [name for name in running if "RequestHandler" in name]
        for client in clients:
            await client.socket.close()


async def test_clients_that_vanish_are_cleaned_up() -> None:
    async with serve() as server:
        clients = [await connected(server) for _ in range(10)]
        for client in clients:
            await client.ask({"id": 2, "subscribe": {"channel": "x"}})
        for client in clients:
            client.socket.transport.abort()
        async with asyncio.timeout(5):
            await server.host.idle.wait()
        assert server.host.hub.channels == {}
        assert server.host.pace.flusher.total_bytes == 0
