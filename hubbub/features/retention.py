"""How long a channel keeps events, and emptying it: `channel.set_retention`, `channel.truncate`.

Rules:
1. Retention is the app's for each kind, unless the channel has its own (0: for ever). Sweeping is a
   row that falls due: the first message after a rest arms it, each sweep sets the next one to when
   the oldest event that is left will be too old. A channel where nothing is said costs nothing.
2. Removing raises the stream's floor by an entry and deletes what lies below, rows of messages
   too (`remains`): the disk comes back. Numbers are not used again.
3. What is gone is said: `removed` lists which seqs and why, and history's pages repeat it.
4. An app's new retention reaches a channel that rested for a day with its next message.

Long because arming, sweeping and telling are one circle.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.units import DAY_MS, SECOND_MS
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    Due,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, require_something
from hubbub.features.messages import MessageCreated
from hubbub.features.removed import REMOVED, RemovedRange, RemovedRow, removed_ranges
from hubbub.features.standing import ONLY, channel_row, require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

SWEEP: Final = "retention.sweep"
FIRST_SWEEP_MS: Final = (
    60 * SECOND_MS
)  # half of it finds as little, double keeps a minute's too long
# A sweep removes what has become too old since the last one: at most 50 a retention.
SWEEPS: Final = 50
SWEEP_MS_MIN: Final = SECOND_MS
RETENTION_S_MAX: Final = 100 * 365 * 86_400
RANGES_MAX: Final = 100


class SetRetention(Command, frozen=True):
    """Keep events so long; 0 for ever, null as the app says."""

    TAG = "channel.set_retention"

    channel: str
    retention_s: int | UnsetType | None = UNSET


class TruncateChannel(Command, frozen=True):
    """Remove what lies before `before_seq`; 0: all that there is. It is named always, so that a
    misspelt one empties nothing."""

    TAG = "channel.truncate"

    channel: str
    before_seq: int


class SweepChannel(Command, frozen=True):
    """Falls due: remove what is too old."""

    TAG = "channel.sweep"

    channel: str


class RetentionChanged(Event, frozen=True):
    """How long events are kept from now on; absent: as the app says."""

    TAG = "channel.retention_changed"

    retention_s: int | UnsetType = UNSET


class ChannelTruncated(Event, frozen=True):
    """What lies before `before_seq` is gone."""

    TAG = "channel.truncated"

    before_seq: int


class ChannelSwept(Event, frozen=True):
    """What lies before `before_seq` was too old. `next_ms`: when to look again, 0 for a rest."""

    TAG = "channel.swept"
    KIND = EventKind.SILENT

    before_seq: int = 0
    next_ms: int = 0


class RetentionRow(Struct, frozen=True, array_like=True, gc=False):
    """`retention_s` < 0: as the app says. `armed`: a sweep is due; `armed_seq`: by which event it
    was armed; `looked_ms`: when it was last decided."""

    retention_s: int = -1
    armed: bool = False
    armed_seq: int = 0
    looked_ms: int = 0


class RetentionRequest(Struct, frozen=True):
    """Of which channel."""

    channel: str


class RetentionInfo(Struct, frozen=True):
    """`retention_s`: what holds now, 0 for ever; `own`: the channel's own. `floor`: the lowest seq
    that there is. `removed`: what is gone, and why."""

    retention_s: int
    own: bool
    floor: int
    removed: list[RemovedRange]


RETENTION: Final[Table[int, RetentionRow]] = Table("retention", int, RetentionRow)
_UNKNOWN: Final = RetentionRow()


def check_set(cmd: SetRetention, _: EdgeContext) -> SetRetention:
    check_chat_channel(cmd.channel)
    require_something(cmd.retention_s)
    if isinstance(cmd.retention_s, int) and not 0 <= cmd.retention_s <= RETENTION_S_MAX:
        raise Rejected(BAD_REQUEST, f"retention_s is 0 to {RETENTION_S_MAX}, or null")
    return cmd


def check_truncate(cmd: TruncateChannel, _: EdgeContext) -> TruncateChannel:
    check_chat_channel(cmd.channel)
    if cmd.before_seq < 0:
        raise Rejected(BAD_REQUEST, "before_seq is a seq, or 0 for all")
    return cmd


def decide_set(cmd: SetRetention, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SET_RETENTION, tables, ctx)
    old = _row(tables).retention_s
    new = cmd.retention_s if isinstance(cmd.retention_s, int) else -1
    if new == old:
        return []
    return [RetentionChanged(retention_s=new if new >= 0 else UNSET)]


def decide_truncate(cmd: TruncateChannel, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.TRUNCATE, tables, ctx)
    before = min(cmd.before_seq or tables.head_seq + 1, tables.head_seq + 1)
    return [ChannelTruncated(before_seq=before)] if before > tables.floor_seq else []


def decide_sweep(_: SweepChannel, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    kept_ms = effective_s(channel_row(tables).kind, tables, ctx) * SECOND_MS
    if not kept_ms:
        return [ChannelSwept()]
    first = seq_at(ctx.now_ms - kept_ms + 1, tables)
    before = first if first > tables.floor_seq else 0
    oldest = tables.published(first)
    if oldest is None:
        return [ChannelSwept(before_seq=before)]
    soonest = ctx.now_ms + max(SWEEP_MS_MIN, kept_ms // SWEEPS)
    return [ChannelSwept(before_seq=before, next_ms=max(oldest.head.ts_ms + kept_ms, soonest))]


def effective_s(kind: ChannelKind, tables: Tables, ctx: Context) -> int:
    """How long events are kept in this channel, 0 for ever."""
    own = _row(tables).retention_s
    return own if own >= 0 else ctx.settings.retention_s.get(kind.value, 0)


def seq_at(ts_ms: int, tables: Tables) -> int:
    """The lowest readable seq whose event is not older than `ts_ms`; head + 1 if there is none."""
    low, high = max(1, tables.floor_seq), tables.head_seq + 1
    while low < high:
        middle = (low + high) // 2
        stored = tables.published(middle)
        if stored is not None and stored.head.ts_ms >= ts_ms:
            high = middle
        else:
            low = middle + 1
    return low


def apply_created(_: MessageCreated, meta: Meta, tables: Tables) -> None:
    row = _row(tables)
    if not row.armed and (not row.looked_ms or meta.ts_ms - row.looked_ms >= _rest_ms(row)):
        _put(tables, row, armed=True, armed_seq=meta.seq)


def apply_changed(event: RetentionChanged, meta: Meta, tables: Tables) -> None:
    own = event.retention_s if isinstance(event.retention_s, int) else -1
    row = RetentionRow(own, True, meta.seq, meta.ts_ms)
    tables[RETENTION].put(ONLY, row)


def apply_truncated(event: ChannelTruncated, _: Meta, tables: Tables) -> None:
    _remove(event.before_seq, "truncated", tables)


def apply_swept(event: ChannelSwept, meta: Meta, tables: Tables) -> None:
    if event.before_seq:
        _remove(event.before_seq, "retention", tables)
    row = _row(tables)
    own, armed_seq = row.retention_s, row.armed_seq
    tables[RETENTION].put(ONLY, RetentionRow(own, bool(event.next_ms), armed_seq, meta.ts_ms))


def effects_created(_: MessageCreated, meta: Meta, tables: Tables) -> list[Effect]:
    row = _row(tables)
    if not row.armed or row.armed_seq != meta.seq:
        return []
    return [_due(meta.ts_ms + FIRST_SWEEP_MS, meta)]


def effects_changed(_: RetentionChanged, meta: Meta, __: Tables) -> list[Effect]:
    return [_due(meta.ts_ms, meta)]


def effects_swept(event: ChannelSwept, meta: Meta, _: Tables) -> list[Effect]:
    return [_due(event.next_ms, meta)] if event.next_ms else []


def _due(at_ms: int, meta: Meta) -> Due:
    return Due(at_ms, SWEEP, SweepChannel(channel=meta.key))


def _rest_ms(row: RetentionRow) -> int:
    """How long a channel rests: one with a retention of its own no longer than that."""
    return min(DAY_MS, row.retention_s * SECOND_MS) if row.retention_s > 0 else DAY_MS


def _row(tables: Tables) -> RetentionRow:
    return tables[RETENTION].get(ONLY) or _UNKNOWN


def _put(tables: Tables, row: RetentionRow, *, armed: bool, armed_seq: int) -> None:
    new = RetentionRow(row.retention_s, armed, armed_seq, row.looked_ms)
    tables[RETENTION].put(ONLY, new)


def _remove(before: int, why: Literal["retention", "truncated"], tables: Tables) -> None:
    first, last = tables.floor_seq, before - 1
    if last < first:
        return
    tables.set_floor(before)
    ranges = tables[REMOVED].scan(limit=RANGES_MAX + 1)
    newest = ranges[-1] if ranges else None
    if newest is not None and (newest[1].why == why or len(ranges) > RANGES_MAX):
        tables[REMOVED].put(newest[0], RemovedRow(last, why))
    else:
        tables[REMOVED].put(first, RemovedRow(last, why))


def run_get(_: RetentionRequest, tables: Tables, ctx: Context) -> RetentionInfo:
    row = require_standing(Action.SEE, tables, ctx)
    own = _row(tables).retention_s >= 0
    return RetentionInfo(
        effective_s(row.kind, tables, ctx), own, tables.floor_seq, removed_ranges(tables)
    )


def turn_get(request: RetentionRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "channel.retention", request)


_RETENTION: Final = "/v1/channels/{channel}/retention"

FEATURE: Final = Feature(
    name="retention",
    tables=(RETENTION, REMOVED),
    check={SetRetention: check_set, TruncateChannel: check_truncate},
    decide={
        SetRetention: decide_set,
        TruncateChannel: decide_truncate,
        SweepChannel: decide_sweep,
    },
    apply={
        MessageCreated: apply_created,
        RetentionChanged: apply_changed,
        ChannelTruncated: apply_truncated,
        ChannelSwept: apply_swept,
    },
    effects={
        MessageCreated: effects_created,
        RetentionChanged: effects_changed,
        ChannelSwept: effects_swept,
    },
    queries=(QueryRow("channel.retention", RetentionRequest, run_get),),
    verbs=(
        Verb("channel.set_retention", SetRetention, as_command, Done, "How long it is kept."),
        Verb("channel.truncate", TruncateChannel, as_command, Done, "Remove what was said."),
        Verb("channel.retention", RetentionRequest, turn_get, RetentionInfo, "What is kept."),
    ),
    routes=(
        Route("GET", _RETENTION, RetentionRequest, turn_get, RetentionInfo),
        Route("PUT", _RETENTION, SetRetention, as_command, Done),
        Route("POST", "/v1/channels/{channel}/truncate", TruncateChannel, as_command, Done),
    ),
)
