"""Guests: made for a time, with less rights, and what they become."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import (
    Raw,
)
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features.capabilities import CapabilitiesRequest
from hubbub.features.channel_list import DropListed, PutListed
from hubbub.features.channels import CreateChannel, OpenDirect
from hubbub.features.contract import Command
from hubbub.features.fields import (
    META_BYTES_MAX,
)
from hubbub.features.guests import (
    GUEST_S_MAX,
    STEP_CHANNELS,
    ConvertGuest,
    CreateGuest,
    EndGuest,
    GuestConverted,
    GuestEnded,
)
from hubbub.features.members import JoinChannel, LeaveChannel, SetRole
from hubbub.features.messages import SendMessage
from hubbub.features.succession import NoteOwner
from hubbub.features.user_lines import PutUserLine
from hubbub.features.users import EnsureUser, UpdateUser, UserRequest
from hubbub.model.channel import ChannelKind
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
    for command in (again, ConvertGuest(user="ann")):
        assert raw.refused("", command, authority="server") is NOT_AVAILABLE
    large = Raw(b'"' + b"x" * META_BYTES_MAX + b'"')
    many: tuple[dict[str, Any], ...] = (
        {"name": "n" * 256},
        {"avatar": "https://" + "a" * 2_041},
        {"data": large},
        {"user": "a b"},
    )
    for wrong in many:
        for right in (again, ConvertGuest(user="ann")):
            error = new.refused("", replace(right, **wrong), authority="server")
            assert error in (BAD_REQUEST, TOO_LARGE)
    for ttl_s in (1, GUEST_S_MAX):
        assert Playbook("#ann").do("", replace(again, ttl_s=ttl_s), authority="server") != []


@pytest.mark.parametrize(
    "given", [{"name": "B"}, {"avatar": "https://e.org/b"}, {"data": Raw(b"2")}]
)
def test_what_he_does_not_give_stays_as_it_was(given: dict[str, Any]) -> None:
    book = Playbook("#ann")
    own: dict[str, Any] = {"name": "A", "avatar": "https://e.org/a", "data": Raw(b"1")}
    book.do("", CreateGuest(user="ann", ttl_s=60, **own), authority="server")
    (event,) = book.do("", ConvertGuest(user="ann", **given), authority="server")
    assert event == GuestConverted(**own | given)


def test_a_full_user_never_ends() -> None:
    book = Playbook("#ann")
    book.do("", EnsureUser(user="ann"), authority="system")
    assert book.waiting("guest") == {}


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


def listed(book: Playbook, channel: str, kind: ChannelKind, role: Role = Role.MEMBER) -> None:
    put = PutListed(user="ann", channel=channel, kind=kind, role=role)
    book.do("bob", put, authority="system")


def gone_from(book: Playbook) -> list[tuple[str, str]]:
    """What was sent to channels, and in whose name, since the last look."""
    sent = [one for one in book.forwards if isinstance(one, LeaveChannel | NoteOwner)]
    book.forwards.clear()
    return [(one.TAG, one.channel) for one in sent]


def test_when_his_time_is_over_he_leaves_his_channels(book: Playbook) -> None:
    listed(book, "group:a", ChannelKind.GROUP)
    listed(book, "group:b", ChannelKind.GROUP, Role.OWNER)
    listed(book, "group:c", ChannelKind.GROUP, Role.INVITED)
    listed(book, "dm:d", ChannelKind.DM)
    book.tick(59_999)
    assert book.fall_due("guest") == []
    book.tick(1)
    book.forwards.clear()
    assert book.fall_due("guest") == [GuestEnded()]
    assert all(one.by == "ann" for one in book.forwards if isinstance(one, LeaveChannel))
    notes = [one for one in book.forwards if isinstance(one, NoteOwner)]
    assert [note.away for note in notes] == [True]
    assert gone_from(book) == [
        ("member.leave", "group:a"),
        ("succession.note", "group:b"),
        ("member.leave", "group:b"),
        ("member.leave", "group:c"),
    ]
    listed(book, "group:late", ChannelKind.GROUP)
    for channel in ("group:a", "group:b", "group:c"):
        book.do("ann", DropListed(user="ann", channel=channel), authority="system")
    assert gone_from(book) == [], "not in the name of whoever added him"
    book.fall_due("guest")
    assert {entry.by for entry in book.log if entry.due} == {"ann"}
    assert gone_from(book) == [("member.leave", "group:late")], "that was on its way"
    book.assert_replay_equal()


def test_of_thousands_of_channels_he_leaves_step_by_step(book: Playbook) -> None:
    names = [f"group:{n:04d}" for n in range(STEP_CHANNELS + 1)]
    for name in names:
        listed(book, name, ChannelKind.GROUP)
    book.tick(60_000)
    assert book.fall_due("guest") == [GuestEnded(), GuestEnded(after=names[STEP_CHANNELS - 1])]
    assert gone_from(book) == [("member.leave", name) for name in names]


def test_who_was_converted_in_time_stays(book: Playbook) -> None:
    listed(book, "group:a", ChannelKind.GROUP)
    book.do("", ConvertGuest(user="ann"), authority="server")
    book.tick(90_000)
    assert book.fall_due("guest") == []
    assert book.do("", EndGuest(user="ann"), authority="system") == []
    assert book.refused("ann", EndGuest(user="ann")) is PERMISSION_DENIED
    assert gone_from(book) == []


def test_no_guest_is_made_of_an_id_that_has_channels() -> None:
    book = Playbook("#ann")
    listed(book, "group:a", ChannelKind.GROUP)
    create = CreateGuest(user="ann", ttl_s=60)
    assert book.refused("", create, authority="server") is CONFLICT
