"""A clock that a test moves, and randomness that repeats."""

from __future__ import annotations

from random import Random

from hubbub.base.ids import Millis


class FakeClock:
    """Stands still until `advance`; wall and monotonic time move together."""

    def __init__(self, wall_ms: int = 1_760_000_000_000, monotonic_ms: int = 1_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms

    def wall_ms(self) -> Millis:
        return Millis(self._wall_ms)

    def monotonic_ms(self) -> Millis:
        return Millis(self._monotonic_ms)

    def advance(self, ms: int) -> Millis:
        """Let time pass; the new monotonic time."""
        assert ms >= 0, ms
        self._wall_ms += ms
        self._monotonic_ms += ms
        return self.monotonic_ms()

    def set_wall(self, wall_ms: int) -> None:
        """The machine's owner sets the clock, perhaps back; monotonic time does not care."""
        self._wall_ms = wall_ms


class SeededEntropy:
    """Bytes that are the same in every run with the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)

    def __call__(self, n: int) -> bytes:
        return self._random.randbytes(n)
