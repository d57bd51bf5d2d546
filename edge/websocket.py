"""Clients over WebSocket: after the handshake bytes from and to the socket itself.

Rules:
1. A connection is one object of ours on the transport: no task, queue or future of its own. A
   message goes from the socket's buffer to the host in one call: [M] 5.4 us for an rpc of 170 bytes
   up to its queued reply, system calls apart; 1.5 of them are the frame.
2. Frames come ready and shared; nothing is compressed: with context a frame could not be shared.
3. A disconnect is the close frame: its code and reason are the protocol's. The transport ends when
   the peer has answered, or after `CLOSE_WAIT_S`.
4. What a peer does wrong ends its connection and nothing else.

Source: RFC 6455; Centrifuge client protocol v2 (handshake, disconnect codes).
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiohttp import web

from edge import websocket_frames as frames
from edge.addresses import FORWARDED, NO_PROXIES, Addresses
from edge.connection import Peer
from edge.framing import (
    WEBSOCKET_JSON,
    WEBSOCKET_PING,
    WEBSOCKET_PROTOBUF,
    websocket_close,
    websocket_head,
)
from edge.handshake import accept_of, negotiate, plain_head, response
from edge.origins import Origins
from edge.outgoing import Flusher, Outgoing
from edge.session import Session, SessionHost
from edge.takeover import GoneResponse, take_over
from hubbub.base.errors import CloseCode

# After our close frame the peer has so long to answer. Half cuts phones off before the code
# arrives (they then see 1006 and reconnect without it); double only holds memory.
CLOSE_WAIT_S: Final = 3.0
BROKEN_WAIT_S: Final = 0.5  # the same where the answer could not be read anyway
USER_AGENT_MAX: Final = 128
_PONG_HEAD: Final = 0x8A
BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class WebSocketConnection(asyncio.Protocol):
    """One WebSocket after its handshake: a Connection."""

    __slots__ = (
        "_close_timer",
        "_head",
        "_host",
        "_is_paused",
        "_outgoing",
        "_parser",
        "_peer",
        "_session",
        "_transport",
    )

    def __init__(
        self, host: SessionHost, flusher: Flusher, peer: Peer, head: bytes, message_bytes_max: int
    ) -> None:
        framing = WEBSOCKET_PROTOBUF if peer.encoding.is_binary else WEBSOCKET_JSON
        self._host = host
        self._peer = peer
        self._head = head
        self._parser: frames.FrameParser | None = frames.FrameParser(message_bytes_max)
        self._outgoing = Outgoing(self, framing, flusher)
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._close_timer: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours: accept the handshake, or refuse before it is made."""
        assert self._transport is None
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport = transport
        self._session = self._host.open(self._outgoing, self._peer)
        if self._session is None:
            transport.write(BUSY)
            transport.close()
            return
        transport.write(self._head)
        self._head = b""
        self._outgoing.write = transport.write

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._parser is None:
            return  # what follows a broken frame means nothing
        try:
            self._parser.feed(data)
            self._take(self._parser)
        except frames.FrameError as error:
            self._parser = None
            self._end(error.code, error.text, BROKEN_WAIT_S)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._outgoing.blocked()

    def resume_writing(self) -> None:
        """The kernel takes more."""
        self._outgoing.drained()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The socket is gone, whoever closed it."""
        self._transport = None
        self._outgoing.write = self.write
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._outgoing.lost()
        session, self._session = self._session, None
        if session is not None:
            session.ended()
            self._host.closed(session)

    # --- Connection

    @property
    def buffered_bytes(self) -> int:
        """Written, but not yet taken by the kernel."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def write(self, frame: bytes) -> None:
        """A ready frame."""
        if self._transport is not None:
            self._transport.write(frame)

    def write_heartbeat(self) -> None:
        """A WebSocket ping; what it brings back is read and dropped."""
        self.write(WEBSOCKET_PING)

    def pause_reading(self) -> None:
        """Take no more commands."""
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take commands again, first those that were read already."""
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
            self.data_received(b"")

    def close(self, close: CloseCode) -> None:
        """Send the close frame, then wait for the peer's."""
        self._end(close.code, close.reason)

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    # --- inside

    def _take(self, parser: frames.FrameParser) -> None:
        while not self._is_paused:
            message = parser.next_message()
            if message is None:
                return
            opcode, payload = message
            if self._close_timer is not None:
                if opcode == frames.CLOSE:
                    self._hang_up()
            elif opcode == frames.TEXT or opcode == frames.BINARY:
                if self._session is not None:
                    self._host.frame(self._session, payload)
            elif opcode == frames.PING:
                self.write(websocket_head(_PONG_HEAD, len(payload)) + payload)
            elif opcode == frames.CLOSE:
                self._end(frames.closing_code(payload), "")
                self._hang_up()

    def _end(self, code: int, reason: str, wait_s: float = CLOSE_WAIT_S) -> None:
        transport = self._transport
        if transport is None or self._close_timer is not None:
            return
        self._outgoing.lost()
        self._close_timer = asyncio.get_running_loop().call_later(wait_s, self.abort)
        transport.write(websocket_close(code, reason))
        if self._is_paused:  # the peer's answer must be read
            self._is_paused = False
            transport.resume_reading()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


class WebSocketEndpoint:
    """`GET /connection/websocket`."""

    def __init__(
        self,
        host: SessionHost,
        flusher: Flusher,
        origins: Origins,
        *,
        message_bytes_max: int,
        addresses: Addresses = NO_PROXIES,
    ) -> None:
        self._host = host
        self._flusher = flusher
        self._origins = origins
        self._addresses = addresses
        self._message_bytes_max = message_bytes_max

    def accept(self, data: bytes, transport: asyncio.Transport) -> WebSocketConnection | None:
        """The protocol that answers this whole request; None: aiohttp must look at it."""
        headers = plain_head(data)
        accept = accept_of(headers) if headers is not None else None
        if headers is None or accept is None:
            return None
        if not self._origins.allows(headers.get("origin"), headers["host"]):
            return None
        subprotocol, encoding = negotiate(headers, {})
        address = transport.get_extra_info("peername")
        forwarded = headers.get(FORWARDED.lower(), "")
        peer = Peer(
            encoding=encoding,
            transport="websocket",
            remote=self._addresses.of(address[0] if address else "", forwarded),
            origin=headers.get("origin", ""),
            user_agent=headers.get("user-agent", "")[:USER_AGENT_MAX],
        )
        return self._connection(peer, response(accept, subprotocol))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The handshake. A plain GET gets 400 at once: some clients probe for life this way."""
        headers = request.headers
        accept = accept_of(headers)
        if accept is None:
            return web.Response(status=400, text="a WebSocket handshake is expected\n")
        origin = headers.get("Origin")
        if not self._origins.allows(origin, request.host):
            return web.Response(status=403, text="this origin is not allowed\n")
        subprotocol, encoding = negotiate(headers, request.query)
        peer = Peer(
            encoding=encoding,
            transport="websocket",
            remote=self._addresses.of_request(request),
            origin=origin or "",
            user_agent=headers.get("User-Agent", "")[:USER_AGENT_MAX],
            application_pings=request.query.get("cf_ws_frame_ping_pong") != "true",
        )
        take_over(request, self._connection(peer, response(accept, subprotocol)))
        return GoneResponse()

    def _connection(self, peer: Peer, head: bytes) -> WebSocketConnection:
        return WebSocketConnection(self._host, self._flusher, peer, head, self._message_bytes_max)
