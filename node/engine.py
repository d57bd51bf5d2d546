"""One command becomes one entry: guards → decide → entry → apply → effects. Pure.

Rules (contracts.md 3 and 4):
1. Guards and `decide` read committed and pending rows and may refuse; a refusal stores nothing.
2. `apply` runs at once on the overlay and never refuses; the same function replays an entry, so
   that a replay cannot differ. What a feature breaks is undone whole and answered as `internal`.
3. Numbered events take the stream's next seqs; each is encoded once, and those bytes are the log's
   row, the history's and the EVENT's. Signals are published without the log.
4. No events: a success without an entry. A Forward leaves an entry even when it is refused, because
   its number must be remembered; so does what fell due, because its row must go.
5. Log time never falls within a slot: max(wall clock, the slot's last entry).

Long because every hook of a feature that a node calls is called here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from hubbub.base.errors import BAD_REQUEST, INTERNAL, METHOD_NOT_FOUND, NOT_FOUND, Rejected
from hubbub.base.ids import message_id
from hubbub.coordinator.records import Quotas
from hubbub.features.contract import (
    EVENTS_PER_COMMAND_MAX,
    Context,
    Decision,
    Due,
    Event,
    EventKind,
    Forward,
    Meta,
    Registry,
    Sign,
    Undue,
)
from hubbub.features.due import DUE, DueRow, change_due
from hubbub.features.publication import encode_publication, outcome, stamp
from hubbub.model.usage import Growth
from hubbub.ring.hashing import slot_of
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json, encode_json, encode_pack, shape_json
from hubbub.wire.event import encode_signal
from hubbub.wire.presence import Live
from hubbub.wire.shapes import Json, Outcome, Submit, Viewer
from node import keys
from node.due import DueChange
from node.entry import Entry, EntryKind, Origin
from node.overlay import Overlay, Stream, StreamTables
from node.store.api import DeleteRange, Family, Op
from node.usage import AppUsage, write

# Members of an enum cost ten times a global's look-up (Python 3.11): those that each command asks.
_COMMAND: Final = EntryKind.COMMAND
_NUMBERED: Final = EventKind.NUMBERED
_SIGNAL: Final = EventKind.SIGNAL
_NOBODY: Final = Viewer(user="")
SYSTEM: Final = "system"  # the authority of Forwards


class AppInfo(msgspec.Struct, frozen=True):
    """What the node needs to know of an app. `is_deleted`: its log is applied, nothing is asked."""

    id_secret: bytes
    settings: AppSettings
    is_deleted: bool = False
    quotas: Quotas = Quotas()


class OutboxRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A Forward as it lies in the outbox."""

    app: str
    key: str
    tag: str
    user: str  # the actor of the event
    body: Json


