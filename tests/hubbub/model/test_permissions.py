"""The matrix of rights, written out: a change of a right is a change of this table."""

from __future__ import annotations

import pytest

from hubbub.base.errors import NOT_A_MEMBER, PERMISSION_DENIED, Rejected
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, Authority, is_allowed, require

# For each action: who may, by kind: n none, i invited, m member, M moderator, O owner.
BY_ROLE = {
    "see": ("m", "imMO", "nimMO"),
    "read": ("m", "mMO", "nimMO"),
    "list_members": ("m", "mMO", "nimMO"),
    "send": ("m", "mMO", "nimMO"),
    "edit_own": ("m", "mMO", "nimMO"),
    "delete_own": ("m", "mMO", "nimMO"),
    "mark": ("m", "mMO", "nimMO"),
    "edit_any": ("", "", ""),
    "delete_any": ("", "MO", "MO"),
    "mark_many": ("", "", ""),
    "create": ("", "n", ""),
    "open_direct": ("nm", "", ""),
    "update_channel": ("", "MO", "MO"),
    "delete_channel": ("", "O", "O"),
    "invite": ("", "MO", "MO"),
    "add": ("", "", ""),
    "join": ("", "i", "nimMO"),
    "leave": ("", "imMO", "nimMO"),
    "remove": ("", "MO", "MO"),
    "set_role": ("", "O", "O"),
    "revoke_tokens": ("", "", ""),
    "read_app": ("", "", ""),
    "project": ("", "", ""),
    "edit_any_user": ("", "", ""),
    "read_any_user_stream": ("", "", ""),
}
LETTERS = {
    Role.NONE: "n",
    Role.INVITED: "i",
    Role.MEMBER: "m",
    Role.MODERATOR: "M",
    Role.OWNER: "O",
}
KINDS = (ChannelKind.DM, ChannelKind.GROUP, ChannelKind.OPEN)
BY_AUTHORITY: dict[str, set[Action] | set[str]] = {
    "client": set[str](),
    "server": set(Action),
    "system": set(Action),
    "moderator": {
        "see", "read", "list_members", "send", "edit_own", "delete_own", "mark", "delete_any",
        "update_channel", "invite", "remove", "set_role", "create",
    },
    "analyst": {"see", "read", "list_members", "read_any_user_stream"},
    "operator": {"see", "list_members", "delete_channel", "revoke_tokens", "read_app"},
    "edge": {"read_app", "mark_many"},
    "somebody": set[str](),
}  # fmt: skip


def test_every_action_is_in_the_table() -> None:
    assert set(BY_ROLE) == set(Action)
    assert {*Authority, "somebody"} == set(BY_AUTHORITY)


@pytest.mark.parametrize("action", list(Action))
def test_roles(action: Action) -> None:
    for kind, who in zip(KINDS, BY_ROLE[action], strict=True):
        for role, letter in LETTERS.items():
            assert is_allowed(action, kind, role) is (letter in who), (action, kind, role)


@pytest.mark.parametrize("authority", list(BY_AUTHORITY))
def test_authorities_add_to_the_role(authority: str) -> None:
    for action in Action:
        granted = action in BY_AUTHORITY[authority]
        assert is_allowed(action, None, Role.NONE, authority) is granted, action
        for kind in KINDS:
            for role in Role:
                expected = granted or is_allowed(action, kind, role)
                assert is_allowed(action, kind, role, authority) is expected


def test_a_refusal_says_whether_joining_would_help() -> None:
    for role, action, error in (
        (Role.NONE, Action.SEND, NOT_A_MEMBER),
        (Role.INVITED, Action.READ, NOT_A_MEMBER),
        (Role.MEMBER, Action.INVITE, PERMISSION_DENIED),
        (Role.NONE, Action.INVITE, PERMISSION_DENIED),
    ):
        with pytest.raises(Rejected) as caught:
            require(action, ChannelKind.GROUP, role)
        assert caught.value.error is error
    require(Action.SEND, ChannelKind.GROUP, Role.MEMBER)


def test_roles_are_ordered() -> None:
    assert [role.rank for role in Role] == [0, 1, 2, 3, 4]
