"""What a full disk stops, and when that ends."""

from __future__ import annotations

import pytest

from node.room import Level, Room, RoomLimits

LIMITS = RoomLimits(headroom_bytes=10_000)


def looked(room: Room, percent: float) -> Level:
    room.look(round(percent * 10), round((100 - percent) * 10))
    return room.level


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (84.9, Level.FINE),
        (85.0, Level.ALARM),
        (92.0, Level.NO_MOVES),
        (95.0, Level.FULL),
        (100.0, Level.FULL),
    ],
)
def test_each_level_begins_at_its_share(percent: float, level: Level) -> None:
    assert looked(Room(LIMITS), percent) is level


def test_a_level_is_left_a_percent_below_where_it_began() -> None:
    room = Room(LIMITS)
    said = [looked(room, percent) for percent in (95, 94.5, 93.9, 92, 91.5, 90.9, 84.5, 83.9)]
    assert said == [
        Level.FULL,
        Level.FULL,
        Level.NO_MOVES,
        Level.NO_MOVES,
        Level.NO_MOVES,
        Level.ALARM,
        Level.ALARM,
        Level.FINE,
    ]


def test_it_says_when_the_level_changes() -> None:
    room = Room(LIMITS)
    assert not room.look(10, 90)
    assert room.look(96, 4)
    assert not room.look(97, 3)


def test_a_large_disk_with_room_left_is_fine_at_any_share() -> None:
    room = Room(RoomLimits(headroom_bytes=1_000))
    room.look(980_000, 1_000)
    assert room.level is Level.FINE
    room.look(980_001, 999)
    assert room.level is Level.FULL


def test_only_what_makes_room_is_taken_by_a_full_disk() -> None:
    room = Room(LIMITS)
    assert not room.refuses("message.send")
    looked(room, 96)
    assert room.refuses("message.send")
    assert not room.refuses("message.delete")
    assert not room.refuses("channel.truncate")
    assert room.refused_total == 1
