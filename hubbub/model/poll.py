"""A poll as every reader gets it with its message."""

from __future__ import annotations

from msgspec import Struct


class PollOption(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What can be chosen; `id` counts from 1. `by`: who added it later."""

    id: int
    text: str
    by: str = ""
    votes: int = 0


class Poll(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A poll as everybody sees it; the question is the message's text. `rev` grows with every
    change: a higher one replaces what a client has. `voters`: people, each with up to `votes_max`
    votes. `may_add`: whoever votes may add options."""

    options: tuple[PollOption, ...]
    votes_max: int = 1
    anonymous: bool = False
    may_add: bool = False
    closes_at: str = ""
    closed_at: str = ""
    voters: int = 0
    rev: int = 0
