"""Sizes and times."""

from __future__ import annotations

from hubbub.base.units import DAY_MS, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS


def test_units() -> None:
    assert (KIB, MIB) == (1 << 10, 1 << 20)
    assert (SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS) == (1_000, 60_000, 3_600_000, 86_400_000)
