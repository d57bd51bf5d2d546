"""Links ↔ cores: every message of a link to the piece that it concerns, and every `Ready` obeyed.

Rules:
1. `obey` is the one place that acts on a slot's output, in the order that `slot.Ready` demands.
2. A request gets exactly one RESULT. For a slot that is not led here it is REDIRECT; while it
   changes hands here the request waits (`node.held`).
3. An edge is named `name.boot_id`, a link's peer by its name alone.
4. What a feature breaks costs one request, logged; what the disk breaks ends the process.

Long because it is the one place that obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from hubbub.base.errors import BAD_REQUEST, INTERNAL, Rejected
from hubbub.ring.map import SlotRecord
from hubbub.runtime.clock import Clock, entropy
from hubbub.runtime.logs import get_logger
from hubbub.transport.replicated_set import PULL
from hubbub.wire.codec import decode_pack
from hubbub.wire.frame import Message
from hubbub.wire.shapes import REQUESTS, Kind, Status, Submit, Submits
from hubbub.wire.tracing import TRACED
from node.attendance import Attendance
from node.bundle import Bundle
from node.copies import NODE_KINDS, Copies
from node.engine import Engine, QueuedForward
from node.firing import Firing
from node.forwarding import Forwarding
from node.held import HELD_MS, Held, Waiting
from node.intake import ENTROPY_BYTES, Intake, Request
from node.outbox import Outbox
from node.publishing import Publishing
from node.questions import Questions
from node.reads import Reads
from node.ready import Publication, ReadNow, Ready, Record, Result
from node.removals import REMOVED
from node.replies import Replies
from node.slot import Slot
from node.store.api import StoreError
from node.usage import stored

_REQUESTS: Final = frozenset(map(int, REQUESTS))
_log = get_logger()


class RecordSink(Protocol):
    """What the service needs of the writer."""

    def submit(self, records: Sequence[Record]) -> None: ...


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
        nobody. is_node: a link's peer is another node. `intake.links`, `writer`, `activate` and
        `load_outbox` are set before anything is received. `applied` is called with a slot that has
        applied entries, for those who read its log later.
        """
        self._slots = slots
        self._copies = copies
        self._usage = engine.usage
        self._is_node = is_node
        self._clock = clock
        self.writer: RecordSink
        self.activate: Callable[[Slot, SlotRecord], None]
        self.load_outbox: Callable[[int], Iterable[QueuedForward]]
        self.removed: Callable[[int], None]
        self.applied: Callable[[int], None] = _nothing_of
        self.intake = intake = Intake(slots, clock)
        self.replies = replies = Replies(intake, leader_of)
        self.publishing = Publishing(intake, engine)
        self.attendance = Attendance(intake, engine, self.publishing, replies, copies, self._run)
        self.reads = Reads(engine, self.attendance.presence, self.attendance.live)
        self.questions = Questions(
            intake, self.reads, replies, self.attendance, copies, self.obey, self._redirect
        )
        self.forwarding = Forwarding(intake, outbox, random, self._run)
        self.firing = Firing(intake, replies, copies, self.obey, random)
        self.held = Held()
        self._led: set[int] = set()
        self._applied: dict[int, int] = {}  # slot → up to where it was told
        self._handlers: dict[int, Callable[[str, Message], None]] = {
            Kind.SUBMIT: self._submit,
            Kind.SUBMITS: self._submits,
            Kind.QUERY: self.questions.query,
            Kind.QUERY_ANY: self.questions.query,
            Kind.SUBSCRIBE: self.questions.subscribe,
            Kind.QUERIES: self.questions.queries,
            Kind.SEARCH: self.questions.search,
            Kind.HEADS: self.questions.heads,
            Kind.PRESENCE: self.questions.presence,
            Kind.RESULT: self.forwarding.answer,
            Kind.INTEREST_FULL: self._interest,
            Kind.INTEREST_DELTA: self._interest,
        }

    # --- transport.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        """A router is here; what it wants comes as FULL. Or another node."""
        if self._is_node(peer):
            self._copies.peer_up(peer)
        else:
            self.intake.routers.add(peer)
            self.publishing.interest.up(peer)

    def peer_down(self, peer: str) -> None:
        """A router is gone; Forwards that it carried are sent again when their time is over."""
        if peer in self.intake.routers:
            self.intake.routers.discard(peer)
            self.publishing.interest.down(peer)
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
                self.intake.counts.malformed_total += 1
                continue
            if message.flags == TRACED and message.type in _REQUESTS:
                message = self.replies.traced(peer, message)
            self._handle(handler, peer, message)

    def _handle(self, handler: Callable[[str, Message], None], peer: str, message: Message) -> None:
        try:
            handler(peer, message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.intake.counts.malformed_total += 1
            self.replies.reject(peer, message, Rejected(BAD_REQUEST, "malformed request"))
        except Rejected as refusal:
            self.replies.reject(peer, message, refusal)
        except StoreError as error:
            self._unreadable(peer, message, error)
        except Exception as error:  # noqa: BLE001 - boundary: one request fails, the others go on
            self.intake.counts.features_failed_total += 1
            trace = self.replies.trace_of(peer, message)
            _log.error("request.failed", kind=message.type, request_id=trace, exc_info=error)
            self.replies.reject(peer, message, Rejected(INTERNAL))

    def _unreadable(self, peer: str, message: Message, error: StoreError) -> None:
        slot = self._slots.get(message.slot)
        if slot is not None:
            self._copies.unreadable(slot, error)
        if slot is None or slot.is_active:
            self.replies.reject(peer, message, Rejected(INTERNAL))
        elif message.request_id:
            self.replies.reply(peer, message, Status.UNKNOWN, b"")  # asked again, of who leads then

    def _from_node(self, peer: str, message: Message) -> None:
        if peer in self.intake.routers:  # its link was up before the map told who it is
            self.intake.routers.discard(peer)
            self.publishing.interest.down(peer)
            self._copies.peer_up(peer)
        try:
            self._copies.receive(peer, message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.intake.counts.malformed_total += 1
        except StoreError as error:
            _log.error("store.read_failed", slot=message.slot, error=str(error))

    def beat(self, peer: str) -> bytes:
        """A node owns no interest set."""
        return b""

    def beat_received(self, peer: str, body: bytes) -> None:
        """Compare the router's digest with our copy."""
        if self.publishing.interest.beat(peer, body):
            self.intake.links.send(peer, PULL)

    def _interest(self, peer: str, message: Message) -> None:
        if self.publishing.interest.receive(peer, message):
            self.intake.links.send(peer, PULL)

    # --- from the writer and the timer

    def persisted(self, tokens: Iterable[tuple[int, int]]) -> None:
        """Records are durable: (slot, highest token)."""
        now = self.intake.now()
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
        self.intake.takes = False
        self.look_at_held()

    def tick(self, live_edges: Collection[str]) -> None:
        """Once a second."""
        now = self.intake.now()
        for number, done in self.forwarding.tick(now.mono_ms).items():
            slot = self._slots[number]
            self.obey(slot, slot.forwards_done(done, now))
        self.attendance.tick(live_edges, now)
        self.publishing.tell_pulses()

    def tick_slots(self) -> None:
        """Once a minute: what slots do without being asked."""
        now = self.intake.now()
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
            self.attendance.signed(publication)
            self._publish(slot, publication)
        if ready.persist:
            self.writer.submit(ready.persist)
        if ready.activate is not None:
            self.activate(slot, ready.activate)
        for publication in ready.committed:
            self._publish(slot, publication)
        if ready.dues:
            self.firing.dues.change(slot.number, ready.dues)
            self.firing.wake()
        for request, result in ready.results:
            self._answer(slot, request, result)
        applied = slot.applied
        if self._applied.get(slot.number) != applied:
            self._applied[slot.number] = applied
            self.applied(slot.number)
        if ready.forwards:
            self.forwarding.add(ready.forwards)
        if slot.number in self.held:
            self._release(slot.number)

    def _led_changed(self, slot: Slot) -> None:
        """A term began here, or ended: Forwards, dues and presence are the leader's."""
        number = slot.number
        if slot.is_active:
            self._led.add(number)
            self._usage.lead(number, stored(slot.overlay, number))
            self.attendance.lead(number)
            self.forwarding.add(list(self.load_outbox(number)))
            self.firing.lead(number)
            return
        self._led.discard(number)
        self._usage.forget(number)
        self.forwarding.forget(number)
        self.firing.forget(number)
        self.attendance.forget(number)

    def _publish(self, slot: Slot, publication: Publication) -> None:
        if publication.pulses and publication.key[:1] == "#":
            publication = self.attendance.stirred(slot, publication)
        elif publication.pulses:
            publication = self.attendance.hushed(slot, publication)
        self.publishing.publish(slot, publication)

    def _answer(self, slot: Slot, request: Request, result: Result) -> None:
        if not request.peer:
            if request.forward is not None:
                self.forwarding.answered(request.forward, result)
            elif request.ended is not None:
                self.attendance.ended_answered(request.ended, result)
            else:
                self.firing.answered(request.due, result)
            return
        if request.bundle is not None:
            self._bundled(slot, request, result)
            return
        if request.deadline_ms and self._clock.monotonic_ms() > request.deadline_ms:
            self.intake.counts.late_total += 1
            return
        if request.read is not None and isinstance(result, ReadNow):
            self._handle(self.questions.read_now, request.peer, request.read)
            return
        self.replies.result(slot, request, result)

    # --- commands

    def _submit(self, peer: str, message: Message) -> None:
        self.intake.counts.submits_total += 1
        slot = self.intake.led(message)
        if slot is None or message.slot in self.intake.paused:
            return self._redirect(peer, message)
        now_ms = self._clock.monotonic_ms()
        deadline_ms = now_ms + message.ms_left if message.ms_left else 0
        request = Request(peer, message.request_id, message.slot, deadline_ms)
        submit = decode_pack(message.body, Submit)
        self._run(slot, request, message.app, message.key, submit)
        return None

    def _submits(self, peer: str, message: Message) -> None:
        """Commands of one stream, one after the other and in one go."""
        slot = self.intake.led(message)
        if slot is None or message.slot in self.intake.paused:
            return self._redirect(peer, message)
        commands = decode_pack(message.body, Submits).commands
        if not commands:
            raise Rejected(BAD_REQUEST, "no commands")
        now_ms = self._clock.monotonic_ms()
        deadline_ms = now_ms + message.ms_left if message.ms_left else 0
        bundle = Bundle()
        for submit in commands:
            self.intake.counts.submits_total += 1
            place = bundle.begin()
            one = Request(
                peer, message.request_id, message.slot, deadline_ms, bundle=(bundle, place)
            )
            try:
                self._run(slot, one, message.app, message.key, submit)
            except Exception:  # boundary: asked for alone, it fails alone, and says why
                bundle.give_up_last()
                if not place:
                    raise
                break
            if not bundle.goes_on:
                break
        bundle.close()
        self._tell_bundle(slot, one, bundle)
        return None

    def _bundled(self, slot: Slot, request: Request, result: Result) -> None:
        assert request.bundle is not None
        bundle, place = request.bundle
        bundle.answered(place, result)
        self._tell_bundle(slot, request, bundle)

    def _tell_bundle(self, slot: Slot, request: Request, bundle: Bundle) -> None:
        whole = bundle.take()
        if whole is None:
            return
        if request.deadline_ms and self._clock.monotonic_ms() > request.deadline_ms:
            self.intake.counts.late_total += 1
            return
        self.replies.result(slot, request, whole)

    def _run(self, slot: Slot, request: Request, app: str, key: str, submit: Submit) -> None:
        ready = slot.submit(request, app, key, submit, self.intake.now(), entropy(ENTROPY_BYTES))
        self.obey(slot, ready)
        self._copies.note(slot)

    # --- requests for slots that change hands

    def _redirect(self, peer: str, message: Message) -> None:
        """Or, where it is soon known who answers this request, wait for that."""
        now_ms = self._clock.monotonic_ms()
        if self._is_changing(message) and self.held.hold(peer, message, now_ms):
            self.intake.counts.held_total += 1
        else:
            self.replies.redirect(peer, message)

    def _is_changing(self, message: Message) -> bool:
        """The slot is about to be led here, or to leave; or the router has newer word of it."""
        slot = self._slots.get(message.slot)
        if slot is None or slot.replica.failure or not self.intake.takes:
            return False
        if slot.is_active:
            return message.slot in self.intake.paused or message.term > slot.term
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
                self.replies.redirect(waiting.peer, waiting.message)
            else:
                self.receive(waiting.peer, [waiting.message])


def _nothing_of(_: int) -> None:
    return
