"""The apps of a cluster, as its operator makes, changes and deletes them: records and their keys.

Rules:
1. Every change is one compare-and-swap of the app's record: two at once become one after the other.
2. A name is used once. A deleted app's record stays as a tombstone without keys.
3. Texts of keys leave once, with the answer of what made them; records hold hashes.
4. Who is allowed is the caller's question. Processes follow the records by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import (
    APP_EXISTS,
    APP_NOT_FOUND,
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    OVERLOADED,
    TOO_LARGE,
    Rejected,
)
from hubbub.base.units import KIB
from hubbub.coordinator.api import Guard, Op, Put, Record, TransactionResult
from hubbub.coordinator.records import APPS_PREFIX, AppRecord, Quotas, TokenSecret, app_key
from hubbub.model.server_keys import (
    ID_BYTES,
    KEYS_MAX,
    SECRET_BYTES,
    Scope,
    ServerKey,
    hash_of,
    new_server_key,
)
from hubbub.settings.profiles import PROFILES, resolve
from hubbub.wire.codec import decode_json, encode_json

APPS_MAX: Final = 1_000  # living ones: every edge follows the stream of each
RECORDS_MAX: Final = 4_000  # with tombstones: every process holds them all
# A record is one value of the coordinator, which takes 1.5 MiB; every process holds all of them.
SETTINGS_BYTES_MAX: Final = 64 * KIB
LABEL_CHARS_MAX: Final = 100
FIRST_ID: Final = "first"  # names `AppRecord.server_key`, which has no id of its own
# Each try loses only to somebody who changed the same app.
_ROUNDS_MAX: Final = 10
One = TypeVar("One", ServerKey, TokenSecret)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Written by whoever makes the app by hand: through the API every secret is a random one.
_FIXED: Final = ("token_secret_initial", "server_key_initial", "token_secret_bytes_min")

Change = Callable[[AppRecord], AppRecord]


class Records(Protocol):
    """What is needed of a coordinator."""

    async def get(self, key: str) -> Record | None:
        """The key's record."""

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        """All records of a prefix, by key, and their revision."""

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        """Do all operations if all guards are true, else none."""


class NewApp(Struct, frozen=True):
    """What was made, with the two secrets that are shown this once."""

    record: AppRecord
    server_key: str


