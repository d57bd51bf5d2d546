"""What a user sets for his own list; nobody else sees or sets it."""

from __future__ import annotations

from typing import Any

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, PERMISSION_DENIED
from hubbub.features.channel_list import DropListed, ListRequest, PutListed
from hubbub.features.contract import HeadsCall
from hubbub.features.list_rows import OWN
from hubbub.features.list_settings import (
    ChannelHidden,
    ChannelMuted,
    ChannelSorted,
    ChannelUnhidden,
    ChannelUnmuted,
    MineRequest,
    SetListed,
    turn_mine,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import Playbook, walk

X = "group:x"


def listed() -> Playbook:
    book = Playbook("#ann")
    put = PutListed(user="ann", channel=X, kind=ChannelKind.GROUP, role=Role.MEMBER)
    book.do("", put, authority="system")
    return book


def mine(**fields: Any) -> SetListed:
    return SetListed(user="ann", channel=X, **fields)


def row(book: Playbook) -> dict[str, Any]:
    [found] = book.query("ann", "user.channels", ListRequest("ann"))["channels"]
    return {k: found[k] for k in found if k not in ("channel", "kind", "state", "role")}


def test_everything_is_set_shown_and_taken_back() -> None:
    book = listed()
    assert row(book) == {}
    events = book.do("ann", mine(hidden="until_message", hidden_seq=7, muted=True, archived=True))
    assert events == [
        ChannelHidden(channel=X, hidden="until_message", up_to=7),
        ChannelMuted(channel=X),
        ChannelSorted(channel=X, archived=True),
    ]
    book.do("ann", mine(favourite=True))
    book.do("ann", mine(muted=True, muted_until="2026-02-01T00:00:00Z"))
    assert row(book) == {
        "hidden": "until_message",
        "hidden_seq": 7,
        "muted": True,
        "muted_until": "2026-02-01T00:00:00.000Z",
        "archived": True,
        "favourite": True,
    }
    assert book.do("ann", mine(favourite=True)) == []
    undone = book.do("ann", mine(hidden="no", muted=False, archived=False, favourite=False))
    assert undone == [
        ChannelUnhidden(channel=X),
        ChannelUnmuted(channel=X),
        ChannelSorted(channel=X),
    ]
    assert row(book) == {}
    assert book.tables[OWN].packed == {}
    book.assert_replay_equal()


def test_it_goes_with_the_channel() -> None:
    book = listed()
    book.do("ann", mine(favourite=True))
    book.do("", DropListed(user="ann", channel=X), authority="system")
    assert book.tables[OWN].packed == {}
    assert book.refused("ann", mine(muted=True)) is NOT_FOUND
    book.assert_replay_equal()


def test_only_the_user_and_the_app_set_it() -> None:
    book = listed()
    assert book.refused("bob", mine(muted=True)) is PERMISSION_DENIED
    assert book.refused("ann", mine(muted=True), authority="analyst") is PERMISSION_DENIED
    assert book.refused("ann", mine()) is BAD_REQUEST
    assert book.refused("ann", mine(muted_until=5, favourite=True)) is BAD_REQUEST
    book.do("", mine(muted=True), authority="server")
    assert row(book) == {"muted": True}


def test_hiding_until_the_next_message_looks_for_the_last_one() -> None:
    ann = listed().edge_context(Viewer("ann"))
    heads, command, answer = walk(
        turn_mine(MineRequest(X, hidden="until_message"), ann),
        {X: HeadRow("demo", X, True, message_seq=9)},
        b"{}",
    )
    assert heads == HeadsCall((X,))
    assert command == mine(hidden="until_message", hidden_seq=9)
    assert answer == b"{}"
    assert turn_mine(MineRequest(X, muted=True), ann) == mine(muted=True)
    server = listed().edge_context(Viewer("", "server"))
    acting = turn_mine(MineRequest(X, user="ann", favourite=True), server)
    assert acting == mine(favourite=True)
