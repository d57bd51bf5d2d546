"""The child process: frames in by standard input, out by standard output, one after the other.

`python -m node.search.child FOLDER`. It sleeps in `select` while nothing is asked of it, and wakes
by itself only while a file owes a merge (`purging`). The end of its input is the end of the node,
and its own. A full disk is told (Full), and searches are answered all the same; whatever else goes
wrong ends it, with one line on standard error: the node starts it again, and the files know where
they stand.
"""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from hubbub.wire.codec import decode_pack
from node.search.index import Gone, Index
from node.search.shapes import HEAD, Fed, Feed, Find, Full, Hello, Kind, Row, encode_frame

EXIT_FAILED: Final = 4  # the disk, or files that were taken away
_NICENESS: Final = 5  # sends come first
_FULL_REST_S: Final = 5.0  # a full disk is not asked for room more often


def main(arguments: list[str]) -> int:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the node
    os.nice(_NICENESS)
    try:
        index = Index(Path(arguments[0]), time.monotonic)
        with open(0, "rb", buffering=0, closefd=False) as frames:
            serve(index, frames, sys.stdout.buffer)
        index.close()
    except BrokenPipeError:
        return 0
    except (sqlite3.Error, OSError, Gone) as error:
        sys.stderr.write(f"search: {type(error).__name__}: {error}\n")
        return EXIT_FAILED
    return 0


def serve(index: Index, frames: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends. Args: frames: a pipe, unbuffered."""

    def say(kind: Kind, body: Row) -> None:
        answers.write(encode_frame(kind, body))
        answers.flush()

    say(Kind.HELLO, Hello(tuple(index.stands())))
    while True:
        _purge_until_asked(index, frames)
        head = _read(frames, HEAD.size)
        if len(head) < HEAD.size:
            return
        length, kind = HEAD.unpack(head)
        body = _read(frames, length)
        if len(body) < length:
            return
        if kind == Kind.FEED:
            if _has_room(lambda: index.apply(decode_pack(body, Feed))):  # noqa: B023 - called at once
                say(Kind.FED, Fed())
            else:
                say(Kind.FULL, Full())
        elif kind == Kind.FIND:
            say(Kind.FOUND, index.find(decode_pack(body, Find)))


def _purge_until_asked(index: Index, frames: BinaryIO) -> None:
    """At least one step that is due, even of a child that is asked all the time."""
    while True:
        wait_s = index.purge_wait_s()
        if wait_s == 0 and not _has_room(index.purge):
            wait_s = _FULL_REST_S
        elif wait_s == 0:
            wait_s = index.purge_wait_s()
        if select.select([frames], [], [], wait_s)[0]:
            return


def _has_room(write: Callable[[], None]) -> bool:
    """Whether the disk had room for it. Raises sqlite3.Error for other troubles."""
    try:
        write()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        return False
    return True


def _read(frames: BinaryIO, count: int) -> bytes:
    """So many bytes, fewer at the end of the input."""
    parts: list[bytes] = []
    while count and (part := frames.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
