"""A user's channels as the membership events of those channels make them."""

from __future__ import annotations

import pytest
from msgspec import (
    Raw,
)

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, TOO_MANY, Rejected
from hubbub.features import (
    channel_list,
)
from hubbub.features.blocks import (
    BlockUser,
)
from hubbub.features.channel_list import (
    STEP_MEMBERS,
    ChannelAdded,
    ChannelInvited,
    ChannelRemoved,
    ChannelRenamed,
    ChannelRoleChanged,
    DropListed,
    ListRequest,
    ListsTold,
    PutListed,
    ScreenRequest,
    TellLists,
    turn_channels,
    turn_screen,
)
from hubbub.features.channels import (
    CreateChannel,
    DeleteChannel,
    OpenDirect,
    UpdateChannel,
)
from hubbub.features.contract import (
    Command,
    Local,
    QueryCall,
)
from hubbub.features.members import (
    AddMembers,
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    RemoveMembers,
    SetRole,
)
from hubbub.features.promotion import (
    PromoteChannel,
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
    assert [cmd.inviter for cmd in book.forwards if isinstance(cmd, PutListed)] == ["", "ann"]
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


def test_thousands_of_lists_are_told_step_by_step() -> None:
    """Each entry tells a bounded number of them; whoever leaves meanwhile is told that alone."""
    book = Playbook("group:many", owner="ann")
    users = tuple(f"u{n:04}" for n in range(2 * STEP_MEMBERS))
    for first in range(0, len(users), 1_000):
        add = AddMembers(channel=book.key, users=users[first : first + 1_000])
        book.do("", add, authority="server")
    book.forwards.clear()
    book.do("ann", PromoteChannel(channel=book.key, kind=ChannelKind.OPEN))
    assert len(book.forwards) == STEP_MEMBERS
    book.do("", RemoveMembers(channel=book.key, user=users[-1]), authority="server")
    book.forwards.pop()
    events = book.fall_due()
    assert [event.after for event in events if isinstance(event, ListsTold)] == [
        users[STEP_MEMBERS - 2],
        users[-2],
    ]
    told = [cmd for cmd in book.forwards if isinstance(cmd, PutListed)]
    assert [cmd.user for cmd in told] == ["ann", *users[:-1]]
    assert {cmd.kind for cmd in told} == {ChannelKind.OPEN}
    assert told[0].role is Role.OWNER
    book.assert_replay_equal()


def test_a_channel_deleted_while_its_lists_are_told_leaves_all_of_them() -> None:
    book = Playbook("group:many", owner="ann")
    users = tuple(f"u{n:04}" for n in range(STEP_MEMBERS))
    book.do("", AddMembers(channel=book.key, users=users), authority="server")
    book.do("ann", PromoteChannel(channel=book.key, kind=ChannelKind.OPEN))
    book.forwards.clear()
    book.do("ann", DeleteChannel(channel=book.key))
    book.fall_due()
    assert all(isinstance(command, DropListed) for command in book.forwards)
    assert {cmd.stream_key() for cmd in book.forwards} == {"#ann", *(f"#{u}" for u in users)}
    assert book.dues == {}
    assert book.refused("ann", TellLists(channel=book.key, after="")) is PERMISSION_DENIED
    book.assert_replay_equal()


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
    for wrong in (ListRequest(limit=201), ListRequest(before=-1)):
        with pytest.raises(Rejected):
            bob.query("bob", "user.channels", wrong)


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


def test_who_is_invited_hears_what_becomes_of_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invitation to a deleted channel stood in his list for ever: he could not decline it, for
    the channel was not there; nor did he hear of another name."""
    monkeypatch.setattr(channel_list, "STEP_MEMBERS", 2)
    book = Playbook(X, owner="ann", members=["bob", "dan"])
    book.do("ann", InviteMembers(channel=X, users=("cid", "eve")))

    def lists() -> dict[str, Command]:
        """What each one's list is told, in the order of their names."""
        book.fall_due()
        told = {cmd.stream_key()[1:]: cmd for cmd in book.forwards}
        assert len(told) == len(book.forwards)
        assert list(told) == sorted(told)
        book.forwards.clear()
        return told

    cid, bob = Playbook("#cid"), Playbook("#bob")
    invited = lists()["cid"]
    assert isinstance(invited, PutListed)
    assert invited.inviter == "ann"
    cid.do("ann", invited, authority="system")
    put = PutListed(user="bob", channel=X, kind=ChannelKind.GROUP, role=Role.MEMBER)
    bob.do("ann", put, authority="system")
    book.do("ann", UpdateChannel(channel=X, name="club"))
    told = lists()
    assert list(told) == ["ann", "bob", "cid", "dan", "eve"]
    assert told["ann"] == PutListed(
        user="ann", channel=X, kind=ChannelKind.GROUP, role=Role.OWNER, name="club"
    )
    for user, of_user in (("bob", bob), ("cid", cid)):
        events = of_user.do("ann", told[user], authority="system")
        assert events == [ChannelRenamed(channel=X, name="club")]
    (row,) = bob.query("bob", "user.channels", ListRequest())["channels"]
    assert (row["name"], row["role"]) == ("club", "member")
    blocks = Playbook("#eve")
    blocks.do("eve", BlockUser(user="eve", blocked="ann"))
    assert blocks.do("ann", told["eve"], authority="system") == [], "he asks her in"
    (row,) = cid.query("cid", "user.channels", ListRequest())["channels"]
    assert (row["name"], row["role"]) == ("club", "invited")
    book.do("ann", PromoteChannel(channel=X, kind=ChannelKind.OPEN))
    cid.do("ann", lists()["cid"], authority="system")
    (row,) = cid.query("cid", "user.channels", ListRequest())["channels"]
    assert (row["kind"], row["role"]) == ("open", "invited")
    book.do("ann", DeleteChannel(channel=X))
    cid.do("ann", lists()["cid"], authority="system")
    assert cid.query("cid", "user.channels", ListRequest())["channels"] == []
    for one in (book, cid):
        one.assert_replay_equal()


def test_only_another_name_is_told_and_not_to_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_list, "RENAMED_MEMBERS_MAX", 2)
    book = Playbook(X, owner="ann", members=["bob"])
    book.do("ann", UpdateChannel(channel=X, data=Raw(b"1")))
    assert book.forwards == []
    book.do("ann", UpdateChannel(channel=X, name="one"))
    assert len(book.forwards) == 2
    book.do("", AddMembers(channel=X, user="cid"), authority="server")
    book.forwards.clear()
    book.do("ann", UpdateChannel(channel=X, name="two"))
    assert book.forwards == []
