"""The key that signs backups: Ed25519, in PEM files beside the link keys of a cluster.

  D/keys/backup.pem   the private half, mode 0600: signs          made by the first `up`, or by the
  D/keys/backup.pub   the public half: whoever has it can verify  first backup of an older directory

Rules:
1. The private half stays where it is made. Who restores needs the public one, which must therefore
   be kept somewhere else than the directory that may be lost; it is no secret.
2. A signature covers the bytes it is given behind a fixed first line, so that nothing else that is
   ever signed with such a key passes for a backup.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.answer import Exit, Failure

PRIVATE_FILE: Final = "backup.pem"
PUBLIC_FILE: Final = "backup.pub"
ALGORITHM: Final = "ed25519"
_FIRST_LINE: Final = b"hubbub backup manifest\n"
_KEY_FILE_BYTES_MAX: Final = 16_384  # a PEM of this kind has 120


@dataclass(frozen=True)
class BackupKey:
    """A key as read: the public half, and the private one if the file had it."""

    public: bytes
    private: bytes | None = None

    @property
    def id(self) -> str:
        """16 hexadecimal digits that name the key."""
        return hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, data: bytes) -> bytes:
        """The signature of some bytes. Raises Failure if this is only a public key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self.private is None:
            raise Failure(
                f"key {self.id} is a public key: it verifies, and cannot sign",
                exit_code=Exit.USAGE,
                tries=[f"--key the {PRIVATE_FILE} that belongs to it"],
            )
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(_FIRST_LINE + data)

    def is_valid(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's, of these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, _FIRST_LINE + data)
        except InvalidSignature:
            return False
        return True


def make_key(folder: Path) -> Path:
    """The private half's file in a keys folder; both halves are made if it is missing."""
    path = folder / PRIVATE_FILE
    if path.exists():
        return path
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    public = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(folder / PUBLIC_FILE, public, 0o644)
    _write(path, private, 0o600)  # last: while it is missing, both are made again
    return path


def read_key(path: Path) -> BackupKey:
    """A private or public key. Raises Failure(USAGE)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    try:
        with path.open("rb") as file:
            pem = file.read(_KEY_FILE_BYTES_MAX)
        if b"PRIVATE" in pem:
            private = serialization.load_pem_private_key(pem, None)
            if isinstance(private, Ed25519PrivateKey):
                public = private.public_key()
                return BackupKey(public.public_bytes_raw(), private.private_bytes_raw())
        else:
            found = serialization.load_pem_public_key(pem)
            if isinstance(found, Ed25519PublicKey):
                return BackupKey(found.public_bytes_raw())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Failure(
            f"cannot read the key {path}", exit_code=Exit.USAGE, cause=[str(error)]
        ) from None
    raise Failure(f"{path} is no Ed25519 key", exit_code=Exit.USAGE)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
