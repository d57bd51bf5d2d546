"""Sync over devices: one call brings a device to the present, and hashes prove what it has.

Rules:
1. `sync` takes positions (epoch, seq) and answers for each channel one of `delta`, `head` (with the
   gap before it), `reset` and `gone`; for the user's own stream `delta` or `reset`. Channels that
   joined the list behind the user's position come with their head. What found no room stands in
   `more`: ask again with the positions you have by then.
2. Each stream is read under the user's own rights at its own leader; a channel that he may not read
   (any more) is `gone`, whatever the reason.
3. Hash of a block n of a channel (`sync.verify`): for every message with n * 256 <= seq < (n + 1) *
   256 that its reader may read, by rising seq, one line `id:rev:deleted:annotation_rev` and a line
   feed: `rev` and `annotation_rev` as the message shows them, 0 where it shows none; `deleted` is 1
   for a tombstone, else 0. The hash is 16 hex digits: MurmurHash3_x86_32 of the text's UTF-8 bytes
   with seed 0, then with seed 1. Of no message: the hash of the empty text. Blocks are compared as
   of the answer's `head`. So a hash changes with edits, deletions, reactions, pins and replies.
   What is hidden from a reader who blocks its author (`message.hidden`) has no line for him.
4. Such a hash is made from rows when it is asked for, and kept in a bounded cache under what it
   depends on: the block's first and last readable seq, and the sums of both revs, which only rise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Annotated, Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from hubbub.base.bounded import BoundedCache
from hubbub.base.errors import BAD_REQUEST, TOO_MANY, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.annotations import AnnotationRow, annotations_between
from hubbub.features.bootstrap import UserSnapshot
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Feature,
    QueryCall,
    QueryRow,
    Reads,
    Route,
    Tables,
    Verb,
    acting_as,
    only_answer,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.head_lines import Figures
from hubbub.features.messages import FOLDED, FoldedRow, authors_of
from hubbub.features.publication import EventJson
from hubbub.features.standing import readable_from, require_standing
from hubbub.features.subscriptions import ChannelSnapshot
from hubbub.model.message import MESSAGE_CREATED
from hubbub.model.permissions import Action
from hubbub.ring.hashing import text_hash
from hubbub.wire.codec import decode_json, encode_json, shaped
from hubbub.wire.reads import STREAM_SYNC, SyncFrom
from hubbub.wire.shapes import Json, Viewer

CHANNELS_MAX: Final = 1_000  # features.md, section 3
BYTES_MAX: Final = 768 * 1_024  # of one answer: as much as may wait in a connection's queue
BLOCK_SHIFT: Final = 8
BLOCK_SEQS: Final = 1 << BLOCK_SHIFT
# About 1.5 ms of the leader's time each when it is not cached.
VERIFIED_BLOCKS_MAX: Final = 16
_CACHED_MAX: Final = 10_000
_MADE: Final[BoundedCache[tuple[object, ...], str]] = BoundedCache(_CACHED_MAX)

Position = tuple[str, int]


class SyncRequest(Struct, frozen=True):
    """Positions are [epoch, seq]; ["", 0] for what the device does not have. `user`: of the own
    stream; null: leave it out. `by`: the user whom a server key asks for."""

    user: Position | None = None
    channels: dict[str, Position] = {}
    by: str = ""


class _Synced(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both kinds of streams say; see SyncedChannel."""

    epoch: str
    seq: int
    ts: str = ""
    events: list[EventJson] = []


class SyncedChannel(_Synced, frozen=True, kw_only=True, omit_defaults=True):
    """What brings a device to the present in one channel.

    `state`: `delta`: `events` are all that happened behind its position. `head`: too much happened;
    `events` are the newest ones and `gap` the seqs between (first, last) that are not here.
    `reset`: its position is worth nothing (another epoch, below the floor, or it has none); `gap`
    as before, from the floor on. Events are publications as the stream has them, rendered with
    current state. `figures`: what heads say of the channel to this user. `snapshot`: as the
    subscription gives it, absent in a delta.
    """

    state: Literal["delta", "head", "reset"]
    gap: tuple[int, int] | None = None
    figures: Annotated[Raw, shaped(Figures)] | UnsetType = UNSET
    snapshot: Annotated[Raw, shaped(ChannelSnapshot)] | UnsetType = UNSET


