"""Settings of an app: the documented limits, and combinations that make no sense."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.settings.app import OFF, RATE_PER_S_MIN, AppSettings, Namespace, Rate


def test_the_defaults_are_the_documented_limits() -> None:
    app = AppSettings()
    assert app.text_chars_max == 5_000
    assert app.envelope_bytes_max == 65_536
    assert app.send_per_channel == Rate(5, 10)
    assert app.send_per_user.per_s == 20
    assert app.commands_per_connection == Rate(30, 100)
    assert app.subscribes_per_connection == Rate(20, 1_000)
    assert app.handshakes_per_address == Rate(1, 60)
    assert (app.history_page_default, app.history_page_max) == (50, 200)
    assert app.token_required
    assert app.token_secret_bytes_min == 32
    assert app.namespaces == {}  # what is not configured does not exist
    assert not app.compat_api


def test_a_rate_of_zero_is_off() -> None:
    assert OFF.is_off
    assert not Rate(0.5, 1).is_off
    assert not Rate(RATE_PER_S_MIN, 1).is_off


def test_a_namespace_is_found_by_name_only() -> None:
    app = AppSettings(namespaces={"game": Namespace(publish="subscribers")})
    found = app.namespace("game")
    assert found is not None
    assert found.publish == "subscribers"
    assert app.namespace("") is None
    assert not app.raw_user_streams
    assert AppSettings(namespaces={"#": Namespace()}).raw_user_streams


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"text_chars_max": 20_001}, "text_chars_max"),
        ({"history_page_default": 201}, "history_page_default"),
        ({"history_page_default": 100, "history_page_max": 60}, "history_page_default"),
        ({"token_secret_initial": "short"}, "token_secret_initial"),
        ({"send_per_user": {"per_s": 5, "burst": 0}}, "burst"),
        ({"send_per_user": {"per_s": 1e-300, "burst": 1}}, "per_s"),
        ({"namespaces": {"dm": {}}}, "reserved"),
        ({"namespaces": {"members": {}}}, "reserved"),
        ({"namespaces": {"a:b": {}}}, "a:b"),
        ({"namespaces": {"a b": {}}}, "a b"),
        ({"namespaces": {"x": {"history_size": 5}}}, "history_ttl_s"),
        ({"namespaces": {"x": {"recover": True}}}, "history_size"),
        ({"namespaces": {"x": {"push_join_leave": True}}}, "join_leave"),
        ({"namespaces": {"x": {"publish": "all"}}}, "all"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_wrong_set_is_refused(values: dict[str, object], word: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(values, AppSettings)


def test_settings_survive_json() -> None:
    app = AppSettings(send_per_user=OFF, namespaces={"game": Namespace(delta=True)})
    assert msgspec.convert(msgspec.to_builtins(app), AppSettings) == app
