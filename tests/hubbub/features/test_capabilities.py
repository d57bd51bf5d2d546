"""Capabilities: laid over one another, shown with where they come from, and never an escalation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    Rejected,
)
from hubbub.features import capabilities
from hubbub.features.capabilities import (
    CapabilitiesRequest,
    SetMemberCapabilities,
    SetRoleCapabilities,
    turn_get,
)
from hubbub.features.channels import CreateChannel
from hubbub.features.contract import Command
from hubbub.features.freezing import FreezeChannel, UnfreezeChannel
from hubbub.features.members import (
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    RemoveMembers,
    SetRole,
)
from hubbub.features.messages import SendMessage
from hubbub.features.sanctions import BanMembers, MuteMembers, UnbanMembers, UnmuteMembers
from hubbub.features.standing import (
    CHANNEL,
    MEMBER_RIGHTS,
    ONLY,
    granted,
    rights_of,
    standing_of,
)
from hubbub.model.member import Role
from hubbub.model.permissions import CAPABILITIES, Action, of_role
from hubbub.settings.app import AppSettings, Override
from hubbub.wire.codec import decode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

KEY = "group:x"
OPEN = "open:x"
HELLO = SendMessage(channel=KEY, text="hello")
Names = tuple[str, ...]


def for_role(role: Role, grant: Names = (), deny: Names = (), *, channel: str = KEY) -> Command:
    return SetRoleCapabilities(channel=channel, role=role, grant=grant, deny=deny)


def for_user(user: str, grant: Names = (), deny: Names = (), *, channel: str = KEY) -> Command:
    return SetMemberCapabilities(channel=channel, user=user, grant=grant, deny=deny)


def room(settings: AppSettings | None = None) -> Playbook:
    book = Playbook(KEY, owner="ann", members=["mod", "bob", "cid"], settings=settings)
    book.do("ann", SetRole(channel=KEY, user="mod", role=Role.MODERATOR))
    return book


def get(book: Playbook, viewer: str, **of: Any) -> dict[str, Any]:
    return book.query(viewer, "capabilities.get", CapabilitiesRequest(channel=book.key, **of))


def test_layers_lie_over_one_another_and_say_who_they_are() -> None:
    book = room(
        AppSettings(
            capabilities={"group": {"member": Override(grant=("pin", "invite"), deny=("type",))}}
        )
    )
    book.do("ann", for_role(Role.MEMBER, ("type",), ("invite", "react")))
    book.do("ann", for_user("bob", ("react", "ban"), ("send",)))
    own = get(book, "bob")
    assert (own["user"], own["role"]) == ("bob", "member")
    assert (own["grant"], own["deny"]) == (["ban", "react"], ["send"])
    expected = {
        "read": (True, "kind"),
        "pin": (True, "app"),
        "type": (True, "channel"),
        "invite": (False, "channel"),
        "react": (True, "member"),
        "ban": (True, "member"),
        "send": (False, "member"),
        "truncate": (False, "kind"),
    }
    found = own["capabilities"]
    assert set(found) == CAPABILITIES
    assert {n: (found[n]["allowed"], found[n]["from"]) for n in expected} == expected
    role = get(book, "cid", role=Role.MEMBER)
    assert role["capabilities"]["react"] == {"allowed": False, "from": "channel"}
    assert (role["grant"], role["deny"]) == (["type"], ["invite", "react"])
    assert book.refused("bob", HELLO) is PERMISSION_DENIED
    book.do("cid", HELLO)
    book.assert_replay_equal()


def test_sanctions_and_freezing_show_as_what_takes() -> None:
    book = room()
    book.do("ann", MuteMembers(channel=KEY, user="bob"))
    assert get(book, "bob")["capabilities"]["send"] == {"allowed": False, "from": "mute"}
    assert get(book, "bob")["capabilities"]["read"] == {"allowed": True, "from": "kind"}
    book.do("ann", FreezeChannel(channel=KEY))
    assert get(book, "cid")["capabilities"]["react"] == {"allowed": False, "from": "freeze"}
    assert get(book, "mod")["capabilities"]["react"] == {"allowed": True, "from": "kind"}
    book.do("ann", BanMembers(channel=KEY, user="eve"))
    seen = get(book, "mod", user="eve")["capabilities"]
    assert seen["request_join"] == {"allowed": False, "from": "ban"}


def test_whose_capabilities_one_sees() -> None:
    book = room()
    with pytest.raises(Rejected, match="permission"):
        get(book, "bob", user="cid")
    with pytest.raises(Rejected, match="not_found"):
        get(book, "eve")
    both = CapabilitiesRequest(channel=KEY, user="bob", role=Role.MEMBER)
    with pytest.raises(Rejected, match="a user or a role"):
        turn_get(both, book.edge_context(Viewer("ann")))
    answer = book.query(
        "", "capabilities.get", CapabilitiesRequest(channel=KEY), authority="server"
    )
    assert answer["capabilities"]["send_system"] == {"allowed": True, "from": "authority"}
    of_bob = CapabilitiesRequest(channel=KEY, user="bob")
    for actor in ("", "ann"):
        answer = book.query(actor, "capabilities.get", of_bob, authority="server")
        assert answer["capabilities"]["ban"] == {"allowed": False, "from": "kind"}
    own = book.query("ann", "capabilities.get", CapabilitiesRequest(KEY), authority="moderator")
    assert own["capabilities"]["ban"] == {"allowed": True, "from": "kind"}, "he has it anyway"


def test_an_open_channel_may_be_a_stage() -> None:
    book = Playbook(OPEN, owner="ann")
    book.do("ann", for_role(Role.NONE, deny=("send",), channel=OPEN))
    hello = SendMessage(channel=OPEN, text="hello")
    assert book.refused("eve", hello) is not None
    book.access("eve")
    book.do("ann", for_user("eve", grant=("send",), channel=OPEN))
    book.do("eve", hello)
    book.do("ann", for_user("eve", channel=OPEN))
    assert book.tables[CHANNEL].get(ONLY).member_rights == 0
    assert book.refused("eve", hello) is not None
    invited = for_role(Role.INVITED, deny=("send",), channel=OPEN)
    assert book.refused("ann", invited) is BAD_REQUEST
    book.assert_replay_equal()


def test_an_app_may_keep_users_from_making_groups() -> None:
    denied = AppSettings(capabilities={"group": {"none": Override(deny=("create",))}})
    book = Playbook(KEY, settings=denied)
    assert book.refused("ann", CreateChannel(channel=KEY)) is PERMISSION_DENIED
    book.do("", CreateChannel(channel=KEY, owner="ann"), authority="server")


def test_reading_is_no_matter_of_capabilities() -> None:
    book = room(AppSettings(capabilities={"group": {"member": Override(deny=("read", "see"))}}))
    book.access("bob")
    assert book.refused("ann", for_role(Role.MEMBER, deny=("read",))) is BAD_REQUEST
    assert book.refused("ann", for_user("bob", deny=("see",))) is BAD_REQUEST
    for name in ("nonsense", "project", "create"):
        assert book.refused("ann", for_role(Role.MEMBER, grant=(name,))) is BAD_REQUEST


def test_nobody_grants_what_he_has_not_got() -> None:
    book = room()
    refusal = book.refusal("ann", for_role(Role.MEMBER, grant=("edit_any", "ban")))
    assert refusal.error is PERMISSION_DENIED
    assert refusal.details == {"missing": ["edit_any"]}
    book.do("", for_role(Role.MEMBER, grant=("edit_any",)), authority="server")
    book.do("ann", for_user("mod", grant=("set_capabilities",), deny=("mute",)))
    assert book.refused("mod", for_user("bob", grant=("mute",))) is PERMISSION_DENIED
    assert book.refused("mod", for_user("bob", grant=("truncate",))) is PERMISSION_DENIED
    assert book.refused("mod", for_user("mod", grant=("mute",))) is PERMISSION_DENIED
    assert book.refused("mod", for_role(Role.MODERATOR, grant=("ban",))) is PERMISSION_DENIED
    book.do("mod", for_user("bob", grant=("ban",)))
    book.do("ann", for_role(Role.MEMBER, deny=("mute",)))
    assert book.refused("mod", for_role(Role.MEMBER)) is PERMISSION_DENIED
    book.do("mod", for_user("bob", deny=("send",)))
    assert book.refused("mod", for_user("ann", deny=("send",))) is PERMISSION_DENIED, "an owner"
    both = SetRoleCapabilities(channel=KEY, role=Role.MEMBER, grant=("pin",), deny=("pin",))
    assert book.refused("ann", both) is BAD_REQUEST


def test_nobody_gives_a_role_with_rights_that_he_has_not_got() -> None:
    book = room()
    book.do("ann", for_user("mod", grant=("set_role",)))
    promotion = SetRole(channel=KEY, user="bob", role=Role.OWNER)
    assert book.refusal("mod", promotion).details["missing"][0] == "archive_channel"
    book.do("mod", SetRole(channel=KEY, user="bob", role=Role.MODERATOR))
    assert book.refused("mod", SetRole(channel=KEY, user="bob", role=Role.MEMBER)) is not None


def test_letting_in_is_granted_by_who_may_invite() -> None:
    book = room()
    book.do("ann", for_role(Role.NONE, grant=("join",)))
    book.do("eve", JoinChannel(channel=KEY))
    book.do("ann", for_role(Role.NONE, deny=("request_join",)))
    book.do("ann", for_role(Role.NONE))
    assert not get(book, "ann", role=Role.NONE)["capabilities"]["join"]["allowed"]


def test_who_comes_back_has_his_denials_and_no_grants() -> None:
    book = room()
    book.do("ann", for_user("bob", grant=("ban",), deny=("react",)))
    book.do("ann", for_user("cid", grant=("ban",)))
    book.do("bob", LeaveChannel(channel=KEY))
    book.do("ann", RemoveMembers(channel=KEY, users=("cid",)))
    assert book.tables[CHANNEL].get(ONLY).member_rights == 1
    for user in ("bob", "cid"):
        book.do("ann", InviteMembers(channel=KEY, user=user))
        book.do(user, JoinChannel(channel=KEY))
    found = get(book, "bob")
    assert (found["grant"], found["deny"]) == ([], ["react"])
    assert not get(book, "cid")["capabilities"]["ban"]["allowed"]
    book.assert_replay_equal()


def test_targets_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    book = room()
    assert book.refused("ann", for_user("eve", deny=("send",))) is NOT_FOUND
    assert book.refused("bob", for_user("cid", deny=("send",))) is PERMISSION_DENIED
    assert book.do("ann", for_user("bob")) == []
    direct = Playbook.direct("ann", "bob")
    owner = for_role(Role.OWNER, deny=("send",), channel=direct.key)
    assert direct.refused("", owner, authority="server") is BAD_REQUEST
    monkeypatch.setattr(capabilities, "MEMBER_RIGHTS_MAX", 1)
    book.do("ann", for_user("bob", deny=("send",)))
    assert book.refused("ann", for_user("cid", deny=("send",))) is LIMIT_EXCEEDED
    book.do("ann", for_user("bob", deny=("react",)))


def test_a_message_where_nobody_changed_anything_reads_two_rows() -> None:
    """The channel's and the sender's: the look-up costs nothing until somebody uses it."""
    book = room()
    reads = Reads(book)
    book.do("bob", HELLO)
    assert reads.taken() == {"channel": 1, "members": 1}
    book.do("ann", for_user("cid", deny=("react",)))
    reads.taken()
    book.do("bob", HELLO)
    assert reads.taken() == {"channel": 1, "members": 1, "capabilities.members": 1}


class Reads:
    """Counts the rows that rights are looked up in."""

    def __init__(self, book: Playbook) -> None:
        self._found: dict[str, int] = {}
        for name in ("channel", "members", "members.invites", "sanctions.bans", "sanctions.mutes"):
            self._count(book, name)
        self._count(book, "capabilities.members")

    def _count(self, book: Playbook, name: str) -> None:
        rows = book.tables[book.registry.tables[name]]
        get = rows.get

        def counted(key: Any) -> Any:
            self._found[name] = self._found.get(name, 0) + 1
            return get(key)

        rows.get = counted

    def taken(self) -> dict[str, int]:
        """Since the last call."""
        found = dict(self._found)
        self._found.clear()
        return found


# --- no escalation, whatever happens

PEOPLE = ("ann", "mod", "bob", "cid", "eve")
NAMES = ("send", "invite", "ban", "mute", "set_role", "set_capabilities", "truncate", "edit_any")
people = st.sampled_from(PEOPLE)
names = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
one = people.map(lambda user: (user,))
commands = st.one_of(
    st.builds(for_role, st.sampled_from(list(Role)), names, names),
    st.builds(for_user, people, names, names),
    st.builds(
        SetRole,
        channel=st.just(KEY),
        user=people,
        role=st.sampled_from([Role.MEMBER, Role.MODERATOR, Role.OWNER]),
    ),
    st.sampled_from(
        [
            JoinChannel(channel=KEY),
            LeaveChannel(channel=KEY),
            FreezeChannel(channel=KEY),
            UnfreezeChannel(channel=KEY),
        ]
    ),
    *(
        st.builds(shape, channel=st.just(KEY), users=one)
        for shape in (
            InviteMembers,
            RemoveMembers,
            BanMembers,
            UnbanMembers,
            MuteMembers,
            UnmuteMembers,
        )
    ),
)
steps = st.lists(st.tuples(people, commands), max_size=25)


def all_rights(book: Playbook) -> dict[str, frozenset[Action]]:
    """By user: sanctions and freezing aside."""
    ctx = book.context(Viewer(""))
    return {u: granted(standing_of(u, book.tables, ctx), ctx.settings) for u in PEOPLE}


def entry_rights(book: Playbook) -> frozenset[Action]:
    """What anybody may come to by being let in, as the channel is now."""
    found = frozenset[Action]()
    for role in (Role.NONE, Role.INVITED, Role.MEMBER):
        found |= of_role(book.tables[CHANNEL].get(ONLY).kind, role)
        own = book.tables[CHANNEL].get(ONLY).rights.get(role)
        found |= {Action(name) for name in own.grant} if own else frozenset()
    return found


@settings(max_examples=150)
@given(steps)
def test_nobody_gains_more_than_the_one_who_gave_it_had(played: list[tuple[str, Command]]) -> None:
    book = room()
    book.do("ann", for_user("mod", grant=("set_role", "set_capabilities")))
    letting_in = {Action.JOIN, Action.REQUEST_JOIN}
    for user, command in played:
        before, entry = all_rights(book), entry_rights(book)
        try:
            book.do(user, command)
        except Rejected:
            continue
        allowed = before[user] | entry | letting_in
        for other, rights in all_rights(book).items():
            assert rights - before[other] <= allowed, (user, command, other)
    book.assert_replay_equal()


@settings(max_examples=150)
@given(steps)
def test_without_its_owner_a_channel_never_has_more_rights_than_its_staff_had(
    played: list[tuple[str, Command]],
) -> None:
    """Over the whole sequence: what only the owner has stays the owner's."""
    book = room()
    book.do("ann", for_user("mod", grant=("set_role", "set_capabilities")))
    start = all_rights(book)
    reach = start["mod"] | entry_rights(book) | {Action.JOIN, Action.REQUEST_JOIN}
    for user, command in played:
        if user != "ann":
            try:
                book.do(user, command)
            except Rejected:
                continue
            found = all_rights(book)
            assert all(found[other] <= reach for other in PEOPLE if other != "ann")
            assert found["ann"] == start["ann"]
            ctx = book.context(Viewer(""))
            held = rights_of(standing_of("ann", book.tables, ctx), ctx.settings)
            assert held == start["ann"], "nobody sanctions or freezes out the owner"


