"""What only an object store does; its answers are the suite of test_target.py."""

from __future__ import annotations

import importlib
import sys

import pytest

from ops.answer import Exit, Failure
from ops.backup.place import open_target
from tests.support.requirement import missing


def test_a_bucket_is_opened_by_its_name_and_nothing_is_asked_yet() -> None:
    try:
        import obstore  # noqa: F401 - is it there?
    except ImportError:
        missing("obstore", "obstore is not installed")
    target, backup = open_target("s3://bucket/hubbub/#20260102T030405Z-0badcafe")
    assert target.url == "s3://bucket/hubbub"
    assert backup == "20260102T030405Z-0badcafe"
    assert target.path("x") is None


def test_a_store_that_does_not_answer_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        from obstore.store import S3Store

        from ops.backup.objects import ObjectTarget
    except ImportError:
        missing("obstore", "obstore is not installed")
    store = S3Store(
        "bucket",
        endpoint="http://127.0.0.1:9",  # the discard port: nobody listens
        access_key_id="a",
        secret_access_key="b",
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(Failure, match="does not answer") as refused:
        ObjectTarget(store, "s3://bucket").size("x")
    assert refused.value.exit_code is Exit.UNREACHABLE
    assert "\n" not in refused.value.cause[0]


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "ops.backup.objects", raising=False)
    with pytest.raises(Failure, match="not installed") as refused:
        open_target("s3://bucket/b")
    assert refused.value.tries == ("pip install 'hubbub[backup]'",)
    monkeypatch.undo()
    importlib.invalidate_caches()
