"""Clients without WebSocket: an endless HTTP response down, POST /emulation up.

Rules:
1. The response's socket is taken over once the request was read, so a stream costs what a WebSocket
   costs. It has no length and no chunks: it ends with the connection, as HTTP/1.0 proxies can do.
2. Commands come in requests of their own, on any edge: `node` in them names the process that holds
   the session, and `session` is a secret of 128 bits that finds it.
3. The last message is a `disconnect` push, then the response ends.
4. Pages of other origins are let in by the same allow-list as WebSockets.

Source: Centrifuge client protocol v2 (emulation); HTML living standard (server-sent events); Fetch
standard (CORS); RFC 9112 section 6.3 (a response that ends with its connection).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web
from msgspec import Struct

from edge.addresses import NO_PROXIES, Addresses
from edge.connection import Peer
from edge.framing import SSE, STREAM_JSON, STREAM_PROTOBUF, Framing
from edge.origins import Origins
from edge.outgoing import Flusher, Outgoing
from edge.session import Session, SessionHost
from edge.takeover import GoneResponse, take_over
from edge.websocket import BUSY, CLOSE_WAIT_S
from hubbub.base.errors import CloseCode, Rejected, RemoteProtocolError
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import Encoding
from hubbub.wire.codec import convert, parse_json
from hubbub.wire.protobuf import PROTOBUF, decode_emulation

Forward = Callable[[str, str, bytes], Awaitable[bool]]  # node, session, data → delivered

SESSION_ID_BYTES: Final = 16
_PROTOBUF_TYPE: Final = "application/octet-stream"
_HEAD: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nConnection: close\r\n"
    "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
    "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
)


class _Emulation(Struct):
    session: str
    node: str
    data: str


class StreamConnection(asyncio.Protocol):
    """One endless response: a Connection. `post` brings what its client sends."""

    __slots__ = (
        "_close_timer",
        "_endpoints",
        "_framing",
        "_head",
        "_outgoing",
        "_peer",
        "_session",
        "_transport",
        "_unread",
        "_unread_bytes",
    )

    def __init__(
        self, endpoints: StreamEndpoints, peer: Peer, framing: Framing, head: bytes
    ) -> None:
        self._endpoints = endpoints
        self._peer = peer
        self._framing = framing
        self._head = head
        self._outgoing = Outgoing(self, framing, endpoints.flusher)
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._unread: list[bytes] | None = None  # posted while reading is paused
        self._unread_bytes = 0
        self._close_timer: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours: begin the response."""
        assert self._transport is None
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport = transport
        self._session = self._endpoints.host.open(self._outgoing, self._peer)
        if self._session is None:
            transport.write(BUSY)
            transport.close()
            return
        transport.write(self._head)
        self._endpoints.streams[self._peer.session_id] = self

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._outgoing.blocked()

    def resume_writing(self) -> None:
        """The kernel takes more."""
        self._outgoing.drained()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client hung up, or we ended the response."""
        self._transport = None
        self._endpoints.streams.pop(self._peer.session_id, None)
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._outgoing.lost()
        session, self._session = self._session, None
        if session is not None:
            session.ended()
            self._endpoints.host.closed(session)

    # --- Connection

    @property
    def buffered_bytes(self) -> int:
        """Written, but not yet taken by the kernel."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def write(self, frame: bytes) -> None:
        """Ready messages."""
        if self._transport is not None:
            self._transport.write(frame)

    def write_heartbeat(self) -> None:
        """Streams have no ping of their own."""

    def pause_reading(self) -> None:
        """Keep what is posted, up to one frame's size."""
        if self._unread is None:
            self._unread = []

    def resume_reading(self) -> None:
        """Hand over what was kept, until somebody pauses again."""
        unread, self._unread, self._unread_bytes = self._unread, None, 0
        for at, data in enumerate(unread or ()):
            if self._unread is not None:
                self._unread = [*self._unread, *(unread or ())[at:]]
                self._unread_bytes = sum(map(len, self._unread))
                return
            self.post(data)

    def close(self, close: CloseCode) -> None:
        """Push the reason, then end the response."""
        transport = self._transport
        if transport is None or self._close_timer is not None:
            return
        self._outgoing.lost()
        self._endpoints.streams.pop(self._peer.session_id, None)
        self._close_timer = asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self.abort)
        push = self._peer.encoding.push_disconnect(close.code, close.reason)
        transport.write(self._framing.frame([push]))
        transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    # --- commands

    def post(self, data: bytes) -> bool:
        """Commands from a request; False if too much waits already."""
        if self._unread is not None:
            if self._unread_bytes + len(data) > self._endpoints.frame_bytes_max:
                return False
            self._unread.append(data)
            self._unread_bytes += len(data)
        elif self._session is not None and self._close_timer is None:
            self._endpoints.host.frame(self._session, data)
        return True


