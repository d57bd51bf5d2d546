"""The errand of `channel.query` over a list of its own and heads that the test plays."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    PERMISSION_DENIED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features.channel_list import PutListed
from hubbub.features.channel_query import (
    ChannelQuery,
    EqualRequest,
    SharedRequest,
    turn_query,
)
from hubbub.features.channels import CreateChannel
from hubbub.features.contract import Errand, HeadsCall, Keep, QueryCall, Recall
from hubbub.features.fields import (
    META_BYTES_MAX,
)
from hubbub.features.list_index import IndexRequest
from hubbub.features.list_rows import ListState
from hubbub.features.list_settings import SetListed
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import Playbook

# name → (kind, last message ms, unread); created at 1
CHANNELS = {
    "group:tea": (ChannelKind.GROUP, 500, 2),
    "group:coffee": (ChannelKind.GROUP, 900, 0),
    "dm:bob": (ChannelKind.DM, 700, 5),
    "open:hall": (ChannelKind.OPEN, 0, 0),
}
INVITED = "group:invited"


class World:
    """ann's list, and channels that answer."""

    def __init__(self) -> None:
        self.book = Playbook("#ann")
        for channel, (kind, _, _) in CHANNELS.items():
            self.put(channel, kind, Role.MEMBER)
        self.put(INVITED, ChannelKind.GROUP, Role.INVITED)
        self.questions: list[HeadsCall] = []
        self.memory: dict[str, Any] = {}

    def put(self, channel: str, kind: ChannelKind, role: Role) -> None:
        name = channel.partition(":")[2].title()
        put = PutListed(user="ann", channel=channel, kind=kind, role=role, name=name)
        self.book.do("", put, authority="system")

    def set(self, channel: str, **fields: Any) -> None:
        self.book.do("ann", SetListed(user="ann", channel=channel, **fields))

    def ask(self, user: str = "ann", **fields: Any) -> dict[str, Any]:
        errand = turn_query(ChannelQuery(**fields), self.book.edge_context(Viewer(user)))
        assert isinstance(errand, Errand)
        steps = errand.steps()
        step: Any = next(steps)
        while True:
            try:
                step = steps.send(self.answer(step))
            except StopIteration as end:
                return decode_json(end.value, dict[str, Any])

    def answer(self, step: QueryCall | HeadsCall | Recall | Keep) -> Any:
        if isinstance(step, Recall):
            return self.memory.get(step.key)
        if isinstance(step, Keep):
            self.memory[step.key] = step.value
            return None
        if isinstance(step, QueryCall):
            book = self.book if step.key == "#ann" else Playbook(step.key)
            if step.key == "#bob":
                put = PutListed(
                    user="bob", channel="group:tea", kind=ChannelKind.GROUP, role=Role.MEMBER
                )
                book.do("", put, authority="system")
            return encode_json(book.query("ann", step.name, step.args))
        self.questions.append(step)
        rows = {key: self.head(key, step) for key in step.keys}
        if not step.best:
            return rows
        places = sorted((-(row.message_ms or row.ts_ms), key) for key, row in rows.items())
        behind = [at for at in places if step.after is None or at > step.after]
        return {key: rows[key] for _, key in behind[: step.best]}

    def head(self, key: str, call: HeadsCall) -> HeadRow:
        _, ms, unread = CHANNELS.get(key, (None, 0, 0))
        answer = b""
        if call.query == "channel.data_equals":
            answer = encode_json({"equal": key == "group:coffee"})
        elif call.query == "channel.get" and key != INVITED:
            answer = b'{"members":3}'
        fields = (b'{"unread":%d,"mark":1}' % unread,) if call.user else ()
        return HeadRow(
            "demo", key, True, "e", 9, ms or 1, b'{"t":1}' if call.preview else b"", fields,
            message_seq=8 if ms else 0, message_ms=ms, answer=answer,
        )  # fmt: skip

    def names(self, **fields: Any) -> list[str]:
        return [row["channel"] for row in self.ask(**fields)["channels"]]


def test_the_channel_that_spoke_last_comes_first_and_a_line_says_all() -> None:
    world = World()
    page = world.ask()
    assert [row["channel"] for row in page["channels"]] == [
        "group:coffee",
        "dm:bob",
        "group:tea",
        INVITED,
        "open:hall",
    ]
    assert page["channels"][0] == {
        "channel": "group:coffee",
        "kind": "group",
        "state": "joined",
        "role": "member",
        "name": "Coffee",
        "head": {
            "seq": 9,
            "ts": "1970-01-01T00:00:00.900Z",
            "preview": {"t": 1},
            "unread": 0,
            "mark": 1,
        },
        "info": {"members": 3},
    }
    assert "info" not in page["channels"][3]
    assert page["channels"][4]["head"]["ts"] == "1970-01-01T00:00:00.001Z", "its own, of no message"
    all_heads, details = world.questions
    assert (len(all_heads.keys), all_heads.user, all_heads.preview) == (5, "", False)
    assert (details.user, details.preview, details.query) == ("ann", True, "channel.get")


def test_other_orders() -> None:
    world = World()
    assert world.names(sort="unread") == [
        "dm:bob",
        "group:tea",
        "group:coffee",
        INVITED,
        "open:hall",
    ]
    world.questions.clear()
    assert world.names(sort="name", limit=2) == ["dm:bob", "group:coffee"]
    [details] = world.questions
    assert details.keys == ("dm:bob", "group:coffee")


