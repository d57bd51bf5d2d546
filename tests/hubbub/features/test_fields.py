"""Checks of common fields."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw

from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, TOO_MANY, UNKNOWN_CHANNEL, Rejected
from hubbub.features.fields import (
    check_bytes,
    check_chat_channel,
    check_title,
    check_users,
    custom,
    is_blank,
    json_bytes,
    require_something,
)
from hubbub.settings.app import AppSettings

DEFAULT = AppSettings()


def test_absent_and_null_are_empty() -> None:
    assert json_bytes(UNSET) == json_bytes(Raw(b"null")) == b""
    assert json_bytes(Raw(b"0")) == b"0"
    assert custom(b"") is UNSET
    assert custom(b"[]") == Raw(b"[]")


def test_chat_channels() -> None:
    assert check_chat_channel("open:x") == "open:x"
    for name, error in (("room", UNKNOWN_CHANNEL), ("#ann", UNKNOWN_CHANNEL), ("", BAD_REQUEST)):
        with pytest.raises(Rejected) as caught:
            check_chat_channel(name)
        assert caught.value.error is error


def test_users_once_each_in_order() -> None:
    assert check_users(["b", "a", "b"], DEFAULT) == ("b", "a")
    assert check_users([], DEFAULT) == ()


def test_names_of_one_event_fit_its_row() -> None:
    """Quotes and backslashes take two bytes each, and a row's info has a u16 length."""
    fitting = [f"{n:03}" + '"' * 26 for n in range(1_000)]
    assert len(check_users(fitting, DEFAULT)) == 1_000
    for wrong in ([f"{n:03}" + '"' * 30 for n in range(1_000)], [str(n) for n in range(1_001)]):
        with pytest.raises(Rejected) as caught:
            check_users(wrong, DEFAULT)
        assert caught.value.error is TOO_MANY


def test_bounds() -> None:
    check_title("é" * 255)
    check_bytes(Raw(b"12345"), 5)
    for wrong in (lambda: check_title("e" * 256), lambda: check_bytes(Raw(b"123456"), 5)):
        with pytest.raises(Rejected) as caught:
            wrong()
        assert caught.value.error is TOO_LARGE
    require_something(UNSET, None)
    with pytest.raises(Rejected):
        require_something(UNSET, UNSET)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u200b\u2060", "\n\t", "\u3164", "\u202e "])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["x", " . ", "é", "👩\u200d🚀", "漢", "\u200bש", "\ue000"])
def test_what_shows_something_is_not_blank(text: str) -> None:
    assert not is_blank(text)
