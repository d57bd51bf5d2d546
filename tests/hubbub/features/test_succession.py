"""Who owns a channel when its last owner leaves it, or is out of the app."""

from __future__ import annotations

import pytest
from msgspec.structs import (
    asdict,
)

from hubbub.base.errors import LAST_OWNER, PERMISSION_DENIED
from hubbub.features.channel_list import PutListed
from hubbub.features.channels import (
    DeleteChannel,
)
from hubbub.features.contract import Event
from hubbub.features.exclusions import TellUser
from hubbub.features.members import (
    AddMembers,
    LeaveChannel,
    MembersLeft,
    MembersRemoved,
    RemoveMembers,
    RoleChanged,
    SetRole,
)
from hubbub.features.standing import AWAY, MEMBERS, STAFF, role_of
from hubbub.features.succession import NoteOwner, OwnedTold, OwnerNoted, TellOwned
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from tests.support.playbook import Playbook

X = "group:x"


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"])


def give(book: Playbook, user: str, role: Role, by: str = "ann") -> None:
    book.do(by, SetRole(channel=book.key, user=user, role=role))


def note(book: Playbook, user: str, *, away: bool = True) -> list[Event]:
    command = NoteOwner(channel=book.key, user=user, away=away)
    return list(book.do("", command, authority="system"))


# --- who is there decides himself


def test_the_last_owner_does_not_go_while_there_are_others(book: Playbook) -> None:
    demotion = SetRole(channel=X, user="ann", role=Role.MEMBER)
    everybody = RemoveMembers(channel=X, users=("ann", "bob"))
    for command in (
        LeaveChannel(channel=X),
        RemoveMembers(channel=X, user="ann"),
        everybody,
        demotion,
    ):
        assert book.refused("ann", command) is LAST_OWNER
    give(book, "bob", Role.OWNER)
    assert book.refused("ann", everybody) is LAST_OWNER, "both of them, and cid stays"
    assert book.do("ann", demotion) != []
    assert book.refused("bob", LeaveChannel(channel=X)) is LAST_OWNER
    give(book, "cid", Role.OWNER, by="bob")
    assert book.do("bob", LeaveChannel(channel=X)) == [MembersLeft(users=("bob",))]
    assert dict(book.tables[STAFF].scan()) == {"cid": "owner"}
    book.assert_replay_equal()


def test_who_is_alone_may_go_and_who_owns_nothing(book: Playbook) -> None:
    give(book, "bob", Role.MODERATOR)
    book.do("bob", LeaveChannel(channel=X))
    assert book.do("ann", RemoveMembers(channel=X, users=("ann", "cid"))) == [
        MembersRemoved(users=("ann", "cid"))
    ]
    alone = Playbook("group:y", owner="ann")
    assert alone.refused("ann", SetRole(channel="group:y", user="ann", role=Role.MEMBER)) is (
        LAST_OWNER
    )
    assert alone.do("ann", LeaveChannel(channel="group:y")) != []
    assert dict(alone.tables[STAFF].scan()) == {}


def test_an_open_channel_may_have_others_always() -> None:
    hall = Playbook("open:hall", owner="ann")
    assert hall.refused("ann", LeaveChannel(channel="open:hall")) is LAST_OWNER
    give(hall, "eve", Role.OWNER)
    assert hall.do("ann", LeaveChannel(channel="open:hall")) != []


def test_a_server_key_may_leave_a_channel_without(book: Playbook) -> None:
    book.do("", SetRole(channel=X, user="ann", role=Role.MEMBER), authority="server")
    assert dict(book.tables[STAFF].scan()) == {}
    give_back = SetRole(channel=X, user="ann", role=Role.OWNER)
    book.do("", give_back, authority="server")
    assert book.do("", RemoveMembers(channel=X, user="ann"), authority="server") == [
        MembersRemoved(users=("ann",))
    ]


# --- who is out of the app is followed


def test_the_longest_standing_moderator_follows_or_else_member(book: Playbook) -> None:
    book.do("", AddMembers(channel=X, users=("abe",)), authority="server")
    noted = OwnerNoted(user="ann", away=True)
    heir = RoleChanged(user="bob", role=Role.OWNER)
    assert note(book, "ann") == [noted, heir], "before abe, who came later; cid joined with bob"
    assert note(book, "ann") == [], "told twice"
    assert role_of(book.tables, "ann") is Role.OWNER
    staffed = Playbook(X, owner="ann", members=["bob", "cid"])
    staffed.do("", AddMembers(channel=X, users=("abe",)), authority="server")
    give(staffed, "abe", Role.MODERATOR)
    assert note(staffed, "ann")[1:] == [RoleChanged(user="abe", role=Role.OWNER)]
    for played in (book, staffed):
        played.assert_replay_equal()


