"""A process as its supervisor sees it: real children, real signals, a real pipe, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

import pytest

from hubbub.runtime.process import (
    EXIT_FAILED,
    EXIT_HUNG,
    EXIT_STOP_STEP,
    EXIT_STOPPED,
    raise_descriptor_limit,
)

PREAMBLE = """
import asyncio, os, sys, time, resource
from hubbub.runtime.process import run
from hubbub.runtime.tasks import supervise
from hubbub.settings.schema import EdgeConfig

def say(word):
    print(word, flush=True)

def step(word):
    async def run_step():
        say(word)
    return run_step

def go(main, **fields):
    fd = int(sys.argv[1])
    config = EdgeConfig(name="edge-1", coordinator="solo:/x", lifeline_fd=fd, **fields)
    sys.exit(run(main, config))
"""

WAITS = """
async def main(process):
    process.on_stop("first", step("first"))
    process.on_stop("second", step("second"))
    say("ready")
    await process.stopping.wait()
    say("draining")
go(main)
"""


class Child:
    """The process under test and our end of its lifeline."""

    def __init__(self, process: subprocess.Popen[str], lifeline: int) -> None:
        self.process = process
        self.lifeline = lifeline

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def cut_lifeline(self) -> None:
        os.close(self.lifeline)
        self.lifeline = -1

    def end(self) -> tuple[int, list[str], str]:
        """Exit code, words said since `ready`, log."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out.split(), err


@contextmanager
def child(body: str) -> Iterator[Child]:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + dedent(body), str(reading)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[reading],
    )
    os.close(reading)
    started = Child(process, writing)
    try:
        yield started
    finally:
        if started.lifeline >= 0:
            os.close(started.lifeline)
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_stops_in_reverse_order(number: signal.Signals) -> None:
    with child(WAITS) as started:
        started.wait_ready()
        started.process.send_signal(number)
        code, words, log = started.end()
    assert (code, words) == (EXIT_STOPPED, ["draining", "second", "first"])
    assert f'"reason": "{number.name}"' in log


def test_the_end_of_the_supervisor_ends_the_process_in_order_too() -> None:
    with child(WAITS) as started:
        started.wait_ready()
        started.cut_lifeline()
        code, words, log = started.end()
    assert (code, words) == (EXIT_STOPPED, ["draining", "second", "first"])
    assert '"reason": "lifeline"' in log


def test_main_may_return_and_the_process_lives_on() -> None:
    body = """
    async def main(process):
        process.on_stop("only", step("only"))
        process.loop.call_soon(say, "ready")
    go(main)
    """
    with child(body) as started:
        started.wait_ready()
        assert started.process.poll() is None
        started.process.terminate()
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["only"])


def test_a_main_that_hangs_in_its_start_is_cancelled() -> None:
    body = """
    async def main(process):
        say("ready")
        try:
            await asyncio.Event().wait()
        finally:
            say("cancelled")
    go(main)
    """
    with child(body) as started:
        started.wait_ready()
        started.process.terminate()
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["cancelled"])


def test_a_main_that_fails_stops_what_stands_and_exits_1() -> None:
    body = """
    async def main(process):
        process.on_stop("built", step("built"))
        raise OSError("port taken")
    go(main)
    """
    with child(body) as started:
        code, words, log = started.end()
    assert (code, words) == (EXIT_FAILED, ["built"])
    assert "port taken" in log


def test_a_failed_task_ends_the_process_with_1() -> None:
    body = """
    async def break_down():
        raise KeyError("lost")

    async def main(process):
        process.on_stop("built", step("built"))
        supervise("pump", break_down())
        await process.stopping.wait()
    go(main)
    """
    with child(body) as started:
        code, words, log = started.end()
    assert (code, words) == (EXIT_FAILED, ["built"])
    assert '"part": "pump"' in log


def test_the_exit_code_tells_which_step_failed_and_the_others_still_run() -> None:
    body = """
    async def broken():
        raise OSError("disk")

    async def late():
        await asyncio.Event().wait()

    async def main(process):
        process.on_stop("last", step("last"))
        process.on_stop("late", late, 0.05)
        process.on_stop("broken", broken)
        process.on_stop("begin", step("begin"))
        process.stop("asked")
    go(main)
    """
    with child(body) as started:
        code, words, log = started.end()
    assert (code, words) == (EXIT_STOP_STEP + 1, ["begin", "last"])
    assert '"step": "broken"' in log
    assert '"step": "late"' in log


