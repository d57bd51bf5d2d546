"""A message as every reader gets it: its publication's `data`, folded with later edits."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

MESSAGE_CREATED = "message.created"


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`rev` counts edits and the deletion; a deleted message has neither text nor data."""

    t: str
    seq: int
    id: str
    by: str
    ts: str
    cmid: str = ""
    text: str = ""
    data: Raw | UnsetType = UNSET
    rev: int = 0
    edited: bool = False
    deleted: bool = False
