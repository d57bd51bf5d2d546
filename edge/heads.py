"""Heads: what happens in channels that are not open, as one coalesced push a second. Pure.

Rules:
1. A session hears of the channels in its user's list (the most recent ones), except those it is
   itself subscribed to. An event of such a channel only marks it; nothing is sent at once.
2. Once an interval each marked session gets one publication without an offset on its user's stream:
   {"t": "heads", "heads": {channel: {seq, ts, preview?, unread?, …}}}.
3. Unread figures are the node's, asked in one batch for each leader and only for channels on
   somebody's screen. The first heads after a connect hold all channels of the list, with figures
   and previews; those that the connect's own answer brought (`Greeting`) are not repeated. They
   leave out whom the user blocks: the question says who that is.
4. The same answer tells the hub where a channel stands that nobody here is subscribed to: from
   there on its events are noted.
5. What a session that ended heard of, or had open of its list, stays watched for LINGER_TICKS, up
   to LINGERING_MAX channels (the longest lingering goes first): most who go come back, and interest
   in a list of channels is dear to take and to drop in edge, router and node.
6. A question about channels that are watched already goes to their leader by any router, since no
   interest must arrive before it; what it says of their position is not needed then.

Long because pushes and the heads of a connect's answer rest on the same watching.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from edge.blocking import Blocked, is_by
from edge.carriers import Stream
from edge.hub import Channel, Hub
from hubbub.features.head_lines import Line, heads_json, line_json
from hubbub.wire.event import COUNTABLE, StoredEvent
from hubbub.wire.shapes import HeadAsk, HeadRow, Lines, LinesAsk

Answered = Callable[[list[tuple[HeadAsk, HeadRow]]], None]
Failed = Callable[[list[Stream]], None]
# The last one: streams whose interest must be there before the question.
Ask = Callable[[list[HeadAsk], Answered, Failed, Collection[Stream]], None]
# Called for each leader with its part; None: it did not answer.
LinesCame = Callable[[LinesAsk, Lines | None], None]
AskLines = Callable[[str, str, Sequence[str], LinesCame], None]  # app, user, channels

PREVIEW_BYTES_MAX: Final = 1_024  # a longer message is not repeated in a head
GREETING_TURNS: Final = 2  # ticks: 1 to 2 s, well before the SDKs give a connect up
# Phones that change networks, pages that are loaded again. Double hardly finds more of them.
LINGER_TICKS: Final = 30
LINGERING_MAX: Final = 20_000  # 1 KB each here, less in router and node
_MISSING: Final = object()


class Listener(Protocol):
    """A session as seen from here."""

    app: str
    user: str

    @property
    def blocked(self) -> Blocked:
        """Whom the user does not want to hear of."""
        ...

    def push_heads(self, data: bytes) -> None:
        """Send a publication without an offset on the user's stream."""
        ...


class Head(NamedTuple):
    """Where a channel stands; `preview` is the last message's own JSON or empty."""

    seq: int
    ts_ms: int
    preview: bytes


class HeadsOf:
    """What one session hears of."""

    __slots__ = ("channels", "listener", "marked", "open", "screen")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.channels: dict[str, None] = {}
        self.open: set[str] = set()  # subscribed by the session itself
        self.screen: frozenset[str] = frozenset()
        self.marked: dict[str, Head] = {}


class Greeting:
    """The heads that belong to a connect's answer: greet({channel: head} as JSON) is called once,
    also when some leader is away."""

    __slots__ = ("brought", "channels_max", "greet", "missing", "parts", "turns_left")

    def __init__(
        self, channels_max: int, greet: Callable[[bytes], None], brought: Lines | None = None
    ) -> None:
        """Args: brought: those that came with the user's stream."""
        self.channels_max = channels_max
        self.greet = greet
        self.brought = brought
        self.parts: list[bytes] = []  # lines, as members of a JSON object
        self.missing: dict[str, None] = {}
        self.turns_left = 0


