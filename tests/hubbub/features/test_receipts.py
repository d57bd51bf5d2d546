"""Receipts against counting one by one, while members come, go and hide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_A_MEMBER,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.mark_rows import Hidden
from hubbub.features.marks import MarkDelivered, MarkMany, MarkRead, MarkUnread
from hubbub.features.members import AddMembers, LeaveChannel, RemoveMembers
from hubbub.features.messages import SendMessage
from hubbub.features.receipts import HideReceipts, ReadersRequest
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.receipts import ReceiptsRequest
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)


def receipt(book: Playbook, seq: int, user: str = "ann") -> dict[str, int]:
    (found,) = book.query(user, "receipts.get", ReceiptsRequest(X, seqs=(seq,)))["receipts"]
    assert found.pop("seq") == seq
    return dict(found)


def readers(book: Playbook, seq: int, state: Any = "read", **more: Any) -> list[str]:
    page = book.query("ann", "receipts.readers", ReadersRequest(X, seq=seq, state=state, **more))
    return [reader["user"] for reader in page["readers"]]


def hide(book: Playbook, user: str, hidden: int) -> None:
    book.do(user, HideReceipts(channel=X, user=user, hidden=hidden), authority="system")


def test_read_implies_delivered_and_the_author_is_not_counted(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert receipt(book, 2) == {"read": 0, "read_of": 2, "delivered": 0, "delivered_of": 2}
    book.do("ann", MarkRead(channel=X, upto=2))
    book.do("bob", MarkDelivered(channel=X, upto=2))
    assert receipt(book, 2) == {"read": 0, "read_of": 2, "delivered": 1, "delivered_of": 2}
    book.do("cid", MarkRead(channel=X, upto=2))
    assert receipt(book, 2) == {"read": 1, "read_of": 2, "delivered": 2, "delivered_of": 2}
    book.do("cid", MarkUnread(channel=X, since=2))
    assert receipt(book, 2)["read"] == 1, "what was read stays read for the others"
    assert (readers(book, 2), readers(book, 2, "unread")) == (["cid"], ["bob"])
    assert readers(book, 2, "delivered") == ["bob", "cid"]
    book.assert_replay_equal()


def test_who_joins_later_is_no_recipient_and_who_leaves_is_none_any_more(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("", AddMembers(channel=X, users=("dan",)), authority="server")
    book.do("dan", MarkRead(channel=X, upto=3))
    assert receipt(book, 2)["read_of"] == 2
    book.do("bob", MarkRead(channel=X, upto=2))
    book.do("bob", LeaveChannel(channel=X))
    assert (receipt(book, 2)["read"], receipt(book, 2)["read_of"]) == (0, 1)
    book.do("", AddMembers(channel=X, users=("bob",)), authority="server")
    assert (receipt(book, 2)["read"], receipt(book, 2)["read_of"]) == (0, 1)


def test_who_hides_is_counted_in_neither_and_his_own_figures_go_on(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    hide(book, "bob", Hidden.READ)
    book.do("bob", MarkRead(channel=X, upto=2))
    assert book.head("bob")["unread"] == 0
    assert receipt(book, 2) == {"read": 0, "read_of": 1, "delivered": 1, "delivered_of": 2}
    assert readers(book, 2) == []
    assert readers(book, 2, "unread") == ["cid"]
    hide(book, "bob", 0)
    assert receipt(book, 2)["read"] == 0, "what was read in private stays private"
    book.do("ann", SendMessage(channel=X, text="more"))
    book.do("bob", MarkRead(channel=X, upto=3))
    assert receipt(book, 2) == {"read": 1, "read_of": 2, "delivered": 1, "delivered_of": 2}
    hide(book, "bob", Hidden.READ | Hidden.DELIVERED)
    assert receipt(book, 2) == {"read": 0, "read_of": 1, "delivered": 0, "delivered_of": 1}
    book.assert_replay_equal()


def test_the_app_may_keep_receipts_off() -> None:
    quiet = AppSettings(read_receipts="off", delivery_receipts="off")
    book = Playbook(X, owner="ann", members=["bob"], settings=quiet)
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert receipt(book, 2) == {}
    for state in ("read", "delivered", "unread"):
        with pytest.raises(Rejected) as refused:
            readers(book, 2, state)
        assert refused.value.error is NOT_AVAILABLE


def test_readers_come_in_pages_with_the_times_that_are_known(book: Playbook) -> None:
    people = tuple(f"u{n:02d}" for n in range(30))
    book.do("", AddMembers(channel=X, users=people), authority="server")
    for _ in range(2):
        book.do("ann", SendMessage(channel=X, text="hi"))
    first, second = book.tables.head_seq - 1, book.tables.head_seq
    book.do("u00", MarkRead(channel=X, upto=first))
    book.tick(5_000)
    book.do("", MarkMany(channel=X, read=dict.fromkeys(people, second)), authority="edge")
    asked = ReadersRequest(X, seq=first, limit=7)
    found: list[dict[str, str]] = []
    while True:
        page = book.query("bob", "receipts.readers", asked)
        found += page["readers"]
        if not page["next"]:
            break
        asked = ReadersRequest(X, seq=first, limit=7, after=page["next"])
    assert [reader["user"] for reader in found] == list(people)
    assert "ts" not in found[0], "he had read it before his last step"
    assert all(reader["ts"].endswith("Z") for reader in found[1:])


def test_refusals(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))

    def code(user: str, name: str, args: Any) -> object:
        with pytest.raises(Rejected) as refused:
            book.query(user, name, args)
        return refused.value.error

    assert code("eve", "receipts.get", ReceiptsRequest(X, seqs=(2,))) is NOT_A_MEMBER
    many = ReceiptsRequest(X, seqs=tuple(range(1, 102)))
    assert code("ann", "receipts.get", many) is TOO_MANY
    assert code("ann", "receipts.get", ReceiptsRequest(X)) is TOO_MANY
    assert code("ann", "receipts.readers", ReadersRequest(X, seq=1)) is NOT_FOUND
    assert code("ann", "receipts.readers", ReadersRequest(X, seq=2, limit=0)) is BAD_REQUEST
    assert book.query("ann", "receipts.get", ReceiptsRequest(X, seqs=(1, 99)))["receipts"] == []
    mine = HideReceipts(channel=X, user="ann", hidden=1)
    assert book.refused("ann", mine) is PERMISSION_DENIED


def test_counts_cost_a_few_rows_in_a_channel_of_any_size() -> None:
    """3,000 marks over many seqs: the figures of a message are read from a few dozen rows."""
    people = [f"u{n:05d}" for n in range(3_000)]
    book = Playbook(X, owner="ann", settings=UNPACED)
    for at in range(0, len(people), 1_000):
        users = tuple(people[at : at + 1_000])
        book.do("", AddMembers(channel=X, users=users), authority="server")
    for _ in range(300):
        book.do("ann", SendMessage(channel=X, text="x"))
    for at in range(0, len(people), 500):
        read = {user: 5 + (at * 7 + n) % 290 for n, user in enumerate(people[at : at + 500])}
        book.do("", MarkMany(channel=X, read=read), authority="edge")
    before = book.tables.read_count
    assert receipt(book, 100)["read_of"] == 3_000
    assert book.tables.read_count - before < 60


PEOPLE = tuple("abcdefgh")
KINDS = ("send", "send", "send", "read", "read", "got", "back", "in", "out", "hide")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(PEOPLE),
        st.integers(0, 40),
    ),
    min_size=10,
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_figures_equal_the_definition(steps: list[tuple[str, str, int]]) -> None:
    """The model keeps every mark of everybody and looks at each of them."""
    book = Playbook(X, owner="ann", members=PEOPLE[:5], settings=UNPACED)
    model = Model(PEOPLE[:5])
    for kind, user, number in steps:
        act(book, model, kind, user, number)
    for seq, author in model.messages.items():
        for name, hidden in (("read", Hidden.READ), ("delivered", Hidden.DELIVERED)):
            have, of = model.counts(seq, author, name, hidden)
            found = receipt(book, seq)
            assert (found[name], found[f"{name}_of"]) == (len(have), of), (seq, name)
            assert readers(book, seq, name) == sorted(have)
    book.assert_replay_equal()


class Model:
    """Who joined when, and who has read and received how far."""

    def __init__(self, members: tuple[str, ...]) -> None:
        self.join = dict.fromkeys(("ann", *members), 1)
        self.read: dict[str, int] = {}
        self.delivered: dict[str, int] = {}
        self.hidden: dict[str, int] = {}
        self.messages: dict[int, str] = {}

    def counts(self, seq: int, author: str, name: str, bit: int) -> tuple[set[str], int]:
        recipients = [
            user
            for user, join in self.join.items()
            if join <= seq and user != author and not self.hidden.get(user, 0) & bit
        ]
        marks = self.read if name == "read" else self.delivered
        return {user for user in recipients if marks.get(user, 0) >= seq}, len(recipients)

    def forget(self, user: str) -> None:
        for rows in (self.join, self.read, self.delivered, self.hidden):
            rows.pop(user, None)


def act(book: Playbook, model: Model, kind: str, user: str, number: int) -> None:
    is_in, head = user in model.join, book.tables.head_seq
    upto = min(number, head)
    if kind == "in" and not is_in:
        book.do("", AddMembers(channel=X, users=(user,)), authority="server")
        model.join[user] = book.tables.head_seq
    if not is_in:
        return
    hidden = model.hidden.get(user, 0)
    if kind == "send":
        book.do(user, SendMessage(channel=X, text="x"))
        model.messages[book.tables.head_seq] = user
    elif kind == "out":
        book.do("", RemoveMembers(channel=X, users=(user,)), authority="server")
        model.forget(user)
    elif kind == "hide":
        model.hidden[user] = number % 4
        hide(book, user, number % 4)
    elif kind == "back":
        book.do(user, MarkUnread(channel=X, since=number))
    elif kind in ("read", "got"):
        mark = MarkRead if kind == "read" else MarkDelivered
        book.do(user, mark(channel=X, upto=number))
        if not hidden & Hidden.DELIVERED:
            model.delivered[user] = max(upto, model.delivered.get(user, 0))
        if kind == "read" and not hidden & Hidden.READ:
            model.read[user] = max(upto, model.read.get(user, 0))
