"""`hubbub backup` as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cli
from ops.answer import Exit
from ops.backup.manifest import seal
from ops.backup.signing import make_key, read_key
from ops.backup.target import FolderTarget
from ops.commands.backup import warnings_of
from tests.ops.backup.samples import ID, manifest
from tests.ops.backup.small import SLOTS, Small


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    made = Small()
    try:
        made.start()
        made.chat("group:x", 3)
        yield made
    finally:
        made.close()


def hubbub(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_create_list_verify(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = str(small.directory.root), str(tmp_path / "place")
    assert hubbub("backup", "create", "--dir", root, "--to", place, "--json") == Exit.DONE
    made = answer(capsys)
    assert made["schema"] == "hubbub.backup_create/1"
    data = made["data"]
    assert (data["slots"], data["nodes"], data["databases"]) == (SLOTS, ["node-1"], ["node-1"])
    assert data["url"] == f"{place}#{data['id']}"
    assert data["continued"] is False
    assert data["entries"] >= SLOTS + 4

    assert hubbub("backup", "list", "--from", place, "--json") == Exit.DONE
    (row,) = answer(capsys)["data"]["backups"]
    assert (row["id"], row["finished"]) == (data["id"], True)

    words = ("backup", "verify", "--dir", root, "--from", data["url"])
    assert hubbub(*words, "--json") == Exit.DONE
    read = answer(capsys)
    assert (read["data"]["read"], read["data"]["damages"]) == (data["entries"], [])
    assert read["warnings"] == []
    assert hubbub(*words, "--quick") == Exit.DONE
    assert "signature and hashes" in capsys.readouterr().out

    next((tmp_path / "place").rglob("*.sst")).unlink()
    assert hubbub(*words) == Exit.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert ".sst is missing" in err
    assert hubbub(*words, "--json") == Exit.FAILED
    assert len(answer(capsys)["data"]["damages"]) == 1


def test_people_are_told_what_was_made_and_what_to_keep(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = str(small.directory.root), str(tmp_path / "place")
    assert hubbub("backup", "create", "--dir", root, "--to", f"file://{place}") == Exit.DONE
    out, err = capsys.readouterr()
    assert f"{SLOTS} slots" in out
    assert "public half" in out
    assert "hubbub backup verify" in out
    assert "frozen: 16 slots on 1 nodes" in err
    assert hubbub("backup", "list", "--from", place) == Exit.DONE
    assert f"{SLOTS} slots" in capsys.readouterr().out


def test_another_key_may_sign(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = str(small.directory.root), str(tmp_path / "place")
    key = make_key(tmp_path)
    words = ("--dir", root, "--to", place, "--key", str(key), "--json")
    assert hubbub("backup", "create", *words) == Exit.DONE
    assert answer(capsys)["data"]["key_id"] == read_key(key).id
    assert hubbub("backup", "verify", "--dir", root, "--from", place) == Exit.REFUSED
    assert "not with" in capsys.readouterr().err
    public = str(tmp_path / "backup.pub")
    assert hubbub("backup", "verify", "--from", place, "--key", public) == Exit.DONE
    assert hubbub("backup", "create", "--dir", root, "--to", place, "--key", public) == Exit.USAGE


def test_an_unverified_backup_is_read_only_on_demand_and_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = read_key(make_key(tmp_path))
    target = FolderTarget(tmp_path / "place")
    target.write(f"{ID}/manifest.json", [seal(manifest(), key)])
    words = ("backup", "verify", "--dir", str(tmp_path / "d"), "--from", target.url, "--quick")
    assert hubbub(*words) == Exit.REFUSED
    assert "no key was given" in capsys.readouterr().err
    assert hubbub(*words, "--allow-unsigned") == Exit.FAILED, "its files are missing"
    assert "NOT VERIFIED" in capsys.readouterr().err


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "place")
    words = ("backup", "create", "--dir", str(tmp_path / "d"), "--to", place)
    assert hubbub(*words) == Exit.NOT_FOUND
    assert "there is no cluster" in capsys.readouterr().err
    assert not (tmp_path / "d").exists(), "nothing was made"
    assert hubbub("backup", "verify", "--from", place) == Exit.NOT_FOUND
    assert hubbub("backup", "list", "--from", place) == Exit.DONE
    assert "no backup" in capsys.readouterr().out
    assert hubbub("backup", "list", "--from", "https://example.com/b") == Exit.USAGE


def test_a_place_is_not_a_backup(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("backup", "create", "--dir", str(small.directory.root), "--to", f"/b#{ID}")
    assert hubbub(*words) == Exit.USAGE
    assert "not a backup" in capsys.readouterr().err


def test_an_unfinished_backup_is_listed_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FolderTarget(tmp_path).write(f"{ID}/coordinator.json", [b"{}"])
    assert hubbub("backup", "list", "--from", str(tmp_path)) == Exit.DONE
    assert capsys.readouterr().out == f"{ID}   unfinished\n"
    assert hubbub("backup", "list", "--from", str(tmp_path), "--json") == Exit.DONE
    assert answer(capsys)["data"]["backups"] == [{"id": ID, "finished": False}]


def test_what_is_less_than_perfect_is_a_warning() -> None:
    assert warnings_of(manifest()) == []
    silent, unheld = warnings_of(manifest(silent=("node-2",), unheld=("node-2",)))
    assert "node-2" in silent
    assert "list of channels" in unheld