def test_nobody_follows_where_another_owner_is_left_or_nobody_at_all(book: Playbook) -> None:
    give(book, "bob", Role.OWNER)
    assert note(book, "ann") == [OwnerNoted(user="ann", away=True)]
    assert book.refused("bob", LeaveChannel(channel=X)) is LAST_OWNER, "ann is not there"
    assert note(book, "bob")[1:] == [RoleChanged(user="cid", role=Role.OWNER)]
    assert note(book, "ann", away=False) == [OwnerNoted(user="ann", away=False)]
    assert book.do("cid", LeaveChannel(channel=X)) != [], "ann is back"
    assert note(Playbook("group:y", owner="ann"), "ann") == [OwnerNoted(user="ann", away=True)]
    alone = Playbook("group:y", owner="ann")
    note(alone, "ann")
    alone.do("", AddMembers(channel="group:y", user="bob"), authority="server")
    back = OwnerNoted(user="ann", away=False)
    assert note(alone, "ann", away=False) == [back], "who comes back makes nobody an owner"
    alone.do("ann", DeleteChannel(channel="group:y"))
    assert note(alone, "ann") == []
    assert note(Playbook("group:nowhere"), "ann") == []
    assert note(book, "eve") == []
    assert note(Playbook.direct("ann", "bob"), "ann") == []
    assert book.refused("ann", NoteOwner(channel=X, user="bob", away=True)) is PERMISSION_DENIED


def test_what_is_noted_of_an_owner_goes_with_his_role(book: Playbook) -> None:
    give(book, "bob", Role.OWNER)
    note(book, "ann")
    give(book, "ann", Role.MEMBER, by="bob")
    assert dict(book.tables[AWAY].scan()) == {}
    give(book, "ann", Role.OWNER, by="bob")
    note(book, "ann")
    book.do("bob", RemoveMembers(channel=X, user="ann"))
    assert dict(book.tables[AWAY].scan()) == {}
    assert dict(book.tables[STAFF].scan()) == {"bob": "owner"}
    assert book.tables[MEMBERS].get("ann") is None
    book.assert_replay_equal()


def listed(mine: Playbook, channel: str, role: Role) -> None:
    put = PutListed(user="ann", channel=channel, kind=ChannelKind.GROUP, role=role)
    mine.do("", put, authority="system")


def told(mine: Playbook, *, deactivated: bool = False, banned_ms: int = 0) -> list[NoteOwner]:
    before = len(mine.forwards)
    state = TellUser(user="ann", deactivated=deactivated, banned_ms=banned_ms)
    mine.do("", state, authority="system")
    return [one for one in mine.forwards[before:] if isinstance(one, NoteOwner)]


def test_the_channels_that_he_owns_are_told() -> None:
    mine = Playbook("#ann")
    for n, role in enumerate((Role.OWNER, Role.MEMBER, Role.MODERATOR, Role.OWNER)):
        listed(mine, f"group:{n}", role)
    both = [NoteOwner(channel=f"group:{n}", user="ann", away=True) for n in (0, 3)]
    assert told(mine, deactivated=True) == both
    back = [NoteOwner(channel=f"group:{n}", user="ann", away=False) for n in (0, 3)]
    assert told(mine) == back
    assert told(mine, banned_ms=1 << 62) == both
    assert told(mine) == back
    in_an_hour = mine.now_ms + 3_600_000
    assert told(mine, banned_ms=in_an_hour) == back, "a ban that ends changes nothing"
    mine.assert_replay_equal()


def test_who_becomes_an_owner_when_he_is_out_is_told_of(book: Playbook) -> None:
    mine = Playbook("#ann")
    listed(mine, "group:1", Role.MEMBER)
    told(mine, deactivated=True)
    before = len(mine.forwards)
    listed(mine, "group:1", Role.OWNER)
    listed(mine, "group:2", Role.OWNER)
    listed(mine, "group:3", Role.MEMBER)
    assert mine.forwards[before:] == [
        NoteOwner(channel="group:1", user="ann", away=True),
        NoteOwner(channel="group:2", user="ann", away=True),
    ]


def test_thousands_of_channels_go_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubbub.features.succession.STEP_CHANNELS", 2)
    mine = Playbook("#ann")
    for n in range(5):
        listed(mine, f"group:{n}", Role.OWNER)
    first = [one.channel for one in told(mine, deactivated=True)]
    assert first == ["group:0", "group:1"]
    before = len(mine.forwards)
    assert mine.fall_due("succession.") == [OwnedTold(after=f"group:{n}") for n in (1, 3)]
    rest = [one.channel for one in mine.forwards[before:] if isinstance(one, NoteOwner)]
    assert rest == ["group:2", "group:3", "group:4"]
    assert mine.refused("ann", TellOwned(user="ann", after="")) is PERMISSION_DENIED
    mine.assert_replay_equal()


def test_of_who_is_there_nothing_is_noted() -> None:
    """A new owner is looked at only where he is out of the app."""
    ann = Playbook("#ann")
    put = PutListed(user="ann", channel=X, kind=ChannelKind.GROUP, role=Role.OWNER)
    ann.do("", put, authority="system")
    assert ann.forwards == []
    ann.do("", TellUser("ann", deactivated=True), authority="system")
    assert ann.forwards == [NoteOwner(channel=X, user="ann", away=True)]
    ann.forwards.clear()
    ann.do("", PutListed(**{**asdict(put), "channel": "group:y"}), authority="system")
    assert ann.forwards == [NoteOwner(channel="group:y", user="ann", away=True)]
