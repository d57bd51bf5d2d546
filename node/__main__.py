"""`python -m node --config FILE`: one storage node."""

from __future__ import annotations

import hubbub.runtime.early  # noqa: F401 - first: it hastens the others
from hubbub.runtime.config import from_command_line
from hubbub.runtime.process import run
from hubbub.settings.schema import NodeConfig
from node.app import main

if __name__ == "__main__":
    raise SystemExit(run(main, from_command_line(NodeConfig)))
