"""What a process imports first: aiohttp reads no authorities, everybody else does."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import gc, ssl
read = []
ssl.SSLContext.set_default_verify_paths = lambda self: read.append(self)
import {module}
from aiohttp import connector
while_importing = len(read)
assert connector._SSL_CONTEXT_VERIFIED.verify_mode is ssl.CERT_REQUIRED
ssl.create_default_context()
print(while_importing, len(read), gc.get_threshold()[0])
"""


@pytest.mark.parametrize(
    ("module", "seen"),
    [
        ("node.__main__", ["0", "1", "100000"]),
        ("router.__main__", ["0", "1", "100000"]),
        ("edge.__main__", ["0", "1", "100000"]),
        ("aiohttp", ["2", "3", str(gc.get_threshold()[0])]),  # what it does by itself
    ],
)
def test_a_role_reads_no_authorities_for_aiohttp(module: str, seen: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == seen
