"""The ingress rules that both encodings share."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_PROTOCOL, RemoteProtocolError
from hubbub.wire.client_shapes import checked_json, strip_line_breaks


def test_line_breaks_between_tokens_go() -> None:
    assert strip_line_breaks(b'{\r\n "a": 1,\n "b": "x\\n"}') == b'{ "a": 1, "b": "x\\n"}'


def test_data_without_line_breaks_is_the_same_object() -> None:
    data = b'{"a":1}'
    assert strip_line_breaks(data) is data


def test_embedded_json_is_checked() -> None:
    assert checked_json(b"") == b""
    assert checked_json(b'["\xc3\xa9",\n1]') == b'["\xc3\xa9",1]'


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"NaN",
        b'"\xff"',
        rb'"\ud800"',
        b"[" * 10_000 + b"]" * 10_000,
        b"\x00",
        b"1 2",
    ],
)
def test_what_is_no_json_breaks_the_protocol(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        checked_json(data)
    assert caught.value.close is BAD_PROTOCOL
