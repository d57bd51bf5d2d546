"""Profiles are sets of settings; an owner's changes lie over them."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import PROFILES, resolve

LIMITS = (
    "handshakes_per_address",
    "send_per_channel",
    "send_per_user",
    "commands_per_connection",
    "subscribes_per_connection",
)


def test_each_profile_is_a_whole_set_that_survives_json() -> None:
    assert set(PROFILES) == {"default", "bench", "centrifuge-compat"}
    for settings in PROFILES.values():
        assert msgspec.convert(msgspec.to_builtins(settings), AppSettings) == settings


def test_default_limits_everything_and_bench_nothing() -> None:
    assert not any(getattr(resolve("default"), name).is_off for name in LIMITS)
    assert all(getattr(resolve("bench"), name).is_off for name in LIMITS)
    assert resolve("bench").token_required  # only limits are off, not the door


def test_compat_is_the_server_that_the_sdk_suites_expect() -> None:
    compat = resolve("centrifuge-compat")
    assert set(compat.namespaces) == {"", "#", "smallhistory", "recovery", "delta"}
    assert not compat.token_required
    assert compat.token_secret_initial == "secret"
    assert compat.server_key_initial == "test-api-key"
    assert compat.compat_api
    assert compat.raw_user_streams
    plain, small = compat.namespaces[""], compat.namespaces["smallhistory"]
    assert (plain.history_size, plain.history_ttl_s, small.history_size) == (100, 300, 2)
    assert plain.delta
    assert plain.push_join_leave
    assert all(namespace.recover for namespace in compat.namespaces.values())
    assert all(getattr(compat, name).is_off for name in LIMITS)


def test_only_compat_allows_what_a_real_app_must_not() -> None:
    for name in ("default", "bench"):
        settings = resolve(name)
        assert settings.token_secret_bytes_min >= 32
        assert not settings.token_secret_initial
        assert not settings.server_key_initial
        assert not settings.compat_api


def test_changes_replace_fields_and_merge_namespaces() -> None:
    changed = resolve(
        "bench",
        {
            "text_chars_max": 100,
            "namespaces": {"game": {"history_size": 5, "history_ttl_s": 60, "recover": True}},
        },
    )
    assert changed.text_chars_max == 100
    assert set(changed.namespaces) == {"raw", "game"}
    assert changed.send_per_user.is_off
    assert set(resolve("bench").namespaces) == {"raw"}  # the profile itself is untouched


@pytest.mark.parametrize(
    ("profile", "changes", "word"),
    [
        ("fast", {}, "fast"),
        ("default", {"text_chars_max": 0}, "text_chars_max"),
        ("default", {"colour": 1}, "colour"),
        ("default", {"namespaces": {"group": {}}}, "group"),
        ("default", {"namespaces": 5}, "namespaces"),
    ],
)
def test_a_wrong_name_or_change_is_said(
    profile: str, changes: dict[str, object], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        resolve(profile, changes)
