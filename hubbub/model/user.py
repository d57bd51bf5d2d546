"""A user as everybody may see him."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType


class Profile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The public profile. `created` is RFC 3339; `avatar` is a URL the client may load.
    `guest_until`: RFC 3339; absent for a full user."""

    user: str
    created: str
    name: str = ""
    avatar: str = ""
    data: Raw | UnsetType = UNSET
    guest_until: str = ""
