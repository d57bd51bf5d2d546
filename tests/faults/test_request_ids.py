"""One id in the logs of the tiers that saw a request wait: the node stands still.

There is no larger form.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.cluster import Cluster, wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def small() -> Iterator[Cluster]:
    with Cluster("--profile", "bench") as cluster:
        yield cluster


def lines(cluster: Cluster, request_id: str) -> dict[str, list[dict[str, Any]]]:
    """What the processes logged of it, by role."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in cluster.root.rglob("*.log"):
        for line in path.read_text(errors="replace").splitlines():
            if f'"{request_id}"' in line and line.lstrip().startswith("{"):
                row = json.loads(line)
                found.setdefault(row["role"], []).append(row)
    return found


def test_an_unanswered_request_has_one_id_in_edge_and_router(small: Cluster) -> None:
    small.rest("PUT", "/v1/users/ids-ann", {"name": "Ann"})
    (node,) = small.of_role("node")
    request = Request(
        f"{small.url}/v1/users/ids-ann",
        headers={"Authorization": f"Bearer {small.server_key}", "X-Request-Id": "ids-7"},
    )
    os.kill(node.pid, signal.SIGSTOP)
    try:
        with pytest.raises(OSError, match="503") as refused:
            urlopen(request, timeout=20)
    finally:
        os.kill(node.pid, signal.SIGCONT)
    problem = refused.value
    assert problem.headers["X-Request-Id"] == "ids-7"  # type: ignore[attr-defined]
    problem.close()  # type: ignore[attr-defined]
    wait_for(lambda: lines(small, "ids-7").keys() >= {"edge", "router"}, 10.0, small.said)
    found = lines(small, "ids-7")
    assert [row["event"] for row in found["edge"]] == ["rest.unanswered"]
    assert found["edge"][0]["route"] == "/v1/users/{user}"
    assert [row["event"] for row in found["router"]] == ["request.unanswered"]
    assert all(row["request_id"] == "ids-7" for rows in found.values() for row in rows)
