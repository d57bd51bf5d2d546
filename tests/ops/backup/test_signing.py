"""Keys that sign backups: made once, read whole, and of one kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ops.answer import Exit, Failure
from ops.backup.signing import PUBLIC_FILE, make_key, read_key


def test_the_public_half_verifies_what_the_private_one_signed(tmp_path: Path) -> None:
    private = read_key(make_key(tmp_path))
    public = read_key(tmp_path / PUBLIC_FILE)
    signature = private.sign(b"manifest")
    assert public.is_valid(signature, b"manifest")
    assert not public.is_valid(signature, b"Manifest")
    assert not public.is_valid(signature[:-1] + bytes([signature[-1] ^ 1]), b"manifest")
    assert not public.is_valid(b"", b"manifest")
    assert public.id == private.id
    assert len(public.id) == 16


def test_a_signature_of_the_bare_bytes_is_none(tmp_path: Path) -> None:
    """What this key signed for another purpose does not pass for a backup."""
    key = read_key(make_key(tmp_path))
    assert key.private is not None
    bare = ed25519.Ed25519PrivateKey.from_private_bytes(key.private).sign(b"manifest")
    assert not key.is_valid(bare, b"manifest")


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = make_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert make_key(tmp_path) == path
    assert path.read_bytes() == before


def test_a_public_key_cannot_sign(tmp_path: Path) -> None:
    make_key(tmp_path)
    with pytest.raises(Failure, match="cannot sign") as refused:
        read_key(tmp_path / PUBLIC_FILE).sign(b"x")
    assert refused.value.exit_code is Exit.USAGE


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "rsa.pem").write_bytes(pem)
    (tmp_path / "text").write_text("hello")
    for name in ("rsa.pem", "text", "missing"):
        with pytest.raises(Failure) as refused:
            read_key(tmp_path / name)
        assert refused.value.exit_code is Exit.USAGE
        assert name in refused.value.text