class AppRegister:
    """Args: now_ms: wall clock. entropy: that many random bytes."""

    def __init__(
        self,
        coordinator: Records,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._coordinator = coordinator
        self._now_ms = now_ms
        self._entropy = entropy

    async def create(
        self,
        app: str,
        profile: str,
        settings: Mapping[str, Any],
        quotas: Quotas,
        scopes: tuple[Scope, ...],
        label: str,
    ) -> NewApp:
        """A new app with its first key. Raises Rejected."""
        if not _NAME.fullmatch(app):
            raise Rejected(BAD_REQUEST, "app: a name is 1-64 of a-z 0-9 . _ -")
        if profile not in PROFILES or PROFILES[profile].token_secret_initial:
            raise Rejected(BAD_REQUEST, f"profile: no {profile[:64]!r} here")
        changes = _merged({}, settings)
        _resolved(profile, changes)
        known = await self._all()
        if any(app in (row.app, *(key.kid for key in row.token_keys)) for row in known):
            raise Rejected(APP_EXISTS, app=app)
        living = sum(not row.is_deleted for row in known)
        if living >= APPS_MAX or len(known) >= RECORDS_MAX:
            raise Rejected(LIMIT_EXCEEDED, "too many apps", limit=APPS_MAX)
        text, key = self._new_key(scopes, label)
        record = AppRecord(
            app=app,
            id_secret=self._entropy(SECRET_BYTES).hex(),
            token_secret=self._entropy(SECRET_BYTES).hex(),
            server_key="",
            profile=profile,
            changes=changes,
            server_keys=(key,),
            quotas=quotas,
            created_ms=self._now_ms(),
        )
        guard, put = Guard(app_key(app), 0), Put(app_key(app), encode_json(record))
        if not (await self._coordinator.transact([guard], [put])).succeeded:
            raise Rejected(APP_EXISTS, app=app)
        return NewApp(record, text)

    async def get(self, app: str) -> AppRecord:
        """The record of a living app. Raises Rejected(APP_NOT_FOUND)."""
        return (await self._found(app))[1]

    async def living(self) -> list[AppRecord]:
        """The living apps by name."""
        return [record for record in await self._all() if not record.is_deleted]

    async def change(
        self, app: str, settings: Mapping[str, Any] | None, quotas: Quotas | None
    ) -> AppRecord:
        """Lay settings over those that there are (null: the profile's again), write quotas anew.
        Raises Rejected."""

        def change(record: AppRecord) -> AppRecord:
            changes = record.changes if settings is None else _merged(record.changes, settings)
            _resolved(record.profile, changes)
            return replace(record, changes=changes, quotas=quotas or record.quotas)

        return await self._change(app, change)

    async def delete(self, app: str) -> AppRecord:
        """Leave a tombstone: its keys and tokens are worth nothing from now on. Raises Rejected."""

        def change(record: AppRecord) -> AppRecord:
            return replace(
                record,
                token_secret="",
                token_secrets=(),
                server_key="",
                token_keys=(),
                server_keys=(),
                deleted_ms=self._now_ms(),
            )

        return await self._change(app, change)

    # --- keys

    async def create_key(
        self, app: str, scopes: tuple[Scope, ...], label: str
    ) -> tuple[str, ServerKey]:
        """(its text, shown this once, what is kept). Raises Rejected(LIMIT_EXCEEDED): KEYS_MAX are
        active."""
        text, key = self._new_key(scopes, label)

        def change(record: AppRecord) -> AppRecord:
            if len(keys_of(record)) >= KEYS_MAX:
                raise Rejected(
                    LIMIT_EXCEEDED, "revoke a key first: that many are active", limit=KEYS_MAX
                )
            return replace(record, server_keys=(*record.server_keys, key))

        await self._change(app, change)
        return text, key

    async def revoke_key(self, app: str, id: str) -> None:
        """That key opens nothing any more. Raises Rejected(NOT_FOUND)."""

        def change(record: AppRecord) -> AppRecord:
            if id == FIRST_ID and record.server_key:
                return replace(record, server_key="")
            return replace(record, server_keys=_without(record.server_keys, id, "key"))

        await self._change(app, change)

    # --- secrets of its tokens

    async def create_secret(self, app: str) -> TokenSecret:
        """A further secret that signs its tokens. Raises Rejected(LIMIT_EXCEEDED): KEYS_MAX are
        active."""
        drawn = self._entropy(ID_BYTES + SECRET_BYTES)
        secret = TokenSecret(drawn[:ID_BYTES].hex(), drawn[ID_BYTES:].hex(), self._now_ms())

        def change(record: AppRecord) -> AppRecord:
            if len(secrets_of(record)) >= KEYS_MAX:
                raise Rejected(
                    LIMIT_EXCEEDED, "revoke a secret first: that many are active", limit=KEYS_MAX
                )
            return replace(record, token_secrets=(*record.token_secrets, secret))

        await self._change(app, change)
        return secret

    async def revoke_secret(self, app: str, id: str) -> None:
        """Tokens that it signed are worth nothing. Raises Rejected(NOT_FOUND)."""

        def change(record: AppRecord) -> AppRecord:
            if id == FIRST_ID and record.token_secret:
                return replace(record, token_secret="")
            return replace(record, token_secrets=_without(record.token_secrets, id, "secret"))

        await self._change(app, change)

    def _new_key(self, scopes: tuple[Scope, ...], label: str) -> tuple[str, ServerKey]:
        if not scopes:
            raise Rejected(BAD_REQUEST, "scopes: a key has at least one")
        if len(label) > LABEL_CHARS_MAX or not (label.isprintable() or not label):
            raise Rejected(BAD_REQUEST, f"label: at most {LABEL_CHARS_MAX} printable characters")
        return new_server_key(self._entropy(ID_BYTES + SECRET_BYTES), scopes, label, self._now_ms())

    # --- records

    async def _all(self) -> list[AppRecord]:
        rows, _ = await self._coordinator.range(APPS_PREFIX)
        return [decode_json(row.value, AppRecord) for row in rows]

    async def _found(self, app: str) -> tuple[Record, AppRecord]:
        row = await self._coordinator.get(app_key(app)) if _NAME.fullmatch(app) else None
        record = decode_json(row.value, AppRecord) if row is not None else None
        if row is None or record is None or record.is_deleted:
            raise Rejected(APP_NOT_FOUND)
        return row, record

    async def _change(self, app: str, change: Change) -> AppRecord:
        for _ in range(_ROUNDS_MAX):
            row, record = await self._found(app)
            changed = change(record)
            guard = Guard(row.key, row.mod_revision)
            put = Put(row.key, encode_json(changed))
            if (await self._coordinator.transact([guard], [put])).succeeded:
                return changed
        raise Rejected(OVERLOADED, "others change this app at the same time")


def keys_of(record: AppRecord) -> tuple[ServerKey, ...]:
    """Its active keys; the one that `hubbub up` shows is `first`, with every scope."""
    if not record.server_key:
        return record.server_keys
    text = record.server_key
    first = ServerKey(
        FIRST_ID, hash_of(text), ("read", "write", "admin"), "made with the app", text[-4:]
    )
    return (replace(first, created_ms=record.created_ms), *record.server_keys)


def secrets_of(record: AppRecord) -> tuple[TokenSecret, ...]:
    """What signs its HS256 tokens, the oldest first; the one that it was made with is `first`."""
    if not record.token_secret:
        return record.token_secrets
    first = TokenSecret(FIRST_ID, record.token_secret, record.created_ms)
    return (first, *record.token_secrets)


def _merged(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **given}
    changes = {name: value for name, value in merged.items() if value is not None}
    if fixed := sorted(set(_FIXED) & set(changes)):
        raise Rejected(BAD_REQUEST, f"settings: {fixed[0]} is fixed")
    if len(encode_json(changes)) > SETTINGS_BYTES_MAX:
        raise Rejected(TOO_LARGE, limit_bytes=SETTINGS_BYTES_MAX)
    return changes


def _resolved(profile: str, changes: Mapping[str, Any]) -> None:
    try:
        resolve(profile, changes)
    except ValueError as error:
        raise Rejected(BAD_REQUEST, str(error)[:500]) from None


def _without(rows: tuple[One, ...], id: str, what: str) -> tuple[One, ...]:
    """The others. Raises Rejected(NOT_FOUND)."""
    kept = tuple(row for row in rows if row.id != id)
    if len(kept) == len(rows):
        raise Rejected(NOT_FOUND, f"there is no such {what}")
    return kept
