"""Receipts of the messages on somebody's screen: one push a second with the counts that changed.
Pure.

Rules:
1. A session says which messages of a channel it shows (`receipts.watch`), at most 100; the last
   word counts, and it ends with the subscription. It gets the counts of all of them first, asked
   for with its own rights; where it has none it hears nothing, until it has.
2. Whoever moves marks in a channel without receipts by member says so in a signal
   (`marks.stirred`) that goes to edges alone. Once an interval the counts of what is watched
   here are asked for, once for all watchers, and each gets those that changed.
3. When the rights in a channel may have changed (an event of a type in RIGHTS, other settings of
   the app), the next question about it names who looks on, and the answer who of them may not any
   more. What was asked for before is not told.
4. SEQS_MAX of a channel's newest watched messages are kept up to date, in queries of 100; whoever
   looks further back asks himself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from msgspec import Raw, Struct

from edge.carriers import Stream
from edge.dispatch import App, Reply
from edge.hub import Listener
from edge.outgoing import Outgoing
from edge.variants import Variant
from hubbub.base.errors import Rejected
from hubbub.features.contract import QueryCall
from hubbub.model.permissions import Action, of_authority
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json
from hubbub.wire.event import StoredEvent
from hubbub.wire.receipts import (
    MESSAGES_MAX,
    RECEIPTS_GET,
    RECEIPTS_WATCHED,
    ReceiptsRequest,
    WatchedRequest,
)
from hubbub.wire.shapes import Json, SignalKind, Viewer

SEQS_MAX: Final = 300  # three queries a second; half: two screens that lie apart starve each other
# Nodes and edges hear of an app's settings each for themselves: for so many turns it is asked who
# may see receipts, before the last of the nodes is taken to know.
SETTINGS_TURNS: Final = 3
# After events of these types somebody may see what he might not before, or the reverse.
RIGHTS: Final = frozenset(
    {
        "channel.capabilities_changed",
        "channel.promoted",
        "member.capabilities_changed",
        "member.joined",
        "member.left",
        "member.removed",
        "member.role_changed",
    }
)
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
    refused: frozenset[str] = frozenset()


class _Look(NamedTuple):
    """What a watcher shows, and who he is."""

    seqs: frozenset[int]
    viewer: Viewer


class _Watched:
    """What is watched of one channel."""

    __slots__ = ("app", "asking", "counts", "deaf", "doubts", "settings", "stirred", "watchers")

    def __init__(self, app: App) -> None:
        self.app = app
        self.settings: AppSettings = app.settings  # that the watchers were last asked about with
        self.watchers: dict[Watcher, _Look] = {}
        self.deaf: dict[Watcher, _Look] = {}  # who may not see it
        self.doubts = 0  # in how many more questions to ask who may
        self.counts: dict[int, bytes] = {}  # as they were told last
        self.stirred = False
        self.asking = 0  # queries that wait for an answer

    def event(self, event: StoredEvent) -> None:
        """Hub's Listener."""
        if event.head.type in RIGHTS:
            self.doubts = max(self.doubts, 1)

    def reset(self) -> None:
        """Hub's Listener: its members' subscriptions end, too."""

    def keep_shown(self) -> None:
        """Forget what nobody looks at."""
        shown = self.shown
        self.counts = {seq: told for seq, told in self.counts.items() if seq in shown}

    @property
    def shown(self) -> frozenset[int]:
        """What those look at who may."""
        return frozenset[int]().union(*(look.seqs for look in self.watchers.values()))


