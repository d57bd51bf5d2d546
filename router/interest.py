"""Which edge wants which stream, and what that makes us want from each node. Pure.

Rules (contracts.md 5):
1. An edge's set is a copy of what it holds; the link is the lease.
2. Towards a node we own one set: the union of the edges' keys in the slots that it leads. When a
   slot moves, its keys move; the caller sends the DELTA before any request of that slot.
3. Changes are collected: a frame with many DELTAs of an edge becomes one for each node.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hubbub.ring.hashing import slot_of
from hubbub.transport.replicated_set import Key, SetCopy, SetSource
from hubbub.wire.frame import Message
from hubbub.wire.shapes import Kind
from router.leaders import Leaders, Moved

_NOBODY: Final[tuple[str, ...]] = ()


class InterestStatistics(msgspec.Struct, frozen=True):
    """Sizes."""

    edges: dict[str, int]  # keys by edge
    nodes: dict[str, int]  # keys by node
    keys: int


class Interest:
    """Edges' sets in, nodes' sets out."""

    def __init__(self, leaders: Leaders, seed: int) -> None:
        self._leaders = leaders
        self._seed = seed
        self._copies: dict[str, SetCopy] = {}
        self._unsynced: set[str] = set()  # edges whose first FULL has not come yet
        self._edges: dict[Key, tuple[str, ...]] = {}
        self._slot_keys: dict[int, set[Key]] = {}
        self._sources: dict[str, SetSource] = {}
        self._changed: set[str] = set()  # nodes with changes to be sent

    # --- edges

    def edge_up(self, edge: str) -> None:
        """A link begins: empty until its FULL."""
        self.edge_down(edge)
        self._copies[edge] = SetCopy()
        self._unsynced.add(edge)

    def edge_down(self, edge: str) -> None:
        """The link is gone, and its interest with it."""
        copy = self._copies.pop(edge, None)
        self._unsynced.discard(edge)
        if copy is not None:
            for key in copy.keys:
                self._remove(key, edge)

    def receive(self, edge: str, message: Message) -> tuple[bool, bool]:
        """An INTEREST_FULL or _DELTA: (ask for FULL with PULL, the edge may have missed events).

        It may have if a key was wanted for a while without our knowing: a FULL that we had to ask
        for has brought it.
        """
        copy = self._copies.get(edge)
        if copy is None:
            return False, False
        change = copy.receive(message)
        for key in change.removed:
            self._remove(key, edge)
        for key in change.added:
            self._add(key, edge)
        if message.type != Kind.INTEREST_FULL or edge in self._unsynced:
            if message.type == Kind.INTEREST_FULL:
                self._unsynced.discard(edge)
            return change.pull, False
        return change.pull, bool(change.added)

    def edge_beat(self, edge: str, body: bytes) -> bool:
        """The digest of the edge's set; True: ours disagrees, ask with PULL."""
        copy = self._copies.get(edge)
        return copy is not None and copy.beat(body)

    def edges_of(self, key: Key) -> tuple[str, ...]:
        """Who wants a stream."""
        return self._edges.get(key, _NOBODY)

    def edges_in(self, slots: list[int]) -> set[str]:
        """Who wants anything in these slots."""
        return {
            edge
            for slot in slots
            for key in self._slot_keys.get(slot, ())
            for edge in self._edges[key]
        }

    # --- nodes

    def moved(self, moved: Moved) -> None:
        """A slot has another leader: its keys go there."""
        if moved.old == moved.new:
            return
        for key in self._slot_keys.get(moved.slot, ()):
            self._unwant(moved.old, key)
            self._want(moved.new, key)

    def deltas(self, node: str) -> list[bytes]:
        """The messages that bring a node up to date."""
        self._changed.discard(node)
        source = self._sources.get(node)
        return source.deltas() if source is not None else []

    def fulls(self, node: str) -> list[bytes]:
        """The whole set for a node, as messages."""
        self._changed.discard(node)
        return self._sources.setdefault(node, SetSource()).fulls()

    def node_beat(self, node: str) -> bytes:
        """The digest of the set that was sent to a node."""
        return self._sources.setdefault(node, SetSource()).beat()

    def take_changed(self) -> set[str]:
        """Nodes that have changes to be sent; each is named once."""
        changed, self._changed = self._changed, set()
        return changed

    def statistics(self) -> InterestStatistics:
        """Sizes now."""
        return InterestStatistics(
            {edge: len(copy.keys) for edge, copy in self._copies.items()},
            {node: len(source) for node, source in self._sources.items()},
            len(self._edges),
        )

    # ---

    def _add(self, key: Key, edge: str) -> None:
        edges = self._edges.get(key)
        if edges is not None:
            self._edges[key] = (*edges, edge)
            return
        slot = self._slot_of(key)
        self._edges[key] = (edge,)
        self._slot_keys.setdefault(slot, set()).add(key)
        self._want(self._leaders.name(slot), key)

    def _remove(self, key: Key, edge: str) -> None:
        edges = tuple(other for other in self._edges[key] if other != edge)
        if edges:
            self._edges[key] = edges
            return
        slot = self._slot_of(key)
        del self._edges[key]
        self._slot_keys[slot].discard(key)
        self._unwant(self._leaders.name(slot), key)

    def _slot_of(self, key: Key) -> int:
        return slot_of(key[0], key[1], self._leaders.slots, self._seed)

    def _want(self, node: str, key: Key) -> None:
        if node:
            self._sources.setdefault(node, SetSource()).add(key)
            self._changed.add(node)

    def _unwant(self, node: str, key: Key) -> None:
        if node:
            self._sources.setdefault(node, SetSource()).remove(key)
            self._changed.add(node)
