"""What clients hear is typed: each type of publication by its own component."""

from __future__ import annotations

from typing import Any

from hubbub.docs.events import component_of, event_components, told
from hubbub.features.publication import HIDDEN
from hubbub.features.registry import REGISTRY
from hubbub.wire.codec import COMPONENTS, json_schema_components

MADE: dict[str, Any] = event_components(REGISTRY)


def test_an_event_has_the_logs_fields_before_its_own() -> None:
    joined = MADE["MemberJoined"]
    assert list(joined["properties"])[:6] == ["t", "seq", "id", "cmid", "by", "ts"]
    assert joined["properties"]["t"]["const"] == "member.joined"
    assert joined["properties"]["users"]["items"] == {"type": "string"}
    assert joined["required"] == ["t", "seq", "id", "by", "ts", "users"]


def test_a_tombstone_lacks_what_its_event_said() -> None:
    created = MADE["MessageCreated"]
    assert created["required"] == ["t", "seq", "id", "by", "ts"]
    assert {"text", "rev", "deleted", "reason"} <= created["properties"].keys()


def test_a_signal_has_no_seq() -> None:
    assert "seq" not in MADE["TypingStarted"]["properties"]
    assert MADE["Heads"]["required"] == ["t", "heads"], "an edge's own has nothing of the log's"
    assert MADE[component_of(HIDDEN)]["required"] == ["t", "seq"]


def test_event_is_whatever_took_a_seq() -> None:
    kinds = {row["$ref"].removeprefix(COMPONENTS) for row in MADE["Event"]["anyOf"]}
    assert {"MessageCreated", "MemberJoined", "MessageHidden"} <= kinds
    assert not {"TypingStarted", "Heads"} & kinds
    assert kinds <= MADE.keys()
    signals = {row["$ref"].removeprefix(COMPONENTS) for row in MADE["Signal"]["anyOf"]}
    assert {component_of(tag) for tag in told(REGISTRY)} == kinds | signals
    assert not kinds & signals


def test_their_names_are_nobody_elses() -> None:
    """A shape may be an answer, too (`receipts.get`): it keeps its own component."""
    rows = REGISTRY.verbs.values()
    shapes = list(dict.fromkeys([*(row.shape for row in rows), *(row.answer for row in rows)]))
    _, others = json_schema_components(shapes)
    assert not {component_of(tag) for tag in told(REGISTRY)} & others.keys()
