"""Raw event channels: publish and subscribe in configured namespaces, over the same log.

Rules:
1. A namespace that is not configured does not exist (102). Its settings decide all rights.
2. With a history an event is numbered and kept; without, it is a signal. Size and lifetime trim at
   read; now and then an event raises the floor, so that what lies below can be deleted.
3. `$name` needs a subscription token; `name#u1,u2` is for the listed users; `#u` is user u's own.
4. Whether a publisher is subscribed (`publish: subscribers`) is known to the edge alone, which
   checks it; everything else is decided here.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Raw, UnsetType
from msgspec import Meta as Bounds

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, TOO_LARGE, UNKNOWN_CHANNEL, Rejected
from hubbub.base.names import StreamKind, check_channel
from hubbub.features.contract import (
    Access,
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    SubscribeArgs,
    Tables,
    Verb,
    as_command,
    namespace_for,
    stream_kind,
)
from hubbub.features.fields import custom, json_bytes
from hubbub.model.permissions import Authority
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.shapes import Json

# Between two rises of the floor: half writes it twice as often, double keeps that many events more.
FLOOR_STEP_SEQS: Final = 256

# Told by the documents: of a namespace of the app's own, unlike other channels.
RawChannel = Annotated[str, Bounds(extra_json_schema={"pattern": "^[!-.0-~]{1,255}$"})]


class PublishEvent(Command, frozen=True):
    """Any JSON to everybody who is subscribed."""

    TAG = "event.publish"

    channel: RawChannel
    data: Raw


class RawPublished(Event, frozen=True):
    """Kept and numbered. `info`: the publisher's ClientInfo; `floor`: the new floor, 0: as it
    was."""

    TAG = "raw.event"
    BARE = True

    data: Raw
    info: Raw | UnsetType = UNSET
    floor: int = 0

    def publisher_info(self) -> Json:
        return json_bytes(self.info)


class RawSignal(Event, frozen=True):
    """Passed on, not kept."""

    TAG = "raw.signal"
    KIND = EventKind.SIGNAL
    BARE = True

    data: Raw
    info: Raw | UnsetType = UNSET

    def publisher_info(self) -> Json:
        return json_bytes(self.info)


def check_publish(cmd: PublishEvent, ctx: EdgeContext) -> PublishEvent:
    check_channel(cmd.channel)
    _namespace(cmd.channel, ctx.settings)
    bytes_max = ctx.settings.envelope_bytes_max
    if not bytes(cmd.data):
        raise Rejected(BAD_REQUEST, "data is missing")
    if len(bytes(cmd.data)) > bytes_max:
        raise Rejected(TOO_LARGE, f"data is at most {bytes_max} bytes", limit=bytes_max)
    return cmd


def decide_publish(cmd: PublishEvent, tables: Tables, ctx: Context) -> list[Event]:
    space = _namespace(ctx.key, ctx.settings)
    if ctx.viewer.authority != Authority.SERVER:
        if space.publish == "nobody":
            raise Rejected(PERMISSION_DENIED)
        _require_listed(ctx.key, ctx.actor)
    if not space.history_size:
        return [RawSignal(data=cmd.data, info=custom(ctx.viewer.info))]
    seq = tables.head_seq + 1
    floor = max(0, seq - space.history_size) if seq % FLOOR_STEP_SEQS == 0 else 0
    return [RawPublished(data=cmd.data, info=custom(ctx.viewer.info), floor=floor)]


def apply_published(event: RawPublished, _: Meta, tables: Tables) -> None:
    if event.floor > tables.floor_seq:
        tables.set_floor(event.floor)


def apply_signal(_: RawSignal, __: Meta, ___: Tables) -> None:
    """Nothing: it is not kept."""


def access_raw(args: SubscribeArgs, _: Tables, ctx: Context) -> Access:
    """Who may subscribe, and what of the log he may read."""
    space = _namespace(ctx.key, ctx.settings)
    if ctx.viewer.authority not in (Authority.SERVER, Authority.SYSTEM):  # an edge's own repair
        _require_subscriber(space, args, ctx)
    has_history = space.history_size > 0
    return Access(
        positioned=has_history,
        recoverable=has_history,
        presence=space.presence != "nobody" or space.join_leave,
        join_leave=space.join_leave,
        history_size=space.history_size,
        history_ttl_ms=space.history_ttl_s * 1_000,
    )


def _require_subscriber(space: Namespace, args: SubscribeArgs, ctx: Context) -> None:
    _require_listed(ctx.key, ctx.actor)
    if args.token_channel:
        return
    if ctx.key.startswith("$") or space.subscribe == "token":
        raise Rejected(PERMISSION_DENIED, "a subscription token is needed")
    if space.subscribe == "users" and not ctx.actor:
        raise Rejected(PERMISSION_DENIED, "sign in first")


def _namespace(channel: str, settings: AppSettings) -> Namespace:
    if stream_kind(channel, settings) is not StreamKind.RAW:
        raise Rejected(PERMISSION_DENIED, "chat channels take message.send")
    space = namespace_for(channel, settings)
    if space is None:
        raise Rejected(UNKNOWN_CHANNEL)
    return space


def _require_listed(channel: str, user: str) -> None:
    _, hash_sign, users = channel.partition("#")
    if hash_sign and user not in users.split(","):
        raise Rejected(PERMISSION_DENIED, "this channel is for others")


FEATURE: Final = Feature(
    name="raw_events",
    check={PublishEvent: check_publish},
    decide={PublishEvent: decide_publish},
    apply={RawPublished: apply_published, RawSignal: apply_signal},
    access={StreamKind.RAW: access_raw},
    verbs=(Verb("event.publish", PublishEvent, as_command, Done, "Publish to a raw channel."),),
    routes=(Route("POST", "/v1/channels/{channel}/events", PublishEvent, as_command, Done),),
)
