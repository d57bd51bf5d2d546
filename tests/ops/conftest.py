"""Fixtures of the ops tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.canned import Canned
from tests.ops.fake_cluster import Fake


@pytest.fixture
def fake() -> Iterator[Fake]:
    root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
    one = Fake(root)
    yield one
    for process in one.ups:
        process.kill()  # its children leave with it
        process.communicate()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def canned() -> Iterator[Canned]:
    root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
    one = Canned(root)
    yield one
    one.close()
    shutil.rmtree(root, ignore_errors=True)
