"""Slow mode: the wait is each user's own and exact."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.base.errors import PERMISSION_DENIED, SLOW_MODE
from hubbub.features.members import SetRole
from hubbub.features.messages import SendMessage
from hubbub.features.slow_mode import SECONDS_MAX, SetSlowMode
from hubbub.model.member import Role
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

KEY = "group:x"
SETTINGS = AppSettings(send_per_channel=OFF)
HELLO = SendMessage(channel=KEY, text="hello")


def slow(seconds: int) -> SetSlowMode:
    return SetSlowMode(channel=KEY, seconds=seconds)


def room() -> Playbook:
    return Playbook(KEY, owner="ann", members=["bob", "cid"], settings=SETTINGS)


def test_each_user_waits_on_his_own() -> None:
    book = room()
    book.do("ann", slow(60))
    book.do("bob", HELLO)
    book.tick(1)
    book.do("cid", HELLO)
    book.tick(58_999)
    refusal = book.refusal("bob", HELLO)
    assert refusal.error is SLOW_MODE
    assert refusal.details == {
        "retry_after_ms": 1_000,
        "scope": "channel",
        "bucket": "slow_mode",
    }
    assert book.refusal("cid", HELLO).details["retry_after_ms"] == 1_001
    book.tick(1_000)
    book.do("bob", HELLO)
    assert book.refused("bob", HELLO) is SLOW_MODE
    book.assert_replay_equal()


def test_staff_and_server_keys_are_exempt() -> None:
    book = room()
    book.do("ann", slow(60))
    for _ in range(2):
        book.do("ann", HELLO)
        book.do("bob", HELLO, authority="server")
    book.do("ann", SetRole(channel=KEY, user="cid", role=Role.MODERATOR))
    book.do("cid", HELLO)
    book.do("cid", HELLO)
    book.do("bob", HELLO)
    assert book.refused("bob", HELLO) is SLOW_MODE


def test_a_change_is_felt_at_once() -> None:
    book = room()
    book.do("ann", slow(SECONDS_MAX))
    book.do("bob", HELLO)
    book.tick(10_000)
    assert book.refused("bob", HELLO) is SLOW_MODE
    book.do("ann", slow(10))
    book.do("bob", HELLO)
    book.do("ann", slow(0))
    book.do("bob", HELLO)
    assert book.snapshot("bob")["channel"].get("slow_mode_s", 0) == 0
    book.assert_replay_equal()


def test_off_it_writes_nothing() -> None:
    book = room()
    before = book.tables.rows["channel"].write_count
    book.do("bob", HELLO)
    assert "slow_mode.last" not in book.tables.rows
    assert book.tables.rows["channel"].write_count == before


def test_only_staff_sets_it_and_only_within_bounds() -> None:
    book = room()
    assert book.refused("bob", slow(5)) is PERMISSION_DENIED
    assert book.do("ann", slow(0)) == []
    for seconds in (-1, SECONDS_MAX + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"channel": KEY, "seconds": seconds}, SetSlowMode)
    book.do("ann", slow(5))
    assert book.snapshot("bob")["channel"]["slow_mode_s"] == 5
