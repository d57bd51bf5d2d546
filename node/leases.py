"""Which users others may see: what their connections do, and a grace before somebody is gone.
Pure.

Rules (decision record 0026):
1. The lists of connections (`node.presence`) are the leases: absolute per edge, told anew to a new
   leader. Here is what they come to for each user: active on any, idle on all, or none.
2. Whoever comes is shown at once. Whoever goes is shown for GRACE_MS more, and if he is back by
   then nobody learns of it. Who hides (`is_hidden`) goes in just that way. Who may not be there
   any more (`is_out`) is gone at once.
3. A grace that is over is told, and kept by a command of the leader (`take_ended`), once and paced;
   until that is done it is answered from here.
4. For GRACE_MS a new leader does not say of anybody whom it does not know that he is gone.
5. It is the leader's memory: nothing of it is logged, and with the leader goes what was not yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from hubbub.wire.presence import Activity, Live
from node.presence import StreamName

# A tunnel, a change of networks, a restarted app. Half shows them; double keeps ghosts on screens.
GRACE_MS: Final = 10_000
# So long an edge has been silent when the coordinator gives it up, at the least (its lease is 3 s,
# renewed each second): its users' grace began then.
SILENT_MS: Final = 2_500
ENDED_PER_TICK: Final = 100  # entries; 20,000 users of a dead edge are kept within a minute
EXPIRED_PER_TICK: Final = 2_000  # some 80 ms of work; what is over comes with the next tick
RETRY_MS: Final = 1_000

_NONE: Final = Activity.NONE


class LeaseCounts(msgspec.Struct):
    """What /metrics shows."""

    changes_total: int = 0  # told, or to be told
    ended_total: int = 0
    returned_total: int = 0  # within the grace


class LeaseStatistics(msgspec.Struct, frozen=True):
    """Sizes, for /statistics."""

    users: int
    leaving: int
    unwritten: int


class _Lease:
    __slots__ = ("gone_ms", "shown")

    def __init__(self) -> None:
        self.shown = _NONE  # as others see his connections
        self.gone_ms = 0  # wall clock; of the last time that he went


class Leases:
    """All users whose streams this node leads and who are, or were just, connected."""

    def __init__(self) -> None:
        self._users: dict[StreamName, _Lease] = {}
        # Ends of graces; nearly in order, for all are equally long (a dead edge's begin earlier).
        self._leaving: dict[StreamName, int] = {}
        self._unwritten: dict[StreamName, int] = {}  # → gone_ms
        self._writing: dict[StreamName, int] = {}  # → when to try again
        self._moved: dict[StreamName, None] = {}
        self.counts = LeaseCounts()

    def update(
        self,
        user: StreamName,
        activity: Activity,
        *,
        is_hidden: bool,
        is_out: bool = False,
        wall_ms: int,
        mono_ms: int,
        ago_ms: int = 0,
    ) -> None:
        """His connections, or his choice, are so now. `ago_ms`: since when, at the least."""
        lease = self._users.get(user)
        if is_hidden or is_out:
            activity = _NONE
        if lease is None:
            if activity is _NONE:
                return
            lease = self._users[user] = _Lease()
        if activity is not _NONE:
            if self._leaving.pop(user, None) is not None:
                self.counts.returned_total += 1
            self._unwritten.pop(user, None)
            self._writing.pop(user, None)
            if lease.shown is not activity:
                lease.shown = activity
                self._moved[user] = None
        elif lease.shown is not _NONE:
            if user not in self._leaving:
                self._leaving[user] = mono_ms - ago_ms + GRACE_MS
                lease.gone_ms = wall_ms - ago_ms
            if is_out:
                self._leaving[user] = mono_ms

    def stir(self, user: StreamName) -> None:
        """What he is shown as is another, whatever his connections do."""
        self._moved[user] = None

    def tick(self, mono_ms: int) -> list[StreamName]:
        """The users of whom something is to be told."""
        over = [user for user, end_ms in self._leaving.items() if end_ms <= mono_ms]
        for user in over[:EXPIRED_PER_TICK]:
            del self._leaving[user]
            lease = self._users[user]
            lease.shown = _NONE
            self._unwritten[user] = lease.gone_ms
            self._moved[user] = None
            self.counts.ended_total += 1
        moved, self._moved = self._moved, {}
        self.counts.changes_total += len(moved)
        return list(moved)

    def take_ended(self, mono_ms: int) -> list[tuple[StreamName, int]]:
        """(user, since when he is gone) to be kept now; `kept` follows for those that were."""
        taken: list[tuple[StreamName, int]] = []
        for user, gone_ms in self._unwritten.items():
            if self._writing.get(user, 0) <= mono_ms:
                taken.append((user, gone_ms))
                self._writing[user] = mono_ms + RETRY_MS
                if len(taken) >= ENDED_PER_TICK:
                    break
        return taken

    def kept(self, user: StreamName, gone_ms: int) -> None:
        """It is in the log."""
        self._writing.pop(user, None)
        if self._unwritten.get(user) == gone_ms:
            del self._unwritten[user]
            del self._users[user]

    def live(self, user: StreamName, *, is_new: bool) -> Live:
        """How others see his connections. `is_new`: the leader's first GRACE_MS are not over."""
        lease = self._users.get(user)
        if lease is None:
            return Live(is_settled=not is_new)
        if lease.shown is _NONE:
            return Live(gone_ms=lease.gone_ms)
        return Live(lease.shown)

    def forget(self, users: Iterable[StreamName]) -> None:
        """They are led elsewhere now."""
        for user in users:
            self._users.pop(user, None)
            self._leaving.pop(user, None)
            self._unwritten.pop(user, None)
            self._writing.pop(user, None)
            self._moved.pop(user, None)

    def users(self) -> list[StreamName]:
        """Everybody known here."""
        return list(self._users)

    def statistics(self) -> LeaseStatistics:
        """Sizes now."""
        return LeaseStatistics(len(self._users), len(self._leaving), len(self._unwritten))
