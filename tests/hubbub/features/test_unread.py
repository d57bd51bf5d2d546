"""The badge over all channels, all read, and why a message counts."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import BAD_REQUEST, CHANNEL_NOT_FOUND, PERMISSION_DENIED, Rejected
from hubbub.features.contract import Errand, HeadsCall, QueryCall, Several
from hubbub.features.list_index import Index
from hubbub.features.marks import MarkRead
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.thread_marks import ReadThreads
from hubbub.features.unread import (
    ALL_READ_MAX,
    AT_ONCE,
    ExplainRequest,
    TotalRequest,
    turn_all_read,
    turn_total,
)
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import Playbook

X = "group:x"


def head(channel: str, seq: int, **figures: Any) -> HeadRow:
    return HeadRow("demo", channel, True, "e", seq, 0, b"", (encode_json(figures),))


def walk(errand: Errand, heads: dict[str, HeadRow]) -> tuple[list[Any], dict[str, int]]:
    """Answer an errand's steps; (the steps, its answer)."""
    rows = list(heads)
    steps, seen, answer = errand.steps(), list[Any](), None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return seen, decode_json(end.value, dict[str, int])
        seen.append(step)
        if isinstance(step, QueryCall):
            answer = encode_json(Index(rows))
        elif isinstance(step, HeadsCall):
            answer = {key: heads[key] for key in step.keys}
        else:
            answer = b"{}"


def edge_context(user: str = "ann") -> Any:
    return Playbook("#ann").edge_context(Viewer(user))


def test_the_badge_is_one_question_about_channels_that_are_not_muted() -> None:
    heads = {
        "group:a": head("group:a", 9, unread=3, mentions=1),
        "group:b": head("group:b", 5, unread=0, mentions=0, threads={"unread": 2, "mentions": 1}),
        "group:c": head("group:c", 7, unread=4, mentions=0),
    }
    steps, answer = walk(turn_total(TotalRequest(), edge_context()), heads)
    assert walk(turn_total(TotalRequest("ann"), edge_context("")), heads)[0] == steps
    threads = {"threads_unread": 2, "threads_mentions": 1}
    assert answer == {"unread": 7, "mentions": 1, "channels": 3} | threads
    index, figures = steps
    assert (index.key, index.args.muted, index.args.state) == ("#ann", False, "joined")
    assert (figures.keys, figures.user) == (tuple(heads), "ann")


def test_all_read_marks_what_was_seen_and_nothing_else() -> None:
    heads = {f"group:{n}": head(f"group:{n}", n + 1, unread=n % 2) for n in range(1_000)}
    steps, answer = walk(turn_all_read(TotalRequest(), edge_context()), heads)
    marks = [command for step in steps if isinstance(step, Several) for command in step.commands]
    assert marks == [MarkRead(channel=f"group:{n}", upto=n + 1) for n in range(1, 1_000, 2)]
    assert max(len(step.commands) for step in steps if isinstance(step, Several)) == AT_ONCE
    assert answer == {"channels": 500}


def test_all_read_reads_threads_too() -> None:
    heads = {
        "group:a": head("group:a", 9, unread=3, threads={"unread": 1}),
        "group:b": head("group:b", 5, unread=0, threads={"unread": 1}),
    }
    steps, answer = walk(turn_all_read(TotalRequest(), edge_context()), heads)
    assert answer == {"channels": 2}
    assert steps[-1].commands == (
        MarkRead(channel="group:a", upto=9),
        ReadThreads(channel="group:a", upto=9),
        ReadThreads(channel="group:b", upto=5),
    )


def test_all_read_is_bounded_and_says_what_is_left() -> None:
    heads = {f"group:{n}": head(f"group:{n}", 5, unread=1) for n in range(ALL_READ_MAX + 7)}
    context = edge_context("")
    steps, answer = walk(turn_all_read(TotalRequest("ann"), context), heads)
    assert answer == {"channels": ALL_READ_MAX, "left": 7}
    assert steps[-1].commands[0].by == "ann", "a server key acts for him"


def test_every_message_says_why_it_counts() -> None:
    book = Playbook(X, owner="ann", members=["bob"], settings=AppSettings(send_per_channel=OFF))
    book.do("ann", SendMessage(channel=X, text="plain"))
    book.do("ann", SendMessage(channel=X, text="you", mentions=("bob",)))
    book.do("bob", SendMessage(channel=X, text="own"))
    book.do("ann", SendMessage(channel=X, text="psst", silent=True))
    book.do("ann", SendMessage(channel=X, text="gone"))
    book.do("ann", DeleteMessage(channel=X, id=book.outcome.id))
    book.do("ann", SendMessage(channel=X, text="edited"))
    first = book.outcome.id
    book.do("ann", EditMessage(channel=X, id=first, text="again"))
    book.do("ann", SendMessage(channel=X, text="reply", thread=first))
    book.do("ann", SendMessage(channel=X, text="both", thread=first, also_in_channel=True))
    book.do("", SendMessage(channel=X, text="hear ye", kind="system"), authority="server")

    def explain(**more: Any) -> dict[str, Any]:
        asked = ExplainRequest(X, "bob", **more)
        return book.query("", "unread.explain", asked, authority="server")

    answer = explain()
    found = [(m["seq"], m["counts"], m["why"]) for m in answer.pop("messages")]
    assert found == [
        (2, True, "message"),
        (3, True, "mention"),
        (4, False, "own"),
        (5, False, "silent"),
        (6, False, "deleted"),
        (8, True, "message"),
        (10, False, "thread"),
        (12, True, "message"),
        (13, False, "system"),
    ]
    assert answer == {"mark": 1, "rev": 0, "head": 13, "unread": 4, "mentions": 1}
    assert answer["unread"] == sum(counts for _, counts, _ in found)
    page = explain(limit=2)
    assert (len(page["messages"]), page["next"]) == (2, 3)
    assert explain(after=3, limit=9)["messages"][0]["seq"] == 4
    while book.tables.head_seq < 300:
        named = ("bob",) if book.tables.head_seq % 3 == 0 else ()
        book.do("ann", SendMessage(channel=X, text="n", mentions=named))
    for one in explain(after=150, limit=150)["messages"]:
        assert one["why"] == ("mention" if one["seq"] % 3 == 1 else "message")
    assert explain(after=280)["messages"][-1] == {"seq": 300, "counts": True, "why": "message"}


def test_refusals() -> None:
    book = Playbook(X, owner="ann", members=["bob"])

    def code(user: str, asked: ExplainRequest, authority: str) -> object:
        with pytest.raises(Rejected) as refused:
            book.query(user, "unread.explain", asked, authority=authority)
        return refused.value.error

    assert code("bob", ExplainRequest(X, "bob"), "client") is PERMISSION_DENIED
    assert code("", ExplainRequest(X, "eve"), "server") is BAD_REQUEST
    assert code("", ExplainRequest(X, "bob", limit=0), "server") is BAD_REQUEST
    nowhere = Playbook("group:none")
    with pytest.raises(Rejected) as refused:
        nowhere.query("", "unread.explain", ExplainRequest("group:none", "bob"), authority="server")
    assert refused.value.error is CHANNEL_NOT_FOUND
