"""What was deleted or edited leaves the bytes of the index: in bounded steps, over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from hubbub.wire.search import Document
from node.search.index import Index
from node.search.purging import AFTER_S, PAUSE_S_PER_MIB
from node.search.shapes import Change, Feed

MS = 1_769_860_800_000
COMMON = 400  # words that many messages have
MESSAGES = 1_500
SECRETS = 60


class Folder:
    """An index with a clock of the test's, and all bytes of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.random = Random(7)
        self.reopen()

    def reopen(self) -> None:
        self.index = Index(self.folder, lambda: self.now)

    def put(self, seq: int, text: str | None) -> Change:
        document = None if text is None else Document(text, "ann", "", MS + seq, False)
        return Change(seq % 16, "demo", f"group:{seq % 16}", seq, document)

    def text(self) -> str:
        return " ".join(f"common{self.random.randrange(COMMON)}" for _ in range(12))

    def word(self) -> str:
        return "".join(self.random.choice("bcdfghjkmnpqrstvwxz") for _ in range(18))

    def holds(self, words: list[str]) -> list[str]:
        everything = b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()))
        # A term stands behind what it has in common with the one before it.
        return [word for word in words if word[4:].encode() in everything]

    def pass_s(self, seconds: float) -> int:
        """Let time pass; returns how many steps were taken."""
        ends, steps = self.now + seconds, 0
        while (wait := self.index.purge_wait_s()) is not None and self.now + wait <= ends:
            self.now += wait
            self.index.purge()
            steps += 1
        self.now = ends
        return steps


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "search")
    yield made
    made.index.close()


def fill(book: Folder) -> list[str]:
    """Messages of which some have a word that no other has."""
    secrets = [book.word() for _ in range(SECRETS)]
    for first in range(1, MESSAGES, 100):
        changes = []
        for seq in range(first, first + 100):
            place, is_secret = divmod(seq, MESSAGES // SECRETS)
            secret = secrets[place] if not is_secret and place < SECRETS else ""
            changes.append(book.put(seq, f"{book.text()} {secret}"))
        book.index.apply(Feed(changes=changes))
    return secrets[1:]


def seq_of(place: int) -> int:
    return (place + 1) * (MESSAGES // SECRETS)


def test_deleted_and_edited_words_leave_the_files(book: Folder) -> None:
    secrets = fill(book)
    assert book.holds(secrets) == secrets
    gone, edited, kept = secrets[:20], secrets[20:40], secrets[40:]
    book.index.apply(Feed(changes=[book.put(seq_of(n), None) for n in range(20)]))
    book.index.apply(Feed(changes=[book.put(seq_of(n), book.text()) for n in range(20, 40)]))
    assert book.holds(gone + edited), "otherwise this test shows nothing"
    assert book.pass_s(AFTER_S - 1) == 0
    size = sum(path.stat().st_size for path in book.folder.iterdir()) / 2**20
    book.pass_s(1 + 2 * PAUSE_S_PER_MIB * size + 5)
    assert book.holds(gone + edited) == []
    assert book.holds(kept) == kept
    assert book.index.purge_wait_s() is None


def test_what_is_owed_outlives_the_process(book: Folder) -> None:
    secrets = fill(book)
    book.index.apply(Feed(changes=[book.put(seq_of(n), None) for n in range(len(secrets))]))
    book.pass_s(AFTER_S)
    book.index.purge()  # begun, and not finished
    book.index.close()
    book.reopen()
    book.pass_s(AFTER_S + 60)
    assert book.holds(secrets) == []


def test_what_is_taken_while_it_merges_is_owed_anew(book: Folder) -> None:
    secrets = fill(book)
    book.index.apply(Feed(changes=[book.put(seq_of(0), None)]))
    book.now += AFTER_S
    book.index.purge()
    rest = range(1, len(secrets))
    book.index.apply(Feed(changes=[book.put(seq_of(n), None) for n in rest]))
    book.pass_s(2 * AFTER_S + 120)
    assert book.holds(secrets) == []
    assert book.index.purge_wait_s() is None


def test_a_dropped_slot_and_a_raised_floor_leave_the_files_too(book: Folder) -> None:
    secrets = fill(book)
    book.index.apply(Feed(drops=tuple(range(16))))
    book.pass_s(AFTER_S + 60)
    assert book.holds(secrets) == []


def test_nothing_is_owed_where_nothing_was_taken(book: Folder) -> None:
    fill(book)
    assert book.index.purge_wait_s() is None
