"""Users on somebody's screen: one push a second with those who came, went or changed. Pure.

Rules (decision record 0026):
1. A session names at most LOOKED_AT_MAX users (`presence.watch`); the last word counts, and it ends
   with the session. The edge listens to the stream of each of them, once for all its sessions.
2. How a user is, is kept once for the edge, from his leader's signals and answers; what a session
   may see of him (`Sees`) is kept for the pair, from the errand that the session's own rights went
   through. A push says what both come to, and only what it did not say before.
3. A signal that comes while an answer is awaited may be older or newer than it: the leader is asked
   again. So it is after a hole, another router, another leader (`doubt`).
4. A new leader may not know somebody yet (`is_settled`): who was there stays, and is asked about
   again until it does.
5. A turn of `tell` compares PAIRS_PER_TICK pairs of user and session; what is left is told by the
   next one, as it is then.
6. Whatever may change who sees whom (an event of either's stream: audience, list of channels) has
   the pair looked at anew, LOOKS_PER_TICK sessions a second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, Literal, Protocol

from edge.carriers import Stream
from edge.hub import Channel, Hub
from hubbub.base.units import SECOND_MS
from hubbub.features.publication import rfc3339
from hubbub.wire.codec import decode_json, dump_json, encode_json
from hubbub.wire.event import LISTS, UNLISTS, StoredEvent
from hubbub.wire.presence import PRESENCE_LOOK, Looked, LookRequest, Moved, Sees, State
from hubbub.wire.shapes import HeadAsk, HeadRow, Viewer

TELL_MS: Final = 250  # who was not told for long hears it so soon
LOOKS_PER_TICK: Final = 100  # errands; each costs a query for each user in doubt
# Some 40 ms of work. Half: a burst takes longer to tell; double: the loop stands longer.
PAIRS_PER_TICK: Final = 10_000
EDGE: Final = Viewer(user="", authority="edge")
_NOBODY: Final = b'{"state":"offline"}'  # who may not be seen
_EVERYBODY: Final = encode_json(LookRequest())

Rows = dict[str, Looked]
Ask = Callable[
    [
        list[HeadAsk],
        Callable[[list[tuple[HeadAsk, HeadRow]]], None],
        Callable[[list[Stream]], None],
    ],
    None,
]


class Listener(Protocol):
    """A session as seen from here."""

    app: str
    user: str

    def push_heads(self, data: bytes) -> None:
        """Send a publication without an offset on the user's stream."""
        ...


class Screen:
    """What one session watches."""

    __slots__ = ("doubts", "is_looking", "listener", "next_ms", "sees", "told")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.sees: dict[str, int] = {}  # by user, as far as it is known
        self.told: dict[str, bytes] = {}
        self.doubts: dict[str, None] = {}  # what it may see of them may have changed
        self.is_looking = False
        self.next_ms = 0  # when it may be told again

    @property
    def own(self) -> Stream:
        """The stream of its user."""
        return (self.listener.app, "#" + self.listener.user)


class _Watched:
    """A user whom somebody here watches."""

    __slots__ = ("last_seen_ms", "screens", "state", "version")

    def __init__(self) -> None:
        self.screens: dict[Screen, None] = {}
        self.state: State | Literal[""] = ""  # not known yet
        self.last_seen_ms = 0
        self.version = 0  # of signals


# Asks for these users in the eyes of the session; the answer, or None, comes once.
Look = Callable[[Screen, list[str], Callable[[Rows | None], None]], None]


