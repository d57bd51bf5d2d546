"""What edges and the feature receipts say to one another: a query, and a signal for edges alone."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

MARKS_STIRRED: Final = "marks.stirred"  # type of the signal
RECEIPTS_MOVED: Final = "receipts.moved"  # type of the signal that names members
RECEIPTS_GET: Final = "receipts.get"  # name of the query
RECEIPTS_WATCHED: Final = "receipts.watched"  # name of the query that edges ask for screens
MESSAGES_MAX: Final = 100  # of one query, and on one screen


class Stirred(Struct, frozen=True):
    """Marks moved: own figures of `users`, whom `edge` (name.boot_id, if it gathered them) has told
    already; `counts`: and receipts that are asked for by screens."""

    edge: str = ""
    users: tuple[str, ...] = ()
    counts: bool = False


class ReceiptsRequest(Struct, frozen=True):
    """Of these messages, at most 100, by seq or by id."""

    channel: str
    seqs: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()


class WatchedRequest(Struct, frozen=True):
    """Of these messages, at most 100; and who of these users may not see it (any more)."""

    channel: str
    seqs: tuple[int, ...] = ()
    users: tuple[str, ...] = ()
