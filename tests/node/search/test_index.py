"""The index on real files: what goes in is found, in order, once, until it is taken away."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from hubbub.wire.search import Criteria, Document, Place
from node.search.index import FILES, RANKED_MAX, Gone, Index
from node.search.shapes import Change, Feed, Find, Floor, Found, Stand

MS = 1_769_860_800_000
SLOTS = tuple(range(16))
LONG_MS = 10_000


class Book:
    """An index with words for what is done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = time.monotonic
        self.index = Index(folder, self.clock)

    def put(
        self,
        seq: int,
        text: str,
        *,
        key: str = "group:a",
        slot: int = 1,
        ms: int = 0,
        **more: object,
    ) -> None:
        fields = {"by": "ann", "type": "", "ts_ms": MS + (ms or seq), "attached": False} | more
        document = Document(text, **fields)  # type: ignore[arg-type]
        self.index.apply(Feed(changes=(Change(slot, "demo", key, seq, document),)))

    def take(self, seq: int, *, key: str = "group:a", slot: int = 1) -> None:
        self.index.apply(Feed(changes=(Change(slot, "demo", key, seq, None),)))

    def ask(
        self,
        q: str = "",
        *,
        keys: tuple[tuple[int, str], ...] = (),
        slots: tuple[int, ...] = SLOTS,
        before: Place | None = None,
        limit: int = 20,
        app: str = "demo",
        ms: int = LONG_MS,
        **criteria: object,
    ) -> Found:
        if keys:
            slots = tuple(slot for slot, _ in keys)
        wanted = Criteria(q, **criteria)  # type: ignore[arg-type]
        names = tuple(key for _, key in keys)
        return self.index.find(Find(1, app, slots, names, wanted, before, limit, ms))

    def seqs(self, q: str = "", **more: object) -> list[int]:
        return [place[3] for place in self.ask(q, **more).places]  # type: ignore[arg-type]

    def again(self) -> None:
        self.index.close()
        self.index = Index(self.folder, self.clock)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "search")
    yield made
    made.index.close()


def test_words_are_found_newest_first(book: Book) -> None:
    for seq, text in enumerate(["green tea", "tea kettle", "milk", "Tea!"], 1):
        book.put(seq, text)
    assert book.seqs("tea") == [4, 2, 1]
    assert book.seqs("tea -kettle") == [4, 1]
    assert book.seqs('"green tea"') == [1]
    assert book.seqs("nothing") == []


def test_a_change_replaces_and_a_deletion_takes_away(book: Book) -> None:
    book.put(1, "tea")
    book.put(2, "tea too")
    book.put(1, "coffee")
    assert (book.seqs("tea"), book.seqs("coffee")) == ([2], [1])
    book.take(2)
    book.take(7)  # never was
    assert book.seqs("tea") == []
    book.again()
    assert (book.seqs("tea"), book.seqs("coffee")) == ([], [1])


def test_the_last_word_of_a_feed_counts(book: Book) -> None:
    document = Document("tea", "ann", "", MS, False)
    other = Document("milk", "ann", "", MS, False)
    changes = [Change(1, "demo", "group:a", seq, document) for seq in (1, 2, 3)]
    changes += [
        Change(1, "demo", "group:a", 2, None),
        Change(1, "demo", "group:a", 3, other),
    ]
    book.index.apply(Feed(changes=changes))
    assert (book.seqs("tea"), book.seqs("milk")) == ([1], [3])