class GoneChannel(Struct, frozen=True):
    """The user may not read it (any more); `reason`: the code's name."""

    state: Literal["gone"]
    reason: str


class SyncedUser(_Synced, frozen=True, kw_only=True, omit_defaults=True):
    """What brings a device to the present in its user's own stream: the `events` behind its
    position, or (`reset`) the `snapshot` of the subscription. `listed`: channels that joined his
    list behind the position."""

    state: Literal["delta", "reset"]
    snapshot: Annotated[Raw, shaped(UserSnapshot)] | UnsetType = UNSET
    listed: list[str] = []


class SyncAnswer(Struct, frozen=True):
    """`channels` by name. `more`: ask again for these."""

    channels: dict[str, Annotated[Raw, shaped(SyncedChannel, GoneChannel)]]
    more: list[str]
    user: SyncedUser | UnsetType = UNSET


class VerifyRequest(Struct, frozen=True):
    """`blocks`: number → the device's hash; "" asks for the hash."""

    channel: str
    blocks: dict[int, str]
    by: str = ""


class VerifyAnswer(Struct, frozen=True):
    """`differing`: number → the right hash, of blocks that the device has otherwise. `head`: the
    channel's last seq. The node adds `epoch`."""

    differing: dict[int, str]
    head: int


# --- sync


def turn_sync(request: SyncRequest, ctx: EdgeContext) -> Reads:
    if len(request.channels) > CHANNELS_MAX:
        raise Rejected(TOO_MANY, f"at most {CHANNELS_MAX} channels", limit=CHANNELS_MAX)
    viewer = acting_as(request.by, ctx.viewer)
    check_user(viewer.user)
    calls = [_call(check_chat_channel(name), place) for name, place in request.channels.items()]
    if request.user is not None:
        calls.insert(0, _call(user_stream(viewer.user), request.user))
    return Reads(
        tuple(calls),
        lambda answers: _first(request, viewer, answers),
        viewer=viewer,
        bytes_max=BYTES_MAX,
    )


def _call(key: str, position: Position) -> QueryCall:
    epoch, seq = position
    if seq < 0:
        raise Rejected(BAD_REQUEST, "a position is [epoch, seq]")
    return QueryCall(key, STREAM_SYNC, SyncFrom(epoch, seq))


def _first(
    request: SyncRequest, viewer: Viewer, answers: Sequence[Json | Rejected | None]
) -> Json | Reads:
    """What was asked for is here; channels that are new to the device follow."""
    user: Json = b""
    if request.user is not None:
        own, answers = answers[0], answers[1:]
        if not isinstance(own, bytes):
            raise own or Rejected(BAD_REQUEST, "the own stream found no room")
        user = own
    found = _Channels(user)
    found.take(request.channels, answers)
    listed = decode_json(user, SyncedUser).listed if user else ()
    fresh = [name for name in listed if name not in request.channels]
    if not fresh:
        return found.json()

    def last(answers: Sequence[Json | Rejected | None]) -> Json:
        found.take(dict.fromkeys(fresh, ("", 0)), answers)
        return found.json()

    calls = tuple(_call(name, ("", 0)) for name in fresh)
    return Reads(calls, last, viewer=viewer, bytes_max=max(0, BYTES_MAX - found.byte_count))


class _Channels:
    """The answer, as JSON text: what nodes wrote is not read again."""

    def __init__(self, user: Json) -> None:
        self._user = user
        self._channels: list[bytes] = []
        self._more: list[str] = []
        self.byte_count = len(user)

    def take(
        self, names: Mapping[str, Position], answers: Sequence[Json | Rejected | None]
    ) -> None:
        for name, answer in zip(names, answers, strict=True):
            if answer is None or (isinstance(answer, Rejected) and answer.error.temporary):
                self._more.append(name)
                continue
            state = _gone(answer) if isinstance(answer, Rejected) else answer
            self._channels.append(encode_json(name) + b":" + state)
            self.byte_count += len(state)

    def json(self) -> Json:
        user = b'"user":' + self._user + b"," if self._user else b""
        more = encode_json(self._more)
        return b'{%b"channels":{%b},"more":%b}' % (user, b",".join(self._channels), more)


