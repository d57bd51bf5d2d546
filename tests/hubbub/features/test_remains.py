"""Rows of messages go when retention takes the messages."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import LIMIT_EXCEEDED, PERMISSION_DENIED
from hubbub.features import remains
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.pins import PINS_MAX, PinMessage, PinsRequest
from hubbub.features.polls import CreatePoll, Vote
from hubbub.features.reactions import REACTORS, AddReaction
from hubbub.features.remains import ForgetRemains, RemainsForgotten
from hubbub.features.retention import FIRST_SWEEP_MS, TruncateChannel
from hubbub.features.thread_marks import UnreadThreadsRequest
from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import BENCH
from tests.support.playbook import Playbook

X = "group:x"


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=BENCH)


def say(book: Playbook, user: str = "ann", **more: Any) -> str:
    book.do(user, SendMessage(channel=X, text="hi", **more))
    return book.outcome.id


def everything(book: Playbook) -> None:
    mid = say(book, mentions=("bob",))
    book.do("ann", EditMessage(channel=X, id=mid, text="ho"))
    book.do("bob", AddReaction(channel=X, id=mid, emoji="👍"))
    book.do("ann", PinMessage(channel=X, id=mid))
    book.do("bob", DeleteMessage(channel=X, id=say(book, "bob", thread=mid)))
    say(book, "bob", thread=mid)
    book.do("ann", CreatePoll(channel=X, question="?", options=("a", "b")))
    book.do("bob", Vote(channel=X, id=book.outcome.id, options=(1,)))


def left(book: Playbook) -> dict[str, int]:
    rows = {table.name: len(book.tables[table].scan()) for table in remains.BY_SEQ}
    return {name: count for name, count in rows.items() if count}


def test_every_row_of_a_message_goes_with_it(book: Playbook) -> None:
    everything(book)
    assert set(left(book)) == {table.name for table in remains.BY_SEQ}
    kept = say(book)
    book.do("bob", AddReaction(channel=X, id=kept, emoji="👍"))
    book.do("ann", TruncateChannel(channel=X, before_seq=book.tables.head_seq - 1))
    assert left(book) == {"annotations": 1, "reactions": 1, "reactions.own": 1}
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    assert left(book) == {}
    book.assert_replay_equal()


def test_a_sweep_takes_them_too() -> None:
    book = Playbook(
        X, owner="ann", members=["bob"], settings=AppSettings(retention_s={"group": 60})
    )
    mid = say(book)
    book.do("bob", AddReaction(channel=X, id=mid, emoji="👍"))
    book.tick(FIRST_SWEEP_MS)
    book.fall_due()
    book.tick(FIRST_SWEEP_MS)
    book.fall_due()
    assert (book.tables.floor_seq > 2, left(book)) == (True, {})
    book.assert_replay_equal()


def test_pins_of_what_is_gone_are_not_counted(book: Playbook) -> None:
    for _ in range(PINS_MAX):
        book.do("ann", PinMessage(channel=X, id=say(book)))
    assert book.refused("ann", PinMessage(channel=X, id=say(book))) is LIMIT_EXCEEDED
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    mid = say(book)
    book.do("ann", PinMessage(channel=X, id=mid))
    page = book.query("bob", "pin.list", PinsRequest(X))
    assert [pin["message"]["id"] for pin in page["pins"]] == [mid]
    assert book.snapshot("bob")["pinned"] == [mid]


def test_a_thread_without_its_first_message_is_not_unread_for_ever(book: Playbook) -> None:
    root = say(book)
    say(book, "bob", thread=root)
    reply = book.tables.head_seq
    assert book.head("ann")["threads"] == {"unread": 1, "mentions": 0}
    book.do("ann", TruncateChannel(channel=X, before_seq=reply))
    assert "threads" not in book.head("ann")
    assert book.query("ann", "thread.unread", UnreadThreadsRequest(X))["threads"] == []
    book.assert_replay_equal()


def test_what_is_too_much_for_one_entry_goes_with_others(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains, "ROWS_MAX", 64)
    mid = say(book)
    for n in range(50):
        for user in ("ann", "bob"):
            book.do(user, AddReaction(channel=X, id=mid, emoji=f":k{n}:"))
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    assert len(book.tables[REACTORS].scan()) == 36
    assert book.refused("ann", ForgetRemains(channel=X)) is PERMISSION_DENIED
    head = book.tables.head_seq
    assert book.fall_due("remains") == [RemainsForgotten(before_seq=head)]
    assert (left(book), book.waiting("remains"), book.tables.head_seq) == ({}, {}, head)
    book.assert_replay_equal()
