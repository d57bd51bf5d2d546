"""Lines of a frame as shapes, errors as exceptions."""

from __future__ import annotations

import json

import pytest

from hubbub.base.errors import Rejected
from hubbub.client.replies import Error, decode, refused


def test_a_frame_is_one_reply_a_line() -> None:
    frame = (
        '{}\n{"id":3,"rpc":{"data":{"a":"x\u2028y"}}}\n{"push":{"channel":"c","pub":{"data":1}}}\n'
    )
    ping, reply, push = decode(frame.encode())
    assert (ping.is_ping, reply.is_ping, push.is_ping) == (True, False, False)
    assert reply.rpc is not None
    assert reply.rpc.data == {"a": "x\u2028y"}
    assert push.push is not None
    assert push.push.pub is not None
    assert (push.push.pub.data, push.push.pub.offset) == (1, 0)


@pytest.mark.parametrize("frame", [b"[]", b"{", b'{"id":"1"}', b"\xff"])
def test_what_is_no_reply_is_refused(frame: bytes) -> None:
    with pytest.raises(Rejected):
        decode(frame)


@pytest.mark.parametrize(
    ("message", "text", "details"),
    [
        ("not_a_member: no", "not_a_member: no", {}),
        ('slow down {"retry_after_ms":5}', "slow down", {"retry_after_ms": 5}),
        ("a brace { that is none", "a brace { that is none", {}),
        ("a set {1}", "a set {1}", {}),
    ],
)
def test_the_details_stand_behind_the_text(
    message: str, text: str, details: dict[str, object]
) -> None:
    error = refused(Error(111, message, True))
    assert (error.code, error.text, error.details, error.temporary) == (111, text, details, True)


def test_what_is_wrong_with_each_field_is_told() -> None:
    said = [{"pointer": "#/limit", "detail": "limit is 1 to 200"}]
    message = f"bad_request: limit is 1 to 200 {json.dumps({'errors': said})}"
    assert refused(Error(107, message, False)).errors == {"#/limit": "limit is 1 to 200"}
    assert refused(Error(107, "bad_request: no", False)).errors == {}
