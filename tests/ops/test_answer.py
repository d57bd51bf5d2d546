"""What commands say."""

from __future__ import annotations

import json
import re

import pytest

from ops.answer import Exit, Failure, envelope, now_text, print_failure, print_json


def test_the_envelope_has_every_field_of_every_command() -> None:
    answer = envelope("hubbub.x/1", "demo", {"a": 1}, warnings=["w"], unreachable=["edge-2"])
    assert list(answer) == ["schema", "cluster", "at", "data", "warnings", "unreachable"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(answer["at"]))
    assert now_text() >= str(answer["at"])


def test_json_is_one_line_of_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Chloé\n🙂"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"name": "Chloé\n🙂"}
    assert "é" in out


def test_a_failure_keeps_stdout_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure("node-3 did not answer", exit_code=Exit.UNREACHABLE, tries=["hubbub status"])
    print_failure(failure, as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: node-3 did not answer\n  try: hubbub status\n"
    print_failure(failure, as_json=True)
    assert json.loads(capsys.readouterr().out)["data"]["exit_code"] == 3


def test_exit_codes_are_what_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in Exit} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "UNREACHABLE": 3,
        "REFUSED": 4,
        "NOT_FOUND": 5,
        "CONFLICT": 6,
        "PARTIAL": 7,
        "UNHEALTHY": 10,
        "INTERRUPTED": 130,
    }
