"""The system's clock and the fake one keep the same promises."""

from __future__ import annotations

import pytest

from hubbub.runtime.clock import Clock, SystemClock, boot_id, entropy, until_turn_s
from tests.support.clock import FakeClock, SeededEntropy


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_time_is_whole_milliseconds_and_never_falls(clock: Clock) -> None:
    readings = [clock.monotonic_ms() for _ in range(100)]
    assert readings == sorted(readings)
    assert isinstance(clock.wall_ms(), int)
    assert clock.wall_ms() > 1_700_000_000_000  # since 1970, in ms


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(wall_ms=5_000, monotonic_ms=100)
    assert clock.advance(250) == 350
    assert clock.wall_ms() == 5_250
    clock.set_wall(1)
    assert (clock.wall_ms(), clock.monotonic_ms()) == (1, 350)


def test_entropy_has_the_length_asked_for_and_differs() -> None:
    assert len(entropy(16)) == 16
    assert entropy(16) != entropy(16)
    assert 0 < boot_id() < 1 << 64


def test_seeded_entropy_repeats() -> None:
    assert SeededEntropy(7)(10) == SeededEntropy(7)(10) != SeededEntropy(8)(10)


def test_turns_are_multiples_of_the_period_and_none_comes_twice() -> None:
    assert until_turn_s(10.0, 0.25) == pytest.approx(0.25)
    assert until_turn_s(10.1, 0.25) == pytest.approx(0.15)
    early_s = until_turn_s(10.249, 0.25)  # woken a millisecond before its turn
    assert 10.249 + early_s == pytest.approx(10.5)
    assert 10.375 + until_turn_s(10.375, 1.0) == pytest.approx(11.0)
