"""The edge's side of its links to the routers: requests out, results, events and signals in.

Rules:
1. Every request is answered exactly once through its callback: OK, REJECTED or UNKNOWN; at the
   latest when its time is up (the client SDKs give up at 5 s, so UNKNOWN comes before that).
   What a callback does wrong costs that message alone, never the rest of a frame or tick. An answer
   that cannot be read (processes of different versions, a bug) is told at once as such: a command's
   outcome is unknown, anything else is refused as `internal`.
2. A request whose router went away is sent again through the next one, under the same id: commands
   carry a cmid, so twice is once.
3. Whatever may have lost events (a hole, a new router, a new term) ends in one batched HEADS
   question for each leader concerned; the hub repairs what is behind.
4. No task, future or timer for a request: one tick for all.

Long because requests, interest and repairs share the links to the routers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol

from msgspec import MsgspecError, Struct

from edge.carriers import Carriers, Stream
from edge.hub import Hub, Repair
from edge.tracing import TRACE
from hubbub.base.errors import INTERNAL, Rejected, error_by_code
from hubbub.base.units import SECOND_MS
from hubbub.coordinator.cluster import ClusterView
from hubbub.ring.hashing import slot_of, slots_of
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.transport.peer import Peers
from hubbub.wire.codec import decode_pack, encode_pack, load_json
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.search import SearchAnswer
from hubbub.wire.shapes import (
    Beat,
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    NewestAsk,
    Outcome,
    QueriesAnswer,
    Refusal,
    SignalKind,
    Status,
    SubmitsAnswer,
    Subscribe,
    Subscribed,
    Viewer,
)
from hubbub.wire.tracing import TRACED, with_trace

Done = Callable[[Status, bytes], None]
_log = get_logger("edge")
_EVENT, _RESULT, _SIGNAL = int(Kind.EVENT), int(Kind.RESULT), int(Kind.SIGNAL)
_UNKNOWN: Final = Status.UNKNOWN  # an enum's member costs ten times a global's look-up
_STATUSES: Final = {int(status): status for status in Status}

TICK_MS: Final = 100  # resolution of deadlines, and how long a HEADS question gathers streams
HEADS_ASKS_MAX: Final = 1_000  # streams in one HEADS question
HEADS_NAMES_MAX: Final = 20_000  # names of blocked users in it, 1 MB at the most usual
# What an answer that is OK must be; of other kinds nobody reads it. A query's is JSON.
ANSWERS: Final[dict[int, type]] = {
    Kind.SUBMIT: Outcome,
    Kind.SUBMITS: SubmitsAnswer,
    Kind.QUERIES: QueriesAnswer,
    Kind.SUBSCRIBE: Subscribed,
    Kind.HEADS: HeadsAnswer,
    Kind.SEARCH: SearchAnswer,
}
_NOT_READ: Final = (MsgspecError, ValueError, Rejected)
_COMMANDS: Final = (Kind.SUBMIT, Kind.SUBMITS)
_UNREADABLE: Final = encode_pack(Refusal(INTERNAL.code, "the answer could not be read"))
SYSTEM: Final = Viewer(user="", authority="system")
REQUESTS_MAX: Final = 100_000  # beyond it the edge answers UNKNOWN at once
# A user's own stream stays heard of for so long: most who go come back. Less than a leader's grace
# (node.leases), so that nobody is told at an edge where none of his is left.
LINGER_MS: Final = 8_000
LINGERING_MAX: Final = 20_000  # the longest lingering go first


class Events(Protocol):
    """Who takes what arrives."""

    def event(self, app: str, key: str, body: bytes) -> None: ...

    def signal(self, app: str, key: str, kind: SignalKind, data: bytes) -> None: ...

    def heads(self, rows: list[tuple[HeadAsk, HeadRow]]) -> None:
        """Answers to the HEADS question about streams in doubt."""
        ...

    def ask(self, stream: Stream, slot: int) -> HeadAsk | None:
        """What to ask for a stream whose position is in doubt; None if nobody needs it now."""
        ...

    def for_process(self, body: bytes) -> None:
        """A TO_PROCESS message for this edge."""
        ...


class Unreadable(Struct):
    """What could not be read."""

    answers_total: int = 0


class _Request:
    __slots__ = ("app", "body", "deadline_ms", "done", "key", "kind", "router", "slot", "trace")

    def __init__(
        self, kind: Kind, app: str, key: str, slot: int, body: bytes, deadline_ms: int, done: Done
    ) -> None:
        self.kind = kind
        self.app = app
        self.key = key
        self.slot = slot
        self.body = body
        self.deadline_ms = deadline_ms
        self.done = done
        self.router = ""
        self.trace = TRACE.get()


class Uplink:
    """The handler of the edge's links. `peers` and `events` are set by the wiring."""

    peers: Peers
    events: Events

    def __init__(self, view: ClusterView, clock: Clock, *, process: str, answer_ms: int) -> None:
        self._view = view
        self._clock = clock
        self._process = process  # name.boot_id
        self._answer_ms = answer_ms
        # Ordered: the oldest is found at once, however many went before it.
        self._requests: OrderedDict[int, _Request] = OrderedDict()
        self._unsent: dict[int, None] = {}  # no router took them yet
        self._next_id = 1
        self._doubtful: dict[Stream, None] = {}
        self._lingering: OrderedDict[Stream, int] = OrderedDict()  # heard for nobody, until when
        self._changed_slots: set[int] = set()
        self._slots = view.cluster.slots
        self._seed = view.cluster.seed
        self.carriers = Carriers(self.slot_of)
        self.unknown = 0
        self.resent = 0
        self.broken = 0  # messages and answers that made us fail: our bugs
        self.unreadable = Unreadable()  # answers that are none: what was asked failed at once
        self._unreadable_logged = (0, -SECOND_MS)  # how many of them, when

    def slot_of(self, app: str, key: str) -> int:
        """The slot of a stream."""
        return slot_of(app, key, self._slots, self._seed)

    def slots_of(self, app: str, keys: Iterable[str]) -> list[int]:
        """The slots of many streams."""
        return slots_of(app, keys, self._slots, self._seed)

    def leader_of(self, slot: int) -> str:
        """The node that leads a slot by the map, "" if it names none."""
        leader = self._view.slot_map.leader_of(slot)
        return leader.node if leader else ""

    def leaders_of(self, slots: Iterable[int]) -> list[str]:
        """The same of many slots."""
        return self._view.slot_map.nodes_of(slots)

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return len(self._requests)

    @property
    def ready(self) -> bool:
        """At least one registered router answers."""
        return bool(self.carriers.carrier(0))

    # --- out

    def request(
        self, kind: Kind, app: str, key: str, body: bytes, done: Done, *, slot: int = -1
    ) -> None:
        """Send a request; `done(status, body)` is called exactly once.

        From inside only where too many requests wait already.
        """
        requests = self._requests
        if len(requests) >= REQUESTS_MAX:
            self.unknown += 1
            done(Status.UNKNOWN, b"")
            return
        request_id = self._next_id
        self._next_id += 1
        if slot < 0:
            slot = slot_of(app, key, self._slots, self._seed)
        answer_ms = self._answer_ms
        deadline = self._clock.monotonic_ms() + answer_ms
        request = requests[request_id] = _Request(kind, app, key, slot, body, deadline, done)
        self._send(request_id, request, answer_ms)

    def ask_leader(self, kind: Kind, app: str, body: bytes, slot: int, done: Done) -> None:
        """A request for whoever leads this slot, about many streams."""
        self.request(kind, app, "", body, done, slot=slot)

    def to_process(self, process: str, body: bytes) -> bool:
        """Hand bytes to the process `name.boot_id` through any live router that is asked to."""
        message = encode_message(Kind.TO_PROCESS, body, key=process)
        return any(self.peers.send(router, message) for router in sorted(self.carriers.live))

    def repair(self, repair: Repair, hub: Hub) -> None:
        """Fetch a gap's events: the edge subscribes itself from the position it stands at."""

        def done(status: Status, body: bytes) -> None:
            if status is Status.REJECTED and _is_final(body):
                # The stream may be gone: whoever is in it must ask for himself.
                hub.repaired(repair.stream, repair.epoch, repair.position, False, ())
                return
            if status is not Status.OK:
                hub.repair_failed(repair.stream)
                self.doubt([repair.stream])
                return
            answer = decode_pack(body, Subscribed)
            hub.repaired(repair.stream, answer.epoch, answer.head, answer.recovered, answer.events)

        ask = Subscribe(
            SYSTEM, self._process, recover=True, offset=repair.position, epoch=repair.epoch
        )
        self.request(Kind.SUBSCRIBE, *repair.stream, encode_pack(ask), done)

    def doubt(self, streams: Iterable[Stream]) -> None:
        """Positions of these streams may be behind: ask their leaders at the next tick."""
        self._doubtful.update(dict.fromkeys(streams))

    def interest(self, stream: Stream, wanted: bool) -> None:
        """Take or drop interest; a DELTA goes out before any later request on the same link."""
        if wanted:
            if self._lingering.pop(stream, None) is None:
                self.carriers.add(stream)
            return
        self._doubtful.pop(stream, None)
        if stream[1][:1] != "#":
            self.carriers.remove(stream)
            return
        self._lingering[stream] = self._clock.monotonic_ms() + LINGER_MS
        if len(self._lingering) > LINGERING_MAX:
            self.carriers.remove(self._lingering.popitem(last=False)[0])

    def tick(self) -> None:
        """Deadlines, requests without a router, streams in doubt, interest that only shrank."""
        now = self._clock.monotonic_ms()
        while self._requests:  # all have the same time, so the oldest is due first
            request_id, request = next(iter(self._requests.items()))
            if request.deadline_ms > now:
                break
            self._finish(request_id, Status.UNKNOWN, b"")
        unsent, self._unsent = self._unsent, {}
        for request_id in unsent:
            waiting = self._requests.get(request_id)
            if waiting is not None:
                self.resent += 1
                self._send(request_id, waiting, waiting.deadline_ms - now)
        while self._lingering and next(iter(self._lingering.values())) <= now:
            self.carriers.remove(self._lingering.popitem(last=False)[0])
        for router in self.carriers.sets:
            self._send_interest(router)
        if self._changed_slots:
            changed, self._changed_slots = self._changed_slots, set()
            self.doubt(s for s in self.carriers.streams() if self.slot_of(*s) in changed)
        if self._doubtful:
            self._ask_positions()

    def cluster_changed(self, kind: str, name: str) -> None:
        """The cluster's view changed: `kind` is slot, router, node, …"""
        if kind == "router":
            self.doubt(self.carriers.set_routers(self._view.routers))
            for known in self._view.routers.values():
                self.peers.dial(known.name, known.address)
        elif kind == "slot":
            self._changed_slots.add(int(name))  # a node that dies changes hundreds at once

    # --- in: transport.peer.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        moved = self.carriers.set_live(peer, True)
        self._send_full(peer)
        self.doubt({*moved, *self.carriers.carried_by(peer)})

    def peer_down(self, peer: str) -> None:
        self.doubt(self.carriers.set_live(peer, False))
        now = self._clock.monotonic_ms()
        for request_id, request in list(self._requests.items()):
            if request.router == peer:
                self.resent += 1
                self._send(request_id, request, request.deadline_ms - now)

    def peer_hole(self, peer: str) -> None:
        self.doubt(self.carriers.carried_by(peer))

    def beat(self, peer: str) -> bytes:
        held = self.carriers.sets.get(peer)
        return held.beat() if held is not None else encode_pack(Beat(0, 0, 0))

    def beat_received(self, peer: str, body: bytes) -> None:
        """Routers keep no set at an edge: nothing to compare."""

    def receive(self, peer: str, messages: list[Message]) -> None:
        for message in messages:
            try:
                self._take(peer, message)
            except Exception:  # noqa: BLE001 - boundary: the rest of the frame is for others
                self.broken += 1
                _log.error("link.message_failed", kind=message.type, exc_info=True)

    # --- inside

    def _take(self, peer: str, message: Message) -> None:
        kind, flags, _, _, request_id, _, app, key, body, _ = message
        if kind == _EVENT:
            self.events.event(app, key, body)
        elif kind == _RESULT:
            status = _STATUSES.get(flags)
            if status is not None:
                self._finish(request_id, status, body)
            elif request_id in self._requests:
                self._fail(self._requests.pop(request_id), None)
        elif kind == _SIGNAL:
            self.events.signal(app, key, SignalKind(flags), body)
        elif kind == Kind.INTEREST_PULL:
            self._send_full(peer)
        elif kind == Kind.TO_PROCESS:
            self.events.for_process(body)

    def _send(self, request_id: int, request: _Request, ms_left: int) -> None:
        carriers = self.carriers
        router = carriers.carrier(request.slot)
        request.router = ""
        if not router:
            self._unsent[request_id] = None
            return
        held = carriers.sets.get(router)
        if held is not None and held.changed:
            self._send_interest(router)
        trace = request.trace
        message = encode_message(
            request.kind,
            with_trace(request.body, trace) if trace else request.body,
            slot=request.slot,
            request_id=request_id,
            ms_left=ms_left if ms_left > 0 else 1,
            app=request.app,
            key=request.key,
            flags=TRACED if trace else 0,
        )
        if self.peers.send_windowed(router, message):
            request.router = router
        else:
            self._unsent[request_id] = None

    def _finish(self, request_id: int, status: Status, body: bytes) -> None:
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        if status is _UNKNOWN:
            self.unknown += 1
        token = TRACE.set(request.trace) if request.trace else None
        try:
            request.done(status, body)
        except Exception as failure:  # noqa: BLE001 - boundary: whoever asked, the next is another's
            # Whoever reads an answer does so before anything else, so he has not begun.
            if isinstance(failure, _NOT_READ) and not _is_readable(request.kind, status, body):
                self._fail(request, status)
            else:
                self.broken += 1
                _log.error("link.answer_failed", kind=request.kind, exc_info=True)
        finally:
            if token is not None:
                TRACE.reset(token)

    def _fail(self, request: _Request, status: Status | None) -> None:
        """Its answer, of this status, cannot be read."""
        self.unreadable.answers_total += 1
        total = self.unreadable.answers_total
        now, (count, logged_ms) = self._clock.monotonic_ms(), self._unreadable_logged
        if now - logged_ms >= SECOND_MS:
            self._unreadable_logged = (total, now)
            _log.error("link.answer_unreadable", kind=request.kind, since_last=total - count)
        is_unknown = request.kind in _COMMANDS and status is not Status.REJECTED
        told, body = (_UNKNOWN, b"") if is_unknown else (Status.REJECTED, _UNREADABLE)
        try:
            request.done(told, body)
        except Exception:  # noqa: BLE001 - boundary, as in _finish
            self.broken += 1
            _log.error("link.answer_failed", kind=request.kind, exc_info=True)

    def _send_interest(self, router: str) -> None:
        held = self.carriers.sets.get(router)
        if held is not None and held.changed and router in self.carriers.live:
            for message in held.deltas():
                self.peers.send(router, message)

    def _send_full(self, router: str) -> None:
        for message in self.carriers.set_of(router).fulls():
            self.peers.send(router, message)

    def _ask_positions(self) -> None:
        asks = []
        for stream in self._doubtful:
            ask = self.events.ask(stream, self.slot_of(*stream))
            if ask is not None:
                asks.append(ask)
        self._doubtful = {}
        self.ask_heads(asks, self.events.heads, self.doubt)

    def ask_heads(
        self,
        asks: list[HeadAsk],
        answered: Callable[[list[tuple[HeadAsk, HeadRow]]], None],
        failed: Callable[[list[Stream]], None],
        fresh: Collection[Stream] | None = None,
    ) -> None:
        """HEADS questions, one for each leader and HEADS_ASKS_MAX streams. Those about `fresh`
        streams (None: all) go by the router that carries a stream's interest, which is then there
        before the question.

        `answered` gets the rows that were answered, `failed` the streams to ask for again.
        """
        groups: dict[tuple[str, str], list[HeadAsk]] = {}
        for ask in asks:
            is_fresh = fresh is None or (ask.app, ask.key) in fresh
            router = self.carriers.carrier(ask.slot) if is_fresh else ""
            groups.setdefault((self.leader_of(ask.slot), router), []).append(ask)
        for group in groups.values():
            for portion in _portions(group):
                self._question(portion, answered, failed)

    def ask_newest(
        self,
        app: str,
        keys: Sequence[str],
        best: int,
        after: tuple[int, str] | None,
        done: Callable[[list[HeadRow] | None], None],
    ) -> None:
        """Of many streams those where something was said last, of each leader's; None if one of
        them did not answer for all of its own. One question for each leader."""
        groups: dict[str, tuple[list[int], list[str]]] = {}
        leader_of = self._view.slot_map.leader_of
        for key in keys:
            slot = slot_of(app, key, self._slots, self._seed)
            leader = leader_of(slot)
            slots, theirs = groups.setdefault(leader.node if leader else "", ([], []))
            slots.append(slot)
            theirs.append(key)
        waiting, is_whole, rows = len(groups), True, list[HeadRow]()

        def answered(status: Status, body: bytes) -> None:
            nonlocal waiting, is_whole
            waiting -= 1
            if status is Status.OK:
                answer = decode_pack(body, HeadsAnswer)
                rows.extend(answer.rows)
                is_whole = is_whole and not answer.elsewhere
            else:
                is_whole = False
            if not waiting:
                done(rows if is_whole else None)

        for slots, theirs in groups.values():
            newest = NewestAsk(app, tuple(slots), tuple(theirs), best, after)
            body = encode_pack(HeadsQuery(self._process, (), newest))
            self.request(Kind.HEADS, app, "", body, answered, slot=slots[0])

    def _question(
        self,
        asks: list[HeadAsk],
        answered: Callable[[list[tuple[HeadAsk, HeadRow]]], None],
        failed: Callable[[list[Stream]], None],
    ) -> None:
        def done(status: Status, body: bytes) -> None:
            if status is not Status.OK:
                failed([(ask.app, ask.key) for ask in asks])
                return
            pairs = list(zip(asks, decode_pack(body, HeadsAnswer).rows, strict=True))
            if elsewhere := [(row.app, row.key) for _, row in pairs if not row.led]:
                failed(elsewhere)
            answered([(ask, row) for ask, row in pairs if row.led])

        body = encode_pack(HeadsQuery(self._process, tuple(asks)))
        self.request(Kind.HEADS, asks[0].app, "", body, done, slot=asks[0].slot)


def _portions(asks: list[HeadAsk]) -> Iterator[list[HeadAsk]]:
    """Questions of a bounded size."""
    start = names = 0
    for at, ask in enumerate(asks):
        names += sum(map(len, ask.blocked))
        if at > start and (at - start >= HEADS_ASKS_MAX or names > HEADS_NAMES_MAX):
            yield asks[start:at]
            start, names = at, sum(map(len, ask.blocked))
    yield asks[start:]


def _is_readable(kind: Kind, status: Status, body: bytes) -> bool:
    """Whether an answer is what its kind and status promise."""
    try:
        if status is Status.REJECTED:
            decode_pack(body, Refusal)
        elif status is Status.OK and kind in (Kind.QUERY, Kind.QUERY_ANY) and body:
            load_json(body)
        elif status is Status.OK and kind in ANSWERS:
            answer: object = decode_pack(body, ANSWERS[kind])
            if isinstance(answer, SubmitsAnswer):
                return all(_is_readable(Kind.SUBMIT, row.status, row.body) for row in answer.rows)
    except _NOT_READ:
        return False
    return True


def _is_final(body: bytes) -> bool:
    return not error_by_code(decode_pack(body, Refusal).code).temporary
