"""The demo's people and rooms fit together."""

from __future__ import annotations

from hubbub.base.names import check_channel, check_user
from ops.demo import conversations, people


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
