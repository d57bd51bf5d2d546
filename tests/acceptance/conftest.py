"""One cluster for all acceptance tests that do not break it; those that do start their own.

Tests share it, so each uses users and channels of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """3 nodes, 3 copies, 2 routers, 2 edges; limits off (profile `bench`)."""
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=2, copies=3) as running:
        yield running
