"""Fills a new demo through the public REST interface: people, channels, messages, and what
was added to them.

Repeatable: every request that adds something carries an Idempotency-Key, so that a start that was
cut is finished by the next one and nothing stands there twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

from hubbub.model.demo_people import Person
from ops.answer import Exit, Failure
from ops.api import Rest
from ops.demo.asides import ASIDES, POLLS, Aside, Place, Poll
from ops.demo.conversations import GREETING, PAIRS, ROOMS, Line
from ops.demo.people import NAMES, PEOPLE, ROBIN, Room
from ops.demo.people import PAIRS as FRIENDS
from ops.demo.people import ROOMS as PLACES

SIDE_BY_SIDE: Final = 4  # conversations written at a time
PATIENCE_S: Final = 30.0  # with a server that asks to slow down


def seed(rest: Rest) -> int:
    """Makes everyone and everything. Returns the number of messages. Raises Failure."""
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        list(pool.map(lambda person: make_person(rest, person), PEOPLE))
        list(pool.map(lambda room: make_room(rest, room), PLACES))
        opened = pool.map(lambda pair: open_dm(rest, *pair), FRIENDS)
        channels = dict(zip(FRIENDS, opened, strict=True))
        work: list[tuple[str, Place, Sequence[Line]]] = [
            (channels[pair], pair, _lines(pair)) for pair in FRIENDS
        ]
        work += [(channel, channel, lines) for channel, lines in ROOMS.items()]
        return sum(pool.map(lambda job: converse(rest, *job), work))


def make_person(rest: Rest, person: Person) -> None:
    """A user with a display name."""
    body = {"name": person.name, "data": {"about": person.about}}
    ask(rest, "PUT", f"/v1/users/{person.id}", body, f"demo {person.id}")


def make_room(rest: Rest, room: Room) -> None:
    """A group or open channel; fine if it exists."""
    body = {
        "channel": room.channel,
        "name": room.name,
        "members": list(room.members),
        "owner": room.members[0],
    }
    ask(rest, "POST", "/v1/channels", body, f"demo {room.channel}", fine=(409,))


def open_dm(rest: Rest, a: str, b: str) -> str:
    """The channel of a pair, made if it is new."""
    body = {"kind": "dm", "members": [a, b]}
    channel: str = ask(rest, "POST", "/v1/channels", body, f"demo dm {a} {b}")["channel"]
    return channel


def converse(rest: Rest, channel: str, place: Place, lines: Sequence[Line]) -> int:
    """A whole conversation, and what was added to it. Returns the number of messages."""
    ids = [
        send(rest, channel, {"by": author, "text": text}, str(number))
        for number, (author, text) in enumerate(lines)
    ]
    count = len(ids)
    for aside in ASIDES.get(place, ()):
        starts = [text.startswith(aside.line) for _, text in lines]
        line = starts.index(True)
        count += add(rest, channel, (line, ids[line]), aside)
    for number, poll in enumerate(POLLS.get(place, ())):
        hold(rest, channel, f"demo {channel} poll {number}", poll)
        count += 1
    return count


def send(rest: Rest, channel: str, message: dict[str, Any], name: str) -> str:
    """The id of a message that is sent once under this name."""
    path = f"{_of(channel)}/messages"
    sent: str = ask(rest, "POST", path, message, f"demo {channel} {name}")["id"]
    return sent


def add(rest: Rest, channel: str, line: tuple[int, str], aside: Aside) -> int:
    """Reactions and replies to a line: its number and its id. Returns the number of replies."""
    at, message = line
    path = f"{_of(channel)}/messages/{message}/reactions"
    for user, emoji in aside.reactions:
        key = f"demo {channel} {at} {user} {emoji.encode().hex()}"
        ask(rest, "PUT", f"{path}/{quote(emoji)}", {"by": user}, key)
    for number, (author, text) in enumerate(aside.replies):
        reply = {"by": author, "text": text, "thread": message}
        send(rest, channel, reply, f"{at} {number}")
    return len(aside.replies)


def hold(rest: Rest, channel: str, key: str, poll: Poll) -> None:
    """A poll and its votes."""
    body = {
        "by": poll.by,
        "question": poll.question,
        "options": list(poll.options),
        "votes_max": poll.votes_max,
    }
    made = ask(rest, "POST", f"{_of(channel)}/polls", body, key)["id"]
    for user, options in poll.votes.items():
        vote = {"by": user, "options": list(options)}
        ask(rest, "PUT", f"{_of(channel)}/polls/{made}/vote", vote, f"{key} {user}")


def ask(
    rest: Rest,
    method: str,
    path: str,
    body: dict[str, Any],
    key: str,
    *,
    fine: Sequence[int] = (),
) -> Any:
    """One request, repeated under the same key while the server asks to wait. Raises Failure."""
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        answer = rest.call(method, path, body, key=key)
        if 200 <= answer.status < 300 or answer.status in fine:
            return answer.body
        said = answer.body if isinstance(answer.body, dict) else {}
        if answer.status not in (429, 503) or time.monotonic() > ends_at:
            words = said.get("detail") or said.get("code") or answer.body
            raise Failure(
                f"the demo's data: {method} {path} was refused with {answer.status}: {words}",
                exit_code=Exit.FAILED,
                tries=["hubbub demo --fresh"],
            )
        time.sleep(min(float(said.get("retry_after_ms", 200)) / 1000, 2.0))


def _of(channel: str) -> str:
    return f"/v1/channels/{quote(channel, safe=':')}"


def _lines(pair: tuple[str, str]) -> Sequence[Line]:
    if ROBIN in pair:
        person = next(name for name in pair if name != ROBIN)
        return [(ROBIN, GREETING.format(name=NAMES[person].split()[0]))]
    return PAIRS[pair]
