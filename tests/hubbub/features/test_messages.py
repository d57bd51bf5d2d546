"""Send, edit, delete, and history in all directions."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    MESSAGE_DELETED,
    NOT_A_MEMBER,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TOO_LARGE,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.features.contract import QueryCall
from hubbub.features.members import AddMembers, RemoveMembers
from hubbub.features.messages import (
    DeleteMessage,
    EditMessage,
    HistoryRequest,
    MessageCreated,
    MessageDeleted,
    MessageRequest,
    MessageUpdated,
    SendMessage,
    SendRequest,
    turn_get,
    turn_history,
    turn_send,
)
from hubbub.settings.app import OFF, AppSettings, Rate
from hubbub.wire.event import CHANGED
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def send(book: Playbook, user: str, text: str) -> str:
    """Send and return the message's id."""
    book.do(user, SendMessage(channel=X, text=text))
    return book.outcome.id


def history(book: Playbook, **place: Any) -> list[dict[str, Any]]:
    page = book.query("bob", "history.get", HistoryRequest(X, **place))
    assert page["head"] == book.tables.head_seq
    messages: list[dict[str, Any]] = page["messages"]
    assert [m["seq"] for m in messages] == sorted(m["seq"] for m in messages)
    return messages


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message.get("text", "-") for message in messages]


# --- sending


def test_a_publication_is_flat_and_stamped(book: Playbook) -> None:
    sent = SendMessage(channel=X, cmid="c-1", text='hé "q" 🙂', data=Raw(b'{"n":1.50}'))
    assert book.do("ann", sent) == [MessageCreated(text='hé "q" 🙂', data=Raw(b'{"n":1.50}'))]
    stored = book.tables.published(2)
    assert stored is not None
    head = f'{{"t":"message.created","seq":2,"id":"{book.outcome.id}","cmid":"c-1","by":"ann",'
    tail = '"ts":"2026-01-31T12:00:00.000Z","text":"hé \\"q\\" 🙂","data":{"n":1.50}}'
    assert stored.data == (head + tail).encode()
    assert (book.outcome.seq, book.outcome.ts_ms) == (2, START_MS)


def test_who_may_send(book: Playbook) -> None:
    assert book.refused("eve", SendMessage(channel=X, text="hi")) is NOT_A_MEMBER
    assert book.do("bot", SendMessage(channel=X, text="hi"), authority="server") != []
    assert book.refused("x", SendMessage(channel=X, text="hi"), authority="analyst") is NOT_A_MEMBER
    hall = Playbook("open:hall", members=["mia"], settings=UNPACED)
    assert hall.do("anybody", SendMessage(channel="open:hall", text="hi")) != []
    nothing = Playbook("group:y")
    assert nothing.refused("ann", SendMessage(channel="group:y", text="hi")) is CHANNEL_NOT_FOUND


def test_sizes_and_emptiness(book: Playbook) -> None:
    for empty in ("", " \n\t"):
        assert book.refused("ann", SendMessage(channel=X, text=empty)) is BAD_REQUEST
        null = SendMessage(channel=X, text=empty, data=Raw(b"null"))
        assert book.refused("ann", null) is BAD_REQUEST
    assert book.do("ann", SendMessage(channel=X, data=Raw(b"[]"))) != []
    assert book.do("ann", SendMessage(channel=X, text="🙂" * 5_000)) != []
    refusal = book.refusal("ann", SendMessage(channel=X, text="x" * 5_001))
    assert refusal.error is TOO_LARGE
    assert refusal.details == {"limit": 5_000}
    big = SendMessage(channel=X, data=Raw(b'"' + b"x" * 65_536 + b'"'))
    assert book.refused("ann", big) is TOO_LARGE


def test_a_text_is_measured_as_json() -> None:
    """Escaped control characters take six bytes each."""
    settings = replace(UNPACED, text_chars_max=20_000)
    book = Playbook(X, owner="ann", settings=settings)
    assert book.refused("ann", SendMessage(channel=X, text="\x01" * 20_000)) is TOO_LARGE
    assert book.do("ann", SendMessage(channel=X, text="é" * 20_000)) != []


