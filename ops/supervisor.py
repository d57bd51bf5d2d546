"""Starts the processes of a cluster, watches them, restarts what crashed, stops them in order.

Rules:
1. What is restarted and when is decided by `ops.restarts`; this file only does it.
2. Every child holds the read end of one pipe whose write end is here alone: however this process
   ends, the kernel closes it and the children leave, so that no database stays locked.
3. Children have a session of their own: Ctrl-C in a terminal reaches the supervisor, which stops
   edges, then routers, then nodes, each within its deadline, and kills what is late.
4. Whatever happens to a process is one line on stderr and one line in events.ndjson.
5. No event loop: a sleeping supervisor costs nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ops.answer import Exit, Failure, now_text, progress
from ops.log_lines import last_words
from ops.restarts import Decision, Restarts, Verdict
from ops.signals import Signals

STOP_ORDER: Final = ("edge", "router", "node", "compact")
# Together 4.8 s: Ctrl-C promises 5. A node needs the most, it syncs its log. A compact process,
# which is all of a cluster, has the time of all.
STOP_S: Final[Mapping[str, float]] = {"edge": 1.6, "router": 1.0, "node": 2.2, "compact": 4.8}
PROBE_S: Final = 0.03  # between readiness probes while something is not ready; then none
LOG_TAIL_LINES: Final = 8
LOG_TAIL_BYTES: Final = 32 * 1024
LOG_BYTES_MAX: Final = 16 * 1024 * 1024  # an older log is put aside at a start


@dataclass(frozen=True)
class ProcessSpec:
    """One process to run. `arguments` is its whole command line.

    `parts`: (role, name) of each that it runs, if those are several.
    """

    role: str
    name: str
    arguments: Sequence[str]
    log: Path
    parts: Sequence[tuple[str, str]] = ()

    @property
    def registered(self) -> Sequence[tuple[str, str]]:
        """(role, name) of all that it is to the rest of the cluster."""
        return self.parts or [(self.role, self.name)]


@dataclass
class Child:
    """One running (or ended) process and what is known of it."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    is_ready: bool = False
    is_down: bool = False