class QueuedForward(msgspec.Struct, frozen=True, gc=False):
    """A Forward with its number in its (source slot, target slot) pair."""

    source: int
    target: int
    n: int
    row: OutboxRow


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the next entry of a slot goes, and who the slot is."""

    slot: int
    index: int
    term: int
    ts_ms: int


class Made(msgspec.Struct, frozen=True):
    """An entry with all that it does. Nothing of it is visible before it is committed."""

    entry: Entry
    outcome: Outcome
    ops: list[Op]
    publications: tuple[tuple[int, bytes], ...] = ()  # (seq, row)
    signals: tuple[Json, ...] = ()
    forwards: tuple[QueuedForward, ...] = ()
    dues: tuple[DueChange, ...] = ()
    is_refused: bool = False  # a Forward, or what fell due: its entry is the only trace
    pulses: tuple[tuple[str, int], ...] = ()  # (feature, what): to be told within a second


class Answered(msgspec.Struct, frozen=True):
    """A success that needs no entry. `signals` may leave at once. `sign`: as of Publication."""

    outcome: Outcome
    signals: tuple[Json, ...] = ()
    sign: tuple[str, Sign] | None = None


class FeatureFailed(Exception):
    """A feature raised what it must not: a bug. Nothing of the command was kept."""


class Engine:
    """Runs features over one stream at a time; shared by all slots of a node."""

    def __init__(
        self, registry: Registry, apps: Callable[[str], AppInfo | None], slots: int, seed: int
    ) -> None:
        """Args: apps: app → its info, None if there is no such app."""
        self.registry = registry
        self.usage = AppUsage(slots)
        self._apps = apps
        self._slots = slots
        self._seed = seed

    def context(self, app: str, key: str, viewer: Viewer, now_ms: int, **more: Any) -> Context:
        """What hooks know besides the tables. Raises Rejected(NOT_FOUND) for an unknown app."""
        info = self._apps(app)
        if info is None or info.is_deleted:
            raise Rejected(NOT_FOUND, "there is no such app")
        return self._context(info, app, key, viewer, now_ms, **more)

    def _context(
        self, info: AppInfo, app: str, key: str, viewer: Viewer, now_ms: int, **more: Any
    ) -> Context:
        return Context(
            app=app,
            key=key,
            now_ms=now_ms,
            viewer=viewer,
            id_secret=info.id_secret,
            settings=info.settings,
            admit=self.registry.admit,
            usage_of=self.usage.known,
            **more,
        )

    # --- leader

    def run(
        self,
        overlay: Overlay,
        place: Place,
        app: str,
        key: str,
        submit: Submit,
        entropy: bytes,
        request_hash: int = 0,
        due: str = "",
    ) -> Made | Answered:
        """Decide a command and apply it to the overlay. Args: due: the name of the row that it was.

        Raises Rejected (nothing changed), FeatureFailed (nothing changed).
        """
        stream = overlay.stream(app, key)
        info = self._apps(app)
        if info is None:
            raise Rejected(NOT_FOUND, "there is no such app")
        ctx = self._context(
            info, app, key, submit.viewer, place.ts_ms, cmid=submit.cmid, entropy=entropy
        )
        is_forward, is_refused = submit.origin_slot >= 0, False
        try:
            if info.is_deleted:  # what was under way or falls due in it ends as a refusal
                raise Rejected(NOT_FOUND, "there is no such app")
            decision = self._decide(submit, overlay.live(stream), ctx)
            self._check_quotas(info, decision.events, overlay.live(stream), app)
        except Rejected as refusal:
            if not (is_forward or due) or refusal.error.temporary:
                raise
            decision, is_refused = Decision([]), True
        logged, signals = self._split(decision.events, ctx)
        if not logged and not is_refused and not due:
            sign = None if decision.sign is None else (ctx.actor, decision.sign)
            return Answered(_head_outcome(stream, decision.reply), signals, sign)
        entry = Entry(
            index=place.index,
            term=place.term,
            kind=_COMMAND,
            ts_ms=place.ts_ms,
            app=app,
            key=key,
            seq=stream.head.seq + 1,
            by=submit.viewer.user,
            cmid=submit.cmid,
            request_hash=request_hash,
            origin=_origin(submit) if is_forward else None,
            reply=decision.reply,
            events=tuple((event.TAG, encode_json(event)) for event in logged),
            due=due,
        )
        made = self._make(overlay, place.slot, stream, entry, logged, ctx.id_secret, signals)
        return msgspec.structs.replace(made, is_refused=True) if is_refused else made

    def shown(self, overlay: Overlay, app: str, key: str, live: Live) -> Json:
        """The body of the signal that says how others see the user of this stream. Raises
        FeatureFailed."""
        lease = self.registry.lease
        assert lease is not None
        stream = overlay.stream(app, key)
        meta = Meta(app, key, 0, stream.committed.ts_ms, "", "", "")
        try:
            return encode_signal(stamp(lease.told(live, overlay.committed(stream)), meta), b"")
        except Exception as error:  # boundary: a feature's bug is one signal's failure
            raise FeatureFailed(f"lease of {self.registry.lease_of}: {error!r}") from error

    def counted(
        self, overlay: Overlay, app: str, key: str, number: int, now_ms: int
    ) -> Json | None:
        """The body of the signal that says how many connections are in a channel; None: not
        everybody there may hear of it. Raises FeatureFailed, Rejected."""
        lease = self.registry.lease
        assert lease is not None
        stream = overlay.stream(app, key)
        ctx = self.context(app, key, _NOBODY, max(now_ms, stream.committed.ts_ms))
        try:
            if not lease.is_counted(overlay.committed(stream), ctx):
                return None
        except Rejected:
            return None  # there is no such channel (any more)
        except Exception as error:  # boundary: a feature's bug is one signal's failure
            raise FeatureFailed(f"lease of {self.registry.lease_of}: {error!r}") from error
        meta = Meta(app, key, 0, now_ms, "", "", "")
        return encode_signal(stamp(lease.counted(number), meta), b"")

    def tallied(self, app: str, key: str, number: int, now_ms: int) -> Json:
        """The body of the signal that says how many give a sign in a channel."""
        assert self.registry.tally is not None
        meta = Meta(app, key, 0, now_ms, "", "", "")
        return encode_signal(stamp(self.registry.tally.counted(number), meta), b"")

    def may_sign(self, overlay: Overlay, app: str, key: str, user: str, now_ms: int) -> bool:
        """Whether who gives a sign in a channel may go on. Raises FeatureFailed, Rejected."""
        assert self.registry.tally is not None
        stream = overlay.stream(app, key)
        ctx = self.context(app, key, Viewer(user), max(now_ms, stream.committed.ts_ms))
        try:
            return self.registry.tally.holds(user, overlay.committed(stream), ctx)
        except Exception as error:  # boundary: a feature's bug is one sign's failure
            raise FeatureFailed(f"signs of {self.registry.tally_of}: {error!r}") from error

    def sign_ended(self, app: str, key: str, user: str, where: str, now_ms: int) -> Json:
        """The body of the signal that a user's sign has ended."""
        assert self.registry.tally is not None
        meta = Meta(app, key, 0, now_ms, user, "", "")
        return encode_signal(stamp(self.registry.tally.ended(where), meta), b"")

    def due_row(self, overlay: Overlay, app: str, key: str, name: str) -> DueRow | None:
        """What is to be proposed under a name, pending changes included."""
        return overlay.live(overlay.stream(app, key))[DUE].get(name)

    def _decide(self, submit: Submit, tables: StreamTables, ctx: Context) -> Decision:
        shape = self.registry.commands.get(submit.tag)
        if shape is None:
            raise Rejected(METHOD_NOT_FOUND, f"there is no command {submit.tag}")
        command = shape_json(submit.body, shape)
        if command.stream_key() != ctx.key:
            raise Rejected(BAD_REQUEST, "the command belongs to another stream")
        try:
            for guard in self.registry.guards.get(shape, ()):
                guard(command, tables, ctx)
            decided = self.registry.decide[shape](command, tables, ctx)
        except Rejected:
            raise
        except Exception as error:  # boundary: a feature's bug is one command's failure
            raise FeatureFailed(f"{submit.tag}: {error!r}") from error
        return decided if isinstance(decided, Decision) else Decision(decided)

    def _check_quotas(
        self, info: AppInfo, events: Sequence[Event], tables: StreamTables, app: str
    ) -> None:
        """Raises Rejected: the app has as many users or channels as it may (node.usage)."""
        counts = self.registry.counts
        growth = [counts[type(e)](e, tables) for e in events if type(e) in counts]
        for one in growth:
            self.usage.admit(app, info.quotas, one)

    def _split(self, events: Sequence[Event], ctx: Context) -> tuple[list[Event], tuple[Json, ...]]:
        """(events for the log, data of signals)."""
        if len(events) > EVENTS_PER_COMMAND_MAX:
            raise FeatureFailed(f"{len(events)} events in one command")
        logged = [event for event in events if event.KIND is not _SIGNAL]
        if len(logged) == len(events):
            return logged, ()
        meta = Meta(ctx.app, ctx.key, 0, ctx.now_ms, ctx.actor, ctx.cmid, "")
        signals = [
            encode_signal(stamp(event, meta), event.publisher_info())
            for event in events
            if event.KIND is _SIGNAL
        ]
        return logged, tuple(signals)

    def told(self, overlay: Overlay, app: str, key: str, noted: tuple[str, int]) -> Json | None:
        """The body of the signal of what was noted, from committed rows; None: there is nothing to
        tell any more. Raises FeatureFailed."""
        name, what = noted
        stream = overlay.stream(app, key)
        meta = Meta(app, key, 0, stream.committed.ts_ms, "", "", "")
        try:
            event = self.registry.pulses[name].told(what, overlay.committed(stream))
        except Exception as error:  # boundary: a feature's bug is one signal's failure
            raise FeatureFailed(f"pulse of {name}: {error!r}") from error
        if event is None:
            return None
        return encode_signal(stamp(event, meta), event.publisher_info())

    # --- every replica

    def replay(self, overlay: Overlay, slot: int, entry: Entry) -> Made:
        """Apply a logged entry to the overlay, exactly as it was when it was made."""
        if entry.kind is not _COMMAND:
            overlay.begin(entry.index, None)
            return Made(entry, Outcome(0, entry.ts_ms, ""), overlay.finish() + upkeep(slot, entry))
        info = self._apps(entry.app)
        if info is None:
            raise FeatureFailed(f"the log speaks of the unknown app {entry.app!r}")
        events = [decode_json(body, self.registry.events[tag]) for tag, body in entry.events]
        stream = overlay.stream(entry.app, entry.key)
        return self._make(overlay, slot, stream, entry, events, info.id_secret, ())

    def _make(
        self,
        overlay: Overlay,
        slot: int,
        stream: Stream,
        entry: Entry,
        events: Sequence[Event],
        id_secret: bytes,
        signals: tuple[Json, ...],
    ) -> Made:
        overlay.begin(entry.index, stream)
        try:
            run = _Application(self, overlay, slot, stream, entry, id_secret)
            if entry.due:
                run.queue_due(Undue(entry.due))
            for event in events:
                run.apply(event)
            if entry.origin is not None:
                origin = entry.origin
                overlay.put_meta(
                    keys.seen(slot, origin.slot, origin.incarnation), keys.pack_u64(origin.n)
                )
        except Exception as error:  # boundary: a feature's bug is one command's failure
            overlay.abandon()
            raise FeatureFailed(f"{entry.events!r:.200}: {error!r}") from error
        ops = overlay.finish()
        if run.growth is not None:
            self.usage.add(slot, entry.app, run.growth)
        ops.extend(
            (Family.OUTBOX, keys.outbox(f.source, f.target, f.n), encode_pack(f.row))
            for f in run.forwards
        )
        answer = run.outcome or _head_outcome(stream, entry.reply)
        return Made(
            entry,
            answer,
            ops,
            tuple(run.publications),
            signals,
            tuple(run.forwards),
            tuple(run.dues),
            pulses=tuple(run.pulses),
        )

    def target_of(self, app: str, key: str) -> int:
        """The slot of a stream key."""
        return slot_of(app, key, self._slots, self._seed)


