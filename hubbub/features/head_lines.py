"""Lines of a `heads` publication, as JSON: a leader's own or an edge's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from hubbub.features.publication import MessageJson, rfc3339
from hubbub.wire.codec import encode_json

Line = tuple[str, int, int, bytes, bytes]  # channel, seq, ts ms, preview JSON, figures JSON
# What a feature says where the last message is not for this user (a newcomer's history).
NO_PREVIEW: Final = b'"preview":null'


class Figures(Struct, frozen=True):
    """What a channel says to one member: messages that are `unread`, `mentions` among them; how far
    he has read (`mark`) and received (`delivered`) them; `rev`: grows with each move of a mark.
    Absent for who keeps no mark there."""

    unread: int = 0
    mentions: int = 0
    mark: int = 0
    delivered: int = 0
    rev: int = 0


class Head(Figures, frozen=True, kw_only=True):
    """Where a channel stands: its last message as `preview`, unless what was said last is not for
    him, and the figures of the user whose stream it is."""

    seq: int
    ts: str = ""
    preview: MessageJson | UnsetType | None = UNSET


def heads_json(lines: Iterable[Line]) -> bytes:
    """The publication of these lines."""
    return b'{"t":"heads","heads":' + heads_object(lines) + b"}"


def heads_object(lines: Iterable[Line]) -> bytes:
    """{channel: {seq, ts, preview?, …figures}}."""
    return b"{" + b",".join([line_json(*line) for line in lines]) + b"}"


def line_json(channel: str, seq: int, ts_ms: int, preview: bytes, figures: bytes) -> bytes:
    """One of them: a member of a JSON object."""
    if preview and NO_PREVIEW in figures:
        preview = b""
    return closed(opening(channel, seq, ts_ms, preview), figures)


def opening(channel: str, seq: int, ts_ms: int, preview: bytes) -> bytes:
    """What a line says to everybody."""
    text = b'%b:{"seq":%d' % (encode_json(channel), seq)
    if ts_ms:
        text += b',"ts":"%b"' % rfc3339(ts_ms).encode()
    return b'%b,"preview":%b' % (text, preview) if preview else text


def closed(start: bytes, figures: bytes) -> bytes:
    """The line that begins so, with one user's figures (a JSON object)."""
    return b"%b,%b" % (start, figures[1:]) if len(figures) > 2 else start + b"}"