class Journal:
    """events.ndjson and stderr: what happened to the processes."""

    def __init__(self, path: Path, say: Callable[[str], None] = progress) -> None:
        self._path = path
        self._say = say

    def write(self, event: str, text: str = "", **fields: object) -> None:
        """Appends one event; a `text` is also said to the person who watches."""
        line = json.dumps({"at": now_text(), "event": event, **fields}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if text:
            self._say(text)


@dataclass
class Supervisor:
    """Runs `specs` until told to stop.

    Args:
        is_ready: asks one process; called often while it is starting, must not block long.
        on_change: called with the children when all are ready, and again whenever a restarted one
            is ready, so that its pid has changed.
        environment: of the children.
        on_ready: called with each process that has become ready.
        look: called whenever something woke the supervisor; it may `add` and `retire`, and says
            whether anything was retired.
        lifeline_fd: the read end of the pipe of rule 2.
    """

    specs: Sequence[ProcessSpec]
    journal: Journal
    signals: Signals
    is_ready: Callable[[ProcessSpec], bool]
    on_change: Callable[[Mapping[str, Child]], None]
    environment: Mapping[str, str]
    lifeline_fd: int
    on_ready: Callable[[ProcessSpec], None] = lambda _spec: None
    look: Callable[[], bool] = lambda: False
    restarts: Restarts = field(default_factory=Restarts)
    children: dict[str, Child] = field(default_factory=dict)
    _spec_of: dict[str, ProcessSpec] = field(default_factory=dict)

    def start(self, deadline_s: float) -> None:
        """Starts everything and returns when all of it is ready.

        Raises Failure when a process refuses or keeps ending, when the deadline passes, or when a
        stop signal arrives; nothing is left running then.
        """
        ends_at = time.monotonic() + deadline_s
        try:
            for spec in self.specs:
                self._spec_of[spec.name] = spec
                self._launch(spec)
            while not self._all_ready():
                self._check_start(ends_at)
                self.signals.wait(PROBE_S)
                self._step()
        except BaseException:
            self.stop()
            raise
        self.restarts.cluster_ready()
        self.on_change(self.children)

    def run(self) -> None:
        """Watches and restarts until a stop signal arrives."""
        while not self.signals.stop_count:
            if self.look():
                self.on_change(self.children)
            self.signals.wait(self._sleep_s())
            if self._step():
                self.on_change(self.children)

    def stop(self) -> dict[str, int]:
        """Stops everything in order; a second stop signal kills at once. Returns exit codes."""
        for role in STOP_ORDER:
            group = [child for child in self.children.values() if child.spec.role == role]
            self._stop_group(group, STOP_S[role])
        return {name: child.process.returncode for name, child in self.children.items()}

    def add(self, spec: ProcessSpec) -> None:
        """Starts one more process; `on_change` is called once it is ready."""
        self._spec_of[spec.name] = spec
        self._launch(spec)

    def retire(self, name: str) -> None:
        """Stops a process for good."""
        child = self.children.pop(name)
        self._stop_group([child], STOP_S[child.spec.role])
        self.restarts.forget(name)
        self._say(child, "process.retired", "was removed")
        self.signals.wake()  # what happened to others meanwhile was slept over

    # --- one step

    def _step(self) -> bool:
        """Reaps, restarts and probes once; True if a restarted process became ready."""
        changed = False
        for child in list(self.children.values()):
            if not child.is_down and child.process.poll() is not None:
                self._ended(child)
        for name in self.restarts.due(time.monotonic()):
            self._launch(self._spec_of[name])
        for child in self.children.values():
            if not child.is_ready and not child.is_down and self.is_ready(child.spec):
                child.is_ready = True
                self.on_ready(child.spec)
                if self.restarts.was_ready:
                    changed = True
                    self._say(child, "process.ready", "is ready again")
        return changed

    def _sleep_s(self) -> float | None:
        if any(not child.is_ready and not child.is_down for child in self.children.values()):
            return PROBE_S if not self.restarts.was_ready else 4 * PROBE_S
        next_at = self.restarts.next_at()
        return None if next_at is None else next_at - time.monotonic()

    def _all_ready(self) -> bool:
        return all(child.is_ready for child in self.children.values())

    def _launch(self, spec: ProcessSpec) -> None:
        self._put_log_aside(spec.log)
        with spec.log.open("ab") as log:
            process = subprocess.Popen(
                list(spec.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                pass_fds=(self.lifeline_fd,),
                start_new_session=True,
            )
        self.children[spec.name] = Child(spec, process)
        self.restarts.started(spec.name, time.monotonic())
        self.journal.write("process.started", role=spec.role, name=spec.name, pid=process.pid)

    def _ended(self, child: Child) -> None:
        code = child.process.returncode
        child.is_ready, child.is_down = False, True
        decision = self.restarts.ended(child.spec.name, code, time.monotonic())
        self._say(child, "process.ended", _what_follows(child, decision), exit_code=code)
        if decision.verdict is Verdict.REFUSED and self.restarts.was_ready:
            for line in self.log_tail(child.spec):
                progress(f"    {line}")

    def _check_start(self, ends_at: float) -> None:
        if self.signals.stop_count:
            raise Failure("stopped before it was ready", exit_code=Exit.INTERRUPTED)
        for child in self.children.values():
            if child.is_down and child.spec.name not in self._coming():
                raise self._start_failure(child, "does not start")
        if time.monotonic() > ends_at:
            late = next(c for c in self.children.values() if not c.is_ready)
            raise self._start_failure(late, "was not ready in time")

    def _coming(self) -> set[str]:
        """Processes that are down and will be started again."""
        return set(self.restarts.due(float("inf")))

    def _start_failure(self, child: Child, what: str) -> Failure:
        code = child.process.poll()
        return Failure(
            f"{child.spec.name} {what}" + ("" if code is None else f" ({exit_text(code)})"),
            exit_code=Exit.UNREACHABLE if code is None else Exit.FAILED,
            cause=["its last words:", *(f"  {line}" for line in self.log_tail(child.spec))],
            tries=[f"cat {child.spec.log}"],
        )

    # --- stopping

    def _stop_group(self, group: Sequence[Child], seconds: float) -> None:
        for child in group:
            _signal(child.process, signal.SIGTERM)
        seen = self.signals.stop_count
        ends_at = time.monotonic() + seconds
        while any(child.process.poll() is None for child in group):
            left = ends_at - time.monotonic()
            if left <= 0 or self.signals.stop_count > max(seen, 1):
                break
            self.signals.wait(min(left, 0.05))
        for child in group:
            if child.process.poll() is None:
                self._say(child, "process.killed", "did not stop in time: killed")
                _signal(child.process, signal.SIGKILL)
                child.process.wait()

    # --- words

    def _say(self, child: Child, event: str, words: str, **fields: object) -> None:
        spec = child.spec
        self.journal.write(
            event,
            f" {spec.name} {words}",
            role=spec.role,
            name=spec.name,
            pid=child.process.pid,
            **fields,
        )

    def log_tail(self, spec: ProcessSpec) -> list[str]:
        """The last words of a process's log."""
        try:
            with spec.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return []
        return last_words(text.splitlines(), LOG_TAIL_LINES)

    def _put_log_aside(self, log: Path) -> None:
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))


def exit_text(code: int) -> str:
    """An exit code of subprocess in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _what_follows(child: Child, decision: Decision) -> str:
    ended = f"(pid {child.process.pid}) ended: {exit_text(child.process.returncode)}"
    match decision.verdict:
        case Verdict.RESTART:
            return f"{ended}; starting it again in {decision.delay_s:.1f} s"
        case Verdict.REFUSED:
            return f"{ended}; it refuses to run and is not started again, see {child.spec.log}"
        case Verdict.GAVE_UP:
            return f"{ended}; it keeps ending"


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)
