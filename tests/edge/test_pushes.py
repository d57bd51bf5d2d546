"""Events as pushes, in each variant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.pushes import PushEncoder
from edge.variants import DELTA_CHAINED, DELTA_FRESH, Variant
from hubbub.base.errors import LocalProtocolError
from hubbub.wire.event import EVICTS, TRANSIENT, EventHead, StoredEvent, encode_signal
from hubbub.wire.protobuf_fields import decode
from hubbub.wire.shapes import SignalKind
from tests.edge.test_delta import apply_delta

INFO = b'{"user":"ann","client":"c1"}'
PLAIN = Variant("json", 0, 0)


def event(seq: int, text: str, flags: int = 0, info: bytes = b"") -> StoredEvent:
    data = json.dumps({"seq": seq, "text": text + " of a text that repeats itself"}).encode()
    return StoredEvent(seq, EventHead(flags, 0, 0, "t", "ann"), info, data)


def pub_of(message: bytes) -> Any:
    return json.loads(message)["push"]["pub"]


def test_a_numbered_event() -> None:
    one = event(7, "one")
    message = PushEncoder().publication("group:x", PLAIN, one, None)
    assert message == (
        b'{"push":{"channel":"group:x","pub":{"data":' + one.data + b',"offset":7}}}'
    )


def test_a_compact_binary_event() -> None:
    one = event(7, "one")
    message = PushEncoder().publication("group:x", Variant("protobuf", 300, 0), one, None)
    assert decode("Reply", message[1:]) == {
        "push": {"id": 300, "pub": {"data": one.data, "offset": 7}}
    }


def test_info_is_the_publishers_only_in_raw_namespaces() -> None:
    encoder = PushEncoder()
    raw = encoder.publication("x", PLAIN, event(1, "a", TRANSIENT, INFO), None)
    assert pub_of(raw)["info"] == {"user": "ann", "client": "c1"}
    evicting = encoder.publication("x", PLAIN, event(1, "a", EVICTS, b'["bob"]'), None)
    assert "info" not in pub_of(evicting)


def test_deltas_begin_whole_and_go_on_as_differences() -> None:
    encoder = PushEncoder()
    one, two = event(1, "one"), event(2, "two")
    first = pub_of(encoder.publication("x", Variant("json", 0, DELTA_FRESH), one, None))
    assert first == {"data": one.data.decode(), "offset": 1}
    second = pub_of(encoder.publication("x", Variant("json", 0, DELTA_CHAINED), two, one))
    assert second["delta"] is True
    assert apply_delta(one.data, second["data"].encode()) == two.data


def test_a_delta_that_is_not_smaller_is_not_made() -> None:
    one = StoredEvent(1, EventHead(0, 0, 0, "t", "ann"), b"", b'"one"')
    two = StoredEvent(2, EventHead(0, 0, 0, "t", "ann"), b"", b'"two"')
    pub = pub_of(PushEncoder().publication("x", Variant("json", 0, DELTA_CHAINED), two, one))
    assert pub == {"data": '"two"', "offset": 2}


def test_recovered_events_are_chained() -> None:
    events = [event(1, "one"), event(2, "two"), event(3, "three")]
    encoder = PushEncoder()
    plain = encoder.recovered(PLAIN, events)
    assert [pub.data for pub in plain] == [item.data for item in events]
    chained = encoder.recovered(Variant("protobuf", 0, DELTA_FRESH), events)
    assert [pub.delta for pub in chained] == [False, True, True]
    text = b""
    for pub, item in zip(chained, events, strict=True):
        text = apply_delta(text, pub.data) if pub.delta else pub.data
        assert (text, pub.offset) == (item.data, item.seq)


def test_signals() -> None:
    encoder = PushEncoder()
    assert pub_of(encoder.signal("x", PLAIN, SignalKind.PUBLICATION, b'{"t":1}')) == {
        "data": {"t": 1}
    }
    fresh = Variant("json", 0, DELTA_FRESH)
    assert pub_of(encoder.signal("x", fresh, SignalKind.PUBLICATION, b'{"t":1}')) == {
        "data": '{"t":1}'
    }
    body = encode_signal(b'{"t":1}', INFO)
    for variant, data in ((PLAIN, {"t": 1}), (fresh, '{"t":1}')):
        shown = pub_of(encoder.signal("x", variant, SignalKind.PUBLICATION, body))
        assert shown == {"data": data, "info": json.loads(INFO)}
    join = json.loads(encoder.signal("x", PLAIN, SignalKind.JOIN, INFO))
    assert join["push"]["join"]["info"]["user"] == "ann"
    leave = json.loads(encoder.signal("x", PLAIN, SignalKind.LEAVE, INFO))
    assert leave["push"]["leave"]["info"]["client"] == "c1"
    with pytest.raises(LocalProtocolError):
        encoder.signal("x", PLAIN, SignalKind.UNSUBSCRIBE, b"{}")
