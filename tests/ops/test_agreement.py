"""Whose map differs, and in what. The asking is tested in commands/test_ring.py."""

from __future__ import annotations

from hubbub.ring.map import Leader, SlotMap, next_leader, placed
from hubbub.ring.report import MapReport, MapStatistics, SlotWord
from ops.agreement import Agreement, agree, differences, map_of, slots_told, story, words_of
from ops.survey import Survey
from tests.ops.canned import Canned

MEMBERS = ("a", "b", "c")
TRUTH = [SlotWord(2, "node-1", MEMBERS), SlotWord(5, "node-2", MEMBERS)]


def told(revision: int) -> MapStatistics:
    return MapStatistics(revision, f"{revision:016x}", 2, 2, 3)


def agreement(revision: int) -> Agreement:
    return Agreement("coordinator", told(7), {"router-1": told(revision)})


def test_who_is_behind_is_told_with_one_slot() -> None:
    theirs = [TRUTH[0], SlotWord(4, "node-1", MEMBERS)]
    assert story(agreement(6), "router-1", TRUTH, theirs) == (
        "is behind at revision 6: 1 slot differs, as slot 1: node-1 at term 4 there, "
        "node-2 at term 5 is true"
    )


def test_who_has_another_map_of_the_same_revision() -> None:
    theirs = [SlotWord(0, "", ()), SlotWord(0, "", ())]
    words = story(agreement(7), "router-1", TRUTH, theirs)
    assert words.startswith("has another map: 2 slots differ, as slot 0: nobody at term 0 there")


def test_a_map_that_is_not_told_or_differs_in_a_boot_id_only() -> None:
    assert story(agreement(6), "router-1", TRUTH, []) == "is behind at revision 6"
    assert story(agreement(7), "router-1", TRUTH, TRUTH) == "has another map"


def test_maps_of_different_length_differ() -> None:
    assert differences(TRUTH, TRUTH) == []
    assert differences(TRUTH, TRUTH[:1]) == [1]
    assert differences([], TRUTH) == [0, 1]


def test_what_processes_tell_is_understood() -> None:
    slot_map = SlotMap(2)
    slot_map.apply(0, next_leader(placed(MEMBERS), Leader("node-1", 1)), 3)
    report = MapReport(slot_map)
    assert words_of(slot_map) == [SlotWord(1, "node-1", MEMBERS), SlotWord(0, "", ())]
    plain = {"revision": 3, "digest": "x", "slots": 2, "led": 1, "copies": 3}
    assert map_of({"map": plain}) == MapStatistics(3, "x", 2, 1, 3)
    assert report.statistics().revision == 3
    for nothing in (None, 7, {}, {"map": None}, {"map": {"revision": "x"}}):
        assert map_of(nothing) is None
        assert slots_told(nothing) == []


def test_only_those_who_are_asked_are_compared(canned: Canned) -> None:
    with Survey(canned.directory, 1.0) as survey:
        found = agree(survey, ["node-1", "edge-1"])
    assert found.told.keys() == {"node-1", "edge-1"}
    assert (found.source, found.stories, list(found.untold)) == ("coordinator", {}, [])
