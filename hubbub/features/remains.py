"""What stands beside a message goes with it: its reactions, poll, pin, thread, edits.

Rules:
1. A row belongs to the message whose seq begins its key. When the floor rises above a message, its
   rows go in the same entry: they would be shown to nobody, and count as pins for ever.
2. At most `ROWS_MAX` of a table in one entry, so that each is applied in a bounded time on every
   copy. What is left falls due at once, as an entry of its own.
3. A thread goes with its first message; replies above the floor stay as messages.
"""

from __future__ import annotations

from typing import Any, Final

from hubbub.features.annotations import ANNOTATIONS, OWN_REACTIONS
from hubbub.features.contract import (
    Command,
    Context,
    Due,
    Effect,
    Event,
    EventKind,
    Feature,
    Meta,
    Table,
    Tables,
)
from hubbub.features.mentions import NAMED
from hubbub.features.messages import FOLDED
from hubbub.features.pins import PINS
from hubbub.features.poll_rows import POLLS, TALLIES, VOTERS, VOTES
from hubbub.features.reactions import REACTORS
from hubbub.features.retention import ChannelSwept, ChannelTruncated
from hubbub.features.threads import BY_LAST, FOLLOWERS, REPLIES
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

BY_SEQ: Final[tuple[Table[Any, Any], ...]] = (
    FOLDED,
    ANNOTATIONS,
    OWN_REACTIONS,
    REACTORS,
    PINS,
    POLLS,
    TALLIES,
    VOTES,
    VOTERS,
    REPLIES,
    FOLLOWERS,
    BY_LAST,
    NAMED,
)
# Half of it makes twice the entries of an emptied channel; double holds up its slot for longer.
ROWS_MAX: Final = 2_000
_PAGE: Final = 64
_DUE: Final = "remains"


class ForgetRemains(Command, frozen=True):
    """Falls due: there is more to forget."""

    TAG = "channel.forget_remains"

    channel: str


class RemainsForgotten(Event, frozen=True):
    """More rows of messages before `before_seq` are gone."""

    TAG = "channel.remains_forgotten"
    KIND = EventKind.SILENT

    before_seq: int


Risen = ChannelTruncated | ChannelSwept | RemainsForgotten


def decide_forget(_: ForgetRemains, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [RemainsForgotten(before_seq=tables.floor_seq)] if _is_left(tables) else []


def apply_risen(event: Risen, _: Meta, tables: Tables) -> None:
    if event.before_seq:
        for table in BY_SEQ:
            _forget(table, event.before_seq, tables)


def effects_risen(event: Risen, meta: Meta, tables: Tables) -> list[Effect]:
    if not event.before_seq or not _is_left(tables):
        return []
    return [Due(meta.ts_ms, _DUE, ForgetRemains(channel=meta.key))]


def _forget(table: Table[Any, Any], before: int, tables: Tables) -> None:
    rows, after = tables[table], None
    for _ in range(ROWS_MAX // _PAGE):
        page = rows.scan(after=after, limit=_PAGE)
        gone = [key for key, _ in page if _seq_of(key) < before]
        for key in gone:
            rows.delete(key)
        if len(gone) < _PAGE:
            return
        after = gone[-1]


def _is_left(tables: Tables) -> bool:
    first = (tables[table].scan(limit=1) for table in BY_SEQ)
    return any(rows and _seq_of(rows[0][0]) < tables.floor_seq for rows in first)


def _seq_of(key: Any) -> int:
    seq: int = key[0] if isinstance(key, tuple) else key
    return seq


FEATURE: Final = Feature(
    name="remains",
    decide={ForgetRemains: decide_forget},
    apply=dict.fromkeys((ChannelTruncated, ChannelSwept, RemainsForgotten), apply_risen),
    effects=dict.fromkeys((ChannelTruncated, ChannelSwept, RemainsForgotten), effects_risen),
)
