"""The child process: frames in by standard input, out by standard output, one after the other.

`python -m node.search.child FOLDER`. It sleeps in `read` while nothing is asked of it. The end of
its input is the end of the node, and its own; whatever else goes wrong ends it as well, with one
line on standard error: the node starts it again, and the files know where they stand.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import BinaryIO, Final

from hubbub.wire.codec import decode_pack
from node.search.index import Gone, Index
from node.search.shapes import HEAD, Fed, Feed, Find, Hello, Kind, Row, encode_frame

EXIT_FAILED: Final = 4  # the disk, or files that were taken away
_NICENESS: Final = 5  # sends come first


def main(arguments: list[str]) -> int:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the node
    os.nice(_NICENESS)
    try:
        index = Index(Path(arguments[0]), time.monotonic)
        _serve(index, sys.stdin.buffer, sys.stdout.buffer)
        index.close()
    except BrokenPipeError:
        return 0
    except (sqlite3.Error, OSError, Gone) as error:
        sys.stderr.write(f"search: {type(error).__name__}: {error}\n")
        return EXIT_FAILED
    return 0


def _serve(index: Index, frames: BinaryIO, answers: BinaryIO) -> None:
    def say(kind: Kind, body: Row) -> None:
        answers.write(encode_frame(kind, body))
        answers.flush()

    say(Kind.HELLO, Hello(tuple(index.stands())))
    while True:
        head = frames.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        length, kind = HEAD.unpack(head)
        body = frames.read(length)
        if len(body) < length:
            return
        if kind == Kind.FEED:
            index.apply(decode_pack(body, Feed))
            say(Kind.FED, Fed())
        elif kind == Kind.FIND:
            say(Kind.FOUND, index.find(decode_pack(body, Find)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
