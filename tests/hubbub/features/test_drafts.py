"""Drafts: the last writer wins, a message that was one clears it, and no more than that."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.ids import message_id
from hubbub.features import drafts
from hubbub.features.drafts import ClearDraft, DraftsRequest, DropDraft, SetDraft
from hubbub.features.messages import DraftSent, MessageCreated, SendMessage
from hubbub.settings.profiles import BENCH, CENTRIFUGE_COMPAT
from tests.support.playbook import START_MS, Playbook

X = "group:x"
THREAD = message_id(START_MS, 7, b"x", b"y")


@pytest.fixture
def book() -> Playbook:
    return Playbook("#bob")


def text(words: str) -> Raw:
    return Raw(b'{"text":"%s"}' % words.encode())


def put(book: Playbook, words: str, **more: Any) -> int:
    book.do("bob", SetDraft(**{"channel": X, "message": text(words), **more}))
    rev: int = book.reply["rev"]
    return rev


def kept(book: Playbook, **request: Any) -> list[tuple[str, str, str, int]]:
    page = book.query("bob", "draft.list", DraftsRequest(**request))
    return [
        (row["channel"], row.get("thread", ""), row["message"]["text"], row["rev"])
        for row in page["drafts"]
    ]


def test_one_a_place_and_the_last_writer_wins(book: Playbook) -> None:
    first = put(book, "he")
    second = put(book, "hello")
    third = put(book, "there", thread=THREAD)
    assert first < second < third == book.tables.head_seq
    assert kept(book) == [(X, "", "hello", second), (X, THREAD, "there", third)]
    assert put(book, "hello") == second, "nothing new"
    shown = book.shown(second)
    assert (shown["t"], shown["rev"], shown["message"]) == (
        "draft.updated",
        second,
        {"text": "hello"},
    )
    book.do("bob", ClearDraft(channel=X))
    assert book.shown(4)["t"] == "draft.cleared"
    assert book.do("bob", ClearDraft(channel=X)) == []
    assert kept(book) == [(X, THREAD, "there", third)]
    book.assert_replay_equal()


def test_a_device_that_was_away_learns_that_another_one_wrote(book: Playbook) -> None:
    seen = put(book, "one")
    newer = put(book, "two")
    refusal = book.refusal("bob", SetDraft(channel=X, message=text("mine"), seen=seen))
    assert (refusal.error, refusal.details) == (CONFLICT, {"rev": newer})
    assert book.refused("bob", ClearDraft(channel=X, seen=seen)) is CONFLICT
    assert put(book, "mine", seen=newer) > newer


def test_a_message_clears_the_draft_that_it_was_and_no_newer_one(book: Playbook) -> None:
    room = Playbook(X, owner="ann", members=["bob"], settings=BENCH)
    rev = put(book, "hello")
    events = room.do("bob", SendMessage(channel=X, text="hello", draft=rev))
    assert events == [MessageCreated(text="hello"), DraftSent(rev=rev)]
    assert "draft" not in room.shown(2)
    (drop,) = room.forwards
    assert drop == DropDraft(user="bob", channel=X, thread="", rev=rev)
    newer = put(book, "hello again")
    assert book.do("bob", drop, authority="system") == []
    assert len(book.do("bob", DropDraft(user="bob", channel=X, thread="", rev=newer),
                       authority="system")) == 1  # fmt: skip
    assert kept(book) == []
    assert book.refused("bob", drop) is PERMISSION_DENIED
    book.assert_replay_equal()
    room.assert_replay_equal()


def test_sizes_and_counts(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = book.refused("bob", SetDraft(channel=X, message=text("x" * 16_400)))
    assert refused is TOO_LARGE
    assert book.refused("bob", SetDraft(channel=X, message=Raw(b'"x"'))) is BAD_REQUEST
    assert book.refused("bob", SetDraft(channel=X, message=text("x"), thread="?")) is BAD_REQUEST
    monkeypatch.setattr(drafts, "DRAFTS_MAX", 3)
    for n in range(3):
        put(book, "x", channel=f"group:{n}")
    other = SetDraft(channel="group:9", message=text("x"))
    assert book.refused("bob", other) is TOO_MANY
    put(book, "y", channel="group:1")
    book.do("bob", ClearDraft(channel="group:2"))
    put(book, "x", channel="group:9")
    book.assert_replay_equal()


def test_a_drawer_is_its_users_own(book: Playbook) -> None:
    put(book, "x")
    assert book.refused("eve", SetDraft(user="bob", channel=X, message=text("y"))) is (
        PERMISSION_DENIED
    )
    with pytest.raises(Rejected):
        book.query("eve", "draft.list", DraftsRequest("bob"))
    raw = Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("bob", SetDraft(channel=X, message=text("y"))) is NOT_AVAILABLE


def test_pages(book: Playbook) -> None:
    for n in range(25):
        put(book, str(n), channel=f"group:{n:02}")
    found, after = [], ""
    while True:
        page = book.query("bob", "draft.list", DraftsRequest(after=after, limit=10))
        found += [row["channel"] for row in page["drafts"]]
        after = page["next"]
        if not after:
            break
    assert found == [f"group:{n:02}" for n in range(25)]
