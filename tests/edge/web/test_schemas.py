"""What the documents say of names is what the checks say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.web.schemas import CHANNEL, MESSAGE_ID, USER
from hubbub.base.errors import Rejected
from hubbub.base.ids import message_id, message_seq
from hubbub.base.names import check_user
from hubbub.features.fields import check_chat_channel

NAMES = st.text(st.characters(max_codepoint=0x17F), max_size=140)


def accepts(check: object, name: str) -> bool:
    try:
        check(name)  # type: ignore[operator]
    except Rejected:
        return False
    return True


@given(NAMES)
def test_users(name: str) -> None:
    assert bool(re.search(USER["pattern"], name)) == accepts(check_user, name)


@given(st.sampled_from(["dm:", "group:", "open:"]), NAMES)
def test_what_is_documented_as_a_channel_is_one(kind: str, rest: str) -> None:
    if re.search(CHANNEL["pattern"], kind + rest):
        assert accepts(check_chat_channel, kind + rest)


@pytest.mark.parametrize("seq", [1, 2**33])
def test_message_ids(seq: int) -> None:
    made = message_id(1_760_000_000_000, seq, b"app\0group:x", b"secret")
    assert message_seq(made) == seq
    assert re.search(MESSAGE_ID["pattern"], made)
