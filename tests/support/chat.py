"""A recorded chat that never happened: who says what in which channel, the same for each seed.

Shape: popularity of channels falls off as 1 / rank, so that some are busy and most are quiet; a
text has a median of about 40 characters and a tail up to 4,000; eleven languages in seven scripts,
emoji of every build (skin tones, flags, joined families), text from right to left, line breaks,
quotes, and now and then an edit of the author's own earlier message.

Rules: nothing but the seed decides. Texts are sentences of random words: no meaning is intended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

TEXT_CHARS_MAX = 4_000
MEMBERS_MAX = 8
PEOPLE_PER_CHANNEL = 0.25  # 2,000 channels: 500 people, each in about 20 of them
EDIT_SHARE = 0.04
EMOJI_SHARE = 0.2
ODD_SHARE = 0.03

_WORDS: dict[str, str] = {
    "English": "we should look at this again tomorrow morning because the train was "
    "late and nobody had the keys please send me a picture of it thanks great really lunch "
    "meeting room",
    "German": "heute morgen über die Straße gehen schön wäre es später nochmals "
    "prüfen müssen größer weiß ich nicht vielleicht Donnerstag Abend Übergabe danke gerne "
    "natürlich kommst",
    "Spanish": "mañana nos vemos en la estación qué tal el año pasado niño corazón "
    "también aquí está muy bien gracias después siempre fácil pingüino próxima semana",
    "French": "à bientôt ça marche très bien où êtes vous déjà là-bas peut-être "
    "l'été prochain œuvre garçon voilà merci beaucoup français naïf Noël",
    "Portuguese": "não sei se amanhã vou à reunião obrigada pão coração às três irmã "
    "também você até logo português ótimo avião manhã",
    "Turkish": "yarın görüşürüz çok güzel teşekkürler İstanbul ışık öğle arası şimdi "
    "değil küçük büyük ağaç günaydın",
    "Russian": "завтра утром встретимся на вокзале спасибо большое ещё раз проверю "
    "отчёт хорошо конечно приеду позже ёлка объект",
    "Japanese": "明日 会議 あとで 送ります ありがとう 写真 駅 おはよう カメラ データ "
    "了解 です 多分 大丈夫",
    "Chinese": "明天 早上 见面 谢谢 你好 请 发 照片 火车 晚点 会议室 没有 问题 可以 下周 再说",
    "Arabic": "غدا صباحا نلتقي في المحطة شكرا جزيلا مرحبا الصورة جميلة نعم لا أعرف ربما لاحقا",
    "Hindi": "कल सुबह मिलते हैं धन्यवाद फिर से देखूँगा तस्वीर भेजो ठीक है शायद बाद में नमस्ते",
}
_VOCABULARY = {language: words.split() for language, words in _WORDS.items()}
_EMOJI = [
    "🙂",
    "😂",
    "👍🏽",
    "🎉",
    "❤️",
    "🇧🇷",
    "🇯🇵",
    "👩‍👩‍👧‍👦",
    "🧑🏿‍🚀",
    "🏴‍☠️",
    "🤷🏻‍♀️",
    "☕",
    "✅",
    "1️⃣",
]
_ODD = [
    "\"quoted\" and \\back\\slashed and 'single'",
    "line one\nline two\r\n\tline three",
    "a\u2028b\u2029c\u00a0d\u200be",
    "e\u0301 is not é but looks it; Z̷a̷l̷g̷o̷",
    '{"not": "json", "push": {}, "id": 1}\n{}',
    "\u202eright to left\u202c and back",
    "https://example.org/path?q=%F0%9F%98%80&x=<b>&amp;#a",
    "```\nif x < 1 && y > 2: return None  # ' \"\n```",
    "𝒻𝒶𝓃𝒸𝓎 𐍈 𠜎 astral",
    "\x7f\x01 control",
]


@dataclass(frozen=True)
class Line:
    """One thing that was done. `edits`: the number of the earlier line that this one rewrites."""

    number: int
    channel: str
    by: str
    text: str
    edits: int | None = None


@dataclass(frozen=True)
class Chat:
    """A whole recording: who is in which channel, and what happened, in order."""

    members: Mapping[str, Sequence[str]]
    lines: Sequence[Line]


def recorded_chat(seed: int, messages: int, channels: int, prefix: str = "group:chat") -> Chat:
    """`messages` lines in `channels` channels named `prefix-N`; every channel has at least one."""
    assert messages >= channels > 0
    random = Random(seed)
    names = [f"{prefix}-{n}" for n in range(channels)]
    people = [f"person-{n}" for n in range(max(MEMBERS_MAX, round(channels * PEOPLE_PER_CHANNEL)))]
    members = {name: random.sample(people, random.randint(2, MEMBERS_MAX)) for name in names}
    return Chat(members, list(_lines(random, names, members, messages)))


def _lines(
    random: Random, names: Sequence[str], members: Mapping[str, Sequence[str]], messages: int
) -> Iterator[Line]:
    popularity = list(accumulate(1 / rank for rank in range(1, len(names) + 1)))
    order = [*names, *random.choices(names, cum_weights=popularity, k=messages - len(names))]
    random.shuffle(order)
    speaks = {
        person: _languages(random) for person in sorted({p for m in members.values() for p in m})
    }
    own: dict[tuple[str, str], list[int]] = {}
    for number, channel in enumerate(order):
        by = random.choice(members[channel])
        said = own.setdefault((channel, by), [])
        edits = random.choice(said) if said and random.random() < EDIT_SHARE else None
        if edits is None:
            said.append(number)
        yield Line(number, channel, by, _text(random, speaks[by]), edits)


def _languages(random: Random) -> list[str]:
    """What a person writes in: one language, or two."""
    return random.sample(sorted(_VOCABULARY), random.choice([1, 1, 2]))


def _text(random: Random, languages: Sequence[str]) -> str:
    if random.random() < ODD_SHARE:
        return random.choice(_ODD)
    vocabulary = _VOCABULARY[random.choice(languages)]
    aim = min(TEXT_CHARS_MAX - 100, max(2, round(random.lognormvariate(3.7, 1.1))))
    words: list[str] = []
    length = 0
    while length < aim:
        words.append(random.choice(vocabulary))
        length += len(words[-1]) + 1
    if random.random() < EMOJI_SHARE:
        words.insert(random.randrange(len(words) + 1), random.choice(_EMOJI) * random.randint(1, 3))
    return " ".join(words)
