"""The number that never falls."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.store.acked import AckedMap


def test_it_survives_a_process_that_does_not_close_it(tmp_path: Path) -> None:
    path = str(tmp_path / "acked.map")
    first = AckedMap(path)
    assert first.highest == 0
    first.store(7)
    first.store(2**63)
    assert AckedMap(path).highest == 2**63
    assert (tmp_path / "acked.map").read_bytes() == (2**63).to_bytes(8, "big")


def test_it_never_falls(tmp_path: Path) -> None:
    acked = AckedMap(str(tmp_path / "acked.map"))
    acked.store(5)
    with pytest.raises(AssertionError):
        acked.store(4)
    assert AckedMap(str(tmp_path / "acked.map")).highest == 5
    acked.close()
    acked.close()
