"""What somebody looks for, in his words: clauses that a text must have, or must not. Pure.

    tea kettle      both words, anywhere         "green tea"   one behind the other
    hel*            words that begin like this   -milk         not this one

Rules:
1. Nothing of it reaches the index as it was typed: clauses hold terms (`model.words`), and
   `expression` puts each between quotes. Signs that mean something to the index mean nothing here.
2. What cannot be meant is refused, never guessed: a quote that is not closed, a query without a
   word, or with nothing but exclusions.
3. `ranges` asks the same of a text as the index does; answers are checked with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.model.words import Term, parts, terms

QUERY_CHARS_MAX: Final = 500
CLAUSES_MAX: Final = 20  # each is a list that the index walks through
PREFIX_CHARS_MIN: Final = 2  # of words; a single letter begins a tenth of all words
RANGES_MAX: Final = 100  # of one text

_PIECE: Final = re.compile(r'(-?)"([^"]*)"|(\S+)')


class Clause(Struct, frozen=True, array_like=True):
    """Terms that stand one behind the other. `is_prefix`: the last one only begins like this."""

    terms: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False


class SearchQuery(Struct, frozen=True, array_like=True):
    """All clauses of a query; none: every message will do."""

    clauses: tuple[Clause, ...] = ()

    @property
    def wanted(self) -> list[Clause]:
        """What a text must have."""
        return [clause for clause in self.clauses if not clause.is_excluded]

    @property
    def excluded(self) -> list[Clause]:
        """What it must not have."""
        return [clause for clause in self.clauses if clause.is_excluded]


def parse_query(text: str) -> SearchQuery:
    """The clauses of what was typed; none for an empty text. Raises Rejected(BAD_REQUEST)."""
    if len(text) > QUERY_CHARS_MAX:
        raise Rejected(BAD_REQUEST, f"q is at most {QUERY_CHARS_MAX} characters")
    if not text.strip():
        return SearchQuery()
    if text.count('"') % 2:
        raise Rejected(BAD_REQUEST, "a quote in q is not closed")
    clauses = [clause for clause in _clauses(text) if clause is not None]
    if len(clauses) > CLAUSES_MAX:
        raise Rejected(BAD_REQUEST, f"q has at most {CLAUSES_MAX} words")
    if not clauses:
        raise Rejected(BAD_REQUEST, "there is no word in q")
    if all(clause.is_excluded for clause in clauses):
        raise Rejected(BAD_REQUEST, "q needs a word that is not excluded")
    return SearchQuery(tuple(dict.fromkeys(clauses)))


def _clauses(text: str) -> Iterator[Clause | None]:
    # A quote begins a piece of its own, wherever it stands.
    spaced = re.sub(r'(-?"[^"]*")', r" \1 ", text)
    for piece in _PIECE.finditer(spaced):
        minus, quoted, word = piece.groups()
        if word is None:
            yield _clause(quoted, is_prefix=False, is_excluded=bool(minus))
            continue
        is_excluded = word.startswith("-") and len(word) > 1
        is_prefix = word.endswith("*") and len(word) > 1
        yield _clause(word, is_prefix=is_prefix, is_excluded=is_excluded)


def _clause(text: str, *, is_prefix: bool, is_excluded: bool) -> Clause | None:
    found = parts(text)
    if not found:
        return None
    together: list[str] = []
    for number, part in enumerate(found):
        is_last = number == len(found) - 1
        if not part.is_dense:
            together.append(part.text)
            continue
        together += [part.text[at : at + 2] for at in range(len(part.text) - 1)]
        if not is_last or len(part.text) == 1:
            together.append(part.text[-1])  # the run ends here, or it is all that there is
    last = found[-1]
    if last.is_dense:  # pairs are found in the middle of a run anyway; one character begins pairs
        is_prefix = len(last.text) == 1
    elif is_prefix and len(last.text) < PREFIX_CHARS_MIN:
        raise Rejected(BAD_REQUEST, f"* needs {PREFIX_CHARS_MIN} characters before it")
    return Clause(tuple(together), is_prefix, is_excluded)


# --- for the index


def expression(query: SearchQuery) -> str:
    """The query in the language of FTS5; empty if every message will do."""
    if not query.wanted:
        return ""
    wanted = " AND ".join(map(_quoted, query.wanted))
    if not query.excluded:
        return f"({wanted})"
    return f"(({wanted}) NOT ({' OR '.join(map(_quoted, query.excluded))}))"


def _quoted(clause: Clause) -> str:
    return f'"{" ".join(clause.terms)}"{" *" if clause.is_prefix else ""}'


def score(query: SearchQuery, indexed_text: str) -> int:
    """How well a text fits, in thousandths of a wanted clause: how often each is there, less in a
    long text. It depends on the text alone, so that pages of one search fit together.

    Source: BM25's term of one document (Robertson and Walker 1994), with a fixed mean length.
    """
    padded = f" {indexed_text.replace(' ', '  ')} "  # so that neighbours share no space
    length = indexed_text.count(" ") + 1
    total = 0.0
    for clause in query.wanted:
        needle = " " + "  ".join(clause.terms)
        count = padded.count(needle if clause.is_prefix else needle + " ")
        total += count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 12))
    return int(total * 1_000)


# --- in a text


def ranges(query: SearchQuery, text: str) -> list[tuple[int, int]] | None:
    """Where a text has the wanted clauses, in characters; None if it does not fit."""
    found = list(terms(text))
    spots: list[tuple[int, int]] = []
    for clause in query.clauses:
        mine = list(_spots(clause, found))
        if bool(mine) == clause.is_excluded:
            return None
        spots += mine
    return _merged(spots)[:RANGES_MAX]


def _spots(clause: Clause, found: Sequence[Term]) -> Iterator[tuple[int, int]]:
    wanted, count = clause.terms, len(clause.terms)
    for at in range(len(found) - count + 1):
        last = found[at + count - 1].text
        fits = last.startswith(wanted[-1]) if clause.is_prefix else last == wanted[-1]
        if fits and all(found[at + n].text == wanted[n] for n in range(count - 1)):
            end = found[at + count - 1].end
            if clause.is_prefix and len(wanted[-1]) == 1:  # one character, of a pair
                end = min(end, found[at + count - 1].start + 1)
            yield found[at].start, end


def _merged(spots: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spots):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
