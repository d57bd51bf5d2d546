"""Logging: one JSON object a line, to standard error or a file. Sole owner of structlog.

Rules:
1. Events, not prose: `log.info("slot.moved", slot=7, took_ms=12)`; lower case, dotted.
2. Nothing per message above debug. Never a text, a token or an address: fields of such names
   are blotted out.
3. Repeats are bounded: `LINES_MAX` lines of one event in `WINDOW_MS`; the next one says how many
   were `suppressed`.
4. A log line never raises and never blocks a decision: output that fails is counted and dropped.
5. structlog makes data of exceptions and is loaded with the first one: it brings rich along, a
   tenth of a second of every process's start. A filtered call costs one comparison.
6. Lines of libraries (asyncio, aiohttp) come out as the event "library.log".
"""

from __future__ import annotations

import json
import logging
import sys
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from msgspec import Struct

from hubbub.runtime.clock import Clock, SystemClock

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# A person reads 20 lines of one kind; 10 kinds at this rate stay below 20 lines a second.
LINES_MAX: Final = 20
WINDOW_MS: Final = 10_000
KINDS_MAX: Final = 1_024  # kinds of lines that are remembered; the oldest makes room
SECRET_FIELDS: Final = frozenset(
    {
        "address",
        "authorization",
        "cookie",
        "id_secret",
        "password",
        "secret",
        "server_key",
        "text",
        "token",
        "token_secret",
    }
)

Emit = Callable[[str, str, dict[str, Any]], None]


class LogStatistics(Struct, frozen=True):
    """Counts since the process began."""

    level: str
    lines: dict[str, int]
    suppressed: int
    failed: int


class RepeatLimiter:
    """How many lines of one kind may still be written in the current window. Time is passed in."""

    __slots__ = ("_kinds", "suppressed")

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self.suppressed = 0

    def admit(self, level: str, event: str, now_ms: int) -> int | None:
        """None: drop this line. Else how many of its kind were dropped since the last one."""
        key = (level, event)
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KINDS_MAX:
                self._kinds.popitem(last=False)
            kind = self._kinds[key] = [now_ms, 0, 0]  # window start, lines in it, dropped
        dropped = 0
        if now_ms - kind[0] >= WINDOW_MS:
            dropped = kind[2]
            kind[:] = [now_ms, 0, 0]
        if kind[1] >= LINES_MAX:
            kind[2] += 1
            self.suppressed += 1
            return None
        kind[1] += 1
        return dropped


class _Output:
    """What the whole process writes to; replaced by `configure`."""

    def __init__(self) -> None:
        self.level = LEVELS["info"]
        self.clock: Clock = SystemClock()
        self.limiter = RepeatLimiter()
        self.lines = dict.fromkeys(LEVELS, 0)
        self.failed = 0
        self.file: TextIO | None = None
        self.bound: dict[str, Any] = {}
        self._emit: Emit | None = None

    def reset_renderer(self) -> None:
        self._emit = None

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        dropped = self.limiter.admit(level, event, self.clock.monotonic_ms())
        if dropped is None:
            return
        if dropped:
            fields = fields | {"suppressed": dropped}
        self.lines[level] += 1
        try:
            if self._emit is None:
                self._emit = _renderer(self.file or sys.stderr)
            self._emit(level, event, self.bound | fields)
        except (OSError, ValueError, TypeError):  # closed pipe, full disk, a key of a strange type
            self.failed += 1


_output = _Output()


class Logger:
    """Writes events with the fields that were bound to it."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def bind(self, **fields: Any) -> Logger:
        """A logger with more fields on every line."""
        return Logger(self._fields | fields)

    def debug(self, event: str, **fields: Any) -> None:
        if _output.level <= 10:
            _output.write("debug", event, self._fields | fields)

    def info(self, event: str, **fields: Any) -> None:
        if _output.level <= 20:
            _output.write("info", event, self._fields | fields)

    def warning(self, event: str, **fields: Any) -> None:
        if _output.level <= 30:
            _output.write("warning", event, self._fields | fields)

    def error(self, event: str, **fields: Any) -> None:
        """`exc_info=True` or `exc_info=exception` adds the traceback as data."""
        _output.write("error", event, self._fields | fields)


def get_logger(role: str = "", name: str = "", **fields: Any) -> Logger:
    """A logger. `role` and `name` default to those of `configure`; cheap, may be made at import."""
    own = {"role": role, "name": name}
    return Logger({key: value for key, value in own.items() if value} | fields)


def configure(
    level: str, log_file: str = "", *, role: str = "", name: str = "", clock: Clock | None = None
) -> None:
    """Set where this process writes and what every line carries. May be called again.

    Raises OSError if the file cannot be opened, ValueError for an unknown level.
    """
    set_level(level)
    if _output.file is not None:
        _output.file.close()
        _output.file = None
    if log_file:
        _output.file = open(log_file, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    _output.clock = clock or SystemClock()
    _output.limiter = RepeatLimiter()
    _output.bound = {key: value for key, value in (("role", role), ("name", name)) if value}
    _output.reset_renderer()
    _take_library_logs()


def set_level(level: str) -> None:
    """Change the level of the running process. Raises ValueError for an unknown one."""
    if level not in LEVELS:
        raise ValueError(f"log level: no {level!r}; there are {', '.join(LEVELS)}")
    _output.level = LEVELS[level]


def statistics() -> LogStatistics:
    """What was written, dropped and lost."""
    level = next(name for name, number in LEVELS.items() if number == _output.level)
    return LogStatistics(level, dict(_output.lines), _output.limiter.suppressed, _output.failed)


def _renderer(file: TextIO) -> Emit:
    def emit(level: str, event: str, fields: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {"level": level, **fields, "event": event, "at": at}
        if failure := line.pop("exc_info", None):
            line["exception"] = _exception(failure)
        for key in SECRET_FIELDS & line.keys():
            line[key] = "[removed]"
        file.write(json.dumps(line, default=repr) + "\n")
        file.flush()

    return emit


def _exception(failure: object) -> object:
    """An exception, its triple or True, as data: causes, groups, frames without their locals."""
    from structlog.processors import ExceptionRenderer
    from structlog.tracebacks import ExceptionDictTransformer

    render = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return render(None, "", {"exc_info": failure}).get("exception")


class _LibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        level = next(
            (n for n in ("error", "warning", "info") if record.levelno >= LEVELS[n]), "debug"
        )
        if _output.level > LEVELS[level]:
            return
        fields: dict[str, Any] = {"library": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        _output.write(level, "library.log", fields)


def _take_library_logs() -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler())
    root.setLevel(logging.WARNING)
