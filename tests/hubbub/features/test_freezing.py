"""A frozen channel."""

from __future__ import annotations

from hubbub.base.errors import CHANNEL_FROZEN, CHANNEL_NOT_FOUND, PERMISSION_DENIED
from hubbub.features.freezing import FreezeChannel, UnfreezeChannel
from hubbub.features.marks import MarkRead
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from tests.support.playbook import Playbook

KEY = "group:x"
HELLO = SendMessage(channel=KEY, text="hello")
FREEZE = FreezeChannel(channel=KEY)
UNFREEZE = UnfreezeChannel(channel=KEY)


def test_only_staff_speaks_while_it_is_frozen() -> None:
    book = Playbook(KEY, owner="ann", members=["bob"])
    book.do("bob", HELLO)
    mine = book.outcome.id
    assert [event.TAG for event in book.do("ann", FREEZE)] == ["channel.frozen"]
    assert book.refused("bob", HELLO) is CHANNEL_FROZEN
    assert book.refused("bob", EditMessage(channel=KEY, id=mine, text="?")) is CHANNEL_FROZEN
    assert book.refused("dan", HELLO) is CHANNEL_NOT_FOUND
    book.do("ann", HELLO)
    book.do("bob", HELLO, authority="server")
    book.do("bob", MarkRead(channel=KEY, upto=2))
    book.do("bob", DeleteMessage(channel=KEY, id=mine))
    assert book.snapshot("bob")["channel"]["frozen"]
    assert [event.TAG for event in book.do("ann", UNFREEZE)] == ["channel.unfrozen"]
    book.do("bob", HELLO)
    book.assert_replay_equal()


def test_asked_twice_is_asked_once_and_only_staff_may() -> None:
    book = Playbook(KEY, owner="ann", members=["bob"])
    assert book.do("ann", UNFREEZE) == []
    assert book.refused("bob", FREEZE) is PERMISSION_DENIED
    book.do("ann", FREEZE)
    assert book.do("ann", FREEZE) == []
    assert book.refused("bob", UNFREEZE) is PERMISSION_DENIED


def test_guests_of_an_open_channel_are_frozen_out() -> None:
    book = Playbook("open:x", owner="ann")
    book.do("ann", FreezeChannel(channel="open:x"))
    assert book.refused("eve", SendMessage(channel="open:x", text="hi")) is CHANNEL_FROZEN
    book.do("ann", SendMessage(channel="open:x", text="hi"))
