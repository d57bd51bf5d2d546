"""The public directory of an app: its public channels, by name, size and age.

Rules:
1. It is a projection in the stream `@directory`, at most a second behind, and no right depends on
   it. Channels write it by Forwards: when they appear, change or vanish, never for a message.
2. A channel tells a new number of members only when it is a twentieth away from the one it told
   last (REPORTED), so that 10,000 joins are some 150 Forwards.
3. Public means: `public` is set, and the channel is neither archived nor deleted.
4. A page looks at a bounded number of rows; it may be short, or even empty, and still have a
   `next`. A cursor names a place in the order, not a moment.

Long because both halves of the projection stand together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import StreamKey
from hubbub.features.archive import ChannelArchived, ChannelUnarchived
from hubbub.features.channels import ChannelCreated, ChannelDeleted, ChannelUpdated
from hubbub.features.contract import (
    Command,
    Context,
    EdgeContext,
    Effect,
    Event,
    EventKind,
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
from hubbub.features.fields import make_cursor, read_cursor
from hubbub.features.members import MembersJoined, MembersLeft, MembersRemoved, RoleChanged
from hubbub.features.promotion import ChannelPromoted
from hubbub.features.publication import rfc3339
from hubbub.features.standing import CHANNEL, ONLY, member_count
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

DIRECTORY_STREAM: Final = StreamKey("@directory")
PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
LOOKED_AT_MAX: Final = 2_000  # rows of one page: about 10 ms
FOLDED_CHARS_MAX: Final = 64  # of a name, in the order of names
_TOLD_SHARE: Final = 20

Order = Literal["name", "members", "recent"]
Key = tuple[str, str] | tuple[int, str]


class PutPublic(Command, frozen=True):
    """The channel is public and looks like this."""

    TAG = "directory.put"

    channel: str
    kind: ChannelKind
    created_ms: int
    members: int
    name: str = ""
    approval: bool = False

    def stream_key(self) -> str:
        return DIRECTORY_STREAM


class DropPublic(Command, frozen=True):
    """The channel is not public any more."""

    TAG = "directory.drop"

    channel: str

    def stream_key(self) -> str:
        return DIRECTORY_STREAM


class PublicListed(Event, frozen=True):
    """See PutPublic."""

    TAG = "directory.listed"
    KIND = EventKind.SILENT

    channel: str
    kind: ChannelKind
    created_ms: int
    members: int
    name: str = ""
    approval: bool = False


class PublicUnlisted(Event, frozen=True):
    """See DropPublic."""

    TAG = "directory.unlisted"
    KIND = EventKind.SILENT

    channel: str


class ReportedRow(Struct, frozen=True, array_like=True, gc=False):
    """What the directory was told last, by the event `seq`. `members` < 0: that it is not
    public."""

    seq: int
    members: int


class PublicRow(Struct, frozen=True, array_like=True, gc=False):
    """A public channel."""

    kind: ChannelKind
    created_ms: int
    members: int
    name: str = ""
    approval: bool = False


class PublicChannel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the directory. `members` may be off by a twentieth. `approval`: joining is asked
    for."""

    channel: str
    kind: ChannelKind
    created: str
    members: int
    name: str = ""
    approval: bool = False


class DirectoryRequest(Struct, frozen=True):
    """`prefix` of the name, whatever its case. `cursor`: the `next` of the page before."""

    prefix: str = ""
    kind: ChannelKind | None = None
    sort: Order = "name"
    cursor: str = ""
    limit: int = PAGE_DEFAULT


class DirectoryPage(Struct, frozen=True):
    """`next`: pass it as `cursor`; empty at the end."""

    channels: list[PublicChannel]
    next: str = ""


REPORTED: Final[Table[int, ReportedRow]] = Table("directory.reported", int, ReportedRow)
PUBLIC: Final[Table[str, PublicRow]] = Table("directory", str, PublicRow)
BY_NAME: Final[Table[tuple[str, str], int]] = Table("directory.by_name", tuple[str, str], int)
BY_MEMBERS: Final[Table[tuple[int, str], int]] = Table("directory.by_members", tuple[int, str], int)
BY_AGE: Final[Table[tuple[int, str], int]] = Table("directory.by_age", tuple[int, str], int)


# --- in the channel's stream


def apply_changed(_: Event, meta: Meta, tables: Tables) -> None:
    """Its description changed: tell it."""
    _report(meta, tables, is_due=lambda told, now: True)


def apply_counted(_: Event, meta: Meta, tables: Tables) -> None:
    """Its members changed: tell it if it makes a difference."""
    _report(meta, tables, is_due=lambda told, now: abs(now - told) * _TOLD_SHARE > told)


def _report(meta: Meta, tables: Tables, is_due: Callable[[int, int], bool]) -> None:
    row, told = tables[CHANNEL].get(ONLY), tables[REPORTED].get(ONLY)
    if row is None or not row.public or row.archived or row.deleted:
        if told is not None and told.members >= 0:
            tables[REPORTED].put(ONLY, ReportedRow(meta.seq, -1))
        return
    now = member_count(tables)
    if told is None or told.members < 0 or is_due(told.members, now):
        tables[REPORTED].put(ONLY, ReportedRow(meta.seq, now))


def effects(_: Event, meta: Meta, tables: Tables) -> list[Effect]:
    """The Forward of what this very event had to tell."""
    told, row = tables[REPORTED].get(ONLY), tables[CHANNEL].get(ONLY)
    if told is None or row is None or told.seq != meta.seq:
        return []
    if told.members < 0:
        return [Forward(DropPublic(channel=meta.key))]
    command = PutPublic(
        channel=meta.key,
        kind=row.kind,
        created_ms=row.created_ms,
        members=told.members,
        name=row.name,
        approval=row.approval,
    )
    return [Forward(command)]


