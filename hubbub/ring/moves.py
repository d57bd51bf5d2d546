"""From who holds what to who should: targets, the moves between, the next step of one slot. Pure.

Rules:
1. Targets are what `placement` proposes for the nodes that stay; what is in place stays.
2. A move is one copy that must be made. A slot whose copies only become fewer, or change their
   order, needs no move; it needs a step all the same.
3. One copy of a slot is exchanged at a time, so that a majority of its members always holds
   everything; copies that are only added are added together, for two are no better than one.
4. The first member should lead: the order is part of a target.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from struct import Struct as Packed
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from hubbub.ring.map import SlotRecord
from hubbub.ring.placement import PlacementNode, propose

HolderState: TypeAlias = Literal["active", "draining", "leaving"]
Targets: TypeAlias = Mapping[int, tuple[str, ...]]

_NUMBER: Final = Packed(">H")
_NO_MEMBER: Final = 0xFFFF


class Holder(Struct, frozen=True):
    """A copy's place: its storage id, what it fails together with, whether it may hold slots."""

    storage: str
    domain: str
    state: HolderState = "active"


class Move(NamedTuple):
    """One copy to be made. `source` gives its place up; "": the slot gets one copy more."""

    slot: int
    source: str
    target: str


class Change(NamedTuple):
    """The next step of one slot: who joins its members, who leaves them."""

    newcomers: tuple[str, ...]
    leavers: tuple[str, ...]


class Pace(NamedTuple):
    """How fast it goes. `left_s` is None while nothing can be said."""

    moves_per_s: float
    left_s: float | None


def plan_targets(
    holders: Sequence[Holder],
    slots: int,
    copies: int,
    current: Mapping[int, Sequence[str]],
    *,
    allow_same_domain: bool = False,
) -> dict[int, tuple[str, ...]]:
    """The members that every slot should have, the one that should lead first.

    Raises placement.PlacementError if those that may hold slots are too few.
    """
    staying = [PlacementNode(h.storage, h.domain) for h in holders if h.state == "active"]
    return propose(staying, slots, copies, current, allow_same_domain)


def moves_between(current: Mapping[int, Sequence[str]], targets: Targets) -> list[Move]:
    """Every copy that must still be made, ascending by slot."""
    found: list[Move] = []
    for slot in sorted(targets):
        held, target = current.get(slot, ()), targets[slot]
        leavers = iter([name for name in held if name not in target])
        found += [Move(slot, next(leavers, ""), name) for name in target if name not in held]
    return found


def members_of(records: Iterable[tuple[int, SlotRecord]]) -> dict[int, tuple[str, ...]]:
    """Slot → members, as the map has them now."""
    return {slot: record.members for slot, record in records}


def is_settled(record: SlotRecord) -> bool:
    """Its members hold everything that was ever acknowledged; nobody else is asked any more."""
    return record.activated or set(record.members) == set(record.prev)


def is_held_by(record: SlotRecord, storage: str) -> bool:
    """The copy counts, is being made, or may still be asked for what was acknowledged.

    The former members of a settled record are asked no more: the next term's are its members.
    """
    if storage in record.members or storage in record.learners:
        return True
    return storage in record.prev and not is_settled(record)


def is_done(record: SlotRecord, target: Sequence[str]) -> bool:
    """Nothing is left to do for this slot but, perhaps, that its first member leads."""
    return record.members == tuple(target) and not record.learners and is_settled(record)


def next_change(
    members: Sequence[str], target: Sequence[str], is_dear: Callable[[str], int]
) -> Change | None:
    """What to do next; None: the members are the target's.

    Args: is_dear: who leaves last: the greater, the later (its leader, a copy that is alive).
    """
    newcomers = tuple(name for name in target if name not in members)
    leavers = sorted((name for name in members if name not in target), key=is_dear)
    if not newcomers:
        return Change((), tuple(leavers)) if leavers else None
    if not leavers:
        return Change(newcomers, ())
    return Change(newcomers[:1], (leavers[0],))


def members_after(members: Sequence[str], change: Change, target: Sequence[str]) -> tuple[str, ...]:
    """The members once a change is made, in the order of the target, others behind."""
    held = {*members, *change.newcomers} - {*change.leavers}
    ordered = [name for name in target if name in held]
    return (*ordered, *(name for name in members if name in held and name not in target))


def pace(moved: int, left: int, elapsed_ms: int) -> Pace:
    """Rate and time left, from what was moved in a while."""
    if moved <= 0 or elapsed_ms <= 0:
        return Pace(0.0, 0.0 if not left else None)
    moves_per_s = moved * 1_000 / elapsed_ms
    return Pace(moves_per_s, left / moves_per_s)


def deviation(counts: Mapping[str, int], names: Collection[str]) -> float:
    """The worst distance from the mean among `names`, as a share of the mean."""
    if not names:
        return 0.0
    mean = sum(counts.get(name, 0) for name in names) / len(names)
    if not mean:
        return 0.0
    return max(abs(counts.get(name, 0) - mean) for name in names) / mean


def pack_targets(targets: Targets, copies: int) -> tuple[tuple[str, ...], bytes]:
    """(members, bytes): each target as `copies` u16 numbers of members, by slot from 0 on.

    16,384 slots with three copies take 98,304 bytes; an etcd value may have 1.5 MiB.
    """
    members = tuple(sorted({name for target in targets.values() for name in target}))
    if len(members) >= _NO_MEMBER:
        raise ValueError(f"a plan names at most {_NO_MEMBER - 1} members")
    number = {name: _NUMBER.pack(at) for at, name in enumerate(members)}
    rows = []
    for slot in range(len(targets)):
        row = [number[name] for name in targets[slot]]
        rows += row + [_NUMBER.pack(_NO_MEMBER)] * (copies - len(row))
    return members, b"".join(rows)


def unpack_targets(members: Sequence[str], data: bytes, copies: int) -> list[tuple[str, ...]]:
    """Slot → target. Raises ValueError for what `pack_targets` did not make."""
    if copies < 1 or len(data) % (_NUMBER.size * copies):
        raise ValueError("the targets of a plan are damaged")
    numbers = [number for (number,) in _NUMBER.iter_unpack(data)]
    if any(number >= len(members) and number != _NO_MEMBER for number in numbers):
        raise ValueError("the targets of a plan name members that it does not have")
    return [
        tuple(members[n] for n in numbers[at : at + copies] if n != _NO_MEMBER)
        for at in range(0, len(numbers), copies)
    ]
