"""Delays between tries: full jitter (the random number is passed in, so this stays pure).

Source: client-side backoff of the Centrifuge SDKs; "full jitter" as named by AWS' 2015 article.
"""

from __future__ import annotations


def full_jitter_ms(attempt: int, *, base_ms: int, max_ms: int, random: float) -> int:
    """The delay before try `attempt` (0 = first retry): base + random * min(max, base * 2^n)."""
    ceiling = min(max_ms, base_ms * (1 << min(attempt, 30)))
    return base_ms + int(random * max(0, ceiling - base_ms))
