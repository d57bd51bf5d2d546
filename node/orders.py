"""Rolls in the order of their last messages: kept, so that a page costs a page. Pure.

Rules (decision record 0035):
1. An edge names a roll and tells its keys once, then what changed since a number. A number that is
   not known here has the edge tell the whole.
2. Whatever is committed in a stream marks it in all orders that hold it; who asks next finds it at
   its new place. So an order is exact at each question, and costs a commit one look-up.
3. An order holds as long as each of its slots is led here under the term it was read in.
4. KEYS_MAX keys of all orders together: what was asked for longest ago goes first, and is told
   anew when it is asked for again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Final

from hubbub.wire.shapes import NewestAsk

# Some 400 bytes each: 40 MB. Half of it: five people with lists of 10,000 channels on a node.
KEYS_MAX: Final = 100_000
# Beyond a share of so much, sorting all costs less than moving one by one.
_SORT_FROM: Final = 8
_NOBODY: Final[Mapping[str, tuple[Order, ...]]] = {}

Place = tuple[int, str]  # negative ms of the last message, key
PlacesOf = Callable[[Mapping[str, int]], Mapping[str, int]]  # key → slot; key → negative ms
TermOf = Callable[[int], int | None]  # None: not led here


class Order:
    """One roll, or the part of it that this node leads.

    Its first page picks the best of all places; who asks again has them put in order.
    """

    __slots__ = ("_known", "_moved", "_places", "_was_asked", "app", "number", "slots", "terms")

    def __init__(self, app: str, number: int) -> None:
        self.app = app
        self.number = number
        self.slots: dict[str, int] = {}
        self.terms: dict[int, int] = {}
        self._known: dict[str, int] = {}
        self._places: list[Place] | None = None  # in no order
        self._was_asked = False
        self._moved: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self.slots)

    def add(self, slots: dict[str, int]) -> None:
        """These keys, in their slots; their places are looked up at the next question."""
        self.slots.update(slots)
        self._moved.update(dict.fromkeys(slots))

    def remove(self, key: str) -> None:
        """It is no part of the roll any more."""
        del self.slots[key]
        self._moved.pop(key, None)
        ms = self._known.pop(key, None)
        if ms is not None and self._places is not None:
            del self._places[bisect_left(self._places, (ms, key))]

    def moved(self, key: str) -> None:
        """Something was committed there."""
        self._moved[key] = None

    def page(self, best: int, after: Place | None, places_of: PlacesOf) -> list[Place]:
        """The first `best` places behind `after`."""
        if self._moved:
            self._settle(places_of)
        if self._places is None and not self._was_asked:
            self._was_asked = True
            there = zip(self._known.values(), self._known, strict=True)
            return nsmallest(best, (at for at in there if at > after) if after else there)
        places = self._in_order()
        start = 0 if after is None else bisect_right(places, after)
        return places[start : start + best]

    def _in_order(self) -> list[Place]:
        if self._places is None:
            self._places = sorted(zip(self._known.values(), self._known, strict=True))
        return self._places

    def _settle(self, places_of: PlacesOf) -> None:
        slots, known = self.slots, self._known
        is_new = len(self._moved) == len(slots)
        now = places_of(slots if is_new else {key: slots[key] for key in self._moved})
        self._moved = {}  # not before: what could not be read is looked up again
        if len(now) * _SORT_FROM > len(slots):
            known.update(now)
            self._places = None
            return
        places = self._in_order()
        for key, new in now.items():
            old = known.get(key)
            if old == new:
                continue
            if old is not None:
                del places[bisect_left(places, (old, key))]
            known[key] = new
            insort(places, (new, key))


class Orders:
    """All orders of a node."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self.dropped = 0  # to make room
        self._keys_max = keys_max
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._holders: dict[str, dict[str, tuple[Order, ...]]] = {}  # by app and key
        self._count = 0

    def __len__(self) -> int:
        """Keys of all orders."""
        return self._count

    def moved(self, stream: tuple[str, str]) -> None:
        """Something was committed in this stream."""
        app, key = stream
        for order in self._holders.get(app, _NOBODY).get(key, ()):
            order.moved(key)

    def take(self, ask: NewestAsk, term_of: TermOf) -> Order | None:
        """The order of a question that names a roll, as of its number; None: it is not known, or
        some slot is not what it was."""
        order = self._orders.get(ask.roll)
        if not ask.base:
            if order is None or order.number != ask.number:
                order = self._begin(ask, term_of)
        elif order is not None and order.number != ask.number:
            order = self._change(order, ask, term_of)
        if order is None:
            return None
        for slot, term in order.terms.items():
            if term_of(slot) != term:
                self._drop(ask.roll)
                return None
        self._orders.move_to_end(ask.roll)
        return order

    def _begin(self, ask: NewestAsk, term_of: TermOf) -> Order:
        self._drop(ask.roll)
        order = self._orders[ask.roll] = Order(ask.app, ask.number)
        self._add(order, ask, term_of)
        return order

    def _change(self, order: Order, ask: NewestAsk, term_of: TermOf) -> Order | None:
        if order.number != ask.base:
            self._drop(ask.roll)
            return None
        for key in ask.gone:
            if key in order.slots:
                order.remove(key)
                self._unhold(order, key)
        order.number = ask.number
        self._add(order, ask, term_of)
        return order

    def _add(self, order: Order, ask: NewestAsk, term_of: TermOf) -> None:
        pairs = zip(ask.keys, ask.slots, strict=True)
        new = {key: slot for key, slot in pairs if key not in order.slots}
        for slot in set(new.values()) - order.terms.keys():
            order.terms[slot] = term_of(slot) or 0
        order.add(new)
        holders, alone = self._holders.setdefault(order.app, {}), (order,)
        for key in new:
            held = holders.get(key)
            holders[key] = alone if held is None else (*held, order)
        self._count += len(new)
        self._make_room(ask.roll)

    def _make_room(self, kept: str) -> None:
        while self._count > self._keys_max:
            oldest = next(iter(self._orders))
            if oldest == kept:
                return  # one alone: its edge bounds it
            self.dropped += 1
            self._drop(oldest)

    def _drop(self, roll: str) -> None:
        order = self._orders.pop(roll, None)
        for key in order.slots if order is not None else ():
            assert order is not None
            self._unhold(order, key)

    def _unhold(self, order: Order, key: str) -> None:
        holders = self._holders[order.app]
        others = tuple(one for one in holders[key] if one is not order)
        if others:
            holders[key] = others
        else:
            del holders[key]
            if not holders:
                del self._holders[order.app]
        self._count -= 1
