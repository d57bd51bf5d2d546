"""Whom a user has blocked, and that his invitations stay out of the list."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, PERMISSION_DENIED, TOO_MANY, Rejected
from hubbub.features.blocks import (
    BLOCKS_MAX,
    BlockUser,
    ListBlocks,
    UnblockUser,
    blocked_of,
    is_blocked,
)
from hubbub.features.channel_list import ChannelInvited, PutListed
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from tests.support.playbook import Playbook


def block(blocked: str) -> BlockUser:
    return BlockUser(user="ann", blocked=blocked)


def unblock(blocked: str) -> UnblockUser:
    return UnblockUser(user="ann", blocked=blocked)


def put(role: Role) -> PutListed:
    return PutListed(user="ann", channel="group:x", kind=ChannelKind.GROUP, role=role)


def test_blocking_twice_is_blocking_once() -> None:
    book = Playbook("#ann")
    book.do("ann", block("ben"))
    assert book.shown(1)["t"] == "user.blocked"
    assert book.shown(1)["blocked"] == "ben"
    assert book.do("ann", block("ben")) == []
    assert is_blocked("ben", book.tables)
    assert blocked_of(book.tables) == {"ben"}
    book.do("ann", unblock("ben"))
    assert book.shown(2)["t"] == "user.unblocked"
    assert book.do("ann", unblock("ben")) == []
    assert blocked_of(book.tables) == frozenset()
    book.assert_replay_equal()


def test_the_list_comes_in_pages() -> None:
    book = Playbook("#ann")
    for name in ("cid", "ben", "dan"):
        book.do("ann", block(name))
    page = book.query("ann", "block.list", ListBlocks(limit=2))
    assert [row["blocked"] for row in page["blocks"]] == ["ben", "cid"]
    assert page["next"] == "cid"
    rest = book.query("ann", "block.list", ListBlocks(after="cid", limit=2))
    assert [row["blocked"] for row in rest["blocks"]] == ["dan"]
    assert rest["next"] == ""


def test_bounds() -> None:
    book = Playbook("#ann")
    for n in range(BLOCKS_MAX):
        book.do("ann", block(f"u{n}"))
    assert book.refused("ann", block("more")) is TOO_MANY
    assert book.do("ann", block("u0")) == [], "whom one has blocked already needs no room"
    book.do("ann", unblock("u0"))
    book.do("ann", block("more"))
    assert book.refused("ann", block("ann")) is BAD_REQUEST
    assert book.refused("ann", block("")) is BAD_REQUEST


def test_nobody_else_reads_or_writes_it() -> None:
    book = Playbook("#ann")
    book.do("ann", block("ben"))
    assert book.refused("ben", unblock("ben")) is PERMISSION_DENIED
    with pytest.raises(Rejected) as told:
        book.query("ben", "block.list", ListBlocks())
    assert told.value.error is PERMISSION_DENIED
    book.do("", block("cid"), authority="server")
    raw = Playbook("#ann", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("ann", block("ben")) is NOT_AVAILABLE


def test_an_invitation_by_somebody_blocked_stays_out_of_the_list() -> None:
    book = Playbook("#ann")
    book.do("ann", block("ben"))
    assert book.do("ben", put(Role.INVITED), authority="system") == []
    assert book.snapshot("ann")["channels"] == []
    invited = ChannelInvited(channel="group:x", kind=ChannelKind.GROUP)
    assert book.do("cid", put(Role.INVITED), authority="system") == [invited]
    book.do("ann", unblock("ben"))
    other = PutListed(user="ann", channel="group:y", kind=ChannelKind.GROUP, role=Role.INVITED)
    assert len(book.do("ben", other, authority="system")) == 1
    book.assert_replay_equal()
