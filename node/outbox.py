"""Forwards on their way: in order a pair of slots, at least once, and gone once answered. Pure.

Rules (contracts.md 3):
1. Per (source slot, target slot) one Forward is under way; the next leaves after its RESULT. What
   the target has taken it drops, so sending again is safe.
2. UNKNOWN, REDIRECT, temporary refusals and silence are sent again, later each time. Only a lasting
   refusal is counted and dropped.
3. Rows are durable before they come here. At most `QUEUED_MAX` of a pair are in memory; the rest is
   read from the store when their turn comes.
4. Finished rows are deleted by one entry a second and source slot, naming the highest n of each
   target.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hubbub.base.backoff import full_jitter_ms
from node.engine import QueuedForward

QUEUED_MAX: Final = 256  # of one pair; beyond it a page of the store is one read
SILENCE_MS: Final = 5_000  # routers give up after 3.5 s: nobody answers a request after this
_RETRY_MS_MIN: Final = 50
_RETRY_MS_MAX: Final = 2_000

# (source, target, above n, limit) → rows in order
Load = Callable[[int, int, int, int], list[QueuedForward]]


class OutboxCounts(msgspec.Struct):
    """What /metrics shows of the outbox."""

    queued_total: int = 0
    finished_total: int = 0
    dropped_total: int = 0  # refused for good
    retried_total: int = 0


class _Pair:
    """What one slot still has to tell another one."""

    __slots__ = ("attempt", "due_ms", "finished", "last", "newest", "queue", "under_way")

    def __init__(self) -> None:
        self.queue: deque[QueuedForward] = deque()
        self.under_way: QueuedForward | None = None
        self.last = 0  # n of the newest row that the queue took
        self.newest = 0  # n of the newest row that there is; above `last`: only in the store
        self.attempt = 0
        self.due_ms = 0  # of the next try, or of giving up on an answer
        self.finished = 0  # highest n answered and not yet deleted

    @property
    def is_spilled(self) -> bool:
        """The store has, or is about to have, rows behind those in the queue."""
        return self.newest > self.last


class Outbox:
    """The Forwards of all slots that this node leads."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._pairs: dict[tuple[int, int], _Pair] = {}
        self.counts = OutboxCounts()

    def __len__(self) -> int:
        """Pairs with something to tell."""
        return sum(
            1 for pair in self._pairs.values() if pair.under_way or pair.queue or pair.is_spilled
        )

    def add(self, forwards: Sequence[QueuedForward], now_ms: int) -> list[QueuedForward]:
        """Committed Forwards, in order; those that leave now."""
        leaving: list[QueuedForward] = []
        for forward in forwards:
            pair = self._pairs.setdefault((forward.source, forward.target), _Pair())
            self.counts.queued_total += 1
            spills = pair.is_spilled or len(pair.queue) >= QUEUED_MAX
            pair.newest = max(pair.newest, forward.n)
            if spills:
                continue
            pair.queue.append(forward)
            pair.last = forward.n
            if pair.under_way is None:
                leaving += self._next(pair, now_ms)
        return leaving

    def finished(
        self, forward: QueuedForward, now_ms: int, *, is_dropped: bool = False
    ) -> list[QueuedForward]:
        """The target has answered for good; what leaves next."""
        pair = self._current(forward)
        if pair is None:
            return []
        self.counts.finished_total += 1
        self.counts.dropped_total += is_dropped
        pair.finished = forward.n
        pair.under_way = None
        pair.attempt = 0
        return self._next(pair, now_ms)

    def failed(self, forward: QueuedForward, now_ms: int, random: float) -> None:
        """No lasting answer: try the same one again later."""
        pair = self._current(forward)
        if pair is not None:
            self._delay(pair, now_ms, random)

    def tick(self, now_ms: int, random: float) -> list[QueuedForward]:
        """What is due to be sent again. Also ends the wait for an answer that never came."""
        leaving: list[QueuedForward] = []
        for pair in self._pairs.values():
            if pair.under_way is not None and now_ms >= pair.due_ms:
                self.counts.retried_total += 1
                pair.attempt += 1
                pair.due_ms = now_ms + SILENCE_MS
                leaving.append(pair.under_way)
            elif pair.under_way is None and pair.is_spilled:
                leaving += self._next(pair, now_ms)  # its rows were not in the store before
        return leaving

    def take_finished(self) -> dict[int, list[tuple[int, int]]]:
        """Source slot → (target slot, highest n answered), once; for the entries that delete."""
        done: dict[int, list[tuple[int, int]]] = {}
        for (source, target), pair in list(self._pairs.items()):
            if pair.finished:
                done.setdefault(source, []).append((target, pair.finished))
                pair.finished = 0
            if pair.under_way is None and not pair.queue and not pair.is_spilled:
                del self._pairs[source, target]
        return done

    def forget(self, source: int) -> None:
        """The slot is not led here any more; its next leader reads the rows."""
        for key in [key for key in self._pairs if key[0] == source]:
            del self._pairs[key]

    def _current(self, forward: QueuedForward) -> _Pair | None:
        pair = self._pairs.get((forward.source, forward.target))
        if pair is None or pair.under_way is None or pair.under_way.n != forward.n:
            return None  # a late answer to an earlier try
        return pair

    def _next(self, pair: _Pair, now_ms: int) -> list[QueuedForward]:
        if not pair.queue and pair.is_spilled:
            self._refill(pair)
        if not pair.queue:
            return []
        pair.under_way = pair.queue.popleft()
        pair.due_ms = now_ms + SILENCE_MS
        return [pair.under_way]

    def _refill(self, pair: _Pair) -> None:
        source, target = next(key for key, known in self._pairs.items() if known is pair)
        rows = self._load(source, target, pair.last, QUEUED_MAX)
        pair.queue.extend(rows)
        if rows:
            pair.last = rows[-1].n

    def _delay(self, pair: _Pair, now_ms: int, random: float) -> None:
        wait_ms = full_jitter_ms(
            pair.attempt, base_ms=_RETRY_MS_MIN, max_ms=_RETRY_MS_MAX, random=random
        )
        pair.due_ms = now_ms + wait_ms
