"""What stands in place of what a blocked user wrote."""

from __future__ import annotations

import json

from edge.blocking import changed, is_by, scrub, shown_sign
from edge.pushes import PushEncoder
from edge.variants import PLAIN
from hubbub.wire.event import EventHead, StoredEvent
from hubbub.wire.shapes import SignalKind

BOB = frozenset({"bob"})
MESSAGE = b'{"t":"message.created","seq":3,"id":"m3","by":"bob","ts":"T","text":"hi"}'
STUB = {"t": "message.hidden", "seq": 3, "id": "m3", "ts": "T"}


def test_a_message_becomes_a_stub_wherever_it_stands() -> None:
    page = b'{"messages":[%b,{"t":"message.created","by":"ann","text":"bob"}]}' % MESSAGE
    hidden, own = json.loads(scrub(page, BOB))["messages"]
    assert hidden == STUB
    assert own["text"] == "bob"
    copy = b'{"t":"message.created","seq":4,"by":"ann","text":"hi","forwarded":{"by":"bob"}}'
    assert json.loads(scrub(copy, BOB)) == {"t": "message.hidden", "seq": 4}
    assert json.loads(scrub(copy, frozenset({"cid"})))["text"] == "hi"
    assert is_by(copy, BOB)
    poll = b'{"id":"m3","question":"hi?","by":"bob","poll":{"options":[]}}'
    assert json.loads(scrub(poll, BOB)) == {"t": "message.hidden", "id": "m3"}
    quote = b'{"t":"message.created","by":"ann","quote":{"id":"m3","by":"bob","text":"hi"}}'
    assert json.loads(scrub(quote, BOB))["quote"] == {"t": "message.hidden", "id": "m3"}


def test_what_somebody_else_restates_is_still_his() -> None:
    for kind in ("message.updated", "message.undeleted"):
        edit = {"t": kind, "seq": 9, "id": "m3", "by": "ann", "author": "bob", "text": "hi"}
        stub = {"t": "message.hidden", "seq": 9, "id": "m3"}
        assert json.loads(scrub(json.dumps(edit).encode(), BOB)) == stub
        mine = edit | {"author": "cid"}
        assert json.loads(scrub(json.dumps(mine).encode(), BOB)) == mine


def test_what_changes_the_channel_is_shown_and_data_is_the_apps_own() -> None:
    for shown in (
        b'{"t":"channel.updated","seq":4,"by":"bob","name":"n"}',
        b'{"t":"message.deleted","seq":4,"id":"m1","by":"bob"}',
        b'{"t":"message.created","by":"ann","data":{"by":"bob","text":"x"}}',
    ):
        assert json.loads(scrub(shown, BOB)) == json.loads(shown)


def test_lists_of_who_reacted() -> None:
    page = b'{"reactions":{"+":2},"reactors":[{"user":"bob"},{"user":"ann"}]}'
    assert json.loads(scrub(page, BOB)) == {"reactions": {"+": 2}, "reactors": [{"user": "ann"}]}
    root = b'{"t":"message.created","by":"ann","text":"x","replies":2,"participants":["bob","ann"]}'
    assert json.loads(scrub(root, BOB))["participants"] == ["ann"]


def test_signs() -> None:
    for hidden in (b'{"t":"typing.started","by":"bob"}', b'{"user":"bob","client":"c"}'):
        assert shown_sign(hidden, BOB) == b""
    for shown in (b'{"t":"typing.started","by":"ann"}', b'{"t":"reaction.counted","by":"bob"}'):
        assert shown_sign(shown, BOB) == shown


def test_he_takes_part_in_no_thread() -> None:
    told = b'{"t":"thread.updated","by":"","replies":2,"participants":["bob","ann"]}'
    assert json.loads(shown_sign(told, BOB))["participants"] == ["ann"]


def test_how_far_he_has_read_is_not_told() -> None:
    moved = b'{"t":"receipts.moved","read":{"bob":3,"ann":4},"delivered":{"bob":5}}'
    told = {"t": "receipts.moved", "read": {"ann": 4}, "delivered": {}}
    assert json.loads(shown_sign(moved, BOB)) == told
    assert shown_sign(moved, frozenset({"cid"})) == moved
    assert shown_sign(moved, frozenset({"bob", "ann"})) == b"", "nothing is left to tell"
    page = b'{"readers":[{"user":"bob","ts":"T"},{"user":"ann","ts":"T"}],"next":"ann"}'
    assert json.loads(scrub(page, BOB)) == {"readers": [{"user": "ann", "ts": "T"}], "next": "ann"}


def test_who_wrote_it() -> None:
    assert is_by(MESSAGE, BOB)
    assert not is_by(MESSAGE, frozenset({"ann"}))


def test_changes_count_in_their_order() -> None:
    assert changed(BOB, ["-bob", "+al", "+cid", "-cid"]) == {"al"}


def test_a_variant_that_blocks_gets_bytes_of_its_own() -> None:
    encoder, plain = PushEncoder(), PLAIN["json"]
    blocks = plain._replace(blocked=BOB)
    event = StoredEvent(3, EventHead(2, 0, 0, "message.created", "bob"), b"", MESSAGE)
    assert MESSAGE in encoder.publication("group:x", plain, event, None)
    push = json.loads(encoder.publication("group:x", blocks, event, None))["push"]
    assert push["pub"] == {"data": STUB, "offset": 3}
    assert [p.offset for p in encoder.recovered(blocks, [event])] == [3]
    typing = b'{"t":"typing.started","by":"bob"}'
    assert not encoder.signal("group:x", blocks, SignalKind.PUBLICATION, typing)
    assert encoder.signal("group:x", plain, SignalKind.PUBLICATION, typing)
