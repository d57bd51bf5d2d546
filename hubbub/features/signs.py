"""The publications that no feature tells, as shapes: what an edge makes of many channels, or shows
in place of an event. For `/asyncapi.json`; their bytes are written where they arise.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.features.head_lines import Head
from hubbub.features.publication import HIDDEN
from hubbub.wire.presence import PRESENCE_MOVED
from hubbub.wire.receipts import MARKS_STIRRED


class Heads(Struct, frozen=True):
    """What happened in channels that are not subscribed to, at most once a second. By channel."""

    heads: dict[str, Head]


class MessageHidden(Struct, frozen=True):
    """Stands for an event that this user may not see: of somebody whom he blocks, or of a message
    that is none for him."""

    seq: int
    id: str = ""
    ts: str = ""


# Of an edge; those of features are the registry's `signs`.
SIGNS: Final[dict[str, type[Struct]]] = {"heads": Heads, HIDDEN: MessageHidden}
NUMBERED: Final = frozenset({HIDDEN})  # it has the offset of what it stands for
# Signals that leaders tell edges, and no client sees.
INNER: Final = frozenset({MARKS_STIRRED, PRESENCE_MOVED})
