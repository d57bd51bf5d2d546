"""A socket taken out of aiohttp's hands after its HTTP request was read.

Rules:
1. aiohttp reads the request; what follows is ours: no task, request, parser or future stays behind
   for a connection that may idle for days (16 KiB a connection is the aim for all of it).
2. The caller's protocol gets `connection_made` once, then everything else of the transport.
3. aiohttp is told that its connection is lost; its handler ends by writing to nobody.
"""

from __future__ import annotations

import asyncio

from aiohttp import web


class GoneResponse(web.Response):
    """What the aiohttp handler returns after a takeover: it is never sent."""


def take_over(request: web.Request, protocol: asyncio.Protocol) -> asyncio.Transport | None:
    """Hand the request's transport to `protocol`; None if the client is gone already.

    The request's body must have been read. Return GoneResponse from the handler afterwards.
    """
    handler = request.protocol
    transport = handler.transport
    if transport is None or transport.is_closing():
        return None
    # Without its transport the handler ends as if the client had hung up, and closes nothing.
    handler.transport = None
    transport.set_protocol(protocol)
    handler.connection_lost(None)
    try:
        protocol.connection_made(transport)
        # Bytes that came right behind the request: aiohttp keeps them for an upgrade's parser.
        early = getattr(handler, "_message_tail", b"")
        if early:
            protocol.data_received(early)
    except BaseException:
        transport.abort()  # nobody else would
        raise
    return transport
