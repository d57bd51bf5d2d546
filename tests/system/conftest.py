"""One cluster for all system tests that do not break it; those that do start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """1 node, 1 router, 2 edges, default profile. Tests use channels and users of their own."""
    with Cluster(nodes=1, routers=1, edges=2) as running:
        yield running
