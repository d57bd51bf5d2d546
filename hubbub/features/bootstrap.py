"""What a user's connection gets with his own stream: all that a chat app needs to draw its first
screen.

Rules:
1. It is made for a connection that begins anew. Who resumes has it, and gets what was missed
   instead, from the stream.
2. Whatever is kept in `#user` for all devices of a user belongs in here: a device that got this and
   every later event of the stream has all of it.
3. The first page of channels comes without heads: those are their own streams', and the edge puts
   them in (`heads`), as it does with the position (`cursor`).

Near the end of the registry, because it gathers from all features of a user.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from hubbub.base.names import StreamKind
from hubbub.features.blocks import blocked_of
from hubbub.features.channel_list import joined_of, page_from, recent_of, require_own
from hubbub.features.contract import Access, Context, Feature, SubscribeArgs, Tables
from hubbub.features.devices import admit
from hubbub.features.list_rows import ListedChannel
from hubbub.features.presence import Choice, row_of
from hubbub.features.user_settings import settings_of
from hubbub.features.users import find_profile
from hubbub.model.user import Profile
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import encode_json

# Of the first page: what a screen shows.
CHANNELS_MAX: Final = 50


class Limits(Struct, frozen=True):
    """What a client should know before it runs into it."""

    text_chars: int
    envelope_bytes: int
    history_page: int
    screen_channels: int
    head_channels: int
    members_per_command: int


class UserSnapshot(Struct, frozen=True):
    """`channels`: the most recently added ones; `next`: pass it to user.channels as `before`."""

    user: str
    profile: Profile | None
    channels: list[ListedChannel]
    next: int
    settings: dict[str, Raw]
    limits: Limits
    presence: Choice
    blocks: tuple[str, ...] = ()


def access_user(args: SubscribeArgs, tables: Tables, ctx: Context) -> Access:
    """A user's own stream. `args.data`: the edge's DeviceClaim. Raises Rejected."""
    user = ctx.key[1:]
    require_own(user, ctx)
    admit(args.data, tables, ctx)

    blocked = blocked_of(tables)
    heard = ctx.settings.head_channels_max
    recent = recent_of(0, max(heard, CHANNELS_MAX), tables)

    def snapshot() -> bytes:
        page = page_from(recent, CHANNELS_MAX, tables)
        return encode_json(
            UserSnapshot(
                user,
                find_profile(user, tables),
                page.channels,
                page.next,
                settings_of(tables),
                limits_of(ctx.settings),
                row_of(tables).choice,
                blocked,
            )
        )

    channels = joined_of(recent[:heard])
    return Access(snapshot=snapshot, presence=True, channels=channels, blocks=blocked)


def limits_of(settings: AppSettings) -> Limits:
    """The part of an app's settings that its clients are told."""
    return Limits(
        text_chars=settings.text_chars_max,
        envelope_bytes=settings.envelope_bytes_max,
        history_page=settings.history_page_max,
        screen_channels=settings.screen_channels_max,
        head_channels=settings.head_channels_max,
        members_per_command=settings.members_per_command_max,
    )


FEATURE: Final = Feature(name="bootstrap", access={StreamKind.USER: access_user})
