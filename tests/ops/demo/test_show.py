"""The demo's thread: whatever fails in it ends the demo and is told."""

from __future__ import annotations

import threading
from pathlib import Path

from ops.demo.show import MARKER, SEED_VERSION, Show, read_marker, write_marker
from ops.directory import Directory

DEADLINE_S = 20.0


def run(directory: Directory, url: str) -> tuple[Show, list[str]]:
    """A show that plays until it ends itself."""
    ended, said = threading.Event(), list[str]()
    show = Show(directory, [("edge-1", url)], "k", True, said.append, ended.set)
    show.start()
    assert ended.wait(DEADLINE_S)
    show.stop()
    return show, said


def test_a_seeding_that_fails_ends_the_demo(tmp_path: Path) -> None:
    show, said = run(Directory(tmp_path), "http://127.0.0.1:1")
    assert show.failure is not None
    assert "did not answer" in show.failure.text
    assert said == []
    assert read_marker(tmp_path / MARKER) == {}  # so the next start seeds again


def test_what_was_seeded_is_not_seeded_again(tmp_path: Path) -> None:
    write_marker(tmp_path / MARKER, SEED_VERSION)
    show, said = run(Directory(tmp_path), "http://127.0.0.1:1")
    assert said == ["6 people, as you left them"]
    assert show.failure is not None  # nobody answered the self-test


def test_a_show_that_has_ended_can_be_stopped(tmp_path: Path) -> None:
    """Story: `hubbub demo --check` passed, and then broke on its closed event loop."""
    write_marker(tmp_path / MARKER, SEED_VERSION)
    show, _ = run(Directory(tmp_path), "http://127.0.0.1:1")
    show._thread.join(DEADLINE_S)
    assert not show._thread.is_alive()
    show.stop()


def test_a_damaged_marker_is_no_marker(tmp_path: Path) -> None:
    for text in ("", "{", "[1]"):
        (tmp_path / MARKER).write_text(text)
        assert read_marker(tmp_path / MARKER) == {}
