"""Leases of users: shown at once, gone after the grace, kept once. The test holds the clock."""

from __future__ import annotations

import pytest

from hubbub.wire.presence import Activity, Live
from node import leases as module
from node.leases import GRACE_MS, RETRY_MS, SILENT_MS, Leases

ANN = ("demo", "#ann")
NONE, IDLE, ACTIVE = Activity
START_MS = 1_760_000_000_000


class Book:
    """Leases and a clock."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.now_ms = 0

    def says(
        self,
        activity: Activity,
        *,
        user: tuple[str, str] = ANN,
        hidden: bool = False,
        out: bool = False,
        ago: int = 0,
    ) -> None:
        self.leases.update(
            user,
            activity,
            is_hidden=hidden,
            is_out=out,
            wall_ms=START_MS + self.now_ms,
            mono_ms=self.now_ms,
            ago_ms=ago,
        )

    def tick(self, ms: int = 0) -> list[tuple[str, str]]:
        self.now_ms += ms
        return self.leases.tick(self.now_ms)

    def ended(self) -> list[tuple[tuple[str, str], int]]:
        return self.leases.take_ended(self.now_ms)

    @property
    def live(self) -> Live:
        return self.leases.live(ANN, is_new=False)


def test_who_comes_is_shown_at_once_and_who_goes_after_the_grace() -> None:
    book = Book()
    book.says(ACTIVE)
    assert book.live == Live(ACTIVE)
    assert book.tick() == [ANN]
    assert book.tick() == [], "told once"
    book.tick(1_000)
    book.says(NONE)
    assert book.tick(GRACE_MS - 1) == []
    assert book.live == Live(ACTIVE)
    assert book.ended() == []
    assert book.tick(1) == [ANN]
    assert book.live == Live(NONE, START_MS + 1_000)
    assert book.ended() == [(ANN, START_MS + 1_000)]
    book.leases.kept(ANN, START_MS + 1_000)
    assert book.leases.statistics().users == 0
    assert book.live == Live()


def test_who_is_back_within_the_grace_never_went() -> None:
    book = Book()
    book.says(ACTIVE)
    book.tick()
    for _ in range(20):
        book.says(NONE)
        assert book.tick(3_000) == []
        book.says(ACTIVE)
        assert book.tick(3_000) == []
    assert book.ended() == []
    assert book.leases.counts.returned_total == 20


def test_twenty_thousand_in_a_tunnel_are_told_of_nobody() -> None:
    book = Book()
    users = [("demo", f"#u{n}") for n in range(20_000)]
    for activity, ms in ((ACTIVE, 1_000), (NONE, 3_000), (ACTIVE, GRACE_MS)):
        for user in users:
            book.says(activity, user=user)
        told = book.tick()
        assert told == (users if ms == 1_000 else [])
        assert book.tick(ms) == []
    assert book.ended() == []


def test_idle_on_all_devices_is_told_as_any_change() -> None:
    book = Book()
    book.says(ACTIVE)
    book.tick()
    book.says(IDLE)
    assert book.live == Live(IDLE)
    assert book.tick() == [ANN]
    book.says(NONE)
    book.tick(GRACE_MS - 1)
    assert book.live == Live(IDLE), "as he was seen last"


def test_who_hides_goes_exactly_as_who_disconnects() -> None:
    hides, leaves = Book(), Book()
    for book in (hides, leaves):
        book.says(ACTIVE)
        book.tick(1_000)
    hides.says(ACTIVE, hidden=True)
    leaves.says(NONE)
    for _ in range(12):
        assert hides.tick(1_000) == leaves.tick(1_000)
        assert hides.live == leaves.live
    assert hides.ended() == leaves.ended() != []
    for book in (hides, leaves):
        book.leases.kept(ANN, START_MS + 1_000)
    hides.says(ACTIVE, hidden=True)  # another of his devices comes
    hides.says(NONE, hidden=True)  # and all of them go
    assert hides.tick(2 * GRACE_MS) == leaves.tick(2 * GRACE_MS) == []
    assert hides.live == leaves.live
    assert hides.ended() == []
    hides.says(ACTIVE)
    assert hides.tick() == [ANN]


@pytest.mark.parametrize("goes_first", [False, True])
def test_who_is_put_out_is_gone_at_once(goes_first: bool) -> None:
    book = Book()
    book.says(ACTIVE)
    book.tick(1_000)
    if goes_first:
        book.says(NONE)
        assert book.tick(500) == []
    gone_ms = START_MS + 1_000
    book.says(ACTIVE, out=True)  # his sockets are not closed yet
    assert book.tick() == [ANN]
    assert book.live == Live(NONE, gone_ms)
    assert book.ended() == [(ANN, gone_ms)]
    book.says(ACTIVE, out=True)
    book.says(NONE, out=True)
    assert book.tick(2 * GRACE_MS) == [], "told once"
    book.says(ACTIVE)
    assert book.live == Live(ACTIVE), "in again"
    assert book.tick() == [ANN]


def test_of_a_silent_edge_the_grace_began_before_it_was_noticed() -> None:
    book = Book()
    book.says(ACTIVE)
    book.tick(60_000)
    book.says(NONE, ago=SILENT_MS)
    assert book.tick(GRACE_MS - SILENT_MS - 1) == []
    assert book.tick(1) == [ANN]
    assert book.ended() == [(ANN, START_MS + 60_000 - SILENT_MS)]


def test_a_new_leader_does_not_say_gone_of_whom_it_does_not_know() -> None:
    book = Book()
    assert book.leases.live(ANN, is_new=True) == Live(is_settled=False)
    assert book.leases.live(ANN, is_new=False) == Live()
    book.says(ACTIVE)
    assert book.leases.live(ANN, is_new=True) == Live(ACTIVE)


def test_what_was_not_kept_is_tried_again_and_not_twice_at_once() -> None:
    book = Book()
    book.says(ACTIVE)
    book.says(NONE)
    book.tick(GRACE_MS)
    assert len(book.ended()) == 1
    assert book.ended() == []
    book.now_ms += RETRY_MS
    assert len(book.ended()) == 1
    book.says(ACTIVE)
    book.now_ms += RETRY_MS
    assert book.ended() == [], "he is back"
    book.leases.kept(ANN, START_MS)  # the answer was on its way
    assert book.live == Live(ACTIVE)


def test_keeping_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDED_PER_TICK", 2)
    monkeypatch.setattr(module, "EXPIRED_PER_TICK", 3)
    book = Book()
    users = [("demo", f"#u{n}") for n in range(5)]
    for user in users:
        book.says(ACTIVE, user=user)
        book.says(NONE, user=user)
    book.tick()
    assert book.tick(GRACE_MS) == users[:3]
    assert book.tick() == users[3:]
    taken = [[user for user, _ in book.ended()] for _ in range(3)]
    assert taken == [users[:2], users[2:4], users[4:]]
    counts = book.leases.counts
    assert (counts.ended_total, counts.changes_total, counts.returned_total) == (5, 10, 0)


def test_nothing_stays_of_users_who_are_led_elsewhere() -> None:
    book = Book()
    book.says(ACTIVE)
    book.says(NONE)
    book.leases.forget(book.leases.users())
    assert book.tick(GRACE_MS) == []
    book.says(ACTIVE)
    book.says(NONE)
    book.tick(GRACE_MS)
    book.leases.forget([ANN])
    book.now_ms += RETRY_MS
    assert book.ended() == [], "he is kept elsewhere"
    book.says(NONE)
    assert book.leases.users() == [], "who was not there did not go"
    book.leases.stir(ANN)
    assert book.tick() == [ANN]
    assert (book.leases.statistics().users, book.leases.statistics().leaving) == (0, 0)
