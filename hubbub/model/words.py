"""The words of a text, as they are indexed and looked for: folded, with their places. Pure.

Rules:
1. A word is a run of letters, digits and their marks. Case, width and the diacritics of Latin,
   Greek, Cyrillic, Arabic and Hebrew make no difference, nor do strokes through Latin letters.
2. Scripts that are written without spaces, or whose words grow endings (Chinese, Japanese, Korean,
   Thai, Lao, Khmer, Burmese), become pairs of neighbouring characters; the last character of such
   a run stands once more by itself, so that one character is found by the pairs that it begins.
3. Text and query pass through the same functions. A term holds nothing but letters, digits and
   marks: it can be put between quotes anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from unicodedata import normalize

# Of one term. Longer runs are data, not words; what is cut is cut in the query as well.
TERM_CHARS_MAX: Final = 64

# Marks that \w lacks: without them words of these scripts would fall apart.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u0900-\u0963\u0980-\u0d7f\u0d82-\u0df3\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3\u3099\u309a"
)
# Marks that make no difference (rule 1).
_DROPPED: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670]+"
)
# Latin letters that are no other letter with a mark, as who has not their keys writes them.
_BARE: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "þ": "th", "æ": "ae"}
    | {"œ": "oe"}
)
# Written in pairs (rule 2): Thai, Lao, Burmese, Hangul, Khmer, kana, bopomofo, Han.
_DENSE: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103e\u1100-\u11ff\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u3131-\u318e\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"(?:[^\\W_]|[{_MARKS}\uff9e\uff9f])+")
_FOREIGN: Final = re.compile(f"[^\\w{_MARKS}]|_")  # as of ⑴, whose letters are "(1)"
_PLAIN: Final = re.compile("[a-z0-9]+")
_PART: Final = re.compile(f"([{_DENSE}]+)|[^{_DENSE}]+")


class Term(NamedTuple):
    """One term of a text, and where it stands there, in characters: [start, end)."""

    text: str
    start: int
    end: int


class Part(NamedTuple):
    """A piece of a query's word: folded; `is_dense`: of a script that becomes pairs."""

    text: str
    is_dense: bool


def terms(text: str) -> Iterator[Term]:
    """All terms of a text, in order."""
    for run in _RUN.finditer(text):
        word, start = run.group(), run.start()
        if word.isascii():
            yield Term(word[:TERM_CHARS_MAX].lower(), start, run.end())
            continue
        for part in _PART.finditer(word):
            at, end = start + part.start(), start + part.end()
            if part.group(1):
                yield from _pairs(part.group(), at, end)
            elif folded := fold(part.group()):
                yield Term(folded, at, end)


def indexed(text: str) -> str:
    """The terms of a text with a space between them: what the index keeps."""
    if text.isascii():  # most texts; a fifth of the time
        return " ".join([word[:TERM_CHARS_MAX] for word in _PLAIN.findall(text.lower())])
    return " ".join([term.text for term in terms(text)])


def parts(text: str) -> list[Part]:
    """What a query's word is made of."""
    found: list[Part] = []
    for run in _RUN.finditer(text):
        for part in _PART.finditer(run.group()):
            if part.group(1) and (composed := _composed(part.group())):
                found.append(Part(composed, True))
            elif folded := fold(part.group()):
                found.append(Part(folded, False))
    return found


def fold(word: str) -> str:
    """A word without case, width and dropped marks."""
    if word.isascii():
        return word[:TERM_CHARS_MAX].lower()
    bare = _DROPPED.sub("", normalize("NFKD", word.casefold())).translate(_BARE)
    return _composed(bare)[:TERM_CHARS_MAX]


def _composed(run: str) -> str:
    return _FOREIGN.sub("", normalize("NFKC", run))


def _pairs(run: str, start: int, end: int) -> Iterator[Term]:
    composed = _composed(run)
    if not composed:
        return
    last = len(composed) - 1
    # Where composing changed the length (half-width kana, separate jamo), the run is the place.
    is_same = len(composed) == len(run)
    for at in range(last):
        places = (start + at, start + at + 2) if is_same else (start, end)
        yield Term(composed[at : at + 2], *places)
    yield Term(composed[last], *((end - 1, end) if is_same else (start, end)))
