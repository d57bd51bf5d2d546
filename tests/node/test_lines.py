"""Lines that are kept are the lines that would be made: compared after every step."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from hubbub.wire.codec import decode_json, decode_pack, encode_pack
from hubbub.wire.shapes import HeadsAnswer, HeadsQuery, Kind, Lines, LinesAsk
from node.lines import NOT_LED, KeptLines
from node.store.api import StoreError
from tests.node.bench import Bench
from tests.node.rig import APP

ROOMS = tuple(f"group:{n}" for n in range(8))
PEOPLE = ("alice", "bob", "eve")


class Rooms:
    """Rooms in several slots, and what people are told of them."""

    def __init__(self, lines_max: int = 1_000) -> None:
        self.bench = Bench()
        self.rig = self.bench.rig
        self.kept = self.rig.context.caches.lines = KeptLines(lines_max)
        self.bench.service.reads.lines = self.kept
        for room in ROOMS:
            self.rig.create(room, members=PEOPLE[1:])

    def told(self, user: str, rooms: tuple[str, ...] = ROOMS) -> Lines:
        slots = tuple(self.rig.engine.target_of(APP, room) for room in rooms)
        ask = HeadsQuery("edge-1.7", (), lines=(LinesAsk(APP, user, slots, rooms),))
        message = self.bench.answer(self.bench.ask(Kind.HEADS, "", encode_pack(ask)))
        (lines,) = decode_pack(message.body, HeadsAnswer).lines
        return lines

    def plain(self, user: str, rooms: tuple[str, ...] = ROOMS) -> Lines:
        """The same without anything that is kept."""
        seqs, lines = [], []
        for room in rooms:
            slot = self.bench.led.get(self.rig.engine.target_of(APP, room))
            if slot is None or not slot.is_active:
                seqs.append(NOT_LED)
                continue
            stream = slot.overlay.stream(APP, room)
            stream.figures.clear()
            stream.preview = stream.opening = None
            seq, line = self.bench.service.reads.line(slot, APP, room, user)
            seqs.append(seq)
            lines.append(line)
        return Lines(tuple(seqs), b",".join(lines))


@pytest.mark.parametrize("seed", range(3))
def test_they_are_what_would_be_made_now(seed: int) -> None:
    random, rooms = Random(seed), Rooms(lines_max=20)
    sent: dict[str, list[Any]] = {room: [] for room in ROOMS}

    def send(room: str) -> None:
        sent[room].append(rooms.rig.send(room, f"m{random.random()}", user=random.choice(PEOPLE)))

    def mark(room: str) -> None:
        upto = {"channel": room, "upto": sent[room][-1].seq}
        rooms.rig.do(room, "mark.read", upto, user=random.choice(PEOPLE))

    def edit(room: str) -> None:
        body = {"channel": room, "id": sent[room][-1].id}
        if random.random() < 0.5:
            rooms.rig.do(room, "message.delete", body)
        else:
            rooms.rig.do(room, "message.edit", {**body, "text": "new"})

    def move(room: str) -> None:
        number = rooms.rig.engine.target_of(APP, room)
        if rooms.bench.led.pop(number, None) is None:
            rooms.bench.led[number] = rooms.rig.slots[number]

    def install(room: str) -> None:
        rooms.rig.slot(room).overlay.reset()

    for _ in range(120):
        room = random.choice(ROOMS)
        steps = [send, send, send, mark, mark, edit] if sent[room] else [send]
        random.choice([*steps, move, install] if random.random() < 0.3 else steps)(room)
        some = ROOMS[: random.choice((3, 8, 8))]
        for user in random.sample(PEOPLE, 2):
            kept, plain = rooms.told(user, some), rooms.plain(user, some)
            assert kept.seqs == plain.seqs
            assert decode_json(b"{%b}" % kept.json, dict) == decode_json(b"{%b}" % plain.json, dict)
        assert len(rooms.kept) <= 20
    assert rooms.kept.dropped


def test_only_what_moved_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms, made = Rooms(), list[str]()
    line = rooms.bench.service.reads.line

    def counted(slot: Any, app: str, key: str, user: str) -> Any:
        made.append(key)
        return line(slot, app, key, user)

    monkeypatch.setattr(rooms.bench.service.reads, "line", counted)
    first = rooms.told("bob")
    assert (rooms.told("bob"), len(made)) == (first, len(ROOMS))
    rooms.rig.send(ROOMS[3], "hi")
    assert rooms.told("bob") != first
    assert made[len(ROOMS) :] == [ROOMS[3]]


def test_of_a_slot_that_moves_its_own_lines_alone_are_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms, made = Rooms(), list[str]()
    line = rooms.bench.service.reads.line

    def counted(slot: Any, app: str, key: str, user: str) -> Any:
        made.append(key)
        return line(slot, app, key, user)

    monkeypatch.setattr(rooms.bench.service.reads, "line", counted)
    whole = rooms.told("bob")
    number = rooms.rig.engine.target_of(APP, ROOMS[3])
    moved = [room for room in ROOMS if rooms.rig.engine.target_of(APP, room) == number]
    slot = rooms.bench.led.pop(number)
    made.clear()
    without = rooms.told("bob")
    assert made == []
    assert [seq == NOT_LED for seq in without.seqs] == [room in moved for room in ROOMS]
    assert not any(room.encode() in without.json for room in moved)
    rooms.bench.led[number] = slot
    assert (rooms.told("bob"), made) == (whole, moved)
    slot.step_down()
    assert [seq == NOT_LED for seq in rooms.told("bob").seqs] == [room in moved for room in ROOMS]


def test_what_could_not_be_read_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = Rooms()
    with monkeypatch.context() as patch:

        def damaged(*_: Any) -> Any:
            raise StoreError("Corruption: block checksum mismatch")

        patch.setattr(rooms.bench.service.reads, "line", damaged)
        patch.setattr(rooms.bench.service._copies, "unreadable", lambda *_: None)
        assert rooms.told("bob").seqs == (NOT_LED,) * len(ROOMS)
    assert rooms.told("bob").seqs == (1,) * len(ROOMS)
