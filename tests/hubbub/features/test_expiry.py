"""A message ends at its time, once, as a tombstone."""

from __future__ import annotations

from hubbub.base.errors import BAD_REQUEST, CHANNEL_NOT_FOUND, MESSAGE_DELETED, PERMISSION_DENIED
from hubbub.features.expiry import EndMessage, ExpireMessage
from hubbub.features.history import MessageRequest
from hubbub.features.messages import DeleteMessage, SendMessage
from hubbub.features.retention import SWEEP
from tests.support.playbook import START_MS, Playbook

X = "group:x"


def said() -> tuple[Playbook, str]:
    book = Playbook(X, owner="ann", members=["bob", "cid"])
    book.do("bob", SendMessage(channel=X, text="for a minute"))
    return book, book.outcome.id


def test_it_becomes_a_tombstone_at_its_time() -> None:
    book, mid = said()
    book.do("bob", ExpireMessage(channel=X, id=mid, at=START_MS + 60_000))
    book.tick(30_000)
    assert book.fall_due() == []
    book.do("ann", ExpireMessage(channel=X, id=mid, at=START_MS + 40_000))
    book.tick(10_000)
    [deleted] = book.fall_due()
    assert deleted.TAG == "message.deleted"
    assert (book.shown(2)["deleted"], book.shown(2)["rev"]) == (True, 1)
    assert book.shown(3)["reason"] == "expired"
    assert [name for name in book.dues if name != SWEEP] == []
    assert book.refused("bob", ExpireMessage(channel=X, id=mid, at=0)) is MESSAGE_DELETED
    book.assert_replay_equal()


def test_it_may_be_taken_back_and_a_deleted_one_does_not_end_twice() -> None:
    book, mid = said()
    book.do("bob", ExpireMessage(channel=X, id=mid, at=START_MS + 1_000))
    book.do("bob", ExpireMessage(channel=X, id=mid, at=0))
    book.tick(2_000)
    assert book.fall_due() == []
    book.do("bob", ExpireMessage(channel=X, id=mid, at=START_MS + 3_000))
    book.do("bob", DeleteMessage(channel=X, id=mid))
    book.tick(2_000)
    assert book.fall_due() == []
    book.assert_replay_equal()


def test_who_may_and_when() -> None:
    book, mid = said()
    later = ExpireMessage(channel=X, id=mid, at=START_MS + 1_000)
    assert book.refused("cid", later) is PERMISSION_DENIED
    book.tick(5_000)
    assert book.refused("bob", later) is BAD_REQUEST
    assert book.refused("bob", EndMessage(channel=X, id=mid)) is PERMISSION_DENIED


def test_a_reply_that_ends_leaves_its_thread() -> None:
    book, root = said()
    book.do("cid", SendMessage(channel=X, text="re", thread=root))
    book.do("cid", ExpireMessage(channel=X, id=book.outcome.id, at=START_MS + 1_000))
    assert book.query("ann", "message.get", MessageRequest(X, root))["replies"] == 1
    assert book.head("bob")["threads"] == {"unread": 1, "mentions": 0}
    book.tick(1_000)
    book.fall_due()
    assert "replies" not in book.query("ann", "message.get", MessageRequest(X, root))
    assert book.head("bob").get("threads", {}).get("unread", 0) == 0
    book.assert_replay_equal()


def test_strangers_learn_nothing() -> None:
    book, mid = said()
    for wanted in (mid, mid[:-1] + ("a" if mid[-1] != "a" else "b")):
        assert book.refused("eve", ExpireMessage(channel=X, id=wanted, at=0)) is CHANNEL_NOT_FOUND
