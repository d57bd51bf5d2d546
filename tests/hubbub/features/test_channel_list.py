"""A user's channels as the membership events of those channels make them."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, TOO_MANY, Rejected
from hubbub.features.channel_list import (
    ChannelAdded,
    ChannelInvited,
    ChannelRemoved,
    ChannelRoleChanged,
    DropListed,
    ListRequest,
    PutListed,
    ScreenRequest,
    turn_channels,
    turn_screen,
)
from hubbub.features.channels import CreateChannel, DeleteChannel, OpenDirect
from hubbub.features.contract import Local, QueryCall
from hubbub.features.members import (
    AddMembers,
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    RemoveMembers,
    SetRole,
)
from hubbub.features.users import EnsureUser
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.event import LISTS, UNLISTS
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"


def deliver(source: Playbook, target: Playbook) -> list[object]:
    """Run the Forwards for the target's stream, twice each: they must be idempotent."""
    events: list[object] = []
    for command in source.forwards:
        if command.stream_key() == target.key:
            events += target.do("ann", command, authority="system")
            assert target.do("ann", command, authority="system") == []
    source.forwards.clear()
    return events


def test_membership_comes_to_the_users_list() -> None:
    book, bob = Playbook(X), Playbook("#bob")
    book.do("ann", CreateChannel(channel=X, members=("bob",), name="X"))
    added = ChannelAdded(channel=X, kind=ChannelKind.GROUP, role=Role.MEMBER, name="X")
    assert deliver(book, bob) == [added]
    book.do("ann", SetRole(channel=X, user="bob", role=Role.MODERATOR))
    assert deliver(book, bob) == [ChannelRoleChanged(channel=X, role=Role.MODERATOR)]
    book.do("ann", RemoveMembers(channel=X, user="bob"))
    assert deliver(book, bob) == [ChannelRemoved(channel=X)]
    book.do("ann", InviteMembers(channel=X, user="bob"))
    invited = ChannelInvited(channel=X, kind=ChannelKind.GROUP, name="X")
    assert deliver(book, bob) == [invited]
    assert bob.snapshot("bob")["channels"][0]["state"] == "invited"
    assert bob.access("bob").channels == ()
    book.do("bob", JoinChannel(channel=X))
    assert deliver(book, bob) == [added]
    assert bob.access("bob").channels == (X,)
    book.do("bob", LeaveChannel(channel=X))
    assert deliver(book, bob) == [ChannelRemoved(channel=X)]
    assert bob.snapshot("bob")["channels"] == []
    bob.assert_replay_equal()


def test_edges_are_told_what_joined_and_left_the_list() -> None:
    book, bob = Playbook(X), Playbook("#bob")
    book.do("ann", CreateChannel(channel=X, members=("bob",)))
    book.do("ann", RemoveMembers(channel=X, user="bob"))
    deliver(book, bob)
    first, second = (bob.tables.published(seq) for seq in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.head.flags, first.info) == (LISTS, b'["group:x"]')
    assert (second.head.flags, second.info) == (UNLISTS, b'["group:x"]')


def test_each_of_a_pair_sees_the_other() -> None:
    book, ann, bob = Playbook.direct("ann", "bob"), Playbook("#ann"), Playbook("#bob")
    source = Playbook(book.key)
    source.do("ann", OpenDirect(channel=book.key, members=("ann", "bob")))
    forwards = list(source.forwards)
    deliver(source, ann)
    source.forwards = forwards
    deliver(source, bob)
    assert ann.snapshot("ann")["channels"][0]["peer"] == "bob"
    assert bob.snapshot("bob")["channels"][0]["peer"] == "ann"


def test_a_deleted_channel_leaves_every_list() -> None:
    book = Playbook(X, owner="ann", members=[f"u{n}" for n in range(20)])
    book.do("ann", DeleteChannel(channel=X))
    assert {command.stream_key() for command in book.forwards} == {
        "#ann",
        *(f"#u{n}" for n in range(20)),
    }
    assert all(isinstance(command, DropListed) for command in book.forwards)


def test_one_forward_a_user_and_change() -> None:
    book = Playbook(X, owner="ann")
    book.do("", AddMembers(channel=X, users=("b", "c", "ann")), authority="server")
    assert [command.stream_key() for command in book.forwards] == ["#b", "#c"]


def test_nobody_but_the_log_writes_a_list() -> None:
    bob = Playbook("#bob")
    put = PutListed(user="bob", channel=X, kind=ChannelKind.GROUP, role=Role.OWNER)
    assert bob.refused("bob", put) is PERMISSION_DENIED
    assert bob.refused("bob", DropListed(user="bob", channel=X)) is PERMISSION_DENIED


def test_the_snapshot_is_the_users_own() -> None:
    bob = Playbook("#bob")
    bob.do("", EnsureUser(user="bob", name="Bob"), authority="server")
    snapshot = bob.snapshot("bob")
    assert snapshot["profile"]["name"] == "Bob"
    assert snapshot["user"] == "bob"
    for viewer in ("eve", ""):
        with pytest.raises(Rejected) as caught:
            bob.access(viewer)
        assert caught.value.error is PERMISSION_DENIED
    assert bob.snapshot("", authority="server")["user"] == "bob"
    assert Playbook("#new").snapshot("new")["profile"] is None


def test_pages_newest_first() -> None:
    bob = Playbook("#bob")
    for n in range(250):
        put = PutListed(user="bob", channel=f"group:{n}", kind=ChannelKind.GROUP, role=Role.MEMBER)
        bob.do("ann", put, authority="system")
    snapshot = bob.snapshot("bob")
    names = [row["channel"] for row in snapshot["channels"]]
    assert names == [f"group:{n}" for n in range(249, 199, -1)]
    page = bob.query("bob", "user.channels", ListRequest(before=snapshot["next"], limit=30))
    assert [row["channel"] for row in page["channels"]] == [
        f"group:{n}" for n in range(199, 169, -1)
    ]
    rest = bob.query("bob", "user.channels", ListRequest(before=page["next"]))
    assert len(rest["channels"]) == 170
    assert rest["next"] == 0
    assert len(bob.access("bob").channels) == 200
    with pytest.raises(Rejected):
        bob.query("eve", "user.channels", ListRequest())
    with pytest.raises(Rejected):
        bob.query("bob", "user.channels", ListRequest(limit=201))


def test_requests() -> None:
    bob = Playbook("#bob")
    ctx = bob.edge_context(Viewer("bob"))
    assert turn_channels(ListRequest(), ctx) == QueryCall(
        "#bob", "user.channels", ListRequest("bob")
    )
    screen = ScreenRequest((X,))
    assert turn_screen(screen, ctx) == Local("screen.set", screen)
    for wrong, error in (
        (ScreenRequest(tuple(f"group:{n}" for n in range(101))), TOO_MANY),
        (ScreenRequest(("a b",)), BAD_REQUEST),
    ):
        with pytest.raises(Rejected) as caught:
            turn_screen(wrong, ctx)
        assert caught.value.error is error


def test_no_list_where_user_streams_are_raw() -> None:
    bob = Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    put = PutListed(user="bob", channel=X, kind=ChannelKind.GROUP, role=Role.MEMBER)
    assert bob.do("ann", put, authority="system") == []
