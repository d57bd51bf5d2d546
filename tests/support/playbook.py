"""One stream as a dialogue: commands in, events out, and replay equality for free.

It runs the features' hooks as edge and node do (checks → guards → decide → apply → effects), with
tables in memory: rows as MessagePack, publications as the log's own bytes, commands and events
through JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from hubbub.base.errors import ErrorCode, Rejected
from hubbub.base.ids import message_id, uuid7
from hubbub.base.names import dm_channel, namespace_of
from hubbub.features.channels import CreateChannel, OpenDirect
from hubbub.features.contract import (
    EVENTS_PER_COMMAND_MAX,
    Access,
    Command,
    Context,
    Decision,
    Due,
    EdgeContext,
    Errand,
    Event,
    EventKind,
    Forward,
    Meta,
    Registry,
    Sign,
    SubscribeArgs,
    Table,
    Undue,
    stream_kind,
)
from hubbub.features.due import DUE, DueRow, change_due
from hubbub.features.publication import encode_publication, outcome, stamp
from hubbub.features.registry import REGISTRY
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json, decode_pack, encode_json, encode_pack
from hubbub.wire.event import CHANGED, StoredEvent, decode_row, with_flags
from hubbub.wire.presence import Live
from hubbub.wire.shapes import Outcome, Viewer

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

APP = "demo"
ID_SECRET = b"playbook"
START_MS = 1_769_860_800_000
DUE_MAX = 10_000


class MemoryRows:
    """The rows of one table, packed."""

    def __init__(self, table: Table[Any, Any], packed: dict[Any, bytes]) -> None:
        self._table = table
        self.packed = packed
        self.write_count = 0
        self.read_count = 0

    def get(self, key: Any) -> Any:
        self.read_count += 1
        row = self.packed.get(key)
        return None if row is None else decode_pack(row, self._table.row_type)

    def get_many(self, keys: Sequence[Any]) -> list[Any]:
        return [self.get(key) for key in keys]

    def put_many(self, rows: Mapping[Any, Any]) -> None:
        for key, row in rows.items():
            self.put(key, row)

    def put(self, key: Any, row: Any) -> None:
        assert msgspec.convert(key, self._table.key_type) == key
        self.write_count += 1
        self.packed[key] = encode_pack(row)

    def delete(self, key: Any) -> None:
        self.write_count += 1
        self.packed.pop(key, None)

    def scan(
        self, *, after: Any = None, limit: int = 1_000, reverse: bool = False
    ) -> list[tuple[Any, Any]]:
        keys = sorted(self.packed, reverse=reverse)
        if after is not None:
            keys = [key for key in keys if (key < after if reverse else key > after)]
        return [(key, self.get(key)) for key in keys[:limit]]

    def stored(self, limit: int) -> dict[Any, bytes]:
        return {key: self.packed[key] for key in sorted(self.packed)[:limit]}


class MemoryTables:
    """The contract's Tables in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, MemoryRows] = {}
        self.events: dict[int, bytes] = {}
        self.head_seq = 0
        self.head_ts_ms = 0
        self.floor_seq = 1

    def __getitem__(self, table: Table[K, V]) -> Any:
        rows = self.rows.get(table.name)
        if rows is None:
            rows = self.rows[table.name] = MemoryRows(table, {})
        return rows

    def append(self, seq: int, ts_ms: int, row: bytes) -> None:
        """The next published event."""
        assert seq == self.head_seq + 1
        self.head_seq, self.head_ts_ms = seq, ts_ms
        self.events[seq] = row

    def published(self, seq: int) -> StoredEvent | None:
        if seq < self.floor_seq or seq not in self.events:
            return None
        return decode_row(seq, self.events[seq])

    def published_range(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[StoredEvent]:
        rows = self.published_rows(after=after, before=before, limit=limit, reverse=reverse)
        return [decode_row(seq, row) for seq, row in rows]

    def published_rows(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[tuple[int, bytes]]:
        low = max(after + 1, self.floor_seq)
        high = self.head_seq if before is None else min(before - 1, self.head_seq)
        seqs: Iterable[int] = range(high, low - 1, -1) if reverse else range(low, high + 1)
        return [(seq, self.events[seq]) for seq in list(seqs)[:limit]]

    def mark_changed(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            row = self.events[seq]
            self.events[seq] = with_flags(row, row[0] | CHANGED)

    def kept(self, name: str, rests_on: Any, make: Callable[[Any], T]) -> T:
        """Made anew each time."""
        return make(self)

    def set_floor(self, seq: int) -> None:
        self.floor_seq = max(self.floor_seq, seq)

    def image(self) -> dict[str, object]:
        """Everything, comparable."""
        rows = {name: dict(sorted(r.packed.items())) for name, r in self.rows.items() if r.packed}
        return {
            "rows": rows,
            "events": dict(self.events),
            "head": (self.head_seq, self.head_ts_ms),
            "floor": self.floor_seq,
        }

    @property
    def read_count(self) -> int:
        """Rows read so far."""
        return sum(rows.read_count for rows in self.rows.values())

    @property
    def write_count(self) -> int:
        """Row writes so far."""
        return sum(rows.write_count for rows in self.rows.values())


def walk(errand: object, *answers: object) -> list[object]:
    """The steps of an errand that is given these answers (a Rejected is thrown into it); the last
    one is what it returned."""
    assert isinstance(errand, Errand)
    steps = errand.steps()
    taken: list[object] = [next(steps)]
    for answer in answers:
        try:
            if isinstance(answer, Rejected):
                taken.append(steps.throw(answer))
            else:
                taken.append(steps.send(answer))
        except StopIteration as end:
            taken.append(end.value)
    return taken


class LogEntry(msgspec.Struct, frozen=True):
    """One command's events as the log keeps them."""

    ts_ms: int
    by: str
    cmid: str
    events: tuple[tuple[str, bytes], ...]
    due: str = ""  # the name of what fell due


class Playbook:
    """A stream with people who act on it. `owner` or `members`: its channel exists first."""

    def __init__(
        self,
        key: str,
        *,
        owner: str = "",
        members: Iterable[str] = (),
        settings: AppSettings | None = None,
        registry: Registry = REGISTRY,
    ) -> None:
        self.key = key
        self.settings = settings or AppSettings()
        self.registry = registry
        self.now_ms = START_MS
        self.tables = MemoryTables()
        self.log: list[LogEntry] = []
        self.forwards: list[Command] = []
        self.signals: list[bytes] = []
        self.sign: tuple[str, Sign] | None = None  # that the last command gave, and who
        self.noted: dict[tuple[str, int], None] = {}  # for the next `pulse`
        self.outcome = Outcome(0, 0, "")
        self.live = Live()  # what the leader has in memory of the stream
        self._count = 0
        members = tuple(members)
        if owner or members:
            server = "client" if owner and namespace_of(key) == "group" else "server"
            self.do(
                owner,
                CreateChannel(channel=key, owner=owner, members=members),
                authority=server,
            )
            self.forwards.clear()

    @classmethod
    def direct(cls, a: str, b: str, settings: AppSettings | None = None) -> Playbook:
        """The dm of a pair, opened by `a`."""
        book = cls(dm_channel(ID_SECRET, a, b), settings=settings)
        book.do(a, OpenDirect(channel=book.key, members=(a, b)))
        book.forwards.clear()
        return book

    # --- acting

    def do(
        self, user: str, command: Command, *, authority: str = "client", info: bytes = b""
    ) -> list[Event]:
        """The events of a command; raises Rejected. Its answer is in `outcome` and `reply`."""
        viewer = Viewer(user, authority, info=info)
        return self._log(*self._decide(viewer, command))

    def fall_due(self, prefix: str = "") -> list[Event]:
        """Propose what has fallen due, as a leader does, in order; the events. What is refused for
        the moment stays; it raises Rejected. Args: prefix: of the names, for one feature's only."""
        events: list[Event] = []
        for _ in range(DUE_MAX):
            waiting = sorted((row.at_ms, name) for name, row in self.waiting(prefix).items())
            if not waiting or waiting[0][0] > self.now_ms:
                return events
            events += self._fall_due(waiting[0][1])
        raise AssertionError("it never ends")

    def _fall_due(self, name: str) -> list[Event]:
        row = self.dues[name]
        command = decode_json(row.body, self.registry.commands[row.tag])
        viewer = Viewer(row.by, "system")
        try:
            decision, ctx = self._decide(viewer, command, is_checked=True)
        except Rejected as refusal:
            if refusal.error.temporary:
                raise
            decision, ctx = Decision([]), self.context(viewer)
        return self._log(decision, msgspec.structs.replace(ctx, cmid=row.cmid), due=name)

    def _log(self, decision: Decision, ctx: Context, *, due: str = "") -> list[Event]:
        """The entry of a decision, applied."""
        logged = [event for event in decision.events if event.KIND is not EventKind.SIGNAL]
        meta = Meta(APP, self.key, 0, ctx.now_ms, ctx.actor, ctx.cmid, "")
        self.signals += [stamp(e, meta) for e in decision.events if e.KIND is EventKind.SIGNAL]
        self.sign = None if decision.sign is None else (ctx.actor, decision.sign)
        self.outcome = Outcome(
            self.tables.head_seq, self.tables.head_ts_ms, "", reply=decision.reply
        )
        if logged or due:
            events = tuple((event.TAG, encode_json(event)) for event in logged)
            entry = LogEntry(ctx.now_ms, ctx.actor, ctx.cmid, events, due)
            self.log.append(entry)
            answer, forwards = apply_entry(
                self.registry, self.tables, self.key, entry, decision.reply
            )
            self.outcome = answer or self.outcome
            self.forwards += forwards
            self._note(entry)
        return list(decision.events)

    def refusal(
        self, user: str, command: Command, *, authority: str = "client", info: bytes = b""
    ) -> Rejected:
        """Why the command is refused; fails if it is not, or if anything changed."""
        before = self.tables.image()
        try:
            self._decide(Viewer(user, authority, info=info), command)
        except Rejected as refusal:
            assert self.tables.image() == before
            return refusal
        raise AssertionError(f"{command!r} was accepted")

    def refused(self, user: str, command: Command, *, authority: str = "client") -> ErrorCode:
        """The code of `refusal`."""
        return self.refusal(user, command, authority=authority).error

    def _note(self, entry: LogEntry) -> None:
        meta = Meta(APP, self.key, 0, entry.ts_ms, entry.by, entry.cmid, "")
        for tag, body in entry.events:
            event = decode_json(body, self.registry.events[tag])
            for name, noted in self.registry.noted.get(type(event), ()):
                self.noted.update({(name, what): None for what in noted(event, meta)})

    def pulse(self) -> list[dict[str, Any]]:
        """The signals of what was noted since the last pulse."""
        noted, self.noted = self.noted, {}
        meta = Meta(APP, self.key, 0, self.now_ms, "", "", "")
        events = [
            self.registry.pulses[name].told(what, self.tables)
            for name, what in noted
            if name in self.registry.pulses
        ]
        return [decode_json(stamp(e, meta), dict[str, Any]) for e in events if e is not None]

    def tick(self, ms: int) -> None:
        """Log time goes on."""
        self.now_ms += ms

    @property
    def reply(self) -> dict[str, Any]:
        """What the feature answered beyond the outcome."""
        return decode_json(self.outcome.reply, dict[str, Any]) if self.outcome.reply else {}

    # --- reading

    @property
    def dues(self) -> dict[str, DueRow]:
        """What will fall due, by name."""
        return dict(self.tables[DUE].scan(limit=DUE_MAX))

    def waiting(self, prefix: str) -> dict[str, DueRow]:
        """What of one feature will fall due, by name."""
        return {name: row for name, row in self.dues.items() if name.startswith(prefix)}

    def query(
        self,
        user: str,
        name: str,
        args: msgspec.Struct,
        *,
        authority: str = "client",
        blocks: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """A query's answer, as clients see it."""
        row = self.registry.queries[name]
        shaped = decode_json(encode_json(args), row.shape)
        viewer = Viewer(user, authority, blocks=blocks)
        answer = row.run(shaped, self.tables, self.context(viewer))
        return decode_json(encode_json(answer), dict[str, Any])

    def access(
        self, user: str, *, authority: str = "client", args: SubscribeArgs | None = None
    ) -> Access:
        """What a subscriber gets; raises Rejected."""
        hook = self.registry.access[stream_kind(self.key, self.settings)]
        ctx = self.context(Viewer(user, authority))
        return cast(Access, hook(args or SubscribeArgs(), self.tables, ctx))

    def snapshot(self, user: str, *, authority: str = "client") -> dict[str, Any]:
        """The subscriber's snapshot."""
        access = self.access(user, authority=authority)
        data = access.data if access.snapshot is None else access.snapshot()
        return decode_json(data, dict[str, Any])

    def head(self, user: str, blocked: Sequence[str] = ()) -> Mapping[str, object]:
        """The user's fields of a `heads` row; `blocked`: whom he blocks."""
        fields: dict[str, object] = {}
        for hook in self.registry.heads:
            fields |= hook(self.tables, user, frozenset(blocked))
        return fields

    def shown(self, seq: int) -> dict[str, Any]:
        """The event at `seq` as recovery and `history` deliver it now."""
        stored = self.tables.published(seq)
        assert stored is not None
        data = stored.data
        render = self.registry.render.get(stored.head.type)
        if stored.head.flags & CHANGED and render is not None:
            data = render(stored, self.tables)
        return decode_json(data, dict[str, Any])

    def context(self, viewer: Viewer, cmid: str = "") -> Context:
        """What hooks know."""
        entropy = self._count.to_bytes(16, "big")
        return Context(
            APP,
            self.key,
            self.now_ms,
            viewer,
            cmid,
            entropy,
            ID_SECRET,
            self.settings,
            self.registry.admit,
            self.live,
        )

    def edge_context(self, viewer: Viewer) -> EdgeContext:
        """What checks, verbs and routes know."""
        entropy = self._count.to_bytes(16, "big")
        return EdgeContext(
            APP, viewer, self.now_ms, entropy, ID_SECRET, self.settings, self.registry.checked
        )

    # --- the proof

    def assert_replay_equal(self) -> None:
        """The log on empty tables gives the live tables."""
        tables = MemoryTables()
        for entry in self.log:
            apply_entry(self.registry, tables, self.key, entry)
        assert tables.image() == self.tables.image()

    def _decide(
        self, viewer: Viewer, command: Command, *, is_checked: bool = False
    ) -> tuple[Decision, Context]:
        self._count += 1
        for check in self.registry.checks.get(type(command), ()) if not is_checked else ():
            command = check(command, self.edge_context(viewer))
        assert command.stream_key() == self.key, (command, self.key)
        command = decode_json(encode_json(command), type(command))
        cmid = command.cmid or uuid7(self.now_ms, self._count.to_bytes(10, "big"))
        ctx = self.context(viewer, cmid)
        for guard in self.registry.guards.get(type(command), ()):
            guard(command, self.tables, ctx)
        before = self.tables.write_count
        decided = self.registry.decide[type(command)](command, self.tables, ctx)
        assert self.tables.write_count == before, "decide wrote"
        decision = decided if isinstance(decided, Decision) else Decision(decided)
        assert len(decision.events) <= EVENTS_PER_COMMAND_MAX
        return decision, ctx


def apply_entry(
    registry: Registry, tables: MemoryTables, key: str, entry: LogEntry, reply: bytes = b""
) -> tuple[Outcome | None, list[Command]]:
    """Apply one logged entry as every replica does. Returns (answer, Forwards)."""
    answer: Outcome | None = None
    forwards: list[Command] = []
    if entry.due:
        change_due(Undue(entry.due), entry.by, tables[DUE])
    for tag, body in entry.events:
        event = decode_json(body, registry.events[tag])
        assert encode_json(event) == body, "an event must survive its log form"
        seq, mid = 0, ""
        if event.KIND is EventKind.NUMBERED:
            seq = tables.head_seq + 1
            mid = message_id(entry.ts_ms, seq, f"{APP}\0{key}".encode(), ID_SECRET)
        meta = Meta(APP, key, seq, entry.ts_ms, entry.by, entry.cmid, mid)
        if seq:
            tables.append(seq, entry.ts_ms, encode_publication(event, meta))
            answer = answer or outcome(event, meta, reply)
        for hook in registry.apply.get(type(event), ()):
            hook(event, meta, tables)
        for hook in registry.effects.get(type(event), ()):
            for effect in hook(event, meta, tables):
                if isinstance(effect, Forward):
                    forwards.append(effect.command)
                    continue
                if isinstance(effect, Due):
                    assert effect.command.stream_key() == key, "what falls due stays in its stream"
                    assert effect.command.TAG in registry.commands
                change_due(effect, entry.by, tables[DUE])
    return answer, forwards
