"""Pins: bounded, ended, and gone with their message."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, MESSAGE_DELETED, PERMISSION_DENIED
from hubbub.features.bulk_delete import (
    DeleteMessages,
)
from hubbub.features.channels import (
    HistoryRule,
    UpdateChannel,
)
from hubbub.features.history import MessageRequest
from hubbub.features.members import (
    AddMembers,
)
from hubbub.features.messages import DeleteMessage, SendMessage
from hubbub.features.pins import (
    EndPin,
    MessageUnpinned,
    PinMessage,
    PinsRequest,
    UnpinMessage,
)
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def send(book: Playbook, text: str) -> str:
    book.do("ann", SendMessage(channel=X, text=text))
    return book.outcome.id


def pins(book: Playbook) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = book.query("bob", "pin.list", PinsRequest(X))["pins"]
    ids = [pin["message"]["id"] for pin in found]
    assert book.snapshot("bob").get("pinned", []) == ids
    for pin in found:
        assert pin["message"]["pinned"] is True
    return found


def test_the_last_pinned_comes_first(book: Playbook) -> None:
    one, two = send(book, "one"), send(book, "two")
    for mid in (one, two, one):
        book.do("ann", PinMessage(channel=X, id=mid))
        book.tick(1_000)
    assert [pin["message"]["text"] for pin in pins(book)] == ["one", "two"]
    assert pins(book)[0]["by"] == "ann"
    book.do("ann", UnpinMessage(channel=X, id=one))
    assert book.do("ann", UnpinMessage(channel=X, id=one)) == []
    assert [pin["message"]["text"] for pin in pins(book)] == ["two"]
    assert "pinned" not in book.query("bob", "message.get", MessageRequest(X, one))
    book.assert_replay_equal()


def test_a_pin_ends(book: Playbook) -> None:
    mid = send(book, "one")
    book.do("ann", PinMessage(channel=X, id=mid, until=book.now_ms + 5_000))
    assert pins(book)[0]["until"] == "2026-01-31T12:00:05.000Z"
    book.tick(4_999)
    book.fall_due()
    assert len(pins(book)) == 1
    book.do("ann", PinMessage(channel=X, id=mid))
    book.tick(10)
    book.fall_due()
    assert len(pins(book)) == 1, "pinned anew, for ever"
    book.do("ann", PinMessage(channel=X, id=mid, until=book.now_ms + 1_000))
    book.tick(1_000)
    book.fall_due()
    assert pins(book) == []
    assert book.shown(book.tables.head_seq)["t"] == MessageUnpinned.TAG
    assert book.refused("ann", PinMessage(channel=X, id=mid, until=1)) is BAD_REQUEST
    book.assert_replay_equal()


def test_a_deleted_message_loses_its_pin(book: Playbook) -> None:
    mid = send(book, "one")
    book.do("ann", PinMessage(channel=X, id=mid))
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert pins(book) == []
    assert book.refused("ann", PinMessage(channel=X, id=mid)) is MESSAGE_DELETED
    book.assert_replay_equal()


def test_a_hundred_pins_and_who_may(book: Playbook) -> None:
    ids = [send(book, str(n)) for n in range(101)]
    assert book.refused("bob", PinMessage(channel=X, id=ids[0])) is PERMISSION_DENIED
    for mid in ids[:100]:
        book.do("ann", PinMessage(channel=X, id=mid))
    assert book.refused("ann", PinMessage(channel=X, id=ids[100])) is LIMIT_EXCEEDED
    assert book.do("ann", PinMessage(channel=X, id=ids[5])) != []
    assert len(pins(book)) == 100


def test_what_was_pinned_before_his_time_is_not_shown_to_a_newcomer(book: Playbook) -> None:
    book.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    ids = [send(book, "old")]
    book.do("", AddMembers(channel=X, user="new"), authority="server")
    ids.append(send(book, "young"))
    for mid in ids:
        book.do("ann", PinMessage(channel=X, id=mid))
    found = book.query("new", "pin.list", PinsRequest(X))["pins"]
    assert [pin["message"]["text"] for pin in found] == ["young"]
    assert book.snapshot("new")["pinned"] == ids[1:]
    assert [pin["message"]["text"] for pin in pins(book)] == ["young", "old"]
    book.tables.set_floor(book.shown(3)["seq"])
    assert len(pins(book)) == 2, "the floor is the first that is there"


def test_many_that_are_deleted_lose_their_pins_and_nobody_ends_one_himself(book: Playbook) -> None:
    ids = tuple(send(book, text) for text in ("one", "two"))
    for mid in ids:
        book.do("ann", PinMessage(channel=X, id=mid))
    assert book.refused("ann", EndPin(channel=X, id=ids[0])) is PERMISSION_DENIED
    book.do("ann", DeleteMessages(channel=X, ids=ids))
    assert pins(book) == []
