"""`hubbub check`, each check driven into its states over processes that answer what a test says."""

from __future__ import annotations

import json
import re
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops import cli
from ops.answer import Failure
from ops.checks import CHECKS
from ops.records import Records
from tests.ops.canned import SLOTS, Canned

OK, WARNING, CRITICAL, UNKNOWN = range(4)
PERFDATA = re.compile(r"[a-z0-9_-]+=-?[0-9.]+(s|%)?(;[0-9.:~@]*){4}")
Usage = namedtuple("Usage", "total used free")


@dataclass
class Told:
    code: int
    out: str
    err: str


class Check:
    """Runs `hubbub check` in this process; every line is a plugin's."""

    def __init__(self, canned: Canned, capsys: pytest.CaptureFixture[str]) -> None:
        self._dir = str(canned.directory.root)
        self._capsys = capsys

    def __call__(self, *words: str) -> Told:
        told = self.raw("check", *words, "--dir", self._dir, "--timeout", "0.4")
        if "--json" not in words and words[0] != "list":
            state = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[told.code]
            (line,) = told.out.splitlines()
            assert line.startswith(f"{state} - "), told
            _, _, perfdata = line.partition(" | ")
            assert all(map(PERFDATA.fullmatch, perfdata.split())), perfdata
        return told

    def raw(self, *words: str) -> Told:
        with pytest.raises(SystemExit) as ended:
            cli.main([*words])
        out, err = self._capsys.readouterr()
        return Told(int(str(ended.value.code)), out, err)


@pytest.fixture
def check(canned: Canned, capsys: pytest.CaptureFixture[str]) -> Check:
    return Check(canned, capsys)


@pytest.mark.parametrize("name", list(CHECKS))
def test_all_is_well(check: Check, name: str) -> None:
    assert check(name).code == OK
    told = check(name, "--json")
    answer = json.loads(told.out)
    assert (answer["schema"], answer["data"]["check"]) == ("hubbub.check/1", name)
    assert (answer["data"]["state"], answer["data"]["exit_code"], told.code) == ("OK", 0, 0)
    assert all({"label", "value", "warning"} <= row.keys() for row in answer["data"]["readings"])


def test_a_silent_router_is_a_warning_and_a_silent_leader_critical(
    canned: Canned, check: Check
) -> None:
    canned["router-1"].silence()
    told = check("cluster")
    assert (told.code, "router-1 is silent" in told.out) == (WARNING, True)
    assert check("cluster", "--critical", "0").code == CRITICAL
    canned["node-1"].silence()  # leads every slot
    told = check("cluster")
    assert (told.code, "16 of 16 slots are not served" in told.out) == (CRITICAL, True)


def short(canned: Canned, count: int) -> None:
    canned.tell_copies("node-1", {"under_replicated": count, "short": {"2": count}})
    slots = list(range(count))
    canned["node-1"].answers["/statistics/copies/short"] = {"by_copies": {"2": slots}}


def test_replication_warns_of_each_missing_copy(canned: Canned, check: Check) -> None:
    short(canned, 3)
    canned["node-3"].silence()
    told = check("replication")
    assert told.code == WARNING
    assert "3 of 16 slots have 2 of 3 copies; no answer from node-3" in told.out
    assert "under_replicated=3;0;;0;16 copies_min=2" in told.out
    assert check("replication", "-w", "3").code == OK
    assert check("replication", "-w", "", "-c", "2").code == CRITICAL


@pytest.mark.parametrize("what", ["failed", "recovering"])
def test_replication_warns_of_copies_without_a_vote(
    canned: Canned, check: Check, what: str
) -> None:
    canned.tell_copies("node-2", {what: 2})
    told = check("replication")
    assert (told.code, f"2 copies {'have' if what == 'failed' else 'are'} {what}" in told.out) == (
        WARNING,
        True,
    )


def test_replication_is_critical_when_a_slot_is_not_served(canned: Canned, check: Check) -> None:
    canned.lead("node-3", range(2, 4))
    canned.tell()
    canned["node-3"].silence()
    told = check("replication")
    assert (told.code, "2 of 16 slots are not served (2-3)" in told.out) == (CRITICAL, True)


def test_slots_that_change_hands_are_no_alarm(
    canned: Canned, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.lead("node-3", range(2, 4))
    canned.tell()
    answers = canned["node-3"].answers

    def a_moment_later(_: float) -> None:
        canned["node-3"].answers = answers

    monkeypatch.setattr(time, "sleep", a_moment_later)
    for name in ("replication", "cluster"):
        canned["node-3"].silence()
        assert check(name).code == OK


@pytest.mark.parametrize("name", ["replication", "lag", "fsync", "ring"])
def test_unknown_when_nobody_answers(canned: Canned, check: Check, name: str) -> None:
    for process in canned.processes.values():
        process.silence()
    told = check(name)
    assert (told.code, "no answer from" in told.out) == (UNKNOWN, True)
    assert check("cluster").code == CRITICAL
    assert check("edges").code == CRITICAL
    assert check("disk").code == OK
    assert check("coordinator").code == OK


@pytest.mark.parametrize(
    ("field", "lag", "code"),
    [
        ("follower_lag_max", 200, OK),
        ("follower_lag_max", 201, WARNING),
        ("follower_lag_max", 2_001, CRITICAL),
        ("apply_lag_max", 201, WARNING),
    ],
)
def test_lag(canned: Canned, check: Check, field: str, lag: int, code: int) -> None:
    canned.tell_copies("node-2", {field: lag})
    told = check("lag")
    assert (told.code, f"lacks {lag} entries, as node-2 tells" in told.out) == (code, True)


@pytest.mark.parametrize(("used", "code"), [(85, OK), (86, WARNING), (93, CRITICAL)])
def test_disk(check: Check, monkeypatch: pytest.MonkeyPatch, used: int, code: int) -> None:
    # 10 of every 100 are root's alone: no room for a node.
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(110, used, 100 - used))
    told = check("disk")
    assert (told.code, f"{used} % of the disk" in told.out) == (code, True)


