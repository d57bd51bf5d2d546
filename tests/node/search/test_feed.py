"""From a slot's log to the index: everything once, from wherever the index stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hubbub.features.registry import REGISTRY
from hubbub.wire.search import Criteria
from node.ready import Record
from node.search import feed as feed_module
from node.search.feed import ENTRIES_MAX, Feeding
from node.search.index import Index
from node.search.shapes import Find
from tests.node.rig import SLOTS, Rig

ROOM = "group:x"


class Desk:
    """A rig whose slots are indexed."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig()
        self.folder = folder
        self.index = Index(folder, monotonic)
        self.feeding = Feeding(self.rig.slots, self.rig.store, REGISTRY)
        self.rig.create(ROOM, members=("ben",))
        self.begin()

    def begin(self) -> None:
        self.feeding.begin(self.index.stands())

    def restart(self, feeding: bool = True) -> None:
        """The child comes back; `feeding`: the whole node."""
        self.index.close()
        self.index = Index(self.folder, monotonic)
        if feeding:
            self.feeding = Feeding(self.rig.slots, self.rig.store, REGISTRY)
        self.begin()

    def feed(self) -> int:
        """Tell everything; how many feeds."""
        count = 0
        for number in self.rig.slots:
            self.feeding.note(number)
        while self.feeding.has_more:
            told = self.feeding.next()
            if told is not None:
                self.index.apply(told)
                self.feeding.fed()
                count += 1
        return count

    def found(self, q: str, **criteria: Any) -> list[int]:
        wanted = Criteria(q, **criteria)
        ask = Find(1, "demo", tuple(range(SLOTS)), (), wanted, None, 1_000, 10_000)
        return [place[3] for place in self.index.find(ask).places]

    def indexed_ms(self, key: str = ROOM) -> int:
        return self.feeding.indexed_ms(self.rig.slot(key).number, self.rig.now_ms)

    def trim(self) -> None:
        """The log of the room's slot begins behind everything."""
        slot = self.rig.slot(ROOM)
        token = slot.replica.next_token()
        ops = slot.replica.log.trim(slot.applied)
        self.rig.waiting.append(Record(slot.number, token, ops, b"", 0))
        self.rig.settle()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "search")
    yield made
    made.index.close()


def test_messages_are_found_and_changes_follow(desk: Desk) -> None:
    rig = desk.rig
    first = rig.send(ROOM, "green tea")
    second = rig.send(ROOM, "tea kettle", user="ben")
    desk.feed()
    assert desk.found("tea") == [second.seq, first.seq]
    assert desk.found("tea", by="ben") == [second.seq]
    rig.do(ROOM, "message.edit", {"channel": ROOM, "id": first.id, "text": "coffee"})
    rig.do(ROOM, "message.delete", {"channel": ROOM, "id": second.id}, user="ben")
    desk.feed()
    assert (desk.found("tea"), desk.found("coffee")) == ([], [first.seq])


def test_many_deleted_at_once_and_one_that_came_back(desk: Desk) -> None:
    rig = desk.rig
    sent = [rig.send(ROOM, f"tea {n}") for n in range(4)]
    ids = [one.id for one in sent[:3]]
    rig.do(ROOM, "message.bulk_delete", {"channel": ROOM, "ids": ids})
    desk.feed()
    assert desk.found("tea") == [sent[3].seq]
    undeleted = rig.do(
        ROOM, "message.undelete", {"channel": ROOM, "id": ids[0]}, authority="server"
    )
    assert undeleted.seq, undeleted
    desk.feed()
    assert desk.found("tea") == [sent[3].seq, sent[0].seq]


def test_emptying_a_channel_and_deleting_it(desk: Desk) -> None:
    rig = desk.rig
    sent = [rig.send(ROOM, "tea") for _ in range(4)]
    desk.feed()
    rig.do(ROOM, "channel.truncate", {"channel": ROOM, "before_seq": sent[2].seq})
    desk.feed()
    assert desk.found("tea") == [sent[3].seq, sent[2].seq]
    rig.do(ROOM, "channel.delete", {"channel": ROOM})
    desk.feed()
    assert desk.found("tea") == []


