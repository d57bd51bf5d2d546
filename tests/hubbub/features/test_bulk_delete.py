"""Many messages deleted at once."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, TOO_MANY
from hubbub.features import bulk_delete
from hubbub.features.bulk_delete import (
    DeleteMessages,
    DeleteMessagesBy,
    GoOnDeletingBy,
)
from hubbub.features.history import MessageRequest
from hubbub.features.messages import DeleteMessage, MessagesDeleted, SendMessage
from hubbub.features.reactions import (
    AddReaction,
)
from hubbub.features.revisions import UndeleteMessage
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)


def send(book: Playbook, user: str, text: str, thread: str = "") -> str:
    book.do(user, SendMessage(channel=X, text=text, thread=thread))
    return book.outcome.id


def texts(book: Playbook) -> list[str]:
    shown = [book.shown(seq) for seq in range(1, book.tables.head_seq + 1)]
    return [m["text"] for m in shown if m["t"] == "message.created" and not m.get("deleted")]


def test_named_messages_in_one_event(book: Playbook) -> None:
    root = send(book, "bob", "root")
    ids = [root, send(book, "bob", "1", root), send(book, "cid", "2"), send(book, "ann", "3")]
    book.do("cid", DeleteMessage(channel=X, id=ids[2]))
    foreign = book.shown(1)["id"]
    (event,) = book.do("ann", DeleteMessages(channel=X, ids=(*ids[:3], foreign, ids[0])))
    assert isinstance(event, MessagesDeleted)
    assert [one.id for one in event.messages] == ids[:2]
    assert book.reply["deleted"] == 2
    assert texts(book) == ["3"]
    assert book.head("cid") == {**book.head("cid"), "unread": 1}
    shown = book.query("ann", "message.get", MessageRequest(X, root))
    assert (shown["reason"], shown.get("replies", 0)) == ("moderation", 0)
    assert book.do("ann", DeleteMessages(channel=X, ids=tuple(ids[:2]))) == []
    book.do("ann", UndeleteMessage(channel=X, id=ids[1]))
    assert texts(book) == ["1", "3"]
    assert book.query("ann", "message.get", MessageRequest(X, root))["replies"] == 1
    book.assert_replay_equal()


def test_who_may_and_how_many(book: Playbook) -> None:
    ids = (send(book, "bob", "1"), send(book, "bob", "2"))
    assert book.refused("bob", DeleteMessages(channel=X, ids=ids)) is PERMISSION_DENIED
    assert book.refused("bob", DeleteMessagesBy(channel=X, user="bob")) is PERMISSION_DENIED
    assert book.refused("ann", DeleteMessages(channel=X, ids=ids[:1])) is TOO_MANY
    assert book.refused("ann", DeleteMessages(channel=X, ids=ids * 51)) is TOO_MANY
    assert book.refused("ann", DeleteMessages(channel=X, ids=("x", "y"))) is BAD_REQUEST


def test_everything_of_an_author_step_by_step(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_delete, "LOOKED_AT_MAX", 40)
    monkeypatch.setattr(bulk_delete, "MESSAGES_MAX", 7)
    for n in range(150):
        send(book, "bob" if n % 3 == 0 else "cid", str(n))
    book.do("ann", DeleteMessagesBy(channel=X, user="bob"))
    assert book.reply == {"deleted": 7, "more": True}
    late = send(book, "bob", "late")
    for _ in range(60):
        book.fall_due()
    assert texts(book) == [str(n) for n in range(150) if n % 3] + ["late"]
    deleted = [
        book.shown(seq)
        for seq in range(1, book.tables.head_seq + 1)
        if book.shown(seq)["t"] == "message.bulk_deleted"
    ]
    assert all(len(event["messages"]) <= 7 and event["by"] == "ann" for event in deleted)
    assert book.query("ann", "message.get", MessageRequest(X, late))["text"] == "late"
    book.assert_replay_equal()


def test_of_an_author_messages_alone_are_deleted_the_newest_too(book: Playbook) -> None:
    root = send(book, "cid", "0")
    send(book, "bob", "1")
    book.do("bob", AddReaction(channel=X, id=root, emoji=":a:"))
    last = send(book, "bob", "2")
    (event,) = book.do("ann", DeleteMessagesBy(channel=X, user="bob"))
    assert isinstance(event, MessagesDeleted)
    assert [one.id for one in event.messages] == [last, book.shown(3)["id"]]
    assert book.reply == {"deleted": 2, "more": False}
    assert texts(book) == ["0"]
    assert book.do("ann", DeleteMessagesBy(channel=X, user="bob")) == []
    go_on = GoOnDeletingBy(channel=X, user="cid", before=9)
    assert book.refused("ann", go_on) is PERMISSION_DENIED


def test_a_hundred_at_once(book: Playbook) -> None:
    ids = tuple(send(book, "bob", str(n)) for n in range(100))
    (event,) = book.do("ann", DeleteMessages(channel=X, ids=ids))
    assert isinstance(event, MessagesDeleted)
    assert len(event.messages) == 100
    assert book.refused("ann", DeleteMessages(channel=X, ids=(ids[0], "x"))) is BAD_REQUEST
