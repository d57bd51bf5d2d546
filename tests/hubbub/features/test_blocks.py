"""Whom a user blocks: kept in his own stream, told to edges."""

from __future__ import annotations

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, PERMISSION_DENIED, TOO_MANY
from hubbub.features.blocks import BLOCKS_MAX, BlocksRequest, BlockUser, UnblockUser
from hubbub.features.channel_list import DropListed, PutListed
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.event import BLOCKS
from tests.support.playbook import Playbook


def names(book: Playbook) -> list[str]:
    found = book.query("ann", "block.list", BlocksRequest())["blocks"]
    assert all(row["since"].endswith("Z") for row in found)
    return [row["user"] for row in found]


def test_twice_is_no_event_and_edges_are_told() -> None:
    book = Playbook("#ann")
    [event] = book.do("ann", BlockUser(user="ann", blocked="bob"))
    assert (event.TAG, list(event.blocks())) == ("user.blocked", ["+bob"])
    assert book.do("ann", BlockUser(user="ann", blocked="bob")) == []
    assert book.shown(1)["blocked"] == "bob"
    book.do("ann", BlockUser(user="ann", blocked="al"))
    assert names(book) == ["al", "bob"]
    assert book.snapshot("ann")["blocks"] == ["al", "bob"]
    [event] = book.do("ann", UnblockUser(user="ann", blocked="bob"))
    assert (event.TAG, list(event.blocks())) == ("user.unblocked", ["-bob"])
    assert book.do("ann", UnblockUser(user="ann", blocked="bob")) == []
    assert names(book) == ["al"]
    book.assert_replay_equal()


def test_the_flags_say_which_list() -> None:
    event = BlockUser(user="ann", blocked="bob")
    assert event.stream_key() == "#ann"
    assert BLOCKS.bit_count() == 2


def test_bounds_and_rights() -> None:
    book = Playbook("#ann")
    assert book.refused("ann", BlockUser(user="ann", blocked="ann")) is BAD_REQUEST
    assert book.refused("bob", BlockUser(user="ann", blocked="cid")) is PERMISSION_DENIED
    for n in range(BLOCKS_MAX):
        book.do("ann", BlockUser(user="ann", blocked=f"u{n}"))
    assert book.refused("ann", BlockUser(user="ann", blocked="more")) is TOO_MANY
    assert book.do("ann", BlockUser(user="ann", blocked="u7")) == []
    book.do("", UnblockUser(user="ann", blocked="u7"), authority="server")
    assert len(book.do("ann", BlockUser(user="ann", blocked="more"))) == 1
    raw = Playbook("#ann", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("ann", BlockUser(user="ann", blocked="bob")) is NOT_AVAILABLE


def test_an_invitation_by_somebody_blocked_leaves_the_list_alone() -> None:
    book = Playbook("#ann")
    book.do("ann", BlockUser(user="ann", blocked="bob"))

    def put(inviter: str) -> PutListed:
        kind, role = ChannelKind.GROUP, Role.INVITED
        return PutListed(user="ann", channel="group:x", kind=kind, role=role, inviter=inviter)

    assert book.do("", put("bob"), authority="system") == []
    [event] = book.do("", put("cid"), authority="system")
    assert event.TAG == "channel.invited"


def test_a_channel_made_by_somebody_blocked_is_hidden_and_can_be_left() -> None:
    book = Playbook("#ann")
    book.do("ann", BlockUser(user="ann", blocked="bob"))

    def put(inviter: str, name: str = "") -> PutListed:
        return PutListed(
            user="ann",
            channel="group:x",
            kind=ChannelKind.GROUP,
            role=Role.MEMBER,
            name=name,
            inviter=inviter,
        )

    [added] = book.do("", put("bob", "rude"), authority="system")
    assert (added.TAG, "rude" in repr(added)) == ("channel.added", False)
    assert book.do("", put("bob", "rude"), authority="system") == [], "again"
    [line] = book.snapshot("ann")["channels"]
    assert (line["state"], line["hidden"]) == ("joined", "for_good")
    drop = DropListed(user="ann", channel="group:x")
    book.do("", drop, authority="system")
    book.do("", put("cid", "nice"), authority="system")
    [line] = book.snapshot("ann")["channels"]
    assert (line["name"], "hidden" in line) == ("nice", False)
    book.assert_replay_equal()
