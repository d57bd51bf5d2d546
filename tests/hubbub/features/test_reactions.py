"""Reactions: kinds, counters, who; numbered in small channels, told in large ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    LIMIT_EXCEEDED,
    MESSAGE_DELETED,
    NOT_FOUND,
    TOO_LARGE,
    Rejected,
)
from hubbub.features.contract import QueryCall
from hubbub.features.history import HistoryRequest, MessageRequest
from hubbub.features.messages import DeleteMessage, SendMessage
from hubbub.features.reactions import (
    OWN_REACTIONS,
    AddReaction,
    ReactionAdded,
    ReactionRemoved,
    ReactionSet,
    ReactionsRequest,
    RemoveReaction,
    turn_list,
)
from hubbub.features.retention import TruncateChannel
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)
PEOPLE = ("ann", "bob", "cid")


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)


@pytest.fixture
def mid(book: Playbook) -> str:
    book.do("ann", SendMessage(channel=X, text="hi"))
    return book.outcome.id


def of_size(members: int) -> tuple[Playbook, str]:
    users = [f"u{n}" for n in range(members - 1)]
    book = Playbook(X, owner="ann", members=users, settings=UNPACED)
    book.do("ann", SendMessage(channel=X, text="hi"))
    return book, book.outcome.id


def reactions(book: Playbook, mid: str, user: str = "ann") -> Any:
    return book.query(user, "message.get", MessageRequest(X, mid)).get("reactions", {})


def add(mid: str, emoji: str = "👍") -> AddReaction:
    return AddReaction(channel=X, id=mid, emoji=emoji)


def test_numbered_in_a_small_channel(book: Playbook, mid: str) -> None:
    assert book.do("bob", add(mid)) == [
        ReactionAdded(id=mid, message_seq=2, emoji="👍", count=1, annotation_rev=1)
    ]
    assert book.reply == {"count": 1, "annotation_rev": 1}
    assert (book.outcome.seq, book.outcome.id) == (3, mid)
    assert book.do("bob", add(mid)) == []
    assert book.reply == {"count": 1, "annotation_rev": 1}
    book.do("ann", add(mid))
    book.do("ann", add(mid, ":party_parrot:"))
    assert reactions(book, mid) == {
        "👍": {"count": 2, "me": True},
        ":party_parrot:": {"count": 1, "me": True},
    }
    assert reactions(book, mid, "cid") == {"👍": {"count": 2}, ":party_parrot:": {"count": 1}}
    page = book.query("bob", "history.get", HistoryRequest(X))
    assert page["messages"][0]["reactions"]["👍"] == {"count": 2, "me": True}
    assert page["messages"][0]["annotation_rev"] == 3
    remove = RemoveReaction(channel=X, id=mid, emoji="👍")
    assert book.do("bob", remove) == [
        ReactionRemoved(id=mid, message_seq=2, emoji="👍", count=1, annotation_rev=4)
    ]
    assert book.do("bob", remove) == []
    book.do("ann", remove)
    assert reactions(book, mid) == {":party_parrot:": {"count": 1, "me": True}}
    book.do("ann", RemoveReaction(channel=X, id=mid, emoji=":party_parrot:"))
    assert book.tables[OWN_REACTIONS].scan() == [], "nothing is left behind"
    assert book.pulse() == []
    book.assert_replay_equal()


def test_told_in_a_large_channel() -> None:
    book, mid = of_size(101)
    seq = book.tables.head_seq
    for n in range(30):
        (event,) = book.do(f"u{n}", add(mid, "👍" if n % 3 else "🎉"))
        assert isinstance(event, ReactionSet)
    assert book.reply == {"count": 20, "annotation_rev": 30}
    assert book.tables.head_seq == seq, "no offsets"
    (told,) = book.pulse()
    assert told["reactions"] == {"🎉": 10, "👍": 20}
    assert (told["t"], told["id"], told["annotation_rev"]) == ("reaction.counted", mid, 30)
    assert book.pulse() == []
    assert reactions(book, mid, "u1")["👍"] == {"count": 20, "me": True}
    book.assert_replay_equal()


def test_a_hundred_members_are_few() -> None:
    book, mid = of_size(100)
    (event,) = book.do("ann", add(mid))
    assert isinstance(event, ReactionAdded)


def test_of_what_is_gone_nothing_is_told() -> None:
    book, mid = of_size(101)
    book.do("ann", add(mid))
    book.do("", TruncateChannel(channel=X, before_seq=3), authority="server")
    assert book.pulse() == []


def test_an_open_channel_is_large() -> None:
    book = Playbook("open:x", owner="ann", settings=UNPACED)
    book.do("ann", SendMessage(channel="open:x", text="hi"))
    (event,) = book.do("zoe", AddReaction(channel="open:x", id=book.outcome.id, emoji="👍"))
    assert isinstance(event, ReactionSet)


def test_fifty_kinds_a_message(book: Playbook, mid: str) -> None:
    for n in range(50):
        book.do("bob", add(mid, f":k{n}:"))
    assert book.refused("ann", add(mid, ":k50:")) is LIMIT_EXCEEDED
    assert book.do("ann", add(mid, ":k7:")) != []
    book.do("bob", RemoveReaction(channel=X, id=mid, emoji=":k3:"))
    assert book.do("ann", add(mid, ":k50:")) != []


def test_refusals(book: Playbook, mid: str) -> None:
    assert book.refused("zoe", add(mid)) is CHANNEL_NOT_FOUND
    assert book.refused("ann", add(book.shown(1)["id"])) is NOT_FOUND
    assert book.refused("ann", add("x")) is BAD_REQUEST
    for wrong in (
        "",
        "a",
        "ok",
        "1",
        ":a b:",
        "::",
        "👍a",
        "👍👍",
        " ",
        "\u200d",
        "<b>",
        "é",
        "日",
    ):
        assert book.refused("ann", add(mid, wrong)) is BAD_REQUEST, wrong
    assert book.refused("ann", add(mid, "👍" * 17)) is TOO_LARGE
    assert book.refused("", add(mid), authority="server") is BAD_REQUEST, "whose?"
    book.do("ann", add(mid, f":{'a' * 62}:"))
    for limit in (0, 1_001):
        with pytest.raises(Rejected):
            book.query("ann", "reaction.list", ReactionsRequest(X, mid, limit=limit))
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert book.refused("ann", add(mid)) is MESSAGE_DELETED
    with pytest.raises(Rejected) as caught:
        book.query("ann", "reaction.list", ReactionsRequest(X, mid))
    assert caught.value.error is MESSAGE_DELETED


def test_a_heart_is_one_kind_however_it_is_written(book: Playbook, mid: str) -> None:
    book.do("ann", add(mid, "\u2764"))
    book.do("bob", add(mid, "\u2764\ufe0f"))
    assert reactions(book, mid) == {"\u2764\ufe0f": {"count": 2, "me": True}}
    call = turn_list(ReactionsRequest(X, mid, emoji="\u2764"), book.edge_context(Viewer("ann")))
    assert isinstance(call, QueryCall)
    page = book.query("ann", call.name, call.args)
    assert [row["user"] for row in page["reactors"]] == ["ann", "bob"]
    book.do("ann", RemoveReaction(channel=X, id=mid, emoji="\u2764"))
    assert reactions(book, mid, "bob") == {"\u2764\ufe0f": {"count": 1, "me": True}}


def test_a_tombstone_has_none(book: Playbook, mid: str) -> None:
    book.do("bob", add(mid))
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert reactions(book, mid) == {}


def test_who_chose_in_pages(book: Playbook, mid: str) -> None:
    book.do("ann", SendMessage(channel=X, text="another"))
    other = book.outcome.id
    for user in PEOPLE:
        book.do(user, add(mid, "👍"))
        book.do(user, add(mid, ":a:"))
        book.do(user, add(other, "👍"))
    everybody: list[tuple[str, str]] = []
    request = ReactionsRequest(X, mid, limit=2)
    while True:
        page = book.query("bob", "reaction.list", request)
        everybody += [(row["emoji"], row["user"]) for row in page["reactors"]]
        if not page.get("next"):
            break
        request = ReactionsRequest(X, mid, cursor=page["next"], limit=2)
    assert everybody == [(kind, user) for kind in (":a:", "👍") for user in PEOPLE]
    one = book.query("bob", "reaction.list", ReactionsRequest(X, mid, emoji="👍"))
    assert [row["user"] for row in one["reactors"]] == list(PEOPLE)
    kind = book.query("bob", "reaction.list", ReactionsRequest(X, mid, emoji=":a:"))
    assert {row["emoji"] for row in kind["reactors"]} == {":a:"}
    assert one["reactions"] == {"👍": 3, ":a:": 3}
    assert "next" not in one
    with pytest.raises(Rejected):
        book.query("bob", "reaction.list", ReactionsRequest(X, mid, emoji=":a:", cursor="👍 ann"))


choices = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["👍", "🎉", ":a:"]), st.booleans()),
    max_size=40,
)


@settings(max_examples=50)
@given(choices, st.booleans())
def test_counters_equal_a_fold(choices: list[tuple[str, str, bool]], is_large: bool) -> None:
    key = "open:x" if is_large else X
    book = Playbook(key, owner="ann", members=["bob", "cid"], settings=UNPACED)
    book.do("ann", SendMessage(channel=key, text="hi"))
    mid = book.outcome.id
    chosen: set[tuple[str, str]] = set()
    for user, kind, is_added in choices:
        shape = AddReaction if is_added else RemoveReaction
        book.do(user, shape(channel=key, id=mid, emoji=kind))
        (chosen.add if is_added else chosen.discard)((user, kind))
    for viewer in PEOPLE:
        shown = book.query(viewer, "message.get", MessageRequest(key, mid)).get("reactions", {})
        wanted = {}
        for kind in {kind for _, kind in chosen}:
            users = {user for user, own in chosen if own == kind}
            wanted[kind] = {"count": len(users), **({"me": True} if viewer in users else {})}
        assert shown == wanted
    listed = book.query("ann", "reaction.list", ReactionsRequest(key, mid))
    assert {(row["user"], row["emoji"]) for row in listed["reactors"]} == chosen
    book.assert_replay_equal()
