"""Links ↔ cores: every message of a link to the slot that it concerns, and every `Ready` obeyed.

Rules:
1. `obey` is the one place that acts on a slot's output, in the order that `slot.Ready` demands.
2. A request gets exactly one RESULT. For a slot that is not led here it is REDIRECT; while it
   changes hands here the request waits (`node.held`).
3. An edge is named `name.boot_id`, a link's peer by its name alone.
4. What a feature breaks costs one request, logged; what the disk breaks ends the process.

Long because every kind of message has its few lines here, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from hubbub.base.errors import BAD_REQUEST, INTERNAL, Rejected, error_by_code
from hubbub.base.ids import uuid7
from hubbub.base.names import StreamKind
from hubbub.features.contract import namespace_for, stream_kind
from hubbub.ring.hashing import rendezvous
from hubbub.ring.map import SlotRecord
from hubbub.runtime.clock import Clock, entropy
from hubbub.runtime.logs import get_logger
from hubbub.transport.replicated_set import PULL
from hubbub.wire.codec import decode_pack, dump_json, encode_json, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.presence import Live
from hubbub.wire.search import Search, SearchAnswer
from hubbub.wire.shapes import (
    REQUESTS,
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    Outcome,
    Presence,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    QueryAsk,
    Redirect,
    Refusal,
    Status,
    Submit,
    Subscribe,
    Viewer,
)
from hubbub.wire.tracing import SLOW_MS, TRACED, without_trace
from node import keys
from node.audiences import Audiences
from node.copies import NODE_KINDS, Copies
from node.due import LOOK_MS_MAX, Dues
from node.engine import SYSTEM, Engine, FeatureFailed, QueuedForward
from node.held import HELD_MS, Held, Waiting
from node.leases import GRACE_MS, SILENT_MS, Leases
from node.outbox import Outbox
from node.presence import PresenceLists, PresenceSignal, StreamName
from node.publish import Interest, encode_presence_signal, encode_publication
from node.pulses import Pulses
from node.reads import Reads
from node.ready import (
    Fired,
    Publication,
    ReadNow,
    Ready,
    Record,
    Redirected,
    Result,
    Unknown,
)
from node.removals import REMOVED
from node.search.answers import Answers
from node.slot import Now, Slot
from node.store.api import StoreError

_RESULT: Final = Kind.RESULT  # an enum's member costs ten times a global's look-up
_OK: Final = Status.OK
ENTROPY_BYTES: Final = 16
_CMID_ENTROPY_BYTES: Final = 10
_FORWARD_MS_LEFT: Final = 4_000
_ELSEWHERE: Final = QueryAnswer(Status.REDIRECT)
_NO_ROOM: Final = QueryAnswer(Status.UNKNOWN)
_REQUESTS: Final = frozenset(map(int, REQUESTS))
TRACES_MAX: Final = 10_000  # that wait for their answer; the oldest is forgotten
_log = get_logger()


class Sender(Protocol):
    """What the service needs of the links."""

    def send(self, peer: str, message: bytes) -> bool: ...
    def send_windowed(self, peer: str, message: bytes) -> bool: ...


class RecordSink(Protocol):
    """What the service needs of the writer."""

    def submit(self, records: Sequence[Record]) -> None: ...


class Request(NamedTuple):
    """Who waits for an answer: a request of a link; or, without a peer, a Forward that this node
    sent to itself, what fell due here (its index key), or a user who is gone since then."""

    peer: str
    id: int
    slot: int
    deadline_ms: int = 0  # monotonic; 0: none
    forward: QueuedForward | None = None
    read: Message | None = None  # a QUERY that waits for ReadNow
    due: bytes = b""
    ended: tuple[StreamName, int] | None = None


class ServiceCounts(msgspec.Struct):
    """What /metrics shows of requests."""

    submits_total: int = 0
    queries_total: int = 0
    searches_total: int = 0
    copy_reads_total: int = 0  # of them: answered by this node as a follower
    linear_reads_total: int = 0  # of them: answered after a round to the other copies
    subscribes_total: int = 0
    heads_total: int = 0
    presences_total: int = 0
    malformed_total: int = 0
    redirects_total: int = 0
    held_total: int = 0  # waited until a slot had its leader, or had gone to another one
    rejected_total: int = 0
    late_total: int = 0  # answers that nobody waited for any more
    events_total: int = 0
    signals_total: int = 0
    published_total: int = 0  # EVENT and SIGNAL messages, one for each interested router
    dropped_total: int = 0  # of them: the link's window was full
    features_failed_total: int = 0


class Service:
    """The handler of the node's links (transport.Handler)."""

    def __init__(
        self,
        slots: dict[int, Slot],
        copies: Copies,
        engine: Engine,
        outbox: Outbox,
        clock: Clock,
        leader_of: Callable[[int], tuple[int, str]],
        random: Callable[[], float],
        is_node: Callable[[str], bool],
    ) -> None:
        """Args: slots: those held here; may grow. leader_of: slot → (term, name) by the map, "" =
        nobody. is_node: a link's peer is another node. `links`, `writer`, `activate` and
        `load_outbox` are set before anything is received. `wake_due` is called when something may
        fall due earlier than `fire_due` has said; `fired` with its delay in seconds; `applied` with
        a slot that has applied entries, for those who read its log later.
        """
        self._slots = slots
        self._copies = copies
        self._is_node = is_node
        self._engine = engine
        self._outbox = outbox
        self._clock = clock
        self._leader_of = leader_of
        self._random = random
        self.links: Sender
        self.writer: RecordSink
        self.activate: Callable[[Slot, SlotRecord], None]
        self.load_outbox: Callable[[int], Iterable[QueuedForward]]
        self.paused: Collection[int] = ()  # slots that take no commands for a moment
        self.removed: Callable[[int], None]
        self.wake_due: Callable[[], None] = _nothing
        self.fired: Callable[[float], None] = _nothing_of
        self.applied: Callable[[int], None] = _nothing_of
        self.searches: Answers
        self.presence = PresenceLists()
        self.interest = Interest()
        self.pulses = Pulses()
        self.leases = Leases()
        self.audiences = Audiences(self.presence.by_edge)
        self.held = Held()
        self.reads = Reads(engine, self.presence, self._live)
        self.dues = Dues(lambda number, after, limit: slots[number].due_keys(after, limit))
        self.counts = ServiceCounts()
        self._routers: set[str] = set()
        self._led: dict[int, int] = {}  # → since when (monotonic ms)
        self._applied: dict[int, int] = {}  # slot → up to where it was told
        self._forwards: dict[int, QueuedForward] = {}  # request id → what it carries
        self._forward_ids: dict[tuple[int, int], int] = {}  # (source, target) → newest request id
        self._leaving: deque[QueuedForward] = deque()
        self._is_sending = False
        self._holds_forwards = False
        self._takes = True
        self._next_id = 1
        self._looked_ms = 0
        self._traces: dict[tuple[str, int], tuple[str, int]] = {}  # → id, since when
        self._handlers: dict[int, Callable[[str, Message], None]] = {
            Kind.SUBMIT: self._submit,
            Kind.QUERY: self._query,
            Kind.QUERY_ANY: self._query,
            Kind.SUBSCRIBE: self._subscribe,
            Kind.QUERIES: self._queries,
            Kind.SEARCH: self._search,
            Kind.HEADS: self._heads,
            Kind.PRESENCE: self._presence,
            Kind.RESULT: self._result,
            Kind.INTEREST_FULL: self._interest,
            Kind.INTEREST_DELTA: self._interest,
        }

    # --- transport.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        """A router is here; what it wants comes as FULL. Or another node."""
        if self._is_node(peer):
            self._copies.peer_up(peer)
        else:
            self._routers.add(peer)
            self.interest.up(peer)

    def peer_down(self, peer: str) -> None:
        """A router is gone; Forwards that it carried are sent again when their time is over."""
        if peer in self._routers:
            self._routers.discard(peer)
            self.interest.down(peer)
        else:
            self._copies.peer_down(peer)

    def peer_hole(self, peer: str) -> None:
        """Requests were lost: their senders retry. Interest that was lost shows in the beat."""

    def receive(self, peer: str, messages: list[Message]) -> None:
        """The messages of one frame."""
        self._copies.keep_time()
        for message in messages:
            if message.type in NODE_KINDS:
                self._from_node(peer, message)
                continue
            handler = self._handlers.get(message.type)
            if handler is None:
                self.counts.malformed_total += 1
                continue
            if message.flags == TRACED and message.type in _REQUESTS:
                message = self._traced(peer, message)
            try:
                handler(peer, message)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.counts.malformed_total += 1
                self._reject(peer, message, Rejected(BAD_REQUEST, "malformed request"))
            except Rejected as refusal:
                self._reject(peer, message, refusal)
            except StoreError as error:
                self._unreadable(peer, message, error)
            except Exception as error:  # noqa: BLE001 - boundary: one request fails, the others go on
                self.counts.features_failed_total += 1
                trace = self._traces.get((peer, message.request_id), ("", 0))[0]
                _log.error("request.failed", kind=message.type, request_id=trace, exc_info=error)
                self._reject(peer, message, Rejected(INTERNAL))

    def _traced(self, peer: str, message: Message) -> Message:
        """The message without its id, which is remembered until it is answered."""
        body, trace = without_trace(message.body)
        if trace:
            if len(self._traces) >= TRACES_MAX:
                del self._traces[next(iter(self._traces))]
            known = self._traces.get((peer, message.request_id))
            began_ms = known[1] if known is not None else self._clock.monotonic_ms()
            self._traces[(peer, message.request_id)] = trace, began_ms
        return message._replace(body=body, flags=0)

    def _told(self, peer: str, request_id: int, status: int) -> None:
        """A request is answered: log it if it is traced and took long."""
        known = self._traces.pop((peer, request_id), None)
        if known is None:
            return
        trace, began_ms = known
        took_ms = self._clock.monotonic_ms() - began_ms
        if took_ms >= SLOW_MS or status == Status.UNKNOWN:
            _log.warning(
                "request.slow", request_id=trace, status=Status(status).name, took_ms=took_ms
            )

    def _unreadable(self, peer: str, message: Message, error: StoreError) -> None:
        slot = self._slots.get(message.slot)
        if slot is not None:
            self._copies.unreadable(slot, error)
        if slot is None or slot.is_active:
            self._reject(peer, message, Rejected(INTERNAL))
        elif message.request_id:
            self._reply(peer, message, Status.UNKNOWN, b"")  # asked again, of who leads then

    def _from_node(self, peer: str, message: Message) -> None:
        if peer in self._routers:  # its link was up before the map told who it is
            self._routers.discard(peer)
            self.interest.down(peer)
            self._copies.peer_up(peer)
        try:
            self._copies.receive(peer, message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.counts.malformed_total += 1
        except StoreError as error:
            _log.error("store.read_failed", slot=message.slot, error=str(error))

    def beat(self, peer: str) -> bytes:
        """A node owns no interest set."""
        return b""

    def beat_received(self, peer: str, body: bytes) -> None:
        """Compare the router's digest with our copy."""
        if self.interest.beat(peer, body):
            self.links.send(peer, PULL)

    # --- from the writer and the timer

    def persisted(self, tokens: Iterable[tuple[int, int]]) -> None:
        """Records are durable: (slot, highest token)."""
        now = self._now()
        for number, token in tokens:
            slot = self._slots.get(number)
            if slot is not None:
                self._copies.run(slot, slot.persisted, token, now)
            elif token == REMOVED:
                self.removed(number)

    def fail(self) -> None:
        """The disk failed: everything that waits is UNKNOWN, and nothing more is taken."""
        for slot in self._slots.values():
            self.obey(slot, slot.fail("the disk failed"))

    def stop_intake(self) -> None:
        """The node is going: every further request is told to look elsewhere."""
        self._takes = False
        self.look_at_held()

    def _now(self) -> Now:
        return Now(self._clock.wall_ms(), self._clock.monotonic_ms())

    @property
    def has_forwards(self) -> bool:
        """Forwards wait for an answer or for their turn."""
        return len(self._outbox) > 0

    def tick(self, live_edges: Collection[str]) -> None:
        """Once a second."""
        now = self._now()
        now_ms = now.mono_ms
        if not self._holds_forwards:
            self._send_forwards(self._outbox.tick(now_ms, self._random()))
            for number, done in self._outbox.take_finished().items():
                slot = self._slots[number]
                self.obey(slot, slot.forwards_done(done, now))
        self.edges_are(live_edges)
        self._announce(self.presence.tick(live_edges, now_ms))
        for (app, key), number in self.audiences.tick(live_edges, now_ms):
            counted_in = self._active(self._engine.target_of(app, key))
            if counted_in is not None and self._engine.registry.lease is not None:
                signal = self._engine.counted(app, key, number, now.wall_ms)
                self._publish(counted_in, Publication(app, key, (), (signal,)))
        self._tell_pulses()

    def fire_due(self) -> int:
        """Propose what has fallen due; the ms after which to call again at the latest."""
        now = self._now()
        if self._takes:
            for due in self.dues.take(now.wall_ms, now.mono_ms, self._ahead(now)):
                self._fire(due, now)
        return self.dues.look_in_ms(now.wall_ms, now.mono_ms)

    def _ahead(self, now: Now) -> dict[int, int]:
        """Once a second: slots with a log time behind which the wall clock was set back."""
        if now.mono_ms - self._looked_ms < LOOK_MS_MAX:
            return {}
        self._looked_ms = now.mono_ms
        times = ((number, self._slots[number].log_time(now)) for number in self._led)
        return {number: log_ms for number, log_ms in times if log_ms > now.wall_ms}

    def _fire(self, due: bytes, now: Now) -> None:
        number = keys.slot_of_meta(due)
        slot = self._slots.get(number)
        if slot is None or number in self.paused:
            self.dues.failed(due, now.mono_ms, 0.0)
            return
        request = Request("", 0, number, due=due)
        try:
            ready = slot.submit_due(request, due, now, entropy(ENTROPY_BYTES))
        except StoreError as error:
            self.dues.failed(due, now.mono_ms, self._random())
            self._copies.unreadable(slot, error)
            return
        self.obey(slot, ready)
        self._copies.note(slot)

    def _due_answered(self, due: bytes, result: Result) -> None:
        now = self._now()
        if isinstance(result, Fired):
            self.dues.fired(due, is_refused=result.is_refused, is_gone=result.is_gone)
            if not result.is_gone:
                self.fired(max(0, now.wall_ms - keys.due_ms(due)) / 1_000)
            return
        retry_after_ms = 0
        if isinstance(result, Rejected):
            self._count_refusal(result)
            told = result.details.get("retry_after_ms")
            retry_after_ms = told if isinstance(told, int) else 0
        self.dues.failed(due, now.mono_ms, self._random(), retry_after_ms=retry_after_ms)

    def hold_forwards(self, is_held: bool) -> None:
        """While a backup freezes the slots: no Forward leaves, none is forgotten as answered."""
        self._holds_forwards = is_held
        self._send_forwards(())

    def tick_slots(self) -> None:
        """Once a minute: what slots do without being asked."""
        now = self._now()
        for slot in list(self._slots.values()):
            self.obey(slot, slot.tidy(now))

    # --- the ordering law

    def obey(self, slot: Slot, ready: Ready) -> None:
        """Do what a slot says, in the order that `Ready` demands."""
        if slot.is_active != (slot.number in self._led):
            self._led_changed(slot)
        if ready.mails:
            self._copies.send(slot.number, ready.mails)
        for publication in ready.signals:
            self._publish(slot, publication)
        if ready.persist:
            self.writer.submit(ready.persist)
        if ready.activate is not None:
            self.activate(slot, ready.activate)
        for publication in ready.committed:
            self._publish(slot, publication)
        if ready.dues:
            self.dues.change(slot.number, ready.dues)
            self.wake_due()
        for request, result in ready.results:
            self._answer(slot, request, result)
        applied = slot.applied
        if self._applied.get(slot.number) != applied:
            self._applied[slot.number] = applied
            self.applied(slot.number)
        if ready.forwards:
            self._send_forwards(self._outbox.add(ready.forwards, self._clock.monotonic_ms()))
        if slot.number in self.held:
            self._release(slot.number)

    def _led_changed(self, slot: Slot) -> None:
        """A term began here, or ended: Forwards and presence are the leader's."""
        number = slot.number
        if slot.is_active:
            self._led[number] = self._clock.monotonic_ms()
            forwards = list(self.load_outbox(number))
            self._send_forwards(self._outbox.add(forwards, self._clock.monotonic_ms()))
            self.dues.lead(number)
            self.wake_due()
            return
        self._led.pop(number, None)
        self._outbox.forget(number)
        self.dues.forget(number)
        target_of = self._engine.target_of
        self.presence.forget([n for n in self.presence.streams() if target_of(*n) == number])
        self.leases.forget([n for n in self.leases.users() if target_of(*n) == number])
        self.audiences.forget([n for n in self.audiences.streams() if target_of(*n) == number])

    def _publish(self, slot: Slot, publication: Publication) -> None:
        self.counts.events_total += len(publication.events)
        self.counts.signals_total += len(publication.signals)
        if publication.pulses and publication.key[:1] == "#":
            publication = self._stirred(slot, publication)
        peers = self.interest.peers(publication.app, publication.key)
        if not peers:
            return
        if publication.pulses:
            self.pulses.note((publication.app, publication.key), publication.pulses)
        for message in encode_publication(slot.number, slot.term, publication):
            self._fan_out(peers, message)

    def _tell_pulses(self) -> None:
        """What was noted since the last tick, of the streams that are still led here."""
        for (app, key), noted in self.pulses.take().items():
            slot = self._slots.get(self._engine.target_of(app, key))
            if slot is None or not slot.is_active:
                continue
            signals = []
            for one in noted:
                try:
                    signal = self._engine.told(slot.overlay, app, key, one)
                except FeatureFailed as failure:
                    _log.error("pulse.failed", feature=one[0], reason=str(failure))
                    continue
                if signal is not None:
                    signals.append(signal)
            self._publish(slot, Publication(app, key, (), tuple(signals)))

    # --- who is there (node.leases)

    def edges_are(self, live_edges: Collection[str]) -> None:
        """The edges (name.boot_id) that are alive; at once when one of them is not any more."""
        for app, key in self.presence.silent(live_edges):
            slot = self._active(self._engine.target_of(app, key))
            if slot is not None:
                try:
                    self._look_at(slot, app, key, SILENT_MS)
                except (Rejected, StoreError) as error:
                    _log.error("lease.failed", slot=slot.number, error=str(error))

    def tick_leases(self) -> None:
        """Some times a second: tell the edges that watch, keep since when somebody is gone."""
        now = self._now()
        for app, key in self.leases.tick(now.mono_ms):
            slot = self._active(self._engine.target_of(app, key))
            if slot is not None and self.interest.peers(app, key):
                self._tell_lease(slot, app, key)
        for ended in self.leases.take_ended(now.mono_ms) if self._takes else ():
            self._keep_ended(ended, now)

    def _tell_lease(self, slot: Slot, app: str, key: str) -> None:
        live = self._live(app, key, slot.number)
        try:
            signal = self._engine.shown(slot.overlay, app, key, live)
        except (FeatureFailed, StoreError) as error:
            _log.error("lease.failed", slot=slot.number, error=str(error))
            return
        self._publish(slot, Publication(app, key, (), (signal,)))

    def _keep_ended(self, ended: tuple[StreamName, int], now: Now) -> None:
        (app, key), gone_ms = ended
        slot, lease = self._active(self._engine.target_of(app, key)), self._engine.registry.lease
        if slot is None or lease is None or slot.number in self.paused:
            return  # taken again within a second, or forgotten
        user = key[1:]
        command = lease.ended(user, gone_ms)
        cmid = uuid7(now.wall_ms, entropy(_CMID_ENTROPY_BYTES))
        submit = Submit(command.TAG, Viewer(user, SYSTEM), cmid, encode_json(command))
        request = Request("", 0, slot.number, ended=ended)
        try:
            self._run(slot, request, app, key, submit)
        except StoreError as error:
            self._copies.unreadable(slot, error)

    def _look_at(self, slot: Slot, app: str, key: str, ago_ms: int = 0) -> None:
        """A user's connections changed, or what he chose; `ago_ms`: since when, at the least."""
        lease = self._engine.registry.lease
        if lease is None or key[:1] != "#" or not slot.is_active:
            return
        settings = self._engine.context(app, key, Viewer(""), 0).settings
        if stream_kind(key, settings) is not StreamKind.USER:
            return
        now, overlay = self._now(), slot.overlay
        self.leases.update(
            (app, key),
            self.presence.activity(app, key),
            is_hidden=lease.hides(overlay.committed(overlay.stream(app, key))),
            wall_ms=now.wall_ms,
            mono_ms=now.mono_ms,
            ago_ms=ago_ms,
        )

    def _stirred(self, slot: Slot, publication: Publication) -> Publication:
        """What a user chose may be another; the publication without that note."""
        mine = self._engine.registry.lease_of
        others = tuple(noted for noted in publication.pulses if noted[0] != mine)
        if len(others) == len(publication.pulses):
            return publication
        self._look_at(slot, publication.app, publication.key)
        self.leases.stir((publication.app, publication.key))
        return msgspec.structs.replace(publication, pulses=others)

    def _live(self, app: str, key: str, slot: int) -> Live:
        """What is in memory of a stream, for queries."""
        if key[:1] != "#":
            return Live(watchers=self.audiences.watchers((app, key)))
        now_ms = self._clock.monotonic_ms()
        is_new = now_ms - self._led.get(slot, now_ms) < GRACE_MS
        return self.leases.live((app, key), is_new=is_new)

    def _announce(self, signals: Sequence[PresenceSignal]) -> None:
        for signal in signals:
            peers = self.interest.peers(signal.app, signal.key)
            slot = self._slots.get(self._engine.target_of(signal.app, signal.key))
            if peers and slot is not None:
                self._fan_out(peers, encode_presence_signal(slot.number, slot.term, signal))

    def _fan_out(self, peers: Iterable[str], message: bytes) -> None:
        for peer in peers:
            self.counts.published_total += 1
            if not self.links.send_windowed(peer, message):
                self.counts.dropped_total += 1

    # --- requests

    def _led_slot(self, message: Message) -> Slot | None:
        """The slot of a request if it is led here at the request's term or later."""
        slot = self._slots.get(message.slot)
        if slot is None or not slot.is_active or message.term > slot.term or not self._takes:
            return None
        return slot

    def _submit(self, peer: str, message: Message) -> None:
        self.counts.submits_total += 1
        slot = self._led_slot(message)
        if slot is None or message.slot in self.paused:
            return self._redirect(peer, message)
        now_ms = self._clock.monotonic_ms()
        deadline_ms = now_ms + message.ms_left if message.ms_left else 0
        request = Request(peer, message.request_id, message.slot, deadline_ms)
        submit = decode_pack(message.body, Submit)
        self._run(slot, request, message.app, message.key, submit)
        return None

    def _run(self, slot: Slot, request: Request, app: str, key: str, submit: Submit) -> None:
        ready = slot.submit(request, app, key, submit, self._now(), entropy(ENTROPY_BYTES))
        self.obey(slot, ready)
        self._copies.note(slot)

    def _query(self, peer: str, message: Message) -> None:
        self.counts.queries_total += 1
        slot = self._led_slot(message)
        if slot is None and message.type != Kind.QUERY_ANY:
            return self._redirect(peer, message)
        query = decode_pack(message.body, Query)
        if slot is None:
            slot = self._read_slot(message, query)
            if slot is None:
                return self._redirect(peer, message)
            self.counts.copy_reads_total += 1
        elif query.linear or query.min_seq > _head(slot, message):
            # Whoever has seen more than we have may know of another leader: we ask first.
            return self._query_linear(peer, message, slot)
        answer = self.reads.query(slot, message.app, message.key, query, self._clock.wall_ms())
        return self._reply(peer, message, Status.OK, answer)

    def _read_slot(self, message: Message, query: Query) -> Slot | None:
        """The slot of a QUERY that this node may answer as a follower: whole, in touch with the
        leader, and not behind the caller."""
        slot = self._slots.get(message.slot)
        if query.linear or slot is None or not self._takes:
            return None
        if not self._copies.may_read(slot):
            return None
        return slot if 0 < query.min_seq <= _head(slot, message) else None

    def _query_linear(self, peer: str, message: Message, slot: Slot) -> None:
        """Answered by `_read_now`, once a majority says that nobody else leads."""
        now = self._now()
        deadline_ms = now.mono_ms + message.ms_left if message.ms_left else 0
        request = Request(peer, message.request_id, message.slot, deadline_ms, read=message)
        self.obey(slot, slot.confirm(request, now))
        self._copies.note(slot)

    def _read_now(self, slot: Slot, peer: str, message: Message) -> None:
        self.counts.linear_reads_total += 1
        try:
            query = decode_pack(message.body, Query)
            now_ms = self._clock.wall_ms()
            answer = self.reads.query(slot, message.app, message.key, query, now_ms)
        except Rejected as refusal:
            self._reject(peer, message, refusal)
        except StoreError as error:
            self._unreadable(peer, message, error)
        else:
            self._reply(peer, message, Status.OK, answer)

    def _queries(self, peer: str, message: Message) -> None:
        batch = decode_pack(message.body, Queries)
        rows: list[QueryAnswer] = []
        byte_count = 0
        for ask in batch.asks:
            if byte_count >= batch.bytes_max:
                rows.append(_NO_ROOM)
                continue
            row = self._one_query(message.app, batch.viewer, ask)
            byte_count += len(row.body)
            rows.append(row)
        self._reply(peer, message, Status.OK, encode_pack(QueriesAnswer(tuple(rows))))

    def _one_query(self, app: str, viewer: Viewer, ask: QueryAsk) -> QueryAnswer:
        self.counts.queries_total += 1
        slot = self._slots.get(ask.slot)
        if slot is None or not slot.is_active or not self._takes:
            return _ELSEWHERE
        query = Query(ask.name, viewer, ask.args)
        try:
            answer = self.reads.query(slot, app, ask.key, query, self._clock.wall_ms())
        except Rejected as refusal:
            self._count_refusal(refusal)
            return QueryAnswer(Status.REJECTED, _refusal(refusal))
        except StoreError as error:  # it is another slot's than the message's
            self._copies.unreadable(slot, error)
            return _ELSEWHERE
        except Exception as error:  # noqa: BLE001 - boundary: one query fails, the others go on
            self.counts.features_failed_total += 1
            _log.error("query.failed", name=ask.name, exc_info=error)
            return QueryAnswer(Status.REJECTED, _refusal(Rejected(INTERNAL)))
        return QueryAnswer(Status.OK, answer)

    def _search(self, peer: str, message: Message) -> None:
        self.counts.searches_total += 1

        def done(answer: SearchAnswer) -> None:
            self._reply(peer, message, Status.OK, encode_pack(answer))

        self.searches.start(message.app, decode_pack(message.body, Search), done)

    def _subscribe(self, peer: str, message: Message) -> None:
        self.counts.subscribes_total += 1
        slot = self._led_slot(message)
        if slot is None:
            return self._redirect(peer, message)
        ask, app, key = decode_pack(message.body, Subscribe), message.app, message.key
        answer, access = self.reads.subscribe(slot, app, key, ask, self._clock.wall_ms())
        self._reply(peer, message, Status.OK, encode_pack(answer))
        viewer = ask.viewer
        if access.presence and viewer.client:
            joined = self.presence.join(
                app, key, ask.edge, viewer.client, viewer.info, is_announced=access.join_leave
            )
            self._announce(joined)
            self._look_at(slot, app, key)
        return None

    def _heads(self, peer: str, message: Message) -> None:
        self.counts.heads_total += 1
        query = decode_pack(message.body, HeadsQuery)
        rows = [self._head(query.edge, ask) for ask in query.asks]
        elsewhere: list[str] = []
        if query.newest is not None:
            newest, elsewhere = self.reads.newest(query.newest, self._active)
            rows += newest
        answer = HeadsAnswer(tuple(rows), tuple(elsewhere))
        self._reply(peer, message, Status.OK, encode_pack(answer))

    def _active(self, number: int) -> Slot | None:
        slot = self._slots.get(number)
        return slot if slot is not None and slot.is_active else None

    def _head(self, edge: str, ask: HeadAsk) -> HeadRow:
        slot = self._slots.get(ask.slot)
        if slot is None or not slot.is_active:
            return HeadRow(ask.app, ask.key, led=False)
        try:
            row = self.reads.head(slot, ask, self._clock.wall_ms())
        except StoreError as error:  # it is another slot's than the message's
            self._copies.unreadable(slot, error)
            return HeadRow(ask.app, ask.key, led=False)
        if ask.clients is not None:
            reported = self.presence.report(
                ask.app,
                ask.key,
                edge,
                ask.clients,
                is_announced=self._announces(ask.app, ask.key),
            )
            self._announce(reported)
            self._look_at(slot, ask.app, ask.key)
        elif ask.watchers is not None:
            self._counted(ask.app, ask.key, edge, ask.watchers)
        return row

    def _announces(self, app: str, key: str) -> bool:
        settings = self._engine.context(app, key, Viewer(""), 0).settings
        space = namespace_for(key, settings)
        return space is not None and space.join_leave

    def _presence(self, peer: str, message: Message) -> None:
        self.counts.presences_total += 1
        slot = self._led_slot(message)
        if slot is None:
            return self._redirect(peer, message)
        app, key, report = message.app, message.key, decode_pack(message.body, Presence)
        self.presence.change(app, key, report.edge, report.changed)
        if report.watchers is not None:
            self._counted(app, key, report.edge, report.watchers)
        left = self.presence.leave(app, key, report.edge, report.left)
        self._reply(peer, message, Status.OK, b"")
        self._announce(left)
        return self._look_at(slot, app, key)

    def _counted(self, app: str, key: str, edge: str, number: int) -> None:
        """An edge says a number: whom it had listed before is in it."""
        self.audiences.report((app, key), edge, number)
        self.presence.report(app, key, edge, (), is_announced=False)

    def _interest(self, peer: str, message: Message) -> None:
        if self.interest.receive(peer, message):
            self.links.send(peer, PULL)

    # --- answers

    def _answer(self, slot: Slot, request: Request, result: Result) -> None:
        if not request.peer:
            if request.forward is not None:
                self._forward_answered(request.forward, _status(result), result)
            elif request.ended is not None:
                self._ended_answered(request.ended, result)
            else:
                self._due_answered(request.due, result)
            return
        if request.deadline_ms and self._clock.monotonic_ms() > request.deadline_ms:
            self.counts.late_total += 1
            return
        if request.read is not None and isinstance(result, ReadNow):
            self._read_now(slot, request.peer, request.read)
            return
        status, body = self._encode(slot, result)
        if self._traces:
            self._told(request.peer, request.id, status)
        self.links.send(
            request.peer,
            encode_message(
                _RESULT,
                body,
                slot=slot.number,
                term=slot.term,
                request_id=request.id,
                flags=status,
            ),
        )

    def _ended_answered(self, ended: tuple[StreamName, int], result: Result) -> None:
        if isinstance(result, Rejected):
            self._count_refusal(result)
        if isinstance(result, Outcome) or (
            isinstance(result, Rejected) and not result.error.temporary
        ):
            self.leases.kept(*ended)

    def _encode(self, slot: Slot, result: Result) -> tuple[Status, bytes]:
        if isinstance(result, Outcome):
            return _OK, encode_pack(result)
        if isinstance(result, Rejected):
            self._count_refusal(result)
            return Status.REJECTED, _refusal(result)
        if isinstance(result, Redirected):
            return Status.REDIRECT, self._redirection(slot.number)
        return Status.UNKNOWN, b""

    def _count_refusal(self, refusal: Rejected) -> None:
        self.counts.rejected_total += 1
        if isinstance(refusal.__cause__, FeatureFailed):
            self.counts.features_failed_total += 1
            _log.error("feature.failed", exc_info=refusal.__cause__)

    def _reply(self, peer: str, message: Message, status: Status, body: bytes) -> None:
        """The answer to a request that is answered at once."""
        if self._traces:
            self._told(peer, message.request_id, status)
        answer = encode_message(
            Kind.RESULT,
            body,
            slot=message.slot,
            term=message.term,
            request_id=message.request_id,
            flags=status,
        )
        self.links.send(peer, answer)

    def _reject(self, peer: str, message: Message, refusal: Rejected) -> None:
        if message.type == Kind.RESULT or not message.request_id:
            return
        self._count_refusal(refusal)
        self._reply(peer, message, Status.REJECTED, _refusal(refusal))

    def _redirect(self, peer: str, message: Message) -> None:
        """Or, where it is soon known who answers this request, wait for that."""
        now_ms = self._clock.monotonic_ms()
        if self._is_changing(message) and self.held.hold(peer, message, now_ms):
            self.counts.held_total += 1
        else:
            self._redirect_now(peer, message)

    def _redirect_now(self, peer: str, message: Message) -> None:
        self.counts.redirects_total += 1
        self._reply(peer, message, Status.REDIRECT, self._redirection(message.slot))

    def _is_changing(self, message: Message) -> bool:
        """The slot is about to be led here, or to leave; or the router has newer word of it."""
        slot = self._slots.get(message.slot)
        if slot is None or slot.replica.failure or not self._takes:
            return False
        if slot.is_active:
            return message.slot in self.paused or message.term > slot.term
        if slot.replica.is_leading:
            return True
        # Any copy will do for a QUERY_ANY: one that is behind sends it to the leader at once.
        return message.term > slot.term and message.type != Kind.QUERY_ANY

    def look_at_held(self) -> None:
        """Some times a second, and when slots that paused go on."""
        for number in self.held.slots() if self.held else ():
            self._release(number)

    def _release(self, number: int) -> None:
        now_ms = self._clock.monotonic_ms()

        def is_late(one: Waiting) -> bool:
            return now_ms - one.since_ms >= HELD_MS

        def is_over(one: Waiting) -> bool:
            return is_late(one) or not self._is_changing(one.message)

        for waiting in self.held.take(number, is_over):
            if is_late(waiting):
                self._redirect_now(waiting.peer, waiting.message)
            else:
                self.receive(waiting.peer, [waiting.message])

    def _redirection(self, slot: int) -> bytes:
        return encode_pack(Redirect(*self._leader_of(slot)))

    # --- Forwards

    def _send_forwards(self, forwards: Sequence[QueuedForward]) -> None:
        """Send, and whatever an answer given at once lets leave next; without recursion."""
        self._leaving.extend(forwards)
        if self._is_sending or self._holds_forwards or not self._takes:
            return
        self._is_sending = True
        try:
            while self._leaving:
                self._send_forward(self._leaving.popleft())
        finally:
            self._is_sending = False

    def _send_forward(self, forward: QueuedForward) -> None:
        """To ourselves if the target is led here, else through the target's first live router."""
        row, source = forward.row, self._slots[forward.source]
        submit = Submit(
            row.tag,
            Viewer(row.user, SYSTEM),
            "",
            row.body,
            forward.source,
            source.incarnation,
            forward.n,
        )
        target = self._slots.get(forward.target)
        if forward.target in self.paused:
            self._outbox.failed(forward, self._clock.monotonic_ms(), self._random())
            return
        if target is not None and target.is_active:
            request = Request("", 0, forward.target, forward=forward)
            self._run(target, request, row.app, row.key, submit)
            return
        request_id = self._next_id
        self._next_id += 1
        message = encode_message(
            Kind.SUBMIT,
            encode_pack(submit),
            slot=forward.target,
            request_id=request_id,
            ms_left=_FORWARD_MS_LEFT,
            app=row.app,
            key=row.key,
        )
        router = next(iter(rendezvous(forward.target, sorted(self._routers))), "")
        if not router or not self.links.send(router, message):
            self._outbox.failed(forward, self._clock.monotonic_ms(), self._random())
            return
        pair = (forward.source, forward.target)
        self._forwards.pop(self._forward_ids.get(pair, 0), None)  # an earlier try of the same pair
        self._forward_ids[pair] = request_id
        self._forwards[request_id] = forward

    def _result(self, _: str, message: Message) -> None:
        """The answer to one of our Forwards."""
        forward = self._forwards.pop(message.request_id, None)
        if forward is None:
            return
        del self._forward_ids[forward.source, forward.target]
        status = Status(message.flags)
        result: Result = Unknown()
        if status is Status.REJECTED:
            result = _refused(decode_pack(message.body, Refusal))
        self._forward_answered(forward, status, result)

    def _forward_answered(self, forward: QueuedForward, status: Status, result: Result) -> None:
        now_ms = self._clock.monotonic_ms()
        is_refused = isinstance(result, Rejected) and not result.error.temporary
        if status is Status.OK or is_refused:
            leaving = self._outbox.finished(forward, now_ms, is_dropped=is_refused)
            self._send_forwards(leaving)
        else:
            self._outbox.failed(forward, now_ms, self._random())


def _head(slot: Slot, message: Message) -> int:
    """How far this copy has the message's stream."""
    return slot.overlay.stream(message.app, message.key).committed.seq


def _nothing() -> None:
    return


def _nothing_of(_: float) -> None:
    return


def _status(result: Result) -> Status:
    if isinstance(result, Outcome):
        return Status.OK
    return Status.REJECTED if isinstance(result, Rejected) else Status.UNKNOWN


def _refusal(refusal: Rejected) -> bytes:
    details: dict[str, Any] = refusal.details
    body = dump_json(details) if details else b""
    return encode_pack(Refusal(refusal.error.code, refusal.text, body))


def _refused(refusal: Refusal) -> Rejected:
    return Rejected(error_by_code(refusal.code), refusal.text)
