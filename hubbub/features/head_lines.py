"""Lines of a `heads` publication, as JSON: a leader's own or an edge's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hubbub.features.publication import rfc3339
from hubbub.wire.codec import encode_json

Line = tuple[str, int, int, bytes, bytes]  # channel, seq, ts ms, preview JSON, figures JSON
# What a feature says where the last message is not for this user (a newcomer's history).
NO_PREVIEW: Final = b'"preview":null'


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