class Watching:
    """All watched users of an edge.

    Args: ask: sends HEADS questions. look: runs the errand of `presence.watch` for a session.
    slot_of: the slot of a stream. sight: types of events after which a user is seen by others, or
    sees them, in another way.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        ask: Ask,
        look: Look,
        slot_of: Callable[[str, str], int],
        sight: Collection[str],
    ) -> None:
        self._hub = hub
        self._ask = ask
        self._look = look
        self._slot_of = slot_of
        self._sight = sight
        self._watched: dict[Stream, _Watched] = {}
        self._own: dict[Stream, dict[Screen, None]] = {}  # of those who watch
        self._moved: dict[Stream, None] = {}
        self._doubtful: dict[Stream, None] = {}
        self._looking: dict[Screen, None] = {}  # that have doubts, the oldest first

    # --- sessions

    def watch(self, screen: Screen, users: Iterable[str]) -> Rows:
        """These are on the screen now; `looked` follows with how they are. What comes back is known
        already: who stays on a screen is not asked about again."""
        app, wanted = screen.listener.app, dict.fromkeys(users)
        was_watching = bool(screen.sees)
        for user in [user for user in screen.sees if user not in wanted]:
            self._drop(screen, user)
        for user in wanted:
            if user not in screen.sees:
                screen.sees[user] = 0
                stream = (app, "#" + user)
                watched = self._watched.get(stream)
                if watched is None:
                    watched = self._watched[stream] = _Watched()
                    self._listen(stream)
                watched.screens[screen] = None
        if bool(wanted) is not was_watching:
            self._watch_own(screen, bool(wanted))
        return {user: row for user in wanted if (row := self._known(screen, user)) is not None}

    def looked(self, screen: Screen, rows: Rows) -> None:
        """The answer that the session is given: what it tells is not told again."""
        for user, row in rows.items():
            if user in screen.sees:
                self._seen(screen, user, row)
                screen.told[user] = _shown(row.state, row.last_seen_ms, row.sees)
                self._moved[screen.listener.app, "#" + user] = None

    def left(self, screen: Screen) -> None:
        """The session is over. Idempotent."""
        self.watch(screen, ())

    # --- what happens

    def signal(self, stream: Stream, data: bytes) -> None:
        """His leader says how a user is."""
        watched = self._watched.get(stream)
        if watched is None:
            return
        moved = decode_json(data, Moved)
        watched.version += 1
        self._is(stream, watched, moved.state, moved.last_seen_ms)

    def note(self, channel: Channel, event: StoredEvent) -> None:
        """An event of a stream that is watched."""
        stream, user = channel.stream, channel.stream[1][1:]
        is_sight = event.head.type in self._sight
        if not is_sight and not event.head.flags & (LISTS | UNLISTS):
            return
        watched = self._watched.get(stream)
        for screen in watched.screens if watched is not None else ():
            if is_sight or screen.sees[user] & Sees.BY_LIST:
                self._doubt(screen, (user,))
        for screen in self._own.get(stream, ()):
            self._doubt(
                screen, [u for u, sees in screen.sees.items() if is_sight or sees & Sees.BY_LIST]
            )

    def doubt(self, stream: Stream) -> None:
        """Signals of this stream may have been lost."""
        if stream in self._watched:
            self._doubtful[stream] = None

    def tick(self) -> None:
        """Once a second: ask what is in doubt."""
        self._ask_doubtful()
        self._look_anew()

    def tell(self, now_ms: int) -> None:
        """Every TELL_MS: push what changed to the sessions that were not told within a second."""
        pushes: dict[Screen, dict[str, bytes]] = {}
        left, later = PAIRS_PER_TICK, list[Stream]()
        for stream in list(self._moved):
            if left <= 0:
                break
            del self._moved[stream]
            watched = self._watched.get(stream)
            if watched is not None and watched.state:
                left -= len(watched.screens)
                if not _compare(stream[1][1:], watched, now_ms, pushes):
                    later.append(stream)
        self._moved.update(dict.fromkeys(later))
        for screen, rows in pushes.items():
            screen.next_ms = now_ms + SECOND_MS
            screen.listener.push_heads(push_json(rows))

    @property
    def user_count(self) -> int:
        """Users who are watched by somebody here."""
        return len(self._watched)

    # --- inside

    def _known(self, screen: Screen, user: str) -> Looked | None:
        """What a session would be answered of a user, if nothing of it is in doubt."""
        stream = (screen.listener.app, "#" + user)
        watched = self._watched[stream]
        in_doubt = stream in self._doubtful or user in screen.doubts or screen.is_looking
        if in_doubt or user not in screen.told or user == screen.listener.user:
            return None
        return _looked(watched, screen.sees[user])

    def _is(self, stream: Stream, watched: _Watched, state: State, last_seen_ms: int) -> None:
        if (state, last_seen_ms) != (watched.state, watched.last_seen_ms):
            watched.state, watched.last_seen_ms = state, last_seen_ms
            self._moved[stream] = None

    def _seen(self, screen: Screen, user: str, row: Looked) -> None:
        """What an answer in the eyes of a session says."""
        stream = (screen.listener.app, "#" + user)
        watched = self._watched[stream]
        screen.sees[user] = row.sees
        if not watched.state:
            self._is(stream, watched, row.state, row.last_seen_ms)
        elif (row.state, row.last_seen_ms) != (watched.state, watched.last_seen_ms):
            self._doubtful[stream] = None  # one of the two is older

    def _ask_doubtful(self) -> None:
        doubtful, self._doubtful = self._doubtful, {}
        versions = {s: self._watched[s].version for s in doubtful if s in self._watched}
        if not versions:
            return

        def answered(pairs: list[tuple[HeadAsk, HeadRow]]) -> None:
            for _, row in pairs:
                stream = (row.app, row.key)
                self._hub.head_is(stream, row.seq, row.epoch)
                watched = self._watched.get(stream)
                if watched is None:
                    continue
                looked = decode_json(row.answer, Looked) if row.answer else None
                if looked is None or watched.version != versions[stream] or _waits(watched, looked):
                    self._doubtful[stream] = None
                else:
                    self._is(stream, watched, looked.state, looked.last_seen_ms)

        def failed(streams: list[Stream]) -> None:
            for stream in streams:
                self.doubt(stream)

        asks = [
            HeadAsk(self._slot_of(*s), *s, query=PRESENCE_LOOK, args=_EVERYBODY, viewer=EDGE)
            for s in versions
        ]
        self._ask(asks, answered, failed)

    def _doubt(self, screen: Screen, users: Iterable[str]) -> None:
        screen.doubts.update(dict.fromkeys(users))
        if screen.doubts:
            self._looking[screen] = None

    def _look_anew(self) -> None:
        for screen in list(self._looking)[:LOOKS_PER_TICK]:
            del self._looking[screen]
            if screen.is_looking:
                self._looking[screen] = None  # behind the others
                continue
            users = [user for user in screen.doubts if user in screen.told]
            screen.doubts = {}
            if users:
                self._look_of(screen, users)

    def _look_of(self, screen: Screen, users: list[str]) -> None:
        def answered(rows: Rows | None) -> None:
            screen.is_looking = False
            if rows is None:
                self._doubt(screen, [user for user in users if user in screen.sees])
                return
            for user, row in rows.items():
                if user in screen.sees:
                    self._seen(screen, user, row)
                    self._moved[screen.listener.app, "#" + user] = None

        screen.is_looking = True
        self._look(screen, users, answered)

    def _drop(self, screen: Screen, user: str) -> None:
        stream = (screen.listener.app, "#" + user)
        screen.told.pop(user, None)
        screen.doubts.pop(user, None)
        del screen.sees[user]
        watched = self._watched[stream]
        del watched.screens[screen]
        if not watched.screens:
            del self._watched[stream]
            self._let_go(stream)

    def _watch_own(self, screen: Screen, is_watching: bool) -> None:
        """Events of its own user's stream matter as long as it watches anybody."""
        if is_watching:
            screens = self._own.setdefault(screen.own, {})
            if not screens:
                self._listen(screen.own)
            screens[screen] = None
            return
        self._looking.pop(screen, None)
        screens = self._own[screen.own]
        del screens[screen]
        if not screens:
            del self._own[screen.own]
            self._let_go(screen.own)

    def _listen(self, stream: Stream) -> None:
        state = self._hub.open(stream)
        state.watch += 1
        if state.position is None:
            self._doubtful[stream] = None

    def _let_go(self, stream: Stream) -> None:
        state = self._hub.channels[stream]
        state.watch -= 1
        self._hub.let_go(state)


