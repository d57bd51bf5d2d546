"""Log lines: JSON, filtered, blotted, bounded; and never a reason to fail."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbub.runtime import logs
from tests.support.clock import FakeClock

Lines = list[dict[str, Any]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log_file(tmp_path: Path, clock: FakeClock) -> Iterator[Path]:
    path = tmp_path / "log"
    logs.configure("info", str(path), role="edge", name="edge-1", clock=clock)
    yield path
    logs.configure("info")


def written(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_json_object_with_its_fields(log_file: Path) -> None:
    logs.get_logger().bind(slot=7).info("slot.moved", took_ms=12)
    (line,) = written(log_file)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "slot.moved",
        "level": "info",
        "role": "edge",
        "name": "edge-1",
        "slot": 7,
        "took_ms": 12,
    }


def test_a_logger_may_carry_its_own_role_and_name(log_file: Path) -> None:
    logs.get_logger("ops", "supervisor").warning("child.restarted")
    assert [(x["role"], x["name"]) for x in written(log_file)] == [("ops", "supervisor")]


def test_the_level_filters_and_can_be_changed(log_file: Path) -> None:
    log = logs.get_logger()
    log.debug("a.one")
    logs.set_level("debug")
    log.debug("a.two")
    logs.set_level("error")
    log.warning("a.three")
    log.error("a.four")
    assert [line["event"] for line in written(log_file)] == ["a.two", "a.four"]
    assert logs.statistics().level == "error"
    with pytest.raises(ValueError, match="loud"):
        logs.set_level("loud")


def test_secrets_and_texts_are_blotted_out(log_file: Path) -> None:
    logs.get_logger().info("a.b", token="t0", text="hello", server_key="k0", seq=3)
    content = log_file.read_text()
    assert "t0" not in content
    assert "hello" not in content
    assert "k0" not in content
    assert written(log_file)[0]["seq"] == 3


def test_an_exception_becomes_data_without_local_variables(log_file: Path) -> None:
    try:
        hidden = "very secret"
        raise KeyError(len(hidden))
    except KeyError as error:
        logs.get_logger().error("a.failed", exc_info=error)
    (line,) = written(log_file)
    assert line["exception"][0]["exc_type"] == "KeyError"
    assert "very secret" not in log_file.read_text()


def test_repeats_are_bounded_and_the_next_line_says_how_many(
    log_file: Path, clock: FakeClock
) -> None:
    log = logs.get_logger()
    for _ in range(logs.LINES_MAX + 5):
        log.info("a.repeated")
    log.info("a.other")
    assert len(written(log_file)) == logs.LINES_MAX + 1
    clock.advance(logs.WINDOW_MS)
    log.info("a.repeated")
    log.info("a.repeated")
    assert [line.get("suppressed") for line in written(log_file)[-2:]] == [5, None]
    assert logs.statistics().suppressed == 5


def test_the_limiter_forgets_the_oldest_kind_and_stays_bounded() -> None:
    limiter = logs.RepeatLimiter()
    for n in range(logs.KINDS_MAX * 2):
        assert limiter.admit("info", f"e.{n}", 0) == 0
    assert len(limiter._kinds) == logs.KINDS_MAX


def test_lines_of_libraries_come_out_as_ours(log_file: Path) -> None:
    logging.getLogger("somebody.else").warning("odd %d", 5)
    logging.getLogger("somebody.else").info("not wanted")
    (line,) = written(log_file)
    assert (line["event"], line["library"], line["message"]) == (
        "library.log",
        "somebody.else",
        "odd 5",
    )


def test_a_line_that_cannot_be_written_is_counted_and_hurts_nobody(log_file: Path) -> None:
    before = logs.statistics().failed
    assert logs._output.file is not None
    logs._output.file.close()
    logs.get_logger().info("a.lost")
    assert logs.statistics().failed == before + 1
    logs._output.file = None


def test_only_an_exception_loads_structlog() -> None:
    code = (
        "import sys; from hubbub.runtime.logs import get_logger; get_logger().info('a.b');"
        "print('structlog' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
