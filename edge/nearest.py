"""What somebody may have meant who asks for a method or a path that does not exist. Pure.

It runs for refused requests only, and looks at each name once: about a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Final

NAME_CHARS_MAX: Final = 64  # of what is compared: no name of ours is longer
LIKE: Final = 0.8  # of a whole name; half of the letters are alike in too many
WORD_LIKE: Final = 0.7  # of one word of a path, which is short


def nearest_name(name: str, names: Iterable[str]) -> str:
    """The method that is written otherwise, in case, underlines or a plural, or with a slip; empty:
    there is none."""
    given, known = name[:NAME_CHARS_MAX], list(names)
    meant = [one for one in known if _plain(one) == _plain(given)]
    return next(iter(meant or get_close_matches(given, known, 1, LIKE)), "")


def nearest_path(path: str, templates: Iterable[str]) -> str:
    """The path whose words are most like these, with what was given in its places; empty: none."""
    given = path.split("/")
    best, likeness = "", WORD_LIKE
    for template in templates:
        parts = template.split("/")
        if len(parts) == len(given) and (found := _likeness(given, parts)) >= likeness:
            filled = (
                word if part[:1] == "{" else part for word, part in zip(given, parts, strict=True)
            )
            best, likeness = "/".join(filled), found
    return best


def _likeness(given: Sequence[str], parts: Sequence[str]) -> float:
    """Of the word that is least like its own, from 0 to 1; what stands for an id is like all."""
    words = [(a, b) for a, b in zip(given, parts, strict=True) if a != b and b[:1] != "{"]
    alike = (SequenceMatcher(None, a[:NAME_CHARS_MAX], b).ratio() for a, b in words)
    return min(alike, default=1.0)


def _plain(name: str) -> str:
    """What is left of a method's name when it is mistyped in the usual ways."""
    parts = name.lower().replace("_", "").replace("-", "").split(".")
    return ".".join(part.removesuffix("s") for part in parts)
