"""How full a node's disk is, and what follows from that. Pure.

Rules (replication.md 2.12):
1. From `alarm_percent` on somebody is told; from `moves_percent` on the node takes no more copies;
   from `full_percent` on it gives its leaderships away, and where nobody else may lead it refuses
   commands as `storage_full`, which is temporary. Reads go on, and so does what makes room.
2. A share says little of a large disk: a level counts only below `headroom_bytes` of free space.
3. A level is left a percent below where it began, so that nothing flaps, and without a restart.
4. Nothing is deleted to make room.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from hubbub.base.units import MIB

_LEAVE_PERCENT: Final = 1.0
# Commands that end in room: their own entries are small.
_FREES: Final = frozenset({"delete", "truncate", "clear", "purge", "leave"})


class Level(IntEnum):
    """What the disk allows."""

    FINE = 0
    ALARM = 1
    NO_MOVES = 2
    FULL = 3


class RoomLimits(Struct, frozen=True):
    """Percent of the file system; the reasons stand at `settings.schema.NodeConfig`."""

    alarm_percent: float = 85.0
    moves_percent: float = 92.0
    full_percent: float = 95.0
    headroom_bytes: int = 20 * 1_024 * MIB


class Room:
    """The last look at the disk."""

    def __init__(self, limits: RoomLimits) -> None:
        self.level = Level.FINE
        self.used_percent = 0.0
        self.refused_total = 0
        self._limits = limits

    def look(self, used_bytes: int, free_bytes: int) -> bool:
        """Once a second or so. Args: free_bytes: that this process may fill. True: the level is
        another one now.
        """
        before, limits = self.level, self._limits
        self.used_percent = 100.0 * used_bytes / max(1, used_bytes + free_bytes)
        starts = (limits.alarm_percent, limits.moves_percent, limits.full_percent)
        level = Level.FINE
        if free_bytes < limits.headroom_bytes:
            for number, percent in enumerate(starts, Level.ALARM):
                is_left = self.used_percent < percent - _LEAVE_PERCENT * (before >= number)
                level = level if is_left else Level(number)
        self.level = level
        return level is not before

    def refuses(self, tag: str) -> bool:
        """Whether a command must wait for room. Counts those that must."""
        if self.level is not Level.FULL or tag.rpartition(".")[2] in _FREES:
            return False
        self.refused_total += 1
        return True
