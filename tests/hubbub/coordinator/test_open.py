"""From a url to a coordinator."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubbub.coordinator.api import CoordinatorUnavailable
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.solo import SoloCoordinator


async def test_solo(tmp_path: Path) -> None:
    coordinator = open_coordinator(f"solo:{tmp_path}/a:b.db")
    assert isinstance(coordinator, SoloCoordinator)
    assert (tmp_path / "a:b.db").exists()
    await coordinator.close()


@pytest.mark.parametrize("url", ["etcd=127.0.0.1:2379", "etcd:127.0.0.1:2379"])
def test_etcd_says_that_it_comes_later(url: str) -> None:
    with pytest.raises(ValueError, match=r"etcd=HOST:PORT.*not supported yet.*solo:PATH"):
        open_coordinator(url)


@pytest.mark.parametrize("url", ["", "solo", "solo:", "zookeeper:x", "/a/path"])
def test_other_forms_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be solo:PATH"):
        open_coordinator(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CoordinatorUnavailable, match="missing"):
        open_coordinator(f"solo:{tmp_path}/missing/solo.db")
