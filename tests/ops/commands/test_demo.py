"""Whose directory the demo may wipe, and which ports it takes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops.answer import Exit, Failure
from ops.commands.demo import HOST, choose_port, claim
from ops.demo.show import MARKER, read_marker
from ops.directory import Directory, DirectoryLock
from ops.ports import free_ports, is_free


def test_fresh_wipes_only_a_directory_that_bears_the_marker(tmp_path: Path) -> None:
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").write_text("irreplaceable")
    for fresh in (True, False):
        with pytest.raises(Failure, match="something else than a demo"):
            claim(Directory(foreign), fresh=fresh)
    assert (foreign / "cat.jpg").read_text() == "irreplaceable"
    ours = tmp_path / "demo"
    claim(Directory(ours), fresh=False)
    (ours / "data").write_text("old")
    claim(Directory(ours), fresh=False)
    assert (ours / "data").exists()
    claim(Directory(ours), fresh=True)
    assert [path.name for path in ours.iterdir()] == [MARKER]
    assert read_marker(ours / MARKER)["seeded"] == 0


def test_a_marker_that_says_something_else_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"made_by": "somebody"}')
    with pytest.raises(Failure):
        claim(Directory(tmp_path), fresh=True)


def test_a_running_demo_is_not_wiped(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "d")
    claim(directory, fresh=False)
    directory.make()
    lock = DirectoryLock(directory)
    lock.acquire()
    try:
        with pytest.raises(Failure, match="runs already") as refused:
            claim(directory, fresh=True)
        assert refused.value.exit_code is Exit.CONFLICT
    finally:
        lock.release()


def test_a_taken_port_is_named_and_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    # Below the range of outgoing connections: one of those may have taken the neighbour.
    port = next(port for port in free_ports(HOST, 50) if is_free(HOST, port - 1))
    with socket.create_server((HOST, port)):
        chosen = choose_port(port - 1, 2)  # the second edge's port is the taken one
        said = capsys.readouterr().err
    assert not {chosen, chosen + 1} & {port}
    assert f"port {port} is in use by pid" in said
    assert str(chosen) in said
    assert choose_port(0, 2) == 0
