"""Log lines as a person reads them."""

from __future__ import annotations

import json

from ops.log_lines import LINE_CHARS_MAX, last_words


def line(event: str, level: str = "info", **fields: object) -> str:
    return json.dumps({"level": level, "role": "node", "name": "node-1", "event": event, **fields})


def test_errors_and_plain_text_come_before_everything_else() -> None:
    lines = [
        line("node.started", slots=3),
        line("store.refused", "error", reason="12 records are missing"),
        "Traceback (most recent call last):",
        line("process.stopped"),
    ]
    assert last_words(lines, 8) == [
        "store.refused reason=12 records are missing",
        "Traceback (most recent call last):",
    ]


def test_without_errors_the_last_lines_are_shown() -> None:
    lines = [line(f"step.{n}") for n in range(9)]
    assert last_words(lines, 2) == ["step.7", "step.8"]


def test_an_exception_is_named_with_its_place() -> None:
    frames = [{"filename": "a.py", "lineno": 1}, {"filename": "b.py", "lineno": 22}]
    error = [{"exc_type": "AddressError", "exc_value": "no address", "frames": frames}]
    (shown,) = last_words([line("process.main_failed", "error", exception=error)], 8)
    assert shown == "process.main_failed AddressError: no address (b.py:22)"


def test_repeats_are_said_once_and_long_lines_are_cut() -> None:
    shown = last_words(["boom"] * 4 + ["x" * 9999, "", "{not json"], 8)
    assert shown == ["boom", "x" * LINE_CHARS_MAX, "{not json"]
    assert last_words([], 8) == []
    assert last_words(['["a list"]'], 8) == ['["a list"]']


def test_what_a_process_says_to_its_owner_comes_first() -> None:
    lines = [line("store.refused", "error", reason="x"), "error: x; restore it", "Traceback"]
    assert last_words(lines, 8) == ["error: x; restore it"]
