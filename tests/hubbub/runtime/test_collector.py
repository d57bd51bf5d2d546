"""What stands is kept out of the collector's sight, and it looks seldom."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hubbub.runtime import collector


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_it_looks_seldom() -> None:
    collector.look_seldom()
    assert gc.get_threshold() == (collector.OBJECTS, collector.YOUNG, collector.MIDDLE)


def test_what_stands_is_not_looked_at_again() -> None:
    stands = ["a list"]
    collector.keep_what_stands()
    came = ["another"]
    watched = {id(one) for one in gc.get_objects()}
    assert id(came) in watched
    assert id(stands) not in watched
    assert gc.get_freeze_count() > 0
