"""A channel that is over but kept: everybody reads, nobody says anything, and it is not listed.

Rules:
1. What is said, and joining, is refused with `channel_archived` for everybody, server keys too
   (`standing.require_user` asks the row). Reading, marks, leaving and removing go on.
2. It can be undone. A user's own archive is another thing (list_settings).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    Route,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.standing import CHANNEL, ONLY, require_standing
from hubbub.model.permissions import Action


class ArchiveChannel(Command, frozen=True):
    """Read only from now on."""

    TAG = "channel.archive"

    channel: str


class UnarchiveChannel(Command, frozen=True):
    """As it was before."""

    TAG = "channel.unarchive"

    channel: str


class ChannelArchived(Event, frozen=True):
    """Read only from now on."""

    TAG = "channel.archived"


class ChannelUnarchived(Event, frozen=True):
    """As it was before."""

    TAG = "channel.unarchived"


def check_archive(cmd: ArchiveChannel | UnarchiveChannel, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    return cmd


def decide_archive(_: ArchiveChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.ARCHIVE_CHANNEL, tables, ctx)
    return [] if row.archived else [ChannelArchived()]


def decide_unarchive(_: UnarchiveChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.ARCHIVE_CHANNEL, tables, ctx)
    return [ChannelUnarchived()] if row.archived else []


def apply_archived(event: ChannelArchived | ChannelUnarchived, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        tables[CHANNEL].put(ONLY, replace(row, archived=isinstance(event, ChannelArchived)))


FEATURE: Final = Feature(
    name="archive",
    check={ArchiveChannel: check_archive, UnarchiveChannel: check_archive},
    decide={ArchiveChannel: decide_archive, UnarchiveChannel: decide_unarchive},
    apply={ChannelArchived: apply_archived, ChannelUnarchived: apply_archived},
    verbs=(
        Verb("channel.archive", ArchiveChannel, as_command, Done, "Read only from now on."),
        Verb("channel.unarchive", UnarchiveChannel, as_command, Done, "As it was before."),
    ),
    routes=(
        Route("PUT", "/v1/channels/{channel}/archived", ArchiveChannel, as_command, Done),
        Route("DELETE", "/v1/channels/{channel}/archived", UnarchiveChannel, as_command, Done),
    ),
)
