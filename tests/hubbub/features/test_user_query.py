"""What users tell their lines, and the pages made of them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.features import user_query
from hubbub.features.contract import Reads
from hubbub.features.fields import make_cursor
from hubbub.features.user_lines import SHARDS, PutUserLine, shard_of, shards
from hubbub.features.user_query import (
    PAGE_MAX,
    UserLink,
    UserQuery,
    turn_link,
    turn_query,
)
from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

EVERYONE = AppSettings(user_query="everyone")


class App:
    """All streams of lines, and what asks them as an edge does."""

    def __init__(self, settings: AppSettings = EVERYONE) -> None:
        self.books = {key: Playbook(key, settings=settings) for key in shards()}
        self.asked = 0

    def put(self, user: str, name: str = "", **more: Any) -> None:
        line = PutUserLine(**{"user": user, "created_ms": START_MS, "name": name, **more})
        self.books[shard_of(user)].do("", line, authority="system")

    def page(
        self, query: UserQuery, user: str = "ann", authority: str = "client"
    ) -> dict[str, Any]:
        reads = turn_query(query, next(iter(self.books.values())).edge_context(Viewer(user)))
        assert isinstance(reads, Reads)
        assert sorted(call.key for call in reads.calls) == sorted(self.books)
        answers = []
        for call in reads.calls:
            self.asked += 1
            answer = self.books[call.key].query(user, call.name, call.args, authority=authority)
            answers.append(encode_json(answer))
        page = reads.then(answers)
        assert isinstance(page, bytes)
        return decode_json(page, dict[str, Any])

    def users(self, query: UserQuery, **more: Any) -> list[str]:
        """All pages, one behind the other."""
        found: list[str] = []
        while True:
            page = self.page(query, **more)
            assert len(page["users"]) <= query.limit
            found += [row["user"] for row in page["users"]]
            if not page["next"]:
                return found
            query = replace(query, cursor=page["next"])


@pytest.fixture(scope="module")
def crowd() -> App:
    app = App()
    for n in range(300):
        app.put(f"u{n:03}", f"Tea {n % 7} Name{n}", created_ms=START_MS + n * n % 101)
    return app


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("sort", ["id", "name", "created", "newest"])
def test_pages_of_all_streams_hold_everybody_once_in_order(
    crowd: App, sort: Any, limit: int
) -> None:
    if limit == 1:
        query = UserQuery(prefix="u00", sort=sort, limit=1)
        chosen = [n for n in range(10)]
    else:
        query, chosen = UserQuery(sort=sort, limit=limit), list(range(300))
    keys = {
        "id": lambda n: (f"u{n:03}",),
        "name": lambda n: (f"tea {n % 7} name{n}", f"u{n:03}"),
        "created": lambda n: (n * n % 101, f"u{n:03}"),
        "newest": lambda n: (n * n % 101, f"u{n:03}"),
    }
    wanted = [f"u{n:03}" for n in sorted(chosen, key=keys[sort], reverse=sort == "newest")]
    assert crowd.users(query) == wanted


def test_filters_hold_together(crowd: App) -> None:
    named = [f"u{n:03}" for n in range(300) if n % 7 == 3 and str(n)[0] == "1"]
    assert crowd.users(UserQuery(name="tEA 3 name1", limit=9)) == named
    both = UserQuery(name="Tea 3", prefix="u1", limit=9)
    assert crowd.users(both) == [f"u{n}" for n in range(100, 200) if n % 7 == 3]
    ages = UserQuery(created_since=START_MS + 1, created_until=START_MS + 5, limit=50)
    assert crowd.users(ages) == [f"u{n:03}" for n in range(300) if 1 <= n * n % 101 < 5]
    for sort in ("created", "newest"):
        assert sorted(crowd.users(replace(ages, sort=sort))) == crowd.users(ages)


def test_words_of_a_name_in_any_order_each_user_once() -> None:
    app = App()
    app.put("a", "Anna Maria ANN Lee")
    app.put("b", "Lee Annabel")
    app.put("c", "Leonie")
    app.put("lee-d")
    app.put("e", "山田太郎")
    assert sorted(app.users(UserQuery(q="ann"))) == ["a", "b"]
    assert sorted(app.users(UserQuery(q="ann", limit=1))) == ["a", "b"]
    assert app.users(UserQuery(q="le ann")) == ["a", "b"]  # "ann" stands before "annabel"
    assert sorted(app.users(UserQuery(q="LEE"))) == ["a", "b", "lee-d"]
    assert app.users(UserQuery(q="lee anna", sort="id")) == ["a", "b"]
    assert app.users(UserQuery(q="lee bob")) == []
    assert app.users(UserQuery(q="太郎")) == ["e"]
    app.put("a", "Zoe")
    assert app.users(UserQuery(q="ann")) == ["b"]


def test_fields_of_the_custom_data() -> None:
    app = App()
    data = [b'{"n":1,"vip":true}', b'{"n":1.0}', b'{"n":true}', b'{"n":"1"}', b"[1]", b'{"n":[1]}']
    for number, raw in enumerate(data):
        app.put(f"u{number}", data=Raw(raw))
    app.put("none")
    assert app.users(UserQuery(data={"n": Raw(b"1")})) == ["u0", "u1"]
    assert app.users(UserQuery(data={"n": Raw(b"true")})) == ["u2"]
    assert app.users(UserQuery(data={"n": Raw(b'"1"')})) == ["u3"]
    assert app.users(UserQuery(data={"n": Raw(b"1"), "vip": Raw(b"true")})) == ["u0"]
    assert app.users(UserQuery(data={"n": Raw(b"null")})) == []


def test_excluded_users_are_for_those_who_may_exclude() -> None:
    app = App()
    app.put("in", "A")
    app.put("gone", "A", deactivated=True)
    app.put("out", "A", banned_ms=START_MS + 5_000)
    app.put("back", "A", banned_ms=START_MS - 1)
    assert app.users(UserQuery()) == ["back", "in"]
    assert app.users(UserQuery(), authority="analyst") == ["back", "in"]
    page = app.page(UserQuery(), user="", authority="server")["users"]
    marks = {r["user"]: (r.get("deactivated", False), r.get("banned", False)) for r in page}
    assert marks == {
        "back": (False, False), "gone": (True, False), "in": (False, False), "out": (False, True),
    }  # fmt: skip
    for state, users in (
        ("active", ["back", "in"]),
        ("banned", ["out"]),
        ("deactivated", ["gone"]),
    ):
        query = UserQuery(state=state)  # type: ignore[arg-type]
        assert app.users(query, user="", authority="server") == users
    for user, authority in (("ann", "client"), ("", "analyst")):
        with pytest.raises(Rejected) as refused:
            app.page(UserQuery(state="any"), user=user, authority=authority)
        assert refused.value.error is PERMISSION_DENIED


def test_the_app_decides_who_of_its_users_may_ask() -> None:
    asked = {"none": UserQuery(), "one": UserQuery(prefix="u"), "two": UserQuery(name="Te")}
    allowed = {"nobody": [], "search": ["two"], "everyone": ["none", "one", "two"]}
    for setting, names in allowed.items():
        app = App(AppSettings(user_query=setting))  # type: ignore[arg-type]
        app.put("u1", "Tea")
        for name, query in asked.items():
            if name in names:
                assert app.users(query) == ["u1"]
            else:
                with pytest.raises(Rejected) as refused:
                    app.page(query)
                assert refused.value.error is PERMISSION_DENIED
            assert app.users(query, user="", authority="server") == ["u1"]
    with pytest.raises(Rejected):
        App().page(UserQuery(name="Te"), user="")  # anonymous
    with pytest.raises(Rejected) as refused:
        App(CENTRIFUGE_COMPAT).page(UserQuery(), user="", authority="server")
    assert refused.value.error is NOT_AVAILABLE


def test_a_page_is_bounded_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_query, "LOOKED_AT_MAX", 3)
    monkeypatch.setattr(user_query, "PAGE_BYTES_MAX", 300)
    app = App()
    for n in range(150):
        name = "Rare" if n % 50 == 7 else "Often"
        app.put(f"u{n:03}", name, avatar=f"https://{'x' * 92}")
    page = app.page(UserQuery(q="rare", sort="id"))
    assert len(page["users"]) < 3
    assert page["next"]
    before = app.books["@users.0"].tables.read_count
    app.page(UserQuery(q="rare", sort="id"))
    assert app.books["@users.0"].tables.read_count - before < 150
    assert app.users(UserQuery(q="rare", sort="id")) == ["u007", "u057", "u107"]
    assert app.users(UserQuery()) == [f"u{n:03}" for n in range(150)]
    assert app.users(UserQuery(sort="newest")) == [f"u{n:03}" for n in reversed(range(150))]


def test_a_stream_that_does_not_answer_refuses_the_page() -> None:
    reads = turn_query(UserQuery(), Playbook("@users.0").edge_context(Viewer("ann")))
    whole = encode_json({"lines": []})
    with pytest.raises(Rejected) as refused:
        reads.then([whole] * (SHARDS - 1) + [Rejected(INTERNAL, "no leader")])
    assert refused.value.error.temporary
    with pytest.raises(Rejected):
        reads.then([whole] * (SHARDS - 1) + [None])
    assert reads.then([whole] * SHARDS) == b'{"users":[],"next":""}'


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (UserQuery(limit=0), BAD_REQUEST),
        (UserQuery(limit=PAGE_MAX + 1), BAD_REQUEST),
        (UserQuery(prefix="a b"), BAD_REQUEST),
        (UserQuery(prefix="\x00"), BAD_REQUEST),
        (UserQuery(q="..."), BAD_REQUEST),
        (UserQuery(q="a b c d e f g h i"), TOO_MANY),
        (UserQuery(name="x" * 129), TOO_LARGE),
        (UserQuery(sort="match"), BAD_REQUEST),
        (UserQuery(cursor="nonsense"), BAD_REQUEST),
        (UserQuery(cursor=make_cursor("id", ["", "a"]), sort="name"), BAD_REQUEST),
        (UserQuery(cursor=make_cursor("created", [-1, "a"]), sort="created"), BAD_REQUEST),
        (UserQuery(cursor=make_cursor("newest", [2**63, "a"]), sort="newest"), BAD_REQUEST),
        (UserQuery(created_since="yesterday"), BAD_REQUEST),
        (UserQuery(data={str(n): Raw(b"1") for n in range(6)}), TOO_MANY),
        (UserQuery(data={"a": Raw(b"[1]")}), BAD_REQUEST),
    ],
)
def test_bad_queries_are_refused(query: UserQuery, error: Any) -> None:
    with pytest.raises(Rejected) as refused:
        turn_query(query, Playbook("@users.0").edge_context(Viewer("ann")))
    assert refused.value.error is error


def test_a_link_is_the_same_query() -> None:
    ctx = Playbook("@users.0").edge_context(Viewer("ann"))
    link = turn_link(UserLink(name="Te", sort="newest", limit=3), ctx)
    query = turn_query(UserQuery(name="Te", sort="newest", limit=3), ctx)
    assert link.calls == query.calls
