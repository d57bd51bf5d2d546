"""What a user's connection gets with his own stream: all that a chat app needs to draw its first
screen.

Rules:
1. It is made for a connection that begins anew. Who resumes has it, and gets what was missed
   instead, from the stream.
2. Whatever is kept in `#user` for all devices of a user belongs in here: a device that got this and
   every later event of the stream has all of it. What may be long is in lists of its own, which a
   device reads after this: drafts, bookmarks, reminders, schedules.
3. The first page of channels comes without heads: those are their own streams', and the edge puts
   them in (`heads`), as it does with the position (`cursor`).

Near the end of the registry, because it gathers from all features of a user.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from hubbub.base.names import StreamKind
from hubbub.features.blocks import BLOCKED, blocked_of
from hubbub.features.channel_list import joined_of, page_from, recent_of, require_own
from hubbub.features.contract import Access, Context, Feature, SubscribeArgs, Tables
from hubbub.features.devices import admit
from hubbub.features.list_rows import BY_AGE, LISTED, OWN, ListedChannel
from hubbub.features.presence import row_of
from hubbub.features.user_settings import SETTINGS, settings_of
from hubbub.features.users import PROFILE, find_profile
from hubbub.model.user import Profile
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Json

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


class FirstScreen(Struct, frozen=True):
    """What rests on rows that seldom change. `channels`: the most recently added ones; `next`: pass
    it to user.channels as `before`."""

    user: str
    profile: Profile | None
    channels: list[ListedChannel]
    next: int
    settings: dict[str, Raw]
    blocks: tuple[str, ...] = ()


class UserSnapshot(FirstScreen, frozen=True, kw_only=True):
    """What the subscription of a user's own stream gives: `presence` is what he chose."""

    limits: Limits
    presence: str


class Kept(Struct, frozen=True):
    """The same as JSON; and whose heads the sessions hear of."""

    screen: Json
    joined: tuple[str, ...]
    blocked: tuple[str, ...]

    def __len__(self) -> int:
        """Bytes."""
        return len(self.screen) + sum(map(len, self.joined)) + sum(map(len, self.blocked))


# What FirstScreen is made of. Not the presence row: each disconnect writes it.
_RESTS_ON: Final = (LISTED, BY_AGE, OWN, PROFILE, SETTINGS, BLOCKED)


def access_user(args: SubscribeArgs, tables: Tables, ctx: Context) -> Access:
    """A user's own stream. `args.data`: the edge's DeviceClaim. Raises Rejected."""
    user = ctx.key[1:]
    require_own(user, ctx)
    admit(args.data, tables, ctx)
    heard = ctx.settings.head_channels_max

    def make(rows: Tables) -> Kept:
        return _first_screen(user, heard, rows)

    kept = tables.kept(f"bootstrap {heard}", _RESTS_ON, make)

    def snapshot() -> bytes:
        limits, choice = encode_json(limits_of(ctx.settings)), encode_json(row_of(tables).choice)
        return b'%b,"limits":%b,"presence":%b}' % (kept.screen[:-1], limits, choice)

    return Access(snapshot=snapshot, presence=True, channels=kept.joined, blocks=kept.blocked)


def _first_screen(user: str, heard: int, tables: Tables) -> Kept:
    blocked = blocked_of(tables)
    recent = recent_of(0, max(heard, CHANNELS_MAX), tables)
    page = page_from(recent, CHANNELS_MAX, tables)
    screen = FirstScreen(
        user, find_profile(user, tables), page.channels, page.next, settings_of(tables), blocked
    )
    return Kept(encode_json(screen), joined_of(recent[:heard]), blocked)


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
