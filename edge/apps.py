"""The apps (tenants) that this edge serves: their keys and settings, and what their `@app` stream
says.

Rules:
1. An app's record comes from the coordinator's view; its settings are its profile with what its
   owner changed. Apps come, and change, while the edge runs.
2. The edge holds interest in every app's `@app` stream: the snapshot first, then each event. Until
   the snapshot is there the edge is not ready: it could not know what was revoked.
3. A deleted app is gone at once: its keys first, then its sessions, through `deleted(app)`.
4. A revocation or an exclusion closes the sessions that it hits, through `revoked(app, user, jti)`;
   so does the end of a secret that signed their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from edge.auth import Auth, TokenKey
from edge.dispatch import App, RequestFunction
from edge.hub import Hub
from hubbub.base.names import APP_STREAM
from hubbub.coordinator.app_register import secrets_of
from hubbub.coordinator.records import AppRecord
from hubbub.settings.profiles import resolve
from hubbub.wire.codec import decode_json, decode_pack, encode_pack
from hubbub.wire.event import StoredEvent
from hubbub.wire.shapes import Kind, Status, Subscribe, Subscribed, Viewer

Revoked = Callable[[str, str, str], None]  # app, user, jti ("" = any)
Deleted = Callable[[str], None]
REVOCATION = "token.revoked"
EXCLUSION = "user.exclusion_set"


class _Revocation(msgspec.Struct, frozen=True):
    before: int
    user: str = ""
    jti: str = ""


class _Revocations(msgspec.Struct, frozen=True):
    users: dict[str, int] = {}
    tokens: dict[str, int] = {}


class _Exclusion(msgspec.Struct, frozen=True):
    user: str = ""
    deactivated: bool = False
    banned_ms: int = 0


class _Snapshot(msgspec.Struct, frozen=True):
    revocations: _Revocations = _Revocations()
    exclusions: dict[str, _Exclusion] = {}


class Apps:
    """Apps by name. `missing` names those whose snapshot has not come yet."""

    def __init__(
        self,
        hub: Hub,
        auth: Auth,
        request: RequestFunction,
        process: str,
        revoked: Revoked,
        deleted: Deleted = lambda _: None,
    ) -> None:
        self.by_name: dict[str, App] = {}
        self.missing: dict[str, None] = {}
        self._hub = hub
        self._auth = auth
        self._request = request
        self._process = process
        self._revoked = revoked
        self._deleted = deleted
        self._listening: set[str] = set()
        self._asking: set[str] = set()
        # What the stream said while a snapshot was asked for: it may be newer. By app and user.
        self._overtook: dict[str, dict[str, tuple[int, _Exclusion]]] = {}

    def set_records(self, records: Mapping[str, AppRecord]) -> None:
        """Apps appeared, changed, were deleted. Raises ValueError for settings that cannot be."""
        for name in list(self.by_name):
            if name not in records or records[name].is_deleted:
                self._remove(name)
        for record in records.values():
            if record.is_deleted:
                continue
            app = App(
                record.app,
                resolve(record.profile, record.changes),
                record.id_secret.encode(),
                record.quotas,
            )
            keys = [
                TokenKey(app.name, "HS256", one.secret, id=one.id, since_ms=one.created_ms)
                for one in secrets_of(record)
            ]
            keys += [TokenKey(app.name, k.algorithm, k.key, k.kid) for k in record.token_keys]
            gone = self._auth.set_app(app.name, record.server_key, keys, record.server_keys)
            if gone:
                self._revoked(app.name, "", "")
            if self.by_name.get(app.name) is None:
                self.missing[app.name] = None
                if app.name not in self._listening:
                    self._listening.add(app.name)
                    self._hub.listen((app.name, APP_STREAM), _AppStream(self, app.name))
            self.by_name[app.name] = app

    def _remove(self, app: str) -> None:
        """Its `@app` stream stays listened to: no name is used twice, and it is silent."""
        del self.by_name[app]
        self.missing.pop(app, None)
        self._auth.remove_app(app)
        self._deleted(app)

    def tick(self) -> None:
        """Ask for the snapshots that are missing."""
        for app in self.missing:
            if app not in self._asking:
                self._asking.add(app)
                self._ask(app)

    def event(self, app: str, event: StoredEvent) -> None:
        """Something changed for the whole app."""
        if event.head.type == REVOCATION:
            self._revoke(app, decode_json(event.data, _Revocation))
        elif event.head.type == EXCLUSION:
            what = decode_json(event.data, _Exclusion)
            if app in self.missing:
                self._overtook.setdefault(app, {})[what.user] = (event.seq, what)
            self._exclude(app, what.user, what)

    def reset(self, app: str) -> None:
        """The stream's position was lost: its snapshot tells all again."""
        if app not in self.by_name:
            return
        self.missing[app] = None
        self._overtook.pop(app, None)

    def _ask(self, app: str) -> None:
        def done(status: Status, body: bytes) -> None:
            self._asking.discard(app)
            if status is not Status.OK or app not in self.by_name:
                return
            answer = decode_pack(body, Subscribed)
            self._hub.answer(
                self._hub.channels[(app, APP_STREAM)], answer.head, answer.epoch, lambda: None
            )
            self.missing.pop(app, None)
            snapshot = decode_json(answer.data, _Snapshot) if answer.data else _Snapshot()
            for user, before in snapshot.revocations.users.items():
                self._revoke(app, _Revocation(before, user=user))
            for jti, before in snapshot.revocations.tokens.items():
                self._revoke(app, _Revocation(before, jti=jti))
            newer = {
                user: what
                for user, (seq, what) in self._overtook.pop(app, {}).items()
                if seq > answer.head
            }
            self._auth.include_all(app)
            for user, what in {**snapshot.exclusions, **newer}.items():
                self._exclude(app, user, what)

        body = encode_pack(Subscribe(Viewer(user="", authority="edge"), self._process))
        self._request(Kind.SUBSCRIBE, app, APP_STREAM, body, done)

    def _revoke(self, app: str, revocation: _Revocation) -> None:
        if revocation.jti:
            self._auth.revoke_token(app, revocation.jti)
        else:
            self._auth.revoke_user(app, revocation.user, revocation.before)
        self._revoked(app, revocation.user, revocation.jti)

    def _exclude(self, app: str, user: str, what: _Exclusion) -> None:
        self._auth.exclude_user(app, user, what.deactivated, what.banned_ms)
        self._revoked(app, user, "")


class _AppStream:
    """The hub's listener for one app."""

    __slots__ = ("_app", "_apps")

    def __init__(self, apps: Apps, app: str) -> None:
        self._apps = apps
        self._app = app

    def event(self, event: StoredEvent) -> None:
        self._apps.event(self._app, event)

    def reset(self) -> None:
        self._apps.reset(self._app)
