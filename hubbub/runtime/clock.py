"""Time and randomness as things that are passed in: the only reader of either.

Rules: pure cores get `now` and entropy as arguments; adapters get a `Clock`. Tests move a fake one.
Wall time is for what people and logs see, monotonic time for deadlines; they are never compared.
"""

from __future__ import annotations

import os
import time
from typing import Protocol

from hubbub.base.ids import Millis


class Clock(Protocol):
    """Two clocks in integer milliseconds."""

    def wall_ms(self) -> Millis:
        """Since 1970, UTC. May be set back by the machine's owner."""
        ...

    def monotonic_ms(self) -> Millis:
        """Since some moment of this boot. Never falls."""
        ...


class SystemClock:
    """The machine's own."""

    __slots__ = ()

    def wall_ms(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)

    def monotonic_ms(self) -> Millis:
        return Millis(time.monotonic_ns() // 1_000_000)


def until_turn_s(now_s: float, period_s: float) -> float:
    """Seconds until the next multiple of a period.

    Whatever is periodic waits so long, not its whole period: then what is due in a process is due
    at the same moment and wakes it once. Who is woken a little early is not woken twice.
    """
    left_s = period_s - now_s % period_s
    return left_s if left_s > period_s * _EARLY else left_s + period_s


_EARLY = 0.125
_POOL_BYTES = 4_096
_pool = b""
_pool_at = 0


def entropy(n: int) -> bytes:
    """`n` bytes that nobody can guess; each byte is handed out once.

    Taken from a pool: a system call for each message cost 8 % of a busy edge.
    """
    global _pool, _pool_at
    if _pool_at + n > len(_pool):
        _pool = os.urandom(max(_POOL_BYTES, n))
        _pool_at = 0
    taken = _pool[_pool_at : _pool_at + n]
    _pool_at += n
    return taken


def _forget_pool() -> None:
    global _pool
    _pool = b""


# A forked child must not hand out its parent's bytes.
os.register_at_fork(after_in_child=_forget_pool)


def boot_id() -> int:
    """A new random 64-bit id for one life of a process; never 0, which means "none"."""
    return int.from_bytes(entropy(8), "big") or 1
