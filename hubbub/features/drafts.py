"""Drafts: what a user has begun to write, one for each (channel, thread), in his own stream.

Rules:
1. The last writer wins: `rev` is the seq of the event that wrote, so it only grows, and a device
   keeps what has the higher one. A device that names the rev it had seen (`seen`) is refused with
   CONFLICT if another one wrote since, and gets that rev.
2. A message that was a draft clears it: `message.send` with `draft` = the rev that was sent. What
   was written since stays.
3. A draft is begun where its user can read (`drawer`): somebody muted may still write one.
4. At most `DRAFTS_MAX` of at most `DRAFT_BYTES_MAX`; what is written stays until it is cleared.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from hubbub.base.errors import BAD_REQUEST, CONFLICT, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.contract import (
    Context,
    Decision,
    EdgeContext,
    Effect,
    Errand,
    Event,
    Feature,
    Forward,
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
    Place,
    call_own,
    put_in,
    require_reader,
    require_writer,
    turn_own,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.messages import DraftSent
from hubbub.features.publication import rfc3339
from hubbub.features.standing import ONLY
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import encode_json

DRAFTS_MAX: Final = 1_000  # of one user: all are read by a device that starts
# The text of a message has 5,000 characters; beyond it there is room for mentions and attachments.
DRAFT_BYTES_MAX: Final = 16_384
PAGE_MAX: Final = 100


class SetDraft(OfUser, frozen=True, kw_only=True):
    """`message`: what the client wants to find again, usually as `message.send` takes it."""

    TAG = "draft.set"

    channel: str
    message: Raw
    thread: str = ""
    seen: int = 0


class ClearDraft(OfUser, frozen=True, kw_only=True):
    """Nothing is begun any more; nothing happens if there was nothing."""

    TAG = "draft.clear"

    channel: str
    thread: str = ""
    seen: int = 0


class DropDraft(OfUser, frozen=True, kw_only=True):
    """A message was sent that was the draft of this rev."""

    TAG = "draft.drop"

    channel: str
    thread: str
    rev: int


class DraftUpdated(Event, frozen=True):
    """A draft as it is from now on."""

    TAG = "draft.updated"

    channel: str
    rev: int
    message: Raw
    thread: str = ""


class DraftCleared(Event, frozen=True):
    """It is gone."""

    TAG = "draft.cleared"

    channel: str
    rev: int
    thread: str = ""


class DraftRow(Struct, frozen=True, array_like=True, gc=False):
    """`message`: JSON."""

    rev: int
    ts_ms: int
    message: bytes


DRAFTS: Final[Table[tuple[str, str], DraftRow]] = Table("drafts", tuple[str, str], DraftRow)
COUNT: Final[Table[int, int]] = Table("drafts.count", int, int)


class Draft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was begun, where, and when."""

    channel: str
    rev: int
    ts: str
    message: Raw
    thread: str = ""


class DraftDone(Struct, frozen=True):
    """The draft's rev from now on."""

    rev: int


class DraftsRequest(AsksUser, frozen=True):
    """`after`: the `next` of the page before."""

    after: str = ""
    limit: int = PAGE_MAX


class DraftsPage(Struct, frozen=True):
    """By channel and thread. `next`: empty at the end."""

    drafts: list[Draft]
    next: str = ""


def check_set(cmd: SetDraft, ctx: EdgeContext) -> SetDraft:
    _check_place(cmd.channel, cmd.thread)
    if len(bytes(cmd.message)) > DRAFT_BYTES_MAX:
        raise Rejected(
            TOO_LARGE, f"a draft has at most {DRAFT_BYTES_MAX} bytes", limit=DRAFT_BYTES_MAX
        )
    if not bytes(cmd.message).startswith(b"{"):
        raise Rejected(BAD_REQUEST, "message is an object")
    return turn_own(cmd, ctx)


def turn_set(cmd: SetDraft, ctx: EdgeContext) -> Errand:
    return put_in(check_set(cmd, ctx), Place(cmd.channel, cmd.thread))


def check_clear(cmd: ClearDraft, ctx: EdgeContext) -> ClearDraft:
    _check_place(cmd.channel, cmd.thread)
    return turn_own(cmd, ctx)


def _check_place(channel: str, thread: str) -> None:
    check_chat_channel(channel)
    if thread:
        message_seq(thread)


