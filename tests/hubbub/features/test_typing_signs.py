"""Who is typing: told, not kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    BANNED,
    CHANNEL_FROZEN,
    CHANNEL_NOT_FOUND,
    MUTED,
    NOT_FOUND,
    PERMISSION_DENIED,
    Rejected,
)
from hubbub.features.archive import ArchiveChannel
from hubbub.features.capabilities import SetMemberCapabilities, SetRoleCapabilities
from hubbub.features.channels import DeleteChannel
from hubbub.features.contract import Command, Sign
from hubbub.features.freezing import FreezeChannel
from hubbub.features.mark_rows import Hidden
from hubbub.features.members import AddMembers, LeaveChannel, RemoveMembers
from hubbub.features.messages import SendMessage
from hubbub.features.receipts import HideReceipts
from hubbub.features.sanctions import BanMembers, MuteMembers, TimeoutMembers
from hubbub.features.typing_signs import FEATURE, StartTyping, StopTyping, may_go_on
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.settings.app import AppSettings, Override
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

KEY = "group:x"
START = StartTyping(channel=KEY)
STOP = StopTyping(channel=KEY)


def room() -> Playbook:
    return Playbook(KEY, owner="ann", members=["bob", "cid"])


def told(book: Playbook) -> list[dict[str, Any]]:
    """The signals since the last look, without their time."""
    found = [json.loads(signal) for signal in book.signals]
    book.signals.clear()
    return [
        {name: value for name, value in one.items() if name not in ("ts", "cmid")} for one in found
    ]


def test_a_sign_is_told_and_leaves_nothing_behind() -> None:
    book = room()
    before, entries = book.tables.image(), len(book.log)
    book.do("bob", START)
    assert book.reply == {"shown": True}
    book.do("bob", STOP)
    assert told(book) == [
        {"t": "typing.started", "by": "bob", "expires_ms": 6_000},
        {"t": "typing.stopped", "by": "bob"},
    ]
    assert book.tables.image() == before
    assert len(book.log) == entries


def test_a_sign_in_a_thread_names_its_root() -> None:
    book = room()
    book.do("ann", SendMessage(channel=KEY, text="root"))
    root = book.outcome.id
    book.do("bob", SendMessage(channel=KEY, text="reply", thread=root))
    reply = book.outcome.id
    told(book)
    for mid in (root, reply):
        book.do("bob", StartTyping(channel=KEY, thread=mid))
        assert told(book)[0]["thread"] == root
    with pytest.raises(Rejected):
        book.do("bob", StartTyping(channel=KEY, thread="nonsense"))
    elsewhere = Playbook(KEY, owner="ann", members=["bob"])
    refused = elsewhere.refused("bob", StartTyping(channel=KEY, thread=reply))
    assert refused is NOT_FOUND


def test_who_may_not_speak_gives_no_sign() -> None:
    book = room()
    assert book.refused("eve", START) is CHANNEL_NOT_FOUND
    assert book.refused("", START, authority="server") is BAD_REQUEST
    book.do("ann", MuteMembers(channel=KEY, user="bob"))
    assert book.refused("bob", START) is MUTED
    book.do("ann", BanMembers(channel=KEY, user="bob"))
    assert book.refused("bob", STOP) is BANNED
    book.do("ann", FreezeChannel(channel=KEY))
    assert book.refused("cid", START) is CHANNEL_FROZEN
    assert told(book) == []


@pytest.mark.parametrize("hidden", [Hidden.TYPING, Hidden.STILL_TYPING])
def test_who_hides_typing_is_not_told_and_not_refused(hidden: Hidden) -> None:
    book = room()
    hide = HideReceipts(channel=KEY, user="bob", hidden=hidden)
    book.do("bob", hide, authority="system")
    told(book)
    book.do("bob", START)
    assert book.reply == {"shown": False}
    book.do("cid", START)
    assert [one["by"] for one in told(book)] == ["cid"]
    book.do("bob", HideReceipts(channel=KEY, user="bob", hidden=3), authority="system")
    book.do("bob", START)
    assert book.reply == {"shown": True}


def test_an_app_switches_typing_off_by_kind_of_channel() -> None:
    book = room()
    book.settings = AppSettings(capabilities={"group": {"member": Override(deny=("type",))}})
    assert book.refused("bob", START) is PERMISSION_DENIED
    book.settings = AppSettings(capabilities={"dm": {"member": Override(deny=("type",))}})
    book.do("bob", START)


def test_above_a_hundred_members_a_sign_is_counted_and_names_nobody() -> None:
    book = room()
    book.do(
        "", AddMembers(channel=KEY, users=tuple(f"u{n}" for n in range(97))), authority="server"
    )
    book.do("bob", START)
    assert book.reply == {"shown": True}
    book.do("", AddMembers(channel=KEY, users=("one-more",)), authority="server")
    told(book)
    book.do("bob", START)
    assert (book.reply, book.sign) == ({"shown": True}, ("bob", Sign(6_000)))
    book.do("bob", STOP)
    assert (book.reply, book.sign) == ({"shown": True}, ("bob", Sign(0)))
    book.do("bob", HideReceipts(channel=KEY, user="bob", hidden=4), authority="system")
    book.do("bob", START)
    assert (book.reply, book.sign) == ({"shown": False}, None)
    book.do("ann", SendMessage(channel=KEY, text="root"))
    book.do("cid", StartTyping(channel=KEY, thread=book.outcome.id))
    assert (book.reply, book.sign) == ({"shown": False}, None), "of a thread nothing is told"
    assert [one for one in told(book) if one["t"].startswith("typing")] == []


@pytest.mark.parametrize(
    ("command", "by"),
    [
        (MuteMembers(channel=KEY, user="bob"), "ann"),
        (TimeoutMembers(channel=KEY, user="bob", for_s=60), "ann"),
        (BanMembers(channel=KEY, user="bob"), "ann"),
        (RemoveMembers(channel=KEY, user="bob"), "ann"),
        (LeaveChannel(channel=KEY), "bob"),
        (FreezeChannel(channel=KEY), "ann"),
        (ArchiveChannel(channel=KEY), "ann"),
        (DeleteChannel(channel=KEY), "ann"),
        (SetMemberCapabilities(channel=KEY, user="bob", deny=(Action.TYPE,)), "ann"),
        (SetRoleCapabilities(channel=KEY, role=Role.MEMBER, deny=(Action.TYPE,)), "ann"),
        (HideReceipts(channel=KEY, user="bob", hidden=4), ""),
    ],
    ids=lambda one: one.TAG if isinstance(one, Command) else "",
)
def test_whatever_takes_the_right_to_type_stirs_who_types(command: Command, by: str) -> None:
    book = room()
    book.do("bob", START)
    assert book.sign == ("bob", Sign(6_000, is_named=True))

    def holds() -> bool:
        return may_go_on("bob", book.tables, book.context(Viewer("bob")))

    assert holds()
    book.noted.clear()
    book.do(by, command, authority="client" if by else "system")
    assert (FEATURE.name, 0) in book.noted, "the leader looks"
    assert not holds()
    assert (
        book.refused("bob", START)
        if by
        else not may_go_on("bob", book.tables, book.context(Viewer("bob")))
    )