def test_random_changes_leave_what_a_dictionary_has(book: Book) -> None:
    random = Random(7)
    words = ["tea", "milk", "cup", "北京大学", "hello"]
    known: dict[tuple[int, str, int], str] = {}
    for _ in range(60):
        changes = []
        for _ in range(random.randrange(1, 12)):
            slot = random.randrange(4)
            key, seq = f"group:{slot}", random.randrange(1, 30)
            text = " ".join(random.choices(words, k=3))
            is_gone = random.random() < 0.3
            # Many messages of one millisecond, so that ids have to give way to one another.
            document = None if is_gone else Document(text, "ann", "", MS + seq // 5, False)
            changes.append(Change(slot, "demo", key, seq, document))
            if is_gone:
                known.pop((slot, key, seq), None)
            else:
                known[slot, key, seq] = text
        book.index.apply(Feed(changes=changes))
    for word in words:
        expected = sorted(
            ((0, MS + seq // 5, key, seq) for (_, key, seq), t in known.items() if word in t),
            reverse=True,
        )
        assert list(book.ask(word, limit=1_000).places) == expected
    for number in range(FILES):
        database = sqlite3.connect(book.folder / f"{number}.db", timeout=0.1)
        book.index.close()
        database.execute("INSERT INTO found (found) VALUES ('integrity-check')")
        database.close()
        book.again()


def test_pages_fit_together_while_more_is_said(book: Book) -> None:
    for seq in range(1, 61):
        book.put(seq, "tea", ms=seq // 7 + 1, key=f"group:{seq % 3}", slot=seq % 3)
    expected = list(book.ask("tea", limit=1_000).places)
    seen: list[Place] = []
    before: Place | None = None
    while True:
        page = book.ask("tea", before=before, limit=7)
        seen += page.places
        book.put(1_000 + len(seen), "tea", ms=500)
        if not page.has_more:
            break
        before = page.places[-1]
    assert seen == expected


def test_filters(book: Book) -> None:
    book.put(1, "tea", by="ann")
    book.put(2, "tea", by="ben", type="order")
    book.put(3, "milk", by="ben", attached=True)
    book.put(4, "tea", key="group:b", slot=2)
    assert book.seqs("tea", by="ben") == [2]
    assert book.seqs(by="ben") == [3, 2]
    assert book.seqs(type="order") == [2]
    assert book.seqs(attached=True) == [3]
    assert book.seqs("tea", keys=((2, "group:b"),)) == [4]
    assert book.seqs("tea", keys=((1, "group:a"), (2, "group:b"), (2, "group:none"))) == [4, 2, 1]
    assert book.seqs("tea", keys=((2, "group:none"),)) == []
    assert book.seqs("tea", since_ms=MS + 2) == [4, 2]
    assert book.seqs("tea", until_ms=MS + 2) == [1]
    assert book.seqs("tea", slots=(2,)) == [4]
    assert book.seqs("tea", app="other") == []
    assert book.seqs() == [4, 3, 2, 1]


def test_many_channels_are_sifted(book: Book) -> None:
    for n in range(150):
        book.put(n + 1, "tea", key=f"group:{n}", slot=8)
    keys = tuple((8, f"group:{n}") for n in range(0, 150, 1) if n % 5)
    assert len(keys) > 100
    assert sorted(book.seqs("tea", keys=keys, limit=200)) == [n + 1 for n in range(150) if n % 5]


def test_what_fits_best_comes_first(book: Book) -> None:
    book.put(1, "tea tea tea")
    book.put(2, "tea " + "and so on " * 30)
    book.put(3, "tea today")
    assert book.seqs("tea", is_ranked=True) == [1, 3, 2]
    first = book.ask("tea", is_ranked=True, limit=1)
    assert first.has_more
    assert book.seqs("tea", is_ranked=True, before=first.places[-1]) == [3, 2]
    assert RANKED_MAX >= 100


def test_a_floor_takes_what_is_below_and_keeps_it_out(book: Book) -> None:
    for seq in range(1, 6):
        book.put(seq, "tea")
    book.index.apply(Feed(floors=(Floor(1, "demo", "group:a", 4),)))
    assert book.seqs("tea") == [5, 4]
    book.put(2, "tea again")
    assert book.seqs("tea") == [5, 4]
    book.again()
    book.put(3, "tea again")
    assert book.seqs("tea") == [5, 4]


def test_a_slot_is_forgotten_whole(book: Book) -> None:
    book.put(1, "tea", slot=1)
    book.put(1, "tea", slot=9, key="group:b")  # the same file
    book.index.apply(Feed(stands=(Stand(1, b"a", 5), Stand(9, b"b", 6))))
    book.index.apply(Feed(drops=(1,)))
    assert [place[2] for place in book.ask("tea").places] == ["group:b"]
    assert book.index.stands() == [Stand(9, b"b", 6)]


def test_where_it_stands_is_stored_with_the_rows(book: Book) -> None:
    stand = Stand(3, b"12345678", 77, b"\x00\x03key")
    document = Document("tea", "ann", "", MS, False)
    change = Change(3, "demo", "group:c", 1, document)
    book.index.apply(Feed(changes=(change,), stands=(stand,)))
    book.again()
    assert (book.index.stands(), book.seqs("tea")) == ([stand], [1])


def test_a_feed_that_breaks_leaves_nothing(book: Book) -> None:
    document = Document("tea", "ann", "", MS, False)
    good = Change(1, "demo", "group:a", 1, document)
    bad = Change(1, "demo", "group:a", 1 << 70, document)
    with pytest.raises(OverflowError):
        book.index.apply(Feed(changes=(good, bad), stands=(Stand(1, b"a", 5),)))
    assert (book.seqs("tea"), book.index.stands()) == ([], [])
    book.put(1, "tea")
    assert book.seqs("tea") == [1]


def test_a_file_that_was_taken_away_is_noticed(book: Book) -> None:
    book.put(1, "tea")
    (book.folder / "1.db").unlink()
    with pytest.raises(Gone):
        book.ask("tea")
    with pytest.raises(Gone):
        book.put(2, "tea")


@pytest.mark.parametrize("damage", ["not a database at all " * 300, ""])
def test_a_damaged_file_begins_anew(book: Book, damage: str) -> None:
    book.put(1, "tea")
    book.put(1, "tea", slot=2, key="group:b")
    book.index.close()
    for ending in ("", "-wal"):
        (book.folder / f"1.db{ending}").write_text(damage)
    book.index = Index(book.folder, book.clock)
    assert [place[2] for place in book.ask("tea").places] == ["group:b"]
    book.put(5, "tea")
    assert book.seqs("tea", slots=(1,)) == [5]


def test_another_version_begins_anew(book: Book) -> None:
    book.put(1, "tea")
    book.index.close()
    database = sqlite3.connect(book.folder / "1.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    book.index = Index(book.folder, book.clock)
    assert book.seqs("tea") == []


def test_what_nobody_waits_for_any_more_is_not_looked_for(book: Book) -> None:
    book.put(1, "tea")
    wanted, ends_ms = Criteria("tea"), int(time.monotonic() * 1_000)
    late = Find(1, "demo", SLOTS, (), wanted, None, 5, LONG_MS, ends_ms - 5)
    found = book.index.find(late)
    assert (found.places, found.is_whole) == ((), False)
    in_time = Find(1, "demo", SLOTS, (), wanted, None, 5, LONG_MS, ends_ms + 60_000)
    assert len(book.index.find(in_time).places) == 1


def test_who_has_no_time_left_says_how_far_it_went(book: Book) -> None:
    changes = [
        Change(1, "demo", f"group:{n % 5}", n + 1, Document("tea", "ann", "", MS + n, False))
        for n in range(500)
    ]
    book.index.apply(Feed(changes=changes))
    looks = iter([0.0, 0.0])
    book.index._clock = lambda: next(looks, 99.0)  # its time ends after a few looks
    found = book.ask("tea", keys=((1, "group:4"),), limit=1_000, ms=1_000)
    book.index._clock = time.monotonic
    seen = list(found.places)
    assert found.has_more
    before = found.reached
    while before is not None or not seen:
        rest = book.ask("tea", keys=((1, "group:4"),), limit=1_000, before=before)
        seen += rest.places
        before = rest.reached
    assert [place[3] for place in seen] == [n for n in range(500, 0, -5)]
