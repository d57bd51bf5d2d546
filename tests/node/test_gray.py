"""When a node is too slow to lead, and when it is well again."""

from __future__ import annotations

from collections.abc import Sequence

from node.gray import LATE_MS, PEERS_TIMES, SLOW_MS, SLOW_US, WELL_MS, Gray

LOOK_MS = 200
FAST_US, SLOWEST_US = 1_000, 500_000
SOUND = (FAST_US, FAST_US)


class Node:
    """A node's disk and loop, looked at every LOOK_MS."""

    def __init__(self) -> None:
        self.gray = Gray()
        self.now_ms = 1_000_000

    def live(
        self,
        ms: int,
        sync_us: int = 0,
        *,
        peers_us: Sequence[int] = SOUND,
        late_ms: int = 0,
        hangs: bool = False,
    ) -> bool:
        """For a while, syncing without a break if `sync_us` is given; whether it is gray then."""
        sync_ms = max(1, sync_us // 1_000)
        began_ms = self.now_ms
        for at in range(1, ms + 1):
            self.now_ms += 1
            if sync_us and not hangs and at % sync_ms == 0:
                self.gray.synced(sync_us / 1_000_000, self.now_ms)
            if at % LOOK_MS == 0:
                syncing_ms = 0
                if sync_us:
                    syncing_ms = self.now_ms - began_ms if hangs else at % sync_ms
                self.gray.look(
                    self.now_ms, syncing_ms=syncing_ms, late_ms=late_ms, peers_us=peers_us
                )
        return self.gray.is_gray


def test_a_sound_disk_is_never_gray_however_busy() -> None:
    node = Node()
    assert not node.live(20_000, FAST_US)
    assert node.gray.fsync_us == FAST_US
    assert not node.live(20_000, SLOW_US)  # just not above the limit


def test_a_disk_that_becomes_slow_under_load_is_gray_within_ten_seconds() -> None:
    node = Node()
    node.live(10_000, FAST_US)
    assert not node.live(SLOW_MS, SLOWEST_US), "no hiccup of so few seconds may be enough"
    assert node.live(7_000 - SLOW_MS, SLOWEST_US)
    assert node.gray.fsync_us == SLOWEST_US


def test_where_all_are_slow_nobody_is_gray() -> None:
    node, peers = Node(), (SLOWEST_US // PEERS_TIMES, SLOWEST_US // PEERS_TIMES)
    assert not node.live(20_000, SLOWEST_US, peers_us=peers)
    assert node.live(20_000, SLOWEST_US, peers_us=(FAST_US, SLOWEST_US // PEERS_TIMES))


def test_without_anybody_to_compare_with_nobody_is_gray() -> None:
    assert not Node().live(20_000, SLOWEST_US, peers_us=())


def test_a_hiccup_of_a_quiet_disk_is_no_illness() -> None:
    node = Node()
    node.live(5_000)
    node.gray.synced(SLOWEST_US / 1_000_000, node.now_ms)
    assert not node.live(20_000)
    assert node.gray.fsync_us == 0, "nothing was synced lately"


def test_a_disk_that_hangs_is_gray_though_no_sync_ever_ends() -> None:
    node = Node()
    node.live(5_000, FAST_US)
    assert node.live(6_000, SLOWEST_US, hangs=True)


def test_a_loop_that_was_late_once_is_gray_at_once() -> None:
    node = Node()
    assert not node.live(LOOK_MS, late_ms=LATE_MS)
    assert node.live(LOOK_MS, late_ms=LATE_MS + 1)


def test_it_is_well_after_half_a_minute_without_a_sign() -> None:
    node = Node()
    node.live(LOOK_MS, late_ms=LATE_MS + 1)
    assert node.live(WELL_MS - LOOK_MS, FAST_US)
    assert not node.live(LOOK_MS, FAST_US)


def test_slowness_begins_the_half_minute_anew() -> None:
    node = Node()
    node.live(LOOK_MS, late_ms=LATE_MS + 1)
    node.live(WELL_MS - SLOW_MS, FAST_US)
    node.live(SLOW_MS - LOOK_MS, SLOWEST_US)
    assert node.live(WELL_MS - 2_000, FAST_US)


def test_a_look_says_when_it_changed() -> None:
    gray = Gray()

    def look(now_ms: int, late_ms: int) -> bool:
        return gray.look(now_ms, syncing_ms=0, late_ms=late_ms, peers_us=SOUND)

    assert not look(0, 0)
    assert look(200, LATE_MS + 1)
    assert not look(400, LATE_MS + 1)
    assert look(400 + WELL_MS, 0)
