"""Cursors: what is refused, and what outlives what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cursors import TTL_S, Seal, with_next
from hubbub.base.errors import CURSOR_EXPIRED, CURSOR_INVALID, ErrorCode, Rejected
from hubbub.base.units import SECOND_MS

NOW_MS = 1_760_000_000_000
MEMBERS = Seal("shop", b"s" * 32, "GET /v1/channels/{channel}/members\0group:tea")


def refused(seal: Seal, cursor: object, now_ms: int = NOW_MS) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        seal.opened(cursor, now_ms)
    return caught.value.error


@given(st.dictionaries(st.text(), st.integers(0, 1 << 53) | st.text()))
def test_a_place_comes_back(place: dict[str, object]) -> None:
    assert MEMBERS.opened(MEMBERS.sealed(place, NOW_MS), NOW_MS) == place


def test_no_character_of_it_can_be_another() -> None:
    cursor = MEMBERS.sealed({"after": "ann"}, NOW_MS)
    for at in range(len(cursor)):
        other = "A" if cursor[at] != "A" else "B"
        changed = cursor[:at] + other + cursor[at + 1 :]
        assert refused(MEMBERS, changed) is CURSOR_INVALID
    for cut in (cursor[:-1], cursor[1:], cursor + "=", cursor + "A", "é", " ", 7, None, ["x"]):
        assert refused(MEMBERS, cut) is CURSOR_INVALID


@pytest.mark.parametrize(
    "other",
    [
        Seal("other", MEMBERS.secret, MEMBERS.where),
        Seal("shop", b"t" * 32, MEMBERS.where),
        Seal("shop", MEMBERS.secret, "GET /v1/channels/{channel}/members\0group:milk"),
        Seal("shop", MEMBERS.secret, "GET /v1/channels/{channel}/bans\0group:tea"),
    ],
)
def test_it_is_of_one_list_of_one_app(other: Seal) -> None:
    assert refused(other, MEMBERS.sealed({"after": "ann"}, NOW_MS)) is CURSOR_INVALID


def test_it_lives_for_a_week() -> None:
    cursor = MEMBERS.sealed({"after": "ann"}, NOW_MS)
    last_ms = NOW_MS + TTL_S * SECOND_MS
    assert MEMBERS.opened(cursor, last_ms) == {"after": "ann"}
    assert refused(MEMBERS, cursor, last_ms + 1) is CURSOR_EXPIRED


def test_a_socket_s_answer_has_it_in_place_of_its_own() -> None:
    assert with_next(b'{"rows":[1.0],"next":"a"}', lambda p: f"<{p}>") == (
        b'{"rows":[1.0],"next":"<a>"}'
    )
    for last in (b'{"rows":[]}', b'{"rows":[],"next":""}'):
        assert with_next(last, str) == last
