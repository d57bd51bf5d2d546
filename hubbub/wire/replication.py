"""What the copies of a slot say to one another: bodies of node → node messages.

The head of the message (`wire.frame`) carries slot and term. `storage` is the sender's copy, so
that a wiped disk is never taken for what it was; `boot_id` is that of the leader which the term
belongs to, so that one term never has two leaders (replication.md 2.2).

Rules: each message is idempotent; it may be lost, doubled, late, or overtaken.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from hubbub.wire.shapes import Body, Kind

U64: TypeAlias = Annotated[int, Meta(ge=0)]
# (term, index of its first entry), ascending: enough to find where two logs part.
Terms: TypeAlias = tuple[tuple[U64, U64], ...]
# (term, LOG value), in order of the index
Entries: TypeAlias = tuple[tuple[U64, bytes], ...]


class Fence(Body, frozen=True):
    """Leader → prev ∪ members: promise me this term."""

    storage: str
    boot_id: U64


class Promised(Body, frozen=True):
    """The term is promised, durably: nothing older is taken any more. `ok`: this log counts."""

    storage: str
    boot_id: U64
    last_term: U64
    last_index: U64
    ok: bool


class Fetch(Body, frozen=True):
    """Leader → the copy with the newest log: what do I lack?"""

    storage: str
    boot_id: U64
    last_index: U64
    terms: Terms


class Tail(Body, frozen=True):
    """Entries behind the last one that both have; `last_index` is where the sender's log ends."""

    storage: str
    boot_id: U64
    prev_index: U64
    prev_chain: U64
    entries: Entries
    last_index: U64


class Append(Body, frozen=True):
    """Leader → copies: entries behind `prev_index`, and what is committed."""

    storage: str
    boot_id: U64
    prev_index: U64
    prev_chain: U64
    commit: U64
    entries: Entries


class Appended(Body, frozen=True):
    """Everything up to `match` equals the leader's log, durably. Not `ok`: does not count yet."""

    storage: str
    match: U64
    ok: bool


class Nak(Body, frozen=True):
    """`prev` is not in my log, which is this."""

    storage: str
    last_index: U64
    terms: Terms


class Stale(Body, frozen=True):
    """I promised this term to another leader: step down."""

    storage: str
    promised: U64


class Recall(Body, frozen=True):
    """You once told me that you have everything up to `match`: until you do, you do not count."""

    storage: str
    boot_id: U64
    match: U64


class Offer(Body, frozen=True):
    """What you lack is not in my log any more, it begins behind `base`: ask me for a snapshot."""

    storage: str
    boot_id: U64
    base: U64
    base_chain: U64


class Ask(Body, frozen=True):
    """The next part of a snapshot, please. `snapshot` 0: a new one, from its start.

    `place`, `key`: where the part begins, as the part before it said.
    """

    storage: str
    snapshot: U64
    place: U64
    key: bytes


class Part(Body, frozen=True):
    """Some rows of a slot as of one moment, from `from_place`, `from_key` on.

    `place`, `key`: where the next ones begin; `place` < 0: these were the last. `meta` is the
    slot's position at that moment (node.slot.SlotMeta), `terms` its whole table.
    """

    storage: str
    snapshot: U64
    meta: bytes
    terms: Terms
    from_place: U64
    from_key: bytes
    rows: tuple[tuple[U64, bytes, bytes], ...]
    place: int
    key: bytes


class Confirm(Body, frozen=True):
    """Leader → members: have you promised nothing newer than my term? `n` grows with each round."""

    storage: str
    boot_id: U64
    n: U64


class Confirmed(Body, frozen=True):
    """Nothing newer than the term of this message was promised when round `n` arrived here."""

    storage: str
    n: U64


class NodeBeat(Body, frozen=True):
    """Node → node, several times a second: alive, and what has changed.

    `n` counts the sender's beats, `echo` is the last one heard from the receiver. `suspects`: names
    of nodes. `commits`: (slot, term, commit) of slots led by the process `boot_id`. `fsync_us`: the
    median of its recent syncs, 0 without any. `is_gray`: too slow to lead. `wall_ms`: its clock;
    `is_clock_off`: which is not that of the others, so that it must not lead. `has_room`: on its
    disk, for one copy more. `led`: how many slots its process leads, and `usage`: what they have of
    each app: (app, users, channels).
    """

    boot_id: U64
    n: U64
    echo: U64
    suspects: tuple[str, ...]
    commits: tuple[tuple[U64, U64, U64], ...]
    fsync_us: U64 = 0
    is_gray: bool = False
    wall_ms: U64 = 0
    is_clock_off: bool = False
    has_room: bool = True
    led: U64 = 0
    usage: tuple[tuple[str, U64, U64], ...] = ()


CopyMessage: TypeAlias = (
    Fence
    | Promised
    | Fetch
    | Tail
    | Append
    | Appended
    | Nak
    | Stale
    | Recall
    | Offer
    | Ask
    | Part
    | Confirm
    | Confirmed
)

SHAPE_OF: Final[dict[int, type[CopyMessage]]] = {
    Kind.FENCE: Fence,
    Kind.PROMISED: Promised,
    Kind.FETCH: Fetch,
    Kind.TAIL: Tail,
    Kind.APPEND: Append,
    Kind.APPENDED: Appended,
    Kind.NAK: Nak,
    Kind.STALE: Stale,
    Kind.RECALL: Recall,
    Kind.OFFER: Offer,
    Kind.ASK: Ask,
    Kind.PART: Part,
    Kind.CONFIRM: Confirm,
    Kind.CONFIRMED: Confirmed,
}
KIND_OF: Final[dict[type[CopyMessage], int]] = {shape: kind for kind, shape in SHAPE_OF.items()}
