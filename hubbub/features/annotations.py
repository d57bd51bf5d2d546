"""What others add to a message: its thread, its reactions, its pin. Shown with it on every page.

Read by history and subscriptions; written by threads, reactions and pins. One row a message, and
none for a message without annotations: a page costs one scan. `rev` counts the row's changes:
whoever holds an older one replaces all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from hubbub.features.contract import Table, Tables
from hubbub.features.publication import rfc3339
from hubbub.model.message import Annotations, ReactionCount
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Json


class AnnotationRow(Struct, frozen=True, array_like=True, gc=False):
    """`reactions`: how many, by kind, in the order of their first use. `participants`: the last
    ones to reply, the newest first."""

    rev: int = 0
    reactions: dict[str, int] = {}
    replies: int = 0
    last_reply_seq: int = 0
    last_reply_ms: int = 0
    participants: tuple[str, ...] = ()
    pinned: bool = False


ANNOTATIONS: Final[Table[int, AnnotationRow]] = Table("annotations", int, AnnotationRow)
# (message, user) → the user's kinds, in order
OWN_REACTIONS: Final[Table[tuple[int, str], tuple[str, ...]]] = Table(
    "reactions.own", tuple[int, str], tuple[str, ...]
)
NONE: Final = AnnotationRow()


def annotation(tables: Tables, seq: int) -> AnnotationRow:
    """The annotations of the message at `seq`."""
    return tables[ANNOTATIONS].get(seq) or NONE


def annotate(tables: Tables, seq: int, **changes: object) -> AnnotationRow:
    """Change some of it (apply only); returns the new row."""
    old = annotation(tables, seq)
    row = structs.replace(old, rev=old.rev + 1, **changes)
    tables[ANNOTATIONS].put(seq, row)
    return row


def annotations_between(tables: Tables, first: int, last: int) -> Mapping[int, AnnotationRow]:
    """The rows of messages in first..last, which are at most 1,000 seqs."""
    rows = tables[ANNOTATIONS].scan(after=max(first - 1, 0), limit=last - first + 1)
    return {seq: row for seq, row in rows if seq <= last}


def annotated(
    data: Json, seq: int, row: AnnotationRow, tables: Tables, viewer: str, *, is_deleted: bool
) -> Json:
    """The message's `data` with its annotations, as this viewer sees them."""
    fields = encode_json(shown(seq, row, tables, viewer, is_deleted=is_deleted))
    return data[:-1] + b"," + fields[1:]


def shown(
    seq: int, row: AnnotationRow, tables: Tables, viewer: str, *, is_deleted: bool
) -> Annotations:
    """The annotations as a viewer (empty: nobody) sees them. A tombstone has no reactions."""
    own: Sequence[str] = ()
    if viewer and row.reactions and not is_deleted:
        own = tables[OWN_REACTIONS].get((seq, viewer)) or ()
    return Annotations(
        annotation_rev=row.rev,
        reactions={}
        if is_deleted
        else {kind: ReactionCount(n, kind in own) for kind, n in row.reactions.items()},
        replies=row.replies,
        last_reply=rfc3339(row.last_reply_ms) if row.last_reply_ms else "",
        last_reply_seq=row.last_reply_seq,
        participants=row.participants,
        pinned=row.pinned,
    )
