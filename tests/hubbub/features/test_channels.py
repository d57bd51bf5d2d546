"""Creation, the one channel of a pair, description, end."""

from __future__ import annotations

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_EXISTS,
    CHANNEL_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.base.names import dm_channel
from hubbub.features.channels import (
    ChannelCreated,
    ChannelDeleted,
    ChannelRequest,
    ChannelUpdated,
    CreateChannel,
    DeleteChannel,
    NewChannelRequest,
    OpenDirect,
    OpenRequest,
    UpdateChannel,
    turn_new,
    turn_open,
)
from hubbub.features.fields import (
    META_BYTES_MAX,
)
from hubbub.features.messages import SendMessage
from hubbub.features.standing import MEMBERS
from hubbub.model.channel import (
    ChannelKind,
    HistoryRule,
)
from hubbub.model.member import Role
from hubbub.wire.shapes import Viewer
from tests.support.playbook import ID_SECRET, Playbook, walk

X = "group:x"


def test_the_creator_owns_a_group_and_members_join_with_it() -> None:
    book = Playbook(X)
    command = CreateChannel(channel=X, members=("bob", "cid", "bob"), name="X")
    assert book.do("ann", command) == [
        ChannelCreated(kind=ChannelKind.GROUP, members=("ann", "bob", "cid"), owner="ann", name="X")
    ]
    assert book.reply == {"channel": X, "created": True}
    assert book.outcome.seq == 1
    members = book.tables[MEMBERS]
    assert members.get("ann").role is Role.OWNER
    assert members.get("bob").role is Role.MEMBER
    book.assert_replay_equal()


def test_a_name_is_taken_once() -> None:
    book = Playbook(X, owner="ann")
    assert book.refused("bob", CreateChannel(channel=X)) is CHANNEL_EXISTS
    assert book.refused("", CreateChannel(channel=X), authority="server") is CHANNEL_EXISTS


def test_a_server_key_creates_without_an_owner_or_names_one() -> None:
    book = Playbook(X)
    book.do("", CreateChannel(channel=X, members=("bob",)), authority="server")
    assert book.tables[MEMBERS].get("bob").role is Role.MEMBER
    other = Playbook("group:y")
    command = CreateChannel(channel="group:y", owner="ann", members=("bob",))
    assert other.refused("eve", command) is PERMISSION_DENIED
    other.do("", command, authority="server")
    assert other.tables[MEMBERS].get("ann").role is Role.OWNER


def test_open_channels_are_made_by_the_app() -> None:
    book = Playbook("open:hall")
    assert book.refused("ann", CreateChannel(channel="open:hall")) is PERMISSION_DENIED
    book.do("", CreateChannel(channel="open:hall"), authority="server")
    shown = book.query("anyone", "channel.get", ChannelRequest("open:hall"))
    assert shown["kind"] == "open"


def test_a_pair_has_one_dm_whoever_opens_it() -> None:
    book = Playbook.direct("ann", "bob")
    assert book.reply == {"channel": book.key, "created": True}
    again = OpenDirect(channel=book.key, members=("bob", "ann"))
    assert book.do("bob", again) == []
    assert book.reply == {"channel": book.key, "created": False}
    assert book.do("", again, authority="server") == []
    assert book.tables.head_seq == 1
    assert book.refused("eve", again) is PERMISSION_DENIED
    book.assert_replay_equal()


def test_a_dm_name_that_a_caller_makes_up_is_never_created() -> None:
    book = Playbook("dm:mine")
    assert book.refused("ann", CreateChannel(channel="dm:mine")) is UNKNOWN_CHANNEL
    made_up = OpenDirect(channel="dm:mine", members=("ann", "bob"))
    assert book.refused("ann", made_up) is UNKNOWN_CHANNEL
    assert book.refused("", made_up, authority="server") is UNKNOWN_CHANNEL
    others = Playbook(dm_channel(ID_SECRET, "bob", "cid"))
    wrong = OpenDirect(channel=others.key, members=("ann", "bob"))
    assert others.refused("ann", wrong) is UNKNOWN_CHANNEL


def test_a_note_to_self_is_a_dm_of_one() -> None:
    book = Playbook.direct("ann", "ann")
    assert list(book.tables[MEMBERS].packed) == ["ann"]


@pytest.mark.parametrize(
    "name", ["group:", "open:", "group:a b", "group:a/b", "", "group:" + "x" * 250]
)
def test_names_that_are_no_channel(name: str) -> None:
    book = Playbook(name)
    assert book.refused("ann", CreateChannel(channel=name)) is BAD_REQUEST


@pytest.mark.parametrize("name", ["@app", "#ann", "members:x", "room", "news:x"])
def test_names_of_other_streams(name: str) -> None:
    assert Playbook(name).refused("ann", CreateChannel(channel=name)) is UNKNOWN_CHANNEL


def test_sizes() -> None:
    book = Playbook(X)
    many = tuple(f"u{n}" for n in range(1_001))
    assert book.refused("ann", CreateChannel(channel=X, members=many)) is TOO_MANY
    long = tuple("u" * 120 + f"{n:04}" for n in range(1_000))
    assert book.refused("ann", CreateChannel(channel=X, members=long)) is TOO_MANY
    assert book.refused("ann", CreateChannel(channel=X, name="n" * 256)) is TOO_LARGE
    data = Raw(b'"' + b"d" * 9_000 + b'"')
    assert book.refused("ann", CreateChannel(channel=X, data=data)) is TOO_LARGE


