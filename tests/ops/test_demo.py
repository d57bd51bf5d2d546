"""The demo's own parts: whose directory it may wipe, its ports, its people, its bot's words."""

from __future__ import annotations

import socket
import unicodedata
from pathlib import Path

import pytest

from hubbub.base.names import check_channel, check_user
from ops.answer import Exit, Failure
from ops.commands.demo import HOST, choose_port, claim
from ops.demo import conversations, people
from ops.demo.robin import Robin, joined
from ops.demo.show import MARKER, read_marker
from ops.directory import Directory, DirectoryLock


def test_fresh_wipes_only_a_directory_that_bears_the_marker(tmp_path: Path) -> None:
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").write_text("irreplaceable")
    for fresh in (True, False):
        with pytest.raises(Failure, match="something else than a demo"):
            claim(Directory(foreign), fresh=fresh)
    assert (foreign / "cat.jpg").read_text() == "irreplaceable"
    ours = tmp_path / "demo"
    claim(Directory(ours), fresh=False)
    (ours / "data").write_text("old")
    claim(Directory(ours), fresh=False)
    assert (ours / "data").exists()
    claim(Directory(ours), fresh=True)
    assert [path.name for path in ours.iterdir()] == [MARKER]
    assert read_marker(ours / MARKER)["seeded"] == 0


def test_a_marker_that_says_something_else_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"made_by": "somebody"}')
    with pytest.raises(Failure):
        claim(Directory(tmp_path), fresh=True)


def test_a_running_demo_is_not_wiped(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "d")
    claim(directory, fresh=False)
    directory.make()
    lock = DirectoryLock(directory)
    lock.acquire()
    try:
        with pytest.raises(Failure, match="runs already") as refused:
            claim(directory, fresh=True)
        assert refused.value.exit_code is Exit.CONFLICT
    finally:
        lock.release()


def test_a_taken_port_is_named_and_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        chosen = choose_port(port - 1, 2)  # the second edge's port is the taken one
        said = capsys.readouterr().err
    assert not {chosen, chosen + 1} & {port}
    assert f"port {port} is in use by pid" in said
    assert str(chosen) in said
    assert choose_port(0, 2) == 0


def test_people_and_rooms_fit_together() -> None:
    ids = {person.id for person in people.PEOPLE}
    assert {"alice", "bob", "chloe", "dan", "emma", "robin"} == ids
    for user in ids:
        check_user(user)
    for room in people.ROOMS:
        check_channel(room.channel)
        assert set(room.members) <= ids
        assert {author for author, _ in conversations.ROOMS[room.channel]} <= set(room.members)
    for pair, lines in conversations.PAIRS.items():
        assert pair in people.PAIRS
        assert {author for author, _ in lines} == set(pair)


def test_the_conversations_hold_what_breaks_chat_programs() -> None:
    lists = [*conversations.PAIRS.values(), *conversations.ROOMS.values()]
    texts = [text for lines in lists for _, text in lines]
    assert len(texts) == conversations.COUNT >= 200
    letters = {c for text in texts for c in text if c.isalpha() and not c.isascii()}
    scripts = {unicodedata.name(c).split()[0] for c in letters}
    assert {"LATIN", "HIRAGANA", "CJK", "ARABIC", "CYRILLIC"} <= scripts
    assert any("\u200d" in text for text in texts)  # an emoji of several code points
    assert any("\n" in text for text in texts)
    assert all(0 < len(text) <= 500 for text in texts)


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
    assert joined({"subs": {"#robin": {"data": {"channels": rows}}}}) == ["dm:x"]
    assert joined({}) == []
