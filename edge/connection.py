"""What a transport offers to the rest of the edge, and what it needs from it. Pure: interfaces.

Rules:
1. Bytes given to `write` are ready: framed for this transport, and often shared with others.
2. A connection never queues by itself beyond what the kernel and the event loop hold; it says
   `blocked` and `drained` to its Outgoing, which decides.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from hubbub.base.errors import CloseCode
from hubbub.wire.client_shapes import Encoding


class Connection(Protocol):
    """One client's way in and out."""

    @property
    def buffered_bytes(self) -> int:
        """Written, but not yet taken by the kernel."""
        ...

    def write(self, frame: bytes) -> None:
        """Bytes for the wire; lost silently if the peer is gone."""
        ...

    def write_heartbeat(self) -> None:
        """A ping of the transport's own, where it has one."""
        ...

    def pause_reading(self) -> None:
        """Take no more commands until `resume_reading`: what came stays in the kernel."""
        ...

    def resume_reading(self) -> None:
        """Take commands again; those already read are handed over first."""
        ...

    def close(self, close: CloseCode) -> None:
        """Say why and end; what was written before is still sent. Idempotent."""
        ...

    def abort(self) -> None:
        """End at once. Idempotent."""
        ...


class Peer(Struct, frozen=True, gc=False):
    """How a client came. `transport`: websocket, http_stream or sse."""

    encoding: Encoding
    transport: str
    remote: str
    origin: str = ""
    user_agent: str = ""
    # A session id that only this client knows: emulated transports send their commands by it.
    session_id: str = ""
    node: str = ""  # and to this process, whichever edge the POST meets
    # False: the transport's own pings are used, and the connect result says ping 0.
    application_pings: bool = True

    @property
    def emulated(self) -> bool:
        """Commands come by POST /emulation."""
        return bool(self.session_id)
