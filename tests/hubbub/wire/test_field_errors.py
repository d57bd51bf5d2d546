"""Every field that does not fit is named, each once, at its place."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from hubbub.base.errors import Rejected
from hubbub.wire.codec import convert, dump_json, shape_json
from hubbub.wire.field_errors import DETAIL_CHARS_MAX, ERRORS_MAX


class Cup(msgspec.Struct):
    tea: str
    sugars: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0


class Tray(msgspec.Struct):
    by: str
    cups: Annotated[tuple[Cup, ...], msgspec.Meta(min_length=1)] = ()
    notes: dict[str, msgspec.Raw] | None = None
    place: str | int | msgspec.UnsetType = msgspec.UNSET


def errors(value: Any, shape: type = Tray) -> dict[str, str]:
    found = []
    for check in (lambda: shape_json(dump_json(value), shape), lambda: convert(value, shape)):
        with pytest.raises(Rejected) as caught:
            check()
        found.append(caught.value.details.get("errors", []))
    assert found[0] == found[1], "over a socket and over REST alike"
    return {row["pointer"]: row["detail"] for row in found[0]}  # type: ignore[attr-defined]


def test_all_of_them_at_once_also_inside() -> None:
    cups = [{"tea": 1}, {"sugars": 4}, {"tea": "x"}]
    assert errors({"cups": cups, "notes": 7, "place": []}) == {
        "#/by": "is required",
        "#/cups/0/tea": "Expected `str`, got `int`",
        "#/cups/1/tea": "is required",
        "#/cups/1/sugars": "Expected `int` <= 3",
        "#/notes": "Expected `object | null`, got `int`",
        "#/place": "Expected `int | str`, got `array`",
    }


def test_a_list_that_is_too_short_is_itself_the_place() -> None:
    assert errors({"by": "ann", "cups": []}) == {"#/cups": "Expected `array` of length >= 1"}


class Leaves(StrEnum):
    GREEN = "green"
    BLACK = "black"


class Order(msgspec.Struct):
    leaves: Leaves | None = None
    size: Literal["pot", "cup"] = "cup"


def test_one_of_a_few_words_is_told_which() -> None:
    assert errors({"leaves": "red", "size": "tub"}, Order) == {
        "#/leaves": "Invalid enum value 'red': one of green, black",
        "#/size": "Invalid enum value 'tub': one of pot, cup",
    }
    assert errors({"size": 5}, Order) == {"#/size": "Expected `str`, got `int`"}


@pytest.mark.parametrize("value", [[], 7, None, "x"])
def test_what_is_no_object_has_no_fields(value: Any) -> None:
    assert errors(value) == {}


def test_they_are_few_and_short() -> None:
    cups = [{"tea": n} for n in range(2_000)]
    assert len(errors({"by": "ann", "cups": cups})) == ERRORS_MAX
    named = errors({"by": "ann", "cups": [{"tea": "x", "sugars": "y" * 5_000}]})
    assert all(len(text) <= DETAIL_CHARS_MAX for text in named.values())
