"""The routes of `/v1/apps` with the shapes of their requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from hubbub.base.errors import INTERNAL, Rejected
from hubbub.coordinator.records import Quotas
from hubbub.features.contract import Command, Route
from hubbub.model.server_keys import (
    APPS_PATH,
    KEYS_PATH,
    SCOPES,
    SECRETS_PATH,
    Scope,
)
from hubbub.model.usage import Usage
from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import Effective
from hubbub.wire.codec import shaped

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200


class CreateApp(msgspec.Struct, frozen=True):
    """`settings` are laid over the profile's. `scopes`, `label`: of its first server key."""

    app: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    profile: str = "default"
    settings: Annotated[dict[str, Any], shaped(AppSettings)] = {}
    quotas: Quotas = Quotas()
    scopes: tuple[Scope, ...] = SCOPES
    label: str = ""


class UpdateApp(msgspec.Struct, frozen=True):
    """A setting that is null is the profile's again. `quotas` replaces all of them."""

    app: str
    settings: dict[str, Any] | None = None
    quotas: Quotas | None = None


class AppRequest(msgspec.Struct, frozen=True):
    """One app."""

    app: str


class OneApp(msgspec.Struct, frozen=True):
    """One app. `effective`: with every setting as it counts, and who said so."""

    app: str
    effective: bool = False


class AppsRequest(msgspec.Struct, frozen=True):
    """A page of the apps by name. `cursor`: the `next` of the page before."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    cursor: str = ""


class CreateKey(msgspec.Struct, frozen=True):
    """`label` is for people: which program has it."""

    app: str
    scopes: tuple[Scope, ...] = SCOPES
    label: str = ""


class KeyRequest(msgspec.Struct, frozen=True):
    """One server key by its id."""

    app: str
    key: str


class KeyRow(msgspec.Struct, frozen=True):
    """A server key without its text. `last`: its last four characters."""

    id: str
    scopes: tuple[Scope, ...]
    label: str
    last: str
    created_at: str


class KeysAnswer(msgspec.Struct, frozen=True):
    """The active keys, at most two."""

    keys: tuple[KeyRow, ...]


class NewKeyAnswer(msgspec.Struct, frozen=True):
    """`server_key` is shown this once."""

    key: KeyRow
    server_key: str


class SecretRequest(msgspec.Struct, frozen=True):
    """One secret of an app's tokens by its id."""

    app: str
    secret: str


class SecretRow(msgspec.Struct, frozen=True):
    """A secret without its text. `last`: its last four characters."""

    id: str
    last: str
    created_at: str


class SecretsAnswer(msgspec.Struct, frozen=True):
    """The active secrets, at most two, the oldest first."""

    secrets: tuple[SecretRow, ...]


class NewSecretAnswer(msgspec.Struct, frozen=True):
    """`token_secret` is shown this once."""

    secret: SecretRow
    token_secret: str


class AppAnswer(msgspec.Struct, frozen=True):
    """`settings`: what was laid over the profile's. Of one app that is asked for: `usage`, left out
    while no node tells it, and `effective`, if it was asked for."""

    app: str
    created_at: str
    profile: str
    settings: Annotated[dict[str, Any], shaped(AppSettings)]
    quotas: Quotas
    keys: tuple[KeyRow, ...]
    usage: Usage | msgspec.UnsetType = msgspec.UNSET
    effective: dict[str, Effective] | msgspec.UnsetType = msgspec.UNSET


class NewAppAnswer(msgspec.Struct, frozen=True):
    """`server_key` and `token_secret` (of its HS256 tokens) are shown this once."""

    app: AppAnswer
    server_key: str
    token_secret: str


class AppsAnswer(msgspec.Struct, frozen=True):
    """`next`: for the next page; empty at the end."""

    apps: tuple[AppAnswer, ...]
    next: str


class DeletedAnswer(msgspec.Struct, frozen=True):
    """Its name stays taken."""

    app: str
    deleted_at: str


class Revoked(msgspec.Struct, frozen=True):
    """Nothing more to say."""


def _never(_: object, __: object) -> Command:
    raise Rejected(INTERNAL, "the edge answers this route itself")


def _row(
    method: Any,
    path: str,
    shape: type[msgspec.Struct],
    answer: type[msgspec.Struct],
    doc: str,
    status: int = 200,
) -> Route:
    return Route(method, path, shape, _never, answer, status=status, doc=doc)


_APP: Final = APPS_PATH + "/{app}"
_KEY: Final = KEYS_PATH + "/{key}"
_SECRET: Final = SECRETS_PATH + "/{secret}"
CREATE: Final = _row(
    "POST", APPS_PATH, CreateApp, NewAppAnswer, "Make an app. Root key.", status=201
)
LIST: Final = _row("GET", APPS_PATH, AppsRequest, AppsAnswer, "The apps by name. Root key.")
GET: Final = _row(
    "GET",
    _APP,
    OneApp,
    AppAnswer,
    "An app, its keys, what it uses. Root or own key.",
)
UPDATE: Final = _row(
    "PATCH", _APP, UpdateApp, AppAnswer, "Change an app's settings and quotas. Root key."
)
DELETE: Final = _row(
    "DELETE",
    _APP,
    AppRequest,
    DeletedAnswer,
    "Delete an app: its sessions end, its keys and tokens open nothing, its name stays taken. "
    "Root key.",
)
KEYS: Final = _row("GET", KEYS_PATH, AppRequest, KeysAnswer, "Its server keys. Root or own key.")
CREATE_KEY: Final = _row(
    "POST",
    KEYS_PATH,
    CreateKey,
    NewKeyAnswer,
    "A further server key; two are active at most. Root or own key.",
    status=201,
)
REVOKE_KEY: Final = _row(
    "DELETE", _KEY, KeyRequest, Revoked, "Revoke a server key. Root or own key."
)
SECRETS: Final = _row(
    "GET", SECRETS_PATH, AppRequest, SecretsAnswer, "What signs its tokens. Root or own key."
)
CREATE_SECRET: Final = _row(
    "POST",
    SECRETS_PATH,
    AppRequest,
    NewSecretAnswer,
    "A further secret for its tokens; two are active at most. Root or own key.",
    status=201,
)
REVOKE_SECRET: Final = _row(
    "DELETE",
    _SECRET,
    SecretRequest,
    Revoked,
    "Revoke a secret: its tokens are worth nothing, sessions of theirs end. Root or own key.",
)
# Open to an app's own key as well.
OWN_ROWS: Final = (
    GET,
    KEYS,
    CREATE_KEY,
    REVOKE_KEY,
    SECRETS,
    CREATE_SECRET,
    REVOKE_SECRET,
)
APP_ROWS: Final = (CREATE, LIST, UPDATE, DELETE, *OWN_ROWS)
