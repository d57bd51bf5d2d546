"""A search on its way: the index proposes, the streams decide."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.wire.codec import decode_json
from hubbub.wire.search import Criteria, Place, Search, SearchAnswer
from hubbub.wire.shapes import Viewer
from node.presence import PresenceLists
from node.reads import Reads
from node.search.answers import ANSWER_MS, ROUNDS_MAX, Answers
from node.search.shapes import Find, Found
from tests.node.rig import Rig

ROOM, OTHER = "group:x", "group:y"


class Stage:
    """A rig, and an index that the test plays."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.mono_ms = 1_000
        self.asked: list[tuple[Find, Any]] = []
        self.done: list[SearchAnswer] = []
        reads = Reads(self.rig.engine, PresenceLists())
        self.answers = Answers(
            self.rig.slots, reads, self, lambda: self.rig.now_ms, lambda: self.mono_ms
        )
        self.rig.create(ROOM, members=("ben",))
        self.rig.create(OTHER, owner="cid")

    def find(self, ask: Find, done: Any) -> None:
        self.asked.append((ask, done))

    def indexed_ms(self, slots: Any) -> int:
        return 77

    def start(
        self, q: str = "tea", *, user: str = "ben", authority: str = "client", limit: int = 2
    ) -> None:
        keys = (ROOM, OTHER)
        slots = tuple(self.rig.engine.target_of("demo", key) for key in keys)
        viewer = Viewer(user, authority)
        search = Search(viewer, slots, keys, Criteria(q), None, limit)
        self.answers.start("demo", search, self.done.append)

    def found(self, *places: Place, **more: Any) -> None:
        ask, done = self.asked.pop(0)
        done(Found(ask.id, places, **more))

    def texts(self) -> list[str]:
        [answer] = self.done
        return [decode_json(hit.body, dict[str, Any])["message"]["text"] for hit in answer.hits]


def place(sent: Any, key: str = ROOM) -> Place:
    return (0, sent.ts_ms, key, sent.seq)


def test_what_the_viewer_may_not_see_is_made_up_for() -> None:
    stage = Stage()
    rig = stage.rig
    mine = [rig.send(ROOM, f"tea {n}") for n in range(3)]
    theirs = rig.send(OTHER, "tea secret", user="cid")
    stage.start()
    assert stage.asked[0][0].before is None
    stage.found(place(theirs, OTHER), place(mine[2]), has_more=True)
    ask, _ = stage.asked[0]
    assert ask.before == place(mine[2])
    stage.found(place(mine[1]), place(mine[0]))
    assert stage.texts() == ["tea 2", "tea 1"]
    assert (stage.done[0].has_more, stage.done[0].indexed_to_ms) == (True, 77)


def test_what_was_deleted_or_changed_meanwhile_is_not_shown() -> None:
    stage = Stage()
    rig = stage.rig
    sent = [rig.send(ROOM, f"tea {n}") for n in range(3)]
    rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent[0].id})
    rig.do(ROOM, "message.edit", {"channel": ROOM, "id": sent[1].id, "text": "milk"})
    stage.start(limit=5)
    stage.found(*(place(one) for one in reversed(sent)))
    assert stage.texts() == ["tea 2"]
    assert not stage.done[0].has_more


def test_a_server_key_sees_every_channel() -> None:
    stage = Stage()
    theirs = stage.rig.send(OTHER, "tea secret", user="cid")
    stage.start(user="", authority="server")
    stage.found(place(theirs, OTHER))
    assert stage.texts() == ["tea secret"]


def test_rounds_end_and_say_how_far_they_went() -> None:
    stage = Stage()
    theirs = [stage.rig.send(OTHER, "tea", user="cid") for _ in range(ROUNDS_MAX)]
    stage.start()
    for one in reversed(theirs):
        stage.found(place(one, OTHER), has_more=True)
    [answer] = stage.done
    assert (answer.hits, answer.has_more, answer.reached) == ((), True, place(theirs[0], OTHER))


def test_time_ends_it_too() -> None:
    stage = Stage()
    theirs = stage.rig.send(OTHER, "tea", user="cid")
    stage.start()
    stage.mono_ms += ANSWER_MS
    stage.found(place(theirs, OTHER), has_more=True)
    assert stage.done[0].reached == place(theirs, OTHER)


def test_an_index_that_gave_up_says_where() -> None:
    stage = Stage()
    stage.start()
    stage.found(has_more=True, reached=(0, 5, "", 0))
    assert (stage.done[0].reached, stage.done[0].is_whole) == ((0, 5, "", 0), True)


def test_no_index_is_told() -> None:
    stage = Stage()
    stage.start()
    _, done = stage.asked.pop()
    done(None)
    assert (stage.done[0].is_whole, stage.done[0].indexed_to_ms) == (False, 0)


def test_slots_that_are_not_led_here_are_named() -> None:
    stage = Stage()
    slot = stage.rig.slot(OTHER)
    del stage.rig.slots[slot.number]
    stage.start()
    assert stage.asked[0][0].keys == (ROOM,)
    stage.found()
    assert stage.done[0].elsewhere == (slot.number,)
    stage.rig.slots.clear()
    stage.start()
    assert len(stage.done[1].elsewhere) == 2
    assert not stage.asked


def test_a_stream_that_cannot_be_shown_makes_the_answer_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    sent = stage.rig.send(ROOM, "tea")

    def broken(*_: object) -> bytes:
        raise ValueError("a bug")

    monkeypatch.setattr(stage.answers.reads, "query", broken)
    stage.start()
    stage.found(place(sent))
    assert (stage.done[0].hits, stage.done[0].is_whole) == ((), False)
