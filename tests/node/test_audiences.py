"""Numbers of larger channels: exact over edges, also while a channel outgrows its list."""

from __future__ import annotations

from node.audiences import COUNTED_MS, Audiences
from node.presence import EDGE_GONE_MS

ROOM = ("demo", "open:hall")
A, B = "edge-1.7", "edge-2.8"


class Book:
    def __init__(self) -> None:
        self.listed: dict[str, int] = {}
        self.audiences = Audiences(lambda _: self.listed)
        self.live = [A, B]
        self.now_ms = 0

    def tick(self, ms: int = COUNTED_MS) -> list[int]:
        self.now_ms += ms
        told = self.audiences.tick(self.live, self.now_ms)
        assert {name for name, _ in told} <= {ROOM}
        return [number for _, number in told]


def test_numbers_of_edges_are_added_up_and_told_every_two_seconds() -> None:
    book = Book()
    book.tick(0)
    book.audiences.report(ROOM, A, 5)
    book.audiences.report(ROOM, A, 6)
    book.audiences.report(ROOM, B, 2)
    assert book.audiences.watchers(ROOM) == 8
    assert book.tick(COUNTED_MS - 1) == []
    assert book.tick(1) == [8]
    book.audiences.report(ROOM, A, 7)
    book.audiences.report(ROOM, B, 1)
    assert book.tick() == [], "the sum is the same"
    book.audiences.report(ROOM, A, 0)
    book.audiences.report(ROOM, B, 0)
    assert book.tick() == [0]
    assert book.audiences.streams() == []
    book.audiences.report(ROOM, A, 0)
    assert book.audiences.streams() == []


def test_who_was_listed_counts_until_his_edge_says_a_number() -> None:
    book = Book()
    book.listed = {A: 60, B: 41}
    book.audiences.report(ROOM, A, 61)
    assert book.audiences.watchers(ROOM) == 102


def test_an_edge_that_is_gone_counts_for_ten_seconds_more() -> None:
    book = Book()
    book.audiences.report(ROOM, A, 5)
    book.audiences.report(ROOM, B, 2)
    assert book.tick() == [7]
    book.live = [B]
    assert book.tick() == []
    book.live = [A, B]
    assert book.tick(EDGE_GONE_MS) == [], "it came back"
    book.live = [B]
    book.tick()
    assert book.tick(EDGE_GONE_MS - 1) == []
    assert book.tick() == [2]
    book.audiences.forget([ROOM])
    assert book.audiences.watchers(ROOM) == 0
