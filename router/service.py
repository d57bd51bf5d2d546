"""Links ↔ cores: every frame to relay, interest or fan-out, and every output obeyed, in order.

Rules:
1. Interest before requests: the DELTAs of a frame are taken first and reach the nodes before any
   request of that frame does; the same when a slot moves (contracts.md 5).
2. Whatever may have lost an edge's events ends in a hole on that edge's link: a hole or a new link
   of a node, a slot that moved, a set that had to be asked for again. The edge asks HEADS then.
3. No decision about a message is made here; nothing is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec

from hubbub.coordinator.cluster import ClusterView, ProcessRecord
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.transport.replicated_set import PULL
from hubbub.wire.frame import Message
from hubbub.wire.shapes import Kind
from router.fanout import Fanout, lost_process
from router.interest import Interest, InterestStatistics
from router.leaders import Leaders, Moved
from router.relay import BUCKET_MS, QUIET_MS, Output, Relay, RelayLimits, Reply, Send, Told

_EVENTS: Final = frozenset({int(Kind.EVENT), int(Kind.SIGNAL)})
_SETS: Final = frozenset({int(Kind.INTEREST_DELTA), int(Kind.INTEREST_FULL)})
_log = get_logger()


class Links(Protocol):
    """What the service needs of `transport.peer.Peers`."""

    def dial(self, name: str, address: str) -> None: ...
    def hangup(self, name: str) -> None: ...
    def send(self, peer: str, message: bytes) -> bool: ...
    def send_windowed(self, peer: str, message: bytes) -> bool: ...
    def note_hole(self, peer: str) -> None: ...
    def live(self, peer: str) -> bool: ...
    def boot_of(self, peer: str) -> int: ...


class ServiceStatistics(msgspec.Struct, frozen=True):
    """What the router holds now."""

    requests_waiting: int
    nodes_live: tuple[str, ...]
    interest: InterestStatistics


class Service:
    """The handler of the router's links. `links` is set by the wiring, before anything arrives."""

    links: Links

    def __init__(
        self,
        view: ClusterView,
        clock: Clock,
        limits: RelayLimits,
        *,
        first_id: int,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        """Args: first_id: of `Relay`. soon: calls back in the loop's next turn."""
        seed = view.cluster.seed
        self._view = view
        self._clock = clock
        self._soon = soon
        self.leaders = Leaders(view.cluster.slots)
        self._node_of: dict[str, str] = {}  # storage → node
        self.relay = Relay(self.leaders, seed, limits, first_id=first_id, copies_of=self._copies_of)
        self.interest = Interest(self.leaders, seed)
        self.fanout = Fanout(self.interest, self.leaders)
        self._nodes: dict[str, ProcessRecord] = {}  # those that we dialled
        self._moved_slots: set[int] = set()  # changed in the map, not acted on yet
        self._woken = asyncio.Event()  # requests wait: the ticker runs
        self._idle = asyncio.Event()

    # --- the cluster's view

    def start(self) -> None:
        """Take over the view as it is now; afterwards `cluster_changed` for each change."""
        for slot in range(self.leaders.slots):
            self._learn(slot)
        self._moved_slots.clear()
        self._dial_nodes()

    def cluster_changed(self, kind: str, name: str) -> None:
        """A callback of the view. A failover changes many slots: they are acted on together."""
        if kind == "node":
            self._dial_nodes()
        elif kind == "slot":
            if not self._moved_slots:
                self._soon(self.apply_moves)
            self._moved_slots.add(int(name))

    def apply_moves(self) -> None:
        """Interest goes to the new leaders, then what waits for them; edges hear of a hole."""
        slots, self._moved_slots = self._moved_slots, set()
        moves = [moved for slot in sorted(slots) if (moved := self._learn(slot)) is not None]
        if moves:
            self._move(moves)
            self._obey(self.relay.moved({moved.slot for moved in moves}, self._now()))
            self._dial_nodes()

    def missing(self) -> list[str]:
        """Why the router is not ready; empty if it is."""
        reasons = []
        if not self._view.slot_map.complete():
            reasons.append("slots_unassigned")
        if not all(self.links.live(name) for name in self.leaders.names()):
            reasons.append("leader_unreachable")
        return reasons

    def statistics(self) -> ServiceStatistics:
        """What the router holds now."""
        live = tuple(sorted(name for name in self._nodes if self.links.live(name)))
        return ServiceStatistics(len(self.relay), live, self.interest.statistics())

    # --- transport.peer.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        _log.info("peer.up", peer=peer, boot_id=boot_id)
        if peer not in self._nodes:
            self.interest.edge_up(peer)
            return
        self._send_full(peer)
        self._obey(self.relay.node_up(peer, self._now()))

    def peer_down(self, peer: str) -> None:
        _log.info("peer.down", peer=peer)
        self.relay.forget(peer)
        if peer in self._nodes:
            self.relay.node_down(peer)
        else:
            self.interest.edge_down(peer)
            self._send_deltas()

    def peer_hole(self, peer: str) -> None:
        """An edge's own loss is repaired by digests and retries; a node's is the edges' too."""
        if peer in self._nodes:
            self._pass_hole(self.fanout.hole(peer))
            self._obey(self.relay.node_hole(peer, self._now()))

    def beat(self, peer: str) -> bytes:
        if peer not in self._nodes:
            return b""
        for message in self.interest.deltas(peer):
            self.links.send(peer, message)
        return self.interest.node_beat(peer)

    def beat_received(self, peer: str, body: bytes) -> None:
        if peer not in self._nodes and self.interest.edge_beat(peer, body):
            self.links.send(peer, PULL)

    def receive(self, peer: str, messages: list[Message]) -> None:
        if peer in self._nodes:
            rest = self._fan_out(peer, messages)
        else:
            rest = self._take_sets(peer, messages)
        if rest:
            self._obey(self.relay.receive(peer, rest, self._now()))

    # --- time

    async def tick_for_ever(self) -> None:
        """Deadlines and retries, while there is anything that waits."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(BUCKET_MS / 1_000 if self.relay.is_hurried else QUIET_MS / 1_000)
            self.tick()

    def tick(self) -> None:
        """One look at what is due."""
        self._obey(self.relay.tick(self._now()))
        if not len(self.relay):
            self._woken.clear()
            self._idle.set()

    async def wait_idle(self) -> None:
        """Until no request waits for its RESULT. Needs `tick_for_ever`."""
        if len(self.relay):
            self._idle.clear()
            await self._idle.wait()

    # --- inside

    def _fan_out(self, node: str, messages: list[Message]) -> list[Message]:
        """Events to edges; what is left is for the relay."""
        rest = []
        fanout, send_windowed = self.fanout, self.links.send_windowed
        for message in messages:
            kind = message.type
            if kind in _EVENTS:
                for edge in fanout.event(message):
                    if not send_windowed(edge, message.raw):
                        fanout.counts.copies_dropped_total += 1
            elif kind == Kind.TO_PROCESS:
                self._to_process(message)
            elif kind == Kind.INTEREST_PULL:
                self._send_full(node)
            else:
                rest.append(message)
        return rest

    def _take_sets(self, edge: str, messages: list[Message]) -> list[Message]:
        """Interest first, whatever its place in the frame; what is left is for the relay."""
        rest = []
        for message in messages:
            kind = message.type
            if kind in _SETS:
                pull, missed = self.interest.receive(edge, message)
                if pull:
                    self.links.send(edge, PULL)
                if missed:
                    self._pass_hole((edge,))
            elif kind == Kind.TO_PROCESS:
                self._to_process(message, edge)
            else:
                rest.append(message)
        self._send_deltas()
        return rest

    def _obey(self, outputs: Iterable[Output]) -> None:
        links = self.links
        for output in outputs:
            if isinstance(output, Send):
                if not links.send_windowed(output.node, output.message):
                    self.relay.unsent(output.request_id, self._now())
            elif isinstance(output, Reply):
                links.send(output.peer, output.message)
            elif isinstance(output, Told):
                _tell(output)
            else:
                self._move([output])
        if len(self.relay) and not self._woken.is_set():
            self._woken.set()

    def _move(self, moves: list[Moved]) -> None:
        for moved in moves:
            self.interest.moved(moved)
        self._send_deltas()
        self._pass_hole(self.fanout.hole_in([moved.slot for moved in moves]))

    def _send_deltas(self) -> None:
        """To each node whose link is up; one that comes up gets the whole set."""
        for node in self.interest.take_changed():
            if self.links.live(node):
                for message in self.interest.deltas(node):
                    self.links.send(node, message)

    def _send_full(self, node: str) -> None:
        """A new link, or the node's copy was wrong: until now it may have kept events from us."""
        for message in self.interest.fulls(node):
            self.links.send(node, message)
        self._pass_hole(self.fanout.hole(node))

    def _pass_hole(self, edges: Iterable[str]) -> None:
        for edge in edges:
            self.links.note_hole(edge)

    def _to_process(self, message: Message, sender: str = "") -> None:
        peer = self.fanout.to_process(message, self.links.boot_of)
        if not (peer and self.links.send(peer, message.raw)) and sender and message.request_id:
            self.links.send(sender, lost_process(message))

    def _learn(self, slot: int) -> Moved | None:
        leader = self._view.slot_map.leader_of(slot)
        term = self._view.slot_map.term_of(slot)
        return self.leaders.from_map(slot, term, leader.node if leader is not None else "")

    def _copies_of(self, slot: int) -> list[str]:
        """The nodes that hold a slot, by the map."""
        record = self._view.slot_map.record_of(slot)
        members = record.members if record is not None else ()
        return [self._node_of[storage] for storage in members if storage in self._node_of]

    def _dial_nodes(self) -> None:
        """Whoever is registered or leads something: a lease that ran out is no death."""
        self._node_of.update((node.storage_id, name) for name, node in self._view.nodes.items())
        for name, record in self._view.nodes.items():
            if self._nodes.get(name) != record:
                self._nodes[name] = record
                self.links.dial(name, record.address)
        for name in self._nodes.keys() - self._view.nodes.keys() - self.leaders.names():
            self.links.hangup(name)
            del self._nodes[name]

    def _now(self) -> int:
        return self._clock.monotonic_ms()


def _tell(told: Told) -> None:
    _log.warning(
        "request.slow" if told.is_answered else "request.unanswered",
        request_id=told.trace,
        kind=told.kind,
        slot=told.slot,
        node=told.node,
        took_ms=told.took_ms,
        attempts=told.attempts,
    )
