"""ZeroMQ's wire protocol: what is written, what is read in any pieces, what is refused."""

from __future__ import annotations

import pytest

from hubbub.transport import zmtp
from hubbub.transport.zmtp import Command, Parser, ZmtpError

LIMIT = 70_000


def parsed(data: bytes, piece: int = 1 << 20) -> list[bytes | Command]:
    """Everything in the bytes, fed in pieces."""
    parser, found = Parser(LIMIT), []
    for at in range(0, len(data), piece):
        parser.feed(data[at : at + piece])
        while (got := parser.next()) is not None:
            found.append(got)
    return found


def message(body: bytes) -> bytes:
    return zmtp.message_head(len(body)) + body


BODIES = [b"", b"x", b"s" * 255, b"l" * 256, b"m" * LIMIT]


@pytest.mark.parametrize("piece", [1, 2, 7, 63, 64, 65, 1_000, 1 << 20])
def test_what_is_written_is_read_in_any_pieces(piece: int) -> None:
    ready = zmtp.ready(b"DEALER", b"edge-1.7")
    found = parsed(zmtp.GREETING + ready + b"".join(map(message, BODIES)), piece)
    assert found[1:] == BODIES
    assert isinstance(found[0], Command)
    assert found[0].name == b"READY"
    assert zmtp.properties(found[0].data) == {"socket-type": b"DEALER", "identity": b"edge-1.7"}


def test_the_greeting_is_that_of_the_specification() -> None:
    assert len(zmtp.GREETING) == 64
    assert zmtp.GREETING[:1] + zmtp.GREETING[9:10] == b"\xff\x7f"
    assert zmtp.GREETING[10:12] == b"\x03\x01"
    assert zmtp.GREETING[12:32] == b"NULL" + bytes(16)
    assert zmtp.GREETING[32:] == bytes(32)


def test_a_ping_is_answered_with_its_context() -> None:
    assert parsed(zmtp.GREETING + zmtp.pong(b"\x00\x10context")) == [Command(b"PONG", b"context")]


def test_a_long_command_is_one() -> None:
    assert parsed(zmtp.GREETING + zmtp.command(b"X", b"d" * 300)) == [Command(b"X", b"d" * 300)]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" + bytes(9),
        zmtp.GREETING[:10] + b"\x02" + zmtp.GREETING[11:],
        zmtp.GREETING.replace(b"NULL", b"CURV"),
        zmtp.GREETING + b"\x01\x01x",  # more parts follow
        zmtp.GREETING + b"\x08\x01x",  # a flag that does not exist
        zmtp.GREETING + b"\x02" + (LIMIT + 1).to_bytes(8, "big"),
        zmtp.GREETING + b"\x06" + (5_000).to_bytes(8, "big"),
        zmtp.GREETING + b"\x04\x00",
        zmtp.GREETING + b"\x04\x02\x05X",
    ],
)
def test_what_is_wrong_is_refused(data: bytes) -> None:
    with pytest.raises(ZmtpError):
        parsed(data)


@pytest.mark.parametrize("data", [b"\x08Identity", b"\x08Identity\x00\x00\x00\x02x"])
def test_broken_properties_are_refused(data: bytes) -> None:
    with pytest.raises(ZmtpError):
        zmtp.properties(data)
