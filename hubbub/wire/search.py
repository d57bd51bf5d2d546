"""Searching over all nodes: what an edge asks of each, and what it gets back. Pure.

An edge sends SEARCH to every node that leads slots concerned; a node finds places in its index and
shows each of them through the reads of its stream, so that rights and deletions hold at that
moment. Places sort from the highest to the lowest: what fits best, then what is newest.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Raw, Struct

from hubbub.wire.shapes import Body, Json, Viewer

# (score, 0 in order of time; ms; stream key; seq)
Place: TypeAlias = tuple[int, int, str, int]

SHOWN: Final = "search.shown"  # the query that shows what was found in one stream


class Document(Body, frozen=True):
    """What can be found of a message: by its words, its author, its type, its time."""

    text: str
    by: str
    type: str
    ts_ms: int
    attached: bool


class Criteria(Body, frozen=True):
    """What is looked for. Times in ms, `until_ms` excluded, 0: open. `attached`: only messages
    with an attachment. `is_ranked`: what fits best comes first."""

    q: str = ""
    by: str = ""
    type: str = ""
    attached: bool = False
    since_ms: int = 0
    until_ms: int = 0
    is_ranked: bool = False


class Search(Body, frozen=True):
    """The body of SEARCH. `keys`: parallel to `slots`, streams to search; none: everything of the
    app in these slots. `before`: only what stands behind this place."""

    viewer: Viewer
    slots: tuple[int, ...]
    keys: tuple[str, ...]
    criteria: Criteria
    before: Place | None
    limit: int


class SearchHit(Body, frozen=True):
    """One message that the viewer may see; `body`: JSON, as clients get it."""

    place: Place
    body: Json


class SearchAnswer(Body, frozen=True):
    """`hits` in order, at most `limit`. `has_more`: others may stand behind them. `reached`: the
    node gave up there, what stands behind it was not looked at. `indexed_to_ms`: up to this log
    time everything asked for is in the index; 0: something is being built anew, or (`is_whole`
    False) cannot be searched now. `elsewhere`: slots that another node leads."""

    hits: tuple[SearchHit, ...]
    has_more: bool = False
    reached: Place | None = None
    indexed_to_ms: int = 0
    is_whole: bool = True
    elsewhere: tuple[int, ...] = ()


class ShownRequest(Struct, frozen=True):
    """The argument of SHOWN: places of one stream, and what each must still be like."""

    seqs: tuple[int, ...]
    criteria: Criteria


class ShownHit(Struct, frozen=True):
    """One of them, as clients get it."""

    seq: int
    hit: Raw


class ShownHits(Struct, frozen=True):
    """Those that the viewer may see and that still fit."""

    hits: list[ShownHit]
