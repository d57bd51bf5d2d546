"""A message copied into another channel, with its origin; and the links that lead to a message.

Rules:
1. Forwarding is two steps of the edge: it reads the source with the rights of whoever asks (FORWARD
   there), then sends into the target with the same rights (SEND there). What says where it comes
   from is written by the edge: no verb has the command that carries it.
2. A copy is a copy: it does not follow edits or the deletion of its origin. Mentions, quotes and
   threads stay behind. A copy of a copy names who wrote it, and where, as the first one does. A
   poll is not copied: its options and votes stand where they were cast.
3. A link to a message is `/m/{channel}/{id}`; `message.locate` says where the message stands.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.names import check_user
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Errand,
    Event,
    Feature,
    QueryCall,
    QueryRow,
    Route,
    Steps,
    Tables,
    Verb,
)
from hubbub.features.fields import check_chat_channel, custom, json_bytes
from hubbub.features.history import MessageRequest
from hubbub.features.message_parts import TYPE_CHARS_MAX, check_attachments
from hubbub.features.messages import (
    MESSAGE,
    Content,
    MessageCreated,
    alive,
    current,
    find_message,
    id_of,
    root_of,
    sent,
    thread_of,
)
from hubbub.features.standing import require_standing
from hubbub.model.message import Attachment, Forwarded, Message
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json

_LINK: Final = "/m/"
_ODD: Final = re.compile(r"[^A-Za-z0-9:._~-]")  # of a channel's name, in a link (RFC 3986, 2.1)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")


class SendForwarded(Command, frozen=True):
    """A copy: made by an edge alone."""

    TAG = "message.send_forwarded"
    SENDS = True

    channel: str
    forwarded: Forwarded
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    type: str = ""


class ForwardRequest(Struct, frozen=True):
    """Copy the message `id` of `channel` into the channel `to`. `user` (or `by`): on whose behalf a
    server key does it."""

    channel: str
    id: str
    to: str
    user: str = ""
    by: str = ""
    cmid: str = ""


class Copied(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a message goes into a copy."""

    forwarded: Forwarded
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    type: str = ""


class LocateRequest(Struct, frozen=True):
    """A message by channel and id, or by its `link`."""

    channel: str = ""
    id: str = ""
    link: str = ""


class Location(Struct, frozen=True, omit_defaults=True):
    """Where a message stands. `thread`, `thread_seq`: of the root, if it stands in a thread. `by`
    is absent where the one who asks blocks its author."""

    channel: str
    id: str
    seq: int
    link: str
    by: str = ""
    thread: str = ""
    thread_seq: int = 0
    deleted: bool = False


def check_forwarded(cmd: SendForwarded, _: EdgeContext) -> SendForwarded:
    check_chat_channel(cmd.channel)
    check_attachments(cmd.attachments)
    if len(cmd.type) > TYPE_CHARS_MAX:
        raise Rejected(BAD_REQUEST, "a type is longer than it may be")
    return cmd


def decide_forwarded(cmd: SendForwarded, tables: Tables, ctx: Context) -> list[Event]:
    more = (Action.ATTACH,) if cmd.attachments else ()
    channel = require_standing(Action.SEND, tables, ctx, *more)
    created = MessageCreated(
        text=cmd.text,
        data=custom(json_bytes(cmd.data)),
        attachments=cmd.attachments,
        type=cmd.type,
        forwarded=cmd.forwarded,
    )
    return sent(created, channel, tables, ctx)


def run_copied(request: MessageRequest, tables: Tables, ctx: Context) -> Copied:
    require_standing(Action.READ, tables, ctx, Action.FORWARD)
    stored = find_message(request.id, tables, ctx)
    content = decode_json(alive(stored, tables).content, Content)
    message = decode_json(stored.data, Message)
    if message.poll is not UNSET:
        raise Rejected(BAD_REQUEST, "a poll is not forwarded")
    own = Forwarded(channel=ctx.key, id=request.id, by=stored.head.by)
    return Copied(
        forwarded=own if isinstance(message.forwarded, UnsetType) else message.forwarded,
        text=content.text,
        data=content.data,
        attachments=content.attachments,
        type=message.type,
    )


def turn_forward(request: ForwardRequest, _: EdgeContext) -> Errand:
    check_chat_channel(request.channel)
    check_chat_channel(request.to)
    message_seq(request.id)
    by = request.user or request.by
    if by:
        check_user(by)

    def steps() -> Steps:
        asked = MessageRequest(request.channel, request.id)
        copied = decode_json((yield QueryCall(request.channel, "message.copied", asked)), Copied)
        answer: bytes = yield SendForwarded(
            cmid=request.cmid,
            by=by,
            channel=request.to,
            forwarded=copied.forwarded,
            text=copied.text,
            data=copied.data,
            attachments=copied.attachments,
            type=copied.type,
        )
        return answer

    return Errand(steps)


def link_to(channel: str, mid: str) -> str:
    """The link that leads to a message, behind the address of an edge."""
    return f"{_LINK}{_ODD.sub(_escaped, channel)}/{mid}"


def _escaped(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _plain(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def run_locate(request: MessageRequest, tables: Tables, ctx: Context) -> Location:
    require_standing(Action.READ, tables, ctx)
    stored = find_message(request.id, tables, ctx)
    thread = thread_of(stored)
    return Location(
        channel=ctx.key,
        id=id_of(stored),
        seq=stored.seq,
        link=link_to(ctx.key, request.id),
        by="" if stored.head.by in ctx.viewer.blocks else stored.head.by,
        thread=thread,
        thread_seq=root_of(request.id, tables, ctx).seq if thread else 0,
        deleted=current(stored, tables).deleted,
    )


def turn_locate(request: LocateRequest, _: EdgeContext) -> QueryCall:
    channel, mid = request.channel, request.id
    if request.link:
        if channel or mid:
            raise Rejected(BAD_REQUEST, "name the message, or its link")
        _before, found, rest = request.link.partition(_LINK)
        channel, slash, mid = rest.partition("/")
        if not found or not slash:
            raise Rejected(BAD_REQUEST, "not a link to a message")
        channel = _ESCAPE.sub(_plain, channel)
    message_seq(mid)
    return QueryCall(check_chat_channel(channel), "message.locate", MessageRequest(channel, mid))


FEATURE: Final = Feature(
    name="forward",
    check={SendForwarded: check_forwarded},
    decide={SendForwarded: decide_forwarded},
    queries=(
        QueryRow("message.copied", MessageRequest, run_copied),
        QueryRow("message.locate", MessageRequest, run_locate),
    ),
    verbs=(
        Verb("message.forward", ForwardRequest, turn_forward, Done, "Copy it elsewhere."),
        Verb("message.locate", LocateRequest, turn_locate, Location, "Where it stands."),
    ),
    routes=(
        Route(
            "POST",
            MESSAGE + "/forward",
            ForwardRequest,
            turn_forward,
            Done,
            status=201,
            sends=True,
        ),
        Route("GET", MESSAGE + "/location", LocateRequest, turn_locate, Location),
        Route("GET", "/v1/locate", LocateRequest, turn_locate, Location),
    ),
)
