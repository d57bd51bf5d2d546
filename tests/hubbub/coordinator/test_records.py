"""Keys and shapes in the coordinator: other programs and older versions read them."""

from __future__ import annotations

import json

import msgspec
import pytest

from hubbub.coordinator.records import (
    AppRecord,
    ClusterRecord,
    ProcessRecord,
    app_key,
    process_key,
    slot_key,
)
from hubbub.wire.codec import decode_json, encode_json


def test_keys() -> None:
    assert slot_key(0) == "/slots/00000"
    assert slot_key(16_383) == "/slots/16383"
    assert process_key("node", "n1") == "/nodes/n1"
    assert process_key("router", "r1") == "/routers/r1"
    assert process_key("edge", "e1") == "/edges/e1"
    assert app_key("demo") == "/apps/demo"


def test_slots_sort_as_numbers() -> None:
    keys = [slot_key(slot) for slot in (0, 9, 10, 999, 1_000, 16_383)]
    assert keys == sorted(keys)


def test_the_stored_forms() -> None:
    process = ProcessRecord(name="n1", role="node", boot_id=2**64 - 1, address="ipc:///x")
    assert json.loads(encode_json(process)) == {
        "name": "n1",
        "role": "node",
        "boot_id": 2**64 - 1,
        "address": "ipc:///x",
        "public_key": "",
        "admin_url": "",
        "domain": "",
        "storage_id": "",
    }
    assert decode_json(encode_json(process), ProcessRecord) == process
    app = AppRecord(app="demo", id_secret="i", token_secret="t", server_key="s")
    assert decode_json(encode_json(app), AppRecord) == app
    assert json.loads(encode_json(ClusterRecord("id", 1024, 7))) == {
        "id": "id",
        "slots": 1024,
        "seed": 7,
        "generation": 1,
        "root_key_hash": "",
    }


def test_fields_of_a_newer_version_are_ignored() -> None:
    data = b'{"id":"x","slots":16,"seed":0,"generation":2,"colour":"red"}'
    assert decode_json(data, ClusterRecord) == ClusterRecord("x", 16, 0, 2)


@pytest.mark.parametrize("slots", [0, 8, 1_000, 32_768])
def test_slots_are_a_power_of_two_within_bounds(slots: int) -> None:
    with pytest.raises(ValueError, match="power of two from 16 to 16384"):
        ClusterRecord("x", slots, 0)
    with pytest.raises(msgspec.ValidationError):
        decode_json(b'{"id":"x","slots":%d,"seed":0}' % slots, ClusterRecord)
