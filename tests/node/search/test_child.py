"""The child as a program: frames in, frames out, and its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hubbub.wire.codec import decode_pack
from hubbub.wire.search import Criteria, Document
from node.search.child import EXIT_FAILED
from node.search.shapes import (
    HEAD,
    Change,
    Feed,
    Find,
    Found,
    Hello,
    Kind,
    Row,
    Stand,
    encode_frame,
)


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "node.search.child", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def say(child: subprocess.Popen[bytes], kind: Kind, body: Row) -> None:
    assert child.stdin is not None
    child.stdin.write(encode_frame(kind, body))
    child.stdin.flush()


def hear(child: subprocess.Popen[bytes]) -> tuple[Kind, bytes]:
    assert child.stdout is not None
    length, kind = HEAD.unpack(child.stdout.read(HEAD.size))
    return Kind(kind), child.stdout.read(length)


def test_it_says_where_it_stands_takes_feeds_and_answers(tmp_path: Path) -> None:
    folder, stand = tmp_path / "search", Stand(1, b"12345678", 5, 9)
    with start(folder) as child:
        assert hear(child) == (Kind.HELLO, b"\x91\x90")
        change = Change(1, "demo", "group:x", 3, Document("tea", "ann", "", 1_000, False))
        say(child, Kind.FEED, Feed(changes=(change,), stands=(stand,)))
        assert hear(child)[0] is Kind.FED
        say(child, Kind.FIND, Find(7, "demo", (1,), (), Criteria("tea"), None, 10, 1_000))
        kind, body = hear(child)
        found = decode_pack(body, Found)
        assert (kind, found.id, found.places) == (Kind.FOUND, 7, ((0, 1_000, "group:x", 3),))
        child.communicate(timeout=20)
        assert child.returncode == 0
    with start(folder) as child:
        kind, body = hear(child)
        assert (kind, decode_pack(body, Hello).stands) == (Kind.HELLO, (stand,))
        child.communicate(timeout=20)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    with start(place) as child:
        _, said = child.communicate(timeout=20)
    assert child.returncode == EXIT_FAILED
    assert len(said.splitlines()) == 1
