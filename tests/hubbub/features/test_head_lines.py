"""What a line of heads says, and what it leaves out."""

from __future__ import annotations

import json

from hubbub.features.head_lines import heads_json


def test_a_preview_that_is_not_for_this_user_is_left_out() -> None:
    lines = [
        ("group:a", 2, 0, b'{"text":"secret"}', b'{"unread":1,"preview":null}'),
        ("group:b", 3, 0, b'{"text":"hi"}', b'{"unread":2}'),
    ]
    heads = json.loads(heads_json(lines))["heads"]
    assert heads["group:a"] == {"seq": 2, "unread": 1, "preview": None}
    assert heads["group:b"] == {"seq": 3, "preview": {"text": "hi"}, "unread": 2}
    assert b"secret" not in heads_json(lines)


def test_a_line_says_what_is_known_and_no_more() -> None:
    lines = [("group:a", 2, 1_769_860_800_000, b"", b"{}"), ('group:"', 0, 0, b"", b"{}")]
    assert json.loads(heads_json(lines)) == {
        "t": "heads",
        "heads": {
            "group:a": {"seq": 2, "ts": "2026-01-31T12:00:00.000Z"},
            'group:"': {"seq": 0},
        },
    }
    assert json.loads(heads_json([])) == {"t": "heads", "heads": {}}
