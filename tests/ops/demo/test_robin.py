"""What the bot says, and to whom."""

from __future__ import annotations

from ops.demo import conversations
from ops.demo.robin import Robin, joined


def test_robin_answers_people_and_welcomes_them_but_never_itself() -> None:
    robin = Robin([], lambda _user: "")
    said = [
        robin._replies("dm:x", {"t": "message.created", "by": "alice", "seq": n}) for n in range(9)
    ]
    assert said[0] == [conversations.ANSWERS[0].format(name="Alice")]
    assert said[1] != said[0]
    assert all(len(texts) == 1 for texts in said)
    assert robin._replies("dm:x", {"t": "message.created", "by": "robin"}) == []
    assert robin._replies("open:lobby", {"t": "message.created", "by": "alice"}) == []
    assert robin._replies("dm:x", {"t": "message.edited", "by": "alice"}) == []
    joined_event = {"t": "member.joined", "users": ["zoe", "robin"]}
    assert robin._replies("group:x", joined_event) == [conversations.WELCOME.format(name="zoe")]


def test_robin_reads_its_channels_from_the_connection() -> None:
    rows = [{"channel": "dm:x", "state": "joined"}, {"channel": "group:y", "state": "invited"}]
    assert joined({"channels": rows}) == ["dm:x"]
    assert joined({}) == []
