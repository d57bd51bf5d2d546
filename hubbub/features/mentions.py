"""Mentions: which unread messages name the user, or all.

Rules:
1. One bit a seq says "names this user" in blocks of 256 seqs (a row for each user named), another
   one "names all" (a row of the channel). A message that names nobody writes nothing here.
2. mentions = those of the unread messages (marks, rule 3) that name the user or all. What is
   deleted or counts as unread for nobody vanishes from the figure by that, and comes back with it.
   `@here` names those who were online then (features.here); an edit that takes it back takes
   them, and one that adds it names nobody.
3. An edit names whom it names now: the row of the message says whom it named before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import CONFLICT, Rejected
from hubbub.features.contract import Context, Event, Feature, Meta, Table, Tables
from hubbub.features.here import HereNamed, NameHere
from hubbub.features.hidden_bits import NONE_BLOCKED, Blocked, hidden_in
from hubbub.features.marks import AUTHOR_BLOCKS, BLOCKS, FEW_BLOCKS, figures
from hubbub.features.messages import (
    Content,
    MessageCreated,
    MessageUpdated,
    current,
    find_message,
)
from hubbub.wire.codec import decode_json

K = TypeVar("K")

_SHIFT: Final = 8
_LOW: Final = 255
_BYTES: Final = 32
PAGE_ROWS: Final = 64


class NamedRow(Struct, frozen=True, array_like=True, gc=False):
    """Whom a message names now. `here`: because they were online when it was sent."""

    users: tuple[str, ...]
    all: bool = False
    here: tuple[str, ...] = ()

    def each(self) -> set[str]:
        """Those named one by one."""
        return {*self.users, *self.here}


USER_BLOCKS: Final[Table[tuple[str, int], bytes]] = Table(
    "mentions.user_blocks", tuple[str, int], bytes
)
ALL_BLOCKS: Final[Table[int, bytes]] = Table("mentions.all_blocks", int, bytes)
NAMED: Final[Table[int, NamedRow]] = Table("mentions.named", int, NamedRow)
_NOBODY: Final = NamedRow(())


def decide_here(cmd: NameHere, tables: Tables, ctx: Context) -> list[Event]:
    stored = find_message(cmd.id, tables, ctx)
    content = current(stored, tables)
    says_it = not content.deleted and decode_json(content.content, Content).mention_here
    if stored.head.by != ctx.actor or not says_it:
        raise Rejected(CONFLICT, "that message does not say @here")
    named = tables[NAMED].get(stored.seq)
    return [] if named and named.here else [HereNamed(message_seq=stored.seq, users=cmd.users)]


def apply_created(event: MessageCreated, meta: Meta, tables: Tables) -> None:
    if event.mentions or event.mention_all:
        _name(meta.seq, _NOBODY, NamedRow(event.mentions, event.mention_all), tables)


def apply_here(event: HereNamed, _: Meta, tables: Tables) -> None:
    old = tables[NAMED].get(event.message_seq) or _NOBODY
    _name(event.message_seq, old, replace(old, here=event.users), tables)


def apply_updated(event: MessageUpdated, _: Meta, tables: Tables) -> None:
    old = tables[NAMED].get(event.message_seq) or _NOBODY
    here = old.here if event.mention_here else ()
    new = NamedRow(event.mentions, event.mention_all, here)
    if new != old:
        _name(event.message_seq, old, new, tables)


def _name(seq: int, old: NamedRow, new: NamedRow, tables: Tables) -> None:
    block = seq >> _SHIFT
    before, now = old.each(), new.each()
    for user in before | now:
        _set(USER_BLOCKS, (user, block), seq, tables, is_in=user in now)
    if old.all or new.all:
        _set(ALL_BLOCKS, block, seq, tables, is_in=new.all)
    if new == _NOBODY:
        tables[NAMED].delete(seq)
    else:
        tables[NAMED].put(seq, new)


def _set(table: Table[K, bytes], key: K, seq: int, tables: Tables, *, is_in: bool) -> None:
    rows = tables[table]
    bits, bit = int.from_bytes(rows.get(key) or b"", "big"), 1 << (seq & _LOW)
    bits = bits | bit if is_in else bits & ~bit
    if bits:
        rows.put(key, bits.to_bytes(_BYTES, "big"))
    else:
        rows.delete(key)


def naming(tables: Tables, user: str, mark: int) -> Mapping[int, int]:
    """Bits of the messages behind `mark` that name the user or all, by block."""
    first, last = mark >> _SHIFT, tables.head_seq >> _SHIFT
    found: dict[int, int] = {}
    if last - first < FEW_BLOCKS:  # read row by row, from the cache
        for block in range(first, last + 1):
            bits = _int(tables[USER_BLOCKS].get((user, block)))
            if bits := bits | _int(tables[ALL_BLOCKS].get(block)):
                found[block] = bits
    else:
        for block, row in (*_of_user(tables, user, first), *_of_all(tables, first)):
            found[block] = found.get(block, 0) | _int(row)
    if first in found:
        found[first] &= ~((2 << (mark & _LOW)) - 1)
    return found


def _int(bits: bytes | None) -> int:
    return int.from_bytes(bits or b"", "big")


def _of_user(tables: Tables, user: str, first: int) -> Iterable[tuple[int, bytes]]:
    rows, after = tables[USER_BLOCKS], (user, first - 1)
    if not first:
        head = rows.get((user, 0))
        if head is not None:
            yield 0, head
        after = (user, 0)
    while True:
        page = rows.scan(after=after, limit=PAGE_ROWS)
        own = [(key[1], bits) for key, bits in page if key[0] == user]
        yield from own
        if len(own) < PAGE_ROWS:
            return
        after = page[-1][0]


def _of_all(tables: Tables, first: int) -> Iterable[tuple[int, bytes]]:
    rows, after = tables[ALL_BLOCKS], first
    head = rows.get(first)
    if head is not None:
        yield first, head
    while page := rows.scan(after=after, limit=PAGE_ROWS):
        yield from page
        after = page[-1][0]


def mentions_of(tables: Tables, user: str, mark: int, blocked: Blocked = NONE_BLOCKED) -> int:
    """How many unread messages behind `mark` name the user, without those of whom he blocks."""
    behind, count = max(mark, tables.floor_seq - 1), 0
    for block, bits in naming(tables, user, behind).items():
        alive = int.from_bytes(tables[BLOCKS].get(block) or b"", "big")
        own = int.from_bytes(tables[AUTHOR_BLOCKS].get((user, block)) or b"", "big")
        bits &= alive & ~own
        bits &= ~hidden_in(bits, block, blocked, tables, AUTHOR_BLOCKS)
        count += bits.bit_count()
    return count


def all_figures(tables: Tables, user: str, blocked: Blocked = NONE_BLOCKED) -> Mapping[str, int]:
    """The figures of marks, and `mentions`: nothing is looked for where nothing is unread."""
    own = figures(tables, user, blocked)
    if not own:
        return {}
    mentions = mentions_of(tables, user, own["mark"], blocked) if own["unread"] else 0
    return {**own, "mentions": mentions}


def head(tables: Tables, user: str, blocked: Blocked) -> Mapping[str, object]:
    """The user's fields of a `heads` row; none for one who keeps no mark here."""
    return all_figures(tables, user, blocked)


FEATURE: Final = Feature(
    name="mentions",
    tables=(USER_BLOCKS, ALL_BLOCKS, NAMED),
    decide={NameHere: decide_here},
    apply={
        MessageCreated: apply_created,
        HereNamed: apply_here,
        MessageUpdated: apply_updated,
    },
    head=head,
)
