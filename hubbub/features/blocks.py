"""Whom a user does not want to hear of, in his own stream.

Rules:
1. At most BLOCKS_MAX users; to block or unblock somebody twice is no event.
2. Nobody else learns it: the events are those of the user's own stream, and what a blocked user
   does is logged, answered and delivered to all others as ever.
3. What it hides is hidden by the edge, for each recipient (decision record 0028). The edge gets the
   whole set with a session's first answer (`Access.blocks`) and each change with its event.
4. Presence asks here when the user looks at others (feature presence): whom he blocks he sees
   offline, invisible or not. He himself is seen as before: the other one could tell otherwise.
5. Whom a blocked user asks in is not told. Who is put into a channel that a blocked user made (a
   dm, too) has it in his list hidden for good: he must be able to leave (decision record 0046).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, TOO_MANY, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.publication import rfc3339
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

BLOCKS_MAX: Final = 1_000


class _Change(Command, frozen=True):
    """`user`: who blocks; empty: the one who asks. `blocked`: whom."""

    TAG = ""

    blocked: str
    user: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class BlockUser(_Change, frozen=True):
    """Hear no more of somebody."""

    TAG = "user.block"


class UnblockUser(_Change, frozen=True):
    """Hear of him again."""

    TAG = "user.unblock"


class UserBlocked(Event, frozen=True):
    """The user of this stream does not hear of him any more."""

    TAG = "user.blocked"

    blocked: str

    def blocks(self) -> Sequence[str]:
        return (BLOCK + self.blocked,)


class UserUnblocked(Event, frozen=True):
    """The user of this stream hears of him again."""

    TAG = "user.unblocked"

    blocked: str

    def blocks(self) -> Sequence[str]:
        return (UNBLOCK + self.blocked,)


class BlocksRequest(Struct, frozen=True):
    """Whose; empty: of the one who asks."""

    user: str = ""


class BlockedUser(Struct, frozen=True):
    """Whom, and since when (RFC 3339)."""

    user: str
    since: str


class BlockList(Struct, frozen=True):
    """All of them, by name."""

    blocks: list[BlockedUser]


BLOCKED: Final[Table[str, int]] = Table("blocks", str, int)
BLOCK: Final = "+"  # in front of a name in the row's `info`
UNBLOCK: Final = "-"


def blocked_of(tables: Tables) -> tuple[str, ...]:
    """Whom the user of this stream blocks."""
    return tuple(user for user, _ in tables[BLOCKED].scan(limit=BLOCKS_MAX))


def check_change(cmd: BlockUser | UnblockUser, _: EdgeContext) -> Command:
    check_user(cmd.blocked)
    if cmd.blocked == cmd.user:
        raise Rejected(BAD_REQUEST, "nobody blocks himself")
    return cmd


def decide_block(cmd: BlockUser, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no blocks of users")
    rows = tables[BLOCKED]
    if rows.get(cmd.blocked) is not None:
        return []
    if len(rows.scan(limit=BLOCKS_MAX)) >= BLOCKS_MAX:
        raise Rejected(TOO_MANY, f"at most {BLOCKS_MAX} blocked users", limit=BLOCKS_MAX)
    return [UserBlocked(blocked=cmd.blocked)]


def decide_unblock(cmd: UnblockUser, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx)
    if tables[BLOCKED].get(cmd.blocked) is None:
        return []
    return [UserUnblocked(blocked=cmd.blocked)]


def apply_blocked(event: UserBlocked, meta: Meta, tables: Tables) -> None:
    tables[BLOCKED].put(event.blocked, meta.ts_ms)


def apply_unblocked(event: UserUnblocked, _: Meta, tables: Tables) -> None:
    tables[BLOCKED].delete(event.blocked)


def run_list(_: BlocksRequest, tables: Tables, ctx: Context) -> BlockList:
    _require_own(ctx.key[1:], ctx)
    rows = tables[BLOCKED].scan(limit=BLOCKS_MAX)
    return BlockList([BlockedUser(user, rfc3339(ms)) for user, ms in rows])


def _require_own(user: str, ctx: Context) -> None:
    if user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)


def turn_change(request: BlockUser | UnblockUser, ctx: EdgeContext) -> Command:
    return replace(request, user=check_user(request.user or request.by or ctx.viewer.user))


def turn_list(request: BlocksRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), "block.list", BlocksRequest(user))


_PATH: Final = "/v1/users/{user}/blocks"
_ONE: Final = _PATH + "/{blocked}"

FEATURE: Final = Feature(
    name="blocks",
    tables=(BLOCKED,),
    check={BlockUser: check_change, UnblockUser: check_change},
    decide={BlockUser: decide_block, UnblockUser: decide_unblock},
    apply={UserBlocked: apply_blocked, UserUnblocked: apply_unblocked},
    queries=(QueryRow("block.list", BlocksRequest, run_list),),
    verbs=(
        Verb("user.block", BlockUser, turn_change, Done, "Hear no more of a user."),
        Verb("user.unblock", UnblockUser, turn_change, Done, "Hear of him again."),
        Verb("block.list", BlocksRequest, turn_list, BlockList, "Whom one blocks."),
    ),
    routes=(
        Route("GET", _PATH, BlocksRequest, turn_list, BlockList),
        Route("PUT", _ONE, BlockUser, turn_change, Done),
        Route("DELETE", _ONE, UnblockUser, turn_change, Done),
    ),
)
