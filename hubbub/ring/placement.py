"""Virtual nodes propose where copies go; the map decides. Pure and deterministic.

Rules, in this order:
1. Copies of a slot never share a failure domain, unless that is allowed by name; then they are
   still kept apart as far as there are domains.
2. Every node holds within 5 % of its mean (± 1 where the mean is below 20).
3. What is in place stays: only what rules 1 and 2 force to move moves.
4. A new place is the first one clockwise from the slot on a ring of 128 virtual nodes each.
5. First member = leader; leaders are balanced in the same way, by changing the order only.

A domain holds at most one copy of each slot: where one has so many nodes that its share would be
more, its nodes hold less and the others more.

Source: consistent hashing (Karger 1997) with bounded loads (Mirrokni 2018); rebalancing follows
shortest augmenting paths of a transport problem, one move an edge. An edge's best slot is kept in a
heap, whose stale entries are dropped when they come up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final, TypeAlias

from msgspec import Struct

from hubbub.ring.hashing import ring_point

# Spread of an unbounded ring is about 1/sqrt(n): 9 % with 128, before rule 2 levels it. Half
# sends more to the second choice; double costs time and gains nothing after levelling.
VIRTUAL_NODES: Final = 128
_TOLERANCE: Final = Fraction(5, 100)


class PlacementNode(Struct, frozen=True):
    """Somewhere to put copies: the name that members lists hold, and what it fails with."""

    name: str
    domain: str


class PlacementError(ValueError):
    """The copies cannot be placed; the text says why and what would help."""


class _Bounds(Struct, frozen=True):
    """The least, the wanted and the most that a node should hold."""

    low: int
    want: int
    high: int


def propose(
    nodes: Sequence[PlacementNode],
    slots: int,
    copies: int,
    current: Mapping[int, Sequence[str]] | None = None,
    allow_same_domain: bool = False,
) -> dict[int, tuple[str, ...]]:
    """The members of every slot, first member = leader.

    Args: current: what is in place; members that are not among `nodes` have left.
    Raises PlacementError if there are too few nodes or domains, or a name stands twice.
    """
    domains = _domains(nodes, copies, allow_same_domain)
    plan = _Plan(domains, slots, copies)
    plan.keep(current or {})
    plan.fill()
    plan.level()
    return _order_leaders(plan.members, current or {}, sorted(domains))


def _domains(
    nodes: Sequence[PlacementNode], copies: int, allow_same_domain: bool
) -> dict[str, str]:
    """Node → the domain that counts for it."""
    domains = {node.name: node.domain for node in nodes}
    if len(domains) != len(nodes):
        raise PlacementError("a node's name stands twice")
    if copies < 1:
        raise PlacementError(f"copies must be at least 1, not {copies}")
    if len(domains) < copies:
        raise PlacementError(f"{copies} copies need {copies} nodes, there are {len(domains)}")
    distinct = len(set(domains.values()))
    if distinct >= copies:
        return domains
    if not allow_same_domain:
        raise PlacementError(
            f"{copies} copies need {copies} failure domains, there are {distinct} "
            f"({', '.join(sorted(set(domains.values())))}); add nodes elsewhere or allow the "
            "same domain by name (--allow-same-domain)"
        )
    return {name: name for name in domains}


class _Plan:
    """Members of every slot while they are worked out."""

    def __init__(self, domains: Mapping[str, str], slots: int, copies: int) -> None:
        self._domains = domains
        self._copies = copies
        self.members: list[list[str]] = [[] for _ in range(slots)]
        self._kept: set[tuple[int, str]] = set()
        self._held: dict[str, set[int]] = {name: set() for name in sorted(domains)}
        self._bounds = {n: _bounds(mean) for n, mean in _means(domains, slots, copies).items()}
        ring = sorted((ring_point(f"{n}#{i}"), n) for n in domains for i in range(VIRTUAL_NODES))
        self._points = [point for point, _ in ring]
        self._owners = [name for _, name in ring]

    def keep(self, current: Mapping[int, Sequence[str]]) -> None:
        """Take over what is in place and breaks no rule, earlier members first."""
        for slot, members in enumerate(self.members):
            for name in current.get(slot, ()):
                if len(members) < self._copies and self._fits(slot, name):
                    self._add(slot, name)
                    self._kept.add((slot, name))

    def fill(self) -> None:
        """Give every slot its missing copies: to the next node that still needs them, if any."""
        for slot, members in enumerate(self.members):
            while len(members) < self._copies:
                self._add(slot, self._choose(slot))

    def level(self) -> None:
        """Move copies, as few as possible, until every node is within its bounds.

        Those that are only planned first: another plan for them costs nothing.
        """
        planned = _Candidates(self._held, self._rank_planned)
        choices = (planned, _Candidates(self._held, self._rank))
        for path in _level(self._held, self._bounds, [choice.best for choice in choices]):
            for slot, source, target in path:
                self.members[slot][self.members[slot].index(source)] = target
            for slot, _, _ in path:
                for choice in choices:
                    choice.changed(slot, self.members[slot])

    def _choose(self, slot: int) -> str:
        fitting = {name for name in self._held if self._fits(slot, name)}
        for limit in ("low", "want", "high"):
            wanting = fitting & _below(self._held, self._bounds, limit)
            if wanting:
                return self._clockwise(slot, wanting)
        return self._clockwise(slot, fitting)  # over its bound: `level` moves something else away

    def _add(self, slot: int, name: str) -> None:
        self.members[slot].append(name)
        self._held[name].add(slot)

    def _fits(self, slot: int, name: str, instead_of: str | None = None) -> bool:
        """`name` is known and shares its domain with no other member of the slot."""
        domain = self._domains.get(name)
        return domain is not None and all(
            self._domains[member] != domain for member in self.members[slot] if member != instead_of
        )

    def _rank(self, slot: int, source: str, target: str) -> tuple[bool, int] | None:
        """Rather a follower's copy than a leader's; None: the slot may not move so."""
        if slot not in self._held[source] or not self._fits(slot, target, instead_of=source):
            return None
        return self.members[slot][0] == source, ring_point(f"{target}@{slot}")

    def _rank_planned(self, slot: int, source: str, target: str) -> tuple[bool, int] | None:
        return None if (slot, source) in self._kept else self._rank(slot, source, target)

    def _clockwise(self, slot: int, among: set[str]) -> str:
        start = bisect_right(self._points, ring_point(f"slot {slot}"))
        owners = self._owners
        return next(n for i in count(start) if (n := owners[i % len(owners)]) in among)


def _means(domains: Mapping[str, str], slots: int, copies: int) -> dict[str, Fraction]:
    """What each node should hold: equal shares, but no domain more than one copy of each slot."""
    sizes: dict[str, int] = {}
    for domain in domains.values():
        sizes[domain] = sizes.get(domain, 0) + 1
    share: dict[str, Fraction] = {}
    left, nodes = Fraction(slots * copies), len(domains)
    for domain, size in sorted(sizes.items(), key=lambda item: (item[1], item[0]), reverse=True):
        # From the largest domain on: once one takes less than every slot, so do the smaller ones.
        share[domain] = min(Fraction(slots, size), left / nodes)
        left, nodes = left - share[domain] * size, nodes - size
    return {name: share[domain] for name, domain in domains.items()}


def _bounds(mean: Fraction) -> _Bounds:
    floor, ceiling = mean.__floor__(), mean.__ceil__()
    return _Bounds(
        low=min(floor, (mean * (1 - _TOLERANCE)).__ceil__()),
        want=ceiling,
        high=max(ceiling, (mean * (1 + _TOLERANCE)).__floor__()),
    )


def _order_leaders(
    members: list[list[str]], current: Mapping[int, Sequence[str]], names: Iterable[str]
) -> dict[int, tuple[str, ...]]:
    """Put the leader first: the present one where it stays, and as many for each node."""
    led: dict[str, set[int]] = {name: set() for name in names}
    bounds = _bounds(Fraction(len(members), len(led)))
    vacant = []
    for slot, held in enumerate(members):
        before = tuple(current.get(slot, ()))[:1]
        if before and before[0] in held:
            led[before[0]].add(slot)
        else:
            vacant.append(slot)
    for slot in vacant:
        led[
            min(members[slot], key=lambda name: (len(led[name]), ring_point(f"{name}>{slot}")))
        ].add(slot)

    def rank(slot: int, source: str, target: str) -> int | None:
        return slot if slot in led[source] and target in members[slot] else None

    handed = _Candidates(led, rank)
    for path in _level(led, dict.fromkeys(led, bounds), [handed.best]):  # it changes `led`
        for slot, _, _ in path:
            handed.changed(slot, members[slot])
    leader = {slot: name for name, slots in led.items() for slot in slots}
    return {
        slot: (leader[slot], *(name for name in held if name != leader[slot]))
        for slot, held in enumerate(members)
    }


_Move: TypeAlias = tuple[int, str, str]  # slot, source, target
_Movable: TypeAlias = Callable[[str, str], int | None]  # source, target → a slot that may move


class _Candidates:
    """The best slot to move from one node to another, kept through changes. Lowest rank = best."""

    def __init__(
        self,
        held: Mapping[str, set[int]],
        rank: Callable[[int, str, str], Any],
    ) -> None:
        """Args: held: live. rank: (slot, source, target) → what sorts; None: it may not move so."""
        self._held = held
        self._rank = rank
        self._heaps: dict[str, dict[str, list[tuple[Any, int]]]] = {}  # source → target → heap

    def best(self, source: str, target: str) -> int | None:
        """The slot to move; None: there is none."""
        heaps = self._heaps.setdefault(source, {})
        heap = heaps.get(target)
        if heap is None:
            ranked = ((self._rank(slot, source, target), slot) for slot in self._held[source])
            heap = heaps[target] = [pair for pair in ranked if pair[0] is not None]
            heapify(heap)
        while heap:
            rank, slot = heap[0]
            if self._rank(slot, source, target) == rank:
                return slot
            heappop(heap)
        return None

    def changed(self, slot: int, sources: Iterable[str]) -> None:
        """A slot has other members: those may give it away now."""
        for source in sources:
            for target, heap in self._heaps.get(source, {}).items():
                rank = self._rank(slot, source, target)
                if rank is not None:
                    heappush(heap, (rank, slot))


def _level(
    held: dict[str, set[int]],
    bounds: Mapping[str, _Bounds],
    choices: Sequence[_Movable],
) -> Iterator[list[_Move]]:
    """Move slots between nodes, along shortest paths, until all are within bounds or none helps.

    Args: choices: what may move from one node to another, the cheaper first: a path is made of the
        cheapest that suffice.
    Changes `held` and yields each path's moves, for the caller to repeat before the next one.
    Ends: each path brings one node closer to its bounds and no other out of its own.
    """
    stuck: set[str] = set()
    while True:
        over = [n for n in held if len(held[n]) > bounds[n].high and n not in stuck]
        under = [n for n in held if len(held[n]) < bounds[n].low and n not in stuck]
        if over:
            start = max(over, key=lambda n: len(held[n]) - bounds[n].high)
            starts = [start]
            # Those that lack something first: one move then serves both.
            ends = [_below(held, bounds, "low"), _below(held, bounds, "high")]
        elif under:
            start = max(under, key=lambda n: bounds[n].low - len(held[n]))
            starts = [n for n in held if len(held[n]) > bounds[n].low]
            starts.sort(key=lambda n: len(held[n]) - bounds[n].want, reverse=True)
            ends = [{start}]
        else:
            return
        tries = (_path(starts, end, held, movable) for movable in choices for end in ends)
        path = next((found for found in tries if found), None)
        if path is None:
            stuck.add(start)
            continue
        for slot, source, target in path:
            held[source].discard(slot)
            held[target].add(slot)
        yield path


def _below(held: dict[str, set[int]], bounds: Mapping[str, _Bounds], limit: str) -> set[str]:
    return {n for n in held if len(held[n]) < getattr(bounds[n], limit)}


def _path(
    starts: Sequence[str],
    ends: set[str],
    held: Mapping[str, set[int]],
    movable: _Movable,
) -> list[_Move] | None:
    """The shortest chain of single moves from one of `starts` to one of `ends`.

    Each of its slots moves once, so that the moves may be judged one by one.
    """
    came: dict[str, _Move | None] = dict.fromkeys(starts)
    waiting = deque(starts)
    while waiting:
        source = waiting.popleft()
        for target in sorted(held, key=lambda n: (n not in ends, len(held[n]), n)):
            if target in came:
                continue
            slot = movable(source, target)
            if slot is None or any(slot == move[0] for move in _walk_back(source, came)):
                continue
            came[target] = (slot, source, target)
            if target in ends:
                return _walk_back(target, came)
            waiting.append(target)
    return None


def _walk_back(end: str, came: Mapping[str, _Move | None]) -> list[_Move]:
    path = []
    move = came[end]
    while move is not None:
        path.append(move)
        move = came[move[1]]
    return path[::-1]