def _gone(refusal: Rejected) -> Json:
    return b'{"state":"gone","reason":%b}' % encode_json(refusal.error.name)


# --- proof of a cache


def turn_verify(request: VerifyRequest, ctx: EdgeContext) -> Reads:
    """One query under the user's own rights."""
    if len(request.blocks) > VERIFIED_BLOCKS_MAX:
        limit = VERIFIED_BLOCKS_MAX
        raise Rejected(TOO_MANY, f"at most {limit} blocks", limit=limit)
    if any(number < 0 for number in request.blocks):
        raise Rejected(BAD_REQUEST, "a block is a number from 0 on")
    call = QueryCall(check_chat_channel(request.channel), "sync.verify", request)
    return Reads((call,), only_answer, viewer=acting_as(request.by, ctx.viewer))


def run_verify(request: VerifyRequest, tables: Tables, ctx: Context) -> VerifyAnswer:
    require_standing(Action.READ, tables, ctx)
    ours = {number: block_hash(number, tables, ctx) for number in request.blocks}
    differing = {n: right for n, right in ours.items() if right != request.blocks[n]}
    return VerifyAnswer(differing, tables.head_seq)


def block_hash(number: int, tables: Tables, ctx: Context) -> str:
    """The hash of a block (rule 3)."""
    first = max(number << BLOCK_SHIFT, tables.floor_seq, readable_from(tables, ctx))
    last = min(((number + 1) << BLOCK_SHIFT) - 1, tables.head_seq)
    newest = tables.published(last) if first <= last else None
    if newest is None:
        return text_hash("")
    folded = tables[FOLDED].scan(after=first - 1, limit=BLOCK_SEQS)
    rows = {seq: row for seq, row in folded if seq <= last}
    notes = annotations_between(tables, first, last)
    if ctx.viewer.blocks:
        hidden = frozenset(ctx.viewer.blocks)
        return text_hash(block_text(first, last, tables, rows, notes, hidden))
    changes = sum(row.rev for row in rows.values()), sum(note.rev for note in notes.values())
    key = (ctx.app, ctx.key, first, last, newest.head.ts_ms, *changes)
    made = _MADE.get(key)
    if made is None:
        made = text_hash(block_text(first, last, tables, rows, notes))
        _MADE.put(key, made)
    return made


def block_text(
    first: int,
    last: int,
    tables: Tables,
    rows: Mapping[int, FoldedRow],
    notes: Mapping[int, AnnotationRow],
    hidden: Set[str] = frozenset(),
) -> str:
    """The lines of rule 3."""
    lines: list[str] = []
    for event in tables.published_range(after=first - 1, before=last + 1, limit=BLOCK_SEQS):
        if event.head.type == MESSAGE_CREATED:
            if hidden and not hidden.isdisjoint(authors_of(event)):
                continue
            row, note = rows.get(event.seq), notes.get(event.seq)
            rev, is_deleted = (row.rev, row.deleted) if row is not None else (0, False)
            id = decode_json(event.data, _Named).id
            lines.append(f"{id}:{rev}:{is_deleted:d}:{note.rev if note is not None else 0}\n")
    return "".join(lines)


class _Named(Struct):
    id: str


FEATURE: Final = Feature(
    name="sync",
    queries=(QueryRow("sync.verify", VerifyRequest, run_verify),),
    verbs=(
        Verb("sync", SyncRequest, turn_sync, SyncAnswer, "Everything since a device's positions."),
        Verb("sync.verify", VerifyRequest, turn_verify, VerifyAnswer, "Is a cache identical?"),
    ),
    routes=(
        Route(
            "POST",
            "/v1/users/{by}/sync",
            SyncRequest,
            turn_sync,
            SyncAnswer,
            doc="Everything since a device's positions.",
            behalf="by",
        ),
        Route(
            "POST",
            "/v1/channels/{channel}/verify",
            VerifyRequest,
            turn_verify,
            VerifyAnswer,
            doc="Which blocks of a cache differ from the channel.",
        ),
    ),
)
