"""A line of the list from its row and what its user has set."""

from __future__ import annotations

from hubbub.features.list_rows import ListedChannel, ListState, OwnRow, line
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role


def test_a_line_shows_the_row_and_what_was_set() -> None:
    own = OwnRow(muted=True, muted_until_ms=1_000, favourite=True)
    assert line("group:x", ChannelKind.GROUP, Role.INVITED, "X", "", own) == ListedChannel(
        channel="group:x",
        kind=ChannelKind.GROUP,
        state=ListState.INVITED,
        role=Role.INVITED,
        name="X",
        muted=True,
        muted_until="1970-01-01T00:00:01.000Z",
        favourite=True,
    )
    assert line("dm:x", ChannelKind.DM, Role.MEMBER, "", "bob", OwnRow()).state is ListState.JOINED
