"""An app's settings are those of its record, and the last that could be where it cannot."""

from __future__ import annotations

from hubbub.coordinator.records import AppRecord
from node.apps import Apps


def record(app: str = "shop", **fields: object) -> AppRecord:
    made = {"id_secret": "i", "token_secret": "t", "server_key": "k", "profile": "bench"}
    return AppRecord(app=app, **{**made, **fields})  # type: ignore[arg-type]


def longest_text(apps: Apps) -> int:
    info = apps.info("shop")
    assert info is not None
    return info.settings.text_chars_max


def test_a_change_counts_once_it_is_taken() -> None:
    records = {"shop": record(changes={"text_chars_max": 100})}
    apps = Apps(records)
    assert longest_text(apps) == 100
    records["shop"] = record(changes={"text_chars_max": 200})
    assert longest_text(apps) == 100
    apps.take("shop")
    assert longest_text(apps) == 200


def test_settings_that_cannot_be_leave_those_before() -> None:
    records = {"shop": record(changes={"text_chars_max": 100})}
    apps = Apps(records)
    assert longest_text(apps) == 100
    records["shop"] = record(changes={"text_chars_max": "long"})
    apps.take("shop")
    assert longest_text(apps) == 100


def test_an_app_that_is_not_there_is_none_and_a_deleted_one_is_named() -> None:
    records = {"shop": record()}
    apps = Apps(records)
    assert apps.info("club") is None
    assert apps.info("shop") is not None
    assert apps.deleted() == {}
    records["shop"] = record(deleted_ms=7)
    apps.take("shop")
    assert apps.deleted() == {"shop": 7}
    info = apps.info("shop")
    assert info is not None
    assert info.is_deleted
    del records["shop"]
    apps.take("shop")
    assert apps.info("shop") is None
