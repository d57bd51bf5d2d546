"""Random commands of what falls due, of typing, of a user's drawer: for tests of all features."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET, Raw

from hubbub.features.blocks import BlockUser, UnblockUser
from hubbub.features.bookmarks import AddBookmark, RemoveBookmark, UpdateBookmark
from hubbub.features.contract import Command
from hubbub.features.drafts import ClearDraft, DropDraft, SetDraft
from hubbub.features.guests import ConvertGuest, CreateGuest, EndGuest
from hubbub.features.here import NameHere
from hubbub.features.polls import AddOption, ClosePoll, CreatePoll, EndPoll, Vote
from hubbub.features.remains import ForgetRemains
from hubbub.features.reminders import (
    CancelReminder,
    CreateReminder,
    FireReminder,
    SnoozeReminder,
)
from hubbub.features.schedules import (
    CancelSchedule,
    CreateSchedule,
    DropScheduled,
    FireSchedule,
    PutScheduled,
    SendScheduled,
    TellChannel,
    UpdateSchedule,
)
from hubbub.features.succession import NoteOwner, TellOwned
from hubbub.features.typing_signs import StartTyping, StopTyping
from hubbub.features.user_lines import PutUserLine
from tests.support.playbook import START_MS

KNOWN: frozenset[type[Command]] = frozenset(
    {
        BlockUser, UnblockUser,
        AddBookmark, RemoveBookmark, UpdateBookmark, ClearDraft, DropDraft, SetDraft, AddOption,
        ClosePoll, CreatePoll, EndPoll, Vote, CancelReminder, CreateReminder, FireReminder,
        SnoozeReminder, CancelSchedule, CreateSchedule, DropScheduled, FireSchedule, PutScheduled,
        SendScheduled, UpdateSchedule, StartTyping, StopTyping, PutUserLine,
        CreateGuest, ConvertGuest, EndGuest, TellChannel, NoteOwner, TellOwned, ForgetRemains,
        NameHere,
    }
)  # fmt: skip

times = st.integers(START_MS, START_MS + 9_000)
words = st.text(min_size=1, max_size=8)
# Those that a playbook draws: its entropy counts its commands.
drawn = st.integers(1, 40).map(lambda n: b32encode(n.to_bytes(15, "big")).decode().lower())
messages = st.sampled_from([Raw(b'{"text":"later"}'), Raw(b'{"text":"x","silent":true}')])
options = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def of_channel(key: str, ids: st.SearchStrategy[str]) -> st.SearchStrategy[Command]:
    """Commands of a chat channel."""

    def make(shape: Callable[..., Command], **fields: st.SearchStrategy[Any]) -> Any:
        return st.builds(shape, channel=st.just(key), **fields)

    texts = st.lists(words, min_size=1, max_size=4, unique=True).map(tuple)
    return st.one_of(
        make(StartTyping, thread=ids | st.just("")),
        make(StopTyping),
        make(NoteOwner, user=st.sampled_from(["ann", "bob", "cid"]), away=st.booleans()),
        make(CreateSchedule, at=times, message=messages),
        make(UpdateSchedule, id=drawn, at=times | st.just(UNSET), message=messages),
        make(CancelSchedule, id=drawn),
        make(SendScheduled, id=drawn),
        make(FireSchedule, id=drawn),
        make(
            TellChannel,
            user=st.sampled_from(["ann", "bob", "cid"]),
            deactivated=st.booleans(),
            banned_ms=st.sampled_from([0, START_MS + 700]),
        ),
        make(
            CreatePoll,
            question=words,
            options=texts,
            votes_max=st.integers(1, 3),
            anonymous=st.booleans(),
            may_add=st.booleans(),
            closes_at=times | st.just(""),
        ),
        make(Vote, id=ids, options=options),
        make(AddOption, id=ids, text=words),
        make(ClosePoll, id=ids),
        make(EndPoll, seq=st.integers(1, 20)),
        make(ForgetRemains),
        make(NameHere, id=ids, users=st.just(("ann", "bob"))),
    )


def of_user(user: str, ids: st.SearchStrategy[str]) -> st.SearchStrategy[Command]:
    """Commands of a user's own stream. Args: ids: of its events."""
    channels = st.sampled_from(["group:a", "open:b", "dm:c"])
    blocked = st.sampled_from(["bob", "cid", user])

    def make(shape: Callable[..., Command], **fields: st.SearchStrategy[Any]) -> Any:
        return st.builds(shape, user=st.just(user), **fields)

    return st.one_of(
        make(SetDraft, channel=channels, message=messages, seen=st.integers(0, 9)),
        make(ClearDraft, channel=channels),
        make(TellOwned, after=channels | st.just("")),
        make(CreateGuest, ttl_s=st.integers(1, 9), name=words),
        make(ConvertGuest, name=words),
        make(EndGuest, after=channels | st.just("")),
        make(BlockUser, blocked=blocked),
        make(UnblockUser, blocked=blocked),
        make(DropDraft, channel=channels, thread=st.just(""), rev=st.integers(0, 40)),
        make(CreateReminder, at=times, note=words),
        make(SnoozeReminder, id=ids, at=times),
        make(CancelReminder, id=ids),
        make(FireReminder, seq=st.integers(1, 20)),
        make(AddBookmark, url=st.sampled_from(["https://a", "https://b"]), folder=words),
        make(UpdateBookmark, id=ids, folder=words | st.just("")),
        make(RemoveBookmark, id=ids),
        make(
            PutScheduled,
            channel=channels,
            schedule=drawn,
            at_ms=times,
            rev=st.integers(1, 3),
            message=messages,
        ),
        make(DropScheduled, channel=channels, schedule=drawn, code=st.sampled_from([0, 420])),
    )