def test_which_rights_somebody_has_is_not_told_to_everybody() -> None:
    """Queries keep it to SEE_CAPABILITIES; the event that all members get named them."""
    key = "group:x"
    book = Playbook(key, owner="ann", members=["bob", "cid"])
    book.do("ann", SetMemberCapabilities(channel=key, user="bob", grant=("pin",), deny=("react",)))
    stored = book.tables.published(book.tables.head_seq)
    assert stored is not None
    told = decode_json(stored.data, dict[str, Any])
    assert (told["t"], told["user"]) == ("member.capabilities_changed", "bob")
    assert told.keys().isdisjoint(("grant", "deny"))
    for user in ("ann", "bob"):
        shown = book.query(user, "capabilities.get", CapabilitiesRequest(key, user="bob"))
        assert (shown["grant"], shown["deny"]) == (["pin"], ["react"])


def test_who_may_not_invite_lets_nobody_in_by_a_grant() -> None:
    """Nobody inside may join himself: whoever invites may grant it, and only he."""
    no_invite = AppSettings(capabilities={"group": {"owner": Override(deny=("invite",))}})
    to_the_invited = for_role(Role.INVITED, ("request_join",))
    book = room()
    book.settings = no_invite
    assert book.refused("ann", to_the_invited) is PERMISSION_DENIED
    book.settings = AppSettings()
    assert book.do("ann", to_the_invited)