def test_description_changes_by_moderators_and_null_clears() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    assert book.refused("bob", UpdateChannel(channel=X, name="B")) is PERMISSION_DENIED
    assert book.do("ann", UpdateChannel(channel=X, name="A", data=Raw(b"[1]"))) == [
        ChannelUpdated(name="A", data=Raw(b"[1]"), renamed=True)
    ]
    assert book.do("ann", UpdateChannel(channel=X, name="A")) == []
    book.do("ann", UpdateChannel(channel=X, data=Raw(b"null"), public=True))
    shown = book.query("bob", "channel.get", ChannelRequest(X))
    assert shown == {
        "channel": X,
        "kind": "group",
        "created": "2026-01-31T12:00:00.000Z",
        "members": 2,
        "head": 3,
        "name": "A",
        "public": True,
        "role": "member",
        "guarantees": {
            "tier": "small",
            "receipts": "per_member",
            "presence": "list",
            "typing": "names",
            "delivery": "full",
        },
    }
    assert book.refused("ann", UpdateChannel(channel=X)) is BAD_REQUEST
    book.assert_replay_equal()


def test_strangers_do_not_see_a_group() -> None:
    book = Playbook(X, owner="ann")
    with pytest.raises(Rejected) as caught:
        book.query("eve", "channel.get", ChannelRequest(X))
    assert caught.value.error is CHANNEL_NOT_FOUND
    with pytest.raises(Rejected) as caught:
        Playbook(X).query("eve", "channel.get", ChannelRequest(X))
    assert caught.value.error is CHANNEL_NOT_FOUND


def test_a_deleted_channel_is_gone_and_its_name_stays_taken() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    book.do("bob", SendMessage(channel=X, text="hi"))
    assert book.refused("bob", DeleteChannel(channel=X)) is PERMISSION_DENIED
    assert book.do("ann", DeleteChannel(channel=X)) == [ChannelDeleted()]
    assert book.refused("bob", SendMessage(channel=X, text="hi")) is CHANNEL_NOT_FOUND
    assert book.refused("ann", CreateChannel(channel=X)) is CHANNEL_EXISTS
    assert book.tables.head_seq == 3
    assert book.tables.published(2) is None
    book.assert_replay_equal()


def test_a_deleted_dm_is_not_opened_again() -> None:
    book = Playbook.direct("ann", "bob")
    book.do("", DeleteChannel(channel=book.key), authority="server")
    again = OpenDirect(channel=book.key, members=("ann", "bob"))
    assert book.refused("ann", again) is CHANNEL_EXISTS


def test_requests_become_commands() -> None:
    book = Playbook(X)
    server = book.edge_context(Viewer("", "server"))
    ann = book.edge_context(Viewer("ann"))
    dm = dm_channel(ID_SECRET, "ann", "bob")
    opened = walk(turn_open(OpenRequest("bob"), ann), b"{}")
    assert opened == [OpenDirect(channel=dm, members=("ann", "bob")), b"{}"]
    pair = NewChannelRequest(kind=ChannelKind.DM, members=("bob", "ann"), cmid="c", by="ann")
    [first] = walk(turn_new(pair, server))
    assert first == OpenDirect(channel=dm, members=("bob", "ann"), cmid="c", by="ann")
    named = turn_new(NewChannelRequest(channel=X, members=("a",)), server)
    assert named == CreateChannel(channel=X, members=("a",))
    made = turn_new(NewChannelRequest(kind=ChannelKind.GROUP), ann)
    assert isinstance(made, CreateChannel)
    assert made.stream_key().startswith("group:")
    assert len(made.stream_key()) == len("group:") + 24
    for wrong in (
        NewChannelRequest(),
        NewChannelRequest(kind=ChannelKind.OPEN, channel=X),
        NewChannelRequest(kind=ChannelKind.DM, members=("a",)),
        NewChannelRequest(kind=ChannelKind.DM, members=("a", "b", "c")),
        NewChannelRequest(kind=ChannelKind.DM, members=("a", "b c")),
    ):
        with pytest.raises(Rejected) as caught:
            turn_new(wrong, server)
        assert caught.value.error is BAD_REQUEST


def test_open_is_checked_like_any_command() -> None:
    book = Playbook("dm:x")
    three = OpenDirect(channel="dm:x", members=("a", "b", "c"))
    assert book.refused("a", three) is BAD_REQUEST


def test_bounds_of_a_change_and_what_it_leaves() -> None:
    book = Playbook("group:x", owner="ann")
    for wrong in (
        UpdateChannel(channel="group:x", name="n" * 256),
        UpdateChannel(channel="group:x", data=Raw(b'"' + b"x" * META_BYTES_MAX + b'"')),
    ):
        assert book.refused("ann", wrong) is TOO_LARGE
    someone = CreateChannel(channel="group:y", owner="a b")
    assert Playbook("group:y").refused("", someone, authority="server") is BAD_REQUEST
    book.do("ann", UpdateChannel(channel="group:x", public=True, approval=True))
    book.do("ann", UpdateChannel(channel="group:x", history=HistoryRule.FROM_JOIN))
    (event,) = book.do("ann", UpdateChannel(channel="group:x", name="club"))
    assert event == ChannelUpdated(
        name="club", public=True, approval=True, history=HistoryRule.FROM_JOIN, renamed=True
    )
    assert book.do("ann", UpdateChannel(channel="group:x", approval=True)) == []
