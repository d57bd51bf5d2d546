"""Polls as they are kept: rows, and from them the poll of a message as it stands now.

A poll belongs to a message and has its id; rows are keyed by the message's seq. `polls` writes
them, `messages` shows them with the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.features.contract import Table, Tables
from hubbub.features.publication import rfc3339
from hubbub.model.poll import Poll, PollOption


class OptionRow(Struct, frozen=True, array_like=True, gc=False):
    """`by` is empty for those that came with the poll."""

    text: str
    by: str = ""


class PollRow(Struct, frozen=True, array_like=True, gc=False):
    """What changes seldom. `closes_ms`, `closed_ms`: 0 for never, and for not yet."""

    id: str
    by: str
    options: tuple[OptionRow, ...]
    votes_max: int = 1
    anonymous: bool = False
    may_add: bool = False
    closes_ms: int = 0
    closed_ms: int = 0


class TallyRow(Struct, frozen=True, array_like=True, gc=False):
    """What changes with every vote. `votes`: of each option, in order."""

    rev: int
    voters: int
    votes: tuple[int, ...]


class VoteRow(Struct, frozen=True, array_like=True, gc=False):
    """Ids of the options, ascending."""

    options: tuple[int, ...]


POLLS: Final[Table[int, PollRow]] = Table("polls", int, PollRow)
TALLIES: Final[Table[int, TallyRow]] = Table("polls.tallies", int, TallyRow)
# (message seq, voter): the user, or in an anonymous poll what stands for him (`polls.voter_of`).
VOTES: Final[Table[tuple[int, str], VoteRow]] = Table("polls.votes", tuple[int, str], VoteRow)
# (message seq, option, user) → when; nothing of anonymous polls.
VOTERS: Final[Table[tuple[int, int, str], int]] = Table("polls.voters", tuple[int, int, str], int)


def tally_of(seq: int, row: PollRow, tables: Tables) -> TallyRow:
    """The figures; nobody has voted yet: all 0."""
    return tables[TALLIES].get(seq) or TallyRow(0, 0, (0,) * len(row.options))


def shown_poll(row: PollRow, tally: TallyRow) -> Poll:
    """The poll with these figures."""
    options: Sequence[PollOption] = [
        PollOption(id=number, text=option.text, by=option.by, votes=votes)
        for number, (option, votes) in enumerate(zip(row.options, tally.votes, strict=True), 1)
    ]
    return Poll(
        options=tuple(options),
        votes_max=row.votes_max,
        anonymous=row.anonymous,
        may_add=row.may_add,
        closes_at=rfc3339(row.closes_ms) if row.closes_ms else "",
        closed_at=rfc3339(row.closed_ms) if row.closed_ms else "",
        voters=tally.voters,
        rev=tally.rev,
    )


def poll_at(seq: int, tables: Tables) -> Poll | None:
    """The poll of the message at `seq` as it stands now."""
    row = tables[POLLS].get(seq)
    return None if row is None else shown_poll(row, tally_of(seq, row, tables))
