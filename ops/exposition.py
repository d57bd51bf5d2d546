"""Histograms in the text that /metrics answers with. Pure.

Only what a check needs: cumulative buckets of one name without other labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf

Buckets = Mapping[float, float]  # upper bound → how many values are at most that


def histogram(text: str, name: str) -> dict[float, float]:
    """The buckets of a histogram, by their upper bounds; empty if it is not there."""
    row = re.compile(rf'^{re.escape(name)}_bucket{{le="([^"]+)"}} (\S+)$', re.MULTILINE)
    found = {}
    for bound, count in row.findall(text):
        try:
            found[inf if bound == "+Inf" else float(bound)] = float(count)
        except ValueError:
            continue
    return found


def between(before: Buckets, after: Buckets) -> dict[float, float]:
    """What was observed between two looks; a process that was restarted begins again."""
    if after.get(inf, 0) < before.get(inf, 0):
        return dict(after)
    return {bound: count - before.get(bound, 0) for bound, count in after.items()}


def quantile(buckets: Buckets, share: float) -> float | None:
    """The value that this share of all is at most, between two bounds in proportion.

    None if nothing was observed; the highest bound that has a number for what lies above it.
    """
    total = buckets.get(inf, 0)
    if not total:
        return None
    rank, low, below = share * total, 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= rank:
            if bound == inf:
                return low
            return low + (bound - low) * (rank - below) / max(count - below, 1e-9)
        low, below = bound, count
    return low
