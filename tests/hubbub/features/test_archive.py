"""Read only, for everybody, until it is undone."""

from __future__ import annotations

from hubbub.base.errors import CHANNEL_ARCHIVED, PERMISSION_DENIED
from hubbub.features.archive import (
    ArchiveChannel,
    ChannelArchived,
    ChannelUnarchived,
    UnarchiveChannel,
)
from hubbub.features.channels import ChannelRequest
from hubbub.features.history import HistoryRequest
from hubbub.features.marks import MarkRead
from hubbub.features.members import AddMembers, LeaveChannel
from hubbub.features.messages import EditMessage, SendMessage
from tests.support.playbook import Playbook

X = "group:x"


def test_nothing_is_said_any_more_and_everything_is_read() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    book.do("bob", SendMessage(channel=X, text="last words"))
    mid = book.outcome.id
    assert book.refused("bob", ArchiveChannel(channel=X)) is PERMISSION_DENIED
    assert book.do("ann", ArchiveChannel(channel=X)) == [ChannelArchived()]
    assert book.do("ann", ArchiveChannel(channel=X)) == []
    send = SendMessage(channel=X, text="one more")
    assert book.refused("bob", send) is CHANNEL_ARCHIVED
    assert book.refused("", send, authority="server") is CHANNEL_ARCHIVED
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="no")) is CHANNEL_ARCHIVED
    add = AddMembers(channel=X, users=("cid",))
    assert book.refused("", add, authority="server") is CHANNEL_ARCHIVED
    book.do("ann", MarkRead(channel=X, upto=2))
    assert len(book.query("bob", "history.get", HistoryRequest(X))["messages"]) == 1
    assert book.query("bob", "channel.get", ChannelRequest(X))["archived"] is True
    book.do("bob", LeaveChannel(channel=X))
    assert book.do("ann", UnarchiveChannel(channel=X)) == [ChannelUnarchived()]
    book.do("ann", send)
    book.assert_replay_equal()
