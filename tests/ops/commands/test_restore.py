"""`hubbub restore` as people and programs use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.answer import Exit
from ops.backup.create import create
from ops.backup.manifest import Manifest, seal
from ops.backup.signing import make_key, read_key
from ops.backup.target import FolderTarget
from tests.ops.backup.samples import manifest
from tests.ops.backup.small import SLOTS, Small
from tests.ops.commands.test_backup import answer, hubbub


class Kept:
    """What is left of a cluster: a backup and the public key."""

    def __init__(self, root: Path) -> None:
        self.place, self.key = root / "place", root / "backup.pub"
        small = Small()
        try:
            small.start()
            small.chat("group:x", 3)
            key = make_key(small.directory.keys)
            shutil.copy(key.with_suffix(".pub"), self.key)
            made = create(
                small.directory, FolderTarget(self.place), read_key(key), lambda _line: None
            )
            self.manifest: Manifest = made.manifest
        finally:
            small.close()

    @property
    def words(self) -> tuple[str, ...]:
        return ("--from", str(self.place), "--key", str(self.key))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


def test_a_plan_says_what_would_be_and_makes_nothing(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    assert hubbub("restore", "plan", *kept.words, "--dir", str(new), "--json") == Exit.DONE
    data = answer(capsys)["data"]
    assert (data["id"], data["slots"]) == (kept.manifest.id, SLOTS)
    assert (data["generation"], data["new_generation"]) == (1, 2)
    assert (data["leads"], data["missing"]) == ({"node-1": SLOTS}, [])
    assert hubbub("restore", "plan", *kept.words, "--dir", str(new)) == Exit.DONE
    assert "generation 2" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_plan_names_what_is_missing(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(kept.place, tmp_path / "place")
    next((tmp_path / "place").rglob("CURRENT")).unlink()
    words = ("--from", str(tmp_path / "place"), "--key", str(kept.key))
    assert hubbub("restore", "plan", *words, "--dir", str(tmp_path / "new")) == Exit.PARTIAL
    assert "CURRENT is missing" in capsys.readouterr().err


def test_run_makes_the_directory_and_says_how_to_go_on(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    assert hubbub("restore", "run", *kept.words, "--dir", str(new)) == Exit.DONE
    out = capsys.readouterr().out
    assert "tokens and server keys of the backed-up cluster stay valid" in out
    assert f"hubbub up --dir {new} --nodes 1" in out
    assert "rebalance" not in out, "there was one copy"
    assert (new / "coordinator.sqlite").exists()
    assert hubbub("restore", "run", *kept.words, "--dir", str(new)) == Exit.CONFLICT
    assert "not empty" in capsys.readouterr().err
    again = ("--dir", str(tmp_path / "again"), "--generation", "5", "--json")
    assert hubbub("restore", "run", *kept.words, *again) == Exit.DONE
    found = answer(capsys)
    assert found["schema"] == "hubbub.restore_run/1"
    assert (found["data"]["new_generation"], found["data"]["copies"]) == (5, 1)
    assert found["data"]["leads"] == {"node-1": SLOTS}


def test_fewer_copies_than_before_are_told(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from msgspec.structs import replace

    shutil.copytree(kept.place, tmp_path / "place")
    key = read_key(make_key(tmp_path))
    path = tmp_path / "place" / kept.manifest.id / "manifest.json"
    path.write_bytes(seal(replace(kept.manifest, copies=3), key))
    words = ("--from", str(tmp_path / "place"), "--key", str(tmp_path / "backup.pub"))
    assert hubbub("restore", "run", *words, "--dir", str(tmp_path / "new")) == Exit.DONE
    out = capsys.readouterr().out
    assert "one copy now, not 3" in out
    assert f"hubbub rebalance start --dir {tmp_path / 'new'} --copies 3" in out


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_signature_is_demanded_and_overridden_loudly(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    words = ("restore", verb, "--from", str(kept.place), "--dir", str(tmp_path / "new"))
    assert hubbub(*words) == Exit.REFUSED
    assert "no key was given" in capsys.readouterr().err
    other = str(make_key(tmp_path))
    assert hubbub(*words, "--key", other) == Exit.REFUSED
    assert not (tmp_path / "new").exists()
    assert hubbub(*words, "--allow-unsigned", "--json") == Exit.DONE
    assert "NOT VERIFIED" in answer(capsys)["warnings"][0]


def test_a_newer_format_is_refused_even_unsigned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = FolderTarget(tmp_path / "place")
    key = read_key(make_key(tmp_path))
    newer = manifest(format=2)
    target.write(f"{newer.id}/manifest.json", [seal(newer, key)])
    words = ("restore", "run", "--from", target.url, "--dir", str(tmp_path / "new"))
    assert hubbub(*words, "--allow-unsigned") == Exit.REFUSED
    assert "format 2" in capsys.readouterr().err


def test_numbers_that_cannot_be_are_usage_errors(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*kept.words, "--dir", str(tmp_path / "new"), "--generation", "1")
    assert hubbub("restore", "plan", *words) == Exit.USAGE
    assert "above 1" in capsys.readouterr().err
