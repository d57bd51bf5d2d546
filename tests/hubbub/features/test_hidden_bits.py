"""Figures of one who blocks users, against their definition: what he can see and has not read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.features.blocks import BLOCKS_MAX
from hubbub.features.marks import FEW_BLOCKS, MarkRead, unread_of
from hubbub.features.mentions import mentions_of
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.thread_marks import UnreadThreadsRequest
from hubbub.features.threads import FollowThread
from hubbub.features.unread import ExplainAsk
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

X = "group:x"
SENDERS = ("ann", "bob", "cid", "dan")
NOISE = tuple(f"n{n}" for n in range(BLOCKS_MAX - 2))


def room() -> Playbook:
    unpaced = AppSettings(send_per_channel=OFF)
    return Playbook(X, owner="ann", members=["bob", "cid", "dan", "eve"], settings=unpaced)


def figures(book: Playbook, blocked: Sequence[str]) -> tuple[object, object]:
    head = book.head("eve", blocked)
    return head["unread"], head["mentions"]


def by_hand(book: Playbook, mark: int, blocked: Sequence[str]) -> tuple[int, int]:
    """Each message as it is shown now, looked at by itself."""
    unread = mentions = 0
    for seq in range(mark + 1, book.tables.head_seq + 1):
        message = book.shown(seq)
        if message["t"] != "message.created" or message.get("deleted") or message.get("silent"):
            continue
        if message["by"] == "eve" or message["by"] in blocked:
            continue
        unread += 1
        mentions += "eve" in message.get("mentions", ()) or message.get("mention_all", False)
    return unread, mentions


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from((*SENDERS, "eve")), st.integers(0, 6)), max_size=30),
    st.sets(st.sampled_from(SENDERS)),
    st.booleans(),
    st.integers(0, 30),
)
def test_figures_are_those_of_what_can_be_seen(
    steps: list[tuple[str, int]], blocked: set[str], is_long_list: bool, mark: int
) -> None:
    book, sent = room(), list[tuple[str, str]]()
    for user, what in steps:
        if what < 4 or not sent:
            named = ("eve",) if what == 1 else ()
            every = what == 2 and user == "ann"
            book.do(
                user,
                SendMessage(
                    channel=X, text="hi", mentions=named, mention_all=every, silent=what == 3
                ),
            )
            sent.append((user, book.outcome.id))
        elif what < 6:
            author, message = sent.pop()
            book.do(author, DeleteMessage(channel=X, id=message))
        else:
            author, message = sent[-1]
            book.do(author, EditMessage(channel=X, id=message, mentions=("eve",)))
    book.do("eve", MarkRead(channel=X, upto=mark))
    names = (*blocked, *(NOISE if is_long_list else ()))
    at = int(str(book.head("eve")["mark"]))
    assert figures(book, names) == by_hand(book, at, names)
    assert figures(book, ()) == by_hand(book, at, ())
    asked = ExplainAsk(X, "eve", blocked=frozenset(names))
    told: dict[str, Any] = book.query("", "unread.explain", asked, authority="server")
    assert (told["unread"], told["mentions"]) == figures(book, names)
    assert sum(message["counts"] for message in told["messages"]) == told["unread"]
    hidden = [m for m in told["messages"] if m["why"] == "blocked"]
    assert all(not m["counts"] and book.shown(m["seq"])["by"] in blocked for m in hidden)


def test_a_long_absence_is_counted_by_author() -> None:
    book, count = room(), 256 * (FEW_BLOCKS + 1)
    for n in range(count):
        book.do(SENDERS[n % 4], SendMessage(channel=X, text="hi"))
    blocked = frozenset({"bob", "cid", *NOISE})
    assert unread_of(book.tables, "eve", 1, blocked) == count // 2
    assert unread_of(book.tables, "eve", 1) == count
    late = book.tables.head_seq - 10
    assert unread_of(book.tables, "eve", late, blocked) == by_hand(book, late, tuple(blocked))[0]
    assert mentions_of(book.tables, "eve", 1, blocked) == 0


def test_replies_of_whom_one_blocks_count_in_no_thread() -> None:
    book = room()
    book.do("ann", SendMessage(channel=X, text="root"))
    root = book.outcome.id
    book.do("eve", FollowThread(channel=X, id=root))
    for user in ("bob", "ann", "bob"):
        book.do(user, SendMessage(channel=X, text="re", thread=root, mentions=("eve",)))
    assert book.head("eve")["threads"] == {"unread": 3, "mentions": 3}
    assert book.head("eve", ("bob",))["threads"] == {"unread": 1, "mentions": 1}
    page = book.query("eve", "thread.unread", UnreadThreadsRequest(X))
    assert page["threads"][0]["unread"] == 3
    page = book.query("eve", "thread.unread", UnreadThreadsRequest(X), blocks=("bob",))
    assert (page["threads"][0]["unread"], page["threads"][0]["mentions"]) == (1, 1)


def test_an_edit_by_a_moderator_says_whose_text_it_is() -> None:
    book = room()
    book.do("bob", SendMessage(channel=X, text="rude"))
    ident = book.outcome.id
    book.do("bob", EditMessage(channel=X, id=ident, text="ruder"))
    assert "author" not in book.shown(book.tables.head_seq)
    book.do("ann", EditMessage(channel=X, id=ident, text="mild"), authority="server")
    assert book.shown(book.tables.head_seq)["author"] == "bob"
    assert book.shown(2)["text"] == "mild"
