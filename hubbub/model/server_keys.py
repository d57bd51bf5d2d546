"""Keys of a cluster's operator and of an app's own servers, and what each scope opens. Pure.

Rules:
1. A key's text is shown once, when it is made. What is kept is its SHA-256: it has 256 random bits,
   so that a slow hash would add nothing.
2. A server key names itself (`hub_<id>_<secret>`), so that it is found without trying all, and is
   then compared in constant time.
3. Each route asks for one scope, and no scope contains another: `read` for GET and for reads whose
   question has a body (READS), `admin` for what concerns a whole app (ADMIN), `write` for the rest.
4. The root key (`hubroot_<secret>`) is of the cluster: it makes and deletes apps and nothing else.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

Scope: TypeAlias = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")

# Two, so that a key is replaced without a moment in which none is good; more would be forgotten.
KEYS_MAX: Final = 2
ID_BYTES: Final = 4
SECRET_BYTES: Final = 32
LAST_CHARS: Final = 4
ROOT_PREFIX: Final = "hubroot_"
APPS_PATH: Final = "/v1/apps"
KEYS_PATH: Final = APPS_PATH + "/{app}/keys"
SECRETS_PATH: Final = APPS_PATH + "/{app}/token_secrets"

# What ends the work of others all over an app, or decides what its events are.
ADMIN: Final = frozenset(
    {
        ("POST", "/v1/tokens/revoke"),
        ("PUT", "/v1/event_types/{name}"),
        ("DELETE", "/v1/event_types/{name}"),
        ("POST", "/v1/users/{user}/ban"),
        ("POST", "/v1/users/{user}/unban"),
        ("POST", "/v1/users/{user}/deactivate"),
        ("POST", "/v1/users/{user}/reactivate"),
        ("GET", APPS_PATH + "/{app}"),
        ("GET", KEYS_PATH),
        ("POST", KEYS_PATH),
        ("DELETE", KEYS_PATH + "/{key}"),
        ("GET", SECRETS_PATH),
        ("POST", SECRETS_PATH),
        ("DELETE", SECRETS_PATH + "/{secret}"),
    }
)
READS: Final = frozenset(
    {
        ("POST", "/v1/channels/{channel}/messages/get"),
        ("POST", "/v1/channels/{channel}/verify"),
        ("POST", "/v1/channels/query"),
        ("POST", "/v1/search/messages"),
        ("POST", "/v1/users/query"),
        ("POST", "/v1/users/{by}/sync"),
    }
)
# Each request in it is asked for by itself.
NO_SCOPE: Final = frozenset({("POST", "/v1/batch"), ("GET", "/v1/limits")})
_KEY = re.compile(r"hub_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


class ServerKey(Struct, frozen=True):
    """One key of an app as it is kept. `hash`: hexadecimal. `last`: its last four characters."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    hash: Annotated[str, Meta(min_length=64, max_length=64)]
    scopes: tuple[Scope, ...]
    label: str = ""
    last: str = ""
    created_ms: int = 0


def new_server_key(
    entropy: bytes, scopes: tuple[Scope, ...], label: str, now_ms: int
) -> tuple[str, ServerKey]:
    """(the text that is shown once, what is kept) from ID_BYTES + SECRET_BYTES random bytes."""
    id = entropy[:ID_BYTES].hex()
    text = f"hub_{id}_{_letters(entropy[ID_BYTES : ID_BYTES + SECRET_BYTES])}"
    ordered = tuple(scope for scope in SCOPES if scope in scopes)
    return text, ServerKey(id, hash_of(text), ordered, label, text[-LAST_CHARS:], now_ms)


def new_root_key(entropy: bytes) -> str:
    """The text of a root key from SECRET_BYTES random bytes."""
    return ROOT_PREFIX + _letters(entropy[:SECRET_BYTES])


def id_in(text: str) -> str:
    """The id in a key's text; empty if it is none of ours."""
    match = _KEY.fullmatch(text)
    return match[1] if match else ""


def hash_of(text: str) -> str:
    """What is kept of a key."""
    return sha256(text.encode(errors="surrogateescape")).hexdigest()


def is_key(text: str, kept: str) -> bool:
    """Whether a text is the key whose hash is kept; an empty hash is nobody's."""
    return bool(kept) and hmac.compare_digest(hash_of(text), kept)


def scope_of(method: str, path: str) -> Scope | None:
    """What a route (by its template) asks of a server key; None: any key will do."""
    if (method, path) in NO_SCOPE:
        return None
    if (method, path) in ADMIN:
        return "admin"
    return "read" if method == "GET" or (method, path) in READS else "write"


def _letters(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
