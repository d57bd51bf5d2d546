"""The matrix of rights, written out: a change of a right is a change of this table."""

from __future__ import annotations

import pytest

from hubbub.base.errors import NOT_A_MEMBER, PERMISSION_DENIED, Rejected
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import (
    APP_CAPABILITIES,
    CAPABILITIES,
    SPEAKING,
    Action,
    Authority,
    is_allowed,
    of_role,
    require,
)

# For each action: who may, by kind: n none, i invited, m member, M moderator, O owner.
BY_ROLE = {
    "see": ("m", "imMO", "nimMO"),
    "read": ("m", "mMO", "nimMO"),
    "list_members": ("m", "mMO", "nimMO"),
    "see_edits": ("m", "mMO", "nimMO"),
    "see_receipts": ("m", "mMO", "nimMO"),
    "see_presence": ("m", "mMO", "nimMO"),
    "search": ("m", "mMO", "nimMO"),
    "mark": ("m", "mMO", "nimMO"),
    "send": ("m", "mMO", "nimMO"),
    "send_silent": ("m", "mMO", "nimMO"),
    "send_custom": ("m", "mMO", "nimMO"),
    "send_system": ("", "", ""),
    "reply_thread": ("m", "mMO", "nimMO"),
    "quote": ("m", "mMO", "nimMO"),
    "forward": ("m", "mMO", "nimMO"),
    "attach": ("m", "mMO", "nimMO"),
    "mention_all": ("m", "mMO", "MO"),
    "schedule": ("m", "mMO", "nimMO"),
    "create_poll": ("m", "mMO", "MO"),
    "vote": ("m", "mMO", "nimMO"),
    "close_poll_any": ("", "MO", "MO"),
    "react": ("m", "mMO", "nimMO"),
    "type": ("m", "mMO", "nimMO"),
    "edit_own": ("m", "mMO", "nimMO"),
    "edit_any": ("", "", ""),
    "delete_own": ("m", "mMO", "nimMO"),
    "delete_any": ("", "MO", "MO"),
    "undelete_own": ("m", "mMO", "nimMO"),
    "undelete_any": ("", "MO", "MO"),
    "pin": ("m", "MO", "MO"),
    "count": ("m", "mMO", "nimMO"),
    "join": ("", "i", "nimMO"),
    "leave": ("", "imMO", "nimMO"),
    "request_join": ("", "n", ""),
    "answer_request": ("", "MO", "MO"),
    "invite": ("", "MO", "MO"),
    "add": ("", "", ""),
    "remove": ("", "MO", "MO"),
    "set_role": ("", "O", "O"),
    "set_capabilities": ("", "O", "O"),
    "see_capabilities": ("", "MO", "MO"),
    "ban": ("", "MO", "MO"),
    "mute": ("", "MO", "MO"),
    "timeout": ("", "MO", "MO"),
    "see_sanctions": ("", "MO", "MO"),
    "freeze": ("", "MO", "MO"),
    "send_frozen": ("", "MO", "MO"),
    "set_slow_mode": ("", "MO", "MO"),
    "skip_slow_mode": ("", "MO", "MO"),
    "create": ("", "n", ""),
    "open_direct": ("nm", "", ""),
    "update_channel": ("", "MO", "MO"),
    "set_metadata": ("m", "MO", "MO"),
    "set_retention": ("", "O", "O"),
    "promote": ("m", "O", ""),
    "archive_channel": ("", "O", "O"),
    "truncate": ("", "O", "O"),
    "delete_channel": ("", "O", "O"),
    "directory": ("", "", ""),
    "query_users": ("", "", ""),
    "edit_app": ("", "", ""),
    "deactivate_user": ("", "", ""),
    "ban_from_app": ("", "", ""),
    "edit_any_user": ("", "", ""),
    "read_any_user_stream": ("", "", ""),
    "revoke_tokens": ("", "", ""),
    "read_app": ("", "", ""),
    "mark_many": ("", "", ""),
    "project": ("", "", ""),
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
    "client": {"directory", "query_users"},
    "server": set(Action),
    "system": set(Action),
    "moderator": {
        "see", "read", "list_members", "see_edits", "see_receipts", "see_presence", "search",
        "mark", "send", "send_silent", "send_custom", "reply_thread", "quote", "forward", "attach",
        "mention_all", "schedule", "create_poll", "vote", "close_poll_any", "react", "type",
        "edit_own", "delete_own", "delete_any", "undelete_own", "undelete_any", "pin", "count",
        "answer_request", "invite", "remove", "set_role", "set_capabilities", "see_capabilities",
        "ban", "mute", "timeout", "see_sanctions", "freeze", "send_frozen", "set_slow_mode",
        "skip_slow_mode", "create", "update_channel", "set_metadata", "directory", "query_users",
        "ban_from_app",
    },
    "analyst": {
        "see", "read", "list_members", "see_edits", "see_receipts", "see_presence", "search",
        "see_sanctions", "directory", "query_users", "read_any_user_stream",
    },
    "operator": {
        "see", "list_members", "freeze", "set_retention", "archive_channel", "truncate",
        "delete_channel", "directory", "query_users", "edit_app", "deactivate_user",
        "revoke_tokens", "read_app",
    },
    "edge": {"read_app", "mark_many", "see_receipts"},
    "somebody": set[str](),
}  # fmt: skip


def test_every_action_is_in_the_table() -> None:
    assert set(BY_ROLE) == set(Action)
    assert {*Authority, "somebody"} == set(BY_AUTHORITY)


@pytest.mark.parametrize("action", list(Action))
def test_roles(action: Action) -> None:
    for kind, who in zip(KINDS, BY_ROLE[action], strict=True):
        for role, letter in LETTERS.items():
            assert (action in of_role(kind, role)) is (letter in who), (action, kind, role)


@pytest.mark.parametrize("authority", list(BY_AUTHORITY))
def test_authorities_add_to_the_role(authority: str) -> None:
    for action in Action:
        granted = action in BY_AUTHORITY[authority]
        assert is_allowed(action, None, Role.NONE, authority) is granted, action
        for kind in KINDS:
            for role in Role:
                expected = granted or action in of_role(kind, role)
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


def test_what_a_channel_grants_is_asked_of_a_channel() -> None:
    in_channels = {a for kind in KINDS for role in Role for a in of_role(kind, role)}
    assert in_channels == APP_CAPABILITIES - {"send_system", "edit_any", "add"}
    assert SPEAKING < CAPABILITIES < APP_CAPABILITIES
    assert not SPEAKING & {"read", "mark", "leave", "send_frozen", "mute", "ban"}
