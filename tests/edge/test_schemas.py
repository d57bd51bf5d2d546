"""What the documents say of names is what the checks say."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.schemas import CHANNEL, MESSAGE_ID, USER, properties_of
from edge.web.api import TokenRequest
from edge.web.guests import GuestRequest
from hubbub.base.errors import Rejected
from hubbub.base.ids import message_id, message_seq
from hubbub.base.names import check_user
from hubbub.features.fields import check_chat_channel
from hubbub.features.schedules import SendScheduled
from hubbub.features.users import UpdateUser

NAMES = st.text(st.characters(max_codepoint=0x17F), max_size=140)


def accepts(check: object, name: str) -> bool:
    try:
        check(name)  # type: ignore[operator]
    except Rejected:
        return False
    return True


@given(NAMES)
def test_users(name: str) -> None:
    assert bool(re.fullmatch(USER["pattern"], name)) == accepts(check_user, name)


@given(st.sampled_from(["dm:", "group:", "open:"]), NAMES)
def test_what_is_documented_as_a_channel_is_one(kind: str, rest: str) -> None:
    if re.fullmatch(CHANNEL["pattern"], kind + rest):
        assert accepts(check_chat_channel, kind + rest)


@pytest.mark.parametrize("seq", [1, 2**33])
def test_message_ids(seq: int) -> None:
    made = message_id(1_760_000_000_000, seq, b"app\0group:x", b"secret")
    assert message_seq(made) == seq
    assert re.search(MESSAGE_ID["pattern"], made)


def test_a_shape_knows_its_own_names_better() -> None:
    [id] = (f for f in msgspec.structs.fields(SendScheduled) if f.name == "id")
    assert properties_of([id])["id"]["pattern"] == "^[a-z2-7]{24}$"
    fields = {f.name: f for f in msgspec.structs.fields(UpdateUser)}
    said = properties_of([fields["by"], fields["user"]])
    assert re.search(said["by"]["pattern"], ""), "absent"
    assert re.search(said["by"]["pattern"], "ann")
    assert not re.search(said["by"]["pattern"], "a b")
    assert not re.search(properties_of([fields["user"]], in_path=True)["user"]["pattern"], "")


def test_what_is_taken_when_nothing_is_said_may_be_said() -> None:
    """A guest's time is the app's where it is 0, which was documented as too little."""
    fields = {f.name: f for f in msgspec.structs.fields(GuestRequest)}
    assert properties_of([fields["ttl_s"]])["ttl_s"]["minimum"] == 0
    fields = {f.name: f for f in msgspec.structs.fields(TokenRequest)}
    assert properties_of([fields["ttl_s"]])["ttl_s"]["minimum"] == 1