class Heads:
    """Head interest of all sessions of an edge.

    Args: ask(asks, answered, failed): sends HEADS questions. slot_of: the slot of a stream.
    ask_lines(app, user, channels, came): the same for lines.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        ask: Ask,
        slot_of: Callable[[str, str], int],
        ask_lines: AskLines,
    ) -> None:
        self._hub = hub
        self._ask = ask
        self._ask_lines = ask_lines
        self._slot_of = slot_of
        self._watchers: dict[Stream, dict[HeadsOf, None]] = {}
        self._marked: dict[HeadsOf, None] = {}
        self._wanted: dict[Stream, dict[HeadsOf, None]] = {}
        self._greetings: dict[Greeting, HeadsOf] = {}
        self._lingering: OrderedDict[Stream, int] = OrderedDict()  # until which tick
        self._ticks = 0

    @property
    def lingering(self) -> int:
        """Channels that are watched for nobody."""
        return len(self._lingering)

    # --- sessions

    def open(
        self,
        listener: Listener,
        channels: Iterable[str],
        limit: int,
        greeting: Greeting | None = None,
    ) -> HeadsOf:
        """A session signed in; its first heads (all channels, with figures) are asked for.

        Those of `greeting` are not: `greet` follows, once the session knows what is returned.
        """
        mine = HeadsOf(listener)
        heard = list(channels)[:limit]
        mine.channels = dict.fromkeys(heard)
        self._watch_all(mine)
        greeted = greeting.channels_max if greeting is not None else 0
        self.ask_figures(mine, heard[greeted:])
        return mine

    def greet(self, mine: HeadsOf, greeting: Greeting) -> None:
        """Have its first channels' heads told to `greeting` alone: what came with the user's
        stream, and for the rest one question a leader. It may be done before this returns."""
        app, user = mine.listener.app, mine.listener.user
        first = list(mine.channels)[: greeting.channels_max]
        self._greetings[greeting] = mine
        greeting.turns_left = GREETING_TURNS
        lacking = self._take_brought(mine, greeting, first)
        greeting.missing = dict.fromkeys(lacking)
        fresh = self._unsettled([(app, c) for c in lacking])
        # A line is for those who block nobody, and says nothing of the stream's incarnation.
        is_plain = not mine.listener.blocked
        lines = [c for c in lacking if is_plain and (app, c) not in fresh]
        rows = [c for c in lacking if not is_plain or (app, c) in fresh]
        if rows:
            self._ask_rows(mine, greeting, rows, fresh)
        if lines:

            def came(part: LinesAsk, told: Lines | None) -> None:
                self._lines_came(mine, greeting, part, told)

            self._ask_lines(app, user, lines, came)
        self._greeted(greeting)

    def _take_brought(self, mine: HeadsOf, greeting: Greeting, first: list[str]) -> list[str]:
        """Use the lines that came with the user's stream; the channels of which there is none.

        They were made before it was known here which channels to follow: an event that overtook
        them is known by the channel's position, and where that is not known it is asked for.
        """
        brought = greeting.brought
        if brought is None or mine.listener.blocked or len(brought.seqs) != len(first):
            return first  # somebody was blocked meanwhile, or settings differ for a moment
        if brought.json:
            greeting.parts.append(brought.json)
        unsure: dict[str, int] = {}
        app, channels = mine.listener.app, self._hub.channels
        pairs = list(zip(first, brought.seqs, strict=True))
        for channel, seq in pairs:
            if seq < 0:
                continue
            position = channels[app, channel].position
            if position is None:
                unsure[channel] = seq
            elif seq < position:
                self.ask_figures(mine, (channel,))
        if unsure:
            self._confirm(mine, unsure)
        return [channel for channel, seq in pairs if seq < 0]

    def _confirm(self, mine: HeadsOf, lines: dict[str, int]) -> None:
        """Whether these channels stand where they stood when their lines were made: else they are
        told again."""
        app = mine.listener.app

        def answered(pairs: list[tuple[HeadAsk, HeadRow]]) -> None:
            for _, row in pairs:
                self._hub.head_is((app, row.key), row.seq, row.epoch)
                if row.seq != lines[row.key] and row.key in mine.channels:
                    self.ask_figures(mine, (row.key,))

        def failed(streams: list[Stream]) -> None:
            self.ask_figures(mine, [c for _, c in streams if c in mine.channels])

        asks = [HeadAsk(self._slot_of(app, c), app, c) for c in lines]
        self._ask(asks, answered, failed, {(app, c) for c in lines})

    def _ask_rows(
        self, mine: HeadsOf, greeting: Greeting, channels: list[str], fresh: set[Stream]
    ) -> None:
        app, user = mine.listener.app, (mine.listener.user,)

        def answered(pairs: list[tuple[HeadAsk, HeadRow]]) -> None:
            for _, row in pairs:
                if (row.app, row.key) in fresh:
                    self._hub.head_is((row.app, row.key), row.seq, row.epoch)
                if row.key in greeting.missing and greeting in self._greetings:
                    del greeting.missing[row.key]
                    figures = row.fields[0] if row.fields else b""
                    preview = _preview(mine, row)
                    line = line_json(row.key, row.seq, row.ts_ms, preview, figures)
                    greeting.parts.append(line)
            self._greeted(greeting)

        def failed(streams: list[Stream]) -> None:
            self._not_told(mine, greeting, [channel for _, channel in streams])

        blocked = _lists([mine.listener.blocked])
        asks = [
            HeadAsk(self._slot_of(app, c), app, c, users=user, preview=True, blocked=blocked)
            for c in channels
        ]
        self._ask(asks, answered, failed, fresh)

    def _lines_came(
        self, mine: HeadsOf, greeting: Greeting, ask: LinesAsk, lines: Lines | None
    ) -> None:
        if lines is None:
            self._not_told(mine, greeting, ask.keys)
            return
        if greeting not in self._greetings:
            return
        if lines.json:
            greeting.parts.append(lines.json)
        pairs = list(zip(ask.keys, lines.seqs, strict=True))
        told = {channel for channel, seq in pairs if seq >= 0}
        greeting.missing = {channel: None for channel in greeting.missing if channel not in told}
        self._not_told(mine, greeting, [channel for channel, seq in pairs if seq < 0])

    def _not_told(self, mine: HeadsOf, greeting: Greeting, channels: Iterable[str]) -> None:
        """Their leader is away or another one: they come in a push."""
        for channel in channels:
            if greeting.missing.pop(channel, _MISSING) is None and channel in mine.channels:
                self.ask_figures(mine, (channel,))
        self._greeted(greeting)

    def _greeted(self, greeting: Greeting) -> None:
        if not greeting.missing and self._greetings.pop(greeting, None) is not None:
            greeting.greet(b"{%b}" % b",".join(greeting.parts))

    def close(self, mine: HeadsOf) -> None:
        """The session ends; its subscriptions are over afterwards."""
        for channel in mine.channels:
            if channel in mine.open:
                self._linger_open((mine.listener.app, channel))
            else:
                self._unwatch(mine, channel, lingers=True)
            wanted = self._wanted.get((mine.listener.app, channel))
            if wanted is not None:
                wanted.pop(mine, None)
        mine.channels = {}  # what is being asked finds nobody
        for greeting in [g for g, of in self._greetings.items() if of is mine]:
            del self._greetings[greeting]
        mine.marked = {}
        self._marked.pop(mine, None)

    def listed(self, mine: HeadsOf, channels: Iterable[str], limit: int) -> None:
        """Channels joined the user's list."""
        for channel in channels:
            if channel not in mine.channels and len(mine.channels) < limit:
                mine.channels[channel] = None
                self._watch(mine, channel)
                self.ask_figures(mine, (channel,))

    def unlisted(self, mine: HeadsOf, channels: Iterable[str]) -> None:
        """Channels left the user's list."""
        for channel in channels:
            if channel in mine.channels:
                self._unwatch(mine, channel)
                del mine.channels[channel]
                mine.marked.pop(channel, None)

    def subscribed(self, mine: HeadsOf, channel: str) -> None:
        """The session opened a channel: it needs no heads of it."""
        if channel in mine.channels:
            self._unwatch(mine, channel)
        mine.open.add(channel)
        mine.marked.pop(channel, None)

    def unsubscribed(self, mine: HeadsOf, channel: str) -> None:
        """The session closed a channel."""
        mine.open.discard(channel)
        if channel in mine.channels:
            self._watch(mine, channel)
            if self._unsettled([(mine.listener.app, channel)]):
                self.ask_figures(mine, (channel,))

    def set_screen(self, mine: HeadsOf, channels: frozenset[str]) -> None:
        """What is on the session's screen: those channels' heads carry figures."""
        fresh = [c for c in channels - mine.screen if c in mine.channels]
        mine.screen = channels
        self.ask_figures(mine, fresh)

    # --- what happens

    def note(self, channel: Channel, event: StoredEvent) -> None:
        """An event of a watched channel."""
        watchers = self._watchers.get(channel.stream)
        if watchers is None:
            return
        preview = b""
        if event.head.flags & COUNTABLE and len(event.data) <= PREVIEW_BYTES_MAX:
            preview = event.data
        head = Head(event.seq, event.head.ts_ms, preview)
        name = channel.stream[1]
        for mine in watchers:
            if event.head.by in mine.listener.blocked:
                continue
            mine.marked[name] = head
            self._marked[mine] = None

    def tick(self) -> None:
        """Once an interval: one push for each marked session, figures for what is on screens."""
        self._ticks += 1
        while self._lingering and next(iter(self._lingering.values())) <= self._ticks:
            self._end_oldest()
        for greeting, mine in list(self._greetings.items()):
            greeting.turns_left -= 1
            if not greeting.turns_left:  # a leader is away: its channels come when it is back
                self.ask_figures(mine, greeting.missing)
                greeting.missing = {}
                self._greeted(greeting)
        marked, self._marked = self._marked, {}
        for mine in marked:
            on_screen = [c for c in mine.marked if c in mine.screen]
            self.ask_figures(mine, on_screen)
            plain = {c: head for c, head in mine.marked.items() if c not in mine.screen}
            mine.marked = {}
            if plain:
                mine.listener.push_heads(
                    heads_json((c, h.seq, h.ts_ms, h.preview, b"") for c, h in plain.items())
                )

    def ask_figures(self, mine: HeadsOf, channels: Iterable[str]) -> None:
        """Have these channels' heads with figures pushed: asked with everybody's at the next
        `flush`."""
        for channel in channels:
            self._wanted.setdefault((mine.listener.app, channel), {})[mine] = None

    def flush(self) -> None:
        """Ask what is wanted: one row a stream with all its users."""
        wanted, self._wanted = self._wanted, {}
        if not wanted:
            return
        asks = [self._question(s, sessions) for s, sessions in wanted.items() if sessions]
        if not asks:
            return
        fresh = self._unsettled(wanted)

        def answered(pairs: list[tuple[HeadAsk, HeadRow]]) -> None:
            pushes: dict[HeadsOf, list[Line]] = {}
            for ask, row in pairs:
                if (row.app, row.key) in fresh:
                    self._hub.head_is((row.app, row.key), row.seq, row.epoch)
                figures = dict(zip(ask.users, row.fields, strict=False))
                for mine in wanted[(row.app, row.key)]:
                    if row.key in mine.channels:
                        mine_figures = figures.get(mine.listener.user, b"")
                        line = (row.key, row.seq, row.ts_ms, _preview(mine, row), mine_figures)
                        pushes.setdefault(mine, []).append(line)
            for mine, lines in pushes.items():
                mine.listener.push_heads(heads_json(lines))

        def failed(streams: list[Stream]) -> None:
            for stream in streams:
                still = {mine: None for mine in wanted[stream] if stream[1] in mine.channels}
                if still:
                    self._wanted.setdefault(stream, {}).update(still)

        self._ask(asks, answered, failed, fresh)

    # --- inside

    def _unsettled(self, streams: Iterable[Stream]) -> set[Stream]:
        """Those of which it is not known here where they stand."""
        channels = self._hub.channels
        return {s for s in streams if s not in channels or channels[s].position is None}

    def _question(self, stream: Stream, sessions: Iterable[HeadsOf]) -> HeadAsk:
        users = {mine.listener.user: mine.listener.blocked for mine in sessions}
        return HeadAsk(
            self._slot_of(*stream),
            *stream,
            users=tuple(users),
            preview=True,
            blocked=_lists(users.values()),
        )

    def _watch(self, mine: HeadsOf, channel: str) -> None:
        if channel in mine.open:
            return
        stream = (mine.listener.app, channel)
        watchers = self._watchers.get(stream)
        if watchers is not None:
            watchers[mine] = None
            return
        self._watchers[stream] = {mine: None}
        if self._lingering.pop(stream, None) is None:  # else it was watched all the time
            self._hub.open(stream).watch += 1

    def _watch_all(self, mine: HeadsOf) -> None:
        """The channels of a list, in line: there are hundreds."""
        app, watchers_of = mine.listener.app, self._watchers
        for channel in mine.channels:
            stream = (app, channel)
            if stream in watchers_of:
                watchers_of[stream][mine] = None
            else:
                self._watch(mine, channel)

    def _unwatch(self, mine: HeadsOf, channel: str, *, lingers: bool = False) -> None:
        stream = (mine.listener.app, channel)
        watchers = self._watchers.get(stream)
        if watchers is None or mine not in watchers:
            return
        del watchers[mine]
        if watchers:
            return
        del self._watchers[stream]
        if lingers and self._hub.channels[stream].position is not None:
            self._linger(stream)
        else:
            self._let_go(stream)

    def _linger_open(self, stream: Stream) -> None:
        """Whoever had it open goes: it is watched from here on, unless it is so by others."""
        state = self._hub.channels.get(stream)
        if stream in self._watchers or state is None or state.position is None:
            return
        if self._lingering.pop(stream, None) is None:
            state.watch += 1
        self._linger(stream)

    def _linger(self, stream: Stream) -> None:
        self._lingering[stream] = self._ticks + LINGER_TICKS
        if len(self._lingering) > LINGERING_MAX:
            self._end_oldest()

    def _end_oldest(self) -> None:
        stream, _ = self._lingering.popitem(last=False)
        self._let_go(stream)

    def _let_go(self, stream: Stream) -> None:
        state = self._hub.channels[stream]
        state.watch -= 1
        self._hub.let_go(state)


def _lists(blocked: Collection[Blocked]) -> tuple[tuple[str, ...], ...]:
    """As a question has them: empty where nobody blocks anybody."""
    return tuple(tuple(one) for one in blocked) if any(blocked) else ()


def _preview(mine: HeadsOf, row: HeadRow) -> bytes:
    """The last message, unless it is of somebody whom this user blocks."""
    blocked = mine.listener.blocked
    return b"" if blocked and row.preview and is_by(row.preview, blocked) else row.preview
