"""`hubbub ring`, over processes that answer what a test says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from hubbub.ring.hashing import slot_of
from hubbub.ring.map import SlotMap
from ops import cli
from ops.answer import Exit
from ops.processes import SOURCE_ROOT
from tests.ops.canned import SLOTS, Canned


@dataclass
class Told:
    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Command:
    """Runs `hubbub` in this process."""

    def __init__(self, canned: Canned, capsys: pytest.CaptureFixture[str]) -> None:
        self._dir = str(canned.directory.root)
        self._capsys = capsys

    def __call__(self, *words: str) -> Told:
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--dir", self._dir, "--timeout", "0.4"])
        out, err = self._capsys.readouterr()
        return Told(int(str(ended.value.code)), out, err)


@pytest.fixture
def hubbub(canned: Canned, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(canned, capsys)


def copy_of(slot_map: SlotMap, *, without: int = -1) -> SlotMap:
    """A map that missed the last change of one slot."""
    made = SlotMap(slot_map.slots)
    for slot, record in slot_map.items():
        if slot != without:
            made.apply(slot, record, slot_map.revision_of(slot))
    return made


def slot_row(role: str, last_index: int, **more: Any) -> dict[str, Any]:
    return {
        "role": role,
        "term": 1,
        "applied": last_index,
        "commit": last_index,
        "last_index": last_index,
        "recall": 0,
        "failure": "",
        "copies": {},
        **more,
    }


# --- check


def test_all_agree(canned: Canned, hubbub: Command) -> None:
    told = hubbub("ring", "check")
    assert told.code == Exit.DONE, told.out
    assert told.out.count("agrees") == 7
    assert f"{SLOTS}/{SLOTS} slots have all 3 copies" in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    answer = hubbub("ring", "check", "--json").answer
    assert answer["schema"] == "hubbub.ring-check/1"
    assert [one["map"] for one in answer["data"]["processes"]] == ["agrees"] * 7
    assert (answer["warnings"], answer["unreachable"]) == ([], [])


def test_a_router_with_an_old_map_is_named_with_a_slot_that_shows_it(
    canned: Canned, hubbub: Command
) -> None:
    before = canned.map()
    canned.lead("node-2", range(3, 5))
    canned.tell()
    canned.tell_map("router-2", before)
    told = hubbub("ring", "check")
    assert told.code == Exit.UNHEALTHY
    assert told.out.count("agrees") == 6
    assert "behind" in next(line for line in told.out.splitlines() if line.startswith("router-2"))
    words = " ".join(told.out.split())
    assert "router-2 is behind at revision" in words
    assert "2 slots differ, as slot 3: node-1 at term 1 there, node-2 at term 2 is true" in words
    answer = hubbub("ring", "check", "--json").answer
    (router,) = [one for one in answer["data"]["processes"] if one["map"] != "agrees"]
    assert (router["name"], router["map"]) == ("router-2", "behind")
    assert router["revision"] < answer["data"]["map_revision"]
    assert "router-2" in answer["warnings"][0]


def test_a_map_of_the_newest_revision_may_differ_as_well(canned: Canned, hubbub: Command) -> None:
    canned.tell_map("edge-1", copy_of(canned.map(), without=5))
    answer = hubbub("ring", "check", "--json").answer
    (edge,) = [one for one in answer["data"]["processes"] if one["map"] != "agrees"]
    assert (edge["name"], edge["map"]) == ("edge-1", "differs")
    assert "slot 5: nobody at term 0 there, node-1 at term 1" in edge["story"]


def test_a_map_on_its_way_is_no_disagreement(
    canned: Canned, hubbub: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who differs is asked again; here the router has it at the second question."""
    canned.tell_map("router-1", copy_of(canned.map(), without=0))
    monkeypatch.setattr("ops.agreement.time.sleep", lambda _s: canned.tell())
    assert hubbub("ring", "check").code == Exit.DONE


