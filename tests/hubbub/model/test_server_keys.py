"""Keys name themselves, are kept as hashes, and open what their scopes say."""

from __future__ import annotations

import pytest

from hubbub.model.server_keys import (
    ID_BYTES,
    ROOT_PREFIX,
    SECRET_BYTES,
    hash_of,
    id_in,
    is_key,
    new_root_key,
    new_server_key,
    scope_of,
)

ENTROPY = bytes(range(ID_BYTES + SECRET_BYTES))


def test_a_key_names_itself_and_is_not_kept() -> None:
    text, kept = new_server_key(ENTROPY, ("admin", "read"), "till", 7)
    assert id_in(text) == kept.id == "00010203"
    assert kept.scopes == ("read", "admin"), "in the order of the table"
    assert (kept.label, kept.last, kept.created_ms) == ("till", text[-4:], 7)
    assert text not in repr(kept)
    assert is_key(text, kept.hash)


def test_only_the_whole_text_is_the_key() -> None:
    text, kept = new_server_key(ENTROPY, ("read",), "", 0)
    for other in (text[:-1], text + "x", text[:-1] + "~", text.upper(), "", "\udcff"):
        assert not is_key(other, kept.hash)
    assert not is_key("", ""), "no hash is kept: no key opens it"


@pytest.mark.parametrize(
    "text", ["", "hub_", "hub_0001020_" + "a" * 43, "hub_00010203_" + "a" * 42]
)
def test_other_texts_have_no_id(text: str) -> None:
    assert id_in(text) == ""


def test_all_of_the_entropy_counts() -> None:
    texts = {
        new_server_key(ENTROPY[:n] + b"\xff" + ENTROPY[n + 1 :], ("read",), "", 0)[0]
        for n in range(len(ENTROPY))
    }
    assert len(texts) == len(ENTROPY)
    root = new_root_key(ENTROPY[:SECRET_BYTES])
    assert root.startswith(ROOT_PREFIX)
    assert id_in(root) == "", "it is no server key"
    assert is_key(root, hash_of(root))


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/channels/{channel}", "read"),
        ("POST", "/v1/search/messages", "read"),
        ("POST", "/v1/channels/{channel}/messages", "write"),
        ("POST", "/v1/users/{user}/ban", "admin"),
        ("GET", "/v1/apps/{app}/keys", "admin"),
        ("POST", "/v1/batch", None),
    ],
)
def test_what_a_route_asks_for(method: str, path: str, scope: str | None) -> None:
    assert scope_of(method, path) == scope
