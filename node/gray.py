"""Gray failure: a node that lives and answers, and is too slow to lead; or its clock is wrong.
Sans-IO.

Rules (replication.md 2.10):
1. A disk is slow while the median of its recent syncs is above `SLOW_US` and above `PEERS_TIMES`
   that of the other nodes: where all are slow, another leader helps nobody. A sync that is still
   under way counts with what it has taken so far, so that a disk that hangs is slow as well.
2. A node is gray once its disk was slow for `SLOW_MS` without a break, or its loop was late by more
   than `LATE_MS`; it is so until neither was seen for `WELL_MS`.
   So is one whose disk is full (`room`).
3. Its clock is off while it is more than `CLOCK_OFF_MS` away from the median of all nodes', for
   longer than a queue of late beats explains. It would stamp entries with a time that log time
   never comes back from: so it must not lead, and is gray as well.
4. This file only judges. What follows is a preference and never a bar (`elections`): who is not
   gray takes over what a gray node leads; where there is nobody, it leads on. Only a wrong clock is
   a bar.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

# A sound disk syncs in 0.2 to 10 ms; half is met by sound network disks, double is felt by people.
SLOW_US: Final = 100_000
PEERS_TIMES: Final = 5  # half is met by disks of different kinds; double misses 500 ms beside 60
SLOW_MS: Final = (
    3_000  # half takes a compaction for an illness; the give-up is to take 10 s at most
)
LATE_MS: Final = 1_000  # the others suspect a silent node after 0.8 s anyway
WELL_MS: Final = 30_000  # a disk that is slow now and then would take its slots along each time
# Of this long ago: at 500 ms a sync some four. Half is blind for syncs of 1 s and less.
_RECENT_MS: Final = 2_000
CLOCK_OFF_MS: Final = 5_000  # ids are refused at 10 minutes; half is met by a clock without NTP
CLOCK_SURE_MS: Final = 1_000  # beside the seconds that `beats` looks back
_SYNCS_MAX: Final = 64  # a quarter of a second of a busy node: more says nothing more


class Gray:
    """How well this node is. Fed with every sync, asked at every beat."""

    def __init__(self) -> None:
        self.is_gray = False
        self.is_clock_off = False
        self.clock_ahead_ms = 0
        self._off_since_ms: int | None = None
        self.fsync_us = 0  # the median as of the last look; 0: nothing was synced lately
        self._syncs: deque[tuple[int, int]] = deque(maxlen=_SYNCS_MAX)  # (end ms, us)
        self._slow_since_ms: int | None = None
        self._ill_ms = 0  # the last time

    def synced(self, took_s: float, now_ms: int) -> None:
        """A sync has ended."""
        self._syncs.append((now_ms, int(took_s * 1_000_000)))

    def look(
        self,
        now_ms: int,
        *,
        syncing_ms: int,
        late_ms: int,
        peers_us: Sequence[int],
        ahead_ms: int = 0,
        is_full: bool = False,
    ) -> bool:
        """Several times a second: whether `is_gray` is another one now.

        Args: syncing_ms: of the sync that is under way, 0: none is. late_ms: how late the loop
        came. peers_us: the medians of the other nodes, of those that synced lately. ahead_ms: how
        far the clock is ahead of theirs. is_full: the disk.
        """
        self._compare_clocks(now_ms, ahead_ms)
        self.fsync_us = self._median_us(now_ms, syncing_ms)
        if not self._is_slow(peers_us):
            self._slow_since_ms = None
        elif self._slow_since_ms is None:
            self._slow_since_ms = now_ms
        was_gray, slow_since_ms = self.is_gray, self._slow_since_ms
        is_slow = slow_since_ms is not None and now_ms - slow_since_ms >= SLOW_MS
        if late_ms > LATE_MS or is_slow or self.is_clock_off or is_full:
            self.is_gray, self._ill_ms = True, now_ms
        elif slow_since_ms is not None:
            self._ill_ms = now_ms
        elif now_ms - self._ill_ms >= WELL_MS:
            self.is_gray = False
        return self.is_gray != was_gray

    def _compare_clocks(self, now_ms: int, ahead_ms: int) -> None:
        self.clock_ahead_ms = ahead_ms
        if abs(ahead_ms) <= CLOCK_OFF_MS:
            self._off_since_ms = None
        elif self._off_since_ms is None:
            self._off_since_ms = now_ms
        since_ms = self._off_since_ms
        self.is_clock_off = since_ms is not None and now_ms - since_ms >= CLOCK_SURE_MS

    def _median_us(self, now_ms: int, syncing_ms: int) -> int:
        syncs = self._syncs
        while syncs and now_ms - syncs[0][0] > _RECENT_MS:
            syncs.popleft()
        took_us = [us for _, us in syncs]
        if syncing_ms * 1_000 > SLOW_US:  # one that has only begun says nothing yet
            took_us.append(syncing_ms * 1_000)
        return int(median(took_us)) if took_us else 0

    def _is_slow(self, peers_us: Sequence[int]) -> bool:
        if not peers_us or self.fsync_us <= SLOW_US:
            return False
        return self.fsync_us > PEERS_TIMES * median(peers_us)
