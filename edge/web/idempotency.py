"""`Idempotency-Key` as the log understands it. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import IDEMPOTENCY_PREFIX

IDEMPOTENCY_KEY_BYTES_MAX: Final = 255


def idempotency_cmid(key: str) -> str:
    """A key as a cmid that the log's dedup rows understand. Raises Rejected(BAD_REQUEST)."""
    raw = key.encode(errors="surrogateescape")
    if not 1 <= len(raw) <= IDEMPOTENCY_KEY_BYTES_MAX:
        raise Rejected(BAD_REQUEST, "an Idempotency-Key has 1-255 bytes")
    return IDEMPOTENCY_PREFIX + blake2b(raw, digest_size=16).hexdigest()
