"""Whether everybody routes by the same map: who differs, and in what.

Rules:
1. The coordinator's map is the truth; without it the newest one that any process has.
2. A map on its way is no disagreement: who differs is asked again, together with the truth, until
   it agrees or `SETTLE_S` are over.
3. Whoever differs is named with a slot that shows it. Who does not answer, or tells no map, is
   named as such: nothing is known of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from hubbub.ring.map import SlotMap
from hubbub.ring.report import MapReport, MapStatistics, MapWords, SlotWord
from ops.survey import Survey

# A change takes some 100 ms to all processes. Half accuses a loaded machine; double only waits.
SETTLE_S: Final = 1.5
_PAUSE_S: Final = 0.15
_STATISTICS: Final = "/statistics"
_SLOTS: Final = "/statistics/map/slots"
_NOTHING: Final = SlotWord(0, "", ())


@dataclass(frozen=True)
class Agreement:
    """What was compared. `stories`: process → how its map differs; `source` says whose is true."""

    source: str
    truth: MapStatistics | None
    told: Mapping[str, MapStatistics]
    stories: Mapping[str, str] = field(default_factory=dict)
    untold: Sequence[str] = ()  # answered, and told no map


def agree(survey: Survey, answering: Sequence[str]) -> Agreement:
    """Compares the maps of processes that answer (rule 2)."""
    ends_at = time.monotonic() + SETTLE_S
    found = _round(survey, answering)
    while _differing(found) and time.monotonic() < ends_at:
        time.sleep(_PAUSE_S)
        survey.refresh()
        found = _round(survey, answering)
    differing = _differing(found)
    if not differing:
        return found
    answers = survey.ask({name: (_SLOTS,) for name in {*differing, *_reference(survey, found)}})
    truth = _truth(survey, found, answers.body(found.source, _SLOTS))
    stories = {
        name: story(found, name, truth, slots_told(answers.body(name, _SLOTS)))
        for name in differing
    }
    return Agreement(found.source, found.truth, found.told, stories, found.untold)


def story(
    found: Agreement, name: str, truth: Sequence[SlotWord], theirs: Sequence[SlotWord]
) -> str:
    """How one map differs, in words."""
    assert found.truth is not None
    revision, newest = found.told[name].revision, found.truth.revision
    how = f"is behind at revision {revision}" if revision < newest else "has another map"
    slots = differences(truth, theirs)
    if not theirs or not slots:
        return how
    slot = slots[0]
    there, here = _at(theirs, slot), _at(truth, slot)
    count = "1 slot differs" if len(slots) == 1 else f"{len(slots)} slots differ"
    return f"{how}: {count}, as slot {slot}: {_words(there)} there, {_words(here)} is true"


def differences(truth: Sequence[SlotWord], theirs: Sequence[SlotWord]) -> list[int]:
    """The slots in which two maps differ."""
    most = max(len(truth), len(theirs))
    return [slot for slot in range(most) if _at(truth, slot) != _at(theirs, slot)]


def words_of(slot_map: SlotMap) -> list[SlotWord]:
    """A map as processes tell it."""
    told = MapReport(slot_map).row("slots")
    assert told is not None
    return told.slots


def map_of(statistics: Any) -> MapStatistics | None:
    """What a process's /statistics says of its map; None if nothing that is understood."""
    told = statistics.get("map") if isinstance(statistics, Mapping) else None
    try:
        return msgspec.convert(told, MapStatistics)
    except msgspec.ValidationError:
        return None


def slots_told(row: Any) -> list[SlotWord]:
    """A process's /statistics/map/slots; empty if it is not understood."""
    try:
        return msgspec.convert(row, MapWords).slots
    except msgspec.ValidationError:
        return []


def _round(survey: Survey, answering: Sequence[str]) -> Agreement:
    answers = survey.ask({name: (_STATISTICS,) for name in answering})
    bodies = {name: answers.body(name, _STATISTICS) for name in answering}
    told = {name: found for name in answering if (found := map_of(bodies[name])) is not None}
    untold = [name for name in answering if bodies[name] is not None and name not in told]
    if survey.view is not None:
        # Read again: what the processes have just told may be newer than the first look.
        survey.refresh()
    if survey.view is not None:
        truth = MapReport(survey.view.slot_map).statistics()
        return Agreement("coordinator", truth, told, untold=untold)
    newest = max(told, key=lambda name: told[name].revision, default="")
    return Agreement(newest, told.get(newest), told, untold=untold)


def _differing(found: Agreement) -> list[str]:
    digest = found.truth.digest if found.truth is not None else ""
    return [name for name, told in found.told.items() if told.digest != digest]


def _reference(survey: Survey, found: Agreement) -> list[str]:
    return [found.source] if survey.view is None else []


def _truth(survey: Survey, found: Agreement, row: Any) -> list[SlotWord]:
    return words_of(survey.view.slot_map) if survey.view is not None else slots_told(row)


def _at(words: Sequence[SlotWord], slot: int) -> SlotWord:
    return words[slot] if slot < len(words) else _NOTHING


def _words(word: SlotWord) -> str:
    return f"{word.leader or 'nobody'} at term {word.term}"
