"""A backup of a running node: everything acknowledged is in it, and what is cut goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from hubbub.coordinator.api import Delete, Put
from hubbub.coordinator.records import AppRecord, ProcessRecord, app_key, process_key
from hubbub.wire.codec import encode_json
from ops.answer import Exit, Failure
from ops.backup import create as creating
from ops.backup.create import create
from ops.backup.desk import Desk
from ops.backup.signing import BackupKey, make_key, read_key
from ops.backup.target import FolderTarget
from ops.backup.verify import Listed, listed, open_backup, verify
from ops.directory import Directory
from tests.ops.backup.small import SLOTS, Small
from tests.ops.backup.test_desk import write
from tests.support.cluster import wait_for

LATE = AppRecord(app="late", id_secret="i" * 32, token_secret="t" * 32, server_key="s" * 32)


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    made = Small()
    try:
        made.start()
        made.chat("group:x", 5)
        yield made
    finally:
        made.close()


@pytest.fixture
def key(small: Small) -> BackupKey:
    return read_key(make_key(small.directory.keys))


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "place")


class Cut(FolderTarget):
    """A place that fails after some files."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.writes = writes

    def write(self, name: str, pieces: Iterable[bytes], *, is_new: bool = False) -> None:
        if not self.writes:
            raise Failure("the network is gone", exit_code=Exit.UNREACHABLE)
        self.writes -= 1
        super().write(name, pieces, is_new=is_new)


class Busy(FolderTarget):
    """A place beside which an app is created once the first file of a node is stored."""

    def __init__(self, root: Path, directory: Directory) -> None:
        super().__init__(root)
        self.directory = directory

    def write(self, name: str, pieces: Iterable[bytes], *, is_new: bool = False) -> None:
        super().write(name, pieces, is_new=is_new)
        record = AppRecord(
            app="late", id_secret="i" * 32, token_secret="t" * 32, server_key="s" * 32
        )
        write(self.directory, Put(app_key(record.app), encode_json(record)))


def silent(_line: str) -> None:
    """Nobody listens."""


def checkpoints(small: Small) -> list[Path]:
    folder = small.directory.node_data("node-1") / "checkpoints"
    return list(folder.iterdir()) if folder.exists() else []


def left(small: Small) -> list[str]:
    """What a command left beside the cluster."""
    return sorted(p.name for p in (small.directory.run / "backups").iterdir() if p.name != "lock")


def unfinished(small: Small) -> int:
    with Desk(small.directory) as desk:
        return len(desk.unfinished())


def test_everything_that_was_acknowledged_is_in_it(
    small: Small, key: BackupKey, target: FolderTarget
) -> None:
    made = create(small.directory, target, key, silent)
    manifest = made.manifest
    assert not made.continued
    assert (len(manifest.slots), manifest.copies, manifest.silent) == (SLOTS, 1, ())
    assert sum(slot.applied for slot in manifest.slots) >= SLOTS + 6
    assert manifest.term_max == 1
    assert open_backup(target, "").manifest == manifest
    found = verify(target, manifest, silent)
    assert found.damages == ()
    assert found.entries == manifest.entries
    assert left(small) == []
    assert unfinished(small) == 0


def test_what_rows_may_name_is_taken_after_the_rows(
    small: Small, key: BackupKey, tmp_path: Path
) -> None:
    """Bug 30: an app whose rows are in the backup and whose record is not could not be reached."""
    target = Busy(tmp_path / "place", small.directory)
    try:
        made = create(small.directory, target, key, silent)
        export = (tmp_path / "place" / made.manifest.coordinator.path).read_text()
        assert app_key("late") in export
    finally:
        write(small.directory, Delete(app_key("late")))


def test_nodes_drop_what_they_froze(small: Small, key: BackupKey, target: FolderTarget) -> None:
    made = create(small.directory, target, key, silent)
    wait_for(lambda: not checkpoints(small), 20, lambda: str(checkpoints(small)))
    assert made.manifest.nodes[0].files


