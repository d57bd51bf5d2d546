"""Who comes, who goes, who may do it."""

from __future__ import annotations

import pytest
from msgspec.structs import (
    replace,
)

from hubbub.base.errors import (
    BAD_REQUEST,
    BANNED,
    CHANNEL_NOT_FOUND,
    NOT_A_MEMBER,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.channels import CreateChannel, UpdateChannel
from hubbub.features.guarantees import (
    SMALL_MEMBERS_MAX,
)
from hubbub.features.members import (
    AddMembers,
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    MembersInvited,
    MembersJoined,
    MembersLeft,
    MembersRemoved,
    MembersRequest,
    RemoveMembers,
    RoleChanged,
    SetRole,
    turn_remove_one,
)
from hubbub.features.messages import SendMessage
from hubbub.features.sanctions import (
    BanMembers,
)
from hubbub.features.standing import INVITES, MEMBERS, member_count
from hubbub.model.member import Role
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json
from hubbub.wire.event import EVICTS
from tests.support.playbook import Playbook

X = "group:x"
HALL = "open:hall"


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"])


def test_an_invited_user_joins(book: Playbook) -> None:
    assert book.refused("cid", JoinChannel(channel=X)) is CHANNEL_NOT_FOUND
    assert book.do("ann", InviteMembers(channel=X, users=("cid", "bob"))) == [
        MembersInvited(users=("cid",))
    ]
    assert book.do("ann", InviteMembers(channel=X, user="cid")) == []
    assert book.refused("cid", SendMessage(channel=X, text="hi")) is NOT_A_MEMBER
    assert book.do("cid", JoinChannel(channel=X)) == [MembersJoined(users=("cid",))]
    assert book.do("cid", JoinChannel(channel=X)) == []
    assert book.do("cid", SendMessage(channel=X, text="hi")) != []
    assert member_count(book.tables) == 3
    assert book.tables[INVITES].packed == {}
    book.assert_replay_equal()


def test_an_invitation_is_declined_or_taken_back(book: Playbook) -> None:
    book.do("ann", InviteMembers(channel=X, users=("cid", "dan")))
    assert book.do("cid", LeaveChannel(channel=X)) == [MembersLeft(users=("cid",))]
    assert book.do("ann", RemoveMembers(channel=X, user="dan")) == [MembersRemoved(users=("dan",))]
    assert book.refused("cid", JoinChannel(channel=X)) is CHANNEL_NOT_FOUND
    assert book.refused("dan", JoinChannel(channel=X)) is CHANNEL_NOT_FOUND
    assert member_count(book.tables) == 2
    book.assert_replay_equal()


def test_anybody_joins_a_public_group(book: Playbook) -> None:
    book.do("ann", UpdateChannel(channel=X, public=True))
    assert book.do("cid", JoinChannel(channel=X)) == [MembersJoined(users=("cid",))]


def test_who_leaves_or_is_removed_is_out_and_evicted(book: Playbook) -> None:
    assert book.do("bob", LeaveChannel(channel=X)) == [MembersLeft(users=("bob",))]
    assert book.refused("bob", SendMessage(channel=X, text="hi")) is CHANNEL_NOT_FOUND
    assert book.refused("bob", LeaveChannel(channel=X)) is CHANNEL_NOT_FOUND
    book.do("", AddMembers(channel=X, users=("bob",)), authority="server")
    book.do("ann", RemoveMembers(channel=X, users=("bob", "nobody")))
    stored = book.tables.published(book.tables.head_seq)
    assert stored is not None
    assert stored.head.flags & EVICTS
    assert decode_json(stored.info, list[str]) == ["bob"]
    assert member_count(book.tables) == 1
    assert book.do("ann", RemoveMembers(channel=X, user="nobody")) == []
    book.assert_replay_equal()


def test_adding_without_asking_is_for_server_keys(book: Playbook) -> None:
    command = AddMembers(channel=X, users=("cid", "bob"))
    assert book.refused("ann", command) is PERMISSION_DENIED
    assert book.do("", command, authority="server") == [MembersJoined(users=("cid",))]
    assert book.do("", command, authority="server") == []


def test_roles_rank(book: Playbook) -> None:
    book.do("", AddMembers(channel=X, users=("cid", "dan")), authority="server")
    assert book.refused("bob", SetRole(channel=X, user="bob", role=Role.OWNER)) is PERMISSION_DENIED
    assert book.do("ann", SetRole(channel=X, user="bob", role=Role.MODERATOR)) == [
        RoleChanged(user="bob", role=Role.MODERATOR)
    ]
    assert book.do("ann", SetRole(channel=X, user="bob", role=Role.MODERATOR)) == []
    book.do("ann", SetRole(channel=X, user="cid", role=Role.MODERATOR))
    assert book.refused("bob", RemoveMembers(channel=X, user="cid")) is PERMISSION_DENIED
    assert book.refused("bob", RemoveMembers(channel=X, user="ann")) is PERMISSION_DENIED
    assert book.do("bob", RemoveMembers(channel=X, user="dan")) != []
    assert book.do("ann", RemoveMembers(channel=X, user="cid")) != []
    assert book.do("", RemoveMembers(channel=X, user="ann"), authority="server") != []
    book.assert_replay_equal()


def test_members_do_not_invite_or_remove(book: Playbook) -> None:
    assert book.refused("bob", InviteMembers(channel=X, user="cid")) is PERMISSION_DENIED
    assert book.refused("bob", RemoveMembers(channel=X, user="ann")) is PERMISSION_DENIED
    assert book.refused("eve", InviteMembers(channel=X, user="cid")) is CHANNEL_NOT_FOUND


def test_a_role_needs_a_member(book: Playbook) -> None:
    command = SetRole(channel=X, user="eve", role=Role.MODERATOR)
    assert book.refused("ann", command) is NOT_FOUND
    nothing = SetRole(channel=X, user="bob", role=Role.INVITED)
    assert book.refused("ann", nothing) is BAD_REQUEST


def test_a_dm_keeps_its_pair() -> None:
    book = Playbook.direct("ann", "bob")
    for command in (
        InviteMembers(channel=book.key, user="cid"),
        AddMembers(channel=book.key, user="cid"),
        RemoveMembers(channel=book.key, user="ann"),
        SetRole(channel=book.key, user="ann", role=Role.OWNER),
        LeaveChannel(channel=book.key),
    ):
        assert book.refused("ann", command) is PERMISSION_DENIED
        assert book.refused("ann", command, authority="server") is PERMISSION_DENIED
    assert book.do("bob", JoinChannel(channel=book.key)) == []
    assert book.refused("eve", JoinChannel(channel=book.key)) is CHANNEL_NOT_FOUND
    join = JoinChannel(channel=book.key)
    assert book.refused("eve", join, authority="server") is PERMISSION_DENIED


def test_a_ban_is_lifted_before_anybody_is_let_in(book: Playbook) -> None:
    book.do("ann", BanMembers(channel=X, user="eve"))
    assert book.refused("eve", JoinChannel(channel=X), authority="server") is BANNED
    assert book.refused("ann", InviteMembers(channel=X, user="eve")) is BANNED


def test_a_hundred_members_are_as_many_whatever_their_roles() -> None:
    users = [f"u{n}" for n in range(SMALL_MEMBERS_MAX - 1)]
    book = Playbook(X, owner="ann", members=users)
    promotion = SetRole(channel=X, user="u1", role=Role.MODERATOR)
    assert book.do("ann", promotion) == [RoleChanged(user="u1", role=Role.MODERATOR)]


def test_joining_an_open_channel_keeps_nothing() -> None:
    book = Playbook(HALL, members=["mia"])
    rows = dict(book.tables[MEMBERS].packed)
    assert book.do("eve", JoinChannel(channel=HALL)) == []
    assert book.do("eve", LeaveChannel(channel=HALL)) == []
    assert book.tables[MEMBERS].packed == rows
    mod = SetRole(channel=HALL, user="tom", role=Role.MODERATOR)
    assert book.do("", mod, authority="server") == [RoleChanged(user="tom", role=Role.MODERATOR)]
    assert member_count(book.tables) == 2
    assert book.do("tom", RemoveMembers(channel=HALL, user="mia")) != []
    watcher = RemoveMembers(channel=HALL, user="eve")
    assert book.do("tom", watcher) == [MembersRemoved(users=("eve",))], "he may be subscribed"
    book.do("tom", InviteMembers(channel=HALL, user="ida"))
    assert book.do("ida", JoinChannel(channel=HALL)) == [MembersJoined(users=("ida",))]
    book.settings = AppSettings(channel_members_max=member_count(book.tables))
    assert book.refused("", replace(mod, user="eve"), authority="server") is TOO_MANY
    assert book.do("", replace(mod, user="ida"), authority="server") != []
    book.settings = AppSettings(channel_members_max=member_count(book.tables) + 1)
    assert book.do("", replace(mod, user="eve"), authority="server") != [], "there is room for one"
    book.assert_replay_equal()


def test_a_group_has_room_for_as_many_as_the_app_says() -> None:
    book = Playbook(X, settings=AppSettings(channel_members_max=3))
    assert book.refused("ann", CreateChannel(channel=X, members=("b", "c", "d"))) is TOO_MANY
    book.do("ann", CreateChannel(channel=X, members=("b",)))
    two = AddMembers(channel=X, users=("c", "d"))
    assert book.refused("", two, authority="server") is TOO_MANY
    book.do("", AddMembers(channel=X, user="c"), authority="server")
    book.do("ann", InviteMembers(channel=X, user="d"))
    assert book.refused("d", JoinChannel(channel=X)) is TOO_MANY
    assert book.do("c", JoinChannel(channel=X)) == []
    book.do("c", LeaveChannel(channel=X))
    assert book.do("d", JoinChannel(channel=X)) == [MembersJoined(users=("d",))]
    # Lowered later: nobody has to go, and adding who is there already is no error.
    book.settings = AppSettings(channel_members_max=2)
    assert book.do("", AddMembers(channel=X, users=("b", "d")), authority="server") == []
    assert book.refused("", AddMembers(channel=X, user="c"), authority="server") is TOO_MANY
    assert member_count(book.tables) == 3
    book.assert_replay_equal()


def test_a_group_beyond_ten_thousand() -> None:
    """Where the app allows it: each is counted once, listed in one order, and found at the end."""
    book = Playbook(X, owner="ann", settings=AppSettings(channel_members_max=100_000))
    for first in range(0, 11_000, 1_000):
        users = tuple(f"u{n:05}" for n in range(first, first + 1_000))
        book.do("", AddMembers(channel=X, users=users), authority="server")
    found: list[str] = []
    request = MembersRequest(X, limit=1_000)
    while True:
        page = book.query("u10999", "members.list", request)
        assert page["count"] == 11_001
        found += [row["user"] for row in page["members"]]
        if not page["next"]:
            break
        request = MembersRequest(X, after=page["next"], limit=1_000)
    assert found == ["ann", *(f"u{n:05}" for n in range(11_000))]
    book.do("u10998", LeaveChannel(channel=X))
    assert book.query("ann", "members.list", MembersRequest(X))["count"] == 11_000


def test_pages_of_members(book: Playbook) -> None:
    book.do("", AddMembers(channel=X, users=("cid", "dan")), authority="server")
    page = book.query("bob", "members.list", MembersRequest(X, limit=3))
    assert [row["user"] for row in page["members"]] == ["ann", "bob", "cid"]
    assert page["members"][0]["role"] == "owner"
    assert (page["count"], page["next"]) == (4, "cid")
    rest = book.query("bob", "members.list", MembersRequest(X, after="cid"))
    assert [row["user"] for row in rest["members"]] == ["dan"]
    assert rest["next"] == ""
    for limit, after in ((0, ""), (1_001, ""), (1, "a b")):
        with pytest.raises(Rejected) as caught:
            book.query("bob", "members.list", MembersRequest(X, after=after, limit=limit))
        assert caught.value.error is BAD_REQUEST


def test_malformed(book: Playbook) -> None:
    assert book.refused("ann", InviteMembers(channel=X)) is BAD_REQUEST
    assert book.refused("ann", InviteMembers(channel=X, user="a b")) is BAD_REQUEST
    many = tuple(f"u{n}" for n in range(1_001))
    assert book.refused("ann", InviteMembers(channel=X, users=many)) is TOO_MANY
    assert book.refused("", JoinChannel(channel=X), authority="server") is BAD_REQUEST


def test_a_channel_that_does_not_exist() -> None:
    book = Playbook(X)
    for command in (
        JoinChannel(channel=X),
        LeaveChannel(channel=X),
        InviteMembers(channel=X, user="a"),
    ):
        assert book.refused("ann", command) is CHANNEL_NOT_FOUND


def test_one_member_in_a_path_is_one_member(book: Playbook) -> None:
    """A body beside DELETE …/members/{user} must not widen it."""
    request = RemoveMembers(channel=X, user="bob", users=("ann",))
    turned = turn_remove_one(request, None)  # type: ignore[arg-type]  # the turn asks nothing
    assert turned == RemoveMembers(channel=X, user="bob")
