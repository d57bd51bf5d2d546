"""file < environment < flags, and errors that name field, reason and source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.runtime.config import SettingsError, _convert, from_arguments, from_command_line, load
from hubbub.settings.schema import EdgeConfig, NodeConfig

EDGE = {"name": "edge-1", "coordinator": "solo:/d/solo"}


def write(tmp_path: Path, values: object) -> str:
    path = tmp_path / "edge.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return str(path)


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, EDGE | {"port": 1, "flush_tick_ms": 1, "backlog": 1})
    environment = {"HUBBUB_PORT": "2", "HUBBUB_FLUSH_TICK_MS": "2", "HUBBUB_REQUIRE": "node"}
    config = load(EdgeConfig, path, environment=environment, flags={"port": "3"})
    assert (config.port, config.flush_tick_ms, config.backlog) == (3, 2, 1)
    assert config.ping_interval_s == 25.0


def test_words_become_what_the_field_is(tmp_path: Path) -> None:
    environment = {
        "HUBBUB_ALLOWED_ORIGINS": "https://a.example, https://b.example",
        "HUBBUB_DEMO": "true",
        "HUBBUB_PING_INTERVAL_S": "1.5",
        "HUBBUB_APP": "12",
    }
    config = load(EdgeConfig, write(tmp_path, EDGE), environment=environment)
    assert config.allowed_origins == ("https://a.example", "https://b.example")
    assert config.demo is True
    assert config.ping_interval_s == 1.5
    assert config.app == "12"


@pytest.mark.parametrize(
    ("values", "environment", "flags", "field", "reason", "source"),
    [
        (EDGE | {"port": "80"}, {}, {}, "port", "Expected `int`", "file"),
        (EDGE | {"port": 70_000}, {}, {}, "port", "<= 65535", "file"),
        (EDGE | {"prot": 80}, {}, {}, "prot", "no such setting", "file"),
        ({"name": "edge-1"}, {}, {}, "coordinator", "missing", "file"),
        (EDGE, {"HUBBUB_PORT": "x"}, {}, "port", "Expected `int`", "HUBBUB_PORT"),
        (EDGE, {}, {"port": "-1"}, "port", ">= 0", "flag --port"),
        (EDGE, {}, {"colour": "red"}, "colour", "no such setting", "flag --colour"),
        (EDGE, {"HUBBUB_RECOVERY_BYTES_MAX": "2097152"}, {}, "recovery_bytes_max",
         "recovery_connection_bytes_max", "HUBBUB_RECOVERY_BYTES_MAX"),
        ("{", {}, {}, "config", "not JSON", "file"),
        ("[1]", {}, {}, "config", "not a JSON object", "file"),
        ("[" * 100_000, {}, {}, "config", "not JSON", "file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_field_reason_and_source(
    tmp_path: Path,
    values: object,
    environment: dict[str, str],
    flags: dict[str, str],
    field: str,
    reason: str,
    source: str,
) -> None:
    path = write(tmp_path, values)
    with pytest.raises(SettingsError) as caught:
        load(EdgeConfig, path, environment=environment, flags=flags)
    assert caught.value.field == field
    assert reason in caught.value.reason
    assert source in caught.value.source
    assert str(caught.value).startswith(f"{field}: ")


def test_a_missing_file_is_said() -> None:
    with pytest.raises(SettingsError, match=r"No such file.*/nowhere/edge\.json"):
        load(EdgeConfig, "/nowhere/edge.json", environment={})


def test_without_a_file_flags_may_say_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--name", "n-1", "--coordinator=solo:/d", "--listen", "ipc:///d/n", "--data-dir=/d"]
    assert from_arguments(NodeConfig, words).data_dir == "/d"
    monkeypatch.setenv("HUBBUB_COPIES", "3")
    assert from_arguments(NodeConfig, words).copies == 3


@pytest.mark.parametrize("words", [["--port"], ["port", "5"], ["--"], ["--config", "/nowhere/x"]])
def test_a_wrong_command_line_is_said(words: list[str]) -> None:
    with pytest.raises(SettingsError):
        from_arguments(EdgeConfig, words)


def test_python_dash_m_exits_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["edge", "--port", "x"])
    with pytest.raises(SystemExit) as caught:
        from_command_line(EdgeConfig)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: port: ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(EdgeConfig.__struct_fields__), JSON))
def test_any_values_make_a_config_or_a_settings_error(values: dict[str, Any]) -> None:
    try:
        made = _convert(EdgeConfig, values, {}, "")
    except SettingsError as error:
        field = error.field
    else:
        assert isinstance(made, EdgeConfig)
        field = made.__struct_fields__[0]
    assert field in EdgeConfig.__struct_fields__
