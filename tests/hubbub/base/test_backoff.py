"""Delays between tries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.backoff import full_jitter_ms


@given(st.integers(0, 10_000), st.integers(0, 1_000), st.integers(0, 60_000), st.floats(0, 1))
def test_between_base_and_ceiling(attempt: int, base: int, max_ms: int, random: float) -> None:
    delay = full_jitter_ms(attempt, base_ms=base, max_ms=max_ms, random=random)
    assert base <= delay <= max(base, max_ms)


def test_it_grows() -> None:
    delays = [full_jitter_ms(n, base_ms=100, max_ms=5_000, random=1.0) for n in range(8)]
    assert delays == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]
