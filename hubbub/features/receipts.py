"""Receipts: by how many of how many a message was read and received, and by whom; at any size.

Rules:
1. Of a message count its recipients: who was a member at its seq and still is, without its author
   and without those who hide that receipt. read(seq) = |marks >= seq| - |joins > seq| of
   |joins <= seq|, from the histograms over marks and joins: a few rows, whatever the size.
2. The list of readers is paged on demand. A time stands beside a reader only where it is known: of
   the last step of his watermark.
3. What a user hides is his setting (`privacy`); the app's policy may forbid hiding ("required") or
   showing ("off"). The switch reaches his channels within a second and hides what he had read, too.
   What he reads while he hides it stays hidden, until he reads something afterwards. A policy that
   changes holds for what is read from then on. By kind of channel, role or member the right
   `see_receipts` says who is told.

Rows are those of the marks (`mark_rows`).

Long because counts, lists and what edges watch answer one question, under one right.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, NOT_FOUND, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.names import check_user
from hubbub.base.numbers import read_number
from hubbub.features.contract import (
    Command,
    Context,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Local,
    Meta,
    Nothing,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Verb,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.mark_rows import (
    MARKS,
    WATERMARKS,
    Hidden,
    MarkRow,
    granted,
    mark_row,
    member_mark,
    update,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import (
    MEMBERS,
    joined_by,
    readable_from,
    refusals_of,
    require_standing,
)
from hubbub.features.watermarks import Values, count_above
from hubbub.model.member import Role
from hubbub.model.message import MESSAGE_CREATED
from hubbub.model.permissions import Action, require
from hubbub.settings.app import AppSettings, Receipts
from hubbub.wire.receipts import (
    MESSAGES_MAX,
    RECEIPTS_GET,
    RECEIPTS_WATCHED,
    ReceiptsRequest,
    WatchedRequest,
)

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
# Rows looked at for one page; a page may be short, and `next` goes on behind them.
SCANNED_MAX: Final = 2_000
State = Literal["read", "delivered", "unread"]


class HideReceipts(Command, frozen=True):
    """What a user hides from now on (bits of `Hidden`). A Forward of his own stream."""

    TAG = "receipts.hide"

    channel: str
    user: str
    hidden: int


class ReceiptsHidden(Event, frozen=True):
    """The same, as it holds in this channel."""

    TAG = "receipts.hidden"
    KIND = EventKind.SILENT

    user: str
    hidden: int


class ReceiptsByText(Struct, frozen=True):
    """Messages by seq or id, with commas between (REST)."""

    channel: str
    seqs: str = ""
    ids: str = ""


class Receipt(Struct, frozen=True):
    """Read by `read` of `read_of`; received by a device of `delivered` of `delivered_of`. A part
    that the app keeps off is absent."""

    seq: int
    read: int | UnsetType = UNSET
    read_of: int | UnsetType = UNSET
    delivered: int | UnsetType = UNSET
    delivered_of: int | UnsetType = UNSET


class ReceiptsPage(Struct, frozen=True):
    """In order of their seqs; seqs that are no message (any more) are left out."""

    receipts: list[Receipt]


class WatchedPage(Struct, frozen=True, omit_defaults=True):
    """The same; `refused`: who of those who look on may not see it."""

    receipts: list[Receipt]
    refused: tuple[str, ...] = ()


class ReadersRequest(Struct, frozen=True):
    """Recipients of a message in order of their ids, behind `after`."""

    channel: str
    id: str = ""
    seq: int = 0
    state: State = "read"
    after: str = ""
    limit: int = PAGE_DEFAULT


class Reader(Struct, frozen=True, omit_defaults=True):
    """`ts`: since when, if that is known."""

    user: str
    ts: str = ""


class ReadersPage(Struct, frozen=True):
    """`next`: pass it as `after` for more; empty at the end. A page may hold fewer than asked for,
    or nobody, and still not be the last."""

    readers: list[Reader]
    next: str = ""


class _Side(NamedTuple):
    """One kind of receipt: its histograms, and where a row has it."""

    marks: Values
    joins: Values
    hidden_joins: Values
    hidden: Hidden


READ: Final = _Side(Values.READ, Values.READ_JOINS, Values.READ_HIDDEN, Hidden.READ)
DELIVERED: Final = _Side(
    Values.DELIVERED, Values.DELIVERED_JOINS, Values.DELIVERED_HIDDEN, Hidden.DELIVERED
)


# --- privacy


def decide_hide(cmd: HideReceipts, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row, hidden = mark_row(tables, cmd.user), granted(cmd.hidden, ctx.settings)
    if row is None or row.hidden == hidden:
        return []
    return [ReceiptsHidden(user=cmd.user, hidden=hidden)]


def apply_hidden(event: ReceiptsHidden, _: Meta, tables: Tables) -> None:
    if mark_row(tables, event.user) is not None:
        update((event.user,), lambda _, row: replace(row, hidden=event.hidden), tables)


# --- counts


def counts(seq: int, author: str, side: _Side, tables: Tables) -> tuple[int, int]:
    """(how many recipients of the message have it behind them, of how many)."""
    have = count_above(WATERMARKS, side.marks, seq - 1, tables)
    have -= count_above(WATERMARKS, side.joins, seq, tables)
    hidden = count_above(WATERMARKS, side.hidden_joins, 0, tables)
    hidden -= count_above(WATERMARKS, side.hidden_joins, seq, tables)
    of = joined_by(seq, tables) - hidden
    row = mark_row(tables, author)
    if row is not None and _counts(row, seq, side):
        of -= 1
        have -= _watermark(row, side) >= seq
    return have, of


def _watermark(row: MarkRow, side: _Side) -> int:
    return row.read if side is READ else row.delivered


def receipt(seq: int, author: str, settings: AppSettings, tables: Tables) -> Receipt:
    """The figures of a message."""
    parts: dict[str, int] = {}
    if settings.read_receipts != "off":
        parts["read"], parts["read_of"] = counts(seq, author, READ, tables)
    if settings.delivery_receipts != "off":
        parts["delivered"], parts["delivered_of"] = counts(seq, author, DELIVERED, tables)
    return Receipt(seq, **parts)


def run_get(request: ReceiptsRequest, tables: Tables, ctx: Context) -> ReceiptsPage:
    require_standing(Action.SEE_RECEIPTS, tables, ctx)
    seqs = {*request.seqs, *(message_seq(mid) for mid in request.ids)}
    if not 0 < len(seqs) <= MESSAGES_MAX:
        raise Rejected(TOO_MANY, f"name 1 to {MESSAGES_MAX} messages", limit=MESSAGES_MAX)
    found: list[Receipt] = []
    start = readable_from(tables, ctx)
    for seq in sorted(seqs):
        stored = tables.published(seq) if seq >= start else None
        if stored is not None and stored.head.type == MESSAGE_CREATED:
            found.append(receipt(seq, stored.head.by, ctx.settings, tables))
    return ReceiptsPage(found)


# --- who


def run_watched(request: WatchedRequest, tables: Tables, ctx: Context) -> WatchedPage:
    require_standing(Action.MARK_MANY, tables, ctx)  # edges alone
    page = run_get(ReceiptsRequest(request.channel, request.seqs), tables, ctx)
    refused = refusals_of(request.users, Action.SEE_RECEIPTS, tables, ctx) if request.users else ()
    return WatchedPage(page.receipts, tuple(refused))


def run_readers(request: ReadersRequest, tables: Tables, ctx: Context) -> ReadersPage:
    require_standing(Action.SEE_RECEIPTS, tables, ctx)
    side = DELIVERED if request.state == "delivered" else READ
    _require_shown(side, ctx.settings)
    check_limit(request.limit, PAGE_MAX)
    seq = message_seq(request.id) if request.id else request.seq
    stored = tables.published(seq) if seq >= readable_from(tables, ctx) else None
    if stored is None or stored.head.type != MESSAGE_CREATED:
        raise Rejected(NOT_FOUND, "no such message")
    has_it = request.state != "unread"
    found: list[Reader] = []
    last = ""
    for user in _users(request.after, tables, with_marks=has_it):
        last = user
        row = mark_row(tables, user)
        if row is None or user == stored.head.by or not _counts(row, seq, side):
            continue
        if (_watermark(row, side) >= seq) is has_it:
            found.append(Reader(user, _since(row, seq, side) if has_it else ""))
            if len(found) == request.limit:
                break
    is_more = bool(last) and bool(_users(last, tables, with_marks=has_it, limit=1))
    return ReadersPage(found, last if is_more else "")


def _users(after: str, tables: Tables, *, with_marks: bool, limit: int = SCANNED_MAX) -> list[str]:
    """Users behind `after`, in order. Who has a message behind him has a row of marks; who has not
    may have none, and is found among the members alone."""
    if with_marks:
        return [user for user, _ in tables[MARKS].scan(after=after or None, limit=limit)]
    return [user for user, _ in tables[MEMBERS].scan(after=after or None, limit=limit)]


def _counts(row: MarkRow, seq: int, side: _Side) -> bool:
    """Whether he is a recipient of the message at this seq (its author apart)."""
    return 0 < row.join_seq <= seq and not row.hidden & side.hidden


def _since(row: MarkRow, seq: int, side: _Side) -> str:
    """When this watermark passed the seq, if it did so in its last step."""
    if side is READ:
        return rfc3339(row.read_ms) if row.read_before < seq and row.read_ms else ""
    return rfc3339(row.delivered_ms) if row.delivered_before < seq and row.delivered_ms else ""


def _require_shown(side: _Side, settings: AppSettings) -> None:
    policy: Receipts = settings.read_receipts if side is READ else settings.delivery_receipts
    if policy == "off":
        raise Rejected(NOT_AVAILABLE, "this app keeps these receipts off")


class ShownMarks(Struct, frozen=True):
    """By user: (read, delivered) watermarks, without what is hidden or off; and the event with
    which he joined, of those who came later than the channel: for older messages he has no mark."""

    read: dict[str, int]
    delivered: dict[str, int]
    joined: dict[str, int]


def shown_marks(
    tables: Tables, limit: int, settings: AppSettings, blocked: Container[str] = ()
) -> ShownMarks:
    """Those of the first members, without whom the one who looks blocks."""
    shown = ShownMarks({}, {}, {})
    shows_read = settings.read_receipts != "off"
    shows_delivered = settings.delivery_receipts != "off"
    members = tables[MEMBERS].scan(limit=limit)
    rows = tables[MARKS].get_many([user for user, _ in members])
    for (user, member), stored in zip(members, rows, strict=True):
        if user in blocked:
            continue
        row = member_mark(stored, member)
        if shows_read and not row.hidden & Hidden.READ:
            shown.read[user] = row.read
        if shows_delivered and not row.hidden & Hidden.DELIVERED:
            shown.delivered[user] = row.delivered
        if row.join_seq > 1 and (user in shown.read or user in shown.delivered):
            shown.joined[user] = row.join_seq
    return shown


# --- requests


def turn_get(request: ReceiptsRequest, _: EdgeContext) -> QueryCall:
    if not 0 < len(request.seqs) + len(request.ids) <= MESSAGES_MAX:
        raise Rejected(TOO_MANY, f"name 1 to {MESSAGES_MAX} messages", limit=MESSAGES_MAX)
    return QueryCall(check_chat_channel(request.channel), RECEIPTS_GET, request)


def turn_get_by_text(request: ReceiptsByText, ctx: EdgeContext) -> QueryCall:
    seqs: list[int] = []
    for part in filter(None, request.seqs.split(",")):
        seq = read_number(part)
        if seq is None:
            raise Rejected(BAD_REQUEST, "seqs must be whole numbers with commas between")
        seqs.append(seq)
    ids = tuple(part for part in request.ids.split(",") if part)
    return turn_get(ReceiptsRequest(request.channel, tuple(seqs), ids), ctx)


def turn_watch(request: ReceiptsRequest, _: EdgeContext) -> Local:
    if len(request.seqs) > MESSAGES_MAX or request.ids:
        raise Rejected(TOO_MANY, f"name at most {MESSAGES_MAX} seqs", limit=MESSAGES_MAX)
    check_chat_channel(request.channel)
    return Local("receipts.watch", request)


def turn_readers(request: ReadersRequest, _: EdgeContext) -> QueryCall:
    if bool(request.id) == bool(request.seq):
        raise Rejected(BAD_REQUEST, "name the message by its id or its seq")
    if request.id:
        message_seq(request.id)
    if request.after:
        check_user(request.after)
    return QueryCall(check_chat_channel(request.channel), "receipts.readers", request)


FEATURE: Final = Feature(
    name="receipts",
    signs={"receipts.counted": ReceiptsPage},  # edge.screens
    decide={HideReceipts: decide_hide},
    apply={ReceiptsHidden: apply_hidden},
    queries=(
        QueryRow(RECEIPTS_GET, ReceiptsRequest, run_get),
        QueryRow(RECEIPTS_WATCHED, WatchedRequest, run_watched),
        QueryRow("receipts.readers", ReadersRequest, run_readers),
    ),
    verbs=(
        Verb(
            "receipts.get", ReceiptsRequest, turn_get, ReceiptsPage, "Read by how many of how many."
        ),
        Verb("receipts.readers", ReadersRequest, turn_readers, ReadersPage, "By whom, in pages."),
        Verb(
            "receipts.watch",
            ReceiptsRequest,
            turn_watch,
            Nothing,
            "Messages on the screen: their counts are pushed as they change.",
        ),
    ),
    routes=(
        Route(
            "GET",
            "/v1/channels/{channel}/receipts",
            ReceiptsByText,
            turn_get_by_text,
            ReceiptsPage,
        ),
        Route(
            "GET",
            "/v1/channels/{channel}/messages/{id}/receipts",
            ReadersRequest,
            turn_readers,
            ReadersPage,
        ),
    ),
)
