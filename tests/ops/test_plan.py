"""The configs that processes are started with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubbub.runtime.config import load
from hubbub.settings.schema import CONFIG_OF_ROLE
from ops.directory import Directory
from ops.plan import Place, Shape, child_environment, configs, write_compact, write_configs
from ops.supervisor import STOP_S

SHAPE = Shape(3, 2, 2)


def place(directory: Directory, *, is_demo: bool = False) -> Place:
    names = [*SHAPE.names("node"), *SHAPE.names("router")]
    return Place(
        directory=directory,
        app="demo",
        profile="default",
        copies=1,
        slots=1024,
        host="127.0.0.1",
        listen={name: f"ipc:///tmp/s/{name}" for name in names},
        ports={"edge-1": 8080, "edge-2": 8081},
        lifeline_fd=9,
        is_demo=is_demo,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    result = Directory(tmp_path)
    result.make()
    return result


def test_every_file_is_one_that_its_process_accepts(directory: Directory) -> None:
    specs = write_configs(directory, configs(SHAPE, place(directory)))
    assert [spec.name for spec in specs] == [
        *("node-1", "node-2", "node-3", "router-1", "router-2", "edge-1", "edge-2")
    ]
    for spec in specs:
        path = directory.config(spec.name)
        loaded = load(CONFIG_OF_ROLE[spec.role], str(path), environment={})
        assert (loaded.name, loaded.role, loaded.lifeline_fd) == (spec.name, spec.role, 9)
        assert loaded.stop_deadline_s < STOP_S[spec.role]
        assert list(spec.arguments)[-4:] == ["-m", spec.role, "--config", str(path)]


def test_a_compact_cluster_is_one_process_of_three_configs(directory: Directory) -> None:
    (spec,) = write_compact(directory, configs(Shape(1, 1, 1), place(directory)))
    assert (spec.role, spec.name) == ("compact", "compact")
    assert spec.registered == [("node", "node-1"), ("router", "router-1"), ("edge", "edge-1")]
    paths = dict(zip(spec.arguments[-6::2], spec.arguments[-5::2], strict=True))
    for role, name in spec.registered:
        assert paths[f"--{role}"] == str(directory.config(name))
        loaded = load(CONFIG_OF_ROLE[role], paths[f"--{role}"], environment={})
        assert (loaded.name, loaded.link_gather_ms) == (name, 0)


def test_other_processes_are_registered_as_themselves(directory: Directory) -> None:
    specs = write_configs(directory, configs(SHAPE, place(directory)))
    assert [spec.registered for spec in specs] == [[(spec.role, spec.name)] for spec in specs]


def test_only_the_demo_signs_in_without_a_password(directory: Directory) -> None:
    for is_demo in (True, False):
        write_configs(directory, configs(SHAPE, place(directory, is_demo=is_demo)))
        config = json.loads(directory.config("edge-2").read_text())
        assert config["demo"] is is_demo
        assert config["port"] == 8081


def test_nodes_do_not_share_a_folder(directory: Directory) -> None:
    write_configs(directory, configs(SHAPE, place(directory)))
    folders = {
        json.loads(directory.config(name).read_text())["data_dir"] for name in SHAPE.names("node")
    }
    assert len(folders) == 3


def test_all_stop_within_the_five_seconds_of_a_ctrl_c() -> None:
    together = sum(STOP_S[role] for role in CONFIG_OF_ROLE)
    assert together == pytest.approx(STOP_S["compact"])
    assert together < 5.0


def test_the_environment_cannot_make_two_processes_one() -> None:
    given = {"HUBBUB_NAME": "x", "HUBBUB_PORT": "1", "HUBBUB_LOG_LEVEL": "debug", "HOME": "/h"}
    kept = child_environment(given)
    assert "HUBBUB_NAME" not in kept
    assert "HUBBUB_PORT" not in kept
    assert (kept["HUBBUB_LOG_LEVEL"], kept["HOME"]) == ("debug", "/h")
