"""One emoji, and one way to write it."""

from __future__ import annotations

import pytest

from hubbub.features.emoji import one_emoji

ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "kind",
    [
        "👍",
        "👍🏽",
        "🏿",
        "☝🏽",
        "❤️",
        "❤️‍🔥",
        "🇧🇷",
        "🇺🇳",
        "👩‍👩‍👧‍👦",
        "🧑🏻‍❤️‍💋‍🧑🏿",
        "👁️‍🗨️",
        "🏳️‍🌈",
        "🏳️‍⚧️",
        "🏴‍☠️",
        "🤷🏻‍♀️",
        "🕵️‍♂️",
        ENGLAND,
        "1️⃣",
        "#️⃣",
        "*️⃣",
        "☕",
        "✅",
        "‼️",
        "ℹ️",
        "↔️",
        "©️",
        "™️",
        "㊗️",
        "〰️",
        "🀄",
        "🃏",
        "🅱️",
        "🈚",
        "🟰",
        "🪿",
        "🫩",
    ],
)
def test_one_emoji_of_every_build(kind: str) -> None:
    assert one_emoji(kind) == kind


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("❤", "❤️"),
        ("☺", "☺️"),
        ("👍️", "👍"),
        ("☝️🏽", "☝🏽"),
        ("1⃣", "1️⃣"),
        ("👁‍🗨", "👁️‍🗨️"),
        ("🤷🏻‍♀", "🤷🏻‍♀️"),
        ("🏳‍🌈", "🏳️‍🌈"),
        ("❤‍🔥", "❤️‍🔥"),
    ],
)
def test_two_ways_to_write_it_are_one_emoji(written: str, meant: str) -> None:
    assert one_emoji(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "👍👍",
        "👍❤️",
        "❤️❤️",
        "🇧🇷🇧🇷",
        "🇧",
        "🇧🇷🇩",
        "🇧👍",
        "1",
        "12",
        "1️",
        "12️⃣",
        "1️⃣2️⃣",
        "⃣",
        "a",
        "a️",
        "👍a",
        "a👍",
        " 👍",
        "👍\n",
        "👍 ",
        "👍‍",
        "‍👍",
        "👍‍‍👍",
        "👍🏽🏽",
        "👍️️",
        "👍\u0301",
        "❤\ufe0e",
        "🏴\U000e0067",
        "\U000e0067\U000e007f",
        "\ufe0f",
        "\u200d",
        "°",
        "€",
        "²",
        "漢",
        "+",
        "…",
    ],
)
def test_what_is_not_one_emoji(text: str) -> None:
    assert one_emoji(text) == ""