@pytest.mark.parametrize("channel", ["room", "#ann", "@app", "members:x"])
def test_other_streams_take_no_messages(channel: str) -> None:
    refused = Playbook(channel).refused("ann", SendMessage(channel=channel, text="hi"))
    assert refused is UNKNOWN_CHANNEL


def test_a_server_key_sends_as_a_user(book: Playbook) -> None:
    ctx = book.edge_context(Viewer("", "server"))
    request = SendRequest(X, "hi", user="bob", cmid="c")
    assert turn_send(request, ctx) == SendMessage(channel=X, text="hi", by="bob", cmid="c")
    assert turn_send(SendRequest(X, "hi", by="ann"), ctx).by == "ann"


# --- flood


def test_a_burst_of_ten_then_five_a_second() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    for n in range(10):
        assert len(book.do("ann", SendMessage(channel=X, text=str(n)))) == 2
    refusal = book.refusal("ann", SendMessage(channel=X, text="11"))
    assert refusal.error is RATE_LIMITED
    assert refusal.details["retry_after_ms"] == 200
    assert book.do("bob", SendMessage(channel=X, text="another user")) != []
    book.tick(199)
    assert book.refusal("ann", SendMessage(channel=X, text="11")).details["retry_after_ms"] == 1
    book.tick(1)
    assert book.do("ann", SendMessage(channel=X, text="11")) != []
    assert book.refused("ann", SendMessage(channel=X, text="12")) is RATE_LIMITED
    book.tick(10_000)
    for n in range(10):
        book.do("ann", SendMessage(channel=X, text=str(n)))
    assert book.refused("ann", SendMessage(channel=X, text="full")) is RATE_LIMITED
    book.assert_replay_equal()


def test_a_rate_with_a_fraction() -> None:
    settings = AppSettings(send_per_channel=Rate(0.5, 1))
    book = Playbook(X, owner="ann", settings=settings)
    book.do("ann", SendMessage(channel=X, text="1"))
    assert book.refusal("ann", SendMessage(channel=X, text="2")).details["retry_after_ms"] == 2_000


def test_nothing_is_written_for_the_limit_while_it_is_off(book: Playbook) -> None:
    before = book.tables.write_count
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert book.tables.write_count - before == 2, "the two counters of unread figures"


def test_server_keys_are_not_paced() -> None:
    book = Playbook(X, owner="ann")
    for _ in range(30):
        assert len(book.do("ann", SendMessage(channel=X, text="x"), authority="server")) == 1


# --- editing and deleting


def test_an_edit_shows_at_every_offset_but_the_last(book: Playbook) -> None:
    mid = send(book, "ann", "one")
    assert book.do("ann", EditMessage(channel=X, id=mid, text="two")) == [
        MessageUpdated(id=mid, message_seq=2, rev=1, text="two")
    ]
    assert (book.outcome.seq, book.outcome.id, book.outcome.rev) == (3, mid, 1)
    book.do("ann", EditMessage(channel=X, id=mid, data=Raw(b'{"a":1}')))
    flags = [book.tables.published(seq).head.flags & CHANGED for seq in (2, 3, 4)]  # type: ignore[union-attr]
    assert flags == [CHANGED, CHANGED, 0]
    for seq in (2, 3, 4):
        shown = book.shown(seq)
        assert (shown["text"], shown["data"], shown["rev"]) == ("two", {"a": 1}, 2)
        assert (shown["id"], shown["seq"]) == (mid, seq)
    assert book.shown(2)["t"] == "message.created"
    assert book.shown(3)["t"] == "message.updated"
    book.assert_replay_equal()


