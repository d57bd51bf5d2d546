"""The yardstick: a bare aiohttp process that keeps rooms in memory. Nothing is stored, no token.

It is written the plain way and neither crippled nor tuned: every publication is written to every
member with `send_str`. `python -m ops.bench.reference` prints its URL as the only line on stdout
and ends when stdin does, so that it never outlives the benchmark.

What it speaks (JSON text frames at /ws, one object each):
    {"id":1,"join":{"room":"r","user":"u"}}                    → {"id":1,"joined":{"seq":0}}
    {"id":2,"publish":{"room":"r","text":"…"}}                 → {"id":2,"published":{"seq":1}}
        and to every member               {"room":"r","pub":{"seq":1,"by":"u","ts":…,"text":"…"}}
    {"id":3,"page":{"room":"r","before_seq":51,"limit":50}}    → {"id":3,"page":{"messages":[…]}}
"""

import asyncio
import itertools
import sys
import time
from collections import defaultdict
from typing import Any

from aiohttp import WSMsgType, web

from hubbub.runtime.process import loop_factory
from hubbub.wire.codec import dump_json, parse_json


class Room:
    """Members and messages of one room, in memory."""

    def __init__(self) -> None:
        self.members: set[web.WebSocketResponse] = set()
        self.messages: list[dict[str, Any]] = []
        self.seqs = itertools.count(1)


class Reference:
    """All rooms of the process."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = defaultdict(Room)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One client, until it leaves."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        user = ""
        joined: list[Room] = []
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            command = parse_json(frame.data)
            if "publish" in command:
                await self._publish(socket, command["id"], user, **command["publish"])
            elif "join" in command:
                user = command["join"]["user"]
                joined.append(self.rooms[command["join"]["room"]])
                joined[-1].members.add(socket)
                await _send(socket, {"id": command["id"], "joined": {"seq": _head(joined[-1])}})
            else:
                await self._page(socket, command["id"], **command["page"])
        for room in joined:
            room.members.discard(socket)
        return socket

    async def _publish(
        self, socket: web.WebSocketResponse, request_id: int, by: str, room: str, text: str
    ) -> None:
        here = self.rooms[room]
        message = {
            "seq": next(here.seqs),
            "by": by,
            "ts": time.time_ns() // 1_000_000,
            "text": text,
        }
        here.messages.append(message)
        frame = dump_json({"room": room, "pub": message}).decode()
        for member in list(here.members):
            if not member.closed:
                await member.send_str(frame)
        await _send(socket, {"id": request_id, "published": {"seq": message["seq"]}})

    async def _page(
        self, socket: web.WebSocketResponse, request_id: int, room: str, before_seq: int, limit: int
    ) -> None:
        end = before_seq - 1  # seq 1 is at place 0
        messages = self.rooms[room].messages[max(0, end - limit) : end]
        await _send(socket, {"id": request_id, "page": {"messages": messages}})


def _head(room: Room) -> int:
    return len(room.messages)


async def _send(socket: web.WebSocketResponse, value: dict[str, Any]) -> None:
    await socket.send_str(dump_json(value).decode())


async def main() -> None:
    """Serves on a free port of the loopback until stdin ends."""
    app = web.Application()
    app.router.add_get("/ws", Reference().serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096, shutdown_timeout=0.1)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as loop:
        loop.run(main())
