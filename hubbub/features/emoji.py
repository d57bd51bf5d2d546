"""One emoji: what a reaction may be, and the one way in which it is written.

Rules:
1. An emoji is one picture as a reader counts: a symbol with its style, skin tone or tags, several
   of them joined by a zero width joiner, a keycap, a flag of two letters. Two thumbs are two.
2. Keyboards differ in whether they write the style (U+FE0F) behind a symbol that is text by
   default, such as the heart. Both are the same picture, so both become the fully qualified form.
3. Ranges hold what Unicode 17 has, and what it keeps free for emojis to come.

Sources: Unicode Technical Standard 51, sections 1.4.9 and 2.7; emoji-data.txt of Unicode 17.
"""

from __future__ import annotations

import re
from typing import Final

_STYLE: Final = "\ufe0f"
_KEYCAP: Final = "\u20e3"
_JOINER: Final = "\u200d"


def _of_ranges(text: str) -> str:
    """Code points in hex (`a` or `a-b`) as the inside of a character class."""
    ends = (part.partition("-") for part in text.split())
    return "".join(f"{chr(int(a, 16))}-{chr(int(b or a, 16))}" for a, _, b in ends)


# Emojis that are shown as text unless the style follows.
_TEXT: Final = _of_ranges(
    "a9 ae 203c 2049 2122 2139 2194-2199 21a9-21aa 2328 23cf 23ed-23ef 23f1-23f2 23f8-23fa 24c2"
    " 25aa-25ab 25b6 25c0 25fb-25fc 2600-2604 260e 2611 2618 261d 2620 2622-2623 2626 262a"
    " 262e-262f 2638-263a 2640 2642 265f-2660 2663 2665-2666 2668 267b 267e 2692 2694-2697 2699"
    " 269b-269c 26a0 26a7 26b0-26b1 26c8 26cf 26d1 26d3 26e9 26f0-26f1 26f4 26f7-26f9 2702"
    " 2708-2709 270c-270d 270f 2712 2714 2716 271d 2721 2733-2734 2744 2747 2763-2764 27a1"
    " 2934-2935 2b05-2b07 3030 303d 3297 3299 1f170-1f171 1f17e-1f17f 1f202 1f237 1f321"
    " 1f324-1f32c 1f336 1f37d 1f396-1f397 1f399-1f39b 1f39e-1f39f 1f3cb-1f3ce 1f3d4-1f3df 1f3f3"
    " 1f3f5 1f3f7 1f43f 1f441 1f4fd 1f549-1f54a 1f56f-1f570 1f573-1f579 1f587 1f58a-1f58d 1f590"
    " 1f5a5 1f5a8 1f5b1-1f5b2 1f5bc 1f5c2-1f5c4 1f5d1-1f5d3 1f5dc-1f5de 1f5e1 1f5e3 1f5e8 1f5ef"
    " 1f5f3 1f5fa 1f6cb 1f6cd-1f6cf 1f6e0-1f6e5 1f6e9 1f6f0 1f6f3"
)
# Those that are pictures by themselves; the ones above may stand in these ranges, too.
_PICTURES: Final = _of_ranges(
    "231a-231b 23e9-23ec 23f0 23f3 25fd-25fe 2614-2615 2648-2653 267f 2693 26a1 26aa-26ab"
    " 26bd-26be 26c4-26c5 26ce 26d4 26ea 26f2-26f3 26f5 26fa 26fd 2705 270a-270b 2728 274c 274e"
    " 2753-2755 2757 2795-2797 27b0 27bf 2b1b-2b1c 2b50 2b55 1f004 1f0cf 1f18e 1f191-1f19a 1f201"
    " 1f21a 1f22f 1f232-1f23a 1f250-1f251 1f300-1f64f 1f680-1f6ff 1f7e0-1f7eb 1f7f0 1f90c-1f9ff"
    " 1fa70-1faff"
)
_TONE: Final = "[\U0001f3fb-\U0001f3ff]"
_TAGS: Final = "[\U000e0020-\U000e007e]+\U000e007f"
_ELEMENT: Final = f"[{_TEXT}{_PICTURES}](?:{_STYLE}?{_TONE}|{_STYLE}?{_TAGS}|{_STYLE})?"
_EMOJI: Final = re.compile(
    f"[#*0-9]{_STYLE}?{_KEYCAP}|[\U0001f1e6-\U0001f1ff]{{2}}|{_ELEMENT}(?:{_JOINER}{_ELEMENT})*"
)
_UNSTYLED: Final = re.compile(f"([#*0-9](?={_KEYCAP})|[{_TEXT}](?!{_TONE}))")


def one_emoji(text: str) -> str:
    """The emoji in its fully qualified form; empty if the text is not exactly one."""
    if not _EMOJI.fullmatch(text):
        return ""
    return _UNSTYLED.sub(rf"\1{_STYLE}", text.replace(_STYLE, ""))
