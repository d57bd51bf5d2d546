"""How often Python looks for cycles of dead objects, in every process. Sole owner of `gc`.

A message makes and drops a few hundred objects without cycles: with the interpreter's own
thresholds their collection was a fifth of a busy node's and a quarter of an edge's time. A start's
imports make what stays: looking through that, again and again, was a tenth of them.
"""

from __future__ import annotations

import gc
from typing import Final

# Container objects made since the last look: some 500 messages. Half doubles the looks; double
# keeps a dropped cycle (an exception with its frames) a little longer.
OBJECTS: Final = 100_000
YOUNG: Final = 20
MIDDLE: Final = 100


def look_seldom() -> None:
    """From now on."""
    gc.set_threshold(OBJECTS, YOUNG, MIDDLE)


def keep_what_stands() -> None:
    """What is there now stays, and is never looked at again."""
    gc.collect()
    gc.freeze()