def test_a_deleted_message_is_a_tombstone_at_every_offset(book: Playbook) -> None:
    mid = send(book, "bob", "secret")
    book.do("bob", EditMessage(channel=X, id=mid, text="secret too", data=Raw(b'"secret"')))
    assert book.refused("eve", DeleteMessage(channel=X, id=mid)) is NOT_A_MEMBER
    assert book.do("ann", DeleteMessage(channel=X, id=mid)) == [
        MessageDeleted(id=mid, message_seq=2, rev=2, author="bob")
    ]
    for seq in (2, 3, 4):
        shown = book.shown(seq)
        assert "secret" not in str(shown)
        assert shown["rev"] == 2
    assert book.shown(2)["deleted"] is book.shown(3)["deleted"] is True
    assert (book.shown(4)["t"], book.shown(4)["by"]) == ("message.deleted", "ann")
    assert history(book) == [book.shown(2)]
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="back")) is MESSAGE_DELETED
    assert book.do("bob", DeleteMessage(channel=X, id=mid)) == []
    assert book.reply == {"seq": 4, "id": mid, "rev": 2, "ts": "2026-01-31T12:00:00.000Z"}
    book.assert_replay_equal()


def test_only_the_author_edits_and_members_delete_only_their_own(book: Playbook) -> None:
    mid = send(book, "ann", "mine")
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="x")) is PERMISSION_DENIED
    assert book.refused("bob", DeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED
    other = send(book, "bob", "his")
    assert book.refused("ann", EditMessage(channel=X, id=other, text="x")) is PERMISSION_DENIED
    assert book.do("", EditMessage(channel=X, id=other, text="x"), authority="server") != []
    assert book.do("", DeleteMessage(channel=X, id=other), authority="moderator") != []


def test_who_was_removed_changes_nothing_any_more(book: Playbook) -> None:
    mid = send(book, "bob", "mine")
    book.do("ann", RemoveMembers(channel=X, user="bob"))
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="x")) is NOT_A_MEMBER
    assert book.refused("bob", DeleteMessage(channel=X, id=mid)) is NOT_A_MEMBER


def test_an_edit_may_not_empty_or_overfill(book: Playbook) -> None:
    mid = send(book, "ann", "text")
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="")) is BAD_REQUEST
    assert book.refused("ann", EditMessage(channel=X, id=mid)) is BAD_REQUEST
    big = Raw(b'"' + b"x" * 65_500 + b'"')
    book.do("ann", EditMessage(channel=X, id=mid, data=big))
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="y" * 100)) is TOO_LARGE
    book.do("ann", EditMessage(channel=X, id=mid, text="", data=Raw(b"1")))
    book.do("ann", EditMessage(channel=X, id=mid, text="back", data=Raw(b"null")))
    assert "data" not in book.shown(2)
    book.assert_replay_equal()


def test_ids_of_other_things(book: Playbook) -> None:
    mid = send(book, "ann", "hi")
    foreign = Playbook("group:y", owner="ann", settings=UNPACED)
    foreign.do("ann", SendMessage(channel="group:y", text="hi"))
    created = book.tables.published(1)
    assert created is not None
    for wrong in (
        foreign.outcome.id,
        book.shown(1)["id"],
        mid[:-1] + ("a" if mid[-1] != "a" else "b"),
    ):
        assert book.refused("ann", EditMessage(channel=X, id=wrong, text="x")) is NOT_FOUND
        assert book.refused("ann", DeleteMessage(channel=X, id=wrong)) is NOT_FOUND
    for wrong in ("", "x", mid.upper()[:-1] + "!", "é" * 26):
        assert book.refused("ann", DeleteMessage(channel=X, id=wrong)) is BAD_REQUEST


def test_one_message_by_its_id(book: Playbook) -> None:
    mid = send(book, "ann", "hi")
    assert book.query("bob", "message.get", MessageRequest(X, mid))["text"] == "hi"
    book.do("ann", DeleteMessage(channel=X, id=mid))
    shown = book.query("bob", "message.get", MessageRequest(X, mid))
    assert (shown["deleted"], "text" in shown) == (True, False)


# --- history


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
    assert len(history(long_book, limit=1_000)) == 200
    for wrong in (HistoryRequest(X, limit=0), HistoryRequest(X, at="noon")):
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
        assert caught.value.error is NOT_A_MEMBER
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
