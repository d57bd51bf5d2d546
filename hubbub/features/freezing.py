"""A frozen channel: only those with SEND_FROZEN speak, everybody else reads.

What that takes is decided in `standing`, from the flag in the channel's row.
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


class FreezeChannel(Command, frozen=True):
    """Only staff may speak from now on."""

    TAG = "channel.freeze"

    channel: str


class UnfreezeChannel(Command, frozen=True):
    """Everybody may speak again."""

    TAG = "channel.unfreeze"

    channel: str


class ChannelFrozen(Event, frozen=True):
    """Only staff may speak."""

    TAG = "channel.frozen"


class ChannelUnfrozen(Event, frozen=True):
    """Everybody may speak."""

    TAG = "channel.unfrozen"


def check_freeze(cmd: FreezeChannel | UnfreezeChannel, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    return cmd


def decide_freeze(_: FreezeChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.FREEZE, tables, ctx)
    return [] if row.frozen else [ChannelFrozen()]


def decide_unfreeze(_: UnfreezeChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.FREEZE, tables, ctx)
    return [ChannelUnfrozen()] if row.frozen else []


def apply_frozen(event: ChannelFrozen | ChannelUnfrozen, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        tables[CHANNEL].put(ONLY, replace(row, frozen=isinstance(event, ChannelFrozen)))


_PATH: Final = "/v1/channels/{channel}/frozen"

FEATURE: Final = Feature(
    name="freezing",
    check={FreezeChannel: check_freeze, UnfreezeChannel: check_freeze},
    decide={FreezeChannel: decide_freeze, UnfreezeChannel: decide_unfreeze},
    apply={ChannelFrozen: apply_frozen, ChannelUnfrozen: apply_frozen},
    verbs=(
        Verb("channel.freeze", FreezeChannel, as_command, Done, "Let only staff speak."),
        Verb("channel.unfreeze", UnfreezeChannel, as_command, Done, "Let everybody speak."),
    ),
    routes=(
        Route("PUT", _PATH, FreezeChannel, as_command, Done, doc="Let only staff speak."),
        Route("DELETE", _PATH, UnfreezeChannel, as_command, Done, doc="Let everybody speak."),
    ),
)