@pytest.mark.parametrize("writes", [0, 3])
def test_a_backup_that_was_cut_goes_on_where_it_was(
    small: Small, key: BackupKey, target: FolderTarget, tmp_path: Path, writes: int
) -> None:
    with pytest.raises(Failure, match="network") as cut:
        create(small.directory, Cut(tmp_path / "place", writes), key, silent)
    assert cut.value.exit_code is Exit.UNREACHABLE
    assert any("goes on" in line for line in cut.value.tries)
    assert len(checkpoints(small)) == 1
    before = set((tmp_path / "place").rglob("*.*")) if writes else set()
    small.submit(("group:x", "message.send", {"channel": "group:x", "text": "meanwhile"}))
    stamps = {path: path.stat().st_mtime_ns for path in before if path.is_file()}
    made = create(small.directory, target, key, silent)
    assert made.continued
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "not stored twice"
    assert verify(target, made.manifest, silent).damages == ()
    assert [one.id for one in listed(target)] == [made.manifest.id]
    assert (left(small), unfinished(small)) == ([], 0)


def test_a_command_that_died_behind_the_manifest_has_nothing_left_to_do(
    small: Small, key: BackupKey, target: FolderTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Desk, "end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            create(small.directory, target, key, silent)
    made = create(small.directory, target, key, silent)
    assert made.continued
    assert open_backup(target, "").manifest == made.manifest
    assert (left(small), unfinished(small)) == ([], 0)


def test_an_unfinished_backup_is_not_mixed_with_another_place(
    small: Small, key: BackupKey, target: FolderTarget, tmp_path: Path
) -> None:
    with pytest.raises(Failure):
        create(small.directory, Cut(tmp_path / "place", 2), key, silent)
    elsewhere = FolderTarget(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="not finished") as refused:
        create(small.directory, elsewhere, key, silent)
    assert refused.value.exit_code is Exit.CONFLICT
    made = create(small.directory, elsewhere, key, silent, is_fresh=True)
    assert not made.continued
    assert [one.sealed is None for one in listed(target)] == [True]
    assert isinstance(listed(target)[0], Listed)
    assert unfinished(small) == 0


def test_two_commands_do_not_make_one_backup(
    small: Small, key: BackupKey, target: FolderTarget
) -> None:
    folder = small.directory.run / "backups"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(Failure, match="another backup") as refused:
            create(small.directory, target, key, silent)
        assert refused.value.exit_code is Exit.CONFLICT
    finally:
        os.close(descriptor)


def test_a_silent_node_whose_slots_others_have_is_named(
    small: Small, key: BackupKey, target: FolderTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "HOLD_S", 1.0)
    monkeypatch.setattr(creating, "CHECKPOINT_S", 1.0)
    nowhere = f"ipc://{small.root}/nowhere"
    record = ProcessRecord(
        name="node-9", role="node", boot_id=1, storage_id="disk-9", address=nowhere
    )
    put = Put(process_key("node", "node-9"), encode_json(record))
    write(small.directory, put, ttl_ms=60_000)
    try:
        made = create(small.directory, target, key, silent)
    finally:
        write(small.directory, Delete(put.key))
    assert made.manifest.silent == ("node-9",)
    assert made.manifest.unheld == ("node-9",)
    assert len(made.manifest.slots) == SLOTS


def test_slots_that_nobody_has_fail_it_and_leave_nothing(
    key: BackupKey, target: FolderTarget
) -> None:
    one = Small()
    try:
        with pytest.raises(Failure, match="no node answers") as refused:
            create(one.directory, target, key, silent)
        assert refused.value.exit_code is Exit.UNREACHABLE
        assert (left(one), unfinished(one), listed(target)) == ([], 0, [])
        one.start()
        for slot in (3, 7):  # two slots whose copies are on a disk that nobody has
            record = b'{"term":1,"leader":null,"members":["x"],"prev":["x"],"activated":true}'
            write(one.directory, Put(f"/slots/{slot:05d}", record))
        with pytest.raises(Failure, match="2 of 16 slots are not covered") as partial:
            create(one.directory, target, key, silent)
        assert partial.value.exit_code is Exit.PARTIAL
        assert any("slot 3" in line for line in partial.value.cause)
        assert (left(one), unfinished(one), listed(target)) == ([], 0, [])
    finally:
        one.close()
