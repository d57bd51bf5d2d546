"""One process for three roles, with stand-ins for the roles."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from hubbub.runtime.compact import configs_of, whole_of
from hubbub.runtime.config import EXIT_USAGE, SettingsError
from hubbub.runtime.process import EXIT_FAILED, EXIT_STOPPED

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 30
ROLES = ("node", "router", "edge")
# Says what it is called with; each test adds what a role does after that.
STAND_IN = """
import asyncio
from hubbub.runtime.tasks import supervise

async def main(process):
    role = process.config.role
    process.on_stop("only", lambda: said(role, "stopped"))
    process.started()
    await said(role, "started")
    {body}

async def said(role, what):
    print(role, what, flush=True)

async def fail(failure):
    raise failure
"""
CONFIGS: dict[str, dict[str, object]] = {
    "node": {"listen": "inproc://node-1", "data_dir": "/nowhere", "stop_deadline_s": 1.5},
    "router": {"listen": "inproc://router-1", "stop_deadline_s": 0.5, "log_level": "error"},
    "edge": {"stop_deadline_s": 1.0},
}


def write_configs(folder: Path, **changes: object) -> list[str]:
    """The words of a command line."""
    words = []
    for role, fields in CONFIGS.items():
        path = folder / f"{role}-1.json"
        values: dict[str, object] = {
            "role": role,
            "name": f"{role}-1",
            "coordinator": "solo:/x",
            **fields,
        }
        path.write_text(json.dumps(values | (changes if role == "node" else {})))
        words += [f"--{role}", str(path)]
    return words


@contextmanager
def process(folder: Path, **bodies: str) -> Iterator[subprocess.Popen[str]]:
    """A compact process whose roles run these lines after they have started."""
    for role in ROLES:
        package = folder / "path" / role
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('"""Stands in."""')
        text = dedent(STAND_IN).replace("{body}", bodies.get(role, "pass"))
        (package / "app.py").write_text(text)
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", "hubbub.runtime.compact", *write_configs(folder)],
        env={"PYTHONPATH": f"{folder / 'path'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()


def lines(running: subprocess.Popen[str], count: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline().strip() for _ in range(count)]


def test_roles_start_side_by_side_and_stop_as_a_cluster_does(tmp_path: Path) -> None:
    with process(tmp_path, edge="await process.stopping.wait()") as running:
        assert lines(running, 3) == [f"{role} started" for role in ROLES]
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=DEADLINE_S)
    assert out.splitlines() == ["edge stopped", "router stopped", "node stopped"]
    assert running.returncode == EXIT_STOPPED


def test_a_role_that_refuses_ends_all_with_its_code(tmp_path: Path) -> None:
    refusal = "process.exit_code = 5; process.stop('store refused')"
    with process(tmp_path, node=refusal, edge="await process.stopping.wait()") as running:
        out, log = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 5
    assert out.splitlines()[-3:] == ["edge stopped", "router stopped", "node stopped"]
    assert "store refused" in log


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise OSError('port taken')", "port taken"),
        ("supervise('pump', fail(OSError('pump broke')))", '"part": "router.pump"'),
    ],
)
def test_what_fails_a_role_ends_all_and_is_named(tmp_path: Path, body: str, told: str) -> None:
    with process(tmp_path, router=body, edge="await process.stopping.wait()") as running:
        out, log = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == EXIT_FAILED
    assert out.splitlines()[-3:] == ["edge stopped", "router stopped", "node stopped"]
    assert told in log


def test_a_wrong_setting_or_command_line_is_a_usage_error(tmp_path: Path) -> None:
    wrong = write_configs(tmp_path, data_dir="")
    for words in (wrong, wrong[:4], []):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hubbub.runtime.compact", *words],
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == EXIT_USAGE, words
        assert "data_dir" in done.stderr or "required" in done.stderr


def test_each_role_has_its_own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBUB_LINK_BEAT_MS", "700")
    configs = configs_of(write_configs(tmp_path))
    assert [config.role for config in configs] == list(ROLES)
    assert {config.link_beat_ms for config in configs} == {700}
    whole = whole_of(configs)
    assert (whole.role, whole.log_level, whole.stop_deadline_s) == ("compact", "info", 3.0)


@pytest.mark.parametrize(
    ("field", "value"), [("lifeline_fd", 9), ("log_file", "x.log"), ("coordinator", "solo:/y")]
)
def test_what_belongs_to_the_process_is_the_first_roles(
    tmp_path: Path, field: str, value: object
) -> None:
    configs = configs_of(write_configs(tmp_path, **{field: value}))
    assert getattr(whole_of(configs), field) == value


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="colour"):
        configs_of(write_configs(tmp_path, colour="red"))
