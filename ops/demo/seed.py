"""Fills a new demo through the public REST interface: people, channels, messages.

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
        work: list[tuple[str, Sequence[Line]]] = [
            (channels[pair], _lines(pair)) for pair in FRIENDS
        ]
        work += list(ROOMS.items())
        return sum(pool.map(lambda job: write(rest, *job), work))


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


def write(rest: Rest, channel: str, lines: Sequence[Line]) -> int:
    """Sends lines in their order."""
    path = f"/v1/channels/{quote(channel, safe=':')}/messages"
    for number, (author, text) in enumerate(lines):
        ask(rest, "POST", path, {"by": author, "text": text}, f"demo {channel} {number}")
    return len(lines)


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


def _lines(pair: tuple[str, str]) -> Sequence[Line]:
    if ROBIN in pair:
        person = next(name for name in pair if name != ROBIN)
        return [(ROBIN, GREETING.format(name=NAMES[person].split()[0]))]
    return PAIRS[pair]
