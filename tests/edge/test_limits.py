"""Token buckets with a clock of our own."""

from __future__ import annotations

from collections.abc import (
    Callable,
)

import msgspec
import pytest

from edge.limits import (
    Allowance,
    ConnectionLimits,
    SharedLimits,
    rates,
    window_s,
)
from hubbub.base.errors import RATE_LIMITED, Rejected
from hubbub.settings.app import (
    OFF,
    AppSettings,
    Rate,
)
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


TIGHT = Rate(0.5, 2)
FAR = "192.0.2.7"
Take = Callable[[SharedLimits, str, str, AppSettings, int], object]
OF_USER = ("send_per_user", "user", "user")
KINDS: dict[str, tuple[Take, tuple[str, str, str]]] = {
    "send": (SharedLimits.send, OF_USER),
    "sign": (
        lambda limits, app, who, *at: limits.sign(app, who, "group:x", "t", *at),
        ("typing_per_channel", "sign", "sign"),
    ),
    "guest": (SharedLimits.guest, ("guests_per_address", "guest", "address")),
    "address": (SharedLimits.handshake, ("handshakes_per_address", "address", "address")),
} | {
    f"rest {scope}": (
        lambda limits, app, who, *at, scope=scope: limits.rest(app, scope, who, *at),
        (f"rest_per_{scope}", "rest", scope),
    )
    for scope in ("user", "key", "address")
}


@pytest.mark.parametrize("name", KINDS)
def test_each_limit_is_one_apps_and_a_refusal_names_it(name: str) -> None:
    take, (setting, bucket, scope) = KINDS[name]
    limits, who = SharedLimits(), FAR if scope == "address" else "ann"
    tight = msgspec.structs.replace(SETTINGS, **{setting: TIGHT})
    for app in ("demo", "other"):
        for _ in range(2):
            take(limits, app, who, tight, 0)
        for refusals in (1, 2):
            before = dict(limits.rejected)
            with pytest.raises(Rejected) as refused:
                take(limits, app, who, tight, 1_000)
            assert refused.value.details == {
                "retry_after_ms": 1_001, "bucket": bucket, "scope": scope,
                "limit_per_s": 0.5, "burst": 2,
            }, refusals  # fmt: skip
            counted = {kind: n - before[kind] for kind, n in limits.rejected.items()}
            assert counted == dict.fromkeys(before, 0) | {bucket: 1}
    take(limits, "demo", who, tight, 2_001)
    assert (bucket, scope, TIGHT) in rates(tight)
    off = msgspec.structs.replace(SETTINGS, **{setting: OFF})
    for _ in range(9):
        take(limits, "demo", who, off, 2_001)
        if bucket != "rest":
            take(limits, "demo", "", tight, 2_001)
        if scope == "address" and bucket != "rest":
            take(limits, "demo", "127.0.0.1", tight, 2_001)


def test_what_is_left_is_told_and_costs_nothing() -> None:
    limits = SharedLimits()
    settings = msgspec.structs.replace(
        SETTINGS, rest_per_key=Rate(0.5, 3), send_per_user=Rate(1, 2), rest_per_user=OFF
    )
    taken = limits.rest("demo", "key", "k", settings, 0)
    assert taken == Allowance("rest", "key", 3, 6, 2, 2_000)

    def left(bucket: str, scope: str, who: str, ms: int) -> Allowance | None:
        return limits.left(bucket, scope, "demo", who, settings, ms)

    for _ in range(5):
        assert left("rest", "key", "k", 0) == taken
        assert left("rest", "key", "k2", 0) == Allowance("rest", "key", 3, 6, 3, 0)
        assert left("user", "user", "ann", 0) == Allowance("user", "user", 2, 2, 2, 0)
    limits.send("demo", "ann", settings, 0)
    assert left("user", "user", "ann", 500) == Allowance("user", "user", 2, 2, 1, 500)
    assert left("rest", "key", "k", 2_000) == Allowance("rest", "key", 3, 6, 3, 0)
    assert left("rest", "user", "ann", 0) is None, "there is no limit"
    assert left("send", "channel", "ann", 0) is None, "it is counted at the log"


@pytest.mark.parametrize(("burst", "per_s", "found"), [(1, 10, 1), (20, 5, 4), (10, 3, 4)])
def test_how_long_a_bucket_takes_to_fill(burst: int, per_s: float, found: int) -> None:
    assert window_s(burst, per_s) == found


def test_subscribes_are_switched_off_too() -> None:
    limits = ConnectionLimits()
    limits.subscribe(msgspec.structs.replace(SETTINGS, subscribes_per_connection=OFF), 0)
    assert limits.subscribes is None
