"""What a user's apps remember for him on all his devices: keys and JSON values, in `#user`.

Rules:
1. At most KEYS_MAX keys of KEY_CHARS_MAX characters and values of VALUE_BYTES_MAX; the last writer
   wins, by key. A null deletes.
2. What changes nothing is no event; the event names only what changed, so that devices that write
   different keys never undo one another.
3. The server gives no key a meaning.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.fields import json_bytes
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

KEYS_MAX: Final = 64
KEY_CHARS_MAX: Final = 64
VALUE_BYTES_MAX: Final = 1_024  # 64 of them are read with every bootstrap


class SetSettings(Command, frozen=True):
    """Set or (null) delete some keys. `user`: empty for one's own."""

    TAG = "settings.set"

    settings: dict[str, Raw]
    user: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class SettingsChanged(Event, frozen=True):
    """What is otherwise from now on; null: gone."""

    TAG = "settings.changed"

    settings: dict[str, Raw]


class SettingsRequest(Struct, frozen=True):
    """Whose; empty: one's own."""

    user: str = ""


class SettingsAnswer(Struct, frozen=True):
    """All of them."""

    settings: dict[str, Raw]


SETTINGS: Final[Table[str, bytes]] = Table("user_settings", str, bytes)


def check_set(cmd: SetSettings, ctx: EdgeContext) -> SetSettings:
    if not cmd.settings:
        raise Rejected(BAD_REQUEST, "nothing to change")
    if len(cmd.settings) > KEYS_MAX:
        raise Rejected(TOO_MANY, f"at most {KEYS_MAX} keys", limit=KEYS_MAX)
    for key, value in cmd.settings.items():
        if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isprintable():
            raise Rejected(BAD_REQUEST, f"a key has 1 to {KEY_CHARS_MAX} printable characters")
        if len(json_bytes(value)) > VALUE_BYTES_MAX:
            limit = VALUE_BYTES_MAX
            raise Rejected(TOO_LARGE, f"the value of {key} is too long", limit_bytes=limit)
    return replace(cmd, user=check_user(cmd.user or ctx.viewer.user))


def decide_set(cmd: SetSettings, tables: Tables, ctx: Context) -> list[Event]:
    if cmd.user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no settings of users")
    rows = tables[SETTINGS]
    wanted = {key: json_bytes(value) for key, value in cmd.settings.items()}
    changed = {key: value for key, value in wanted.items() if (rows.get(key) or b"") != value}
    if not changed:
        return []
    count = len(rows.scan(limit=KEYS_MAX + 1))
    count += sum((1 if value else 0) - (rows.get(k) is not None) for k, value in changed.items())
    if count > KEYS_MAX:
        raise Rejected(TOO_MANY, f"at most {KEYS_MAX} keys", limit=KEYS_MAX)
    return [SettingsChanged(settings={k: Raw(v or b"null") for k, v in changed.items()})]


def apply_changed(event: SettingsChanged, _: Meta, tables: Tables) -> None:
    for key, value in event.settings.items():
        if stored := json_bytes(value):
            tables[SETTINGS].put(key, stored)
        else:
            tables[SETTINGS].delete(key)


def settings_of(tables: Tables) -> dict[str, Raw]:
    """All of the user of this stream."""
    return {key: Raw(value) for key, value in tables[SETTINGS].scan(limit=KEYS_MAX)}


def run_get(_: SettingsRequest, tables: Tables, ctx: Context) -> SettingsAnswer:
    if ctx.key != user_stream(ctx.actor):
        try:
            require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "settings are their user's own") from None
    return SettingsAnswer(settings_of(tables))


def turn_get(request: SettingsRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), "settings.get", SettingsRequest(user))


def turn_set(request: SetSettings, ctx: EdgeContext) -> SetSettings:
    return replace(request, user=request.user or request.by or ctx.viewer.user)


_PATH: Final = "/v1/users/{user}/settings"

FEATURE: Final = Feature(
    name="user_settings",
    tables=(SETTINGS,),
    check={SetSettings: check_set},
    decide={SetSettings: decide_set},
    apply={SettingsChanged: apply_changed},
    queries=(QueryRow("settings.get", SettingsRequest, run_get),),
    verbs=(
        Verb("settings.set", SetSettings, turn_set, Done, "Set keys for all own devices."),
        Verb("settings.get", SettingsRequest, turn_get, SettingsAnswer, "All own settings."),
    ),
    routes=(
        Route("PATCH", _PATH, SetSettings, turn_set, Done, doc="Set or delete some keys."),
        Route("GET", _PATH, SettingsRequest, turn_get, SettingsAnswer, doc="All settings."),
    ),
)
