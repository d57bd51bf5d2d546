"""Reactions: short marks of approval on a message, counted by kind; and who chose which.

Rules:
1. One user has each kind once on a message; asked twice is asked once. A message has at most 50
   kinds: one more is refused, another user's choice of a known one is not.
2. In a channel of up to 100 members each is an event with an offset. Above it, and in open
   channels, it is an entry without one: whoever looks gets `reaction.counted`, a signal, at most
   once a second.
3. Counters are kept with the message's annotations, under its `annotation_rev`; events and signals
   carry both, so that nobody adds up. A tombstone shows none; what was undeleted shows them again.
4. A kind is one emoji, in its one form (`emoji`), or a name between colons that the app knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, TOO_LARGE, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.names import check_user
from hubbub.features.annotations import OWN_REACTIONS, annotate, annotation
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    Pulse,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.emoji import one_emoji
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.messages import MESSAGE, OfMessage, alive, find_message, id_of
from hubbub.features.publication import rfc3339
from hubbub.features.standing import ChannelRow, member_count, require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json

KINDS_MAX: Final = 50  # of one message (features.md 1b)
KIND_BYTES_MAX: Final = 64
NUMBERED_MEMBERS_MAX: Final = 100  # contracts.md, ARCHITECTURE.md 6: beyond it none takes an offset
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000
_NAME: Final = re.compile(r":[A-Za-z0-9_+\-]{1,62}:")


class _React(Command, frozen=True):
    """A kind on a message."""

    TAG = ""

    channel: str
    id: str
    emoji: str


class AddReaction(_React, frozen=True):
    """Choose a kind."""

    TAG = "reaction.add"


class RemoveReaction(_React, frozen=True):
    """Take an own choice back."""

    TAG = "reaction.remove"


class ReactionAdded(OfMessage, frozen=True):
    """`by` chose this kind: `count` did by now."""

    TAG = "reaction.added"

    emoji: str
    count: int
    annotation_rev: int


class ReactionRemoved(OfMessage, frozen=True):
    """`by` took it back."""

    TAG = "reaction.removed"

    emoji: str
    count: int
    annotation_rev: int


class ReactionSet(Event, frozen=True):
    """The same in a channel with many members."""

    TAG = "reaction.set"
    KIND = EventKind.SILENT

    message_seq: int
    emoji: str
    chosen: bool


class ReactionCounted(Event, frozen=True):
    """How many chose each kind, as it was a second ago at most."""

    TAG = "reaction.counted"
    KIND = EventKind.SIGNAL

    id: str
    message_seq: int
    annotation_rev: int
    reactions: dict[str, int]


# (message, kind, user) → when (ms)
REACTORS: Final[Table[tuple[int, str, str], int]] = Table("reactions", tuple[int, str, str], int)


class Reacted(Struct, frozen=True):
    """The kind's count after the request, and the annotation's rev."""

    count: int
    annotation_rev: int


class ReactionsRequest(Struct, frozen=True):
    """Who chose one kind (`emoji`), or any. `cursor`: what `next` was."""

    channel: str
    id: str
    emoji: str = ""
    cursor: str = ""
    limit: int = PAGE_DEFAULT


class Reactor(Struct, frozen=True):
    """Who chose what, and when (RFC 3339)."""

    user: str
    emoji: str
    ts: str


class ReactionsPage(Struct, frozen=True, omit_defaults=True):
    """In order of kinds and user ids. `next`: pass it as `cursor`; absent at the end."""

    reactions: dict[str, int]
    reactors: list[Reactor]
    annotation_rev: int
    next: str = ""


def check_emoji(kind: str) -> str:
    """The kind as it is kept. Raises Rejected: TOO_LARGE, BAD_REQUEST."""
    if len(kind.encode()) > KIND_BYTES_MAX:
        raise Rejected(TOO_LARGE, f"at most {KIND_BYTES_MAX} bytes", limit=KIND_BYTES_MAX)
    kept = kind if _NAME.fullmatch(kind) else one_emoji(kind)
    if not kept:
        raise Rejected(BAD_REQUEST, "a reaction is one emoji or a :name:")
    return kept


def check_react(cmd: AddReaction | RemoveReaction, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    return replace(cmd, emoji=check_emoji(cmd.emoji))


def decide_react(cmd: AddReaction | RemoveReaction, tables: Tables, ctx: Context) -> Decision:
    channel = require_standing(Action.REACT, tables, ctx)
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    stored = find_message(cmd.id, tables, ctx)
    alive(stored, tables)
    row, is_added = annotation(tables, stored.seq), isinstance(cmd, AddReaction)
    own = tables[OWN_REACTIONS].get((stored.seq, ctx.actor)) or ()
    count = row.reactions.get(cmd.emoji, 0)
    if (cmd.emoji in own) == is_added:
        return Decision([], encode_json(Reacted(count, row.rev)))
    if not count and len(row.reactions) >= KINDS_MAX:
        raise Rejected(LIMIT_EXCEEDED, f"at most {KINDS_MAX} kinds a message", limit=KINDS_MAX)
    after = Reacted(count + (1 if is_added else -1), row.rev + 1)
    if not is_small(channel, tables):
        event: Event = ReactionSet(message_seq=stored.seq, emoji=cmd.emoji, chosen=is_added)
        return Decision([event], encode_json(after))
    shape = ReactionAdded if is_added else ReactionRemoved
    event = shape(
        id=cmd.id,
        message_seq=stored.seq,
        emoji=cmd.emoji,
        count=after.count,
        annotation_rev=after.annotation_rev,
    )
    return Decision([event], encode_json(after))


def is_small(channel: ChannelRow, tables: Tables) -> bool:
    """Whether each reaction is an event with an offset (rule 2)."""
    return channel.kind is not ChannelKind.OPEN and member_count(tables) <= NUMBERED_MEMBERS_MAX


def apply_added(event: ReactionAdded, meta: Meta, tables: Tables) -> None:
    _choose(event.message_seq, event.emoji, meta, tables)


def apply_removed(event: ReactionRemoved, meta: Meta, tables: Tables) -> None:
    _take_back(event.message_seq, event.emoji, meta, tables)


def apply_set(event: ReactionSet, meta: Meta, tables: Tables) -> None:
    change = _choose if event.chosen else _take_back
    change(event.message_seq, event.emoji, meta, tables)


def _choose(seq: int, kind: str, meta: Meta, tables: Tables) -> None:
    own, mine = tables[OWN_REACTIONS], (seq, meta.by)
    own.put(mine, (*(own.get(mine) or ()), kind))
    tables[REACTORS].put((seq, kind, meta.by), meta.ts_ms)
    counts = annotation(tables, seq).reactions
    annotate(tables, seq, reactions={**counts, kind: counts.get(kind, 0) + 1})


def _take_back(seq: int, kind: str, meta: Meta, tables: Tables) -> None:
    own, mine = tables[OWN_REACTIONS], (seq, meta.by)
    left = tuple(other for other in own.get(mine) or () if other != kind)
    if left:
        own.put(mine, left)
    else:
        own.delete(mine)
    tables[REACTORS].delete((seq, kind, meta.by))
    counts = dict(annotation(tables, seq).reactions)
    counts[kind] -= 1
    if not counts[kind]:
        del counts[kind]
    annotate(tables, seq, reactions=counts)


def noted(event: ReactionSet, _: Meta) -> Sequence[int]:
    return (event.message_seq,)


def told(seq: int, tables: Tables) -> ReactionCounted | None:
    stored = tables.published(seq)
    if stored is None:
        return None
    row = annotation(tables, seq)
    return ReactionCounted(
        id=id_of(stored), message_seq=seq, annotation_rev=row.rev, reactions=row.reactions
    )


def run_list(request: ReactionsRequest, tables: Tables, ctx: Context) -> ReactionsPage:
    require_standing(Action.READ, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    stored = find_message(request.id, tables, ctx)
    alive(stored, tables)
    kind, user = _place(request)
    rows = tables[REACTORS].scan(after=(stored.seq, kind, user), limit=request.limit + 1)
    found = [
        Reactor(user, kind, rfc3339(ms))
        for (seq, kind, user), ms in rows
        if seq == stored.seq and request.emoji in ("", kind)
    ]
    page, row = found[: request.limit], annotation(tables, stored.seq)
    after = f"{page[-1].emoji} {page[-1].user}" if len(found) > len(page) else ""
    return ReactionsPage(row.reactions, page, row.rev, after)


def _place(request: ReactionsRequest) -> tuple[str, str]:
    """Kind and user behind which a page begins. Raises Rejected(BAD_REQUEST)."""
    if not request.cursor:
        return request.emoji, ""
    kind, _, user = request.cursor.partition(" ")
    if request.emoji not in ("", kind):
        raise Rejected(BAD_REQUEST, "the cursor belongs to another kind")
    return check_emoji(kind), check_user(user)


def turn_list(request: ReactionsRequest, _: EdgeContext) -> QueryCall:
    message_seq(request.id)
    if request.emoji:
        request = replace(request, emoji=check_emoji(request.emoji))
    return QueryCall(check_chat_channel(request.channel), "reaction.list", request)


_REACTIONS: Final = MESSAGE + "/reactions"

FEATURE: Final = Feature(
    name="reactions",
    signs={ReactionCounted.TAG: ReactionCounted},
    tables=(OWN_REACTIONS, REACTORS),
    check={AddReaction: check_react, RemoveReaction: check_react},
    decide={AddReaction: decide_react, RemoveReaction: decide_react},
    apply={
        ReactionAdded: apply_added,
        ReactionRemoved: apply_removed,
        ReactionSet: apply_set,
    },
    pulse=Pulse({ReactionSet: noted}, told),
    queries=(QueryRow("reaction.list", ReactionsRequest, run_list),),
    verbs=(
        Verb("reaction.add", AddReaction, as_command, Reacted, "Choose a kind."),
        Verb("reaction.remove", RemoveReaction, as_command, Reacted, "Take it back."),
        Verb("reaction.list", ReactionsRequest, turn_list, ReactionsPage, "Who chose what."),
    ),
    routes=(
        Route("GET", _REACTIONS, ReactionsRequest, turn_list, ReactionsPage),
        Route("PUT", _REACTIONS + "/{emoji}", AddReaction, as_command, Reacted),
        Route("DELETE", _REACTIONS + "/{emoji}", RemoveReaction, as_command, Reacted),
    ),
)
