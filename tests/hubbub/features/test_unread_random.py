"""Whatever is done to a channel, its figures are what looking at every message gives: for members
who block others too, over several blocks of seqs, when some leave and come back and the oldest
messages go."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec import Struct

from hubbub.base.errors import Rejected
from hubbub.features.contract import Command
from hubbub.features.marks import MarkRead, MarkUnread
from hubbub.features.members import AddMembers, LeaveChannel
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.promotion import PromoteChannel
from hubbub.features.retention import SetRetention, TruncateChannel
from hubbub.features.revisions import UndeleteMessage
from hubbub.model.channel import ChannelKind
from hubbub.settings.profiles import BENCH
from tests.support.playbook import Playbook

X = "group:x"
OWNER, OTHERS = "ann", ("bob", "cid", "dan")
PEOPLE = (OWNER, *OTHERS)
RETENTION_S = 3_600
OPERATIONS = 700  # three blocks of seqs


class Said(Struct):
    """What the definition of unread asks of a message."""

    by: str
    counts: bool
    mentions: tuple[str, ...]
    all: bool
    alive: bool = True


class Room:
    """The channel, and beside it what was said."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.book = Playbook(X, owner=OWNER, members=OTHERS, settings=BENCH)
        self.said: dict[int, Said] = {}
        self.ids: dict[int, str] = {}
        self.here = set(PEOPLE)

    def do(self, user: str, command: Command) -> bool:
        """Whether it was allowed."""
        try:
            self.book.do(user, command)
        except Rejected:
            return False
        return True

    # --- what people do

    def send(self) -> None:
        dice, by = self.dice, self.dice.choice(PEOPLE)
        mentions = tuple(dice.sample(PEOPLE, dice.choice((0, 0, 1, 2))))
        names_all, kind = dice.random() < 0.1, dice.random()
        roots = [seq for seq in self.alive() if self.said[seq].counts]
        thread = self.ids[dice.choice(roots)] if roots and 0.1 < kind < 0.3 else ""
        message = SendMessage(
            channel=X,
            text="x",
            mentions=mentions,
            mention_all=names_all,
            silent=kind < 0.1,
            thread=thread,
            also_in_channel=bool(thread) and kind < 0.2,
        )
        if self.do(by, message):
            counts = not message.silent and (not thread or message.also_in_channel)
            seq = self.book.outcome.seq
            self.ids[seq] = self.book.outcome.id
            self.said[seq] = Said(by, counts, mentions, names_all)

    def edit(self) -> None:
        if (seq := self.some(alive=True)) is None:
            return
        mentions = tuple(self.dice.sample(PEOPLE, self.dice.choice((0, 1, 2))))
        names_all = self.dice.random() < 0.2
        edit = EditMessage(
            channel=X,
            id=self.ids[seq],
            text=f"{self.dice.random()}",
            mentions=mentions,
            mention_all=names_all,
        )
        if self.do(self.said[seq].by, edit):
            self.said[seq].mentions, self.said[seq].all = mentions, names_all

    def delete(self) -> None:
        seq = self.some(alive=True)
        if seq is not None and self.do(OWNER, DeleteMessage(channel=X, id=self.ids[seq])):
            self.said[seq].alive = False

    def undelete(self) -> None:
        seq = self.some(alive=False)
        if seq is not None and self.do(OWNER, UndeleteMessage(channel=X, id=self.ids[seq])):
            self.said[seq].alive = True

    def read(self) -> None:
        upto = self.dice.randint(1, self.book.tables.head_seq + 3)
        rev = self.dice.choice((-1, -1, 0, 1, 2))
        self.do(self.dice.choice(PEOPLE), MarkRead(channel=X, upto=upto, rev=rev))

    def unread(self) -> None:
        since = self.dice.randint(1, self.book.tables.head_seq)
        self.do(self.dice.choice(PEOPLE), MarkUnread(channel=X, since=since))

    def go_and_come(self) -> None:
        user = self.dice.choice(OTHERS)
        if user in self.here:
            if self.do(user, LeaveChannel(channel=X)):
                self.here.remove(user)
        elif self.do(OWNER, AddMembers(channel=X, users=(user,))):
            self.here.add(user)
            assert self.book.head(user)["unread"] == 0, "counts from his join"

    def forget(self) -> None:
        """Some of the oldest go: cut off, or by age."""
        if self.dice.random() < 0.5:
            floor = self.book.tables.floor_seq + self.dice.randint(0, 20)
            self.do(OWNER, TruncateChannel(channel=X, before_seq=floor))
        else:
            self.book.tick(self.dice.randint(0, RETENTION_S * 200))
            self.book.fall_due()

    # --- what is left

    def alive(self) -> list[int]:
        floor = self.book.tables.floor_seq
        return [seq for seq, said in self.said.items() if seq >= floor and said.alive]

    def some(self, *, alive: bool) -> int | None:
        floor = self.book.tables.floor_seq
        found = [seq for seq, said in self.said.items() if seq >= floor and said.alive == alive]
        return self.dice.choice(found) if found else None

    def figures(self, user: str, mark: int, blocked: tuple[str, ...]) -> tuple[int, int]:
        """(unread, mentions) by looking at every message."""
        floor = self.book.tables.floor_seq
        found = [
            said
            for seq, said in self.said.items()
            if seq > mark and seq >= floor and said.alive and said.counts
            if said.by != user and said.by not in blocked
        ]
        return len(found), sum(said.all or user in said.mentions for said in found)


@pytest.mark.parametrize("seed", range(2))
def test_figures_are_what_looking_at_every_message_gives(seed: int) -> None:
    room = Room(seed)
    room.book.do(OWNER, SetRetention(channel=X, retention_s=RETENTION_S * 24))
    doings: list[Any] = [room.send] * 12 + [room.edit, room.delete, room.read] * 2
    doings += [room.undelete, room.unread, room.go_and_come, room.forget]
    for turn in range(OPERATIONS):
        room.dice.choice(doings)()
        room.book.tick(room.dice.randint(0, 60_000))
        if turn == OPERATIONS * 3 // 4:
            room.book.do(OWNER, PromoteChannel(channel=X, kind=ChannelKind.OPEN))
        for user in room.here:
            others = [one for one in PEOPLE if one != user]
            blocked = tuple(room.dice.sample(others, room.dice.choice((0, 1, 2))))
            head = room.book.head(user, blocked)
            mark: Any = head["mark"]
            expected = room.figures(user, mark, blocked)
            assert (head["unread"], head["mentions"]) == expected, (turn, user, blocked, mark)
    room.book.assert_replay_equal()
