"""Reactions, replies and polls of the demo's people."""

from __future__ import annotations

from ops.demo import asides, conversations, people


def test_what_was_added_belongs_to_one_line_each_and_comes_from_those_who_are_there() -> None:
    lines = {**conversations.PAIRS, **conversations.ROOMS}
    members: dict[asides.Place, tuple[str, ...]] = {pair: pair for pair in people.PAIRS}
    members |= {room.channel: room.members for room in people.ROOMS}
    for place, added in asides.ASIDES.items():
        for aside in added:
            texts = [text for _, text in lines[place]]
            assert sum(text.startswith(aside.line) for text in texts) == 1, aside.line
            users = {user for user, _ in (*aside.reactions, *aside.replies)}
            assert users <= set(members[place])
            assert len(set(aside.reactions)) == len(aside.reactions)
    for place, polls in asides.POLLS.items():
        for poll in polls:
            assert {poll.by, *poll.votes} <= set(members[place])
            chosen = [option for options in poll.votes.values() for option in options]
            assert set(chosen) <= set(range(1, len(poll.options) + 1))
    assert asides.COUNT >= 10
