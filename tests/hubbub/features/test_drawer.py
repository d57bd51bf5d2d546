"""What a user keeps is about what he can read: drafts, reminders and bookmarks look first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    MESSAGE_DELETED,
    NOT_FOUND,
    UNKNOWN_CHANNEL,
    ErrorCode,
    Rejected,
)
from hubbub.features.bookmarks import AddBookmark
from hubbub.features.contract import QueryCall, Verb
from hubbub.features.drafts import ClearDraft, SetDraft
from hubbub.features.drawer import Place
from hubbub.features.members import RemoveMembers
from hubbub.features.messages import DeleteMessage, SendMessage
from hubbub.features.registry import REGISTRY
from hubbub.features.reminders import CreateReminder
from hubbub.features.sanctions import MuteMembers
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook, walk

X = "group:x"
AT = START_MS + 1_000


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"])


def turned(book: Playbook, verb: str, request: Any, user: str = "bob") -> Any:
    row: Verb = REGISTRY.verbs[verb]
    return row.turn(request, book.edge_context(Viewer(user)))


def looked(book: Playbook, place: Place, user: str = "bob") -> ErrorCode | None:
    try:
        book.query(user, "drawer.look", place)
    except Rejected as refusal:
        return refusal.error
    return None


def test_the_place_is_looked_at_and_then_it_is_put_in(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    mid = book.outcome.id
    for verb, request, place in (
        ("draft.set", SetDraft(channel=X, message=Raw(b"{}")), Place(X)),
        ("draft.set", SetDraft(channel=X, message=Raw(b"{}"), thread=mid), Place(X, mid)),
        ("bookmark.add", AddBookmark(channel=X, message=mid), Place(X, mid)),
        ("reminder.create", CreateReminder(channel=X, at=AT), Place(X)),
        ("reminder.create", CreateReminder(channel=X, message=mid, at=AT), Place(X, mid)),
    ):
        errand = turned(book, verb, request)
        call, command, answer = walk(errand, b"{}", b'{"seq":1}')
        assert call == QueryCall(X, "drawer.look", place)
        assert isinstance(command, type(request))
        assert (command.user, command.stream_key(), answer) == ("bob", "#bob", b'{"seq":1}')
        with pytest.raises(Rejected):
            walk(errand, Rejected(CHANNEL_NOT_FOUND))


def test_what_is_about_no_channel_or_taken_back_needs_no_look(book: Playbook) -> None:
    for verb, request in (
        ("bookmark.add", AddBookmark(url="https://a.example/")),
        ("reminder.create", CreateReminder(note="milk", at=AT)),
        ("draft.clear", ClearDraft(channel=X)),
    ):
        assert isinstance(turned(book, verb, request), type(request))


def test_names_of_nothing_are_refused_before_anybody_is_asked(book: Playbook) -> None:
    for channel, error in (("#bob", UNKNOWN_CHANNEL), ("", BAD_REQUEST), ("a b", BAD_REQUEST)):
        with pytest.raises(Rejected) as caught:
            turned(book, "draft.set", SetDraft(channel=channel, message=Raw(b"{}")))
        assert caught.value.error is error


def test_who_reads_may_look(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    mid = book.outcome.id
    assert looked(book, Place(X, mid)) is None
    assert looked(book, Place(X), "eve") is CHANNEL_NOT_FOUND
    assert looked(Playbook("group:none"), Place("group:none")) is CHANNEL_NOT_FOUND
    assert looked(book, Place(X, mid[:-1] + ("a" if mid[-1] != "a" else "b"))) is NOT_FOUND
    book.do("ann", MuteMembers(channel=X, user="bob"))
    assert looked(book, Place(X, mid)) is None, "what he cannot say now he may still write down"
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert looked(book, Place(X, mid)) is MESSAGE_DELETED
    book.do("ann", RemoveMembers(channel=X, user="bob"))
    assert looked(book, Place(X)) is CHANNEL_NOT_FOUND
