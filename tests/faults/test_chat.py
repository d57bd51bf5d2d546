"""The generator of the recorded chat: the same for each seed, and as varied as it claims."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest

from tests.support.chat import TEXT_CHARS_MAX, Chat, recorded_chat

MESSAGES, CHANNELS = 10_000, 200


@pytest.fixture(scope="module")
def chat() -> Chat:
    return recorded_chat(1, MESSAGES, CHANNELS)


def test_a_seed_decides_everything(chat: Chat) -> None:
    assert chat == recorded_chat(1, MESSAGES, CHANNELS)
    assert chat != recorded_chat(2, MESSAGES, CHANNELS)


def test_every_channel_speaks_and_few_speak_most(chat: Chat) -> None:
    counts = Counter(line.channel for line in chat.lines)
    assert set(counts) == set(chat.members)
    assert sum(count for _, count in counts.most_common(CHANNELS // 10)) > MESSAGES / 2


def test_only_members_speak_and_edit_only_what_they_wrote(chat: Chat) -> None:
    for number, line in enumerate(chat.lines):
        assert line.number == number
        assert line.by in chat.members[line.channel]
        if line.edits is not None:
            original = chat.lines[line.edits]
            assert original.number < number
            assert (original.by, original.channel) == (line.by, line.channel)
            assert original.edits is None
    assert sum(line.edits is not None for line in chat.lines) > MESSAGES / 100


def test_sizes_languages_and_oddities(chat: Chat) -> None:
    texts = [line.text for line in chat.lines]
    assert 20 < median(map(len, texts)) < 80
    assert TEXT_CHARS_MAX / 4 < max(map(len, texts)) <= TEXT_CHARS_MAX
    assert all(text.strip() for text in texts)
    assert all(text.encode() for text in texts), "no lone surrogates"
    joined = "".join(texts)
    for sign in (
        "ß",
        "ñ",
        "ё",
        "駅",
        "谢",
        "مرحبا",
        "नमस्ते",
        "👩‍👩‍👧‍👦",
        "\u2028",
        "\n",
        '"',
        "\x01",
    ):
        assert sign in joined, repr(sign)
