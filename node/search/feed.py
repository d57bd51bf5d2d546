"""What the index is told next: entries of the slots' logs, or a slot's stored messages. Pure.

Rules:
1. One feed is under way at a time, and nothing waits in memory: the next one is read from the log
   behind what the index said it has. Who is slow or away is only further behind.
2. An index that stands where the log does not reach any more, or in another incarnation, forgets
   the slot and gets it from the stored rows, page after page; then it follows the log from the
   entry whose rows were surely stored when that began. What comes twice is the same twice.
3. A message that begins is indexed from its entry; one that changed is read as it stands now.
4. An entry without anything to find moves on in memory alone; the index hears of it with the next
   feed, or after UNTOLD_MAX of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hubbub.base.units import KIB
from hubbub.features.contract import EventKind, Meta, Registry, Searching
from hubbub.wire.codec import decode_json
from hubbub.wire.event import decode_row
from node import keys
from node.entry import BrokenChain, Entry, EntryKind, decode_logged
from node.search.shapes import Change, Cleared, Feed, Floor, Stand
from node.slot import Slot, decode_meta
from node.store.api import Family, Store, StoreError

# Of one feed: some 10 ms of the node's loop, 20 ms of the child's. Half pays the child's
# transactions oftener, double is felt by whoever sends meanwhile.
ENTRIES_MAX: Final = 300
BYTES_MAX: Final = 256 * KIB
SCANNED_ROWS: Final = 300
UNTOLD_MAX: Final = 5_000  # read again after a restart: 50 ms


class FeedCounts(msgspec.Struct):
    """What /metrics shows of it."""

    entries_total: int = 0
    changes_total: int = 0
    feeds_total: int = 0
    rebuilt_total: int = 0  # slots that were read from their stored rows
    unreadable_total: int = 0


class _Basket:
    """A feed in the making."""

    def __init__(self) -> None:
        self.drops: list[int] = []
        self.changes: list[Change] = []
        self.floors: dict[tuple[str, str], Floor] = {}
        self.stands: dict[int, Stand] = {}
        self.cleared: list[Cleared] = []
        self.entries_left = ENTRIES_MAX
        self.bytes_left = BYTES_MAX

    @property
    def has_room(self) -> bool:
        return self.entries_left > 0 and self.bytes_left > 0

    @property
    def must_go(self) -> bool:
        """Something changes by it, or moved far."""
        return bool(self.drops or self.changes or self.floors or self.cleared)


class Feeding:
    """Where the index stands in every slot held here, and what it is told next."""

    def __init__(self, slots: Mapping[int, Slot], store: Store, registry: Registry) -> None:
        """Args: slots: those held here, live."""
        assert registry.searching is not None
        self.counts = FeedCounts()
        self._slots = slots
        self._store = store
        self._registry = registry
        self._searching: Searching = registry.searching
        self._made = {shape.TAG for shape in self._searching.made}
        self._wanted = self._made | {
            shape.TAG for shape in (*self._searching.touched, *self._searching.floors)
        }
        self._stands: dict[int, Stand] = {}  # what was read
        self._told: dict[int, Stand] = {}  # what the index has
        self._under_way: Feed | None = None
        self._dirty: dict[int, None] = {}
        self._untold: frozenset[int] = frozenset()  # slots that what is under way is of
        self._building: set[int] = set()  # slots of which the index had nothing, until it has all
        self._has_rows = False
        self.is_known = False  # the index has said where it stands

    # --- what happens

    def begin(self, stands: Iterable[Stand]) -> None:
        """An index has started and says where it stands."""
        self._told = {stand.slot: stand for stand in stands}
        self._stands = dict(self._told)
        self._take_back()
        self._dirty = dict.fromkeys([*self._slots, *self._told])
        self._building = {number for number, slot in self._slots.items() if self._is_missing(slot)}
        self.is_known = True

    def end(self) -> None:
        """It is gone."""
        self.is_known = False
        self._take_back()

    def note(self, slot: int) -> None:
        """Entries of this slot were applied."""
        self._dirty[slot] = None

    def note_gone(self) -> bool:
        """Copies were given up: the index forgets them. Whether there are such."""
        gone = self._told.keys() - self._slots.keys()
        self._dirty.update(dict.fromkeys(gone))
        return bool(gone)

    def has_rows(self) -> bool:
        """Whether anything was ever published here; until then there is no index."""
        if not self._has_rows:
            everything = keys.slot_range(0)[0], keys.slot_range(keys.SLOTS_END - 1)[1]
            self._has_rows = bool(self._store.iterate(Family.CHAN, *everything, limit=1))
        return self._has_rows

    def fed(self) -> None:
        """What was under way is in the index."""
        feed = self._take_back()
        if feed is not None:
            for slot in feed.drops:
                self._told.pop(slot, None)
            self._told.update((stand.slot, stand) for stand in feed.stands)
            self._has_all(stand.slot for stand in feed.stands)

    def refused(self) -> None:
        """What was under way is not, or not wholly, in the index: it is told again."""
        feed = self._take_back()
        if feed is None:
            return
        for number in (*feed.drops, *(stand.slot for stand in feed.stands)):
            self._dirty[number] = None
            if number in self._told:
                self._stands[number] = self._told[number]
            else:
                self._stands.pop(number, None)

    @property
    def has_more(self) -> bool:
        """Slots are not looked at yet."""
        return bool(self._dirty)

    # --- what it is told

    def next(self) -> Feed | None:
        """What is to be told now; None: nothing of what was read (see `has_more`). Only while none
        is under way."""
        assert self._under_way is None
        basket, done = _Basket(), list[int]()
        while self._dirty and basket.has_room:
            number = next(iter(self._dirty))
            if self._gather(number, basket):
                del self._dirty[number]
                done.append(number)
        if basket.must_go or self._is_far(basket):
            return self._sent(basket)
        self._has_all(done)
        return None

    def _is_far(self, basket: _Basket) -> bool:
        return any(
            stand.applied - self._told[number].applied > UNTOLD_MAX
            if number in self._told
            else stand.applied > UNTOLD_MAX
            for number, stand in basket.stands.items()
        )

    def _sent(self, basket: _Basket) -> Feed:
        self.counts.feeds_total += 1
        self.counts.changes_total += len(basket.changes)
        self._under_way = Feed(
            tuple(basket.drops),
            tuple(basket.changes),
            tuple(basket.floors.values()),
            tuple(basket.stands.values()),
            tuple(basket.cleared),
        )
        self._untold = frozenset([*basket.drops, *basket.stands])
        return self._under_way

    def _take_back(self) -> Feed | None:
        """What was under way is so no more."""
        feed, self._under_way, self._untold = self._under_way, None, frozenset()
        return feed

    def _gather(self, number: int, basket: _Basket) -> bool:
        """More of one slot; True: that is all of it for now."""
        slot = self._slots.get(number)
        if slot is None:
            if self._stands.pop(number, None) is not None or number in self._told:
                basket.drops.append(number)
            return True
        if not slot.incarnation:
            return True
        try:
            stand = self._stands.get(number)
            if stand is None or stand.incarnation != slot.incarnation or _lacks(slot, stand):
                stand = self._anew(slot, basket)
            read = self._scan if stand.scanned else self._follow
            return self._move(basket, *read(slot, stand, basket))
        except (StoreError, BrokenChain):
            self.counts.unreadable_total += 1  # whoever needs the slot notices, and says so
            return True

    def _move(self, basket: _Basket, stand: Stand, is_done: bool) -> bool:
        self._stands[stand.slot] = basket.stands[stand.slot] = stand
        return is_done

    def _anew(self, slot: Slot, basket: _Basket) -> Stand:
        """Forget the slot; follow its log from the first entry, or read its rows (rule 2)."""
        number = slot.number
        if number in self._stands or number in self._told:
            basket.drops.append(number)
        if not slot.replica.log.base:
            return Stand(number, slot.incarnation, 0)
        self.counts.rebuilt_total += 1
        self._building.add(number)
        row = self._store.get(Family.META, keys.slot_meta(number))
        applied = decode_meta(row).applied if row is not None else 0
        return Stand(number, slot.incarnation, applied, keys.slot_range(number)[0])

    def _scan(self, slot: Slot, stand: Stand, basket: _Basket) -> tuple[Stand, bool]:
        """A page of the slot's stored events."""
        end = keys.slot_range(slot.number)[1]
        rows = self._store.scan(Family.CHAN, stand.scanned, end, limit=SCANNED_ROWS)
        for key, row in rows:
            seq = keys.seq_of(key)
            if decode_row(seq, row).head.type in self._made:
                self._read(slot, *keys.parse_stream(key), seq, basket)
        basket.entries_left -= len(rows)
        if len(rows) < SCANNED_ROWS:
            followed = Stand(slot.number, stand.incarnation, stand.applied)
            return followed, followed.applied >= slot.applied
        scanned = rows[-1][0] + b"\x00"
        return Stand(slot.number, stand.incarnation, stand.applied, scanned), False

    def _follow(self, slot: Slot, stand: Stand, basket: _Basket) -> tuple[Stand, bool]:
        """The next entries of the slot's log."""
        applied = stand.applied
        if applied < slot.applied:
            for logged in slot.replica.log.read(applied + 1, basket.bytes_left):
                if logged.index > slot.applied or basket.entries_left <= 0:
                    break
                entry = decode_logged(logged.value)
                self._take(slot, entry, basket)
                applied = entry.index
                basket.entries_left -= 1
                basket.bytes_left -= len(logged.value)
                self.counts.entries_total += 1
        moved = Stand(slot.number, stand.incarnation, applied)
        return moved, applied >= slot.applied

    def _take(self, slot: Slot, entry: Entry, basket: _Basket) -> None:
        if entry.kind is EntryKind.APP_GONE:
            basket.cleared.append(Cleared(slot.number, entry.app))
        if not any(tag in self._wanted for tag, _ in entry.events):
            return
        searching, seq = self._searching, entry.seq - 1
        for tag, body in entry.events:
            shape = self._registry.events[tag]
            seq += shape.KIND is EventKind.NUMBERED
            if tag not in self._wanted:
                continue
            event = decode_json(body, shape)
            made = searching.made.get(shape)
            if made is not None:
                meta = Meta(entry.app, entry.key, seq, entry.ts_ms, entry.by, entry.cmid, "")
                document = made(event, meta)
                basket.changes.append(Change(slot.number, entry.app, entry.key, seq, document))
            touched = searching.touched.get(shape)
            for changed in touched(event) if touched is not None else ():
                self._read(slot, entry.app, entry.key, changed, basket)
            if shape in searching.floors:
                floor = slot.overlay.stream(entry.app, entry.key).committed.floor
                place = entry.app, entry.key
                basket.floors[place] = Floor(slot.number, *place, floor)

    def _read(self, slot: Slot, app: str, key: str, seq: int, basket: _Basket) -> None:
        """A message as it stands now."""
        overlay = slot.overlay
        document = self._searching.current(seq, overlay.committed(overlay.stream(app, key)))
        basket.changes.append(Change(slot.number, app, key, seq, document))
        basket.bytes_left -= len(document.text) if document is not None else 0

    # --- what is told of it

    def indexed_ms(self, number: int, now_ms: int) -> int:
        """Up to which log time everything of a slot is found; 0: it is being built."""
        slot = self._slots.get(number)
        if not self.has_rows():
            return now_ms
        if not self.is_known or slot is None or number in self._building:
            return 0
        stand = self._in_index(slot)
        if stand is not None and stand.incarnation != slot.incarnation:
            return 0  # of another life of the slot: all of it is to be told
        indexed = stand.applied if stand is not None else 0
        if indexed >= slot.meta.applied:  # with what is not committed yet: it has its time already
            return now_ms
        if indexed < slot.replica.log.base:
            return 0
        try:
            missing = slot.replica.log.read(indexed + 1, 1)
            return decode_logged(missing[0].value).ts_ms - 1 if missing else now_ms
        except (StoreError, BrokenChain):
            return 0

    def _in_index(self, slot: Slot) -> Stand | None:
        number = slot.number
        return self._told.get(number) if number in self._untold else self._stands.get(number)

    def _is_missing(self, slot: Slot) -> bool:
        """An index that begins has nothing of the slot, or not yet the stored rows."""
        told = self._told.get(slot.number)
        if told is None:
            return bool(slot.applied)
        return told.incarnation != slot.incarnation or bool(told.scanned)

    def _has_all(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            slot = self._slots.get(number)
            stand = self._in_index(slot) if slot is not None else None
            if slot is None or (
                stand is not None and not stand.scanned and stand.applied >= slot.applied
            ):
                self._building.discard(number)

    def behind(self) -> int:
        """Entries that are applied and not read yet, of all slots held here."""
        return sum(
            slot.applied - (stand.applied if (stand := self._stands.get(number)) else 0)
            for number, slot in self._slots.items()
        )


def _lacks(slot: Slot, stand: Stand) -> bool:
    """The log does not reach back to where the index stands."""
    return stand.applied < slot.replica.log.base
