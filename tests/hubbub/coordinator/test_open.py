"""From a url to a coordinator."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from hubbub.coordinator.api import CoordinatorUnavailable, Delete, Put
from hubbub.coordinator.etcd import EtcdCoordinator
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.solo import SoloCoordinator
from tests.support.etcd import Etcd

ROOT = Path(__file__).resolve().parents[3]


async def test_solo(tmp_path: Path) -> None:
    coordinator = open_coordinator(f"solo:{tmp_path}/a:b.db")
    assert isinstance(coordinator, SoloCoordinator)
    assert (tmp_path / "a:b.db").exists()
    await coordinator.close()


@pytest.mark.parametrize("url", ["etcd=127.0.0.1:2379", "etcd:a:1,b:2", "etcd=a:1,b:2/chat"])
async def test_etcd(url: str) -> None:
    coordinator = open_coordinator(url)
    assert isinstance(coordinator, EtcdCoordinator)
    await coordinator.close()


async def test_etcd_in_a_namespace(etcd: Etcd) -> None:
    """Two that share a server, and the one that is meant when none is named."""
    address = etcd.place("").rstrip("/")
    ours, theirs = open_coordinator(f"{address}/open-1"), open_coordinator(address)
    await ours.transact([], [Put("/a", b"ours")])
    assert (await theirs.range("")) == ([], (await ours.range(""))[1])
    stored = b64encode(b"/open-1//a").decode()
    found = await asyncio.to_thread(etcd.post, 0, "kv/range", {"key": stored})
    assert found["count"] == "1"
    await ours.transact([], [Delete("/a")])
    for coordinator in (ours, theirs):
        await coordinator.close()


@pytest.mark.parametrize("place", ["a", "a:x", "a:1/b/c", "a:1;b:2", "a:1/ "])
def test_a_wrong_place_of_etcd_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match=r"etcd=HOST:PORT|namespace"):
        open_coordinator(f"etcd={place}")


@pytest.mark.parametrize(("url", "loads"), [("solo:{}/solo.db", False), ("etcd=a:1", True)])
def test_http_is_loaded_for_etcd_only(tmp_path: Path, url: str, loads: bool) -> None:
    """It takes a quarter of a second, and a node needs none of it."""
    program = (
        "import sys\n"
        "from hubbub.coordinator.cluster import ClusterView\n"
        "from hubbub.coordinator.open import open_coordinator\n"
        f"ClusterView(open_coordinator({url.format(tmp_path)!r}))\n"
        "print('aiohttp' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(loads)


@pytest.mark.parametrize(
    "url", ["", "solo", "solo:", "etcd", "etcd=", "etcd:", "etcd2:x", "zookeeper:x", "/a/path"]
)
def test_other_forms_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be solo:PATH or etcd=HOST:PORT"):
        open_coordinator(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CoordinatorUnavailable, match="missing"):
        open_coordinator(f"solo:{tmp_path}/missing/solo.db")
