"""Which slots this node should lead next. Pure: it proposes, the coordinator's CAS decides.

Rules (replication.md 2.1, 2.10):
1. A slot is headless if it never had a leader, if its leader's process is gone or condemned, or if
   the leader is this process and has stepped down; to who is not gray himself also if its leader
   is: that one leads on until somebody takes over.
2. The first member, or the node whose earlier process led the slot, takes it at once, each further
   member `STAGGER_MS` later: two who try waste work, nothing else. Once the leader is condemned
   only the living count. Gray nodes come after the others, in each case. Nobody tries who does not
   see a majority of the copies that it would have to ask.
3. A copy that must not lead (its rows are incomplete) names another one, and never itself.
4. A try that was lost or whose term does not begin is repeated after `AGAIN_MS`, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from hubbub.ring.map import Leader, SlotRecord, next_leader

# A dead node's 340 slots are taken within half a second on a busy machine; half lets the second
# member disturb the first.
STAGGER_MS: Final = 800
AGAIN_MS: Final = 1_000


class Living(NamedTuple):
    """What is known of the nodes. `storages` are the copies whose node is alive, this one's too;
    `gray` those of them whose node is too slow to lead.
    """

    storages: frozenset[str]
    processes: frozenset[tuple[str, int]]  # (name, boot id) that are registered or heard
    condemned: frozenset[str]  # names
    gray: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()  # names of gray nodes whose slots this one would lead
    leaders: Mapping[str, Leader] = {}  # storage → its process, of the other nodes


class Takeover(NamedTuple):
    """Write `record` for the slot, against `revision`."""

    slot: int
    record: SlotRecord
    revision: int


class _Headless(NamedTuple):
    """Since when a slot is, in this term, and when it was tried last. Milliseconds."""

    term: int
    since_ms: int
    tried_ms: int | None = None


class Elections:
    """Remembers since when a slot is headless, and when it was tried last."""

    def __init__(self, storage: str, leader: Leader) -> None:
        self._storage = storage
        self._leader = leader
        self._headless: dict[int, _Headless] = {}  # by slot, of those that are held here

    @property
    def is_waiting(self) -> bool:
        """Slots are headless: look again soon."""
        return bool(self._headless)

    def wanted(
        self,
        records: Iterable[tuple[int, SlotRecord, int]],
        living: Living,
        is_leading: Callable[[int], bool],
        now_ms: int,
        is_whole: Callable[[int], bool] = lambda _: True,
    ) -> list[Takeover]:
        """What to try now. Args: records: (slot, record, revision) of slots that are held here.
        is_whole: the copy may lead; one that is being replaced by a snapshot may not.
        """
        found: list[Takeover] = []
        before, self._headless = self._headless, {}
        for slot, record, revision in records:
            if self._storage not in record.members or not self._is_headless(
                slot, record, living, is_leading
            ):
                continue
            leader = self._leader if is_whole(slot) else self._heir(record, living)
            if leader is None:
                continue
            known = before.get(slot, _Headless(record.term, now_ms))
            if known.term != record.term:
                known = known._replace(term=record.term, since_ms=now_ms)
            if self._is_due(known, record, living, now_ms):
                known = known._replace(tried_ms=now_ms)
                found.append(Takeover(slot, next_leader(record, leader), revision))
            self._headless[slot] = known
        return found

    def _heir(self, record: SlotRecord, living: Living) -> Leader | None:
        """Whom to name in place of this copy, which must not lead what it was given."""
        if record.leader is None or record.leader.node != self._leader.node:
            return None  # whoever may lead sees it as well
        return next((living.leaders[s] for s in record.members if s in living.leaders), None)

    def _is_headless(
        self,
        slot: int,
        record: SlotRecord,
        living: Living,
        is_leading: Callable[[int], bool],
    ) -> bool:
        leader = record.leader
        if leader is None:
            return True
        if leader == self._leader:
            return not is_leading(slot)
        if leader.node in living.condemned or leader.node in living.replaced:
            return True
        return (leader.node, leader.boot_id) not in living.processes

    def _is_due(self, known: _Headless, record: SlotRecord, living: Living, now_ms: int) -> bool:
        if known.tried_ms is not None and now_ms - known.tried_ms < AGAIN_MS:
            return False
        if not _has_majority(record.members, living) or not _has_majority(record.prev, living):
            return False
        return now_ms - known.since_ms >= self._rank(record, living) * STAGGER_MS

    def _rank(self, record: SlotRecord, living: Living) -> int:
        leader, order = record.leader, list(record.members)
        is_gray = self._storage in living.gray
        if leader is not None and leader.node == self._leader.node and not is_gray:
            return 0
        if leader is not None and leader.node in living.condemned:
            order = [storage for storage in order if storage in living.storages]
        return sorted(order, key=living.gray.__contains__).index(self._storage)


def _has_majority(members: tuple[str, ...], living: Living) -> bool:
    return sum(storage in living.storages for storage in members) > len(members) // 2