def test_a_nearly_full_disk_says_what_follows(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(100, 96, 4))
    assert "a node that cannot write stops" in check("disk").out


def test_a_coordinator_that_is_slow_or_away(
    canned: Canned, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check("coordinator", "-w", "0:0").code == WARNING
    assert check("coordinator", "-c", "0:0").code == CRITICAL

    def fails(_records: Records) -> None:
        raise Failure("the coordinator does not answer", cause=["locked"])

    monkeypatch.setattr(Records, "look_for_processes", fails)
    told = check("coordinator")
    assert (told.code, "does not answer: locked" in told.out) == (CRITICAL, True)
    monkeypatch.undo()
    canned.directory.coordinator.unlink()
    assert check("coordinator").code == CRITICAL
    told = check("cluster")
    assert (told.code, "there is no cluster in" in told.out) == (WARNING, True)
    assert check("replication").code == OK, "the nodes know it by themselves"


def test_edges(canned: Canned, check: Check) -> None:
    assert "2 edges are ready, 6 connections" in check("edges").out
    canned["edge-1"].answers["/readyz"] = (503, {"reasons": ["no_router"]})
    told = check("edges")
    assert (told.code, "edge-1 is starting" in told.out) == (WARNING, True)
    canned["edge-2"].silence()
    assert check("edges").code == CRITICAL


@pytest.mark.parametrize(
    ("slow", "code"), [(0, OK), (1, OK), (50, WARNING)]
)  # of 100 syncs, so many take 0.1 s to 0.5 s
def test_fsync_of_what_is_written_meanwhile(
    canned: Canned, check: Check, monkeypatch: pytest.MonkeyPatch, slow: int, code: int
) -> None:
    def written(_seconds: float) -> None:
        fast = 100 - slow
        canned["node-2"].answers["/metrics"] = "".join(
            f'hubbub_node_fsync_seconds_bucket{{le="{bound}"}} {count}\n'
            for bound, count in (("0.001", fast), ("0.1", fast), ("0.5", 100), ("+Inf", 100))
        )

    monkeypatch.setattr("ops.commands.check.time.sleep", written)
    told = check("fsync")
    assert (told.code, "slowest on node-2" in told.out) == (code, True)


def test_fsync_says_when_nothing_is_written_and_who_is_silent(canned: Canned, check: Check) -> None:
    canned["node-3"].silence()
    told = check("fsync")
    assert told.code == OK
    assert "nothing was written just now; no answer from node-3" in told.out


def test_ring_names_who_has_another_map(canned: Canned, check: Check) -> None:
    before = canned.map()
    canned.lead("node-2", range(1))
    canned.tell()
    canned.tell_map("router-1", before)
    told = check("ring")
    assert (told.code, "router-1 is behind" in told.out) == (WARNING, True)
    assert check("ring", "-c", "0").code == CRITICAL


def test_the_list_shows_every_check_with_its_limits(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no cluster is needed for it
    told = check.raw("check", "list")
    assert told.code == OK
    lines = {line.split()[0]: line for line in told.out.splitlines()}
    assert CHECKS.keys() < lines.keys()
    assert ("85%" in lines["disk"], "92%" in lines["disk"]) == (True, True)
    assert max(map(len, told.out.splitlines())) <= 80
    answer = json.loads(check.raw("check", "list", "--json").out)
    assert [one["name"] for one in answer["data"]["checks"]] == list(CHECKS)


def test_what_is_wrong_with_the_command_is_unknown_and_never_critical(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ("nope",),
        (),
        ("lag", "--no-such-option"),
        ("lag",),  # no cluster in sight
        ("lag", "--dir", "nowhere"),
        ("lag", "--warning", "x"),
        ("disk", "--warning", "2s"),
    ):
        told = check.raw("check", *words)
        assert told.code == UNKNOWN, words
        (line,) = told.out.splitlines()
        assert line.startswith("UNKNOWN - "), words


def test_a_bug_is_unknown(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_survey: Any) -> Callable[[], None]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("ops.commands.check.diagnose", broken)
    told = check("lag")
    assert (told.code, "the check itself failed: ZeroDivisionError" in told.out) == (UNKNOWN, True)


def test_a_cluster_that_was_stopped_is_critical(canned: Canned, check: Check) -> None:
    canned.directory.cluster_file.unlink()
    for name in canned.processes:
        canned.forget(name)
    told = check("cluster")
    assert (told.code, "DOWN" in told.out) == (CRITICAL, True)
    assert "node-1 is down" in told.out
    assert check("edges").code == UNKNOWN
    assert f"{SLOTS} of {SLOTS} slots are not served" in told.out
