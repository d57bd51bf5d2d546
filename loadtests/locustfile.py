"""`locust -f loadtests/locustfile.py`: people in small rooms who talk, listen and look back.

Settings (environment): HUBBUB_CLUSTER, HUBBUB_ROOM_MEMBERS (4), HUBBUB_PAUSE_S (mean pause between
two actions of one person, 5). --host replaces the edges' addresses.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import urllib.error
import urllib.request
from random import choice, expovariate
from typing import Any

from gevent.event import Event
from locust import events, task
from locust.env import Environment

from loadtests.cluster import Cluster, load
from loadtests.users import ChatUser

ROOM_MEMBERS = int(os.environ.get("HUBBUB_ROOM_MEMBERS", "4"))
PAUSE_S = float(os.environ.get("HUBBUB_PAUSE_S", "5"))
WORDS = (
    "see you there",
    "done 👍",
    "one moment, I have to look that up",
    "¿mañana a las ocho?",
    "了解です",
)

_run = f"{time.time_ns() // 1_000_000_000:x}-{os.getpid()}"  # rooms of another run are another's
_places = itertools.count()
_rooms: dict[str, Event] = {}  # set when the room exists


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust gives it no type
def find_cluster(environment: Environment, **_: Any) -> None:
    """Before any user starts, so that a wrong address ends the run with one clear line."""
    RoomUser.cluster = load(environment.host)


class RoomUser(ChatUser):
    """One of a few people in a room."""

    host = ""  # locust asks for one; the addresses come from cluster.json

    def wait_time(self) -> float:
        """Pauses as of independent people: exponentially distributed."""
        return expovariate(1 / PAUSE_S)

    def on_start(self) -> None:
        place = next(_places)
        room = f"group:load-{_run}-{place // ROOM_MEMBERS}"
        members = [_name(place // ROOM_MEMBERS * ROOM_MEMBERS + n) for n in range(ROOM_MEMBERS)]
        if room not in _rooms:
            _rooms[room] = made = Event()
            _create(self.cluster, room, members)
            made.set()
        _rooms[room].wait()  # somebody else may be making it
        self.open(_name(place), room)

    @task(9)
    def talk(self) -> None:
        """Sends one message."""
        self.send(choice(WORDS))

    @task(1)
    def look_back(self) -> None:
        """Reads a page of history."""
        self.read_history()


def _name(place: int) -> str:
    return f"load-{_run}-{place}"


def _create(cluster: Cluster, channel: str, members: list[str]) -> None:
    request = urllib.request.Request(
        f"{cluster.urls[0]}/v1/channels",
        data=json.dumps({"channel": channel, "members": members}).encode(),
        headers={
            "Authorization": f"Bearer {cluster.server_key}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            pass
    except urllib.error.HTTPError as refused:
        raise SystemExit(f"POST /v1/channels: {refused.code} {refused.read()[:300]!r}") from None
