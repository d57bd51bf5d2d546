"""Keys on disk: modes, damage, and the ZAP answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import zmq
from zmq.utils import z85

from hubbub.runtime.clock import SystemClock
from hubbub.transport.curve import ZAP_ADDRESS, Authenticator, Keys, KeysError, make_keys


def test_keys_are_private_and_made_once(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["router-1", "edge-1"])
    secret = tmp_path / "keys/router-1.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    before = secret.read_bytes()
    make_keys(tmp_path / "keys", ["router-1", "edge-2"])
    assert secret.read_bytes() == before
    keys = Keys(tmp_path / "keys", "router-1")
    assert keys.name_of(keys.public_of("edge-2")) == "edge-2"
    assert keys.name_of(b"0" * 40) is None
    assert keys.secret != keys.public


def test_a_removed_key_is_forgotten_by_a_rescan(tmp_path: Path) -> None:
    make_keys(tmp_path, ["router-1", "edge-1"])
    keys = Keys(tmp_path, "router-1")
    edge = keys.public_of("edge-1")
    (tmp_path / "public/edge-1.key").unlink()
    keys.rescan()
    assert keys.name_of(edge) is None


def test_damaged_foreign_and_open_keys_are_refused_with_the_file(tmp_path: Path) -> None:
    make_keys(tmp_path, ["a", "b"])
    with pytest.raises(KeysError, match=r"c\.secret"):
        Keys(tmp_path, "c")
    (tmp_path / "a.secret").chmod(0o640)
    with pytest.raises(KeysError, match="0600"):
        Keys(tmp_path, "a")
    (tmp_path / "b.secret").write_bytes(b"short")
    with pytest.raises(KeysError, match="40 characters"):
        Keys(tmp_path, "b")
    (tmp_path / "a.secret").chmod(0o600)
    (tmp_path / "b.secret").write_bytes((tmp_path / "a.secret").read_bytes())
    with pytest.raises(KeysError, match="does not belong"):
        Keys(tmp_path, "b")


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"1.0", b"7", b"hubbub", b"127.0.0.1", b"", b"CURVE", b"known"], b"200"),
        ([b"1.0", b"7", b"hubbub", b"127.0.0.1", b"", b"CURVE", b"\0" * 32], b"300"),
        ([b"1.0", b"7", b"hubbub", b"127.0.0.1", b"", b"NULL"], b"300"),
        ([b"1.0", b"7", b"hubbub", b"127.0.0.1", b"", b"PLAIN", b"user", b"word"], b"300"),
        ([b"1.0"], b"300"),
    ],
)
async def test_zap_accepts_only_known_curve_keys(
    tmp_path: Path, parts: list[bytes], status: bytes
) -> None:
    make_keys(tmp_path, ["router-1", "edge-1"])
    keys = Keys(tmp_path, "router-1")
    known = z85.decode(keys.public_of("edge-1"))
    with zmq.Context() as context, context.socket(zmq.DEALER) as asker:
        zap = Authenticator(context, asyncio.get_running_loop(), keys, SystemClock())
        asker.connect(ZAP_ADDRESS)
        asker.send_multipart([b"", *(known if part == b"known" else part for part in parts)])
        async with asyncio.timeout(5):
            while not asker.poll(0):  # noqa: ASYNC110 - a plain socket tells nobody
                await asyncio.sleep(0.005)
        answer = asker.recv_multipart()[1:]
        zap.close()
    assert answer[2] == status
    assert answer[4] == (b"edge-1" if status == b"200" else b"")
    assert zap.refused == (status == b"300")