def _compare(
    user: str, watched: _Watched, now_ms: int, pushes: dict[Screen, dict[str, bytes]]
) -> bool:
    """Add to `pushes` where a screen was told something else of him; False: somebody is to be told
    later."""
    shown: dict[int, bytes] = {}
    is_done = True
    for screen in watched.screens:
        if user not in screen.told:
            continue  # its first answer is on the way
        sees = screen.sees[user]
        row = shown.get(sees)
        if row is None:
            row = shown[sees] = _shown(watched.state, watched.last_seen_ms, sees)
        if row == screen.told[user]:
            continue
        if screen.next_ms > now_ms:
            is_done = False
        else:
            screen.told[user] = pushes.setdefault(screen, {})[user] = row
    return is_done


def _looked(watched: _Watched, sees: int) -> Looked | None:
    return Looked(watched.state, watched.last_seen_ms, sees) if watched.state else None


def _waits(watched: _Watched, looked: Looked) -> bool:
    """A new leader does not know him, who was there: not yet, perhaps."""
    return not looked.is_settled and watched.state not in ("", "offline")


def _shown(state: str, last_seen_ms: int, sees: int) -> bytes:
    """A user as one may see him: features.presence.seen, for pushes."""
    if not sees & Sees.STATE:
        return _NOBODY
    if state == "offline" and last_seen_ms and sees & Sees.LAST_SEEN:
        return b'{"state":"offline","last_seen":"%b"}' % rfc3339(last_seen_ms).encode()
    return b'{"state":"%b"}' % state.encode()


def push_json(rows: dict[str, bytes]) -> bytes:
    """The publication of these users."""
    users = b",".join(dump_json(user) + b":" + row for user, row in rows.items())
    return b'{"t":"presence","users":{%b}}' % users
