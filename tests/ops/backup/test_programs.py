"""A node's programs are run on an order, and their last words are heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubbub.coordinator.backups import Restored, RestoreOrder, Verified, VerifyOrder
from node.store.rocks import RocksStore
from ops.answer import Failure
from ops.backup import programs
from ops.backup.programs import ask


def test_an_order_is_answered(tmp_path: Path) -> None:
    RocksStore(str(tmp_path / "db")).close()
    assert ask("node.verify", VerifyOrder(str(tmp_path / "db"), ()), Verified, 0) == Verified(0, {})


def test_what_it_said_last_is_the_cause(tmp_path: Path) -> None:
    order = RestoreOrder(
        data_dir=str(tmp_path), storage_id="s", cluster="c", generation=2, copies=()
    )
    with pytest.raises(Failure) as failed:
        ask("node.restore", order, Restored, 0)
    assert failed.value.cause == (f"{tmp_path}: there is no database",)


def test_a_program_that_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_S_MIN", 0.001)
    with pytest.raises(Failure, match="did not end"):
        ask("node.verify", VerifyOrder(str(tmp_path), ()), Verified, 0)
