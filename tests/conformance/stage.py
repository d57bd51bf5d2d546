"""What the API's operations are tried on: people, a channel and what is in it, an app.

`Stage.good(label)` is a request that the operation accepts, with ids that exist: what a request
uses up (a message to delete, an app, a key) is made anew each time. It knows nothing of
schemathesis; `hooks` lays it into the requests that schemathesis makes.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from edge.web.docs import recorded
from hubbub.features.publication import rfc3339
from ops.api import Rest

# Not the documents' example: generated requests name that, and do with it what they like.
TEA: Final = "group:parlour"
HALL: Final = "open:hall"
LATER: Final = rfc3339(int(time.time() * 1_000) + 86_400_000)
NEWS: Final = "paper:news"  # of a namespace, whose events are the app's own
_PARAMETER: Final = re.compile(r"{(\w+)}")
_C, _U, _A = "/v1/channels/{channel}", "/v1/users/{user}", "/v1/apps/{app}"
_M, _P, _S = _C + "/messages/{id}", _C + "/polls/{id}", _C + "/schedules/{id}"

# After these a channel is not what it was: each gets one of its own.
SPOILS: Final = frozenset(
    {
        f"DELETE {_C}",
        f"PATCH {_C}",
        f"PUT {_C}/frozen",
        f"POST {_C}/leave",
        f"PUT {_C}/members/{{user}}",
        f"DELETE {_C}/members/{{user}}",
        f"PUT {_C}/capabilities/{{role}}",
        f"PUT {_C}/members/{{user}}/capabilities",
        f"POST {_C}/bans",
        f"PUT {_C}/bans/{{user}}",
        f"POST {_C}/mutes",
        f"PUT {_C}/mutes/{{user}}",
        f"POST {_C}/timeouts",
        f"PUT {_C}/timeouts/{{user}}",
        f"PUT {_C}/slow_mode",
        f"POST {_C}/promote",
        f"PUT {_C}/archived",
        f"PUT {_C}/retention",
        f"POST {_C}/truncate",
        f"DELETE {_C}/authors/{{user}}/messages",
        f"POST {_C}/members/jobs",
    }
)
# What the path's `id` names there is changed for ever, or must be as it was made.
OF_ITS_OWN: Final = frozenset(
    {
        f"PATCH {_M}",
        f"DELETE {_M}",
        f"POST {_M}/undelete",
        f"PUT {_M}/expiry",
        f"POST {_P}/close",
        f"POST {_P}/options",
        f"PUT {_P}/vote",
        f"PATCH {_S}",
        f"DELETE {_S}",
        f"POST {_S}/send",
        f"PATCH {_U}/reminders/{{id}}",
        f"DELETE {_U}/reminders/{{id}}",
        f"PATCH {_U}/bookmarks/{{id}}",
        f"DELETE {_U}/bookmarks/{{id}}",
    }
)
_ANN: Final = {"by": "ann"}
_BEN: Final = {"by": "ben"}
_THREE: Final = {"users": ["ben", "cleo"]}
# Query or body where no example is recorded, or it is not for here.
SAID: Final[dict[str, dict[str, Any]]] = {
    f"POST {_C}/leave": _BEN,
    f"PUT {_C}/members/{{user}}": {"role": "moderator"},
    f"POST {_C}/bans": _THREE,
    f"POST {_C}/mutes": _THREE,
    f"POST {_C}/timeouts": {**_THREE, "for_s": 60},
    f"PUT {_C}/timeouts/{{user}}": {"for_s": 60},
    f"PUT {_C}/slow_mode": {"seconds": 5},
    f"POST {_C}/promote": {"kind": "open"},
    f"POST {_C}/truncate": {"before_seq": 0},
    f"POST {_C}/members/jobs": {"users": ["dora", "emil"]},
    f"PUT {_C}/members/{{user}}/metadata/{{key}}": {"value": "green"},
    "PUT /v1/event_types/{name}": {"schema": {"type": "object"}},
    f"POST {_C}/custom_events": {"type": "cup_filled", "data": {}, **_ANN},
    f"PUT {_M}/expiry": {"at": LATER},
    f"PUT {_M}/thread/follow": _BEN,
    f"DELETE {_M}/thread/follow": _BEN,
    f"DELETE {_M}/reactions/{{emoji}}": _BEN,
    f"POST {_M}/forward": {"to": HALL, **_ANN},
    f"POST {_C}/schedules": {**_ANN, "at": LATER, "message": {"text": "Again?"}},
    f"GET {_C}/schedules": {"user": "ann"},
    f"PATCH {_S}": {**_ANN, "at": LATER},
    f"DELETE {_S}": _ANN,
    f"POST {_S}/send": _ANN,
    f"POST {_P}/options": {"text": "3", **_ANN},
    f"DELETE {_P}/vote": _BEN,
    f"GET {_P}/voters": {"option": 1},
    f"PUT {_U}/drafts/{{channel}}": {"message": {"text": "Perhaps"}},
    f"POST {_U}/reminders": {"at": LATER, "note": "tea"},
    f"PATCH {_U}/reminders/{{id}}": {"at": LATER},
    f"POST {_U}/bookmarks": {"url": "https://example.org/"},
    f"PATCH {_U}/bookmarks/{{id}}": {"title": "Tea"},
    f"POST {_C}/unread": {"since": 1, **_BEN},
    f"POST {_C}/threads/{{id}}/read": {"upto": 1, **_ANN},
    f"POST {_C}/threads/read_all": {"upto": 1, **_BEN},
    f"GET {_C}/threads/unread": _BEN,
    f"POST {_C}/typing": _BEN,
    f"DELETE {_C}/typing": _BEN,
    "GET /v1/presence": {"users": "ann,ben", **_ANN},
    f"PUT {_U}/presence": {"state": "busy"},
    f"PATCH {_U}/channels/{{channel}}": {"muted": True},
    "POST /v1/channels/query": {"user": "ben"},
    "GET /v1/search/messages": {"q": "hello"},
    "POST /v1/search/messages": {"q": "hello"},
    f"POST {_C}/events": {"data": {"n": 1}},
    f"POST {_C}/verify": {"blocks": {"0": ""}, **_ANN},
}
OUT: Final = ("deactivate", "ban")  # after it he may do nothing


class Good(Struct, frozen=True):
    """`path` and `query` by name; `body` is None where there is none."""

    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any] | None


class Stage:
    """Seeds a cluster. Args: both keys of it. `asked`: statuses by operation, as `hooks` saw."""

    def __init__(self, url: str, server_key: str, root_key: str) -> None:
        self._rest = Rest(url, server_key)
        self._root = Rest(url, root_key)
        self._names = itertools.count(1)
        self._lock = threading.Lock()
        self._examples = recorded()
        for user in ("ann", "ben", "cleo"):
            self._rest.need("PUT", f"/v1/users/{user}", {"name": user})
        self._channel(TEA)
        self._rest.need("POST", "/v1/channels", {"channel": HALL, "owner": "ann", "public": True})
        for app in self._root.need("GET", "/v1/apps")["apps"]:  # the cluster's own
            settings = {"namespaces": {"paper": {"history_size": 10, "history_ttl_s": 60}}}
            self._root.need("PATCH", f"/v1/apps/{app['app']}", {"settings": settings})
        self._app("shop")
        self._message, self._poll = self.message(), self.poll()
        thread = {"by": "ben", "text": "in a thread", "thread": self._message}
        self._say(TEA, thread)
        self._schedule, self._reminder, self._bookmark = (
            self.schedule(),
            self.reminder(),
            self.bookmark(),
        )
        c = f"/v1/channels/{TEA}"
        self._rest.need("PUT", f"{c}/metadata/topic", {"value": "green"})
        self._rest.need("PUT", f"{c}/counters/cups", {"value": 1})
        self._rest.need("PUT", "/v1/event_types/cup_filled", {"schema": {"type": "object"}})
        job = self._rest.need("POST", f"{c}/members/jobs", {"users": ["dora"], "by": "ann"})
        self._job = job["job"]
        own = (self._message, self._poll, self._schedule, self._reminder, self._bookmark)
        self.own: Final = frozenset({TEA, HALL, "ann", "ben", "cleo", *own})

    # --- what is made anew

    def _name(self, word: str) -> str:
        with self._lock:
            return f"{word}{next(self._names)}"

    def _channel(self, name: str) -> str:
        made = {"channel": name, "owner": "ann", "members": ["ben", "cleo"]}
        made |= {"public": True, "approval": True}  # so that one asks to be let in
        self._rest.need("POST", "/v1/channels", made)
        self._say(name, {"by": "ben", "text": "hello"})
        return name

    def _app(self, name: str) -> str:
        self._root.need("POST", "/v1/apps", {"app": name})
        return name

    def _device(self) -> str:
        """One of Ben's, who was connected with it a moment ago."""
        name = self._name("phone")
        token = self._rest.need("POST", "/v1/tokens", {"user": "ben"})["token"]
        connect = {"token": token, "data": {"device": name}, "version": "1.0"}
        body = json.dumps({"id": 1, "connect": connect}).encode()
        asked = urllib.request.Request(f"{self._rest.url}/connection/http_stream", body)
        with urllib.request.urlopen(asked, timeout=5) as stream:
            assert b'"client"' in stream.readline()
            ends = time.monotonic() + 5
            while not any(row["device"] == name for row in self._devices()):
                assert time.monotonic() < ends, "the device is listed"
        return name

    def _devices(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._rest.need("GET", "/v1/users/ben/devices")["devices"]
        return rows

    def _say(self, channel: str, message: dict[str, Any]) -> str:
        made = self._rest.need("POST", f"/v1/channels/{channel}/messages", message)
        return str(made["id"])

    def message(self) -> str:
        """The id of a message of Ann's."""
        return self._say(TEA, {"by": "ann", "text": "hello"})

    def deleted(self) -> str:
        """One that she deleted."""
        id = self.message()
        self._rest.need("DELETE", f"/v1/channels/{TEA}/messages/{id}")
        return id

    def poll(self) -> str:
        """One that takes votes and options."""
        asked = {"by": "ann", "question": "Sugar?", "options": ["1", "2"], "may_add": True}
        return str(self._rest.need("POST", f"/v1/channels/{TEA}/polls", asked)["id"])

    def schedule(self) -> str:
        """A message of Ann's for tomorrow."""
        asked = {"by": "ann", "at": LATER, "message": {"text": "later"}}
        made = self._rest.need("POST", f"/v1/channels/{TEA}/schedules", asked)
        return str(made["schedule"])

    def reminder(self) -> str:
        """One of Ben's."""
        made = self._rest.need("POST", "/v1/users/ben/reminders", {"at": LATER, "note": "tea"})
        return str(made["id"])

    def bookmark(self) -> str:
        """One of Ben's."""
        asked = {"url": "https://example.org/" + self._name("page")}
        return str(self._rest.need("POST", "/v1/users/ben/bookmarks", asked)["id"])

    # --- requests

    def path(self, label: str) -> dict[str, str]:
        """Values of the path's parameters, all of which exist."""
        names = _PARAMETER.findall(label)
        found = {name: self._plain(name, label) for name in names}
        if label in SPOILS:
            found["channel"] = self._channel(self._name("group:spoilt"))
        elif label.endswith(OUT):
            found["user"] = self._name("out")
        elif label == f"POST {_C}/join":
            found["channel"] = HALL
        elif label == "DELETE /v1/event_types/{name}":
            found["name"] = self._name("type_")
            self._rest.need("PUT", f"/v1/event_types/{found['name']}", {"schema": {}})
        elif label == f"DELETE {_U}/devices/{{device}}":
            found["device"] = self._device()
        elif label == f"POST {_C}/events":
            found["channel"] = NEWS
        elif label.startswith(f"POST {_C}/join_requests/"):
            found["user"] = self._name("asks")
            found["channel"] = self._channel(self._name("group:asked"))
            asked = {"by": found["user"], "text": "please"}
            self._rest.need("POST", f"/v1/channels/{found['channel']}/join_requests", asked)
        elif label.startswith((f"POST {_A}/", f"DELETE {_A}")):
            found["app"] = self._app(self._name("app"))
            if "key" in found:
                made = self._root.need("POST", f"/v1/apps/{found['app']}/keys", {})
                found["key"] = made["key"]["id"]
            if "secret" in found:
                found["secret"] = "first"
        return found

    def _plain(self, name: str, label: str) -> str:
        if name == "id":
            return self._id(label)
        if name == "name":
            return "cup_filled" if "event_types" in label else "cups"
        return {
            "channel": TEA,
            "user": "ben",
            "by": "ben",
            "blocked": "cleo",
            "role": "member",
            "key": "topic",
            "emoji": "👍",
            "device": "phone",
            "job": self._job,
            "app": "shop",
            "secret": "first",
        }[name]

    def _id(self, label: str) -> str:
        kept: tuple[tuple[str, str, Callable[[], str]], ...] = (
            ("/polls/", self._poll, self.poll),
            ("/schedules/", self._schedule, self.schedule),
            ("/reminders/", self._reminder, self.reminder),
            ("/bookmarks/", self._bookmark, self.bookmark),
            ("/", self._message, self.message),
        )
        one, new = next((one, new) for part, one, new in kept if part in label)
        if label.endswith("/undelete"):
            return self.deleted()
        return new() if label in OF_ITS_OWN else one

    def good(self, label: str) -> Good:
        """A request that is accepted."""
        method = label.partition(" ")[0]
        values = self.path(label)
        if method in ("POST", "PUT", "PATCH"):
            example = self._examples.get(label, {}).get("request") or {}
            body = {**json.loads(json.dumps(example)), **self._said(label)}
            return Good(values, {}, {k: v for k, v in body.items() if k not in values})
        return Good(values, self._said(label), None)

    def _said(self, label: str) -> dict[str, Any]:
        """Query or body where the example is none, or names what is gone."""
        words: dict[str, Callable[[], dict[str, Any]]] = {
            "POST /v1/channels": lambda: {"channel": self._name("group:new"), "owner": "ann"},
            "POST /v1/apps": lambda: {"app": self._name("new")},
            f"POST {_C}/join": lambda: {"by": self._name("guest")},
            f"POST {_C}/invites": lambda: {"users": [self._name("invited")]},
            f"POST {_C}/join_requests": lambda: {"by": self._name("asks"), "text": "please"},
            f"POST {_C}/messages/delete": lambda: {"ids": [self.message(), self.message()]},
            "GET /v1/locate": lambda: {"channel": TEA, "id": self._message},
            f"GET {_C}/receipts": lambda: {"ids": self._message},
            f"POST {_C}/messages/get": lambda: {"ids": [self._message]},
        }
        made = words.get(label)
        return made() if made is not None else SAID.get(label, {})


def of_environment() -> Stage:
    """The stage of the cluster whose address and keys are in the environment."""
    words = (os.environ[f"HUBBUB_{name}"] for name in ("URL", "SERVER_KEY", "ROOT_KEY"))
    return Stage(*words)
