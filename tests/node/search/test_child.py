"""The child as a program: frames in, frames out, and its end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from hubbub.wire.codec import decode_pack
from hubbub.wire.search import Criteria, Document
from node.search import purging
from node.search.child import EXIT_FAILED, serve
from node.search.index import Index
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
    folder, stand = tmp_path / "search", Stand(1, b"12345678", 5)
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


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "search", time.monotonic)
    yield made
    made.close()


def test_a_full_disk_is_told_and_what_is_there_is_found(index: Index, tmp_path: Path) -> None:
    """SQLite says the same of a bound on a file's pages as of a disk without room."""
    files = index._files
    find = Find(7, "demo", (1,), (), Criteria("tea"), None, 10, 10_000)

    def feed(seq: int, text: str) -> bytes:
        change = Change(1, "demo", "group:x", seq, Document(text, "ann", "", 1_000 + seq, False))
        return encode_frame(Kind.FEED, Feed(changes=(change,)))

    def heard(*frames: bytes) -> list[tuple[Kind, list[int]]]:
        (tmp_path / "frames").write_bytes(b"".join(frames))
        answers, kinds = io.BytesIO(), list[tuple[Kind, list[int]]]()
        with (tmp_path / "frames").open("rb", buffering=0) as pipe:
            serve(index, pipe, answers)
        answers.seek(0)
        while head := answers.read(HEAD.size):
            length, kind = HEAD.unpack(head)
            body = answers.read(length)
            places = decode_pack(body, Found).places if kind == Kind.FOUND else ()
            kinds.append((Kind(kind), [place[3] for place in places]))
        return kinds[1:]

    big = "tea " + " ".join(f"word{n}" for n in range(20_000))
    files[1]._db.execute("PRAGMA max_page_count = 20")
    asked = encode_frame(Kind.FIND, find)
    assert heard(feed(1, "tea"), feed(2, big), asked, feed(3, "more tea"), asked) == [
        (Kind.FED, []),
        (Kind.FULL, []),
        (Kind.FOUND, [1]),
        (Kind.FED, []),
        (Kind.FOUND, [3, 1]),
    ]
    files[1]._db.execute("PRAGMA max_page_count = 100000")
    assert heard(feed(2, big), asked) == [(Kind.FED, []), (Kind.FOUND, [3, 2, 1])]


def test_it_merges_by_itself_while_nobody_asks(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "AFTER_S", 0.0)
    document = Document("tea", "ann", "", 1_000, False)
    index.apply(Feed(changes=(Change(1, "demo", "group:x", 1, document),)))
    index.apply(Feed(changes=(Change(1, "demo", "group:x", 1, None),)))
    assert index.purge_wait_s() == 0
    reads, writes = os.pipe()
    timer = Timer(0.5, os.close, (writes,))  # the node ends
    timer.start()
    with open(reads, "rb", buffering=0) as pipe:
        serve(index, pipe, io.BytesIO())
    assert index.purge_wait_s() is None