class _Application:
    """Applies the events of one entry, in order, and collects what comes of them."""

    def __init__(
        self,
        engine: Engine,
        overlay: Overlay,
        slot: int,
        stream: Stream,
        entry: Entry,
        id_secret: bytes,
    ) -> None:
        self._engine = engine
        self._overlay = overlay
        self._slot = slot
        self._stream = stream
        self._entry = entry
        self._secret = id_secret
        self._tables = overlay.live(stream)
        self.outcome: Outcome | None = None
        self.publications: list[tuple[int, bytes]] = []
        self.forwards: list[QueuedForward] = []
        self.dues: list[DueChange] = []
        self.pulses: list[tuple[str, int]] = []
        self.growth: Growth | None = None

    def apply(self, event: Event) -> None:
        """One event: its publication, its rows, its Forwards."""
        entry, registry = self._entry, self._engine.registry
        seq, ident = 0, ""
        if event.KIND is _NUMBERED:
            seq = self._stream.head.seq + 1
            ident = message_id(entry.ts_ms, seq, self._stream.id_bytes, self._secret)
        meta = Meta(entry.app, entry.key, seq, entry.ts_ms, entry.by, entry.cmid, ident)
        if seq:
            row = encode_publication(event, meta)
            self._overlay.append_event(seq, entry.ts_ms, row)
            self.publications.append((seq, row))
            if self.outcome is None:
                self.outcome = outcome(event, meta, entry.reply)
        if (counted := registry.counts.get(type(event))) is not None:
            self._count(counted(event, self._tables))
        for hook in registry.apply.get(type(event), ()):
            hook(event, meta, self._tables)
        for hook in registry.effects.get(type(event), ()):
            for effect in hook(event, meta, self._tables):
                if isinstance(effect, Forward):
                    self._queue(effect)
                else:
                    self.queue_due(effect)
        for name, noted in registry.noted.get(type(event), ()):
            self.pulses += [(name, what) for what in noted(event, meta)]

    def queue_due(self, effect: Due | Undue) -> None:
        """Write the row, and the index by time."""
        entry = self._entry
        if isinstance(effect, Due):
            target = effect.command.stream_key()
            assert target == entry.key, f"{effect.name}: what falls due stays in its stream"
        for at_ms, is_set in change_due(effect, entry.by, self._tables[DUE]):
            key = keys.due(self._slot, at_ms, entry.app, entry.key, effect.name)
            self._overlay.put_meta(key, b"" if is_set else None)
            self.dues.append(DueChange(key, is_set))

    def _count(self, growth: Growth) -> None:
        write(self._overlay, self._slot, self._entry.app, growth)
        self.growth = growth.plus(self.growth or Growth())

    def _queue(self, effect: Forward) -> None:
        command, app = effect.command, self._entry.app
        key = command.stream_key()
        target = self._engine.target_of(app, key)
        counter = keys.forward_count(self._slot, target)
        last = self._overlay.get_meta(counter)
        n = 1 if last is None else keys.read_u64(last) + 1
        self._overlay.put_meta(counter, keys.pack_u64(n))
        row = OutboxRow(app, key, command.TAG, self._entry.by, encode_json(command))
        self.forwards.append(QueuedForward(self._slot, target, n, row))


