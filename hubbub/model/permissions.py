"""The one authorisation function: who may do what. `decide`, queries, access and REST all ask it.

Rules:
1. Rights begin as a table look-up over (action, channel kind, role, authority). What an app, a
   channel or a member changes is laid over it (`features.standing`, which features ask).
2. An authority beyond `client` adds to what the role allows, it never takes away.
3. What depends on the thing itself (own message, rank of the target) is decided by the feature,
   which then asks for the action that fits: DELETE_OWN or DELETE_ANY.
4. An action that is asked of a channel and may be granted or denied there is a *capability*. The
   others belong to the app or to the cluster, and only authorities have them.
5. Adding an action: one line in `Action`, one in the sets below, one in the test's table and one in
   the walk (tests/acceptance/walk.py); then `python -m hubbub.docs`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from hubbub.base.errors import BAD_REQUEST, NOT_A_MEMBER, PERMISSION_DENIED, Rejected
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

    # --- a channel is seen and read
    SEE = "see"  # the channel's metadata
    READ = "read"  # its messages, threads, pins, polls; subscribing
    LIST_MEMBERS = "list_members"
    SEE_EDITS = "see_edits"  # earlier texts of a message
    SEE_RECEIPTS = "see_receipts"  # who has read and received
    SEE_PRESENCE = "see_presence"
    SEARCH = "search"
    MARK = "mark"  # read and delivery marks of one's own
    # --- something is said
    SEND = "send"
    SEND_SILENT = "send_silent"  # nobody is notified
    SEND_CUSTOM = "send_custom"  # events of a registered type of the app's own
    SEND_SYSTEM = "send_system"  # in the app's name
    REPLY_THREAD = "reply_thread"
    QUOTE = "quote"
    FORWARD = "forward"  # out of this channel; into another one it is SEND there
    ATTACH = "attach"
    MENTION_ALL = "mention_all"  # @all and @here
    SCHEDULE = "schedule"
    CREATE_POLL = "create_poll"
    VOTE = "vote"
    CLOSE_POLL_ANY = "close_poll_any"  # one's own: SEND
    REACT = "react"
    TYPE = "type"
    EDIT_OWN = "edit_own"
    EDIT_ANY = "edit_any"
    DELETE_OWN = "delete_own"
    DELETE_ANY = "delete_any"
    UNDELETE_OWN = "undelete_own"
    UNDELETE_ANY = "undelete_any"
    PIN = "pin"
    COUNT = "count"  # move a counter within its bounds
    # --- people come and go
    JOIN = "join"
    LEAVE = "leave"
    REQUEST_JOIN = "request_join"
    ANSWER_REQUEST = "answer_request"
    INVITE = "invite"
    ADD = "add"  # without asking them
    REMOVE = "remove"
    SET_ROLE = "set_role"
    SET_CAPABILITIES = "set_capabilities"  # of a role or a member
    SEE_CAPABILITIES = "see_capabilities"  # of somebody else
    # --- order is kept
    BAN = "ban"
    MUTE = "mute"
    TIMEOUT = "timeout"  # a mute that ends
    SEE_SANCTIONS = "see_sanctions"
    FREEZE = "freeze"
    SEND_FROZEN = "send_frozen"  # everything that is said, while the channel is frozen
    SET_SLOW_MODE = "set_slow_mode"
    SKIP_SLOW_MODE = "skip_slow_mode"
    # --- the channel itself
    CREATE = "create"
    OPEN_DIRECT = "open_direct"
    UPDATE_CHANNEL = "update_channel"
    SET_METADATA = "set_metadata"  # metadata, and which counters there are
    SET_RETENTION = "set_retention"
    PROMOTE = "promote"
    ARCHIVE_CHANNEL = "archive_channel"
    TRUNCATE = "truncate"
    DELETE_CHANNEL = "delete_channel"
    # --- beyond one channel
    DIRECTORY = "directory"  # the app's public channels
    QUERY_USERS = "query_users"  # the app's users; clients as far as the app lets them
    EDIT_APP = "edit_app"  # settings, keys, event types
    DEACTIVATE_USER = "deactivate_user"
    BAN_FROM_APP = "ban_from_app"
    EDIT_ANY_USER = "edit_any_user"
    READ_ANY_USER_STREAM = "read_any_user_stream"
    REVOKE_TOKENS = "revoke_tokens"
    # --- inside the cluster
    READ_APP = "read_app"
    MARK_MANY = "mark_many"
    PROJECT = "project"  # write a projection of what another stream decided


A = Action
_READER: Final = frozenset(
    {
        A.SEE,
        A.READ,
        A.LIST_MEMBERS,
        A.SEE_EDITS,
        A.SEE_RECEIPTS,
        A.SEE_PRESENCE,
        A.SEARCH,
    }
)
_TALKER: Final = _READER | {
    A.MARK,
    A.SEND,
    A.SEND_SILENT,
    A.SEND_CUSTOM,
    A.REPLY_THREAD,
    A.QUOTE,
    A.FORWARD,
    A.ATTACH,
    A.SCHEDULE,
    A.VOTE,
    A.REACT,
    A.TYPE,
    A.EDIT_OWN,
    A.DELETE_OWN,
    A.UNDELETE_OWN,
    A.COUNT,
}
_PARTNER: Final = _TALKER | {A.MENTION_ALL, A.CREATE_POLL, A.PIN, A.SET_METADATA, A.PROMOTE}
_MEMBER: Final = _TALKER | {A.MENTION_ALL, A.CREATE_POLL, A.LEAVE}
_GUEST: Final = _TALKER | {A.JOIN, A.LEAVE}  # of an open channel
_MODERATOR: Final = _MEMBER | {
    A.DELETE_ANY,
    A.UNDELETE_ANY,
    A.PIN,
    A.CLOSE_POLL_ANY,
    A.UPDATE_CHANNEL,
    A.SET_METADATA,
    A.INVITE,
    A.ANSWER_REQUEST,
    A.REMOVE,
    A.SEE_CAPABILITIES,
    A.BAN,
    A.MUTE,
    A.TIMEOUT,
    A.SEE_SANCTIONS,
    A.FREEZE,
    A.SEND_FROZEN,
    A.SET_SLOW_MODE,
    A.SKIP_SLOW_MODE,
}
_OWNER: Final = _MODERATOR | {
    A.SET_ROLE,
    A.SET_CAPABILITIES,
    A.SET_RETENTION,
    A.ARCHIVE_CHANNEL,
    A.TRUNCATE,
    A.DELETE_CHANNEL,
}

_BY_ROLE: Final[dict[tuple[ChannelKind, Role], frozenset[Action]]] = {
    (ChannelKind.DM, Role.NONE): frozenset({A.OPEN_DIRECT}),
    (ChannelKind.DM, Role.MEMBER): _PARTNER | {A.OPEN_DIRECT},
    (ChannelKind.GROUP, Role.NONE): frozenset({A.CREATE, A.REQUEST_JOIN}),
    (ChannelKind.GROUP, Role.INVITED): frozenset({A.SEE, A.JOIN, A.LEAVE}),
    (ChannelKind.GROUP, Role.MEMBER): _MEMBER,
    (ChannelKind.GROUP, Role.MODERATOR): _MODERATOR,
    (ChannelKind.GROUP, Role.OWNER): _OWNER | {A.PROMOTE},
    (ChannelKind.OPEN, Role.NONE): _GUEST,
    (ChannelKind.OPEN, Role.INVITED): _GUEST,
    (ChannelKind.OPEN, Role.MEMBER): _GUEST,
    (ChannelKind.OPEN, Role.MODERATOR): _MODERATOR | {A.JOIN},
    (ChannelKind.OPEN, Role.OWNER): _OWNER | {A.JOIN},
}
_EVERYTHING: Final = frozenset(Action)
_BY_AUTHORITY: Final[dict[str, frozenset[Action]]] = {
    Authority.CLIENT: frozenset({A.DIRECTORY, A.QUERY_USERS}),
    Authority.SERVER: _EVERYTHING,
    Authority.SYSTEM: _EVERYTHING,
    Authority.MODERATOR: _MODERATOR - {A.LEAVE}
    | {A.SET_ROLE, A.SET_CAPABILITIES, A.CREATE, A.DIRECTORY, A.QUERY_USERS, A.BAN_FROM_APP},
    Authority.ANALYST: _READER
    | {A.SEE_SANCTIONS, A.DIRECTORY, A.QUERY_USERS, A.READ_ANY_USER_STREAM},
    Authority.OPERATOR: frozenset(
        {
            A.SEE,
            A.LIST_MEMBERS,
            A.FREEZE,
            A.SET_RETENTION,
            A.ARCHIVE_CHANNEL,
            A.TRUNCATE,
            A.DELETE_CHANNEL,
            A.DIRECTORY,
            A.QUERY_USERS,
            A.EDIT_APP,
            A.DEACTIVATE_USER,
            A.REVOKE_TOKENS,
            A.READ_APP,
        }
    ),
    Authority.EDGE: frozenset({A.READ_APP, A.MARK_MANY, A.SEE_RECEIPTS}),
}
_NOTHING: Final[frozenset[Action]] = frozenset()

# What is asked of a channel, and may be granted or denied there.
CAPABILITIES: Final = _EVERYTHING - {
    A.CREATE,
    A.OPEN_DIRECT,
    A.DIRECTORY,
    A.QUERY_USERS,
    A.EDIT_APP,
    A.DEACTIVATE_USER,
    A.BAN_FROM_APP,
    A.EDIT_ANY_USER,
    A.READ_ANY_USER_STREAM,
    A.REVOKE_TOKENS,
    A.READ_APP,
    A.MARK_MANY,
    A.PROJECT,
}
# What an app may grant or deny by kind and role.
APP_CAPABILITIES: Final = CAPABILITIES | {A.CREATE, A.OPEN_DIRECT}
# Who sees and reads is decided by kind and membership: no layer changes it.
FIXED: Final = frozenset({A.SEE, A.READ})
# What a muted user and, without SEND_FROZEN, anybody in a frozen channel may not do.
SPEAKING: Final = frozenset(
    {
        A.SEND,
        A.SEND_SILENT,
        A.SEND_CUSTOM,
        A.REPLY_THREAD,
        A.QUOTE,
        A.ATTACH,
        A.MENTION_ALL,
        A.SCHEDULE,
        A.CREATE_POLL,
        A.VOTE,
        A.REACT,
        A.TYPE,
        A.EDIT_OWN,
        A.EDIT_ANY,
        A.UNDELETE_OWN,
        A.PIN,
        A.COUNT,
    }
)


def of_role(kind: ChannelKind, role: Role) -> frozenset[Action]:
    """What a role may do in channels of a kind, unless something is laid over it."""
    return _BY_ROLE.get((kind, role), _NOTHING)


def of_authority(authority: str) -> frozenset[Action]:
    """What an authority may do whatever its role is; unknown authorities add nothing."""
    return _BY_AUTHORITY.get(authority, _NOTHING)


def laid_over(
    rights: frozenset[Action], grant: Collection[str], deny: Collection[str]
) -> frozenset[Action]:
    """Rights with a layer's grants and denials, which win. What no layer may change stays."""
    changeable = APP_CAPABILITIES - FIXED
    granted = {action for action in changeable if action in grant}
    denied = {action for action in changeable if action in deny}
    return (rights | granted) - denied


def check_names(names: Iterable[str]) -> None:
    """Raises Rejected(BAD_REQUEST) for what no channel grants or denies."""
    for name in names:
        if name not in CAPABILITIES - FIXED:
            raise Rejected(BAD_REQUEST, f"{name!r} is no capability that can be changed")


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
