"""Who is known of a cluster, and who answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.answer import Exit, Failure
from ops.directory import Directory
from ops.survey import Known, Survey, in_order
from tests.ops.canned import Canned

ALL = ["node-1", "node-2", "node-3", "router-1", "router-2", "edge-1", "edge-2"]


def test_a_directory_without_a_cluster_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure) as refused:
        Survey(Directory(tmp_path), 1.0)
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert "no cluster runs in" in refused.value.text


def test_everybody_is_known_with_an_address(canned: Canned) -> None:
    with Survey(canned.directory, 1.0) as survey:
        assert [one.name for one in survey.known] == ALL
        assert all(one.admin_url == canned[one.name].url for one in survey.known)
        assert survey.app == "main"
        assert survey.view is not None
        storage = canned.storage_ids["node-2"]
        assert survey.node_of(storage) == "node-2"
        assert survey.node_of("0123456789") == "disk 01234567"


def test_without_cluster_json_those_that_are_registered_and_the_nodes(canned: Canned) -> None:
    canned.directory.cluster_file.unlink()
    for name in ("node-2", "router-1"):
        canned.forget(name)
    with Survey(canned.directory, 1.0) as survey:
        assert [one.name for one in survey.known] == [n for n in ALL if n != "router-1"]
        assert {one.name for one in survey.known if not one.admin_url} == {"node-2"}
        assert survey.app == "main"


def test_without_the_coordinator_those_of_cluster_json(canned: Canned) -> None:
    canned.directory.coordinator.unlink()
    with Survey(canned.directory, 1.0) as survey:
        assert [one.name for one in survey.known] == ALL
        assert survey.view is None
        assert "there is no cluster in" in survey.coordinator_error
        survey.refresh()
        assert survey.view is None


def test_answers_by_process_and_path(canned: Canned) -> None:
    canned["router-1"].silence()
    canned["edge-1"].answers["/readyz"] = (503, {"reasons": ["x"]})
    with Survey(canned.directory, 0.3) as survey:
        answers = survey.ask({name: ("/readyz", "/nothing") for name in [*ALL, "node-9"]})
    assert answers.body("node-1", "/readyz") == {"ready": True, "reasons": []}
    assert answers.response("router-1", "/readyz") is None
    refused = answers.response("edge-1", "/readyz")
    assert refused is not None
    assert (refused.status, answers.body("edge-1", "/readyz")) == (503, None)
    assert answers.body("node-1", "/nothing") is None
    assert answers.response("node-9", "/readyz") is None


def test_numbers_sort_as_numbers() -> None:
    known = [Known("node", name) for name in ("node-10", "node-2", "blue")]
    known += [Known("edge", "a"), Known("router", "b")]
    ordered = sorted(known, key=in_order)
    assert [one.name for one in ordered] == ["blue", "node-2", "node-10", "b", "a"]