def test_what_has_no_words_is_found_by_its_sender(desk: Desk) -> None:
    body = {"channel": ROOM, "data": {"x": 1}, "type": "order"}
    sent = desk.rig.do(ROOM, "message.send", body)
    desk.feed()
    assert desk.found("", type="order") == desk.found("", by="alice") == [sent.seq]


def test_attachments_are_found_by_title_and_name(desk: Desk) -> None:
    attachments = [{"kind": "file", "url": "https://x.org/a", "name": "plan.pdf", "title": "Roof"}]
    body = {"channel": ROOM, "text": "see", "attachments": attachments}
    sent = desk.rig.do(ROOM, "message.send", body)
    desk.feed()
    assert desk.found("roof", attached=True) == desk.found("plan") == [sent.seq]


def test_a_child_that_comes_back_is_told_what_it_lacks(desk: Desk) -> None:
    first = desk.rig.send(ROOM, "tea")
    desk.feed()
    desk.restart(feeding=False)
    second = desk.rig.send(ROOM, "tea")
    desk.feed()
    desk.restart()
    assert desk.found("tea") == [second.seq, first.seq]
    before = desk.feeding.counts.changes_total
    desk.feed()
    assert desk.feeding.counts.changes_total == before, "what it has is not told again"


def test_a_feed_that_was_lost_is_told_again(desk: Desk) -> None:
    sent = desk.rig.send(ROOM, "tea")
    desk.feeding.note(desk.rig.slot(ROOM).number)
    assert desk.feeding.next() is not None  # and the child dies
    desk.feeding.end()
    desk.restart(feeding=False)
    desk.feed()
    assert desk.found("tea") == [sent.seq]


def test_a_feed_for_which_there_was_no_room_is_told_again(desk: Desk) -> None:
    seqs = [desk.rig.send(ROOM, f"tea {n}").seq for n in range(3)]
    number = desk.rig.slot(ROOM).number
    desk.feeding.note(number)
    told = desk.feeding.next()
    assert told is not None
    desk.feeding.refused()
    assert desk.found("tea") == []
    assert desk.feeding.behind() > 0
    again = desk.feeding.next()
    assert again is not None
    assert [change.seq for change in again.changes] == [change.seq for change in told.changes]
    desk.index.apply(again)
    desk.feeding.fed()
    assert desk.found("tea") == seqs[::-1]
    assert desk.feed() == 0


def test_lost_files_are_built_anew_from_the_log(desk: Desk) -> None:
    sent = [desk.rig.send(ROOM, "tea").seq for _ in range(ENTRIES_MAX + 50)]
    desk.feed()
    desk.index.close()
    desk.folder = desk.folder.parent / "other"
    desk.index = Index(desk.folder, monotonic)
    desk.begin()
    assert desk.indexed_ms() == 0
    assert desk.feed() >= 2
    assert desk.found("tea") == sent[::-1]
    assert desk.feeding.counts.rebuilt_total == 0


def test_where_the_log_ends_the_stored_rows_are_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "SCANNED_ROWS", 7)
    rig = desk.rig
    sent = [rig.send(ROOM, f"tea {n}") for n in range(30)]
    rig.do(ROOM, "message.edit", {"channel": ROOM, "id": sent[3].id, "text": "coffee"})
    rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent[4].id})
    desk.trim()
    late = rig.send(ROOM, "tea late")
    for number in rig.slots:
        desk.feeding.note(number)
    told = desk.feeding.next()
    assert told is not None
    rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent[0].id})  # while it is built
    desk.index.apply(told)
    desk.feeding.fed()
    desk.restart()  # it goes on where it stood
    desk.feed()
    expected = [one.seq for one in [*sent[1:3], *sent[5:], late]]
    assert desk.found("tea") == expected[::-1]
    assert desk.found("coffee") == [sent[3].seq]
    [stand] = [s for s in desk.index.stands() if s.slot == rig.slot(ROOM).number]
    assert (stand.scanned, stand.applied) == (b"", rig.slot(ROOM).applied)


