"""CURVE keys and who may connect: each process has one pair, named after it.

Shape of a keys folder (mode 0700):
  <name>.secret        40 characters of Z85, mode 0600: only on the machine of that process
  public/<name>.key    40 characters of Z85: every process that may connect

Rules:
1. tcp:// is never spoken without keys. A server accepts only keys of its public folder and knows
   the peer by the name of its file (the ZAP user id).
2. A client names the server's key in advance, so a stranger's listener is refused too.
3. A key that is not known is looked for again on disk, at most once a second: processes may be
   added while others run.

Source: ZeroMQ RFC 27/ZAP 1.0, RFC 26/CurveZMQ; pyzmq's curve_keypair.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from hubbub.transport.table import MonotonicClock

ZAP_ADDRESS: Final = "inproc://zeromq.zap.01"
_ZAP_DOMAIN: Final = b"hubbub"
_ZAP_PARTS: Final = 7  # version, request id, domain, address, identity, mechanism, client key
_RESCAN_MS: Final = 1_000


class KeysError(ValueError):
    """A keys folder that cannot be used; says which file and why."""


def make_keys(directory: Path, names: Iterable[str]) -> None:
    """Make the missing key pairs of these processes; those that exist stay.

    Raises OSError.
    """
    public = directory / "public"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    public.mkdir(mode=0o755, exist_ok=True)
    for name in names:
        secret_path = directory / f"{name}.secret"
        if secret_path.exists() and (public / f"{name}.key").exists():
            continue
        public_key, secret_key = zmq.curve_keypair()
        _write(public / f"{name}.key", public_key, 0o644)
        _write(secret_path, secret_key, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content + b"\n")
    fresh.replace(path)


class Keys:
    """The pair of one process, and the public keys of all that it may talk to."""

    def __init__(self, directory: Path | str, name: str) -> None:
        """Raises KeysError if the pair of `name` is missing, damaged or readable by others."""
        self._directory = Path(directory)
        self._names: dict[bytes, str] = {}
        path = self._directory / f"{name}.secret"
        self.secret = _read(path)
        if path.stat().st_mode & 0o077:
            raise KeysError(f"{path}: mode must be 0600: others can read it")
        self.public = self.public_of(name)
        if zmq.curve_public(self.secret) != self.public:
            raise KeysError(f"{path}: does not belong to the public key of {name}")
        self.rescan()

    def public_of(self, name: str) -> bytes:
        """The public key of a process. Raises KeysError."""
        return _read(self._directory / "public" / f"{name}.key")

    def name_of(self, public_key: bytes) -> str | None:
        """Whose key it is; None: nobody's that we know."""
        return self._names.get(public_key)

    def rescan(self) -> None:
        """Read the public folder again; a removed key is refused from now on."""
        paths = sorted((self._directory / "public").glob("*.key"))
        self._names = {_read(path): path.stem for path in paths}

    def configure_server(self, socket: zmq.Socket[bytes]) -> None:
        """Before bind: only clients with a known key get in (`Authenticator` must run)."""
        socket.setsockopt(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        socket.setsockopt(zmq.CURVE_SERVER, 1)

    def configure_client(self, socket: zmq.Socket[bytes], server: str) -> None:
        """Before connect: the listener must hold the key of `server`. Raises KeysError."""
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.public_of(server))


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from None
    if len(key) != 40:
        raise KeysError(f"{path}: not a key of 40 characters")
    return key


class Authenticator:
    """Answers ZAP: which key may connect to the sockets of this context, and its name.

    It must listen before the first server binds, or libzmq lets everyone in.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: asyncio.AbstractEventLoop,
        keys: Keys,
        clock: MonotonicClock,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._loop = loop
        self._rescanned_ms = clock.monotonic_ms()
        self.refused = 0
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ZAP_ADDRESS)
        loop.add_reader(self._socket.fileno(), self.drain)
        loop.call_soon(self.drain)

    def drain(self) -> None:
        """Answer every request that waits."""
        while not self._socket.closed:
            try:
                request = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send_multipart(self._answer(request))

    def close(self) -> None:
        """From now on nobody gets in."""
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close(linger=0)

    def _answer(self, request: list[bytes]) -> list[bytes]:
        request_id = request[1] if len(request) > 1 else b""
        name = None
        if len(request) == _ZAP_PARTS and request[5] == b"CURVE":
            name = self._name_of(z85.encode(request[6]))
        if name is None:
            self.refused += 1
            # 300, not 400: [M] after a 400 libzmq's client never tries again, even if its key is
            # made known a moment later.
            return [b"1.0", request_id, b"300", b"unknown key", b"", b""]
        return [b"1.0", request_id, b"200", b"OK", name.encode(), b""]

    def _name_of(self, public_key: bytes) -> str | None:
        name = self._keys.name_of(public_key)
        now_ms = self._clock.monotonic_ms()
        if name is None and now_ms - self._rescanned_ms >= _RESCAN_MS:
            self._rescanned_ms = now_ms
            self._keys.rescan()
            name = self._keys.name_of(public_key)
        return name
