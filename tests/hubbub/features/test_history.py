"""Pages of messages in all directions, and one message by its id."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, CHANNEL_NOT_FOUND, NOT_FOUND, Rejected
from hubbub.features import history as pages
from hubbub.features.contract import QueryCall
from hubbub.features.history import HistoryRequest, MessageRequest, turn_get, turn_history
from hubbub.features.members import AddMembers
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def send(book: Playbook, user: str, text: str, **more: Any) -> str:
    """Send and return the message's id."""
    book.do(user, SendMessage(channel=X, text=text, **more))
    return book.outcome.id


def history(book: Playbook, **place: Any) -> list[dict[str, Any]]:
    page = book.query("bob", "history.get", HistoryRequest(X, **place))
    assert page["head"] == book.tables.head_seq
    messages: list[dict[str, Any]] = page["messages"]
    assert [m["seq"] for m in messages] == sorted(m["seq"] for m in messages)
    return messages


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message.get("text", "-") for message in messages]


def test_one_message_by_its_id(book: Playbook) -> None:
    mid = send(book, "ann", "hi")
    assert book.query("bob", "message.get", MessageRequest(X, mid))["text"] == "hi"
    book.do("ann", DeleteMessage(channel=X, id=mid))
    shown = book.query("bob", "message.get", MessageRequest(X, mid))
    assert (shown["deleted"], "text" in shown) == (True, False)


@pytest.fixture
def long_book(book: Playbook) -> Playbook:
    """Messages m0…m299 one second apart; every tenth followed by an edit, one by joins."""
    for n in range(300):
        mid = send(book, "ann" if n % 3 else "bob", f"m{n}")
        if n % 10 == 0:
            author = "ann" if n % 3 else "bob"
            book.do(author, EditMessage(channel=X, id=mid, text=f"m{n}*"))
        if n == 150:
            for k in range(60):
                book.do("", AddMembers(channel=X, user=f"u{k}"), authority="server")
        book.tick(1_000)
    book.assert_replay_equal()
    return book


def test_the_newest_page_by_default(long_book: Playbook) -> None:
    assert texts(history(long_book)) == [
        f"m{n}*" if n % 10 == 0 else f"m{n}" for n in range(250, 300)
    ]


def test_forward_and_backward_give_the_same_ids(long_book: Playbook) -> None:
    forward: list[str] = []
    after = 0
    while page := history(long_book, after_seq=after, limit=7):
        forward += [message["id"] for message in page]
        after = page[-1]["seq"]
    backward: list[str] = []
    before = long_book.tables.head_seq + 1
    while page := history(long_book, before_seq=before, limit=11):
        backward[:0] = [message["id"] for message in page]
        before = page[0]["seq"]
    assert len(forward) == 300
    assert forward == backward


def test_around_a_seq(long_book: Playbook) -> None:
    middle = history(long_book, after_seq=0, limit=100)[-1]["seq"]
    page = history(long_book, around_seq=middle, limit=5)
    assert [m["text"] for m in page] == ["m97", "m98", "m99", "m100*", "m101"]
    assert texts(history(long_book, around_seq=10**9, limit=2)) == ["m299"]


def test_by_time(long_book: Playbook) -> None:
    at = START_MS + 120_000
    assert texts(history(long_book, at=at, limit=2)) == ["m120*", "m121"]
    assert texts(history(long_book, at="2026-01-31T12:02:00Z", limit=1)) == ["m120*"]
    assert texts(history(long_book, at="2026-01-31T13:02:00.001+01:00", limit=1)) == ["m121"]
    assert texts(history(long_book, at=0, limit=1)) == ["m0*"]
    assert history(long_book, at=START_MS + 10**9) == []


def test_limits(long_book: Playbook) -> None:
    assert len(history(long_book, limit=200)) == 200
    too_many = HistoryRequest(X, limit=201)  # none is cut short: a page says what it holds
    for wrong in (HistoryRequest(X, limit=0), too_many, HistoryRequest(X, at="noon")):
        with pytest.raises(Rejected) as caught:
            long_book.query("bob", "history.get", wrong)
        assert caught.value.error is BAD_REQUEST
    assert history(long_book, after_seq=-5, limit=1) == history(long_book, after_seq=0, limit=1)
    assert history(long_book, before_seq=0) == history(long_book, after_seq=10**30) == []
    assert history(long_book, before_seq=10**30) == history(long_book)
    assert history(long_book, after_seq=long_book.tables.head_seq) == []


