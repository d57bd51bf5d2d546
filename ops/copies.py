"""What the nodes tell of their copies, and what it adds up to. Pure: values in, values out.

Rules:
1. Only a slot's leader knows how many of its copies are there; a slot that no answering node leads
   is not served, whatever the map says.
2. A node that tells nothing (it is silent, or older than this) is taken at the map's word.
3. Ages are the teller's own: no clock of another machine is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

T = TypeVar("T")


class FailoverTold(Struct, frozen=True):
    """Slots that a node took over from `node` within the last hour; see `node.failovers`."""

    node: str
    slots: int
    ago_ms: int
    took_ms_max: int


class NodeCopies(Struct, frozen=True, kw_only=True):
    """The statistics `copies` of one node; `short`: its led slots by copies that are there."""

    held: int = 0
    led: int = 0
    starting: int = 0
    following: int = 0
    recovering: int = 0
    failed: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    under_replicated: int = 0
    short: dict[int, int] = field(default_factory=dict)
    follower_lag_max: int = 0
    apply_lag_max: int = 0
    unheard: tuple[str, ...] = ()
    failovers: tuple[FailoverTold, ...] = ()


class ShortSlots(Struct, frozen=True):
    """The row `copies/short` of one node: slots by how many copies are there."""

    by_copies: dict[int, list[int]] = field(default_factory=dict)


class Replication(Struct, frozen=True, kw_only=True):
    """All nodes together. `by_copies`: served slots by copies that are there."""

    wanted: int
    by_copies: dict[int, int]
    short_slots: dict[int, list[int]]  # served by fewer copies than wanted, as far as they are told
    follower_lag_max: int
    apply_lag_max: int
    failed: int
    recovering: int
    suspected: dict[str, list[str]]  # node → who does not hear it
    failovers: dict[str, int]  # node → slots that others took from it within the last hour
    last_failover_ago_ms: int | None
    took_ms_max: int

    @property
    def short(self) -> int:
        """Slots with fewer copies than wanted."""
        return sum(n for copies, n in self.by_copies.items() if copies < self.wanted)

    @property
    def fewest(self) -> int:
        """The copies of the slot that has the fewest; what is wanted if nothing is told."""
        return min(self.by_copies, default=self.wanted)

    @property
    def lag_max(self) -> int:
        """The worst of what followers lack and of what is not applied."""
        return max(self.follower_lag_max, self.apply_lag_max)

    @property
    def is_whole(self) -> bool:
        """Every copy that is wanted is there."""
        return not (self.short or self.failed or self.recovering or self.suspected)

    def data(self) -> dict[str, object]:
        """As the JSON answers show it."""
        return {
            "slots_by_copies": {str(n): slots for n, slots in sorted(self.by_copies.items())},
            "slots_under_replicated": self.short,
            "slots_short": {str(n): ranges(s) for n, s in sorted(self.short_slots.items())},
            "slots_failed": self.failed,
            "slots_recovering": self.recovering,
            "lag_entries_max": self.follower_lag_max,
            "apply_lag_entries_max": self.apply_lag_max,
            "suspected": self.suspected,
            "failovers_1h": {
                "slots": sum(self.failovers.values()),
                "from": self.failovers,
                "last_ago_s": _seconds(self.last_failover_ago_ms),
                "took_s_max": _seconds(self.took_ms_max),
            },
        }


def told_copies(statistics: Any) -> NodeCopies | None:
    """What a node's /statistics says of its copies; None if it says nothing that is understood."""
    told = statistics.get("copies") if isinstance(statistics, Mapping) else None
    return _converted(told, NodeCopies)


def told_short(row: Any) -> ShortSlots:
    """The node's /statistics/copies/short; empty if it is not understood."""
    return _converted(row, ShortSlots) or ShortSlots()


def added_up(
    wanted: int,
    told: Mapping[str, NodeCopies],
    nodes: Collection[str] = (),
    short: Iterable[ShortSlots] = (),
    untold_led: int = 0,
    thin: Mapping[int, int] | None = None,
) -> Replication:
    """All nodes together.

    Args:
        wanted: copies of each slot.
        told: by node. nodes: all that there are; a node that left is missed by nobody.
        short: what they tell under that name.
        untold_led: slots led by nodes that tell nothing.
        thin: slot → members, of slots whose record has fewer members than are wanted.
    """
    short_slots: dict[int, list[int]] = {}
    for row in short:
        for copies, slots in row.by_copies.items():
            short_slots.setdefault(copies, []).extend(slots)
    by_copies: Counter[int] = Counter({wanted: untold_led})
    for one in told.values():
        by_copies.update(one.short)
        by_copies[wanted] += one.led - sum(one.short.values())
    known = {slot for slots in short_slots.values() for slot in slots}
    for slot, members in (thin or {}).items():
        if slot not in known and by_copies[wanted]:
            by_copies[wanted] -= 1
            by_copies[members] += 1
            short_slots.setdefault(members, []).append(slot)
    failovers = [event for one in told.values() for event in one.failovers]
    taken: Counter[str] = Counter()
    for event in failovers:
        taken[event.node] += event.slots
    return Replication(
        wanted=wanted,
        by_copies={copies: slots for copies, slots in sorted(by_copies.items()) if slots},
        short_slots={copies: sorted(slots) for copies, slots in sorted(short_slots.items())},
        follower_lag_max=max((one.follower_lag_max for one in told.values()), default=0),
        apply_lag_max=max((one.apply_lag_max for one in told.values()), default=0),
        failed=sum(one.failed for one in told.values()),
        recovering=sum(one.recovering for one in told.values()),
        suspected=_suspected(told, nodes),
        failovers=dict(sorted(taken.items())),
        last_failover_ago_ms=min((event.ago_ms for event in failovers), default=None),
        took_ms_max=max((event.took_ms_max for event in failovers), default=0),
    )


def ranges(numbers: Sequence[int]) -> str:
    """`[0, 1, 2, 7]` as "0-2,7"."""
    ordered = sorted(set(numbers))
    starts = [n for before, n in pairwise([-2, *ordered]) if n != before + 1]
    ends = [n for n, after in pairwise([*ordered, -2]) if after != n + 1]
    pairs = zip(starts, ends, strict=True)
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)


def some(numbers: Sequence[int], length: int) -> str:
    """The ranges as far as they fit into so many characters, and how many more there are."""
    parts = ranges(numbers).split(",")
    shown: list[str] = []
    while parts and len(",".join([*shown, parts[0]])) <= length:
        shown.append(parts.pop(0))
    left = sum(_count(part) for part in parts)
    return ",".join(shown) + (f" and {left} more" if left else "")


def _count(part: str) -> int:
    first, _, last = part.partition("-")
    return int(last or first) - int(first) + 1 if first else 0


def _suspected(told: Mapping[str, NodeCopies], nodes: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for witness, one in sorted(told.items()):
        for name in one.unheard:
            if name in nodes:
                found.setdefault(name, []).append(witness)
    return dict(sorted(found.items()))


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else round(ms / 1_000, 1)


def _converted(value: Any, shape: type[T]) -> T | None:
    try:
        return msgspec.convert(value, shape, strict=False)  # keys of JSON objects are text
    except msgspec.ValidationError:
        return None
