"""What users tell their lines."""

from __future__ import annotations

from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import PERMISSION_DENIED
from hubbub.features.exclusions import TellUser
from hubbub.features.user_lines import PutUserLine, shard_of
from hubbub.features.users import EnsureUser, UpdateUser
from hubbub.wire.codec import decode_json, encode_json
from tests.support.playbook import START_MS, Playbook


def lines_of(book: Playbook) -> list[dict[str, Any]]:
    found = [
        decode_json(encode_json(f), dict[str, Any])
        for f in book.forwards
        if isinstance(f, PutUserLine)
    ]
    book.forwards.clear()
    return found


def test_a_user_tells_what_he_looks_like_when_it_changes() -> None:
    book = Playbook("#ann")
    book.do("ann", EnsureUser(user="ann"), authority="system")
    [line] = lines_of(book)
    assert (line["user"], line["created_ms"]) == ("ann", START_MS)
    book.do("ann", UpdateUser(user="ann", name="Ann", data=Raw(b'{"a":1}')))
    [line] = lines_of(book)
    assert (line["name"], line["data"]) == ("Ann", {"a": 1})
    book.do("ann", UpdateUser(user="ann", name="Ann"))
    assert lines_of(book) == []
    book.do("", TellUser("ann", deactivated=True, banned_ms=START_MS + 5), authority="system")
    told = lines_of(book)[-1]
    assert (told["deactivated"], told["banned_ms"]) == (True, START_MS + 5)
    book.do("", TellUser("ann"), authority="system")
    assert lines_of(book)[-1].keys() == line.keys()


def test_who_is_excluded_before_he_exists_has_no_line_until_he_does() -> None:
    book = Playbook("#bob")
    book.do("", TellUser("bob", deactivated=True), authority="system")
    assert lines_of(book) == []
    book.do("", UpdateUser(user="bob", name="Bob"), authority="server")
    assert [line["deactivated"] for line in lines_of(book)] == [True]


def test_a_line_leaves_no_place_behind() -> None:
    key = shard_of("ann")
    book = Playbook(key)
    line = PutUserLine(user="ann", created_ms=3, name="Ann of Tea")
    book.do("", line, authority="system")
    assert book.do("", line, authority="system") == []
    book.do("", replace(line, name="Bea", created_ms=4), authority="system")
    orders = {name: list(rows.packed) for name, rows in book.tables.rows.items() if rows.packed}
    assert orders == {
        "user_lines": ["ann"],
        "user_lines.by_name": [("bea", "ann")],
        "user_lines.by_word": [("bea", "ann")],
        "user_lines.by_age": [(4, "ann")],
    }
    assert book.refused("ann", line) is PERMISSION_DENIED
    book.assert_replay_equal()
