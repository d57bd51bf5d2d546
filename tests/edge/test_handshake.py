"""Handshakes: which heads are plain, and what is answered to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.handshake import PLAIN_BYTES_MAX, accept_of, negotiate, plain_head, response
from hubbub.wire.centrifuge import JSON
from hubbub.wire.protobuf import PROTOBUF

START = "GET /connection/websocket HTTP/1.1"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
HEADERS = {
    "Host": "chat.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def head(start: str = START, *more: str, **changed: str) -> bytes:
    named = HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([start, *lines, *more, "", ""]).encode("latin-1")


def test_a_plain_head_is_read_with_names_in_lower_case() -> None:
    headers = plain_head(head(START, "X-Odd:\t two words \t", "X-Empty:"))
    assert headers is not None
    assert headers["host"] == "chat.example"
    assert headers["sec-websocket-key"] == KEY
    assert (headers["x-odd"], headers["x-empty"]) == ("two words", "")
    assert accept_of(headers) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_anything_unusual_is_left_to_others() -> None:
    plain = head()
    assert plain_head(plain) is not None
    unusual = [
        plain[:-1],
        plain[:-2],
        plain + b"\x81",
        plain + plain,
        b"\r\n" + plain,
        plain.replace(b"\r\n", b"\n"),
        plain.replace(b"Host: ", b"Host : "),
        plain.replace(b"Host: chat.example\r\n", b""),
        plain.replace(b"chat.example", b""),
        head("GET /connection/websocket HTTP/1.0"),
        head("GET /connection/websocket?format=protobuf HTTP/1.1"),
        head("GET /connection/websocket/ HTTP/1.1"),
        head("GET //connection/websocket HTTP/1.1"),
        head("GET http://chat.example/connection/websocket HTTP/1.1"),
        head("POST /connection/websocket HTTP/1.1"),
        head("get /connection/websocket HTTP/1.1"),
        head(START, "Content-Length: 0"),
        head(START, "Transfer-Encoding: chunked"),
        head(START, "Expect: 100-continue"),
        head(START, "Host: other.example"),
        head(START, "X-One: a", "x-one: b"),
        head(START, " folded"),
        head(START, "X-Bad: \x00"),
        head(START, "X-Bad: \x7f"),
        head(START, "X-Bad: a\rb"),
        head(START, "X-Bad: \xe4"),
        head(START, "no colon"),
        head(START, ": no name"),
        head(START, "X-Long: " + "y" * PLAIN_BYTES_MAX),
        b"",
    ]
    assert [text for text in unusual if plain_head(text) is not None] == []


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 3))
def test_damage_is_none_or_a_head_with_a_host(junk: bytes, at: int, cut: int) -> None:
    plain = head()
    headers = plain_head(plain[:at] + junk + plain[at + cut :])
    assert headers is None or headers["host"]


def test_what_is_no_handshake_has_no_answer() -> None:
    def accept(**changed: str) -> str | None:
        headers = plain_head(head(START, **changed))
        assert headers is not None
        return accept_of(headers)

    assert accept(Connection="keep-alive, UPGRADE", Upgrade="WebSocket") is not None
    assert accept(Connection="keep-alive") is None
    assert accept(Upgrade="h2c") is None
    assert accept(Sec_WebSocket_Version="8") is None
    for key in ("", "not base64!", "c2hvcnQ=", KEY[:-1], KEY + "="):
        assert accept(Sec_WebSocket_Key=key) is None, key


def test_the_first_subprotocol_that_we_speak_is_taken() -> None:
    def asked(value: str, **query: str) -> object:
        return negotiate({"sec-websocket-protocol": value}, query)

    assert negotiate({}, {}) == ("", JSON)
    assert asked("chat, centrifuge-protobuf, centrifuge-json") == ("centrifuge-protobuf", PROTOBUF)
    assert asked("centrifuge-json", format="protobuf") == ("centrifuge-json", JSON)
    assert asked("chat", format="protobuf") == ("", PROTOBUF)
    assert asked("", cf_protocol="protobuf") == ("", PROTOBUF)


def test_the_response_echoes_a_subprotocol_only_if_there_is_one() -> None:
    assert response("abc=", "") == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: abc=\r\n\r\n"
    )
    assert b"\r\nSec-WebSocket-Protocol: centrifuge-json\r\n" in response("a", "centrifuge-json")
