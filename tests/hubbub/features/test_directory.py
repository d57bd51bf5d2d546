"""What channels tell the directory, and its pages."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, Rejected
from hubbub.features.archive import ArchiveChannel, UnarchiveChannel
from hubbub.features.channels import CreateChannel, DeleteChannel, UpdateChannel
from hubbub.features.contract import Command
from hubbub.features.directory import DirectoryRequest, DropPublic, PutPublic
from hubbub.features.fields import make_cursor
from hubbub.features.members import AddMembers, JoinChannel, RemoveMembers
from hubbub.features.messages import SendMessage
from hubbub.model.channel import ChannelKind
from tests.support.playbook import Playbook

X = "group:x"


def told(book: Playbook) -> list[Command]:
    found = [f for f in book.forwards if isinstance(f, PutPublic | DropPublic)]
    book.forwards.clear()
    return found


def test_a_public_channel_is_told_when_it_appears_changes_and_goes() -> None:
    book = Playbook(X)
    book.do("ann", CreateChannel(channel=X, members=("bob",), name="Tea", public=True))
    [put] = told(book)
    assert isinstance(put, PutPublic)
    assert (put.members, put.name, put.kind) == (2, "Tea", ChannelKind.GROUP)
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert told(book) == []
    book.do("ann", UpdateChannel(channel=X, name="Coffee"))
    assert [put.name for put in told(book)] == ["Coffee"]  # type: ignore[attr-defined]
    book.do("ann", ArchiveChannel(channel=X))
    assert told(book) == [DropPublic(channel=X)]
    book.do("ann", UnarchiveChannel(channel=X))
    assert len(told(book)) == 1
    book.do("ann", UpdateChannel(channel=X, public=False))
    assert told(book) == [DropPublic(channel=X)]
    book.do("ann", UpdateChannel(channel=X, name="Secret"))
    assert told(book) == []
    book.do("ann", UpdateChannel(channel=X, public=True))
    book.do("ann", DeleteChannel(channel=X))
    assert told(book)[-1] == DropPublic(channel=X)
    book.assert_replay_equal()


def test_a_thousand_joins_are_few_forwards() -> None:
    book = Playbook(X)
    book.do("", CreateChannel(channel=X, public=True, owner="ann"), authority="server")
    book.forwards.clear()
    for n in range(1_000):
        book.do(f"u{n}", JoinChannel(channel=X))
    counts = [put.members for put in told(book)]  # type: ignore[attr-defined]
    assert len(counts) < 110
    assert counts[:5] == [2, 3, 4, 5, 6]
    assert counts[-1] > 950
    add = AddMembers(channel=X, users=tuple(f"v{n}" for n in range(100)))
    book.do("", add, authority="server")
    assert told(book)[-1].members == 1_101  # type: ignore[attr-defined]
    book.do("ann", RemoveMembers(channel=X, users=("u1",)))
    assert told(book) == []


def directory() -> Playbook:
    book = Playbook("@directory")
    names = ["Tea", "tea time", "Coffee", "Ärger", ""]
    for n, name in enumerate(names):
        put = PutPublic(
            channel=f"group:{n}",
            kind=ChannelKind.OPEN if n == 2 else ChannelKind.GROUP,
            created_ms=n,
            members=100 - n * n,
            name=name,
        )
        book.do("", put, authority="system")
    return book


def pages(book: Playbook, **fields: Any) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        request = DirectoryRequest(cursor=cursor, limit=2, **fields)
        page = book.query("ann", "directory.list", request)
        found += [row["channel"][6:] for row in page["channels"]]
        cursor = page["next"]
        if not cursor:
            return found


def test_pages_in_every_order() -> None:
    book = directory()
    assert pages(book) == ["2", "4", "0", "1", "3"]
    assert pages(book, prefix="TEA") == ["0", "1"]
    assert pages(book, prefix="ä") == ["3"]
    assert pages(book, prefix="x") == []
    assert pages(book, sort="members") == ["0", "1", "2", "3", "4"]
    assert pages(book, sort="recent") == ["4", "3", "2", "1", "0"]
    assert pages(book, sort="recent", prefix="tea") == ["1", "0"]
    assert pages(book, kind=ChannelKind.OPEN) == ["2"]
    book.do("", DropPublic(channel="group:0"), authority="system")
    put = PutPublic(
        channel="group:1", kind=ChannelKind.GROUP, created_ms=1, members=1, name="Water"
    )
    book.do("", put, authority="system")
    assert book.do("", put, authority="system") == []
    assert pages(book) == ["2", "4", "1", "3"]
    assert pages(book, sort="members") == ["2", "3", "4", "1"]
    assert book.refused("ann", put) is PERMISSION_DENIED
    book.assert_replay_equal()


@pytest.mark.parametrize(
    "wrong",
    [
        DirectoryRequest(limit=0),
        DirectoryRequest(limit=101),
        DirectoryRequest(cursor="x"),
        DirectoryRequest(cursor="ü"),
        DirectoryRequest(cursor=make_cursor("name", ("a", "b")), sort="members"),
        DirectoryRequest(cursor=make_cursor("members", (-1, "b")), sort="members"),
    ],
)
def test_what_no_page_can_follow(wrong: DirectoryRequest) -> None:
    with pytest.raises(Rejected) as caught:
        directory().query("ann", "directory.list", wrong)
    assert caught.value.error is BAD_REQUEST