def test_a_page_is_bounded_by_bytes_but_never_empty(book: Playbook) -> None:
    for n in range(20):
        send(book, "ann", str(n % 10) * 5_000)
    book.settings = replace(UNPACED, history_page_bytes_max=64 * 1024)
    page = history(book, after_seq=0)
    assert len(page) == 12
    assert len(history(book)) == 12
    assert history(book)[-1]["seq"] == 21


def test_nobody_reads_what_is_not_his(book: Playbook) -> None:
    mid = send(book, "ann", "hi")
    for name, args in (("history.get", HistoryRequest(X)), ("message.get", MessageRequest(X, mid))):
        with pytest.raises(Rejected) as caught:
            book.query("eve", name, args)
        assert caught.value.error is CHANNEL_NOT_FOUND
        assert book.query("", name, args, authority="analyst")
        with pytest.raises(Rejected):
            book.query("", name, args, authority="operator")


def test_below_the_floor_there_is_nothing(book: Playbook) -> None:
    mid = send(book, "ann", "old")
    send(book, "ann", "new")
    book.tables.set_floor(3)
    assert texts(history(book)) == texts(history(book, after_seq=0)) == ["new"]
    assert texts(history(book, at=0)) == ["new"]
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="x")) is NOT_FOUND


def test_requests(book: Playbook) -> None:
    ctx = book.edge_context(Viewer("ann"))
    request = HistoryRequest(X, after_seq=0)
    assert turn_history(request, ctx) == QueryCall(X, "history.get", request)
    with pytest.raises(Rejected):
        turn_history(HistoryRequest(X, after_seq=0, at=1), ctx)
    with pytest.raises(Rejected):
        turn_history(HistoryRequest("room"), ctx)
    one = MessageRequest(X, "i")
    assert turn_get(one, ctx) == QueryCall(X, "message.get", one)


def test_replies_in_threads_are_left_out_unless_asked_for(book: Playbook) -> None:
    root = send(book, "ann", "root")
    send(book, "bob", "reply", thread=root)
    send(book, "bob", "both", thread=root, also_in_channel=True)
    send(book, "ann", "after")
    assert texts(history(book)) == ["root", "both", "after"]
    assert texts(history(book, replies=True)) == ["root", "reply", "both", "after"]


def test_pages_of_one_sender_or_type(book: Playbook) -> None:
    for n in range(20):
        send(book, "ann" if n % 4 else "bob", f"m{n}", type="even" if n % 2 == 0 else "")
    assert texts(history(book, by="bob")) == ["m0", "m4", "m8", "m12", "m16"]
    assert texts(history(book, type="even", limit=3)) == ["m14", "m16", "m18"]
    assert texts(history(book, type="even", by="ann", after_seq=0, limit=2)) == ["m2", "m6"]


def test_a_search_is_given_up_and_goes_on(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LOOKED_AT_MAX", 10)
    for n in range(100):
        send(book, "bob" if n % 50 == 0 else "ann", f"m{n}")
    found, request, asked = [], HistoryRequest(X, by="bob", after_seq=0, limit=5), 0
    while True:
        page = book.query("ann", "history.get", request)
        found += texts(page["messages"])
        asked += 1
        if not page.get("reached"):
            break
        request = replace(request, after_seq=page["reached"])
    assert found == ["m0", "m50"]
    assert asked > 5


def test_filters_are_names() -> None:
    book = Playbook(X, owner="ann")
    context = book.edge_context(Viewer("ann"))
    for wrong in (HistoryRequest(X, by="#ann"), HistoryRequest(X, type="t" * 65)):
        with pytest.raises(Rejected):
            turn_history(wrong, context)
    assert turn_history(HistoryRequest(X, by="ann", type="t"), context).key == X
