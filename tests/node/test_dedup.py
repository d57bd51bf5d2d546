"""Where answers stand and how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_REQUEST, CMID_CLOCK, CMID_REUSED, Rejected
from hubbub.base.ids import IDEMPOTENCY_PREFIX, uuid7
from hubbub.base.units import DAY_MS, HOUR_MS, MINUTE_MS
from hubbub.wire.shapes import Outcome
from node.dedup import (
    Asker,
    DedupWindow,
    answer_in,
    answer_row,
    dedup_key,
    encode_answer,
)

NOW = 1_769_860_800_000
WINDOW = DedupWindow()
OUTCOME = Outcome(5, NOW, "id", rev=2, reply=b"{}")


def asker(cmid: str) -> Asker:
    return Asker(3, "demo", "alice", "group:x", cmid)


@given(st.integers(-2 * DAY_MS, 2 * HOUR_MS))
def test_exactly_the_window_is_taken(offset_ms: int) -> None:
    who = asker(uuid7(NOW + offset_ms, b"0123456789"))
    if -DAY_MS <= offset_ms <= 10 * MINUTE_MS:
        place = dedup_key(WINDOW, 0, who, NOW, NOW)
        assert place.rows == (place.row,) == (answer_row(who, 0),)
        assert place.hour == (NOW + offset_ms) // HOUR_MS
        return
    with pytest.raises(Rejected) as refused:
        dedup_key(WINDOW, 0, who, NOW, NOW)
    assert refused.value.error is CMID_CLOCK
    assert refused.value.details == {"server_time_ms": NOW}


def test_ids_below_the_floor_are_refused_whatever_the_clock_says() -> None:
    who = asker(uuid7(NOW, b"0123456789"))
    hour = NOW // HOUR_MS
    assert dedup_key(WINDOW, hour, who, NOW, NOW).hour == hour
    with pytest.raises(Rejected):
        dedup_key(WINDOW, hour + 1, who, NOW, NOW)


def test_an_idempotency_key_is_looked_up_in_26_hours() -> None:
    who = asker(IDEMPOTENCY_PREFIX + "x" * 255)
    place = dedup_key(WINDOW, 0, who, NOW, NOW)
    assert len(place.rows) == 26
    assert place.row == answer_row(who, NOW)
    for hours in range(-1, 25):
        later = dedup_key(WINDOW, 0, who, NOW + hours * HOUR_MS, NOW + hours * HOUR_MS)
        assert place.row in later.rows
    with pytest.raises(Rejected):
        dedup_key(WINDOW, 0, asker(IDEMPOTENCY_PREFIX + "x" * 256), NOW, NOW)


@pytest.mark.parametrize("cmid", ["", "x", "key", "00000000-0000-4000-8000-000000000000"])
def test_what_is_no_id_is_refused(cmid: str) -> None:
    with pytest.raises(Rejected) as refused:
        dedup_key(WINDOW, 0, asker(cmid), NOW, NOW)
    assert refused.value.error is BAD_REQUEST


def test_an_answer_comes_back_marked_as_repeated() -> None:
    row = encode_answer(77, OUTCOME)
    found = answer_in([None, row], 77)
    assert found is not None
    assert found.dup
    assert (found.seq, found.ts_ms, found.id, found.rev, found.reply) == (5, NOW, "id", 2, b"{}")
    assert answer_in([None], 77) is None
    with pytest.raises(Rejected) as refused:
        answer_in([row], 78)
    assert refused.value.error is CMID_REUSED
