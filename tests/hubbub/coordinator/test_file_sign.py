"""The kernel tells when a file is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubbub.coordinator import solo
from hubbub.coordinator.api import Put
from hubbub.coordinator.file_sign import FileSign
from hubbub.coordinator.solo import SoloCoordinator

DEADLINE_S = 10.0


async def test_a_write_wakes_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    sign, woken = FileSign.open(path), asyncio.Event()
    assert sign is not None
    sign.attach(asyncio.get_running_loop(), woken.set)
    with path.open("ab", buffering=0) as file:
        file.write(b"x")
    async with asyncio.timeout(DEADLINE_S):
        await woken.wait()
    sign.close()


def test_a_file_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    assert FileSign.open(tmp_path / "none") is None


@pytest.mark.parametrize("has_kernel", [True, False])
async def test_another_process_s_write_is_seen_long_before_the_idle_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_kernel: bool
) -> None:
    """With the kernel's word, and by looking where there is none."""
    monkeypatch.setattr(solo, "_IDLE_LOOK_S", 3_600.0)
    if not has_kernel:
        monkeypatch.setattr(FileSign, "open", classmethod(lambda cls, path: None))
    ours, theirs = SoloCoordinator(tmp_path / "c"), SoloCoordinator(tmp_path / "c")
    watch = ours.watch("k", 1)
    seen = asyncio.ensure_future(anext(watch))  # noqa: TID251 - ends within this test
    try:
        await ours.get("k")
        while asyncio.get_running_loop().time() < ours._hot_until:  # noqa: ASYNC110 - until idle
            await asyncio.sleep(0.01)
        async with asyncio.timeout(DEADLINE_S):
            await theirs.transact([], [Put("k", b"v")])
            events = await seen
        assert [event.record.value for event in events if event.record] == [b"v"]
    finally:
        seen.cancel()
        await watch.aclose()  # type: ignore[attr-defined]
        await ours.close()
        await theirs.close()


async def test_a_write_whose_sync_takes_longer_is_looked_for_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of the write; the change shows at the third look after it."""
    ours = SoloCoordinator(tmp_path / "c")
    looks: list[int] = []
    await ours.get("k")  # it is open
    monkeypatch.setattr(solo, "_LOOK_S", 3_600.0)
    monkeypatch.setattr(solo, "_IDLE_LOOK_S", 3_600.0)
    seen = asyncio.Event()

    def changed() -> bool:
        looks.append(1)
        return len(looks) == 3

    monkeypatch.setattr(ours._sign, "changed", changed)
    monkeypatch.setattr(ours, "_wake", seen.set)
    try:
        ours._written()
        async with asyncio.timeout(DEADLINE_S):
            await seen.wait()
        assert len(looks) == 3
    finally:
        monkeypatch.undo()
        await ours.close()
