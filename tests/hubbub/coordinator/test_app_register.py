"""Apps as an operator makes, changes and deletes them, in a real coordinator's file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import (
    APP_EXISTS,
    APP_NOT_FOUND,
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    OVERLOADED,
    ErrorCode,
    Rejected,
)
from hubbub.coordinator.api import Put, Record
from hubbub.coordinator.app_register import FIRST_ID, AppRegister, keys_of, secrets_of
from hubbub.coordinator.records import AppRecord, Quotas, app_key
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.model.server_keys import KEYS_MAX, is_key
from hubbub.wire.codec import decode_json, encode_json

NOW_MS = 1_700_000_000_000


class Busy(SoloCoordinator):
    """Somebody else writes a record behind the next `overtaken` looks at it."""

    overtaken = 0

    async def get(self, key: str) -> Record | None:
        row = await super().get(key)
        if self.overtaken and row is not None:
            self.overtaken -= 1
            record = decode_json(row.value, AppRecord)
            later = replace(record, created_ms=record.created_ms + 1)
            await self.transact([], [Put(key, encode_json(later))])
        return row


class Register(AppRegister):
    """With a coordinator of its own and counted entropy."""

    def __init__(self, coordinator: Busy) -> None:
        self.coordinator, self.drawn = coordinator, 0
        super().__init__(coordinator, lambda: NOW_MS, self._draw)

    def _draw(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(2) * (count // 2)

    async def make(self, app: str = "shop", **settings: Any) -> str:
        made = await self.create(app, "default", settings, Quotas(), ("read", "write"), "first one")
        return made.server_key


@pytest.fixture
async def register(tmp_path: Path) -> AsyncIterator[Register]:
    coordinator = Busy(tmp_path / "c.db")
    yield Register(coordinator)
    await coordinator.close()


async def refused(error: ErrorCode, work: Coroutine[Any, Any, object]) -> None:
    with pytest.raises(Rejected) as refusal:
        await work
    assert refusal.value.error == error


async def test_an_app_is_made_with_secrets_that_only_the_answer_has(register: Register) -> None:
    made = await register.create("shop", "default", {}, Quotas(), ("read",), "till")
    record = await register.get("shop")
    assert record == made.record
    assert is_key(made.server_key, record.server_keys[0].hash)
    row = await register.coordinator.get(app_key("shop"))
    assert row is not None
    assert made.server_key.encode() not in row.value
    assert record.id_secret != record.token_secret
    assert record.created_ms == NOW_MS


async def test_a_name_is_used_once_even_after_its_deletion(register: Register) -> None:
    await register.make()
    await refused(APP_EXISTS, register.make())
    await register.delete("shop")
    await refused(APP_NOT_FOUND, register.get("shop"))
    await refused(APP_EXISTS, register.make())
    assert await register.living() == []


async def test_a_tombstone_keeps_what_its_log_needs_and_no_key(register: Register) -> None:
    await register.make()
    before = await register.get("shop")
    gone = await register.delete("shop")
    assert (gone.id_secret, gone.deleted_ms) == (before.id_secret, NOW_MS)
    assert (gone.token_secret, gone.server_key, gone.server_keys, gone.token_keys) == (
        "",
        "",
        (),
        (),
    )
    for work in (register.delete("shop"), register.create_key("shop", ("read",), "")):
        await refused(APP_NOT_FOUND, work)


@pytest.mark.parametrize("name", ["", "Shop", "-shop", "a" * 65, "shop/x", "shop\n"])
async def test_names_that_no_app_has(register: Register, name: str) -> None:
    await refused(BAD_REQUEST, register.make(name))
    await refused(APP_NOT_FOUND, register.get(name))


@pytest.mark.parametrize(
    "settings",
    [{"no_such_setting": 1}, {"text_chars_max": "much"}, {"token_secret_initial": "x" * 40}],
)
async def test_settings_that_cannot_be_make_no_app(
    register: Register, settings: dict[str, Any]
) -> None:
    await refused(BAD_REQUEST, register.make(**settings))
    await refused(APP_NOT_FOUND, register.get("shop"))


async def test_changes_are_laid_over_one_another(register: Register) -> None:
    await register.make(text_chars_max=100)
    await register.change("shop", {"channel_members_max": 5}, None)
    changed = await register.change("shop", {"text_chars_max": None}, Quotas(messages_per_s=3))
    assert changed.changes == {"channel_members_max": 5}
    assert changed.quotas.messages_per_s == 3
    await refused(BAD_REQUEST, register.change("shop", {"text_chars_max": "much"}, None))
    assert await register.get("shop") == changed


async def test_two_keys_are_active_and_one_is_replaced_without_a_gap(register: Register) -> None:
    first = await register.make()
    second, kept = await register.create_key("shop", ("admin",), "second")
    assert first != second
    await refused(LIMIT_EXCEEDED, register.create_key("shop", ("read",), "third"))
    record = await register.get("shop")
    assert len(keys_of(record)) == KEYS_MAX
    await register.revoke_key("shop", record.server_keys[0].id)
    assert (await register.get("shop")).server_keys == (kept,)
    await refused(NOT_FOUND, register.revoke_key("shop", record.server_keys[0].id))
    await register.create_key("shop", ("read",), "third")


@pytest.mark.parametrize(
    ("scopes", "label"), [((), ""), (("read",), "x" * 101), (("read",), "a\n")]
)
async def test_keys_that_are_not_made(register: Register, scopes: Any, label: str) -> None:
    await register.make()
    await refused(BAD_REQUEST, register.create_key("shop", scopes, label))


async def test_the_key_that_up_made_counts_and_is_revoked_like_others(register: Register) -> None:
    record = AppRecord(app="demo", id_secret="i" * 32, token_secret="t" * 32, server_key="s" * 32)
    await register.coordinator.transact([], [Put(app_key("demo"), encode_json(record))])
    (key,) = keys_of(record)
    assert (key.id, key.last, is_key("s" * 32, key.hash)) == (FIRST_ID, "ssss", True)
    await register.create_key("demo", ("read",), "")
    await refused(LIMIT_EXCEEDED, register.create_key("demo", ("read",), ""))
    await register.revoke_key("demo", FIRST_ID)
    assert (await register.get("demo")).server_key == ""
    await refused(NOT_FOUND, register.revoke_key("demo", FIRST_ID))


async def test_changes_at_once_come_one_after_the_other(register: Register) -> None:
    await register.make()
    register.coordinator.overtaken = 1
    await register.change("shop", None, Quotas(connections_max=7))
    record = await register.get("shop")
    assert record.quotas.connections_max == 7
    assert record.created_ms == NOW_MS + 1, "the other's change is there, too"
    register.coordinator.overtaken = 100
    await refused(OVERLOADED, register.change("shop", None, Quotas()))


async def test_a_tokens_secret_is_rotated_two_at_a_time(register: Register) -> None:
    await register.make()
    first = await register.get("shop")
    assert [one.id for one in secrets_of(first)] == [FIRST_ID]
    new = await register.create_secret("shop")
    assert len(new.secret) == 64
    assert secrets_of(await register.get("shop"))[1:] == (new,)
    await refused(LIMIT_EXCEEDED, register.create_secret("shop"))
    await refused(NOT_FOUND, register.revoke_secret("shop", "none"))
    await register.revoke_secret("shop", FIRST_ID)
    await refused(NOT_FOUND, register.revoke_secret("shop", FIRST_ID))
    third = await register.create_secret("shop")
    record = await register.get("shop")
    assert (secrets_of(record), record.token_secret) == ((new, third), "")
    for one in (new, third):
        await register.revoke_secret("shop", one.id)
    assert secrets_of(await register.get("shop")) == ()
    await register.create_secret("shop")
    assert secrets_of(await register.delete("shop")) == ()