class Screens:
    """All watched messages of an edge.

    Args: ask: sends a query. encode: a signal's push (`PushEncoder.signal`). follow, unfollow: a
    channel's events (`Hub.listen`, `Hub.unlisten`). app_of: an app as it is now.
    """

    def __init__(
        self,
        ask: Ask,
        encode: Encode,
        follow: Callable[[Stream, Listener], object] = lambda _, __: None,
        unfollow: Callable[[Stream, Listener], None] = lambda _, __: None,
        app_of: Callable[[str], App | None] = lambda _: None,
    ) -> None:
        self._ask = ask
        self._follow = follow
        self._unfollow = unfollow
        self._app_of = app_of
        self._encode = encode
        self._watched: dict[Stream, _Watched] = {}

    def watch(
        self, app: App, channel: str, watcher: Watcher, viewer: Viewer, seqs: Iterable[int]
    ) -> None:
        """The watcher shows these messages now, none: not any more."""
        stream, wanted = (app.name, channel), _Look(frozenset(seqs), viewer)
        if not wanted.seqs:
            self.left(stream, watcher)
            return

        def answered(refusal: Rejected | None, data: Json) -> None:
            watched = self._watched.get(stream)
            if watched is None or watched.watchers.get(watcher) is not wanted:
                return  # he shows others by now
            if refusal is not None:
                self._refused(watched, [watcher])
                return
            counts = _by_seq(data)
            for seq, receipt in counts.items():
                watched.counts.setdefault(seq, receipt)
            # What others were told meanwhile is newer than this answer, or the next turn's.
            known = [watched.counts[seq] for seq in sorted(counts)]
            watcher.outgoing.push_signal(self._push(channel, watcher, known))

        watched = self._watched.get(stream)
        if watched is None:
            watched = self._watched[stream] = _Watched(app)
            self._follow(stream, watched)
        watched.deaf.pop(watcher, None)
        watched.watchers[watcher] = wanted
        watched.keep_shown()
        request = ReceiptsRequest(channel, tuple(sorted(wanted.seqs)))
        self._ask(QueryCall(channel, RECEIPTS_GET, request), app, viewer, answered)

    def left(self, stream: Stream, watcher: Watcher) -> None:
        """The watcher's subscription is over. Idempotent."""
        watched = self._watched.get(stream)
        if watched is None:
            return
        watched.watchers.pop(watcher, None)
        watched.deaf.pop(watcher, None)
        watched.keep_shown()
        if not watched.watchers and not watched.deaf:
            del self._watched[stream]
            self._unfollow(stream, watched)

    def stirred(self, stream: Stream) -> None:
        """Marks moved in this channel."""
        watched = self._watched.get(stream)
        if watched is not None:
            watched.stirred = True

    def tick(self) -> None:
        """Once an interval: ask anew where something moved."""
        for stream, watched in list(self._watched.items()):
            watched.app = self._app_of(stream[0]) or watched.app
            if watched.app.settings is not watched.settings:
                watched.settings, watched.doubts = watched.app.settings, SETTINGS_TURNS
            if watched.asking:
                continue
            if watched.doubts:
                watched.doubts -= 1
                for watcher, look in list(watched.deaf.items()):  # may they see it now?
                    self.watch(watched.app, stream[1], watcher, look.viewer, look.seqs)
                self._refresh(stream, watched, is_doubtful=True)
            elif watched.stirred:
                self._refresh(stream, watched, is_doubtful=False)

    def _refresh(self, stream: Stream, watched: _Watched, *, is_doubtful: bool) -> None:
        watched.stirred = False
        channel = stream[1]
        seqs = sorted(watched.shown)[-SEQS_MAX:]
        changed: dict[int, bytes] = {}
        users: tuple[str, ...] = ()
        if is_doubtful:
            self._refused(
                watched, [w for w, look in watched.watchers.items() if _is_apart(look, watched)]
            )
            users = tuple(
                {look.viewer.user for look in watched.watchers.values() if not _is_staff(look)}
            )

        def answered(refusal: Rejected | None, data: Json) -> None:
            watched.asking -= 1
            if refusal is not None:
                watched.stirred = True  # the next turn asks again
                watched.doubts = max(watched.doubts, int(is_doubtful))
            else:
                answer = decode_json(data, _Receipts)
                self._refused(
                    watched,
                    [
                        watcher
                        for watcher, look in watched.watchers.items()
                        if look.viewer.user in answer.refused and not _is_staff(look)
                    ],
                )
                for seq, receipt in _by_seq(data).items():
                    if watched.counts.get(seq) != receipt:
                        watched.counts[seq] = changed[seq] = receipt
            if watched.asking or not changed or self._watched.get(stream) is not watched:
                return
            if watched.doubts:  # it was asked for before that: the next turn finds it changed
                watched.stirred = True
                for seq in changed:
                    watched.counts.pop(seq, None)
            else:
                self._tell(channel, watched, changed)

        parts = [seqs[at : at + MESSAGES_MAX] for at in range(0, len(seqs), MESSAGES_MAX)]
        watched.asking = len(parts)
        for part in parts:
            call = QueryCall(channel, RECEIPTS_GET, ReceiptsRequest(channel, tuple(part)))
            if is_doubtful:
                asked = WatchedRequest(channel, tuple(part), users)
                call = QueryCall(channel, RECEIPTS_WATCHED, asked)
            self._ask(call, watched.app, EDGE, answered)

    def _refused(self, watched: _Watched, watchers: Iterable[Watcher]) -> None:
        """These may not see it: they hear nothing until they may."""
        for watcher in watchers:
            look = watched.watchers.pop(watcher, None)
            if look is not None:
                watched.deaf[watcher] = look
        watched.keep_shown()

    def _tell(self, channel: str, watched: _Watched, changed: dict[int, bytes]) -> None:
        pushes: dict[tuple[Variant, frozenset[int]], bytes] = {}  # most show the same messages
        for watcher, (seqs, _) in watched.watchers.items():
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


def _is_staff(look: _Look) -> bool:
    """Whether he may see it whatever he is in the channel."""
    return Action.SEE_RECEIPTS in of_authority(look.viewer.authority)


def _is_apart(look: _Look, watched: _Watched) -> bool:
    """Whether he is a guest of an app that does not show them receipts: no channel knows who is."""
    allowed = watched.settings.guest_capabilities
    return look.viewer.guest and Action.SEE_RECEIPTS not in allowed and not _is_staff(look)


def _by_seq(data: Json) -> dict[int, bytes]:
    """Each message's receipt, as it stands in the answer."""
    receipts = decode_json(data, _Receipts).receipts
    return {decode_json(bytes(raw), _Seq).seq: bytes(raw) for raw in receipts}
