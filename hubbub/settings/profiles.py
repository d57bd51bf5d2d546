"""The named sets of app settings that `up` and `demo` start an app with.

Rules: a profile is a value of AppSettings and nothing more: no code asks which profile is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from hubbub.settings.app import OFF, AppSettings, Namespace

DEFAULT: Final = AppSettings()

# The same code with its limits off, for measuring. Raw channels, so that they are measured too.
BENCH: Final = AppSettings(
    handshakes_per_address=OFF,
    guests_per_address=OFF,
    devices_per_user_max=0,
    send_per_channel=OFF,
    send_per_user=OFF,
    typing_per_channel=OFF,
    commands_per_connection=OFF,
    subscribes_per_connection=OFF,
    rest_per_user=OFF,
    rest_per_key=OFF,
    rest_per_address=OFF,
    namespaces={
        "raw": Namespace(
            subscribe="users",
            publish="subscribers",
            history="subscribers",
            presence="subscribers",
            history_size=100,
            history_ttl_s=300,
        )
    },
)

_OPEN = Namespace(
    subscribe="everyone",
    publish="everyone",
    history="everyone",
    presence="everyone",
    history_size=100,
    history_ttl_s=300,
    recover=True,
)

# What the SDKs' own test suites expect of their server: everything allowed, tokens checked if
# they are sent, and secrets that stand in those suites.
CENTRIFUGE_COMPAT: Final = AppSettings(
    token_required=False,
    token_secret_bytes_min=1,
    token_secret_initial="secret",
    server_key_initial="test-api-key",
    handshakes_per_address=OFF,
    guests_per_address=OFF,
    devices_per_user_max=0,
    send_per_channel=OFF,
    send_per_user=OFF,
    typing_per_channel=OFF,
    commands_per_connection=OFF,
    subscribes_per_connection=OFF,
    rest_per_user=OFF,
    rest_per_key=OFF,
    rest_per_address=OFF,
    compat_api=True,
    namespaces={
        "": msgspec.structs.replace(_OPEN, join_leave=True, push_join_leave=True, delta=True),
        "#": msgspec.structs.replace(_OPEN, join_leave=True, push_join_leave=True),
        "smallhistory": msgspec.structs.replace(_OPEN, history_size=2),
        "recovery": _OPEN,
        "delta": msgspec.structs.replace(_OPEN, delta=True),
    },
)

PROFILES: Final[Mapping[str, AppSettings]] = MappingProxyType(
    {"default": DEFAULT, "bench": BENCH, "centrifuge-compat": CENTRIFUGE_COMPAT}
)


# Shown once, to whoever makes the app.
_SECRET: Final = frozenset({"token_secret_initial", "server_key_initial"})


class Effective(msgspec.Struct, frozen=True):
    """A setting as it counts, and who said so: the app's owner, its profile, or nobody."""

    value: Any
    source: Literal["app", "profile", "default"]


def effective(profile: str, changes: Mapping[str, object]) -> dict[str, Effective]:
    """Every setting of an app, by name, but its first secrets. Raises ValueError, as `resolve`."""
    counts, base = (msgspec.to_builtins(resolve(profile, laid)) for laid in (changes, {}))
    plain = msgspec.to_builtins(DEFAULT)
    return {
        name: Effective(
            value,
            "app" if name in changes else "default" if base[name] == plain[name] else "profile",
        )
        for name, value in sorted(counts.items())
        if name not in _SECRET
    }


def resolve(profile: str, changes: Mapping[str, object] | None = None) -> AppSettings:
    """The settings of a profile, with an owner's changes (JSON values by field) laid over it.

    A change replaces a whole field, except `namespaces`, which is merged by name.
    Raises ValueError that names the profile, or the field that is wrong.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile: no {profile!r}; there are {', '.join(PROFILES)}")
    base = PROFILES[profile]
    if not changes:
        return base
    fields: dict[str, object] = msgspec.to_builtins(base)
    merged = fields | dict(changes)
    added = changes.get("namespaces")
    if isinstance(added, Mapping):
        merged["namespaces"] = {**msgspec.to_builtins(base.namespaces), **added}
    try:
        return msgspec.convert(merged, AppSettings)
    except msgspec.ValidationError as error:
        raise ValueError(f"settings: {error}") from None
