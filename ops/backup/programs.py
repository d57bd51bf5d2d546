"""Programs of a node that open a database at rest: `python -m node.verify`, `node.restore`.

Only a node's own code knows its rows, and a process imports no other one; so it is run, with an
order on its standard input and its answer on its standard output.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final, TypeVar

import msgspec

from hubbub.base.units import MIB
from hubbub.wire.codec import decode_json, encode_json
from ops.answer import Failure
from ops.processes import role_environment

T = TypeVar("T")
# A program gets this long, and a second more for each 4 MiB that it may have to read: a tenth of
# what one core reads and hashes.
_S_MIN: Final = 120.0
_BYTES_PER_S: Final = 4 * MIB


def ask(module: str, order: msgspec.Struct, answer: type[T], byte_count: int) -> T:
    """Run a program on an order. Raises Failure with its last words.

    Args: byte_count: of the database that it opens.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module],
            input=encode_json(order),
            capture_output=True,
            env=role_environment(),
            timeout=_S_MIN + byte_count / _BYTES_PER_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{module} did not end within {error.timeout:.0f} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise Failure(
            f"{module} ended with {done.returncode}",
            cause=[line.removeprefix("error: ") for line in said],
        )
    return decode_json(done.stdout, answer)