def test_a_blocked_loop_is_cut_at_the_deadline() -> None:
    body = """
    async def blocked():
        say("blocked")
        time.sleep(600)

    async def main(process):
        process.on_stop("blocked", blocked)
        say("ready")
    go(main, stop_deadline_s=0.3)
    """
    with child(body) as started:
        started.wait_ready()
        started.process.terminate()
        code, words, log = started.end()
    assert (code, words) == (EXIT_HUNG, ["blocked"])
    assert "the stop hung" in log


def test_a_loop_that_is_blocked_ends_when_the_supervisor_is_gone() -> None:
    body = """
    async def main(process):
        process.loop.call_soon(block)
        await process.stopping.wait()

    def block():
        say("ready")
        time.sleep(600)
    go(main)
    """
    with child(body) as started:
        started.wait_ready()
        started.cut_lifeline()
        code, _, _ = started.end()
    assert code == EXIT_HUNG


def test_a_second_signal_shortens_the_deadlines() -> None:
    body = """
    async def slow():
        say("ready")
        await asyncio.Event().wait()

    async def main(process):
        process.on_stop("last", step("last"))
        process.on_stop("slow", slow, 500)
        process.stop("asked")
    go(main, stop_deadline_s=600)
    """
    with child(body) as started:
        started.wait_ready()
        started.process.terminate()
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOP_STEP, ["last"])  # cut short, and the rest still ran


def test_without_uvloop_plain_asyncio_serves() -> None:
    body = """
    sys.modules["uvloop"] = None

    async def main(process):
        say(type(process.loop).__module__.partition(".")[0])
        process.stop("asked")
    go(main)
    """
    with child(body) as started:
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["asyncio"])


def test_uvloop_is_the_loop() -> None:
    body = """
    async def main(process):
        say(type(process.loop).__module__.partition(".")[0])
        process.stop("asked")
    go(main)
    """
    with child(body) as started:
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["uvloop"])


def test_the_lifeline_is_not_passed_on_to_grandchildren() -> None:
    body = """
    async def main(process):
        say(os.get_inheritable(process.config.lifeline_fd))
        process.stop("asked")
    go(main)
    """
    with child(body) as started:
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["False"])


def test_the_soft_limit_of_descriptors_is_raised() -> None:
    body = """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 512), hard))

    async def main(process):
        now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        say(now == min(hard, 1_048_576) or hard == resource.RLIM_INFINITY)
        process.stop("asked")
    go(main)
    """
    with child(body) as started:
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["True"])
    assert raise_descriptor_limit() > 0


PARTS = """
from hubbub.settings.schema import RouterConfig

def part_of(process, role):
    kind = {"edge": EdgeConfig, "router": RouterConfig}[role]
    fields = {"listen": "inproc://r"} if role == "router" else {}
    return process.part(kind(name=f"{role}-1", coordinator="solo:/x", **fields))
"""


def test_parts_stop_one_after_the_other_the_last_one_first() -> None:
    body = """
    async def main(process):
        router, edge = part_of(process, "router"), part_of(process, "edge")
        edge.on_stop("links", step("edge.links"))
        router.on_stop("links", step("router.links"))
        edge.on_stop("clients", step("edge.clients"))
        process.on_stop("whole", step("whole"))
        assert edge.stopping is router.stopping is process.stopping
        edge.stop("asked")
    go(main)
    """
    with child(PARTS + dedent(body)) as started:
        code, words, log = started.end()
    assert words == ["edge.clients", "edge.links", "router.links", "whole"]
    assert code == EXIT_STOPPED
    assert '"reason": "asked"' in log


def test_the_exit_code_of_a_part_is_that_of_the_process() -> None:
    body = """
    async def main(process):
        router = part_of(process, "router")
        router.fail("disk", OSError("full"))
        router.exit_code = 6
    go(main)
    """
    with child(PARTS + dedent(body)) as started:
        code, _, log = started.end()
    assert code == 6
    assert '"part": "router.disk"' in log


def test_a_late_step_of_a_part_is_named_with_its_role() -> None:
    body = """
    async def late():
        await asyncio.Event().wait()

    async def main(process):
        part_of(process, "router").on_stop("requests", late, 0.01)
        process.stop("asked")
    go(main)
    """
    with child(PARTS + dedent(body)) as started:
        code, _, log = started.end()
    assert code == EXIT_STOP_STEP
    assert '"step": "router.requests"' in log


def test_the_process_has_started_when_all_parts_have() -> None:
    body = """
    async def main(process):
        process.started = lambda: say("started")
        router, edge = part_of(process, "router"), part_of(process, "edge")
        router.started()
        say("router")
        edge.started()
        process.stop("asked")
    go(main)
    """
    with child(PARTS + dedent(body)) as started:
        code, words, _ = started.end()
    assert (code, words) == (EXIT_STOPPED, ["router", "started"])
