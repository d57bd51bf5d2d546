"""Numbers that came as text: in a query string."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")  # each fits into 64 bits


def read_number(text: str) -> int | None:
    """The whole number that a text is: ASCII digits, a minus before them, and nothing else.

    `int` would take `1_0`, ` 5`, `+5` and the digits of every script, too.
    """
    return int(text) if _NUMBER.fullmatch(text) else None
