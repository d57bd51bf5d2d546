"""The one authorisation function: who may do what. `decide`, queries, access and REST all ask it.

Rules:
1. `is_allowed` is a table look-up over (action, channel kind, role, authority); nothing else
   grants.
2. An authority beyond `client` adds to what the role allows, it never takes away.
3. What depends on the thing itself (own message, rank of the target) is decided by the feature,
   which then asks for the action that fits: DELETE_OWN or DELETE_ANY.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from hubbub.base.errors import NOT_A_MEMBER, PERMISSION_DENIED, Rejected
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role


class Authority(StrEnum):
    """On whose behalf a connection or a request comes."""

    CLIENT = "client"  # a user, by token
    SERVER = "server"  # the app's own backend, by server key
    MODERATOR = "moderator"  # moderates every channel of the app
    ANALYST = "analyst"  # reads
    OPERATOR = "operator"  # runs the cluster: metadata, deletion, revocation; no texts
    EDGE = "edge"  # an edge for itself: revocations, marks of many users
    SYSTEM = "system"  # a Forward of a committed event


class Action(StrEnum):
    """Everything that is asked for."""

    SEE = "see"  # the channel's metadata
    READ = "read"
    SEND = "send"
    EDIT_OWN = "edit_own"
    EDIT_ANY = "edit_any"
    DELETE_OWN = "delete_own"
    DELETE_ANY = "delete_any"
    MARK = "mark"
    MARK_MANY = "mark_many"
    CREATE = "create"
    OPEN_DIRECT = "open_direct"
    UPDATE_CHANNEL = "update_channel"
    DELETE_CHANNEL = "delete_channel"
    LIST_MEMBERS = "list_members"
    INVITE = "invite"
    ADD = "add"
    JOIN = "join"
    LEAVE = "leave"
    REMOVE = "remove"
    SET_ROLE = "set_role"
    REVOKE_TOKENS = "revoke_tokens"
    READ_APP = "read_app"
    PROJECT = "project"  # write a projection of what another stream decided
    EDIT_ANY_USER = "edit_any_user"
    READ_ANY_USER_STREAM = "read_any_user_stream"


A = Action
_READER: Final = frozenset({A.SEE, A.READ, A.LIST_MEMBERS})
_TALKER: Final = _READER | {A.SEND, A.EDIT_OWN, A.DELETE_OWN, A.MARK}
_MODERATOR: Final = _TALKER | {A.DELETE_ANY, A.UPDATE_CHANNEL, A.INVITE, A.REMOVE, A.LEAVE}
_OWNER: Final = _MODERATOR | {A.SET_ROLE, A.DELETE_CHANNEL}

_BY_ROLE: Final[dict[tuple[ChannelKind, Role], frozenset[Action]]] = {
    (ChannelKind.DM, Role.NONE): frozenset({A.OPEN_DIRECT}),
    (ChannelKind.DM, Role.MEMBER): _TALKER | {A.OPEN_DIRECT},
    (ChannelKind.GROUP, Role.NONE): frozenset({A.CREATE}),
    (ChannelKind.GROUP, Role.INVITED): frozenset({A.SEE, A.JOIN, A.LEAVE}),
    (ChannelKind.GROUP, Role.MEMBER): _TALKER | {A.LEAVE},
    (ChannelKind.GROUP, Role.MODERATOR): _MODERATOR,
    (ChannelKind.GROUP, Role.OWNER): _OWNER,
    (ChannelKind.OPEN, Role.NONE): _TALKER | {A.JOIN, A.LEAVE},
    (ChannelKind.OPEN, Role.INVITED): _TALKER | {A.JOIN, A.LEAVE},
    (ChannelKind.OPEN, Role.MEMBER): _TALKER | {A.JOIN, A.LEAVE},
    (ChannelKind.OPEN, Role.MODERATOR): _MODERATOR | {A.JOIN},
    (ChannelKind.OPEN, Role.OWNER): _OWNER | {A.JOIN},
}
_EVERYTHING: Final = frozenset(Action)
_BY_AUTHORITY: Final[dict[str, frozenset[Action]]] = {
    Authority.CLIENT: frozenset(),
    Authority.SERVER: _EVERYTHING,
    Authority.SYSTEM: _EVERYTHING,
    Authority.MODERATOR: _MODERATOR - {A.LEAVE} | {A.SET_ROLE, A.CREATE},
    Authority.ANALYST: _READER | {A.READ_ANY_USER_STREAM},
    Authority.OPERATOR: frozenset(
        {A.SEE, A.LIST_MEMBERS, A.DELETE_CHANNEL, A.REVOKE_TOKENS, A.READ_APP}
    ),
    Authority.EDGE: frozenset({A.READ_APP, A.MARK_MANY}),
}
_NOTHING: Final[frozenset[Action]] = frozenset()


def is_allowed(
    action: Action, kind: ChannelKind | None, role: Role, authority: str = Authority.CLIENT
) -> bool:
    """May someone of this role in a channel of this kind, or of this authority, do it?

    `kind` is None for what is no channel; unknown authorities add nothing.
    """
    if kind is not None and action in _BY_ROLE.get((kind, role), _NOTHING):
        return True
    return action in _BY_AUTHORITY.get(authority, _NOTHING)


def require(
    action: Action, kind: ChannelKind | None, role: Role, authority: str = Authority.CLIENT
) -> None:
    """Raises Rejected unless allowed: NOT_A_MEMBER where joining would help."""
    if is_allowed(action, kind, role, authority):
        return
    if role.rank < Role.MEMBER.rank and is_allowed(action, kind, Role.MEMBER):
        raise Rejected(NOT_A_MEMBER)
    raise Rejected(PERMISSION_DENIED, f"{action} is not allowed here")
