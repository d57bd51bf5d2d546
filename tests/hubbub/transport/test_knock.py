"""Whether anybody listens: Unix sockets and TCP, and what is never taken for a refusal."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.transport import knock
from hubbub.transport.knock import Knock


@pytest.fixture
def path() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="hub"))
    yield f"{folder}/s"
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knock, "KNOCK_MS", 1)


def knocking(address: str) -> tuple[Knock, asyncio.Event]:
    refused = asyncio.Event()
    return Knock(asyncio.get_running_loop(), address, refused.set), refused


def is_there(path: str) -> bool:
    return Path(path).exists()


async def is_heard(refused: asyncio.Event) -> bool:
    async with asyncio.timeout(10):
        return await refused.wait()


def unix(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    made.listen()
    return made


async def test_a_path_without_a_listener_refuses_whether_the_file_is_there_or_not(
    path: str,
) -> None:
    assert await is_heard(knocking(f"ipc://{path}")[1]), "no file"
    unix(path).close()
    assert is_there(path)
    assert await is_heard(knocking(f"ipc://{path}")[1]), "the file of a process that was killed"


async def test_who_listens_and_never_answers_is_not_refused_until_he_is_gone(path: str) -> None:
    listener = unix(path)
    listener.setblocking(False)
    _, refused = knocking(f"ipc://{path}")
    seen = 0
    async with asyncio.timeout(10):
        while seen < 3:  # it knocks again and again; nobody accepts in between
            (await asyncio.get_running_loop().sock_accept(listener))[0].close()
            seen += 1
    assert not refused.is_set()
    listener.close()
    assert await is_heard(refused)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_tcp_port_without_a_listener_refuses(host: str) -> None:
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((host.strip("[]"), 0))
    listener.listen()
    listener.setblocking(False)
    address = f"tcp://{host}:{listener.getsockname()[1]}"
    _, refused = knocking(address)
    async with asyncio.timeout(10):
        (await asyncio.get_running_loop().sock_accept(listener))[0].close()
    assert not refused.is_set()
    listener.close()
    assert await is_heard(refused)


@pytest.mark.parametrize("address", ["tcp://some-host:1", "tcp://127.0.0.1:x", "inproc://a", ""])
async def test_what_cannot_be_asked_is_not_refused(address: str) -> None:
    made, refused = knocking(address)
    _, other = knocking("ipc:///nowhere/at/all")
    assert await is_heard(other)
    assert not refused.is_set()
    made.close()


async def test_after_close_nothing_is_said(path: str) -> None:
    made, refused = knocking(f"ipc://{path}")
    made.close()
    made.close()
    assert await is_heard(knocking(f"ipc://{path}")[1])
    assert not refused.is_set()
