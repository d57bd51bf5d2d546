"""Checks before a start."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops import guards
from ops.answer import Failure


def test_a_nearly_full_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards.check_disk(tmp_path / "not" / "there" / "yet")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=499 << 20))
    with pytest.raises(Failure, match="499 MB free"):
        guards.check_disk(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "warns"),
    [
        (1024, 20_000, 20_000, False),
        (1024, 1_048_576, 65_536, False),
        (1024, resource.RLIM_INFINITY, 65_536, False),
        (100_000, 200_000, None, False),
        (256, 1024, 1024, True),
    ],
)
def test_open_files_are_raised_as_far_as_allowed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised_to: int | None, warns: bool
) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: calls.append(limits))
    assert bool(guards.raise_open_files()) is warns
    assert calls == ([(raised_to, hard)] if raised_to else [])
