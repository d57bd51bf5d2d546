"""Values under keys with revisions; compare and set."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.features.members import LeaveChannel
from hubbub.features.metadata import (
    KEYS_MAX,
    VALUE_BYTES_MAX,
    VALUES,
    DeleteMetadata,
    MetadataRequest,
    SetMetadata,
)
from tests.support.playbook import Playbook

X = "group:x"


def group() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"])


def put(key: str, value: str, **more: Any) -> SetMetadata:
    return SetMetadata(channel=X, key=key, value=Raw(value.encode()), **more)


def values(book: Playbook, user: str = "") -> dict[str, Any]:
    found = book.query("bob", "metadata.get", MetadataRequest(X, user))["metadata"]
    return {key: (row["value"], row["rev"]) for key, row in found.items()}


def test_a_value_has_the_revision_of_its_event() -> None:
    book = group()
    book.do("ann", put("topic", '"tea"'))
    assert (book.outcome.seq, book.reply) == (2, {"rev": 2})
    assert book.do("ann", put("topic", '"tea"')) == []
    assert book.reply == {"rev": 2}
    book.do("ann", put("topic", '{"a": [1, 2.0]}'))
    assert values(book) == {"topic": ({"a": [1, 2.0]}, 3)}
    assert book.refused("bob", put("topic", "1")) is PERMISSION_DENIED
    book.assert_replay_equal()


def test_a_change_may_depend_on_the_revision() -> None:
    book = group()
    book.do("ann", put("a", "1", if_rev=0))
    lost = book.refusal("ann", put("a", "2", if_rev=0))
    assert (lost.error, lost.details) == (CONFLICT, {"rev": 2})
    book.do("ann", put("a", "2", if_rev=2))
    delete = DeleteMetadata(channel=X, key="a", if_rev=2)
    assert book.refused("ann", delete) is CONFLICT
    book.do("ann", DeleteMetadata(channel=X, key="a", if_rev=3))
    assert values(book) == {}
    assert book.do("ann", DeleteMetadata(channel=X, key="a")) == []
    book.do("ann", put("a", "1"))
    assert book.refused("ann", put("a", "2", if_rev=3)) is CONFLICT
    book.assert_replay_equal()


def test_a_member_has_his_own_until_he_leaves() -> None:
    book = group()
    book.do("bob", put("seat", "7", user="bob"))
    book.do("ann", put("rank", "1", user="bob"))
    assert book.refused("bob", put("rank", "1", user="ann")) is PERMISSION_DENIED
    assert book.refused("ann", put("rank", "1", user="eve")) is NOT_FOUND
    assert values(book, "bob") == {"rank": (1, 3), "seat": (7, 2)}
    assert values(book) == {}
    book.do("bob", LeaveChannel(channel=X))
    assert book.tables[VALUES].packed == {}
    book.assert_replay_equal()


def test_limits() -> None:
    book = group()
    assert book.refused("ann", put("a b", "1")) is BAD_REQUEST
    assert book.refused("ann", put("", "1")) is BAD_REQUEST
    assert book.refused("ann", put("a", "1", if_rev=-2)) is BAD_REQUEST
    long = '"' + "x" * VALUE_BYTES_MAX + '"'
    assert book.refused("ann", put("a", long)) is TOO_LARGE
    for n in range(KEYS_MAX):
        book.do("ann", put(f"k{n}", "1"))
    assert book.refused("ann", put("one-more", "1")) is TOO_MANY
    book.do("bob", put("own", "1", user="bob"))
    one = book.query("bob", "metadata.get", MetadataRequest(X, key="k3"))["metadata"]
    assert list(one) == ["k3"]
    with pytest.raises(Rejected):
        book.query("bob", "metadata.get", MetadataRequest(X, key="none"))
