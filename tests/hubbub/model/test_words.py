"""Words: folded, in pairs where a script has no spaces, each with its place."""

from __future__ import annotations

import pytest

from hubbub.model.words import TERM_CHARS_MAX, Part, fold, indexed, parts, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, WORLD! snake_case 42", "hello world snake case 42"),
        ("Crème brûlée, Ångström", "creme brulee angstrom"),
        ("straße İstanbul", "strasse istanbul"),
        ("IŞIK ışık Łódź Ørsted Đà œuvre", "isik isik lodz orsted da oeuvre"),
        ("Ёлка και ΆΛΦΑ", "елка και αλφα"),
        ("ＡＢＣ１２", "abc12"),
        ("北京大学", "北京 京大 大学 学"),
        ("iPhone手机壳", "iphone 手机 机壳 壳"),
        ("東京タワー", "東京 京タ タワ ワー ー"),
        ("한국어를", "한국 국어 어를 를"),
        ("สวัสดี", "สว วั ัส สด ดี ี"),
        ("हिन्दी में", "हिन्दी में"),
        ("... !!! 🫖", ""),
    ],
)
def test_a_text_becomes_terms(text: str, expected: str) -> None:
    assert indexed(text) == expected


def test_how_a_letter_was_composed_makes_no_difference() -> None:
    assert indexed("cafe\u0301") == indexed("café") == "cafe"
    assert indexed("ﾊﾟｿｺﾝ") == indexed("パソコン")
    assert indexed("\u1112\u1161\u11ab\u1100\u116e\u11a8") == indexed("한국")  # from a Mac's file


def test_places_are_characters_of_the_text_itself() -> None:
    text = "Say Crème to iPhone手机!"
    assert [(t.text, text[t.start : t.end]) for t in terms(text)] == [
        ("say", "Say"),
        ("creme", "Crème"),
        ("to", "to"),
        ("iphone", "iPhone"),
        ("手机", "手机"),
        ("机", "机"),
    ]


def test_a_run_whose_length_changes_by_composing_is_one_place() -> None:
    text = "x ﾊﾟｿ"
    assert {text[t.start : t.end] for t in terms(text)} == {"x", "ﾊﾟｿ"}


def test_plain_texts_take_a_shorter_way_to_the_same_terms() -> None:
    text = "The kettle-lid is ON, v2.0; " + "x" * 100
    assert indexed(text) == " ".join(term.text for term in terms(text))
    assert max(map(len, indexed(text).split())) == TERM_CHARS_MAX


def test_terms_can_stand_between_quotes() -> None:
    for code in range(1, 0x20000):
        if not 0xD800 <= code < 0xE000:
            text = indexed(f"a{chr(code)}b 京{chr(code)}")
            assert text.replace(" ", "").isalnum() or not text.isascii()
            assert not set(text) & set("\"'*()^-+:{}⁄_")


def test_a_querys_word_has_parts() -> None:
    assert parts("iPhone手机") == [Part("iphone", False), Part("手机", True)]
    assert parts("foo-bar") == [Part("foo", False), Part("bar", False)]
    assert parts("?!") == []
    assert fold("É") == "e"
