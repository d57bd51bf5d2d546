"""What apps may use at most (`coordinator.records.Quotas`), as this edge's share of it: connections
and messages. Users and channels are the nodes' (`node.usage`).

Rules:
1. Each living edge holds an equal share; what does not divide goes to the first ones by name. So
   all of them together never allow more than the quota, but for the moment in which an edge comes
   or goes, and nobody is asked per connection or message. Where clients do not spread evenly an
   edge may refuse while another has room: the client tries again, perhaps there.
2. A connection counts from its connect to its end; what was open before a quota fell stays open.
3. A message counts when an edge sends it off, whoever asked; at most a second's worth is saved up.
   What falls due in the log (scheduled messages) passes no edge and is not counted.
4. A refusal says `quota_exceeded` with the quota's name and value; it is counted, and logged for an
   app once a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from edge.dispatch import App
from edge.limits import Bucket
from hubbub.base.errors import QUOTA_EXCEEDED, Rejected
from hubbub.base.units import SECOND_MS
from hubbub.runtime.logs import get_logger
from hubbub.settings.app import Rate

_log = get_logger("edge")
LOG_EVERY_MS: Final = 60 * SECOND_MS


class Refused(msgspec.Struct):
    """How often, by quota, since the start."""

    connections_total: int = 0
    messages_total: int = 0


class QuotaStatistics(msgspec.Struct, frozen=True):
    """Refusals since the start: by app and quota."""

    exceeded: dict[str, dict[str, int]]


class AppQuotas:
    """Args: place: this edge's number among the living ones, from 0, and how many there are."""

    def __init__(self, place: Callable[[], tuple[int, int]]) -> None:
        self._place = place
        self.refused = Refused()
        self._exceeded: dict[str, dict[str, int]] = {}  # by app: as many as there are apps
        self._messages: dict[str, Bucket] = {}
        self._logged_ms: dict[tuple[str, str], int] = {}

    def connection(self, app: App, open_here: int, now_ms: int) -> None:
        """One more than those that are open here. Raises Rejected(QUOTA_EXCEEDED)."""
        limit = app.quotas.connections_max
        if not limit:
            return
        number, edges = self._place()
        if open_here < limit // edges + (number < limit % edges):
            return
        self.refused.connections_total += 1
        self._refuse(app.name, "connections_max", limit, now_ms)

    def message(self, app: App, now_ms: int) -> None:
        """One message of the app's. Raises Rejected(QUOTA_EXCEEDED)."""
        limit = app.quotas.messages_per_s
        if not limit:
            return
        share = limit / self._place()[1]
        rate = Rate(share, max(1, int(share)))
        bucket = self._messages.get(app.name)
        if bucket is None:
            bucket = self._messages[app.name] = Bucket(rate.burst, now_ms)
        if wait_ms := bucket.take(rate, now_ms):
            self.refused.messages_total += 1
            self._refuse(app.name, "messages_per_s", limit, now_ms, wait_ms)

    def forget(self, app: str) -> None:
        """It was deleted."""
        self._exceeded.pop(app, None)
        self._messages.pop(app, None)

    def statistics(self) -> QuotaStatistics:
        """For the admin server."""
        return QuotaStatistics({app: dict(counts) for app, counts in self._exceeded.items()})

    def _refuse(self, app: str, quota: str, limit: int, now_ms: int, wait_ms: int = 0) -> None:
        counts = self._exceeded.setdefault(app, {})
        counts[quota] = counts.get(quota, 0) + 1
        last_ms = self._logged_ms.get((app, quota))
        if last_ms is None or now_ms - last_ms >= LOG_EVERY_MS:
            self._logged_ms[(app, quota)] = now_ms
            _log.warning("quota.exceeded", app=app, quota=quota, limit=limit)
        details: dict[str, object] = {"quota": quota, "limit": limit, "scope": "app"}
        if wait_ms:
            details["retry_after_ms"] = wait_ms
        raise Rejected(QUOTA_EXCEEDED, "", **details)