@pytest.mark.parametrize("sort", ["last_message", "unread", "name"])
def test_pages_follow_one_another(sort: str) -> None:
    world = World()
    whole = world.names(sort=sort, limit=100)
    found: list[str] = []
    cursor = ""
    while True:
        page = world.ask(sort=sort, limit=2, cursor=cursor)
        found += [row["channel"] for row in page["channels"]]
        cursor = page["next"]
        if not cursor:
            break
    assert found == whole
    wrong = {"last_message": "name", "unread": "name", "name": "unread"}[sort]
    cursor = world.ask(sort=wrong, limit=2)["next"]
    with pytest.raises(Rejected) as caught:
        world.ask(sort=sort, cursor=cursor)
    assert caught.value.error is BAD_REQUEST


def test_filters() -> None:
    world = World()
    assert world.names(kind=ChannelKind.DM) == ["dm:bob"]
    assert world.names(state=ListState.INVITED) == [INVITED]
    assert world.names(prefix="COF") == ["group:coffee"]
    assert world.names(unread=True) == ["dm:bob", "group:tea"]
    assert world.names(member="bob") == ["group:tea"]
    assert world.names(data={"topic": Raw(b'"beans"')}) == ["group:coffee"]
    assert world.names(prefix="x") == []
    world.set("group:tea", favourite=True, muted=True)
    world.set("group:coffee", archived=True, muted=True, muted_until=1)
    assert world.names(favourite=True) == ["group:tea"]
    assert world.names(muted=True) == ["group:tea"]
    assert "group:coffee" in world.names(muted=False)
    assert world.names(archived=True) == ["group:coffee"]
    assert "group:coffee" not in world.names(archived=False)


def test_what_is_hidden_until_a_message_comes_back_with_it() -> None:
    world = World()
    world.set("group:tea", hidden="until_message", hidden_seq=8)
    world.set("dm:bob", hidden="until_message", hidden_seq=7)
    world.set("group:coffee", hidden="for_good")
    assert world.names(sort="name") == ["dm:bob", "open:hall", INVITED]
    assert world.names(hidden=True, sort="name") == ["group:coffee", "group:tea"]
    assert len(world.names(hidden=None, sort="name")) == 5
    assert world.names(sort="unread") == ["dm:bob", INVITED, "open:hall"]
    assert world.names(sort="unread", hidden=True) == ["group:tea", "group:coffee"]
    assert (
        world.names(sort="unread", hidden=None, limit=3)
        == world.names(sort="unread", hidden=None)[:3]
        == ["dm:bob", "group:tea", "group:coffee"]
    )
    world.questions.clear()
    world.names(sort="unread")
    assert "group:coffee" not in world.questions[0].keys, "nobody asks for it"
    assert world.names(unread=True, sort="name") == ["dm:bob"]


def test_a_list_is_its_users_own() -> None:
    book = Playbook("#ann")
    with pytest.raises(Rejected) as caught:
        book.query("bob", "user.channel_index", IndexRequest())
    assert caught.value.error is PERMISSION_DENIED
    assert book.query("", "user.channel_index", IndexRequest(), authority="server") == {}
    assert book.query("bob", "user.shared_channels", SharedRequest(["group:x"])) == {"channels": []}
    for key, role in (("group:x", Role.MEMBER), ("group:y", Role.INVITED)):
        put = PutListed(user="ann", channel=key, kind=ChannelKind.GROUP, role=role)
        book.do("", put, authority="system")
    shared = SharedRequest(["group:x", "group:y", "group:z"])
    answer = book.query("bob", "user.shared_channels", shared)
    assert answer == {"channels": ["group:x"]}, "to be asked in is not to be in it"
    large = {"k": Raw(b'"' + b"x" * META_BYTES_MAX + b'"')}
    for wrong, error in (
        (ChannelQuery(limit=0), BAD_REQUEST),
        (ChannelQuery(limit=101), BAD_REQUEST),
        (ChannelQuery(member="a b"), BAD_REQUEST),
        (ChannelQuery(user="a b"), BAD_REQUEST),
        (ChannelQuery(data=large), TOO_LARGE),
    ):
        with pytest.raises(Rejected) as caught:
            turn_query(wrong, book.edge_context(Viewer("ann")))
        assert caught.value.error is error
    server = book.edge_context(Viewer("", "server"))
    with pytest.raises(Rejected) as caught:
        turn_query(ChannelQuery(), server)
    assert caught.value.error is BAD_REQUEST
    errand = turn_query(ChannelQuery(user="ann"), server)
    assert isinstance(errand, Errand)
    assert next(errand.steps()) == Recall("channel_list ann")


def test_custom_data_is_compared_by_value() -> None:
    book = Playbook("group:x")
    data = Raw(b'{"topic": "beans", "n": 1, "deep": {"a": [1, 2]}}')
    book.do("ann", CreateChannel(channel="group:x", data=data))

    def equal(**wanted: str) -> bool:
        request = EqualRequest({key: Raw(value.encode()) for key, value in wanted.items()})
        answer: bool = book.query("ann", "channel.data_equals", request)["equal"]
        return answer

    assert equal(topic='"beans"', n="1")
    assert equal(deep='{"a":[1,2]}')
    assert not equal(topic='"tea"')
    assert not equal(other="null")
    for other in (UNSET, Raw(b"[1]")):
        book = Playbook("group:x")
        book.do("ann", CreateChannel(channel="group:x", data=other))
        assert not equal(topic='"beans"')
