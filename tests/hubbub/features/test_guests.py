"""Guests: made for a time, with less rights, and what they become."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    Rejected,
)
from hubbub.features.capabilities import CapabilitiesRequest
from hubbub.features.channels import CreateChannel, OpenDirect
from hubbub.features.contract import Command
from hubbub.features.guests import GUEST_S_MAX, ConvertGuest, CreateGuest, GuestConverted
from hubbub.features.members import JoinChannel, SetRole
from hubbub.features.messages import SendMessage
from hubbub.features.user_lines import PutUserLine
from hubbub.features.users import EnsureUser, UpdateUser, UserRequest
from hubbub.model.member import Role
from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

GUEST = Viewer("ann", guest=True)
UNTIL = "2026-01-31T12:01:00.000Z"


@pytest.fixture
def book() -> Playbook:
    book = Playbook("#ann")
    book.do("", CreateGuest(user="ann", ttl_s=60, name="Ann"), authority="system")
    return book


def profile(book: Playbook) -> dict[str, Any]:
    return book.query("bob", "user.get", UserRequest("ann"))


def test_a_guest_says_until_when(book: Playbook) -> None:
    assert book.reply == {"guest_until_ms": START_MS + 60_000}
    assert profile(book)["guest_until"] == UNTIL
    line = book.forwards[-1]
    assert isinstance(line, PutUserLine)
    assert (line.name, line.guest_until_ms) == ("Ann", START_MS + 60_000)
    book.do("ann", UpdateUser(user="ann", name="Anna"))
    assert profile(book)["guest_until"] == UNTIL, "a profile does not make a full user"
    book.do("", EnsureUser(user="ann"), authority="system")
    assert book.reply == {"guest_until_ms": START_MS + 60_000}, "who makes a token hears of it"
    book.assert_replay_equal()


def test_he_becomes_a_full_user_also_after_his_time(book: Playbook) -> None:
    book.tick(90_000)
    events = book.do("", ConvertGuest(user="ann", name="Ann Full"), authority="server")
    assert events == [GuestConverted(name="Ann Full")]
    assert "guest_until" not in profile(book)
    assert profile(book)["created"] == "2026-01-31T12:00:00.000Z"
    line = book.forwards[-1]
    assert isinstance(line, PutUserLine)
    assert (line.name, line.guest_until_ms) == ("Ann Full", 0)
    assert book.do("", ConvertGuest(user="ann"), authority="server") == []
    book.do("", EnsureUser(user="ann"), authority="system")
    assert book.reply == {}
    book.assert_replay_equal()


def test_who_may_and_what_cannot_be(book: Playbook) -> None:
    again = CreateGuest(user="ann", ttl_s=60)
    assert book.refused("", again, authority="system") is CONFLICT
    for authority in ("client", "moderator", "operator"):
        assert book.refused("ann", again, authority=authority) is PERMISSION_DENIED
        assert book.refused("ann", ConvertGuest(user="ann"), authority=authority) is (
            PERMISSION_DENIED
        )
    for ttl_s in (0, GUEST_S_MAX + 1):
        assert book.refused("", replace(again, ttl_s=ttl_s), authority="server") is BAD_REQUEST
    new = Playbook("#ann")
    assert new.refused("", ConvertGuest(user="ann"), authority="server") is NOT_FOUND
    raw = Playbook("#ann", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("", again, authority="server") is NOT_AVAILABLE


def refused(book: Playbook, command: Command, viewer: Viewer = GUEST) -> bool:
    """Whether a guest may not do what the same user may."""
    try:
        book.registry.checked(command, book.edge_context(viewer))
        book.registry.decide[type(command)](command, book.tables, book.context(viewer))
    except Rejected as refusal:
        if refusal.error is PERMISSION_DENIED:
            return True
        raise
    return False


def test_a_guest_may_do_what_the_app_leaves_him() -> None:
    key = "open:x"
    book = Playbook(key, owner="bob")
    send = SendMessage(channel=key, text="hi")
    assert not refused(book, send)
    assert not refused(book, JoinChannel(channel=key))
    silent = SendMessage(channel=key, text="hi", silent=True)
    assert refused(book, silent)
    assert not refused(book, silent, Viewer("ann"))
    new = Playbook("group:new")
    assert refused(new, CreateChannel(channel="group:new"))
    assert not refused(new, CreateChannel(channel="group:new"), Viewer("ann"))
    direct = Playbook.direct("bob", "cid").key
    opened = OpenDirect(channel=direct, members=("ann", "bob"))
    assert refused(Playbook(direct), opened)


def test_a_role_does_not_give_him_more() -> None:
    key = "open:x"
    book = Playbook(key, owner="bob")
    book.do("ann", JoinChannel(channel=key))
    book.do("bob", SetRole(channel=key, user="ann", role=Role.MODERATOR))
    silent = SendMessage(channel=key, text="hi", silent=True)
    assert refused(book, silent)
    row = book.registry.queries["capabilities.get"]
    answer = row.run(CapabilitiesRequest(key), book.tables, book.context(GUEST))
    shown = decode_json(encode_json(answer), dict[str, Any])["capabilities"]
    assert shown["send"]["allowed"]
    assert shown["ban"] == {"allowed": False, "from": "guest"}


def test_the_app_may_leave_him_other_things() -> None:
    settings = AppSettings(guest_capabilities=("see", "read", "create"))
    book = Playbook("open:x", owner="bob", settings=settings)
    assert refused(book, SendMessage(channel="open:x", text="hi"))
    new = Playbook("group:new", settings=settings)
    assert not refused(new, CreateChannel(channel="group:new"))
