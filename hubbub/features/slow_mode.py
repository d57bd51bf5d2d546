"""Slow mode: how long each user waits between two messages in a channel.

Rules:
1. Exact per (user, channel), in log time: `slowed` refuses (111 with `retry_after_ms`), or gives
   the event that goes into the message's own entry. Every feature that makes a message asks it.
2. SKIP_SLOW_MODE and server keys are exempt. While it is off nothing is read or written.
3. The wait counts from the user's last message while slow mode was on; a change of the seconds is
   felt at once.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta as Bounds
from msgspec.structs import replace

from hubbub.base.errors import SLOW_MODE, Rejected
from hubbub.base.units import SECOND_MS
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.standing import CHANNEL, ONLY, ChannelRow, may, require_standing
from hubbub.model.permissions import Action, Authority

SECONDS_MAX: Final = 21_600


class SetSlowMode(Command, frozen=True):
    """Seconds between two messages of one user; 0: none."""

    TAG = "channel.set_slow_mode"

    channel: str
    seconds: Annotated[int, Bounds(ge=0, le=SECONDS_MAX)]


class SlowModeChanged(Event, frozen=True):
    """Seconds between two messages of one user from now on."""

    TAG = "channel.slow_mode_changed"

    seconds: int


class SendTimed(Event, frozen=True):
    """The user spoke just now, in slow mode."""

    TAG = "message.timed"
    KIND = EventKind.SILENT


LAST: Final[Table[str, int]] = Table("slow_mode.last", str, int)


def check_slow_mode(cmd: SetSlowMode, _: EdgeContext) -> SetSlowMode:
    check_chat_channel(cmd.channel)
    return cmd


def decide_slow_mode(cmd: SetSlowMode, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.SET_SLOW_MODE, tables, ctx)
    return [] if row.slow_mode_s == cmd.seconds else [SlowModeChanged(seconds=cmd.seconds)]


def apply_slow_mode(event: SlowModeChanged, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        tables[CHANNEL].put(ONLY, replace(row, slow_mode_s=event.seconds))


def apply_timed(_: SendTimed, meta: Meta, tables: Tables) -> None:
    tables[LAST].put(meta.by, meta.ts_ms)


def slowed(channel: ChannelRow, tables: Tables, ctx: Context) -> list[Event]:
    """What goes along with the viewer's message. Raises Rejected(SLOW_MODE) while he waits."""
    if not channel.slow_mode_s or ctx.viewer.authority != Authority.CLIENT:
        return []
    if may(Action.SKIP_SLOW_MODE, tables, ctx):
        return []
    last_ms = tables[LAST].get(ctx.actor)
    if last_ms is not None:
        wait_ms = last_ms + channel.slow_mode_s * SECOND_MS - ctx.now_ms
        if wait_ms > 0:
            raise Rejected(SLOW_MODE, retry_after_ms=wait_ms, scope="channel", bucket="slow_mode")
    return [SendTimed()]


FEATURE: Final = Feature(
    name="slow_mode",
    tables=(LAST,),
    check={SetSlowMode: check_slow_mode},
    decide={SetSlowMode: decide_slow_mode},
    apply={SlowModeChanged: apply_slow_mode, SendTimed: apply_timed},
    verbs=(Verb("channel.set_slow_mode", SetSlowMode, as_command, Done, "Set or end slow mode."),),
    routes=(
        Route(
            "PUT",
            "/v1/channels/{channel}/slow_mode",
            SetSlowMode,
            as_command,
            Done,
            doc="Seconds between two messages of one user; 0 ends it.",
        ),
    ),
)
