"""Requests that wait for a slot's next leader: in order, within bounds, replaced when repeated."""

from __future__ import annotations

import pytest

from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.shapes import Kind
from node import held
from node.held import Held, Waiting


def _request(slot: int, number: int, body: bytes = b"x") -> Message:
    message = encode_message(Kind.SUBMIT, body, slot=slot, request_id=number)
    return decode_frame(encode_frame([message], generation=1, boot_id=1, n=1, ack=0))[1][0]


def _all(_: Waiting) -> bool:
    return True


def _numbers(waiting: list[Waiting]) -> list[int]:
    return [one.message.request_id for one in waiting]


def test_requests_come_back_by_slot_in_the_order_of_their_arrival() -> None:
    kept = Held()
    for slot, number in ((1, 5), (2, 3), (1, 4)):
        assert kept.hold("router", _request(slot, number), 0)
    assert set(kept.slots()) == {1, 2}
    assert _numbers(kept.take(1, _all)) == [5, 4]
    assert 1 not in kept
    assert 2 in kept
    assert len(kept) == 1


def test_those_that_must_go_on_waiting_stay() -> None:
    kept = Held()
    for number in range(4):
        kept.hold("router", _request(1, number), number)
    assert _numbers(kept.take(1, lambda one: one.since_ms < 2)) == [0, 1]
    assert _numbers(kept.take(1, _all)) == [2, 3]
    assert not kept


def test_a_repeated_request_replaces_the_earlier_one_and_has_waited_as_long() -> None:
    kept = Held()
    kept.hold("router", _request(1, 7, b"once"), 10)
    kept.hold("router", _request(1, 7, b"again"), 90)
    kept.hold("other", _request(1, 7, b"another's"), 90)
    taken = kept.take(1, _all)
    assert [(one.peer, one.message.body, one.since_ms) for one in taken] == [
        ("router", b"again", 10),
        ("other", b"another's", 90),
    ]


@pytest.mark.parametrize(("count_max", "bytes_max"), [(2, 10_000), (100, 200)])
def test_what_finds_no_room_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, count_max: int, bytes_max: int
) -> None:
    monkeypatch.setattr(held, "HELD_MAX", count_max)
    monkeypatch.setattr(held, "HELD_BYTES_MAX", bytes_max)
    kept, big = Held(), b"x" * 60
    assert kept.hold("router", _request(1, 1, big), 0)
    assert kept.hold("router", _request(2, 2, big), 0)
    assert not kept.hold("router", _request(3, 3, big), 0)
    assert kept.hold("router", _request(2, 2, big), 0), "it has its place"
    kept.take(1, _all)
    assert kept.hold("router", _request(3, 3, big), 0), "there is room again"
