"""What a manifest says is what was signed; what it names stays below its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hubbub.coordinator.backups import SlotCopy
from ops.answer import Exit, Failure
from ops.backup.manifest import (
    FORMAT,
    canonical,
    is_signed_by,
    seal,
    slot_copy,
    slot_entry,
    unseal,
)
from ops.backup.signing import BackupKey, make_key, read_key
from tests.ops.backup.samples import file_entry, manifest


@pytest.fixture
def key(tmp_path: Path) -> BackupKey:
    return read_key(make_key(tmp_path))


def altered(data: bytes, change: Any) -> bytes:
    """manifest.json with a change, in canonical form again."""
    whole = json.loads(data)
    change(whole)
    return canonical(whole)


def test_what_was_sealed_comes_back_and_is_known_by_its_key(key: BackupKey, tmp_path: Path) -> None:
    sealed = unseal(seal(manifest(), key), "m")
    assert sealed.manifest == manifest()
    assert sealed.key_id == key.id
    assert is_signed_by(sealed, key)
    (tmp_path / "other").mkdir()
    assert not is_signed_by(sealed, read_key(make_key(tmp_path / "other")))


def test_one_changed_number_breaks_the_signature(key: BackupKey) -> None:
    data = altered(seal(manifest(), key), lambda m: m["manifest"].update(term_max=10))
    sealed = unseal(data, "m")
    assert sealed.manifest.term_max == 10
    assert not is_signed_by(sealed, key)


def test_what_a_later_version_adds_is_signed_and_ignored(key: BackupKey) -> None:
    body = {**msgspec.to_builtins(manifest()), "colour": "red"}
    signature = key.sign(canonical(body)).hex()
    data = canonical(
        {
            "manifest": body,
            "signature": {"algorithm": "ed25519", "key_id": key.id, "value": signature},
        }
    )
    sealed = unseal(data, "m")
    assert is_signed_by(sealed, key)
    assert sealed.manifest == manifest()


def test_a_newer_format_is_refused_before_it_is_shaped(key: BackupKey) -> None:
    def newer(whole: dict[str, Any]) -> None:
        whole["manifest"] = {"format": FORMAT + 1, "everything": "else"}

    with pytest.raises(Failure, match="format 2") as refused:
        unseal(altered(seal(manifest(), key), newer), "m")
    assert refused.value.exit_code is Exit.REFUSED


def test_without_a_signature_it_is_read_and_nobodys(key: BackupKey) -> None:
    for change in (
        lambda m: m.pop("signature"),
        lambda m: m["signature"].update(algorithm="none"),
    ):
        sealed = unseal(altered(seal(manifest(), key), change), "m")
        assert sealed.signature == b""
        assert not is_signed_by(sealed, key)


@pytest.mark.parametrize(
    "bad",
    [
        lambda m: m.update(id="../escape"),
        lambda m: m["nodes"][0]["files"][0].update(path="/etc/passwd"),
        lambda m: m["nodes"][0]["files"][0].update(path="a/../../b"),
        lambda m: m["nodes"][0]["files"][0].update(path="a/./b"),
        lambda m: m["nodes"][0]["files"][0].update(path="a//b"),
        lambda m: m["nodes"][0]["files"][0].update(path="a/b\\c"),
        lambda m: m["nodes"][0]["files"][0].update(bytes=-1),
        lambda m: m["nodes"][0].update(name="../node-1"),
        lambda m: m["nodes"][0]["files"].append(m["nodes"][0]["files"][0]),
        lambda m: m["coordinator"].update(path=".hidden"),
        lambda m: m["slots"].pop(),
        lambda m: m["slots"].append(m["slots"][0]),
        lambda m: m["slots"][0].update(storage_id="disk-2"),
        lambda m: m["slots"][0].update(chain="not a number"),
        lambda m: m.pop("cluster"),
        lambda m: m.update(slots=5),
    ],
)
def test_what_makes_no_sense_is_refused_whoever_signed_it(key: BackupKey, bad: Any) -> None:
    body = msgspec.to_builtins(manifest())
    body["nodes"] = [{**node, "files": list(node["files"])} for node in body["nodes"]]
    body["slots"] = list(body["slots"])
    bad(body)
    value = key.sign(canonical(body)).hex()
    signature = {"algorithm": "ed25519", "key_id": key.id, "value": value}
    with pytest.raises(Failure, match="no manifest") as refused:
        unseal(canonical({"manifest": body, "signature": signature}), "m")
    assert refused.value.exit_code is Exit.REFUSED


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"null", b'{"manifest":3}', b"\xff\xfe"])
def test_other_bytes_are_no_manifest(data: bytes) -> None:
    with pytest.raises(Failure, match="no manifest"):
        unseal(data, "m")


def test_another_spelling_of_the_same_values_is_refused(key: BackupKey) -> None:
    data = seal(manifest(), key)
    for other in (data + b"\n", json.dumps(json.loads(data)).encode()):
        with pytest.raises(Failure, match="no manifest"):
            unseal(other, "m")


def test_the_canonical_form() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical({"x": float("nan")})


def test_a_copy_keeps_its_64_bits() -> None:
    copy = SlotCopy(3, 1, (1 << 64) - 1, 2, "00ff", 4, 5, 1 << 63, 6)
    entry = slot_entry("disk-1", copy)
    assert entry.chain == "f" * 16
    assert slot_copy(entry) == copy


def test_sums() -> None:
    one = manifest()
    assert [file.name for file in one.files] == ["coordinator.json", "CURRENT"]
    assert one.bytes == 20
    assert one.entries == sum(range(2, 18))
    assert file_entry("a/b/c").name == "c"
