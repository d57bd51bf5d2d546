"""A message as every reader gets it: its publication's `data`, folded with what came later.

With the shapes of what it carries: attachments, quote, forward. Their sizes are checked at the
edge (`features/message_parts`), the rest is a matter of types.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hubbub.model.poll import Poll

MESSAGE_CREATED = "message.created"

Natural = Annotated[int, Meta(ge=0, lt=2**53)]  # what JavaScript counts exactly


class AttachmentKind(StrEnum):
    """What an attachment is, for whoever shows it."""

    FILE = "file"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    LINK = "link"
    LOCATION = "location"  # `data` says where
    CUSTOM = "custom"  # `data` says what


class Thumbnail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A small picture of an attachment: a url or the id of a file; pixels."""

    url: str = ""
    file: str = ""
    mime: str = ""
    width: Natural = 0
    height: Natural = 0


class Attachment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attachment: a url (http or https) or the id of a file. Sizes in bytes and pixels; 0:
    unknown."""

    kind: AttachmentKind
    url: str = ""
    file: str = ""
    name: str = ""
    mime: str = ""
    bytes: Natural = 0
    width: Natural = 0
    height: Natural = 0
    duration_ms: Natural = 0
    blurhash: str = ""
    thumbnails: tuple[Thumbnail, ...] = ()
    title: str = ""
    data: Raw | UnsetType = UNSET


class Quote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The message that a message answers, as it stands now: the beginning of its text, nothing of
    a deleted one."""

    id: str
    seq: int
    by: str = ""
    text: str = ""
    deleted: bool = False


class Forwarded(Struct, frozen=True, kw_only=True):
    """Where a message was copied from. The server fills it in."""

    channel: str
    id: str
    by: str


class ReactionCount(Struct, frozen=True, omit_defaults=True):
    """How many chose this kind; `me`: the one who asks is among them."""

    count: int
    me: bool = False


class Annotations(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What others added to a message. `annotation_rev` counts its changes; `reactions`: by kind, in
    the order of their first use; `replies` of its thread that are not deleted; `participants`: who
    replied last, the newest first."""

    annotation_rev: int
    reactions: dict[str, ReactionCount] = {}
    replies: int = 0
    last_reply: str = ""
    last_reply_seq: int = 0
    participants: tuple[str, ...] = ()
    pinned: bool = False


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`rev` counts edits, deletions and their undoing; a deleted message has no content, and a
    `reason` if it was not its author's own doing. From `annotation_rev` on: see Annotations.

    `thread`: the id of the message whose thread it answers in; `also_in_channel`: it stands in the
    channel as well. `silent`: nobody is told. `kind`: "system", or empty. `type`: the app's own.

    `t` is "message.hidden" for who blocks its author: nothing else is there but `seq`, `id`, `ts`.
    """

    t: Literal["message.created", "message.hidden"]
    seq: int
    id: str
    ts: str
    by: str = ""
    cmid: str = ""
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    reply_to: str = ""
    quote: Quote | UnsetType = UNSET
    thread: str = ""
    also_in_channel: bool = False
    silent: bool = False
    kind: str = ""
    type: str = ""
    forwarded: Forwarded | UnsetType = UNSET
    poll: Poll | UnsetType = UNSET
    rev: int = 0
    edited: bool = False
    deleted: bool = False
    reason: str = ""
    annotation_rev: int = 0
    reactions: dict[str, ReactionCount] = {}
    replies: int = 0
    last_reply: str = ""
    last_reply_seq: int = 0
    participants: tuple[str, ...] = ()
    pinned: bool = False