def decide_set(cmd: SetDraft, tables: Tables, ctx: Context) -> Decision:
    require_writer(cmd.user, ctx)
    row = _seen(cmd, tables)
    if row is not None and row.message == bytes(cmd.message):
        return Decision([], encode_json(DraftDone(row.rev)))
    if row is None and (tables[COUNT].get(ONLY) or 0) >= DRAFTS_MAX:
        raise Rejected(TOO_MANY, f"at most {DRAFTS_MAX} drafts", limit=DRAFTS_MAX)
    rev = tables.head_seq + 1
    event = DraftUpdated(channel=cmd.channel, rev=rev, message=cmd.message, thread=cmd.thread)
    return Decision([event], encode_json(DraftDone(rev)))


def decide_clear(cmd: ClearDraft, tables: Tables, ctx: Context) -> Decision:
    require_writer(cmd.user, ctx)
    return _cleared(cmd, _seen(cmd, tables), tables)


def decide_drop(cmd: DropDraft, tables: Tables, ctx: Context) -> Decision:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = tables[DRAFTS].get((cmd.channel, cmd.thread))
    return _cleared(cmd, row if row is not None and row.rev <= cmd.rev else None, tables)


def _cleared(cmd: ClearDraft | DropDraft, row: DraftRow | None, tables: Tables) -> Decision:
    rev = tables.head_seq + 1
    if row is None:
        return Decision([], encode_json(DraftDone(rev - 1)))
    event = DraftCleared(channel=cmd.channel, rev=rev, thread=cmd.thread)
    return Decision([event], encode_json(DraftDone(rev)))


def _seen(cmd: SetDraft | ClearDraft, tables: Tables) -> DraftRow | None:
    """The draft as it is. Raises Rejected(CONFLICT) if the device has seen an older one."""
    row = tables[DRAFTS].get((cmd.channel, cmd.thread))
    if cmd.seen and row is not None and cmd.seen < row.rev:
        raise Rejected(CONFLICT, "another device has written since", rev=row.rev)
    return row


def apply_updated(event: DraftUpdated, meta: Meta, tables: Tables) -> None:
    key = event.channel, event.thread
    if tables[DRAFTS].get(key) is None:
        tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 0) + 1)
    tables[DRAFTS].put(key, DraftRow(event.rev, meta.ts_ms, bytes(event.message)))


def apply_cleared(event: DraftCleared, _: Meta, tables: Tables) -> None:
    key = event.channel, event.thread
    if tables[DRAFTS].get(key) is not None:
        tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 1) - 1)
        tables[DRAFTS].delete(key)


def apply_sent(_: DraftSent, __: Meta, ___: Tables) -> None:
    """In the channel: nothing; its effect is what counts."""


def effects_sent(event: DraftSent, meta: Meta, _: Tables) -> list[Effect]:
    drop = DropDraft(user=meta.by, channel=meta.key, thread=event.thread, rev=event.rev)
    return [Forward(drop)]


def run_list(request: DraftsRequest, tables: Tables, ctx: Context) -> DraftsPage:
    require_reader(ctx)
    check_limit(request.limit, PAGE_MAX)
    channel, _, thread = request.after.partition(" ")
    after = (channel, thread) if request.after else None
    rows = tables[DRAFTS].scan(after=after, limit=request.limit)
    page = [
        Draft(
            channel=key[0],
            thread=key[1],
            rev=row.rev,
            ts=rfc3339(row.ts_ms),
            message=Raw(row.message),
        )
        for key, row in rows
    ]
    more = len(rows) == request.limit
    return DraftsPage(page, " ".join(rows[-1][0]) if more else "")


def turn_list(request: DraftsRequest, ctx: EdgeContext) -> QueryCall:
    return call_own("draft.list", request, ctx)


_OF_USER: Final = "/v1/users/{user}/drafts"
_ONE: Final = _OF_USER + "/{channel}"

FEATURE: Final = Feature(
    name="drafts",
    tables=(DRAFTS, COUNT),
    check={SetDraft: check_set, ClearDraft: check_clear},
    decide={SetDraft: decide_set, ClearDraft: decide_clear, DropDraft: decide_drop},
    apply={DraftUpdated: apply_updated, DraftCleared: apply_cleared, DraftSent: apply_sent},
    effects={DraftSent: effects_sent},
    queries=(QueryRow("draft.list", DraftsRequest, run_list),),
    verbs=(
        Verb("draft.set", SetDraft, turn_set, DraftDone, "Keep what was begun."),
        Verb("draft.clear", ClearDraft, turn_own, DraftDone, "Keep it no more."),
        Verb("draft.list", DraftsRequest, turn_list, DraftsPage, "All that was begun."),
    ),
    routes=(
        Route("GET", _OF_USER, DraftsRequest, turn_list, DraftsPage),
        Route("PUT", _ONE, SetDraft, turn_set, DraftDone),
        Route("DELETE", _ONE, ClearDraft, turn_own, DraftDone),
    ),
)
