"""How many users and channels each app has, and whether one more may be made. Pure.

Rules (decision record 0039):
1. Each slot keeps its counts in rows of META, changed by the entry that makes or ends something.
   Here are their sums over the slots led here, pending entries included, and what every other
   node said of its own in its last beat: a decision asks nobody.
2. The others' sums are trusted if they and ours are of all slots together. A silent node's last
   word counts until its slots have other leaders. In between nobody knows: refused for the moment.
3. What this node admits of an app and another has not heard of yet (its beat echoes ours) is at
   most a quarter of its share of the room that is left, or STEP_MIN. So an app ends at most
   2 * STEP_MIN a node above its quota, or 1 % of it where that is more. Near it beats hurry.
4. Only growth is refused, never what exists. One node alone is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

import msgspec

from hubbub.base.errors import OVERLOADED, QUOTA_REACHED, Rejected
from hubbub.coordinator.records import Quotas
from hubbub.model.usage import Growth, Usage
from hubbub.wire.replication import NodeBeat
from node import keys
from node.overlay import Overlay

# Half makes the last creations wait for one another more often, double doubles the overshoot.
STEP_MIN: Final = 2
_SHARE: Final = 4  # of this node's part of the room: what is under way elsewhere fits beside it
RETRY_AFTER_MS: Final = 50  # a hurried beat and its echo
_SENT_MAX: Final = 64  # beats whose echo is waited for, as in `beats`
_PAGE: Final = 1_000
_NONE: Final = Growth()
_FIELDS: Final = (("users_max", "users"), ("channels_max", "channels"))


class UsageCounts(msgspec.Struct):
    """What /metrics shows of it."""

    exceeded_total: int = 0
    doubtful_total: int = 0  # refused for the moment: rules 2 and 3


class UsageStatistics(msgspec.Struct, frozen=True):
    """What this node believes that apps have; refusals since the start by app and quota."""

    known: dict[str, Usage]
    exceeded: dict[str, dict[str, int]]


class _Peer:
    """Another node: what it said last, and what it has heard of us."""

    __slots__ = ("echoed", "led", "sent", "sums")

    def __init__(self) -> None:
        self.led = 0
        self.sums: dict[str, Growth] = {}
        self.sent: deque[tuple[int, dict[str, Growth]]] = deque(maxlen=_SENT_MAX)
        self.echoed: dict[str, Growth] = {}


class AppUsage:
    """Args: slots: of the whole cluster."""

    def __init__(self, slots: int) -> None:
        self.counts = UsageCounts()
        self.exceeded: dict[str, dict[str, int]] = {}
        self.suspected: frozenset[str] = frozenset()  # nodes, as of the last beat
        # A beat is wanted: soon, or (True) before what is decided now is answered.
        self.hasten: Callable[[bool], None] = lambda _: None
        self.tell: Callable[[str, str, int], None] = lambda _, __, ___: None  # app, quota, limit
        self._slots = slots
        self._led: dict[int, dict[str, Growth]] = {}
        self._own: dict[str, Growth] = {}
        self._admitted: dict[str, Growth] = {}  # since the start; replaced, never changed
        self._peers: dict[str, _Peer] = {}

    # --- slots led here

    def lead(self, slot: int, rows: dict[str, Growth]) -> None:
        """A term began here."""
        self.forget(slot)
        self._led[slot] = dict(rows)
        for app, growth in rows.items():
            self._own[app] = self._own.get(app, _NONE).plus(growth)

    def forget(self, slot: int) -> None:
        """A term ended here."""
        for app, growth in self._led.pop(slot, {}).items():
            self._own[app] = self._own[app].minus(growth)

    def add(self, slot: int, app: str, growth: Growth) -> None:
        """An entry of a slot led here changed its counts."""
        led = self._led.get(slot)
        if led is None:
            return
        led[app] = led.get(app, _NONE).plus(growth)
        self._own[app] = self._own.get(app, _NONE).plus(growth)
        more = Growth(max(0, growth.users), max(0, growth.channels))
        if more != _NONE:
            admitted = self._admitted.get(app, _NONE).plus(more)
            self._admitted = {**self._admitted, app: admitted}
        if min(growth) < 0:
            self.hasten(True)  # there is room again

    def drop(self, app: str) -> None:
        """It was deleted, and its rows go."""
        for led in self._led.values():
            led.pop(app, None)
        self._own.pop(app, None)
        self.exceeded.pop(app, None)
        self._admitted = {name: one for name, one in self._admitted.items() if name != app}

    @property
    def led_count(self) -> int:
        """How many slots the own sums are of."""
        return len(self._led)

    def own(self) -> dict[str, Growth]:
        """By app: the sums over the slots led here."""
        return {app: growth for app, growth in self._own.items() if growth != _NONE}

    # --- other nodes

    def report(self) -> tuple[tuple[str, int, int], ...]:
        """What a beat says of the slots led here: (app, users, channels)."""
        return tuple((app, *growth) for app, growth in self.own().items())

    def up(self, node: str) -> None:
        """A link to a node is new: it may be another process."""
        self._peers[node] = _Peer()

    def forget_node(self, node: str) -> None:
        """It is no node of the cluster any more."""
        self._peers.pop(node, None)

    def sent(self, node: str, n: int) -> None:
        """The beat `n` with the report left for a node."""
        self._peers.setdefault(node, _Peer()).sent.append((n, self._admitted))

    def heard(self, node: str, beat: NodeBeat) -> None:
        """A node's beat."""
        peer = self._peers.setdefault(node, _Peer())
        peer.led = beat.led
        peer.sums = {app: Growth(users, channels) for app, users, channels in beat.usage}
        while peer.sent and peer.sent[0][0] <= beat.echo:
            peer.echoed = peer.sent.popleft()[1]

    # --- what follows

    def known(self, app: str) -> Usage:
        """What the app has."""
        peers, led = self._trusted()
        users, channels = self._sum(app, peers)
        return Usage(users, channels, complete=led == self._slots)

    def admit(self, app: str, quotas: Quotas, growth: Growth) -> None:
        """One command's growth. Raises Rejected(QUOTA_REACHED), or OVERLOADED for the moment."""
        for (quota, kind), more in zip(_FIELDS, growth, strict=True):
            limit: int = getattr(quotas, quota)
            if limit and more > 0:
                self._admit(app, quota, kind, limit, more)

    def _admit(self, app: str, quota: str, kind: str, limit: int, more: int) -> None:
        peers, led = self._trusted()
        total: int = getattr(self._sum(app, peers), kind)
        if led < self._slots:
            self._doubt()
        if total + more > limit:
            if led > self._slots:
                self._doubt()
            self._refuse(app, quota, limit, total)
        if not peers:
            return
        step = max(STEP_MIN, (limit - total) // (_SHARE * (len(peers) + 1)))
        ours: int = getattr(self._admitted.get(app, _NONE), kind)
        unheard = ours - min(getattr(peer.echoed.get(app, _NONE), kind) for peer in peers)
        if unheard + more > step:
            self.hasten(False)
            self._doubt()
        if 2 * (unheard + more) >= step:
            self.hasten(step == STEP_MIN)

    def _trusted(self) -> tuple[list[_Peer], int]:
        """Whose sums count, and of how many slots they are with ours (rule 2)."""
        peers = [peer for name, peer in self._peers.items() if name not in self.suspected]
        led = len(self._led) + sum(peer.led for peer in peers)
        if led < self._slots:
            away = [peer for name, peer in self._peers.items() if name in self.suspected]
            return peers + away, led + sum(peer.led for peer in away)
        return peers, led

    def _sum(self, app: str, peers: Iterable[_Peer]) -> Growth:
        total = self._own.get(app, _NONE)
        for peer in peers:
            total = total.plus(peer.sums.get(app, _NONE))
        return total

    def _doubt(self) -> NoReturn:
        self.counts.doubtful_total += 1
        text = "whether the app's quota has room cannot be told for a moment"
        raise Rejected(OVERLOADED, text, retry_after_ms=RETRY_AFTER_MS)

    def _refuse(self, app: str, quota: str, limit: int, total: int) -> NoReturn:
        self.counts.exceeded_total += 1
        by_quota = self.exceeded.setdefault(app, {})
        by_quota[quota] = by_quota.get(quota, 0) + 1
        self.tell(app, quota, limit)
        raise Rejected(QUOTA_REACHED, quota=quota, limit=limit, used=total, scope="app")

    def statistics(self) -> UsageStatistics:
        """For the admin server."""
        apps = set(self._own).union(*(peer.sums for peer in self._peers.values()))
        return UsageStatistics(
            {app: self.known(app) for app in sorted(apps)},
            {app: dict(counts) for app, counts in self.exceeded.items()},
        )


def stored(overlay: Overlay, slot: int) -> dict[str, Growth]:
    """By app: the counts of a slot, pending entries included."""
    found: dict[str, Growth] = {}
    start, end = keys.usage_range(slot)
    while page := overlay.meta_keys(start, end, _PAGE):
        for key in page:
            app = keys.usage_app(key)
            found[app] = read(overlay, slot, app)
        start = page[-1] + b"\x00"
    return found


def read(overlay: Overlay, slot: int, app: str) -> Growth:
    """The counts of an app in a slot, pending entries included."""
    row = overlay.get_meta(keys.usage(slot, app))
    return _NONE if row is None else Growth(keys.read_u64(row), keys.read_u64(row, keys.SEQ_BYTES))


def write(overlay: Overlay, slot: int, app: str, growth: Growth) -> None:
    """Add to the counts of an app in a slot, with the entry that is open."""
    now = read(overlay, slot, app).plus(growth)
    row = keys.pack_u64(max(0, now.users)) + keys.pack_u64(max(0, now.channels))
    overlay.put_meta(keys.usage(slot, app), row)
