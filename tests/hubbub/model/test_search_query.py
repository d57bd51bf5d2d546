"""Queries: what is typed, what the index is asked, and where a text has it."""

from __future__ import annotations

import sqlite3

import pytest

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.model.search_query import (
    CLAUSES_MAX,
    QUERY_CHARS_MAX,
    SearchQuery,
    expression,
    parse_query,
    ranges,
    score,
)
from hubbub.model.words import indexed


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("tea Kettle", '("tea" AND "kettle")'),
        ('"green tea" cup', '("green tea" AND "cup")'),
        ("hel*", '("hel" *)'),
        ("tea -milk -sugar", '(("tea") NOT ("milk" OR "sugar"))'),
        ('tea -"with milk"', '(("tea") NOT ("with milk"))'),
        ("foo-bar", '("foo bar")'),
        ("a OR b NEAR(c", '("a" AND "or" AND "b" AND "near c")'),
        ("words:x {y} ^z", '("words x" AND "y" AND "z")'),
        ("tea tea", '("tea")'),
        ("京", '("京" *)'),
        ("京大学", '("京大 大学")'),
        ('"大学 東京"', '("大学 学 東京")'),
        ("iPhone手机", '("iphone 手机")'),
        ("", ""),
        ("   ", ""),
    ],
)
def test_what_is_typed_becomes_quoted_terms(typed: str, asked: str) -> None:
    assert expression(parse_query(typed)) == asked


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ('"green tea', "a quote in q is not closed"),
        ("!!! ???", "there is no word in q"),
        ('""', "there is no word in q"),
        ("-milk", "q needs a word that is not excluded"),
        ("a*", "* needs 2 characters before it"),
        ("x" * (QUERY_CHARS_MAX + 1), f"q is at most {QUERY_CHARS_MAX} characters"),
        (
            " ".join(f"w{n}" for n in range(CLAUSES_MAX + 1)),
            f"q has at most {CLAUSES_MAX} words",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(typed: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_query(typed)
    assert (refused.value.error, refused.value.text) == (BAD_REQUEST, reason)


TEXTS = [
    "The kettle is on, tea for all",
    "Green tea, no milk",
    "Tea green with milk",
    "Hello world",
    "help yourself",
    "我在北京大学读书",
    "大学 東京",
    "東京大学",
    "한국어를 배우다",
    "สวัสดีครับ ขอบคุณ",
    "Crème brûlée",
    "iPhone手机壳",
]
QUERIES = [
    *("tea", "TEA milk", '"green tea"', "tea -milk", "hel*", "he* -world", "creme", "brûlee"),
    *(
        "北京",
        "京",
        "学",
        "大学读",
        '"大学 東京"',
        "東京",
        "국어",
        "한",
        "배우*",
        "สวัสดี",
        "ขอบ",
        "手机",
        "iphone手",
    ),
    *("nothing", "kettle cup", '"is on tea"', "tea -kettle"),
]


@pytest.mark.parametrize("typed", QUERIES)
def test_the_index_and_the_text_agree(typed: str) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE f USING fts5(words, tokenize='ascii')")
    database.executemany("INSERT INTO f VALUES (?)", [(indexed(text),) for text in TEXTS])
    query = parse_query(typed)
    rows = database.execute("SELECT rowid FROM f WHERE f MATCH ?", (expression(query),))
    found = {TEXTS[row[0] - 1] for row in rows}
    database.close()
    assert found == {text for text in TEXTS if ranges(query, text) is not None}
    assert bool(found) == (typed not in ("nothing", "kettle cup"))


@pytest.mark.parametrize(
    ("typed", "text", "shown"),
    [
        ("tea", "Tea and tea", ["Tea", "tea"]),
        ('"green tea"', "a Green, tea!", ["Green, tea"]),
        ("hel*", "Hello help", ["Hello", "help"]),
        ("京", "北京大学", ["京"]),
        ("学", "北京大学", ["学"]),
        ("京大学", "北京大学", ["京大学"]),
        ("creme -x", "Crème", ["Crème"]),
    ],
)
def test_ranges_show_what_was_meant(typed: str, text: str, shown: list[str]) -> None:
    found = ranges(parse_query(typed), text)
    assert found is not None
    assert [text[start:end] for start, end in found] == shown


def test_an_empty_query_fits_everything_and_shows_nothing() -> None:
    assert ranges(SearchQuery(), "anything") == []


def test_more_of_it_in_less_text_fits_better() -> None:
    query = parse_query("tea")
    short, long, twice = "tea now", "tea " + "word " * 40, "tea tea now"
    assert score(query, long) < score(query, short) < score(query, twice)
    assert score(parse_query("hel*"), "hello") > 0
