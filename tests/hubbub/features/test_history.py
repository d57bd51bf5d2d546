"""Pages of messages in all directions, and one message by its id."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    NOT_FOUND,
    TOO_MANY,
    Rejected,
)
from hubbub.features import history as pages
from hubbub.features.channels import (
    HistoryRule,
    UpdateChannel,
)
from hubbub.features.contract import QueryCall
from hubbub.features.history import (
    HistoryRequest,
    MessageRequest,
    MessagesRequest,
    turn_get,
    turn_history,
    turn_several,
)
from hubbub.features.members import AddMembers
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.reactions import (
    AddReaction,
)
from hubbub.features.retention import (
    TruncateChannel,
)
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import (
    encode_json,
)
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


@pytest.fixture
def mixed_book(book: Playbook) -> Playbook:
    """Messages of all sorts, some above the floor."""
    ids = [send(book, "ann", "root")]
    for n in range(90):
        who = ("ann", "bob")[n % 2]
        more: dict[str, Any] = {"thread": ids[0]} if n % 7 == 3 else {}
        if n % 5 == 0:
            more["type"] = "t"
        ids.append(send(book, who, f"{n} {'x' * (n % 11) * 9}", **more))
        if n % 4 == 1:
            book.do(who, EditMessage(channel=X, id=ids[-1], text=f"{n}*"))
        if n % 9 == 2:
            book.do(who, DeleteMessage(channel=X, id=ids[-1]))
        if n % 6 == 0:
            book.do("bob", AddReaction(channel=X, id=ids[-1], emoji="👍"))
        book.tick(1_000)
    book.tables.set_floor(20)
    return book


@pytest.mark.parametrize("kind", [{}, {"replies": True}, {"by": "bob"}, {"type": "t"}])
@pytest.mark.parametrize("limit", [1, 2, 3, 8, 50])
def test_a_page_is_what_lies_there(mixed_book: Playbook, kind: dict[str, Any], limit: int) -> None:
    """Each message as it is shown alone, whatever lies between them."""
    book = mixed_book
    shown: list[dict[str, Any]] = []
    for seq in range(20, book.tables.head_seq + 1):
        event = book.shown(seq)
        if event["t"] == "message.created":
            one = book.query("bob", "message.get", MessageRequest(X, event["id"]))
            if (
                (kind.get("replies") or not event.get("thread"))
                and kind.get("by", one["by"]) == one["by"]
                and ("type" not in kind or event.get("type") == "t")
            ):
                shown.append(one)
    seqs = [one["seq"] for one in shown]
    assert len(shown) > 10

    def of_page(**place: Any) -> list[int]:
        found = history(book, limit=limit, **kind, **place)
        by_seq = {one["seq"]: one for one in shown}
        for one in found:
            assert one.get("reactions", {}) == by_seq[one["seq"]].get("reactions", {})
            assert one.get("text") == by_seq[one["seq"]].get("text")
        return [one["seq"] for one in found]

    for at in (-1, 0, 19, 20, 21, *seqs[:2], 60, *seqs[-2:], book.tables.head_seq, 999):
        after = [seq for seq in seqs if seq > at]
        before = [seq for seq in seqs if seq < at]
        older = [seq for seq in seqs if seq <= at][-(limit - limit // 2) :]
        assert of_page(after_seq=at) == after[:limit]
        assert of_page(before_seq=at) == before[-limit:]
        assert of_page(around_seq=at) == (older + after[: limit - len(older)])
    assert of_page() == seqs[-limit:]


@pytest.mark.parametrize("bytes_max", [1, 300, 900, 2_000])
def test_pages_of_few_bytes_leave_nothing_out(mixed_book: Playbook, bytes_max: int) -> None:
    book = mixed_book
    every = [one["seq"] for one in history(book, after_seq=0, limit=200)]
    book.settings = replace(UNPACED, history_page_bytes_max=bytes_max)
    forward: list[int] = []
    while page := history(book, after_seq=forward[-1] if forward else 0, limit=200):
        assert len(page) == 1 or len(encode_json(page)) <= bytes_max + 4 * len(page)
        forward += [one["seq"] for one in page]
    backward: list[int] = []
    while page := history(book, before_seq=backward[0] if backward else 999, limit=200):
        backward[:0] = [one["seq"] for one in page]
    assert forward == backward == every


def test_what_is_gone_is_told_where_the_page_looked(mixed_book: Playbook) -> None:
    book = mixed_book
    book.do("", TruncateChannel(channel=X, before_seq=40), authority="server")
    gone = [{"from": 20, "to": 39, "why": "truncated"}]

    def removed(**place: Any) -> Any:
        return book.query("bob", "history.get", HistoryRequest(X, **place)).get("removed", [])

    assert removed(after_seq=38) == removed(before_seq=45) == removed(around_seq=39) == gone
    assert removed(around_seq=41, limit=50) == gone, "it met the beginning"
    assert removed(at="2026-01-31T12:00:00Z") == gone
    assert removed(after_seq=39) == removed(limit=5) == removed(around_seq=80, limit=5) == []
    assert removed(around_seq=40, limit=1) == removed(at="2026-01-31T12:01:00Z") == []
    book.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    book.do("", AddMembers(channel=X, user="cid"), authority="server")
    page = book.query("cid", "history.get", HistoryRequest(X))
    assert (page["messages"], page.get("removed")) == ([], None), "never his"


def test_several_messages_by_their_ids(book: Playbook) -> None:
    first, second = send(book, "ann", "one"), send(book, "bob", "two")
    book.do("ann", AddReaction(channel=X, id=second, emoji="👍"))
    created = book.shown(1)["id"]
    call = turn_several(MessagesRequest(X, (second, first, created, second)), None)  # type: ignore[arg-type]  # it asks nothing
    found = book.query("bob", call.name, call.args)
    assert texts(found["messages"]) == ["two", "one"]
    assert found["messages"][0]["reactions"] == {"👍": {"count": 1}}
    assert found["missing"] == [created]
    for count in (1, 100):
        turn_several(MessagesRequest(X, (first,) * count), None)  # type: ignore[arg-type]
    for count in (0, 101):
        with pytest.raises(Rejected) as caught:
            turn_several(MessagesRequest(X, (first,) * count), None)  # type: ignore[arg-type]
        assert caught.value.error is TOO_MANY


def test_a_page_of_plain_messages_is_bounded_too(book: Playbook) -> None:
    """They are taken by the chunk; around a place both halves share the bytes."""
    for n in range(40):
        send(book, "ann", f"{n:02}" * 20)
    one = len(encode_json(history(book, limit=1)))
    book.settings = replace(UNPACED, history_page_bytes_max=5 * one)
    for place in ({}, {"after_seq": 0}, {"around_seq": 20}):
        assert 4 <= len(history(book, limit=30, **place)) <= 6
