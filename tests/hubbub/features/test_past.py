"""A page as of an earlier time is the page that was read then."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hubbub.base.errors import PERMISSION_DENIED, Rejected
from hubbub.features import messages
from hubbub.features.bulk_delete import DeleteMessages
from hubbub.features.history import HistoryRequest
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.reactions import AddReaction
from hubbub.features.revisions import UndeleteMessage
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

X = "group:x"


def page(book: Playbook, user: str = "ann", **words: Any) -> dict[str, Any]:
    answer: dict[str, Any] = book.query(user, "history.get", HistoryRequest(X, **words))
    return answer


def book_of(*members: str) -> Playbook:
    settings = AppSettings(send_per_channel=OFF)
    return Playbook(X, owner="ann", members=list(members), settings=settings)


def without_reasons(answer: dict[str, Any]) -> dict[str, Any]:
    for message in answer["messages"]:
        message.pop("reason", None)
    return answer


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_was_read_then(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 random changes; after each the page is kept, and asked for again at the end."""
    monkeypatch.setattr(messages, "CONTENTS_MAX", 1_000)
    dice, book, mids = random.Random(seed), book_of("bob"), list[str]()
    then: list[tuple[int, dict[str, Any]]] = []
    for n in range(200):
        user, mid = dice.choice(("ann", "bob")), dice.choice(mids or [""])
        die = dice.randrange(100)
        if die < 10 or not mids:
            book.do(user, SendMessage(channel=X, text=f"m{n}", mentions=("bob",)))
            mids.append(book.outcome.id)
        else:
            wanted = (
                EditMessage(channel=X, id=mid, text=f"e{n}", mentions=()),
                DeleteMessage(channel=X, id=mid),
                UndeleteMessage(channel=X, id=mid),
                DeleteMessages(channel=X, ids=(mid, dice.choice(mids))),
            )
            try:
                book.do(user, wanted[min(die // 30, 3)])
            except Rejected:
                continue
        then.append((book.now_ms, without_reasons(page(book))))
        book.tick(dice.choice((1, 1_000)))
    assert len(then) > 80
    for at, shown in then:
        assert without_reasons(page(book, as_of=at)) == shown
        newest = shown["messages"][-1]["seq"]
        around = page(book, as_of=at, around_seq=newest, limit=2)["messages"]
        assert [message["seq"] for message in around][-1] == newest
    book.assert_replay_equal()


def test_before_there_was_anything_and_to_come() -> None:
    book = book_of()
    start = book.now_ms
    book.tick(1_000)
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert page(book, as_of=start - 1)["messages"] == []
    assert page(book, as_of=start - 1)["head"] == 0
    assert page(book, as_of=start, after_seq=0)["messages"] == []
    assert page(book, as_of=start + 3_600_000)["messages"] == page(book)["messages"]


def test_a_deletion_of_then_has_its_reason_and_nobody_his_reactions() -> None:
    book = book_of("bob")
    book.do("bob", SendMessage(channel=X, text="rude"))
    mid = book.outcome.id
    book.do("ann", AddReaction(channel=X, id=mid, emoji="👎"))
    said = book.now_ms
    book.tick(1_000)
    book.do("ann", DeleteMessage(channel=X, id=mid))
    [rude] = page(book, as_of=said)["messages"]
    assert (rude["text"], "reactions" in rude, "rev" in rude) == ("rude", False, False)
    [gone] = page(book, as_of=book.now_ms)["messages"]
    assert (gone["deleted"], gone["reason"], "text" in gone) == (True, "moderation", False)


def test_it_is_for_who_may_undelete() -> None:
    book = book_of("bob")
    with pytest.raises(Rejected) as caught:
        page(book, "bob", as_of=book.now_ms)
    assert caught.value.error is PERMISSION_DENIED


def test_of_too_many_contents_the_oldest_known_stands_for_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "CONTENTS_MAX", 2)
    book = book_of()
    book.do("ann", SendMessage(channel=X, text="0"))
    mid, said = book.outcome.id, book.now_ms
    for n in range(1, 4):
        book.tick(1_000)
        book.do("ann", EditMessage(channel=X, id=mid, text=str(n)))
    for n in range(6):
        book.tick(1_000)
        kind = UndeleteMessage if n % 2 else DeleteMessage
        book.do("ann", kind(channel=X, id=mid))
    for seconds, text in ((0, "2"), (1, "2"), (2, "2"), (3, "3"), (9, "3")):
        [message] = page(book, as_of=said + seconds * 1_000)["messages"]
        assert message["text"] == text
    [message] = page(book, as_of=said + 8_000)["messages"]
    assert message["deleted"] is True
