"""Receipts of the messages on somebody's screen: one push a second with the counts that changed.
Pure.

Rules:
1. A session says which messages of a channel it shows (`receipts.watch`), at most 100; the last
   word counts, and it ends with the subscription. It gets the counts of all of them first, asked
   for with its own rights; where it has none it hears nothing.
2. Whoever moves marks in a channel without receipts by member says so in a signal
   (`marks.stirred`) that goes to edges alone. Once an interval the counts of what is watched
   here are asked for, once for all watchers, and each gets those that changed.
3. SEQS_MAX of a channel's newest watched messages are kept up to date, in queries of 100; whoever
   looks further back asks himself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from msgspec import Raw, Struct

from edge.carriers import Stream
from edge.dispatch import App, Reply
from edge.hub import Variant
from edge.outgoing import Outgoing
from hubbub.base.errors import Rejected
from hubbub.features.contract import QueryCall
from hubbub.wire.codec import decode_json
from hubbub.wire.receipts import MESSAGES_MAX, RECEIPTS_GET, ReceiptsRequest
from hubbub.wire.shapes import Json, SignalKind, Viewer

SEQS_MAX: Final = 300  # three queries a second; half: two screens that lie apart starve each other
EDGE: Final = Viewer(user="", authority="edge")

Ask = Callable[[QueryCall, App, Viewer, Reply], None]
Encode = Callable[[str, Variant, SignalKind, Json], bytes]


class Watcher(Protocol):
    """A subscription as seen from here."""

    variant: Variant

    @property
    def outgoing(self) -> Outgoing:
        """The queue of its connection."""
        ...


class _Seq(Struct, frozen=True):
    seq: int


class _Receipts(Struct, frozen=True):
    receipts: list[Raw]


class _Watched:
    """What is watched of one channel."""

    __slots__ = ("app", "asking", "counts", "stirred", "watchers")

    def __init__(self, app: App) -> None:
        self.app = app
        self.watchers: dict[Watcher, frozenset[int]] = {}
        self.counts: dict[int, bytes] = {}  # as they were told last
        self.stirred = False
        self.asking = 0  # queries that wait for an answer


class Screens:
    """All watched messages of an edge.

    Args: ask: sends a query. encode: a signal's push (`PushEncoder.signal`).
    """

    def __init__(self, ask: Ask, encode: Encode) -> None:
        self._ask = ask
        self._encode = encode
        self._watched: dict[Stream, _Watched] = {}

    def watch(
        self, app: App, channel: str, watcher: Watcher, viewer: Viewer, seqs: Iterable[int]
    ) -> None:
        """The watcher shows these messages now, none: not any more."""
        stream, wanted = (app.name, channel), frozenset(seqs)
        self.left(stream, watcher)
        if not wanted:
            return

        def answered(refusal: Rejected | None, data: Json) -> None:
            watched = self._watched.get(stream)
            if watched is None or watched.watchers.get(watcher) is not wanted:
                return  # he shows others by now
            if refusal is not None:
                self.left(stream, watcher)
                return
            counts = _by_seq(data)
            for seq, receipt in counts.items():
                watched.counts.setdefault(seq, receipt)
            # What others were told meanwhile is newer than this answer, or the next turn's.
            known = [watched.counts[seq] for seq in sorted(counts)]
            watcher.outgoing.push_signal(self._push(channel, watcher, known))

        watched = self._watched.setdefault(stream, _Watched(app))
        watched.watchers[watcher] = wanted
        request = ReceiptsRequest(channel, tuple(sorted(wanted)))
        self._ask(QueryCall(channel, RECEIPTS_GET, request), app, viewer, answered)

    def left(self, stream: Stream, watcher: Watcher) -> None:
        """The watcher's subscription is over. Idempotent."""
        watched = self._watched.get(stream)
        if watched is None or watched.watchers.pop(watcher, None) is None:
            return
        if not watched.watchers:
            del self._watched[stream]
            return
        shown = frozenset[int]().union(*watched.watchers.values())
        watched.counts = {seq: told for seq, told in watched.counts.items() if seq in shown}

    def stirred(self, stream: Stream) -> None:
        """Marks moved in this channel."""
        watched = self._watched.get(stream)
        if watched is not None:
            watched.stirred = True

    def tick(self) -> None:
        """Once an interval: ask anew where something moved."""
        for stream, watched in list(self._watched.items()):
            if watched.stirred and not watched.asking:
                watched.stirred = False
                self._refresh(stream, watched)

    def _refresh(self, stream: Stream, watched: _Watched) -> None:
        channel = stream[1]
        seqs = sorted(frozenset[int]().union(*watched.watchers.values()))[-SEQS_MAX:]
        changed: dict[int, bytes] = {}

        def answered(refusal: Rejected | None, data: Json) -> None:
            watched.asking -= 1
            if refusal is not None:
                watched.stirred = True  # the next turn asks again
            else:
                for seq, receipt in _by_seq(data).items():
                    if watched.counts.get(seq) != receipt:
                        watched.counts[seq] = changed[seq] = receipt
            if not watched.asking and changed and self._watched.get(stream) is watched:
                self._tell(channel, watched, changed)

        parts = [seqs[at : at + MESSAGES_MAX] for at in range(0, len(seqs), MESSAGES_MAX)]
        watched.asking = len(parts)
        for part in parts:
            request = ReceiptsRequest(channel, tuple(part))
            self._ask(QueryCall(channel, RECEIPTS_GET, request), watched.app, EDGE, answered)

    def _tell(self, channel: str, watched: _Watched, changed: dict[int, bytes]) -> None:
        pushes: dict[tuple[Variant, frozenset[int]], bytes] = {}  # most show the same messages
        for watcher, seqs in watched.watchers.items():
            place = (watcher.variant, seqs)
            push = pushes.get(place)
            if push is None:
                mine = [receipt for seq, receipt in sorted(changed.items()) if seq in seqs]
                push = pushes[place] = self._push(channel, watcher, mine) if mine else b""
            if push:
                watcher.outgoing.push_signal(push)

    def _push(self, channel: str, watcher: Watcher, receipts: Iterable[bytes]) -> bytes:
        data = b'{"t":"receipts.counted","receipts":[%b]}' % b",".join(receipts)
        return self._encode(channel, watcher.variant, SignalKind.PUBLICATION, data)


def _by_seq(data: Json) -> dict[int, bytes]:
    """Each message's receipt, as it stands in the answer."""
    receipts = decode_json(data, _Receipts).receipts
    return {decode_json(bytes(raw), _Seq).seq: bytes(raw) for raw in receipts}
