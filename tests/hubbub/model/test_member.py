"""Roles: their order is what "ranks below" means in every right."""

from __future__ import annotations

from hubbub.model.member import MemberInfo, Role
from hubbub.wire.codec import decode_json, encode_json


def test_ranks_grow_with_the_rights() -> None:
    order = [Role.NONE, Role.INVITED, Role.MEMBER, Role.MODERATOR, Role.OWNER]
    assert sorted(Role, key=lambda role: role.rank) == order
    assert len({role.rank for role in Role}) == len(Role)


def test_a_role_is_its_word_on_the_wire() -> None:
    row = MemberInfo("ann", Role.MODERATOR, "2026-01-01T00:00:00.000Z")
    text = b'{"user":"ann","role":"moderator","joined":"2026-01-01T00:00:00.000Z"}'
    assert encode_json(row) == text
    assert decode_json(text, MemberInfo) == row
