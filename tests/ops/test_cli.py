"""The command line: help without the servers, exit codes, failures as text and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from ops import cli
from ops.answer import Exit, Failure
from ops.processes import SOURCE_ROOT

HEAVY = ("aiohttp", "jwt", "structlog", "prometheus_client", "zmq", "rocksdict", "rich", "asyncio")

LOADED = f"""
import socket, sys

def refuse(*_args, **_kwargs):
    raise AssertionError("help opened a socket")

socket.socket = refuse
from ops.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded:", *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def hubbub(*arguments: str, program: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["-m", "ops"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_opens_no_socket_and_loads_no_server(arguments: list[str]) -> None:
    done = hubbub(*arguments, program=LOADED)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "loaded:"


def test_help_names_every_command_within_80_columns() -> None:
    text = hubbub("--help").stdout
    assert all(f"  {name} " in text for name in cli.COMMANDS)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_json_an_example_and_the_tables_name(name: str) -> None:
    context = click.Context(cli.cli(), info_name="hubbub")
    command = cli.cli().get_command(context, name)
    assert command is not None
    assert command.name == name
    text = command.get_help(click.Context(command, info_name=name, parent=context))
    assert "--json" in text
    assert f"hubbub {name}" in text
    assert "Example" in text


def test_a_typo_gets_the_nearest_command() -> None:
    done = hubbub("statsu")
    assert done.returncode == Exit.USAGE
    assert "did you mean 'status'" in done.stderr
    assert done.stdout == ""


def test_wrong_options_are_usage_errors() -> None:
    assert hubbub("status", "--no-such-option").returncode == Exit.USAGE
    assert hubbub("node").returncode == Exit.USAGE


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    @cli.verb("fail")
    def fail() -> None:
        raise Failure("x failed", exit_code=Exit.PARTIAL, cause=["why"], tries=["hubbub y"])

    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    monkeypatch.setitem(cli.COMMANDS, "fail", cli.Row(__name__, "fail", "Fails."))


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(("arguments", "as_json"), [(["fail"], False), (["fail", "--json"], True)])
def test_a_failure_says_what_why_and_what_next(
    arguments: list[str], as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == Exit.PARTIAL
    out, err = capsys.readouterr()
    assert err == "error: x failed\n  why\n  try: hubbub y\n"
    if not as_json:
        assert out == ""
        return
    answer = json.loads(out)
    assert answer["schema"] == "hubbub.error/1"
    assert answer["data"]["error"] == "x failed"
    assert answer["data"]["exit_code"] == 7
    assert {"cluster", "at", "warnings", "unreachable"} <= answer.keys()


@pytest.mark.usefixtures("failing")
def test_json_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--json", "fail"])
    assert json.loads(capsys.readouterr().out)["schema"] == "hubbub.error/1"
