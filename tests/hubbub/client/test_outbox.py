"""The outbox: kept, ordered, bounded, and never a second message."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from hubbub.client.events import OutboxFull
from hubbub.client.outbox import ENTRIES_MAX, REMEMBERED_MS, Entry, Outbox
from hubbub.client.stores import FileStore, MemoryStore, Store


class Stage:
    """An outbox with numbered cmids."""

    def __init__(self, store: Store) -> None:
        self.outbox = Outbox(store)
        self._cmids = count(1)

    def add(self, text: str, channel: str = "group:x") -> int:
        return self.outbox.add("message.send", channel, {"text": text})

    def take(self, now_ms: int = 0, channel: str = "group:x") -> tuple[Entry, bool]:
        taken = self.outbox.take(channel, now_ms, lambda: f"cmid-{next(self._cmids)}")
        assert taken is not None
        return taken


def test_a_channels_entries_leave_in_order_and_end_once() -> None:
    stage = Stage(MemoryStore())
    first, _, third = stage.add("a"), stage.add("b", "group:y"), stage.add("c")
    assert stage.outbox.channels() == ["group:x", "group:y"]
    for _ in range(2):  # not ended: the same again, under the same cmid
        entry, may_be_sent = stage.take()
        assert (entry.number, entry.cmid, may_be_sent) == (first, "cmid-1", True)
    stage.outbox.end(first)
    assert stage.take()[0].number == third
    assert stage.outbox.take("group:z", 0, str) is None


def test_what_was_kept_is_there_after_a_restart_in_its_order(tmp_path: Path) -> None:
    first = Stage(FileStore(tmp_path / "outbox"))
    numbers = [first.add(text) for text in "abc"]
    first.take()
    first.outbox.end(numbers[0])
    first.take()
    again = Stage(FileStore(tmp_path / "outbox"))
    assert [(e.data["text"], e.cmid) for e in again.outbox.of("group:x")] == [
        ("b", "cmid-2"),
        ("c", ""),
    ]
    assert again.take()[0].cmid == "cmid-2"
    assert again.add("d") > numbers[-1]


def test_a_full_outbox_refuses_and_loses_nothing() -> None:
    stage = Stage(MemoryStore())
    for number in range(ENTRIES_MAX):
        stage.add(str(number))
    with pytest.raises(OutboxFull):
        stage.add("one too many")
    assert len(stage.outbox) == ENTRIES_MAX


def test_an_entry_that_the_server_no_longer_knows_is_not_sent_again() -> None:
    stage = Stage(MemoryStore())
    stage.add("written long ago")
    week_ms = 7 * REMEMBERED_MS
    assert stage.take(week_ms)[1] is True  # never tried before: it did not happen
    assert stage.take(week_ms + REMEMBERED_MS - 1)[1] is True
    assert stage.take(week_ms + REMEMBERED_MS)[1] is False
