"""Which cluster to load: cluster.json of a running one, named by HUBBUB_CLUSTER.

Only the names that outside programs may rely on are read: `edges[].url`, `server_key`,
`token_secret`.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import os
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

TOKEN_LIFETIME_S = 6 * 3_600


@dataclass(frozen=True)
class Cluster:
    """Addresses of the edges, and the secrets of the app."""

    urls: tuple[str, ...]
    server_key: str
    token_secret: str

    def token(self, user: str) -> str:
        """A connection token, HS256 (RFC 7515): signed here, so that no REST call is measured."""
        now_s = int(time.time())
        claims = {"sub": user, "iat": now_s, "exp": now_s + TOKEN_LIFETIME_S}
        head = _segment({"alg": "HS256", "typ": "JWT"}) + b"." + _segment(claims)
        mac = hmac.new(self.token_secret.encode(), head, sha256).digest()
        return (head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def load(host: str | None) -> Cluster:
    """The cluster of HUBBUB_CLUSTER (a cluster.json, or the directory of `up`).

    `host` (locust's --host) replaces the addresses: several, separated by commas.
    Raises SystemExit with what to do.
    """
    named = os.environ.get("HUBBUB_CLUSTER", "")
    if not named:
        raise SystemExit("set HUBBUB_CLUSTER to the directory of `hubbub up`, or its cluster.json")
    path = Path(named)
    if path.is_dir():
        path = path / "run" / "cluster.json"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"cannot read {path}: {error}") from None
    urls = host.split(",") if host else [edge["url"] for edge in content["edges"]]
    return Cluster(tuple(urls), content["server_key"], content["token_secret"])


_turns = itertools.count()


def urls_in_turn(cluster: Cluster) -> tuple[str, ...]:
    """The edges for the next user: each begins with another one."""
    first = next(_turns) % len(cluster.urls)
    return cluster.urls[first:] + cluster.urls[:first]


def _segment(value: dict[str, object]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
