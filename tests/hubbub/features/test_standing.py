"""Where a user stands."""

from __future__ import annotations

import itertools

import pytest

from hubbub.base.errors import (
    BANNED,
    CHANNEL_ARCHIVED,
    CHANNEL_NOT_FOUND,
    MUTED,
    NOT_A_MEMBER,
    PERMISSION_DENIED,
    ErrorCode,
    Rejected,
)
from hubbub.features.archive import ArchiveChannel
from hubbub.features.capabilities import SetMemberCapabilities, SetRoleCapabilities
from hubbub.features.channels import DeleteChannel, HistoryRule, UpdateChannel
from hubbub.features.contract import Command, Table
from hubbub.features.members import AddMembers, InviteMembers, RemoveMembers, SetRole
from hubbub.features.sanctions import BanMembers, MuteMembers
from hubbub.features.standing import (
    all_may,
    channel_row,
    granted,
    may,
    member_count,
    readable_from,
    refusal_of,
    refusals_of,
    require_standing,
    role_of,
    roles_of,
    scanned,
    standing_of,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.settings.app import AppSettings, Override
from hubbub.wire.shapes import Viewer
from tests.support.playbook import MemoryRows, Playbook


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
@pytest.mark.parametrize("own", ["", "rights", "sanctions", "rights and sanctions"])
def test_many_are_refused_as_each_of_them_would_be(key: str, own: str) -> None:
    """One is asked for his role, but whoever has a row of his own is asked himself."""
    book = Playbook(key, members=["ann", "bob", "cid", "dan", "eve", "mod"])
    server = "server"
    book.do("", SetRole(channel=key, user="ann", role=Role.OWNER), authority=server)
    book.do("", SetRole(channel=key, user="mod", role=Role.MODERATOR), authority=server)
    book.do("ann", InviteMembers(channel=key, user="ida"))
    if "sanctions" in own:
        book.do("ann", BanMembers(channel=key, users=("bob", "out")))
        book.do("ann", MuteMembers(channel=key, user="cid"))
    if "rights" in own:
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
        assert member_count(Playbook("group:y").tables) == 0
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


def of_user(key: str, user: str, *deny: str) -> Command:
    return SetMemberCapabilities(channel=key, user=user, deny=deny)


@pytest.mark.parametrize("key", ["group:x", "open:x"])
@pytest.mark.parametrize("what", ["type", "react"])
def test_all_may_what_each_reader_may(key: str, what: str) -> None:
    """A signal to all is told if nobody who reads it is denied what it tells: members, and in an
    open channel whoever comes. A denial outlives a member who leaves a group, and counts no more.
    Who is invited to an open channel has what everybody there has."""
    kind = key.partition(":")[0]
    denied = [(), ("bob",), ("cid",), ("bob", "cid"), ("eve", "fay", "gil")]
    denied.append(("bob", "cid", "dan", "eli"))  # more than there are members
    layers = (["", "member", "none", "owner"], ["", "member", "none", "moderator"], denied)
    for app, role, users in itertools.product(*layers):
        if kind == "group" and (role == "none" or "eve" in users):
            continue
        laid = {kind: {app: Override(deny=(what,))}} if app else {}
        settings = AppSettings(capabilities=laid)
        gone = ("cid", "dan", "eli")
        book = Playbook(key, members=["ann", "bob", *gone], settings=settings)
        book.do("", SetRole(channel=key, user="ann", role=Role.OWNER), authority="server")
        book.do("ann", InviteMembers(channel=key, user="ida"))
        if role:
            book.do("ann", SetRoleCapabilities(channel=key, role=Role(role), deny=(what,)))
        for user in users:
            book.do("", of_user(key, user, what), authority="server")
        book.do("ann", RemoveMembers(channel=key, users=gone))
        readers = ["ann", "bob", *(["cid", "eve", "ida"] if kind == "open" else [])]
        ctx = book.context(Viewer(""))
        rights = [granted(standing_of(user, book.tables, ctx), settings) for user in readers]
        told = all(Action.TYPE in of_reader for of_reader in rights)
        assert all_may(Action.TYPE, book.tables, settings) is told, (app, role, users)
        if kind == "open":
            none = granted(standing_of("new", book.tables, ctx), settings)
            assert rights[-1] == none


def test_rows_are_read_page_by_page() -> None:
    """As many as were asked for, whatever a page has."""
    rows: MemoryRows = MemoryRows(Table("x", str, int), {})
    rows.put_many({f"{n:05d}": n for n in range(2_500)})
    assert [n for _, n in scanned(rows)] == list(range(2_500))
    for limit in (0, 1, 999, 1_000, 1_001, 2_500, 9_999):
        assert [n for _, n in scanned(rows, limit)] == list(range(min(limit, 2_500)))


@pytest.mark.parametrize("user", ["bob", "eve"])
def test_who_has_nothing_of_his_own_costs_two_rows(user: str) -> None:
    """The channel's and the member's, or for a stranger also whether he is invited (rule 7)."""
    book = Playbook("open:x", members=["ann", "bob"])
    before = book.tables.read_count
    standing_of(user, book.tables, book.context(Viewer(user)))
    assert book.tables.read_count == before + (2 if user == "bob" else 3)


def test_an_authority_takes_nothing_from_and_adds_to_whoever_it_speaks_for() -> None:
    """It reads from the floor, though his own history begins later (rule 5)."""
    book = Playbook("group:x", owner="ann")
    book.do("ann", UpdateChannel(channel="group:x", history=HistoryRule.FROM_JOIN))
    book.do("", AddMembers(channel="group:x", user="bob"), authority="server")
    client, server = (book.context(Viewer("bob", who)) for who in ("client", "server"))
    assert (readable_from(book.tables, client), readable_from(book.tables, server)) == (3, 1)
    assert not may(Action.MUTE, book.tables, client)
    assert may(Action.MUTE, book.tables, server)


def test_a_guest_hears_why() -> None:
    """That he is muted, where guests may; that it is not for guests, where they may not."""
    book = Playbook("open:x", owner="ann")
    book.do("ann", MuteMembers(channel="open:x", user="gus"))
    ctx = book.context(Viewer("gus", guest=True))
    for action, error in ((Action.SEND, MUTED), (Action.SEND_SILENT, PERMISSION_DENIED)):
        refused = refusal_of("gus", action, book.tables, ctx)
        assert refused is not None
        assert refused.error is error
