"""One cluster for all acceptance tests that do not break it; those that do start their own.

Tests share it, so each uses users and channels of its own. HUBBUB_TEST_EDGES: how many edges it
has, 2 by default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster

EDGES = int(os.environ.get("HUBBUB_TEST_EDGES", "2"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """3 nodes, 3 copies, 2 routers, 2 edges or more; limits off (profile `bench`)."""
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=EDGES, copies=3) as running:
        yield running