class StreamEndpoints:
    """`/connection/http_stream`, `/connection/sse` and `/emulation`.

    Args: node: `name.boot_id` of this process. forward: brings commands to another process; True if
    it took them. session_id: makes unguessable ids.
    """

    def __init__(
        self,
        host: SessionHost,
        flusher: Flusher,
        origins: Origins,
        *,
        node: str,
        forward: Forward,
        session_id: Callable[[], str],
        frame_bytes_max: int,
        addresses: Addresses = NO_PROXIES,
    ) -> None:
        self.host = host
        self.flusher = flusher
        self.frame_bytes_max = frame_bytes_max
        self.streams: dict[str, StreamConnection] = {}
        self._origins = origins
        self._addresses = addresses
        self._node = node
        self._forward = forward
        self._session_id = session_id

    def deliver(self, session_id: str, data: bytes) -> bool:
        """Commands that another edge forwarded; False if the session is not here."""
        stream = self.streams.get(session_id)
        return stream is not None and stream.post(data)

    async def http_stream(self, request: web.Request) -> web.StreamResponse:
        """POST: the body holds the connect command; OPTIONS: the preflight."""
        if (refusal := self._preflight(request)) is not None:
            return refusal
        body = await request.read()
        if _is_protobuf(request):
            return self._begin(request, PROTOBUF, STREAM_PROTOBUF, _PROTOBUF_TYPE, b"", body)
        return self._begin(request, JSON, STREAM_JSON, "application/json", b"", body)

    async def sse(self, request: web.Request) -> web.StreamResponse:
        """GET with `cf_connect`, or POST with the connect command as body."""
        if (refusal := self._preflight(request)) is not None:
            return refusal
        if request.method == "GET":
            body = request.query.get("cf_connect", "").encode(errors="replace")
        else:
            body = await request.read()
        # A blank line opens the EventSource before the connect is answered.
        return self._begin(request, JSON, SSE, "text/event-stream", b"\r\n", body)

    async def emulation(self, request: web.Request) -> web.StreamResponse:
        """Commands for a stream, here or on another edge."""
        if (refusal := self._preflight(request)) is not None:
            return refusal
        headers = self._cors(request)
        body = await request.read()
        try:
            if _is_protobuf(request):
                node, session_id, data = decode_emulation(body)
            else:
                row = convert(parse_json(body), _Emulation)
                node, session_id, data = row.node, row.session, row.data.encode()
        except (Rejected, RemoteProtocolError):
            return web.Response(status=400, text="not an emulation request\n", headers=headers)
        if len(data) > self.frame_bytes_max:
            return web.Response(status=413, text="too large\n", headers=headers)
        if node == self._node:
            is_taken = self.deliver(session_id, data)
        else:
            is_taken = await self._forward(node, session_id, data)
        return web.Response(status=204 if is_taken else 404, headers=headers)

    def _begin(
        self,
        request: web.Request,
        encoding: Encoding,
        framing: Framing,
        content_type: str,
        opening: bytes,
        body: bytes,
    ) -> web.StreamResponse:
        headers = self._cors(request)
        if len(body) > self.frame_bytes_max:
            return web.Response(status=413, text="too large\n", headers=headers)
        peer = Peer(
            encoding=encoding,
            transport="sse" if framing is SSE else "http_stream",
            remote=self._addresses.of_request(request),
            origin=request.headers.get("Origin", ""),
            user_agent=request.headers.get("User-Agent", "")[:128],
            session_id=self._session_id(),
            node=self._node,
        )
        head = _HEAD.format(type=content_type) + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        stream = StreamConnection(self, peer, framing, head.encode() + b"\r\n" + opening)
        if take_over(request, stream) is not None:
            stream.post(body)
        return GoneResponse()

    def _preflight(self, request: web.Request) -> web.Response | None:
        """What to answer without looking further: a foreign page, or an OPTIONS request."""
        if not self._origins.allows(request.headers.get("Origin"), request.host):
            return web.Response(status=403, text="this origin is not allowed\n")
        if request.method != "OPTIONS":
            return None
        headers = self._cors(request) | {
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": request.headers.get(
                "Access-Control-Request-Headers", "Content-Type"
            ),
            "Access-Control-Max-Age": "300",
        }
        return web.Response(status=204, headers=headers)

    def _cors(self, request: web.Request) -> dict[str, str]:
        origin = request.headers.get("Origin")
        if origin is None:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }


def _is_protobuf(request: web.Request) -> bool:
    """By the header itself: aiohttp reads a missing one as binary, and here it means JSON."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip() == _PROTOBUF_TYPE