def upkeep(slot: int, entry: Entry) -> list[Op]:
    """What an entry without events does to the store."""
    if entry.kind is EntryKind.DEDUP_FLOOR:
        hours = range(entry.seq, entry.number)  # seq: the floor before
        return [DeleteRange(Family.DEDUP, *keys.dedup_range(hour, slot)) for hour in hours]
    if entry.kind is EntryKind.OUTBOX_DONE:
        return [
            DeleteRange(
                Family.OUTBOX, keys.outbox(slot, target, 0), keys.outbox(slot, target, n + 1)
            )
            for target, n in entry.done
        ]
    if entry.kind is EntryKind.APP_GONE:
        dues: list[Op] = [(Family.META, key, None) for key in entry.rows]
        dues.append((Family.META, keys.usage(slot, entry.app), None))
        return dues + [DeleteRange(*one) for one in rows_of_app(slot, entry.app)]
    return []


def rows_of_app(slot: int, app: str) -> list[tuple[Family, bytes, bytes]]:
    """Where an app's streams stand in a slot: events, rows, floors; [start, end) each."""
    start = keys.app_prefix(slot, app)
    end = keys.prefix_end(start)
    floors = Family.META, keys.stream_meta(start), keys.stream_meta(end)
    return [(Family.CHAN, start, end), (Family.STATE, start, end), floors]


def internal() -> Rejected:
    """What a client hears of a bug: nothing but that it may try again."""
    return Rejected(INTERNAL)


def _origin(submit: Submit) -> Origin:
    return Origin(submit.origin_slot, submit.origin_incarnation, submit.origin_n)


def _head_outcome(stream: Stream, reply: Json) -> Outcome:
    return Outcome(stream.head.seq, stream.head.ts_ms, "", reply=reply)
