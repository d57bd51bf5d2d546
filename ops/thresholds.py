"""When a value is too much or too little, as monitoring plugins write it. Pure.

`10` alerts below 0 and above 10, `10:` below 10, `~:10` above 10, `10:20` outside, `@10:20` inside.
Both ends are still good. A value may carry its unit: `85%`, `250ms`, `2s`; without one it has the
check's own. Source: the Monitoring Plugins Development Guidelines, "Threshold and ranges".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import Final

_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|%)?")
_SCALE: Final = {("ms", "s"): 0.001, ("s", "s"): 1.0, ("%", "%"): 1.0}


class WrongRange(ValueError):
    """A text that is no range; the message says what would be one."""


@dataclass(frozen=True)
class Range:
    """Where a value is good; `is_inside`: where it is not. `text` is how it was written."""

    low: float
    high: float
    is_inside: bool
    text: str

    def alerts(self, value: float) -> bool:
        """Whether the value is bad."""
        return (self.low <= value <= self.high) == self.is_inside


def parse_range(text: str, unit: str) -> Range:
    """The range in `text` for values in `unit` ("", "s" or "%"). Raises WrongRange."""
    body = text.removeprefix("@")
    low, colon, high = body.rpartition(":")
    if not colon:
        low = "0"
    if not colon and not high:
        raise WrongRange("an empty threshold; expected a number as 10, 10: or 10:20")
    bottom = -inf if low == "~" else _number(low or "0", unit)
    top = inf if not high else _number(high, unit)
    if bottom > top:
        raise WrongRange(f"{text!r} begins above its end")
    is_inside = text.startswith("@")
    shown = _shown(bottom) + ":" if bottom else ""
    return Range(bottom, top, is_inside, f"{'@' * is_inside}{shown}{_shown(top)}")


def _number(text: str, unit: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise WrongRange(f"{text!r} is no number; expected one as 10, 10: or 10:20")
    number, given = float(found[1]), found[2]
    if given is None:
        return number
    scale = _SCALE.get((given, unit))
    if scale is None:
        raise WrongRange(
            f"{text!r}: this check counts in {unit or 'whole numbers'}, not in {given}"
        )
    return number * scale


def _shown(number: float) -> str:
    """As perfdata wants it: plain, without unit; an open end is empty, an open beginning `~`."""
    if number == inf:
        return ""
    return "~" if number == -inf else f"{number:.6f}".rstrip("0").rstrip(".")
