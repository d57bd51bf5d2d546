"""Token buckets of this edge: of connections, users, addresses, signs. Pure: time is passed in.

Rules:
1. A refused request costs nothing and says when the next one would pass (`retry_after_ms`).
2. A rate that is switched off makes no bucket.
3. Every bucket is one app's: what an address does in one takes nothing from it in another.
4. The number of buckets of users and addresses is bounded, and the oldest makes room (its owner
   starts with a full bucket: generous, never unfair to others).
5. What must be exact over edges (messages per user and channel) is decided at the log, not here.
   Signs that nobody keeps, such as typing, need not be: they are counted here.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil
from typing import Final, TypeVar

import msgspec

from edge.addresses import is_here
from hubbub.base.bounded import BoundedCache
from hubbub.base.errors import RATE_LIMITED, Rejected
from hubbub.base.units import SECOND_MS
from hubbub.settings.app import AppSettings, Rate

K = TypeVar("K", bound=Hashable)

BUCKETS_MAX: Final = 100_000  # users or addresses remembered at once: about 10 MiB


class Bucket:
    """Tokens as of a moment; refilled when asked."""

    __slots__ = ("at_ms", "tokens")

    def __init__(self, tokens: float, at_ms: int) -> None:
        self.tokens = tokens
        self.at_ms = at_ms

    def refill(self, rate: Rate, now_ms: int) -> float:
        """The tokens that there are now."""
        passed = max(0, now_ms - self.at_ms)
        self.tokens = min(float(rate.burst), self.tokens + passed * rate.per_s / SECOND_MS)
        self.at_ms = now_ms
        return self.tokens

    def take(self, rate: Rate, now_ms: int) -> int:
        """0 if a token was taken, else milliseconds until there is one."""
        tokens = self.refill(rate, now_ms)
        if tokens >= 1:
            self.tokens = tokens - 1
            return 0
        return max(1, int((1 - tokens) * SECOND_MS / rate.per_s) + 1)


class Allowance(msgspec.Struct, frozen=True):
    """What a bucket holds after a request: at most `limit`, now `remaining`, full again in
    `reset_ms`; an empty one is full after `window_s`. `scope`: whose it is; `bucket`: which of
    his."""

    bucket: str
    scope: str
    limit: int
    window_s: int
    remaining: int
    reset_ms: int


class ConnectionLimits:
    """The two buckets of one connection; made when the first one is needed."""

    __slots__ = ("commands", "subscribes")

    def __init__(self) -> None:
        self.commands: Bucket | None = None
        self.subscribes: Bucket | None = None

    def command(self, settings: AppSettings, now_ms: int) -> None:
        """Count an rpc or publish. Raises Rejected(RATE_LIMITED)."""
        rate = settings.commands_per_connection
        if rate.is_off:
            return
        if self.commands is None:
            self.commands = Bucket(rate.burst, now_ms)
        _refuse(self.commands.take(rate, now_ms), "connection", rate)

    def subscribe(self, settings: AppSettings, now_ms: int) -> None:
        """Count a subscribe. Raises Rejected(RATE_LIMITED)."""
        rate = settings.subscribes_per_connection
        if rate.is_off:
            return
        if self.subscribes is None:
            self.subscribes = Bucket(rate.burst, now_ms)
        _refuse(self.subscribes.take(rate, now_ms), "subscribe", rate)


class SharedLimits:
    """Buckets of users and addresses on this edge. `rejected` counts refusals by scope."""

    def __init__(self, buckets_max: int = BUCKETS_MAX) -> None:
        self._users: BoundedCache[tuple[str, str], Bucket] = BoundedCache(buckets_max)
        self._addresses: BoundedCache[tuple[str, str], Bucket] = BoundedCache(buckets_max)
        self._signs: BoundedCache[tuple[str, str, str, str], Bucket] = BoundedCache(buckets_max)
        self._rest: BoundedCache[tuple[str, str, str], Bucket] = BoundedCache(buckets_max)
        self._guests: BoundedCache[tuple[str, str], Bucket] = BoundedCache(buckets_max)
        self.rejected = {"user": 0, "address": 0, "sign": 0, "rest": 0, "guest": 0}

    def send(self, app: str, user: str, settings: AppSettings, now_ms: int) -> None:
        """Count a message of a user over all channels. Raises Rejected(RATE_LIMITED)."""
        rate = settings.send_per_user
        if rate.is_off or not user:
            return
        wait = _bucket(self._users, (app, user), rate, now_ms).take(rate, now_ms)
        if wait:
            self.rejected["user"] += 1
        _refuse(wait, "user", rate)

    def sign(self, app: str, user: str, key: str, tag: str, settings: AppSettings, at: int) -> None:
        """Count a sign of a user in a stream (`Command.PACED`). Raises Rejected(RATE_LIMITED)."""
        rate = settings.typing_per_channel
        if rate.is_off or not user:
            return
        wait = _bucket(self._signs, (app, user, key, tag), rate, at).take(rate, at)
        if wait:
            self.rejected["sign"] += 1
        _refuse(wait, "sign", rate)

    def rest(
        self, app: str, scope: str, who: str, settings: AppSettings, now_ms: int
    ) -> Allowance | None:
        """Count a REST request of a `user`, a `key` or an `address`; None where there is no limit.

        Raises Rejected(RATE_LIMITED)."""
        rate = _rest_rate(scope, settings)
        if rate.is_off:
            return None
        bucket = _bucket(self._rest, (app, scope, who), rate, now_ms)
        wait = bucket.take(rate, now_ms)
        if wait:
            self.rejected["rest"] += 1
        _refuse(wait, scope, rate, "rest")
        return _left("rest", scope, bucket, rate)

    def left(
        self, bucket: str, scope: str, app: str, who: str, settings: AppSettings, now_ms: int
    ) -> Allowance | None:
        """What somebody has left without counting anything; None for what is not counted here."""
        rate, found = _rest_rate(scope, settings), self._rest.get((app, scope, who))
        if (bucket, scope) == ("user", "user"):
            rate, found = settings.send_per_user, self._users.get((app, who))
        elif bucket != "rest":
            return None
        if rate.is_off:
            return None
        found = found or Bucket(rate.burst, now_ms)
        found.refill(rate, now_ms)
        return _left(bucket, scope, found, rate)

    def guest(self, app: str, address: str, settings: AppSettings, now_ms: int) -> None:
        """Count a guest made by an address without a key. Raises Rejected(RATE_LIMITED)."""
        rate = settings.guests_per_address
        if rate.is_off or is_here(address) or not address:
            return
        wait = _bucket(self._guests, (app, address), rate, now_ms).take(rate, now_ms)
        if wait:
            self.rejected["guest"] += 1
        _refuse(wait, "address", rate, "guest")

    def handshake(self, app: str, address: str, settings: AppSettings, now_ms: int) -> None:
        """Count a handshake of an address (none on loopback). Raises Rejected(RATE_LIMITED)."""
        rate = settings.handshakes_per_address
        if rate.is_off or is_here(address) or not address:
            return
        wait = _bucket(self._addresses, (app, address), rate, now_ms).take(rate, now_ms)
        if wait:
            self.rejected["address"] += 1
        _refuse(wait, "address", rate)


def rates(settings: AppSettings) -> list[tuple[str, str, Rate]]:
    """(bucket, scope, rate) of everything that an app limits, as refusals name them."""
    return [
        ("rest", "user", settings.rest_per_user),
        ("rest", "key", settings.rest_per_key),
        ("rest", "address", settings.rest_per_address),
        ("send", "channel", settings.send_per_channel),
        ("user", "user", settings.send_per_user),
        ("sign", "sign", settings.typing_per_channel),
        ("connection", "connection", settings.commands_per_connection),
        ("subscribe", "subscribe", settings.subscribes_per_connection),
        ("address", "address", settings.handshakes_per_address),
        ("guest", "address", settings.guests_per_address),
    ]


def _rest_rate(scope: str, settings: AppSettings) -> Rate:
    rates = {"user": settings.rest_per_user, "key": settings.rest_per_key}
    return rates.get(scope, settings.rest_per_address)


def _left(name: str, scope: str, bucket: Bucket, rate: Rate) -> Allowance:
    reset_ms = int((rate.burst - bucket.tokens) * SECOND_MS / rate.per_s)
    fills_s = window_s(rate.burst, rate.per_s)
    return Allowance(name, scope, rate.burst, fills_s, int(bucket.tokens), reset_ms)


def window_s(burst: int, per_s: float) -> int:
    """Whole seconds in which an empty bucket fills, at least one."""
    return max(1, ceil(burst / per_s))


def _bucket(buckets: BoundedCache[K, Bucket], key: K, rate: Rate, now_ms: int) -> Bucket:
    bucket = buckets.get(key)
    if bucket is None:
        bucket = Bucket(rate.burst, now_ms)
        buckets.put(key, bucket)
    return bucket


def _refuse(wait_ms: int, scope: str, rate: Rate, bucket: str = "") -> None:
    if wait_ms:
        raise Rejected(
            RATE_LIMITED,
            retry_after_ms=wait_ms,
            bucket=bucket or scope,
            scope=scope,
            limit_per_s=rate.per_s,
            burst=rate.burst,
        )
