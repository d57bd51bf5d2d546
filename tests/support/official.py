"""The official centrifuge-python, unmodified, as its authors publish it: a client that is not ours.

It is no dependency of ours: the first test that wants it gets it by pip into a folder of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.requirement import missing

RELEASE = "0.7.0"


async def leave(client: Any) -> None:
    """Disconnect, and wait until its socket is closed: by itself it closes behind our back, and a
    loop that ends before that leaves it to the garbage collector, which complains."""
    connection = client._conn  # the WebSocket; there is no public way to it
    await client.disconnect()
    if connection is not None:
        await connection.wait_closed()


@cache
def centrifuge() -> Any:
    """The module `centrifuge`; skips the test where pip cannot get it."""
    try:
        return import_module("centrifuge")
    except ModuleNotFoundError:
        pass
    folder = Path(tempfile.gettempdir()) / f"hub-centrifuge-python-{RELEASE}"
    if not (folder / "centrifuge").exists():
        words = ["install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, "-t", folder, f"centrifuge-python=={RELEASE}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            missing("pip", f"pip could not get centrifuge-python: {done.stderr[-500:]}")
    sys.path.append(str(folder))
    return import_module("centrifuge")
