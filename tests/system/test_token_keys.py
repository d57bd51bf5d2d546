"""Tokens of an owner's own key, and their end, through a real cluster."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tests.support.client import Client, Closed
from tests.support.cluster import Cluster

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def public_file(folder: Path, name: str, private: PrivateKey) -> Path:
    path = folder / f"{name}.pem"
    path.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def signed(private: PrivateKey, kid: str, algorithm: str, **claims: object) -> str:
    return jwt.encode(
        {"sub": "ann", "iat": time.time(), **claims},
        private,
        algorithm=algorithm,
        headers={"kid": kid},
    )


async def test_rs256_and_eddsa_keys_of_the_owner(tmp_path: Path) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    edwards = ed25519.Ed25519PrivateKey.generate()
    options = [
        f"--token-key=back=RS256:{public_file(tmp_path, 'rsa', rsa_key)}",
        f"--token-key=app=EdDSA:{public_file(tmp_path, 'ed', edwards)}",
    ]
    with Cluster(*options) as cluster:
        for token in (signed(rsa_key, "back", "RS256"), signed(edwards, "app", "EdDSA")):
            async with Client(cluster.url, token) as client:
                assert (await client.rpc("user.channels"))["channels"] == []
        wrong = signed(rsa_key, "app", "RS256")
        with pytest.raises(Closed) as refused:
            async with Client(cluster.url, wrong):
                pass
        assert refused.value.code == 3500


async def test_a_revocation_reaches_a_live_socket(cluster: Cluster) -> None:
    token = cluster.token("revoked-ann")
    async with Client(cluster.url, token) as client:
        cluster.rest("POST", "/v1/tokens/revoke", {"user": "revoked-ann"})
        assert (await client.wait_closed()).code == 4501
    with pytest.raises(Closed) as refused:
        async with Client(cluster.urls[-1], token):
            pass
    assert refused.value.code == 3500
    async with Client(cluster.url, cluster.token("revoked-ann")):
        pass