def test_another_incarnation_begins_anew(desk: Desk) -> None:
    sent = desk.rig.send(ROOM, "tea")
    desk.feed()
    [stand] = [s for s in desk.index.stands() if s.slot == desk.rig.slot(ROOM).number]
    foreign = type(stand)(stand.slot, b"another1", stand.applied)
    desk.feeding.begin([foreign])
    assert desk.indexed_ms() == 0
    desk.feed()
    assert desk.indexed_ms() == desk.rig.now_ms
    desk.feeding._stands[stand.slot] = foreign  # the slot began anew while the index was fed
    assert desk.indexed_ms() == 0
    desk.feed()
    assert desk.found("tea") == [sent.seq]
    assert desk.feeding.counts.changes_total == 3


def test_a_copy_that_was_given_up_is_forgotten(desk: Desk) -> None:
    desk.rig.send(ROOM, "tea")
    desk.feed()
    number = desk.rig.slot(ROOM).number
    del desk.rig.slots[number]
    assert desk.feeding.note_gone()
    desk.feed()
    assert not desk.feeding.note_gone()
    assert (desk.found("tea"), number in {s.slot for s in desk.index.stands()}) == ([], False)


def test_it_says_up_to_when_everything_is_in_the_index(desk: Desk) -> None:
    rig = desk.rig
    rig.send(ROOM, "tea")
    desk.feed()
    rig.now_ms += 5_000
    assert desk.indexed_ms() == rig.now_ms
    said_ms = rig.send(ROOM, "tea").ts_ms
    desk.feeding.note(rig.slot(ROOM).number)
    rig.now_ms += 5_000
    assert desk.indexed_ms() == said_ms - 1
    assert desk.feeding.behind() > 0
    told = desk.feeding.next()
    assert told is not None
    assert desk.indexed_ms() == said_ms - 1, "it is told, and may be lost"
    desk.index.apply(told)
    desk.feeding.fed()
    later_ms = rig.send(ROOM, "tea").ts_ms
    assert desk.indexed_ms() == later_ms - 1, "what was found before does not go back"
    desk.feed()
    assert (desk.indexed_ms(), desk.feeding.behind()) == (rig.now_ms, 0)
    desk.feeding.end()
    assert desk.indexed_ms() == 0


def test_entries_without_messages_cost_no_feed(desk: Desk) -> None:
    desk.rig.send(ROOM, "tea")
    desk.feed()
    for user in ("ben", "alice"):
        desk.rig.do(ROOM, "mark.read", {"channel": ROOM, "upto": 1}, user=user)
    assert desk.feed() == 0
    assert desk.indexed_ms() == desk.rig.now_ms


def test_before_anything_was_said_there_is_nothing_to_index() -> None:
    rig = Rig()
    feeding = Feeding(rig.slots, rig.store, REGISTRY)
    assert not feeding.has_rows()
    assert feeding.indexed_ms(3, 77) == 77
    rig.create(ROOM)
    assert feeding.has_rows()


def test_a_deleted_apps_words_leave_the_index(desk: Desk) -> None:
    for text in ("green tea", "black tea"):
        desk.rig.send(ROOM, text)
    made = desk.rig.command("channel.create", {"channel": ROOM, "members": []})
    desk.rig.submit(ROOM, made, "other")
    said = desk.rig.command("message.send", {"channel": ROOM, "text": "white tea"})
    desk.rig.submit(ROOM, said, "other")
    desk.rig.settle()
    desk.feed()
    assert len(desk.found("tea")) == 2
    desk.rig.obey(desk.rig.slot(ROOM).app_gone("demo", (), desk.rig.now))
    desk.rig.settle()
    desk.feed()
    assert desk.found("tea") == []
    ask = Find(1, "other", tuple(range(SLOTS)), (), Criteria("tea"), None, 1_000, 10_000)
    assert len(desk.index.find(ask).places) == 1
    desk.restart()
    desk.feed()
    assert desk.found("tea") == []
