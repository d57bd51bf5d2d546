"""What became of a message: its earlier contents, and deletions that are undone.

Rules:
1. Contents that were replaced or deleted lie in the log until retention takes them. Who may
   SEE_EDITS reads those of a message that is there; those of a deleted one are for who may
   undelete it.
2. The author undoes his own deletion for a while (`undelete_own_s`); moderators undo any, at any
   time. What somebody else deleted, its author does not bring back.
3. What comes back is the newest content, with its annotations; it counts as unread again.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import asdict

from hubbub.base.errors import PERMISSION_DENIED, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Feature,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.history import MessageRequest
from hubbub.features.messages import (
    MESSAGE,
    Content,
    FoldedRow,
    MessageUndeleted,
    authors_of,
    current,
    find_message,
    is_own,
    shown_quote,
    thread_of,
)
from hubbub.features.poll_rows import poll_at
from hubbub.features.publication import rfc3339
from hubbub.features.standing import may, require_standing
from hubbub.model.message import Attachment, Forwarded, Quote
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import StoredEvent


class UndeleteMessage(Command, frozen=True):
    """Bring a deleted message back."""

    TAG = "message.undelete"

    channel: str
    id: str


class Revision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A content that a message has or had, who wrote it when (RFC 3339), and in which event."""

    seq: int
    by: str
    ts: str
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False


class RevisionsPage(Struct, frozen=True, omit_defaults=True):
    """The oldest that is kept first; the last one is the newest. None of a message whose author
    the one who asks blocks. `rev` and `deleted` of the message now."""

    revisions: list[Revision]
    rev: int
    deleted: bool = False


class _Taken(Struct, frozen=True):
    quote: Quote | UnsetType = UNSET
    forwarded: Forwarded | UnsetType = UNSET


def check_undelete(cmd: UndeleteMessage, _: EdgeContext) -> UndeleteMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    return cmd


def decide_undelete(cmd: UndeleteMessage, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    row = current(stored, tables)
    _require_undelete(stored, row, tables, ctx)
    if not row.deleted:
        known = {"seq": row.last_seq, "id": cmd.id, "rev": row.rev, "ts": rfc3339(row.changed_ms)}
        return Decision([], encode_json(known))
    newest = tables.published(row.contents[-1])
    assert newest is not None, "its contents are younger than itself"
    taken = decode_json(stored.data, _Taken)
    poll = poll_at(stored.seq, tables)
    back = MessageUndeleted(
        id=cmd.id,
        message_seq=stored.seq,
        rev=row.rev + 1,
        author=stored.head.by,
        edited=row.edited,
        thread=thread_of(stored),
        quote=UNSET if isinstance(taken.quote, UnsetType) else shown_quote(taken.quote, tables),
        forwarded=taken.forwarded,
        poll=UNSET if poll is None else poll,
        **asdict(decode_json(newest.data, Content)),
    )
    return Decision([back])


def _require_undelete(stored: StoredEvent, row: FoldedRow, tables: Tables, ctx: Context) -> None:
    if not is_own(stored, ctx) or row.reason:
        require_standing(Action.UNDELETE_ANY, tables, ctx)
        return
    limit_s = ctx.settings.undelete_own_s
    if ctx.now_ms - row.changed_ms <= limit_s * 1_000:
        require_standing(Action.UNDELETE_OWN, tables, ctx)
        return
    if not may(Action.UNDELETE_ANY, tables, ctx):
        text = f"a deletion is undone within {limit_s} s"
        raise Rejected(PERMISSION_DENIED, text, limit_s=limit_s)


def run_edits(request: MessageRequest, tables: Tables, ctx: Context) -> RevisionsPage:
    require_standing(Action.SEE_EDITS, tables, ctx)
    stored = find_message(request.id, tables, ctx)
    row = current(stored, tables)
    if row.deleted:
        require_standing(Action.UNDELETE_ANY, tables, ctx)
    is_hidden = not authors_of(stored).isdisjoint(ctx.viewer.blocks)
    seqs = () if is_hidden else row.contents[-(1 + ctx.settings.edits_shown_max) :]
    found = [event for seq in seqs if (event := tables.published(seq)) is not None]
    return RevisionsPage([_revision(event) for event in found], row.rev, row.deleted)


def _revision(event: StoredEvent) -> Revision:
    content = decode_json(event.data, Content)
    return Revision(
        seq=event.seq, by=event.head.by, ts=rfc3339(event.head.ts_ms), **asdict(content)
    )


def turn_edits(request: MessageRequest, _: EdgeContext) -> QueryCall:
    message_seq(request.id)
    return QueryCall(check_chat_channel(request.channel), "message.edits", request)


_UNDELETE: Final = MESSAGE + "/undelete"

FEATURE: Final = Feature(
    name="revisions",
    check={UndeleteMessage: check_undelete},
    decide={UndeleteMessage: decide_undelete},
    queries=(QueryRow("message.edits", MessageRequest, run_edits),),
    verbs=(
        Verb("message.undelete", UndeleteMessage, as_command, Done, "Bring it back."),
        Verb("message.edits", MessageRequest, turn_edits, RevisionsPage, "What it said before."),
    ),
    routes=(
        Route("POST", _UNDELETE, UndeleteMessage, as_command, Done),
        Route("GET", MESSAGE + "/edits", MessageRequest, turn_edits, RevisionsPage),
    ),
)
