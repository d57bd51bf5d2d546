"""dm to group to open: same stream, histories that begin where they should, and the next dm."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    CONFLICT,
    LIMIT_EXCEEDED,
    NOT_A_MEMBER,
    NOT_FOUND,
    PERMISSION_DENIED,
    PROMOTED,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.base.names import dm_channel
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.channel_list import ListRequest, PutListed
from hubbub.features.channels import (
    PROMOTIONS_MAX,
    ChannelRequest,
    CreateChannel,
    OpenDirect,
    OpenRequest,
    UpdateChannel,
    turn_open,
)
from hubbub.features.guarantees import ChannelTierChanged
from hubbub.features.history import HistoryRequest, MessageRequest
from hubbub.features.members import AddMembers, InviteMembers, JoinChannel, LeaveChannel
from hubbub.features.messages import SendMessage
from hubbub.features.promotion import ChannelPromoted, PromoteChannel
from hubbub.features.standing import MEMBERS
from hubbub.model.channel import ChannelKind, HistoryRule
from hubbub.model.member import Role
from hubbub.wire.shapes import Viewer
from tests.support.playbook import ID_SECRET, Playbook, walk

GROUP, OPEN = ChannelKind.GROUP, ChannelKind.OPEN


def texts(book: Playbook, user: str) -> list[str]:
    page = book.query(user, "history.get", HistoryRequest(book.key, limit=100))
    back = book.query(user, "history.get", HistoryRequest(book.key, after_seq=0, limit=100))
    assert page == back
    return [message["text"] for message in page["messages"]]


def promoted(history: HistoryRule = HistoryRule.FROM_JOIN) -> Playbook:
    """ann's and bob's dm with one message, made a group by ann."""
    book = Playbook.direct("ann", "bob")
    book.do("bob", SendMessage(channel=book.key, text="old"))
    book.do("ann", PromoteChannel(channel=book.key, kind=GROUP, history=history))
    return book


def test_a_dm_becomes_a_group_of_its_promoter_in_the_same_stream() -> None:
    book = promoted()
    assert book.outcome.seq == 3
    assert book.tables[MEMBERS].get("ann").role is Role.OWNER
    assert book.tables[MEMBERS].get("bob").role is Role.MEMBER
    book.do("ann", InviteMembers(channel=book.key, users=("cid",)))
    book.do("cid", JoinChannel(channel=book.key))
    book.do("cid", SendMessage(channel=book.key, text="new"))
    shown = book.query("cid", "channel.get", ChannelRequest(book.key))
    assert (shown["kind"], shown["members"], shown["history"]) == ("group", 3, "from_join")
    book.assert_replay_equal()


def test_newcomers_read_from_their_join_and_nothing_before_by_any_door() -> None:
    book = promoted()
    old = book.query("bob", "history.get", HistoryRequest(book.key))["messages"][0]["id"]
    book.do("ann", InviteMembers(channel=book.key, users=("cid",)))
    book.do("cid", JoinChannel(channel=book.key))
    joined = book.tables.head_seq
    book.do("ann", SendMessage(channel=book.key, text="new"))
    assert texts(book, "cid") == ["new"]
    assert texts(book, "bob") == ["old", "new"]
    with pytest.raises(Rejected) as caught:
        book.query("cid", "message.get", MessageRequest(book.key, old))
    assert caught.value.error is NOT_FOUND
    assert book.access("cid").history_from == joined
    assert book.access("bob").history_from == 1
    assert book.snapshot("cid")["channel"]["history_from"] == joined
    at = HistoryRequest(book.key, around_seq=2)
    assert [m["text"] for m in book.query("cid", "history.get", at)["messages"]] == ["new"]
    everything = book.query("", "history.get", HistoryRequest(book.key), authority="server")
    assert len(everything["messages"]) == 2


def test_a_newcomers_list_does_not_show_what_was_said_before() -> None:
    book = promoted()
    book.do("ann", InviteMembers(channel=book.key, users=("cid",)))
    book.do("cid", JoinChannel(channel=book.key))
    assert book.head("cid")["preview"] is None
    assert "preview" not in book.head("bob")
    book.do("ann", SendMessage(channel=book.key, text="new"))
    assert "preview" not in book.head("cid")


def test_the_promoter_may_open_the_history() -> None:
    book = promoted(HistoryRule.ALL)
    book.do("ann", InviteMembers(channel=book.key, users=("cid",)))
    book.do("cid", JoinChannel(channel=book.key))
    assert texts(book, "cid") == ["old"]


def test_any_group_may_begin_histories_at_the_join_and_change_that_for_those_to_come() -> None:
    book = Playbook("group:x")
    rule = HistoryRule.FROM_JOIN
    book.do("ann", CreateChannel(channel="group:x", history=rule))
    book.do("ann", SendMessage(channel="group:x", text="one"))
    book.do("", AddMembers(channel="group:x", users=("bob",)), authority="server")
    book.do("ann", UpdateChannel(channel="group:x", history=HistoryRule.ALL))
    book.do("", AddMembers(channel="group:x", users=("cid",)), authority="server")
    assert (texts(book, "bob"), texts(book, "cid")) == ([], ["one"])
    book.assert_replay_equal()


def test_an_open_channel_is_read_by_all_from_its_promotion_on() -> None:
    book = promoted()
    book.do("ann", SendMessage(channel=book.key, text="in the group"))
    events = book.do("ann", PromoteChannel(channel=book.key, kind=OPEN))
    assert [type(event) for event in events] == [ChannelPromoted, ChannelTierChanged]
    book.do("guest", SendMessage(channel=book.key, text="hello"))
    assert texts(book, "guest") == ["hello"]
    assert texts(book, "bob") == ["old", "in the group", "hello"]
    assert book.refused("ann", PromoteChannel(channel=book.key, kind=GROUP)) is PERMISSION_DENIED
    back = PromoteChannel(channel=book.key, kind=GROUP)
    assert book.refused("", back, authority="server") is CONFLICT
    assert book.refused("", PromoteChannel(channel=book.key, kind=ChannelKind.DM)) is BAD_REQUEST
    book.do("bob", LeaveChannel(channel=book.key))
    assert texts(book, "bob") == ["hello"]
    book.assert_replay_equal()


def test_whoever_is_not_of_the_pair_or_no_owner_promotes_nothing() -> None:
    dm = Playbook.direct("ann", "bob")
    assert dm.refused("eve", PromoteChannel(channel=dm.key, kind=GROUP)) is CHANNEL_NOT_FOUND
    group = Playbook("group:x", owner="ann", members=["bob"])
    assert group.refused("bob", PromoteChannel(channel="group:x", kind=OPEN)) is PERMISSION_DENIED
    assert group.do("ann", PromoteChannel(channel="group:x", kind=GROUP)) == []


def test_the_pairs_next_dm_has_the_next_number() -> None:
    book = promoted()
    again = OpenDirect(channel=book.key, members=("ann", "bob"))
    assert book.refused("bob", again) is PROMOTED
    ann = book.edge_context(Viewer("ann"))
    first, second, answer = walk(turn_open(OpenRequest("bob"), ann), Rejected(PROMOTED), b"{}")
    name = dm_channel(ID_SECRET, "ann", "bob", 1)
    assert first == again
    assert second == OpenDirect(channel=name, members=("ann", "bob"), n=1)
    assert answer == b"{}"
    other = Playbook(name)
    assert other.refused("ann", OpenDirect(channel=name, members=("ann", "bob"))) is UNKNOWN_CHANNEL
    other.do("ann", OpenDirect(channel=name, members=("ann", "bob"), n=1))
    assert other.reply == {"channel": name, "created": True}
    with pytest.raises(Rejected) as caught:
        walk(turn_open(OpenRequest("bob"), ann), *[Rejected(PROMOTED)] * PROMOTIONS_MAX)
    assert caught.value.error is LIMIT_EXCEEDED
    with pytest.raises(Rejected) as caught:
        walk(turn_open(OpenRequest("bob"), ann), Rejected(NOT_A_MEMBER))
    assert caught.value.error is NOT_A_MEMBER


def test_the_lists_of_all_members_learn_it() -> None:
    book = promoted()
    kinds = {(f.user, f.kind, f.role) for f in book.forwards}  # type: ignore[attr-defined]
    assert kinds == {("ann", GROUP, Role.OWNER), ("bob", GROUP, Role.MEMBER)}
    mine = Playbook("#bob")
    before = PutListed(
        user="bob", channel=book.key, kind=ChannelKind.DM, role=Role.MEMBER, peer="ann"
    )
    for forward in [before, *[f for f in book.forwards if f.stream_key() == "#bob"]]:
        mine.do("ann", forward, authority="system")
    [row] = mine.query("bob", "user.channels", ListRequest("bob"))["channels"]
    assert (row["kind"], "peer" in row) == ("group", False)
    mine.assert_replay_equal()


def test_an_open_channel_may_show_all_that_was_said() -> None:
    book = promoted()
    book.do("ann", PromoteChannel(channel=book.key, kind=OPEN, history=HistoryRule.ALL))
    assert texts(book, "guest") == ["old"]


def test_only_who_promotes_a_dm_owns_it_by_that() -> None:
    book = Playbook("group:x", owner="ann", members=["bob"])
    grant = SetMemberCapabilities(channel="group:x", user="bob", grant=("promote",))
    book.do("", grant, authority="server")
    event, *_ = book.do("bob", PromoteChannel(channel="group:x", kind=OPEN))
    assert event == ChannelPromoted(kind=OPEN, was=GROUP, history=HistoryRule.FROM_JOIN)
    assert book.tables[MEMBERS].get("bob").role is Role.MEMBER
