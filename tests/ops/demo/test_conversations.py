"""What the demo's people said."""

from __future__ import annotations

import unicodedata

from ops.demo import conversations


def test_the_conversations_hold_what_breaks_chat_programs() -> None:
    lists = [*conversations.PAIRS.values(), *conversations.ROOMS.values()]
    texts = [text for lines in lists for _, text in lines]
    assert len(texts) == conversations.COUNT >= 200
    letters = {c for text in texts for c in text if c.isalpha() and not c.isascii()}
    scripts = {unicodedata.name(c).split()[0] for c in letters}
    assert {"LATIN", "HIRAGANA", "CJK", "ARABIC", "CYRILLIC"} <= scripts
    assert any("\u200d" in text for text in texts)  # an emoji of several code points
    assert any("\n" in text for text in texts)
    assert all(0 < len(text) <= 500 for text in texts)
