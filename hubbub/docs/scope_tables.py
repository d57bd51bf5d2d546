"""SCOPES.md as the code would write it now: from the registry's routes and `model.server_keys`.

Shape: Markdown; one table of routes.
"""

from __future__ import annotations

from typing import Final

from hubbub.docs.error_tables import table
from hubbub.features.registry import REGISTRY
from hubbub.model.server_keys import APPS_PATH, KEYS_PATH, SCOPES, SECRETS_PATH, scope_of

HEAD: Final = """# What a server key may ask for

Generated from `hubbub/model/server_keys.py` by `python -m hubbub.docs`; a test compares them, and
`tests/edge/web/test_scopes.py` asks every route with a key of every scope.

An app has at most two active server keys, each with one or more scopes, none of which contains
another. `read` sees everything of the app, `write` acts for anybody in it and issues tokens,
`admin` decides what concerns the whole app and makes further keys, of any scope. Each operation of
a batch is asked for by itself. A missing scope is `permission_denied` with the scope's name. Tokens
of users have no scopes: their rights are in [PERMISSIONS.md](PERMISSIONS.md).

The root key is the cluster's: it opens the routes below `/v1/apps` and nothing else.
"""
# What no feature has: the edge answers it. tests/edge/web/test_scopes.py compares.
EDGE_ROUTES: Final = (
    ("POST", "/v1/tokens"),
    ("POST", "/v1/guests"),
    ("POST", "/v1/batch"),
    ("GET", "/v1/limits"),
)
ROOT: Final = (
    ("POST", APPS_PATH),
    ("GET", APPS_PATH),
    ("PATCH", APPS_PATH + "/{app}"),
    ("DELETE", APPS_PATH + "/{app}"),
)
ROOT_OR_OWN: Final = (
    ("GET", APPS_PATH + "/{app}"),
    ("GET", KEYS_PATH),
    ("POST", KEYS_PATH),
    ("DELETE", KEYS_PATH + "/{key}"),
    ("GET", SECRETS_PATH),
    ("POST", SECRETS_PATH),
    ("DELETE", SECRETS_PATH + "/{secret}"),
)


def scope_page() -> str:
    """The whole page."""
    routes = [(row.method, row.path) for row in REGISTRY.routes]
    rows = [_row(method, path) for method, path in [*routes, *EDGE_ROUTES]]
    rows += [[_route(*row), "", "", "", "yes"] for row in ROOT]
    rows += [[_route(*row), "", "", "its own app", "yes"] for row in ROOT_OR_OWN]
    return "\n".join([HEAD, *table(["route", *SCOPES, "root key"], rows), ""])


def _row(method: str, path: str) -> list[str]:
    wanted = scope_of(method, path)
    return [_route(method, path), *("yes" if wanted in (s, None) else "" for s in SCOPES), ""]


def _route(method: str, path: str) -> str:
    return f"`{method} {path}`"