def test_what_stands_is_not_granted_again() -> None:
    """Who lacks something may leave it to those who were given it; what the layer below grants
    today he may not grant for good."""
    book = room()
    book.do("", for_user("bob", grant=("edit_any",), deny=("add",)), authority="server")
    book.do("ann", for_user("bob", grant=("edit_any", "ban"), deny=("add",)))
    book.do("", for_role(Role.MEMBER, grant=("edit_any",)), authority="server")
    assert book.refused("ann", for_user("cid", grant=("edit_any",))) is PERMISSION_DENIED
    book.do("ann", for_role(Role.MEMBER, grant=("edit_any",), deny=("type",)))
    assert book.do("ann", for_role(Role.MEMBER, grant=("edit_any",), deny=("type",))) == []


def test_what_is_taken_back_leaves_no_row() -> None:
    book = room()
    book.do("ann", for_role(Role.MEMBER, deny=("send",)))
    book.do("ann", for_role(Role.MODERATOR, deny=("send",)))
    book.do("ann", for_role(Role.MEMBER))
    assert book.tables[CHANNEL].get(ONLY).rights == {Role.MODERATOR: Override(deny=("send",))}
    book.do("ann", for_user("bob", grant=("ban",)))
    book.do("ann", for_user("bob"))
    assert book.tables[MEMBER_RIGHTS].scan() == []
    book.do("bob", HELLO)


def test_who_is_invited_to_a_group_has_rights_of_that_role() -> None:
    book = room()
    book.do("ann", InviteMembers(channel=KEY, users=("ida",)))
    book.do("ann", for_role(Role.INVITED, deny=("join",)))
    assert book.refused("ida", JoinChannel(channel=KEY)) is PERMISSION_DENIED
    book.do("ann", for_role(Role.INVITED))
    book.do("ann", for_role(Role.NONE, deny=("join",)))
    assert book.do("ida", JoinChannel(channel=KEY)) != []
