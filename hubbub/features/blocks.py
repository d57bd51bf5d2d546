"""Whom a user wants to hear nothing of: a list in his own stream, which nobody else may read.

Rules:
1. At most BLOCKS_MAX; blocking twice changes nothing, and nor does unblocking who is not blocked.
2. Nobody else is told, and nothing that the blocked one does is answered otherwise: what a block
   stops, it stops where the blocker's own rows are written or read.
3. An invitation by somebody blocked stays out of the list (`channel_list` asks `is_blocked`). It
   stands in the channel all the same, and does not come up when the block is lifted.
4. Messages, figures, typing and presence ask nothing here yet.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta as Bound
from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, TOO_MANY, Rejected
from hubbub.base.names import check_user
from hubbub.features.contract import (
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
from hubbub.features.drawer import (
    AsksUser,
    OfUser,
    call_own,
    require_reader,
    require_writer,
    turn_own,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import ONLY

# Whoever shows something to the user may hold all of it; at double it still fits a link's frame.
BLOCKS_MAX: Final = 1_000
PAGE_MAX: Final = 200


class BlockUser(OfUser, frozen=True, kw_only=True):
    """Hear nothing more of `blocked`."""

    TAG = "user.block"

    blocked: str


class UnblockUser(OfUser, frozen=True, kw_only=True):
    """Hear of `blocked` again."""

    TAG = "user.unblock"

    blocked: str


class UserBlocked(Event, frozen=True):
    """For the user's own devices: they hide this one."""

    TAG = "user.blocked"

    blocked: str


class UserUnblocked(Event, frozen=True):
    """For the user's own devices: they show this one again."""

    TAG = "user.unblocked"

    blocked: str


class BlockRow(Struct, frozen=True, array_like=True, gc=False):
    """Since when."""

    since_ms: int


class ListBlocks(AsksUser, frozen=True):
    """A page in the order of ids, behind `after`."""

    after: str = ""
    limit: Annotated[int, Bound(ge=1, le=PAGE_MAX)] = PAGE_MAX


class Block(Struct, frozen=True):
    """`since` is RFC 3339."""

    blocked: str
    since: str


class BlockPage(Struct, frozen=True):
    """`next`: pass it as `after`; empty at the end."""

    blocks: list[Block]
    next: str = ""


BLOCKS: Final[Table[str, BlockRow]] = Table("blocks", str, BlockRow)
COUNT: Final[Table[int, int]] = Table("blocks.count", int, int)


def is_blocked(by: str, tables: Tables) -> bool:
    """Whether the user of this stream has blocked `by`."""
    return tables[BLOCKS].get(by) is not None


def blocked_of(tables: Tables) -> frozenset[str]:
    """All whom the user of this stream has blocked."""
    if not tables[COUNT].get(ONLY):
        return frozenset()
    return frozenset(user for user, _ in tables[BLOCKS].scan(limit=BLOCKS_MAX))


def check_block(cmd: BlockUser, ctx: EdgeContext) -> BlockUser:
    check_user(cmd.blocked)
    if cmd.blocked == (cmd.user or ctx.viewer.user):
        raise Rejected(BAD_REQUEST, "nobody blocks himself")
    return cmd


def check_unblock(cmd: UnblockUser, _: EdgeContext) -> UnblockUser:
    check_user(cmd.blocked)
    return cmd


def decide_block(cmd: BlockUser, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    if is_blocked(cmd.blocked, tables):
        return []
    if (tables[COUNT].get(ONLY) or 0) >= BLOCKS_MAX:
        raise Rejected(TOO_MANY, f"at most {BLOCKS_MAX} blocked users", limit=BLOCKS_MAX)
    return [UserBlocked(blocked=cmd.blocked)]


def decide_unblock(cmd: UnblockUser, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    return [UserUnblocked(blocked=cmd.blocked)] if is_blocked(cmd.blocked, tables) else []


def apply_blocked(event: UserBlocked, meta: Meta, tables: Tables) -> None:
    if not is_blocked(event.blocked, tables):
        tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 0) + 1)
        tables[BLOCKS].put(event.blocked, BlockRow(meta.ts_ms))


def apply_unblocked(event: UserUnblocked, _: Meta, tables: Tables) -> None:
    if is_blocked(event.blocked, tables):
        tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 0) - 1)
        tables[BLOCKS].delete(event.blocked)


def run_list(request: ListBlocks, tables: Tables, ctx: Context) -> BlockPage:
    require_reader(ctx)
    rows = tables[BLOCKS].scan(after=request.after or None, limit=request.limit + 1)
    page = rows[: request.limit]
    return BlockPage(
        [Block(user, rfc3339(row.since_ms)) for user, row in page],
        page[-1][0] if len(rows) > len(page) else "",
    )


def turn_list(request: ListBlocks, ctx: EdgeContext) -> QueryCall:
    return call_own("block.list", request, ctx)


_PATH: Final = "/v1/users/{user}/blocks"

FEATURE: Final = Feature(
    name="blocks",
    tables=(BLOCKS, COUNT),
    check={BlockUser: check_block, UnblockUser: check_unblock},
    decide={BlockUser: decide_block, UnblockUser: decide_unblock},
    apply={UserBlocked: apply_blocked, UserUnblocked: apply_unblocked},
    queries=(QueryRow("block.list", ListBlocks, run_list),),
    verbs=(
        Verb("user.block", BlockUser, turn_own, Done, "Block somebody; he is not told."),
        Verb("user.unblock", UnblockUser, turn_own, Done, "Lift a block."),
        Verb("block.list", ListBlocks, turn_list, BlockPage, "Whom one has blocked."),
    ),
    routes=(
        Route("GET", _PATH, ListBlocks, turn_list, BlockPage, doc="Whom a user has blocked."),
        Route("PUT", _PATH + "/{blocked}", BlockUser, turn_own, Done, doc="Block somebody."),
        Route("DELETE", _PATH + "/{blocked}", UnblockUser, turn_own, Done, doc="Lift a block."),
    ),
)
