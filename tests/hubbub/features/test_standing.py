"""Where a user stands."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BANNED,
    CHANNEL_ARCHIVED,
    CHANNEL_NOT_FOUND,
    NOT_A_MEMBER,
    PERMISSION_DENIED,
    ErrorCode,
    Rejected,
)
from hubbub.features.archive import ArchiveChannel
from hubbub.features.capabilities import SetMemberCapabilities
from hubbub.features.channels import DeleteChannel, UpdateChannel
from hubbub.features.members import InviteMembers, RemoveMembers, SetRole
from hubbub.features.sanctions import BanMembers, MuteMembers
from hubbub.features.standing import (
    channel_row,
    member_count,
    refusal_of,
    refusals_of,
    require_standing,
    role_of,
    roles_of,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook


def test_roles() -> None:
    book = Playbook("group:x", owner="ann", members=["bob"])
    book.do("ann", InviteMembers(channel="group:x", user="cid"))
    roles = [role_of(book.tables, user) for user in ("ann", "bob", "cid", "dan", "")]
    assert roles == [Role.OWNER, Role.MEMBER, Role.INVITED, Role.NONE, Role.NONE]
    assert member_count(book.tables) == 2
    row = require_standing(Action.SEND, book.tables, book.context(Viewer("bob")))
    assert row.kind is ChannelKind.GROUP
    with pytest.raises(Rejected) as caught:
        require_standing(Action.SEND, book.tables, book.context(Viewer("cid")))
    assert caught.value.error is NOT_A_MEMBER


@pytest.mark.parametrize("key", ["group:x", "open:x"])
@pytest.mark.parametrize("has_own", [False, True])
def test_many_are_refused_as_each_of_them_would_be(key: str, has_own: bool) -> None:
    """One is asked for his role, but whoever has a row of his own is asked himself."""
    book = Playbook(key, members=["ann", "bob", "cid", "dan", "eve", "mod"])
    server = "server"
    book.do("", SetRole(channel=key, user="ann", role=Role.OWNER), authority=server)
    book.do("", SetRole(channel=key, user="mod", role=Role.MODERATOR), authority=server)
    book.do("ann", InviteMembers(channel=key, user="ida"))
    if has_own:
        book.do("ann", BanMembers(channel=key, users=("bob", "out")))
        book.do("ann", MuteMembers(channel=key, user="cid"))
        book.do("ann", SetMemberCapabilities(channel=key, user="dan", deny=("mark", "send")))
        book.do("ann", SetMemberCapabilities(channel=key, user="eve", grant=("pin",)))
    users = ["ann", "bob", "cid", "dan", "eve", "mod", "ida", "out", "far", "fay"]
    ctx = book.context(Viewer("", "edge"))
    assert roles_of(book.tables, users) == [role_of(book.tables, user) for user in users]
    for action in (Action.MARK, Action.SEND, Action.PIN, Action.SEE, Action.BAN):
        for asked in (users, users[::-1], ["bob"], []):
            one_by_one = {u: refusal_of(u, action, book.tables, ctx) for u in asked}
            found = refusals_of(asked, action, book.tables, ctx)
            assert {u: (r.error, r.details) for u, r in found.items()} == {
                u: (r.error, r.details) for u, r in one_by_one.items() if r is not None
            }


def test_no_channel_and_a_deleted_one_are_the_same() -> None:
    book = Playbook("group:x", owner="ann")
    book.do("ann", DeleteChannel(channel="group:x"))
    for tables in (book.tables, Playbook("group:y").tables):
        with pytest.raises(Rejected) as caught:
            channel_row(tables)
        assert caught.value.error is CHANNEL_NOT_FOUND


def refusal(book: Playbook, user: str, action: Action, authority: str = "client") -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        require_standing(action, book.tables, book.context(Viewer(user, authority=authority)))
    return caught.value.error


def test_a_private_group_does_not_exist_for_strangers() -> None:
    """Also for those who were in it; who is banned or invited knows of it, and so does staff."""
    book = Playbook("group:x", owner="ann", members=["bob", "cid"])
    book.do("ann", RemoveMembers(channel="group:x", user="bob"))
    book.do("ann", BanMembers(channel="group:x", user="cid"))
    book.do("ann", InviteMembers(channel="group:x", user="dan"))
    for action in (Action.SEE, Action.SEND, Action.JOIN, Action.REMOVE, Action.ADD):
        for stranger in ("bob", "eve", ""):
            assert refusal(book, stranger, action) is CHANNEL_NOT_FOUND
        assert refusal(book, "cid", action) is BANNED
    assert refusal(book, "dan", Action.SEND) is NOT_A_MEMBER
    assert refusal(book, "x", Action.SEND, "analyst") is NOT_A_MEMBER
    book.do("ann", ArchiveChannel(channel="group:x"))
    assert refusal(book, "eve", Action.SEND) is CHANNEL_NOT_FOUND
    assert refusal(book, "ann", Action.SEND) is CHANNEL_ARCHIVED


def test_a_dm_does_not_exist_for_others_and_public_channels_do() -> None:
    assert refusal(Playbook.direct("ann", "bob"), "eve", Action.SEND) is CHANNEL_NOT_FOUND
    book = Playbook("group:x", owner="ann")
    book.do("ann", UpdateChannel(channel="group:x", public=True))
    assert refusal(book, "eve", Action.SEND) is NOT_A_MEMBER
    assert refusal(book, "eve", Action.REMOVE) is PERMISSION_DENIED
    hall = Playbook("open:hall", owner="ann")
    assert refusal(hall, "eve", Action.REMOVE) is PERMISSION_DENIED
