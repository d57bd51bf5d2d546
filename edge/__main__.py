"""`python -m edge --config FILE`."""

import sys

import hubbub.runtime.early  # noqa: F401 - first: it hastens the others
from edge.app import main
from hubbub.runtime.config import from_command_line
from hubbub.runtime.process import run
from hubbub.settings.schema import EdgeConfig

if __name__ == "__main__":
    sys.exit(run(main, from_command_line(EdgeConfig)))
