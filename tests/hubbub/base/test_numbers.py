"""Numbers of a query string: strictly."""

from __future__ import annotations

import pytest

from hubbub.base.numbers import read_number


@pytest.mark.parametrize("text", ["0", "5", "-5", "007", "9" * 18])
def test_digits_are_a_number(text: str) -> None:
    assert read_number(text) == int(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "1_0", "+5", " 5", "5 ", "5\n", "1e3", "1.0", "0x1", "٣", "\uff15", "²", "9" * 19],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert read_number(text) is None
