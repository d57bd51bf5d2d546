"""Lines of a `heads` publication, as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hubbub.features.publication import rfc3339
from hubbub.wire.codec import dump_json

Line = tuple[str, int, int, bytes, bytes]  # channel, seq, ts ms, preview JSON, figures JSON
# What a feature says where the last message is not for this user (a newcomer's history).
NO_PREVIEW: Final = b'"preview":null'


def heads_json(lines: Iterable[Line]) -> bytes:
    """The publication of these lines."""
    return b'{"t":"heads","heads":' + heads_object(lines) + b"}"


def heads_object(lines: Iterable[Line]) -> bytes:
    """{channel: {seq, ts, preview?, …figures}}."""
    parts = []
    for channel, seq, ts_ms, preview, figures in lines:
        text = dump_json(channel) + b':{"seq":%d' % seq
        if ts_ms:
            text += b',"ts":"' + rfc3339(ts_ms).encode() + b'"'
        if preview and NO_PREVIEW not in figures:
            text += b',"preview":' + preview
        if len(figures) > 2:
            text += b"," + figures[1:-1]
        parts.append(text + b"}")
    return b"{" + b",".join(parts) + b"}"
