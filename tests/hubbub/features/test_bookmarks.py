"""Bookmarks: kept once, in folders, paged."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.ids import message_id
from hubbub.features import bookmarks
from hubbub.features.bookmarks import (
    AddBookmark,
    BookmarksRequest,
    FoldersRequest,
    RemoveBookmark,
    UpdateBookmark,
)
from tests.support.playbook import START_MS, Playbook

MESSAGE = message_id(START_MS, 7, b"x", b"y")


@pytest.fixture
def book() -> Playbook:
    return Playbook("#bob")


def add(book: Playbook, url: str = "https://a.example/", **fields: Any) -> str:
    book.do("bob", AddBookmark(url=url, **fields))
    return book.outcome.id or book.reply["id"]


def urls(book: Playbook, **request: Any) -> list[str]:
    page = book.query("bob", "bookmark.list", BookmarksRequest(**request))
    return [row["url"] for row in page["bookmarks"]]


def test_a_message_and_a_link_are_kept_once(book: Playbook) -> None:
    of_message = AddBookmark(channel="group:x", message=MESSAGE, note="read it")
    assert len(book.do("bob", of_message)) == 1
    first = book.outcome
    assert book.do("bob", of_message) == []
    assert (book.reply["id"], book.reply["seq"]) == (first.id, first.seq)
    assert len(book.do("bob", AddBookmark(channel="group:y", message=MESSAGE))) == 1
    add(book, title="A")
    add(book, title="another title")
    page = book.query("bob", "bookmark.list", BookmarksRequest())
    assert page["count"] == 3
    assert [row.get("title", row.get("channel")) for row in page["bookmarks"]] == [
        "A",
        "group:y",
        "group:x",
    ]
    book.assert_replay_equal()


def test_folders_come_and_go_with_what_is_in_them(book: Playbook) -> None:
    ids = [add(book, f"https://{n}.example", folder="ab"[n % 2]) for n in range(6)]
    folders = book.query("bob", "bookmark.folders", FoldersRequest())
    assert folders["folders"] == {"a": 3, "b": 3}
    book.do("bob", UpdateBookmark(id=ids[0], folder="b", note="moved"))
    assert book.do("bob", UpdateBookmark(id=ids[0], folder="b")) == []
    book.do("bob", RemoveBookmark(id=ids[2]))
    book.do("bob", UpdateBookmark(id=ids[4], folder=""))
    assert book.query("bob", "bookmark.folders", FoldersRequest())["folders"] == {"b": 4}
    assert urls(book, folder="b") == [f"https://{n}.example" for n in (5, 3, 1, 0)]
    assert urls(book, folder="a") == []
    assert urls(book, folder="b", limit=2, before=ids[3]) == [
        "https://1.example",
        "https://0.example",
    ]
    assert book.refused("bob", RemoveBookmark(id=ids[2])) is NOT_FOUND
    assert add(book, "https://2.example") not in ids
    book.assert_replay_equal()


def test_pages(book: Playbook) -> None:
    for n in range(25):
        add(book, f"https://{n}.example")
    found: list[str] = []
    before = ""
    while True:
        page = book.query("bob", "bookmark.list", BookmarksRequest(before=before, limit=10))
        found += [row["url"] for row in page["bookmarks"]]
        before = page["next"]
        if not before:
            break
    assert found == [f"https://{n}.example" for n in reversed(range(25))]
    with pytest.raises(Rejected):
        urls(book, limit=101)


def test_what_is_no_bookmark(book: Playbook) -> None:
    for wrong in (
        AddBookmark(),
        AddBookmark(channel="group:x"),
        AddBookmark(message=MESSAGE),
        AddBookmark(channel="group:x", message="nonsense"),
        AddBookmark(channel="group:x", message=MESSAGE, url="https://a.example"),
        AddBookmark(url="javascript:alert(1)"),
        AddBookmark(url="https://a b"),
    ):
        assert book.refused("bob", wrong) is BAD_REQUEST
    assert book.refused("bob", AddBookmark(url="https://" + "x" * 2_048)) is TOO_LARGE
    for long in ({"title": "x" * 256}, {"note": "x" * 1_001}, {"folder": "x" * 101}):
        assert book.refused("bob", AddBookmark(url="https://a.example", **long)) is TOO_LARGE
    mid = add(book)
    assert book.refused("bob", UpdateBookmark(id=mid)) is BAD_REQUEST
    assert book.refused("bob", UpdateBookmark(id=MESSAGE, note="x")) is NOT_FOUND


def test_a_drawer_is_its_users_own(book: Playbook) -> None:
    mid = add(book)
    assert book.refused("eve", RemoveBookmark(user="bob", id=mid)) is PERMISSION_DENIED
    for name, args in (
        ("bookmark.list", BookmarksRequest("bob")),
        ("bookmark.folders", FoldersRequest("bob")),
    ):
        with pytest.raises(Rejected):
            book.query("eve", name, args)


def test_there_is_an_end(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookmarks, "BOOKMARKS_MAX", 3)
    ids = [add(book, f"https://{n}.example") for n in range(3)]
    assert book.refused("bob", AddBookmark(url="https://3.example")) is TOO_MANY
    assert book.do("bob", AddBookmark(url="https://2.example")) == [], "it is there"
    book.do("bob", RemoveBookmark(id=ids[0]))
    add(book, "https://3.example")
