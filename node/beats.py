"""Who is alive, as nodes tell one another: beats, suspicion, agreement. Sans-IO.

Rules (replication.md 2.10):
1. Each node beats to each other one every `BEAT_MS`, and at once when its suspicion changes.
2. A node is suspected when its link broke, after `SUSPECT_MS` without a beat, or after `DEAF_MS` in
   which it beats and answers none: who hears nobody cannot lead. It is condemned when another node
   says the same, or when there is no other; a false one costs a change of leader and nothing else.
3. Contact is counted from the moment when the beat left that was answered, never from the answer:
   what a node may conclude from it is at least as old as that.
4. Clocks are compared, never used: how far ahead of the others' median this one is, its own word
   included, so that of two nodes none is wrong, and of three the odd one. A beat that was long on
   its way, or waited for a busy loop, makes its sender's clock look late and never early: so the
   earliest of the last seconds counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from hubbub.wire.replication import NodeBeat

BEAT_MS: Final = 200
SUSPECT_MS: Final = 800  # half takes a stalled disk for a death; double delays every failover
# A leader that hears nobody gives up by then (`replica.QUORUM_LOST_MS`); half is but a slow loop.
DEAF_MS: Final = 2_000
_CLOCK_MS: Final = 2_000  # two such stretches are looked at: half is one stall of a busy loop
_SENT_MAX: Final = 64  # beats whose answer is waited for: more than any patience here


class _Peer:
    __slots__ = (
        "_ahead_before_ms",
        "_ahead_ms",
        "_ahead_since_ms",
        "boot_id",
        "contact_ms",
        "fsync_us",
        "has_room",
        "heard_ms",
        "is_clock_off",
        "is_gray",
        "is_up",
        "sent",
        "suspects",
        "their_n",
    )

    def __init__(self, now_ms: int) -> None:
        self.boot_id = 0
        self.heard_ms = now_ms
        self.contact_ms = now_ms
        self.is_up = True
        self.is_gray = self.is_clock_off = False
        self.has_room = True
        self._ahead_ms: int | None = None  # its clock of ours, at most: of this stretch
        self._ahead_before_ms: int | None = None  # and of the one before
        self._ahead_since_ms = now_ms
        self.fsync_us = 0
        self.their_n = 0
        self.suspects: frozenset[str] = frozenset()
        self.sent: deque[tuple[int, int]] = deque(maxlen=_SENT_MAX)  # (n, ms)

    @property
    def ahead_ms(self) -> int | None:
        """How far its clock is ahead of ours; None: it was not told."""
        known = [ms for ms in (self._ahead_ms, self._ahead_before_ms) if ms is not None]
        return max(known, default=None)

    def compare(self, ahead_ms: int, now_ms: int) -> None:
        """One more beat: its clock minus ours, and minus its way."""
        if now_ms - self._ahead_since_ms >= _CLOCK_MS:
            self._ahead_before_ms, self._ahead_ms = self._ahead_ms, None
            self._ahead_since_ms = now_ms
        self._ahead_ms = ahead_ms if self._ahead_ms is None else max(self._ahead_ms, ahead_ms)


class Beats:
    """The other nodes, by name."""

    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}
        self._n = 0

    def __contains__(self, name: str) -> bool:
        """A link to the node was made once."""
        return name in self._peers

    def up(self, name: str, now_ms: int) -> None:
        """A link to a node is new."""
        self._peers[name] = _Peer(now_ms)

    def down(self, name: str) -> None:
        """The link broke."""
        peer = self._peers.get(name)
        if peer is not None:
            peer.is_up = False

    def forget(self, name: str) -> None:
        """It is no node of the cluster any more."""
        self._peers.pop(name, None)

    def make(
        self,
        name: str,
        boot_id: int,
        commits: tuple[tuple[int, int, int], ...],
        now_ms: int,
        *,
        fsync_us: int = 0,
        is_gray: bool = False,
        wall_ms: int = 0,
        is_clock_off: bool = False,
        has_room: bool = True,
        led: int = 0,
        usage: tuple[tuple[str, int, int], ...] = (),
    ) -> NodeBeat:
        """The next beat for a node. Args: commits: (slot, term, commit) of what is led. fsync_us,
        is_gray, is_clock_off, has_room: how well this node is (`gray`, `room`). led, usage: what
        the slots led here have (`usage`).
        """
        peer = self._peers[name]
        self._n += 1
        peer.sent.append((self._n, now_ms))
        suspects = tuple(sorted(self.suspects(now_ms)))
        return NodeBeat(
            boot_id,
            self._n,
            peer.their_n,
            suspects,
            commits,
            fsync_us,
            is_gray,
            wall_ms,
            is_clock_off,
            has_room,
            led,
            usage,
        )

    def heard(self, name: str, beat: NodeBeat, now_ms: int, wall_ms: int = 0) -> bool:
        """A node's beat; whether it suspects others than before. Args: wall_ms: our clock; 0: it is
        not compared.
        """
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(now_ms)
        peer.boot_id = beat.boot_id
        peer.heard_ms = now_ms
        peer.is_up = True
        peer.their_n = beat.n
        before, peer.suspects = peer.suspects, frozenset(beat.suspects)
        peer.fsync_us = beat.fsync_us
        peer.is_gray = beat.is_gray
        peer.is_clock_off = beat.is_clock_off
        peer.has_room = beat.has_room
        if beat.wall_ms and wall_ms:
            peer.compare(beat.wall_ms - wall_ms, now_ms)
        while peer.sent and peer.sent[0][0] <= beat.echo:
            peer.contact_ms = peer.sent.popleft()[1]
        return peer.suspects != before

    def suspects(self, now_ms: int) -> frozenset[str]:
        """Nodes that this one believes to be dead or cut off."""
        return frozenset(
            name
            for name, peer in self._peers.items()
            if not peer.is_up
            or now_ms - peer.heard_ms > SUSPECT_MS
            or now_ms - peer.contact_ms > DEAF_MS
        )

    def condemned(self, others: Iterable[str], now_ms: int) -> frozenset[str]:
        """Suspects whose slots may be taken over. Args: others: all nodes but this one."""
        known = set(others)
        suspects = self.suspects(now_ms) & known
        return frozenset(
            name
            for name in suspects
            if not (known - {name})
            or any(
                name in self._peers[witness].suspects
                for witness in known - suspects
                if witness in self._peers
            )
        )

    def heard_of(self, now_ms: int) -> frozenset[tuple[str, int]]:
        """(name, boot id) of nodes that beat: alive, whatever the coordinator has heard."""
        suspects = self.suspects(now_ms)
        return frozenset(
            (name, peer.boot_id)
            for name, peer in self._peers.items()
            if peer.boot_id and name not in suspects
        )

    def in_contact(self, within_ms: int, now_ms: int) -> frozenset[str]:
        """Nodes that answered a beat which left at most `within_ms` ago."""
        return frozenset(
            name for name, peer in self._peers.items() if now_ms - peer.contact_ms <= within_ms
        )

    def gray(self, now_ms: int) -> frozenset[str]:
        """Nodes that are alive and say that they are too slow to lead."""
        suspects = self.suspects(now_ms)
        return frozenset(n for n, peer in self._peers.items() if peer.is_gray and n not in suspects)

    def clock_off(self, now_ms: int) -> frozenset[str]:
        """Nodes that are alive and say that their clock is wrong."""
        suspects = self.suspects(now_ms)
        return frozenset(
            n for n, peer in self._peers.items() if peer.is_clock_off and n not in suspects
        )

    def crowded(self) -> frozenset[str]:
        """Nodes that have no room for one copy more."""
        return frozenset(name for name, peer in self._peers.items() if not peer.has_room)

    def clock_ahead_ms(self, now_ms: int) -> int:
        """How far our clock is ahead of the median of all; of two middle ones the nearer counts."""
        suspects = self.suspects(now_ms)
        theirs = [
            p.ahead_ms
            for n, p in self._peers.items()
            if p.ahead_ms is not None and n not in suspects
        ]
        everybody = sorted([0, *theirs])
        middle = len(everybody) // 2
        candidates = everybody[(len(everybody) - 1) // 2 : middle + 1]
        return -min(candidates, key=abs)

    def fsyncs_us(self, now_ms: int) -> list[int]:
        """Median syncs of the nodes that are alive and synced lately."""
        suspects = self.suspects(now_ms)
        return [p.fsync_us for n, p in self._peers.items() if p.fsync_us and n not in suspects]
