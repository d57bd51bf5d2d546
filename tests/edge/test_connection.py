"""How a client came."""

from __future__ import annotations

from edge.connection import Peer
from hubbub.wire.centrifuge import JSON


def test_a_peer_with_a_session_id_sends_its_commands_by_post() -> None:
    assert not Peer(encoding=JSON, transport="websocket", remote="::1").emulated
    assert Peer(encoding=JSON, transport="sse", remote="::1", session_id="s").emulated
