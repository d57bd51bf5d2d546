"""What the generator writes is what the servers read."""

from __future__ import annotations

import json
import time

import jwt
import pytest

from hubbub.base.ids import uuid7_ms
from ops.bench import dialects
from ops.bench.dialects import Centrifuge, Dialect, Plain

SECRET = "0123456789abcdef0123456789abcdef"


def test_a_cmid_is_a_uuid7_of_its_time_and_unique() -> None:
    now_ms = 1_790_000_000_123
    made = {dialects.cmid_of(now_ms, worker, n) for worker in (0, 2_000) for n in range(500)}
    assert len(made) == 1_000
    assert {uuid7_ms(cmid) for cmid in made} == {now_ms}
    assert {cmid[14] for cmid in made} == {"7"}
    assert {cmid[19] for cmid in made} == {"8"}


def test_the_token_passes_an_independent_library() -> None:
    token = dialects.token_of(SECRET, "ann", int(time.time()))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["sub"] == "ann"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SECRET[::-1], algorithms=["HS256"])


def test_a_text_is_100_bytes_and_carries_its_stamp_behind_the_mark() -> None:
    text = dialects.stamped_text(123_456_789)
    assert len(text.encode()) == dialects.TEXT_BYTES
    encoded = json.dumps({"text": text}, separators=(",", ":")).encode()
    place = encoded.index(dialects.MARK) + len(dialects.MARK)
    assert int(encoded[place : place + dialects.STAMP_DIGITS]) == 123_456_789


@pytest.mark.parametrize("dialect", [Centrifuge(SECRET), Plain()], ids=["centrifuge", "plain"])
def test_every_command_is_one_json_object_a_line_with_its_id(dialect: Dialect) -> None:
    entered = [json.loads(line) for line in dialect.enter("ann", "group:x", 1).split(b"\n")]
    assert [line["id"] for line in entered] == list(range(1, dialect.replies_to_enter + 1))
    assert json.loads(dialect.send(7, "group:x", "c", "hi"))["id"] == 7
    assert json.loads(dialect.page(8, "group:x", 51, 50))["id"] == 8


def test_hubbub_is_asked_by_the_documented_verbs() -> None:
    dialect = Centrifuge(SECRET)
    connect, subscribe = map(json.loads, dialect.enter("ann", "group:x", 1).split(b"\n"))
    assert jwt.decode(connect["connect"]["token"], options={"verify_signature": False})["sub"]
    assert subscribe == {"id": 2, "subscribe": {"channel": "group:x"}}
    assert json.loads(dialect.send(3, "group:x", "c", "hi"))["rpc"] == {
        "method": "message.send",
        "data": {"channel": "group:x", "cmid": "c", "text": "hi"},
    }
    assert json.loads(dialect.page(4, "group:x", 51, 50))["rpc"] == {
        "method": "history.get",
        "data": {"channel": "group:x", "before_seq": 51, "limit": 50},
    }
