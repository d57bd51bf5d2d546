"""Names of users, channels and namespaces; the id of a dm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_REQUEST, UNKNOWN_CHANNEL, ErrorCode, Rejected
from hubbub.base.names import (
    StreamKind,
    check_channel,
    check_user,
    dm_channel,
    kind_of,
    namespace_of,
    user_stream,
)


@pytest.mark.parametrize("name", ["a", "A-1_2.3", "x" * 128, "a:b", "@me", '"q"', "$1"])
def test_users(name: str) -> None:
    assert check_user(name) == name
    assert kind_of(user_stream(name)) is StreamKind.USER


@pytest.mark.parametrize("name", ["", "a b", "a#b", "a,b", "a/b", "x" * 129, "é", "a\n", "\x00"])
def test_no_users(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_user(name)
    assert caught.value.error is BAD_REQUEST


@pytest.mark.parametrize("name", ["group:x", "#ann", "room", "x" * 255, "a:b:c", "$x", "n#a,b"])
def test_channels(name: str) -> None:
    assert check_channel(name) == name


@pytest.mark.parametrize(
    ("name", "error"),
    [("", BAD_REQUEST), ("a b", BAD_REQUEST), ("a/b", BAD_REQUEST), ("x" * 256, BAD_REQUEST),
     ("é", BAD_REQUEST), ("a\n", BAD_REQUEST), ("@app", UNKNOWN_CHANNEL), ("@", UNKNOWN_CHANNEL),
     ("members:x", UNKNOWN_CHANNEL)],
)  # fmt: skip
def test_no_channels(name: str, error: object) -> None:
    with pytest.raises(Rejected) as caught:
        check_channel(name)
    assert caught.value.error is error


def refusal_of(check: Callable[[str], str], text: str) -> ErrorCode | None:
    """The code with which a name is refused, None for a good one."""
    try:
        assert check(text) == text
    except Rejected as refusal:
        return refusal.error
    assert text.isascii()
    assert "/" not in text
    return None


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    assert refusal_of(check_user, text) in (None, BAD_REQUEST)
    assert refusal_of(check_channel, text) in (None, BAD_REQUEST, UNKNOWN_CHANNEL)


def test_namespaces_and_kinds() -> None:
    namespaces = {"group:x": "group", "a:b:c": "a", "room": "", "#a:b": "#", "@app": "@", ":x": ""}
    assert {name: namespace_of(name) for name in namespaces} == namespaces
    assert kind_of("@app") is StreamKind.APP
    assert kind_of("members:x") is StreamKind.CHANNEL
    assert [kind_of(f"{kind}:x") for kind in ("dm", "group", "open")] == [StreamKind.CHANNEL] * 3
    assert kind_of("room") is kind_of("news:x") is StreamKind.RAW


def test_a_pair_has_one_dm_and_nobody_guesses_it() -> None:
    one = dm_channel(b"k", "ann", "bob")
    assert one == dm_channel(b"k", "bob", "ann") == check_channel(one)
    others = {
        dm_channel(b"l", "ann", "bob"),
        dm_channel(b"k", "ann", "bo"),
        dm_channel(b"k", "ann", "bob", 1),
        dm_channel(b"k", "ann", "ann"),
    }
    assert len(others) == 4
    assert one not in others