def test_a_silent_process_is_named_and_the_answer_is_partial(
    canned: Canned, hubbub: Command
) -> None:
    canned["router-1"].silence()
    told = hubbub("ring", "check")
    assert told.code == Exit.PARTIAL
    assert "no answer" in next(line for line in told.out.splitlines() if "router-1" in line)
    assert "unknown: router-1" in told.out
    answer = hubbub("ring", "check", "--json").answer
    assert answer["unreachable"] == ["router-1"]


def test_a_process_that_tells_no_map_is_partial_too(canned: Canned, hubbub: Command) -> None:
    canned["edge-2"].answers["/statistics"] = {}
    told = hubbub("ring", "check")
    assert told.code == Exit.PARTIAL
    assert "not told" in told.out


def test_slots_whose_leader_does_not_answer_are_not_covered(
    canned: Canned, hubbub: Command
) -> None:
    canned.lead("node-3", range(2, 4))
    canned.tell()
    canned["node-3"].silence()
    told = hubbub("ring", "check")
    assert told.code == Exit.UNHEALTHY
    assert (
        f"[FAIL] coverage   14/{SLOTS} slots are led by a node that answers; not: 2-3" in told.out
    )


def test_missing_copies_are_told_by_slot(canned: Canned, hubbub: Command) -> None:
    canned.tell_copies("node-1", {"under_replicated": 3, "short": {"2": 3}})
    canned["node-1"].answers["/statistics/copies/short"] = {"by_copies": {"2": [4, 5, 9]}}
    told = hubbub("ring", "check")
    assert told.code == Exit.UNHEALTHY
    assert "[WARN] copies     13/16 slots have all 3 copies; 3 have 2 (4-5,9)" in told.out


@pytest.mark.parametrize("alive", [0, 1])
def test_with_one_process_or_none(canned: Canned, hubbub: Command, alive: int) -> None:
    for process in list(canned.processes.values())[alive:]:
        process.silence()
    told = hubbub("ring", "check")
    assert told.code == (Exit.PARTIAL if alive else Exit.UNREACHABLE)
    assert told.out.count("no answer") == 7 - alive
    assert hubbub("ring", "show").code == Exit.PARTIAL
    assert hubbub("ring", "locate", "group:x").code in (Exit.PARTIAL, Exit.UNHEALTHY)


def test_without_the_coordinator_the_newest_map_is_compared_with(
    canned: Canned, hubbub: Command
) -> None:
    canned.tell_map("router-1", copy_of(canned.map(), without=SLOTS - 1))
    canned.directory.coordinator.unlink()
    told = hubbub("ring", "check", "--json")
    assert told.code == Exit.UNHEALTHY
    data = told.answer["data"]
    assert data["source"] != "coordinator"
    (router,) = [one for one in data["processes"] if one["map"] != "agrees"]
    assert router["name"] == "router-1"
    refused = hubbub("ring", "show")
    assert refused.code == Exit.UNREACHABLE
    assert "this needs the coordinator's map" in refused.err


# --- show


def test_shares_are_shown_against_the_mean(canned: Canned, hubbub: Command) -> None:
    canned.lead("node-2", range(4))
    canned.tell()
    told = hubbub("ring", "show")
    assert told.code == Exit.DONE
    assert max(map(len, told.out.splitlines())) <= 80
    assert "host-1" in told.out
    data = hubbub("ring", "show", "--json").answer["data"]
    rows = {node["name"]: (node["leads"], node["holds"]) for node in data["nodes"]}
    assert rows == {"node-1": (12, SLOTS), "node-2": (4, SLOTS), "node-3": (0, SLOTS)}
    assert "+125%" in told.out


def test_a_silent_node_is_still_shown_with_what_it_holds(canned: Canned, hubbub: Command) -> None:
    canned["node-2"].silence()
    canned.forget("node-2")
    told = hubbub("ring", "show", "--json")
    assert told.code == Exit.PARTIAL
    node = told.answer["data"]["nodes"][1]
    assert (node["name"], node["state"], node["holds"]) == ("node-2", "silent", SLOTS)
    assert told.answer["unreachable"] == ["node-2"]


