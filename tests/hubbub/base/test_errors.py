"""The table of codes."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    INVALID_TOKEN,
    RATE_LIMITED,
    REMOVED_FROM_CHANNEL,
    SLOW,
    UNSUBSCRIBED_INSUFFICIENT,
    CloseCode,
    Rejected,
    RemoteProtocolError,
    all_closes,
    all_errors,
    error_by_code,
)


def test_codes_are_unique_and_in_their_ranges() -> None:
    errors = all_errors()
    assert [row.code for row in errors] == sorted({row.code for row in errors})
    assert len({row.name for row in errors}) == len(errors)
    for row in errors:
        assert 100 <= row.code < 113 or 400 <= row.code < 2_000
        assert 400 <= row.http_status < 600
        assert row.name == row.name.lower()
        assert row.text


def test_the_client_protocols_own_codes() -> None:
    """Their numbers are fixed there."""
    names = {row.code: row.name for row in all_errors() if row.code < 400}
    assert names == {
        100: "internal",
        101: "unauthorized",
        102: "unknown_channel",
        103: "permission_denied",
        104: "method_not_found",
        105: "already_subscribed",
        106: "limit_exceeded",
        107: "bad_request",
        108: "not_available",
        109: "token_expired",
        110: "expired",
        111: "rate_limited",
        112: "unrecoverable_position",
    }
    assert {row.code for row in all_errors() if row.temporary and row.code < 400} == {100, 111}


def test_unknown_codes_read_as_internal() -> None:
    assert error_by_code(107) is BAD_REQUEST
    assert error_by_code(99_999) is INTERNAL


@pytest.mark.parametrize(
    ("code", "reconnects"),
    [(2_999, True), (3_499, True), (3_500, False), (3_999, False), (4_000, True), (4_499, True),
     (4_500, False), (4_999, False), (5_000, True)],
)  # fmt: skip
def test_the_range_of_a_close_tells_whether_to_come_back(code: int, reconnects: bool) -> None:
    assert CloseCode(code, "").reconnects is reconnects


def test_closes() -> None:
    closes = all_closes()
    assert [row.code for row in closes] == sorted({row.code for row in closes})
    assert SLOW.code == 3_008
    assert not INVALID_TOKEN.reconnects
    assert REMOVED_FROM_CHANNEL.code < 2_500 <= UNSUBSCRIBED_INSUFFICIENT.code


def test_a_refusal_carries_text_and_details() -> None:
    plain = Rejected(RATE_LIMITED)
    assert (plain.text, plain.details) == ("slow down", {})
    full = Rejected(RATE_LIMITED, "wait", retry_after_ms=5)
    assert (full.text, full.details) == ("wait", {"retry_after_ms": 5})
    assert RemoteProtocolError(SLOW).args == (3_008, "slow")