# --- in the directory's


def decide_put(cmd: PutPublic, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = PublicRow(cmd.kind, cmd.created_ms, cmd.members, cmd.name, cmd.approval)
    if tables[PUBLIC].get(cmd.channel) == row:
        return []
    event = PublicListed(
        channel=cmd.channel,
        kind=cmd.kind,
        created_ms=cmd.created_ms,
        members=cmd.members,
        name=cmd.name,
        approval=cmd.approval,
    )
    return [event]


def decide_drop(cmd: DropPublic, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [] if tables[PUBLIC].get(cmd.channel) is None else [PublicUnlisted(channel=cmd.channel)]


def apply_listed(event: PublicListed, _: Meta, tables: Tables) -> None:
    _forget(event.channel, tables)
    row = PublicRow(event.kind, event.created_ms, event.members, event.name, event.approval)
    tables[PUBLIC].put(event.channel, row)
    tables[BY_NAME].put((_folded(event.channel, row), event.channel), 1)
    tables[BY_MEMBERS].put((row.members, event.channel), 1)
    tables[BY_AGE].put((row.created_ms, event.channel), 1)


def apply_unlisted(event: PublicUnlisted, _: Meta, tables: Tables) -> None:
    _forget(event.channel, tables)


def _forget(channel: str, tables: Tables) -> None:
    row = tables[PUBLIC].get(channel)
    if row is not None:
        tables[PUBLIC].delete(channel)
        tables[BY_NAME].delete((_folded(channel, row), channel))
        tables[BY_MEMBERS].delete((row.members, channel))
        tables[BY_AGE].delete((row.created_ms, channel))


def _folded(channel: str, row: PublicRow) -> str:
    return fold(row.name or channel)


def fold(name: str) -> str:
    """A name as it is compared."""
    return name.casefold()[:FOLDED_CHARS_MAX]


# --- reads


def run_list(request: DirectoryRequest, tables: Tables, ctx: Context) -> DirectoryPage:
    require(Action.DIRECTORY, None, Role.NONE, ctx.viewer.authority)
    if not 1 <= request.limit <= PAGE_MAX:
        raise Rejected(BAD_REQUEST, f"limit is 1 to {PAGE_MAX}")
    prefix = fold(request.prefix)
    after = _place(request)
    found: list[PublicChannel] = []
    for _ in range(LOOKED_AT_MAX // PAGE_MAX):
        keys = _keys(request.sort, prefix, after, tables)
        for key in keys:
            row = tables[PUBLIC].get(key[1])
            after = key
            if row is None or (request.kind and row.kind is not request.kind):
                continue
            if not _folded(key[1], row).startswith(prefix):
                if request.sort == "name":
                    return DirectoryPage(found)
                continue
            found.append(_shown(key[1], row))
            if len(found) == request.limit:
                return DirectoryPage(found, make_cursor(request.sort, after))
        if len(keys) < PAGE_MAX:
            return DirectoryPage(found)
    return DirectoryPage(found, make_cursor(request.sort, after) if after else "")


def _keys(sort: Order, prefix: str, after: Key | None, tables: Tables) -> list[Key]:
    if sort == "name":
        start = after or ((prefix, "") if prefix else None)
        return [key for key, _ in tables[BY_NAME].scan(after=start, limit=PAGE_MAX)]  # type: ignore[arg-type]
    table = BY_MEMBERS if sort == "members" else BY_AGE
    return [k for k, _ in tables[table].scan(after=after, limit=PAGE_MAX, reverse=True)]  # type: ignore[arg-type]


def _place(request: DirectoryRequest) -> Key | None:
    if not request.cursor:
        return None
    if request.sort == "name":
        return read_cursor(request.cursor, request.sort, tuple[str, str])
    key = read_cursor(request.cursor, request.sort, tuple[int, str])
    if key[0] < 0:
        raise Rejected(BAD_REQUEST, "no channel has fewer than 0 members")
    return key


def _shown(channel: str, row: PublicRow) -> PublicChannel:
    return PublicChannel(
        channel=channel,
        kind=row.kind,
        created=rfc3339(row.created_ms),
        members=row.members,
        name=row.name,
        approval=row.approval,
    )


def turn_list(request: DirectoryRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(DIRECTORY_STREAM, "directory.list", request)


_DESCRIBED: Final = (
    ChannelCreated,
    ChannelUpdated,
    ChannelPromoted,
    ChannelArchived,
    ChannelUnarchived,
    ChannelDeleted,
)
_COUNTED: Final = (MembersJoined, MembersLeft, MembersRemoved, RoleChanged)

FEATURE: Final = Feature(
    name="directory",
    tables=(REPORTED, PUBLIC, BY_NAME, BY_MEMBERS, BY_AGE),
    decide={PutPublic: decide_put, DropPublic: decide_drop},
    apply={
        **dict.fromkeys(_DESCRIBED, apply_changed),
        **dict.fromkeys(_COUNTED, apply_counted),
        PublicListed: apply_listed,
        PublicUnlisted: apply_unlisted,
    },
    effects=dict.fromkeys((*_DESCRIBED, *_COUNTED), effects),
    queries=(QueryRow("directory.list", DirectoryRequest, run_list),),
    verbs=(Verb("directory.list", DirectoryRequest, turn_list, DirectoryPage, "Public channels."),),
    routes=(Route("GET", "/v1/directory", DirectoryRequest, turn_list, DirectoryPage),),
)
