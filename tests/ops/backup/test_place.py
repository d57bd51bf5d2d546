"""The words that name a place for backups, and those that never may."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.answer import Exit, Failure
from ops.backup.place import open_target


@pytest.mark.parametrize(
    ("word", "root", "backup"),
    [
        ("/mnt/b", "/mnt/b", ""),
        ("/mnt/b#20260102T030405Z-0badcafe", "/mnt/b", "20260102T030405Z-0badcafe"),
        ("file:///mnt/b%20c", "/mnt/b c", ""),
        ("file://localhost/mnt/b#x", "/mnt/b", "x"),
    ],
)
def test_words_that_name_a_folder(word: str, root: str, backup: str) -> None:
    target, found = open_target(word)
    assert (target.url, found) == (root, backup)


def test_a_relative_folder_is_made_absolute() -> None:
    assert open_target("backups")[0].url == str(Path("backups").absolute())


@pytest.mark.parametrize(
    "word",
    [
        "",
        "#20260102T030405Z-0badcafe",
        "http://169.254.169.254/latest",
        "https://example.com/backups",
        "ftp://example.com/b",
        "file://elsewhere/mnt/b",
        "s3:///no-bucket",
        "s3://key:secret@bucket/b",
        "s3://bucket/b?endpoint=http://127.0.0.1:1",
        "memory:///",
    ],
)
def test_words_that_name_no_place_or_tell_a_secret_are_refused(word: str) -> None:
    with pytest.raises(Failure, match="no place for backups") as refused:
        open_target(word)
    assert refused.value.exit_code is Exit.USAGE
