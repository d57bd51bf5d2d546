"""`pytest tests/sim --seed N --profile P` runs that seed alone, and prints its plan."""

from __future__ import annotations

import pytest

from tests.sim.profiles import PROFILES


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("simulation")
    group.addoption("--seed", type=int, default=None, help="run this seed alone")
    group.addoption("--profile", choices=list(PROFILES), default="swarm", help="of that seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --seed only the test of that seed is left; without it that test is."""
    is_one = config.getoption("--seed") is not None
    left: list[pytest.Item] = []
    out: list[pytest.Item] = []
    for item in items:
        is_wanted = (item.name == "test_the_seed") is is_one
        (left if is_wanted or "tests/sim" not in str(item.path) else out).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = left
