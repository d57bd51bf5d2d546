"""The order of independent events does not matter: what people do to different things, or each for
himself to the same thing, ends alike however it was interleaved, in small and in large channels."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from hubbub.base.errors import Rejected
from hubbub.features import polls, reactions
from hubbub.features.contract import Command
from hubbub.features.history import HistoryRequest
from hubbub.features.marks import MarkDelivered, MarkRead
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.pins import PinMessage, PinsRequest, UnpinMessage
from hubbub.features.polls import CreatePoll, PollRequest, Vote, VotersRequest
from hubbub.features.reactions import AddReaction, ReactionsRequest, RemoveReaction
from hubbub.features.revisions import UndeleteMessage
from hubbub.features.threads import FollowThread, ThreadRequest, UnfollowThread
from hubbub.settings.profiles import BENCH
from tests.support.playbook import Playbook

X = "group:x"
PEOPLE = ("ann", "bob", "cid")
KINDS = ("👍", "❤️", ":party:")
Step = tuple[str, Command]


class Room:
    """Three people; each has a message that all react to (`shown`), and one that only he touches
    (`own`). Two polls, the second one anonymous."""

    def __init__(self) -> None:
        self.book = Playbook(X, owner="ann", members=PEOPLE[1:], settings=BENCH)
        self.shown = {user: self._say(user, "shown") for user in PEOPLE}
        self.own = {user: self._say(user, "own", mentions=PEOPLE) for user in PEOPLE}
        for user in PEOPLE:
            self._say(user, "reply", thread=self.shown["bob"])
        self.polls = [self._ask(anonymous=anonymous) for anonymous in (False, True)]
        self.said = self.book.tables.head_seq

    def _say(self, user: str, text: str, **more: Any) -> str:
        self.book.do(user, SendMessage(channel=X, text=text, **more))
        return self.book.outcome.id

    def _ask(self, *, anonymous: bool) -> str:
        options = ("a", "b", "c")
        poll = CreatePoll(
            channel=X, question="?", options=options, votes_max=2, anonymous=anonymous
        )
        self.book.do("ann", poll)
        return self.book.outcome.id

    def step(self, user: str, random: Random) -> Command:
        """Something that depends on nobody else."""
        target, own = self.shown[random.choice(PEOPLE)], self.own[user]
        kind, upto = random.choice(KINDS), random.randint(1, self.said)
        options = tuple(random.sample((1, 2, 3), random.randrange(3)))
        return random.choice(
            (
                AddReaction(channel=X, id=target, emoji=kind),
                RemoveReaction(channel=X, id=target, emoji=kind),
                Vote(channel=X, id=random.choice(self.polls), options=options),
                MarkRead(channel=X, upto=upto),
                MarkDelivered(channel=X, upto=upto),
                FollowThread(channel=X, id=self.shown["bob"]),
                UnfollowThread(channel=X, id=self.shown["bob"]),
                EditMessage(channel=X, id=self.shown[user], text=f"{random.random()}"),
                EditMessage(channel=X, id=own, text="other", mentions=PEOPLE[: upto % 3]),
                DeleteMessage(channel=X, id=own),
                UndeleteMessage(channel=X, id=own),
                *((PinMessage(channel=X, id=target),) if user == "ann" else ()),
                *((UnpinMessage(channel=X, id=target),) if user == "ann" else ()),
            )
        )

    def run(self, steps: list[Step]) -> None:
        """All of it; what is refused is refused in every order."""
        for user, command in steps:
            try:
                self.book.do(user, command)
            except Rejected:
                continue

    def seen(self, user: str) -> list[Any]:
        """What one of them sees of everything, without numbers of events and times."""
        book, poll = self.book, self.polls[0]
        pages = [
            book.query(user, "history.get", HistoryRequest(X, replies=True))["messages"],
            [
                [(row["emoji"], row["user"]) for row in page["reactors"]]
                for mid in self.shown.values()
                for page in [book.query(user, "reaction.list", ReactionsRequest(X, mid))]
            ],
            [book.query(user, "poll.get", PollRequest(X, mid)) for mid in self.polls],
            [
                [row["user"] for row in page["voters"]]
                for option in (1, 2, 3)
                for page in [book.query(user, "poll.voters", VotersRequest(X, poll, option))]
            ],
            [pin["message"]["id"] for pin in book.query(user, "pin.list", PinsRequest(X))["pins"]],
            book.query(user, "thread.get", ThreadRequest(X, self.shown["bob"])),
        ]
        figures = {name: book.head(user).get(name) for name in ("mark", "unread", "mentions")}
        return [*pages, figures, book.head(user).get("threads")]


def interleaved(steps: dict[str, list[Command]], random: Random) -> list[Step]:
    """Everybody's steps in his own order, mixed."""
    turns = [user for user, own in steps.items() for _ in own]
    random.shuffle(turns)
    left = {user: iter(own) for user, own in steps.items()}
    return [(user, next(left[user])) for user in turns]


@pytest.mark.parametrize("seed", range(6))
def test_every_interleaving_ends_alike(seed: int) -> None:
    random = Random(seed)
    rooms = [Room(), Room(), Room()]
    steps = {user: [rooms[0].step(user, random) for _ in range(40)] for user in PEOPLE}
    rooms[0].run(interleaved(steps, random))
    rooms[1].run(interleaved(steps, random))
    with pytest.MonkeyPatch.context() as patch:  # as in a channel of many: nothing takes a seq
        patch.setattr(reactions, "NUMBERED_MEMBERS_MAX", 0)
        patch.setattr(polls, "SMALL_MEMBERS_MAX", 0)
        rooms[2].run(interleaved(steps, random))
    for user in PEOPLE:
        first, *others = [room.seen(user) for room in rooms]
        for other in others:
            assert other == first
    for room in rooms:
        room.book.assert_replay_equal()
