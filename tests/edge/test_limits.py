"""Token buckets with a clock of our own."""

from __future__ import annotations

import msgspec
import pytest

from edge.limits import ConnectionLimits, SharedLimits
from hubbub.base.errors import RATE_LIMITED, Rejected
from hubbub.settings.app import AppSettings, Rate
from hubbub.settings.profiles import BENCH

SETTINGS = AppSettings()


def passes(limits: ConnectionLimits, now_ms: int) -> bool:
    refusals = []
    try:
        limits.command(SETTINGS, now_ms)
    except Rejected as refusal:
        refusals.append(refusal)
    assert all(refusal.error is RATE_LIMITED for refusal in refusals)
    assert all(refusal.details["scope"] == "connection" for refusal in refusals)
    return not refusals


def test_a_burst_passes_and_then_the_rate() -> None:
    limits = ConnectionLimits()
    assert sum(passes(limits, 0) for _ in range(150)) == 100
    assert sum(passes(limits, 1_000) for _ in range(150)) == 30


def test_a_refusal_says_when_the_next_one_passes() -> None:
    limits = ConnectionLimits()
    for _ in range(100):
        limits.command(SETTINGS, 0)
    with pytest.raises(Rejected) as refused:
        limits.command(SETTINGS, 0)
    wait = refused.value.details["retry_after_ms"]
    assert isinstance(wait, int)
    assert not passes(limits, wait // 2)
    assert passes(limits, wait)


def test_subscribes_have_their_own_bucket() -> None:
    limits = ConnectionLimits()
    for _ in range(1_000):
        limits.subscribe(SETTINGS, 0)
    with pytest.raises(Rejected):
        limits.subscribe(SETTINGS, 0)
    assert passes(limits, 0)


def test_a_user_is_counted_over_connections() -> None:
    limits = SharedLimits()
    for _ in range(20):
        limits.send("demo", "ann", SETTINGS, 0)
    with pytest.raises(Rejected):
        limits.send("demo", "ann", SETTINGS, 0)
    limits.send("demo", "bob", SETTINGS, 0)
    limits.send("other", "ann", SETTINGS, 0)
    assert limits.rejected["user"] == 1


def test_loopback_has_no_limit_per_address() -> None:
    limits = SharedLimits()
    for _ in range(1_000):
        limits.handshake("demo", "127.0.0.1", SETTINGS, 0)
    for _ in range(60):
        limits.handshake("demo", "192.0.2.7", SETTINGS, 0)
    with pytest.raises(Rejected):
        limits.handshake("demo", "192.0.2.7", SETTINGS, 0)
    limits.handshake("other", "192.0.2.7", SETTINGS, 0)


def test_a_profile_switches_limits_off() -> None:
    limits = ConnectionLimits()
    for _ in range(10_000):
        limits.command(BENCH, 0)
    assert limits.commands is None


def test_the_number_of_buckets_is_bounded() -> None:
    tight = msgspec.structs.replace(SETTINGS, send_per_user=Rate(1, 1))
    limits = SharedLimits(buckets_max=10)
    for number in range(100):
        limits.send("demo", f"u{number}", tight, 0)
    with pytest.raises(Rejected):
        limits.send("demo", "u99", tight, 0)
    limits.send("demo", "u0", tight, 0)  # forgotten, so generous


def test_signs_are_counted_by_user_channel_and_kind() -> None:
    limits = SharedLimits()
    limits.sign("demo", "ann", "group:x", "typing.start", SETTINGS, 0)
    with pytest.raises(Rejected) as refused:
        limits.sign("demo", "ann", "group:x", "typing.start", SETTINGS, 1_000)
    assert 1_990 <= refused.value.details["retry_after_ms"] <= 2_010
    limits.sign("demo", "ann", "group:x", "typing.stop", SETTINGS, 1_000)
    limits.sign("demo", "ann", "group:y", "typing.start", SETTINGS, 1_000)
    limits.sign("demo", "bob", "group:x", "typing.start", SETTINGS, 1_000)
    limits.sign("demo", "ann", "group:x", "typing.start", SETTINGS, 3_010)
    for _ in range(10):
        limits.sign("demo", "ann", "group:x", "typing.start", BENCH, 0)
    assert limits.rejected["sign"] == 1
