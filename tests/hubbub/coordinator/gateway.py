"""A member played by the test: it passes requests on to a real one, or answers for itself.

What is lost, held or answered is said by path ("kv/txn", "watch", …; "version" is GET /version).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Answer = Callable[[bytes], tuple[int, bytes]]


def version(number: str) -> Answer:
    """What GET /version says."""
    return lambda _: (200, json.dumps({"etcdserver": number, "etcdcluster": "3.4.0"}).encode())


def says(*lines: object) -> Answer:
    """One answer, or the lines of a stream."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return lambda _: (200, body)


def at(revision: int, **more: object) -> dict[str, object]:
    """An answer with its header."""
    return {"header": {"revision": str(revision)}, **more}


def refuses(status: int, code: int, message: str) -> Answer:
    """An error of etcd's."""
    body = {"error": message, "message": message, "code": code}
    return lambda _: (status, json.dumps(body).encode())


class Member:
    """`url` is what the client is given. Every request is counted in `asked`, with its headers."""

    def __init__(self, behind: str | None, tls: ssl.SSLContext | None = None) -> None:
        self.url = ""
        self.answers: dict[str, Answer] = {"version": version("3.4.23")}
        self.lost: set[str] = set()  # done by the one behind, but the answer never arrives
        self.held: set[str] = set()  # not even read
        self.mute = False  # a watch's stream stands, but says nothing more
        self.asked: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self._behind = behind
        self._tls = tls
        self._http: aiohttp.ClientSession | None = None
        self._open: set[web.StreamResponse] = set()
        self._cut = asyncio.Event()

    def bodies(self, path: str) -> list[bytes]:
        """What was asked on a path."""
        return [body for asked, body in self.asked if asked == path]

    def cut_streams(self) -> None:
        """Break off all streams of watches."""
        self._cut.set()
        self._cut = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Member]:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as self._http:
            try:
                yield self
            finally:
                self.cut_streams()
                await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"].removeprefix("v3/")
        body = await request.read()
        self.asked.append((path, body))
        self.headers.append(dict(request.headers))
        if path in self.held:
            await self._cut.wait()
            return _hang_up(request)
        if path in self.answers:
            status, answer = self.answers[path](body)
            if path == "watch" and status == 200:
                return await self._stream(request, answer)
            return web.Response(status=status, body=answer)
        assert self._behind is not None, f"nobody said what to answer on {path}"
        assert self._http is not None
        async with self._http.request(
            request.method, f"{self._behind}/{request.match_info['path']}", data=body
        ) as behind:
            if path == "watch":
                return await self._pass_on(request, behind)
            answer = await behind.read()
        if path in self.lost:
            return _hang_up(request)
        return web.Response(status=behind.status, body=answer)

    async def _stream(self, request: web.Request, answer: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(answer)
        await self._cut.wait()
        return _hang_up(request, response)

    async def _pass_on(
        self, request: web.Request, behind: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=behind.status)
        await response.prepare(request)
        cut = self._cut
        async with asyncio.TaskGroup() as tasks:
            copying = tasks.create_task(self._copy(behind, response))
            await cut.wait()
            copying.cancel()
        return _hang_up(request, response)

    async def _copy(self, behind: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        async for line in behind.content:
            if b'"created":true' in line or not self.mute:
                await response.write(line)


def _hang_up(
    request: web.Request, response: web.StreamResponse | None = None
) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return response or web.Response()
