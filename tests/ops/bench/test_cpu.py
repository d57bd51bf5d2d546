"""CPU time and memory of processes that are really there."""

from __future__ import annotations

import subprocess
import sys

from ops.bench import cpu

BURN = """
import time
while time.process_time() < {seconds}:
    pass
"""
# A parent whose child has burnt its time and is gone; then it waits to be looked at.
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def running(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def test_time_of_a_child_that_has_died_is_counted_with_its_parent() -> None:
    with running(PARENT, BURN.format(seconds=0.3)) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        used_s = cpu.cpu_ns([parent.pid]) / 1e9
        own_s = _ticks_of(parent.pid)
        end(parent)
    assert used_s >= 0.3 - 0.02
    assert own_s < 0.3, "the parent alone would not show it"


def test_time_of_a_living_descendant_is_counted() -> None:
    inner = "import sys\n" + BURN.format(seconds=0.2) + "\nprint('done', flush=True)\ninput()"
    outer = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=0)\nchild.wait()"
    )
    with running(outer, inner) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        family = cpu.family([parent.pid])
        used_s = cpu.cpu_ns([parent.pid]) / 1e9
        assert parent.stdin is not None
        print(file=parent.stdin, flush=True)
        parent.wait()
    assert len(family) == 2
    assert used_s >= 0.2


def test_the_clock_agrees_with_what_a_process_says_of_itself() -> None:
    program = (
        "import os; sum(n * n for n in range(3_000_000)); "
        "print(sum(os.times()[:2]), flush=True); input()"
    )
    with running(program) as process:
        assert process.stdout is not None
        told_ns = float(process.stdout.readline()) * 1e9
        used_ns = cpu.cpu_ns([process.pid])
    slack_ns = 4 * cpu.TICK_NS  # two fields are cut to whole ticks, and it went on to wait
    assert told_ns > slack_ns
    assert told_ns - slack_ns <= used_ns <= told_ns + slack_ns


def test_a_process_that_is_gone_costs_nothing() -> None:
    process = running("pass")
    end(process)
    assert cpu.cpu_ns([process.pid]) == 0
    assert cpu.memory([process.pid]) == cpu.Memory(0, 0)


def test_memory_grows_by_what_a_process_touches() -> None:
    program = "input(); kept = bytes(range(256)) * 80_000; print(len(kept), flush=True); input()"
    with running(program) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = cpu.memory([process.pid])
        print(file=process.stdin, flush=True)
        size_kib = int(process.stdout.readline()) / 1024
        after = cpu.memory([process.pid])
        print(file=process.stdin, flush=True)
        process.wait()
    assert before.pss_kib <= before.rss_kib
    assert size_kib * 0.9 < after.pss_kib - before.pss_kib < size_kib * 1.5


def _ticks_of(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * cpu.TICK_NS / 1e9
