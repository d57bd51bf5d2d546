"""What can be ordered of a chaos proxy, wherever it runs, and what it tells of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Way(StrEnum):
    """A direction, seen from the one who connects."""

    FORWARD = "forward"  # to the target
    BACK = "back"
    BOTH = "both"


class WayCounts(NamedTuple):
    """One direction, in bytes: written on, thrown away, and waiting in the proxy now."""

    passed: int
    swallowed: int
    held: int


class Counts(NamedTuple):
    """What a proxy did so far. `live` and `half_open` are connections that exist now."""

    accepted: int
    live: int
    half_open: int
    resets: int
    forward: WayCounts
    back: WayCounts


class Controls(ABC):
    """The orders. Each acts before the proxy's loop waits again."""

    @abstractmethod
    def order(self, verb: str, words: Mapping[str, Any]) -> Any:
        """Carry out one order where the proxy runs; the methods below are its vocabulary."""

    def delay(self, ms: float, jitter_ms: float = 0.0, way: Way = Way.BOTH) -> None:
        """Every byte takes `ms`, plus or minus up to `jitter_ms`, and overtakes none."""
        self.order("delay", {"ms": ms, "jitter_ms": jitter_ms, "way": way})

    def rate(self, bytes_per_s: float, way: Way = Way.BOTH) -> None:
        """No more than this passes; 0: no limit."""
        self.order("rate", {"bytes_per_s": bytes_per_s, "way": way})

    def cut(self, way: Way = Way.BOTH, *, swallow: bool = False) -> None:
        """Nothing passes: it is held until `heal`, or thrown away as it comes.

        A connection that had something thrown away is reset by `heal`.
        """
        self.order("cut", {"way": way, "swallow": swallow})

    def half_open(self) -> None:
        """New connections are accepted and go nowhere; healing resets them."""
        self.order("half_open", {})

    def refuse(self) -> None:
        """New connections are refused; the port stays ours."""
        self.order("refuse", {})

    def reset(self) -> int:
        """Both ends of every live connection get a reset; how many there were."""
        return int(self.order("reset", {}))

    def heal(self, way: Way = Way.BOTH) -> None:
        """No delay, limit or cut that way; of BOTH also: connections are accepted and forwarded."""
        self.order("heal", {"way": way})

    def counts(self) -> Counts:
        """The counters as they are now."""
        accepted, live, half_open, resets, forward, back = self.order("counts", {})
        return Counts(accepted, live, half_open, resets, WayCounts(*forward), WayCounts(*back))