# --- locate


def locate(canned: Canned, hubbub: Command, key: str, *more: str) -> Told:
    """With rows of the slot from every node: the first leads, the third lacks two entries."""
    slot_map = canned.map()
    slot = next(
        slot
        for slot in range(SLOTS)
        if f"slot {slot} of" in hubbub("ring", "locate", key, *more).out
    )
    assert slot_map.record_of(slot) is not None
    path = f"/statistics/copies/{slot}"
    followers = {
        canned.storage_ids["node-2"]: {"lag": 0},
        canned.storage_ids["node-3"]: {"lag": 2},
    }
    canned["node-1"].answers[path] = slot_row("active", 9, copies=followers)
    canned["node-2"].answers[path] = slot_row("follower", 9)
    canned["node-3"].answers[path] = slot_row("follower", 7, applied=6)
    return hubbub("ring", "locate", key, *more)


def test_a_channel_is_located_with_what_each_copy_has(canned: Canned, hubbub: Command) -> None:
    told = locate(canned, hubbub, "group:tea")
    assert told.code == Exit.DONE, told.out
    assert "led by node-1   term 1" in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    lines = {line.split()[0]: line.split() for line in told.out.splitlines() if "host-" in line}
    assert lines["node-1"][1:7] == ["leader", "ready", "9", "9", "9", "0"]
    assert lines["node-3"][1:7] == ["follower", "ready", "6", "7", "7", "2"]
    data = hubbub("ring", "locate", "group:tea", "--json").answer["data"]
    assert data["is_served"]
    assert {copy["domain"] for copy in data["copies"]} == {"host-1", "host-2", "host-3"}
    assert all(copy["where"].startswith("tcp://") for copy in data["copies"])


def test_the_slot_is_that_of_the_app_and_the_key(canned: Canned, hubbub: Command) -> None:
    answer = hubbub("ring", "locate", "#alice", "--json").answer["data"]
    again = hubbub("ring", "locate", "#alice", "--app", "main", "--json").answer["data"]
    assert answer["slot"] == again["slot"]
    slots = {hubbub("ring", "locate", f"x:{n}", "--json").answer["data"]["slot"] for n in range(9)}
    assert len(slots) > 1
    assert all(slot_of("main", "x", SLOTS, seed) < SLOTS for seed in range(3))


def test_a_copy_that_does_not_answer_is_a_partial_answer(canned: Canned, hubbub: Command) -> None:
    locate(canned, hubbub, "group:tea")
    canned["node-3"].silence()
    told = hubbub("ring", "locate", "group:tea", "--json")
    assert told.code == Exit.PARTIAL
    copy = next(copy for copy in told.answer["data"]["copies"] if copy["node"] == "node-3")
    assert (copy["state"], copy["last_index"]) == ("silent", None)
    canned["node-1"].silence()
    told = hubbub("ring", "locate", "group:tea")
    assert told.code == Exit.UNHEALTHY
    assert "nobody serves it" in told.out


def test_what_cannot_be_located_is_said(canned: Canned, hubbub: Command) -> None:
    unknown = hubbub("ring", "locate", "group:x", "--app", "other")
    assert (unknown.code, unknown.out) == (Exit.NOT_FOUND, "")
    assert "there are main" in unknown.err
    for key in ("", "two words", "é", "x" * 256):
        assert hubbub("ring", "locate", key).code == Exit.USAGE, key


def test_every_verb_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("check", "locate", "show"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["ring", verb, "--help"])
        assert ended.value.code == Exit.DONE
        text = capsys.readouterr().out
        assert f"hubbub ring {verb}" in text
        assert "--json" in text


def test_a_view_starts_without_the_servers() -> None:
    """What must answer during an outage may not wait for what it asks."""
    heavy = ("aiohttp", "zmq", "rocksdict", "prometheus_client", "structlog", "uvloop", "rich")
    program = (
        "import sys, ops.commands.ring, ops.commands.check, ops.commands.status\n"
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == []
