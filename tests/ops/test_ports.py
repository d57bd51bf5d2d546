"""Free ports."""

from __future__ import annotations

import os
import socket

import pytest

from ops import ports


def test_free_ports_are_different_free_and_below_the_outgoing_range() -> None:
    found = ports.free_ports("127.0.0.1", 8)
    assert len(set(found)) == 8
    assert all(ports.is_free("127.0.0.1", port) for port in found)
    assert all(ports.LOWEST <= port < ports._ephemeral_start() for port in found)


def test_preferred_ports_come_first_unless_they_are_taken() -> None:
    wanted = ports.free_ports("127.0.0.1", 2)
    assert ports.free_ports("127.0.0.1", 2, preferred=wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted[0])):
        again = ports.free_ports("127.0.0.1", 2, preferred=wanted)
        assert again[0] == wanted[1]
        assert wanted[0] not in again
        assert str(os.getpid()) in ports.holder(wanted[0])


def test_next_free_finds_neighbours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        first = ports.next_free("127.0.0.1", taken - 1, 3)
        assert taken not in range(first, first + 3)


def test_no_ports_left_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _host, _port: False)
    with pytest.raises(OSError, match="free ports"):
        ports.free_ports("127.0.0.1", 1)
