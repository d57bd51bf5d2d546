"""What a test needs from the machine: missing tools skip with a reason, or fail where required.

`HUBBUB_REQUIRE=node,chromium` names the tools whose absence is a failure; CI sets it, so that a
suite which no longer runs is noticed.
"""

from __future__ import annotations

import os
import shutil

import pytest


def is_required(name: str) -> bool:
    """Whether `HUBBUB_REQUIRE` names this tool."""
    return name in os.environ.get("HUBBUB_REQUIRE", "").replace(",", " ").split()


def missing(name: str, reason: str) -> None:
    """Skips the running test, or fails it when the tool is required."""
    if is_required(name):
        pytest.fail(f"{reason} (HUBBUB_REQUIRE names {name})")
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of a program."""
    found = shutil.which(name)
    if found is None:
        missing(name, f"no {name} on this machine")
    assert found is not None
    return found
