"""How far a device has come, stream by stream, and what `sync` says has happened since. Pure.

Rules:
1. The program keeps the state; here are positions only. A position moves when the program has
   taken the change (`reached`): what it had not taken comes again after a crash.
2. A device that knows nothing asks for its own stream: the snapshot is the list of its channels.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.client.events import Json, NoAnswer

CHANNELS_MAX: Final = 1_000  # of one `sync`
NOWHERE: Final = ("", 0)


class Change(Struct, frozen=True):
    """What happened in one stream. `channel`: empty for the own stream.

    `state`: `delta`: `events` are all of it. `head`: `events` are the newest, `gap` (first, last)
    is to be read with `history`. `reset`: drop what you have, then as head; `snapshot` of the own
    stream is a bootstrap. `gone`: it may not be read any more. `figures`: unread and others.
    """

    channel: str
    state: str
    events: list[Json] = []
    gap: tuple[int, int] | None = None
    figures: Json = None
    snapshot: Json = None
    position: tuple[str, int] = NOWHERE


class Positions:
    """Made from what `saved` gave earlier, or from nothing."""

    def __init__(self, saved: Json | None = None) -> None:
        saved = saved or {}
        self._own = _pair(saved.get("user", NOWHERE))
        self._channels = {k: _pair(v) for k, v in saved.get("channels", {}).items()}
        self._left: list[str] = list(self._channels)
        self._asked: list[str] = []
        self._began = False

    def saved(self) -> Json:
        """For the program's store."""
        return {"user": self._own, "channels": self._channels}

    def ask(self) -> dict[str, Json] | None:
        """The arguments of the next `sync`; None at the present."""
        if self._began and not self._left:
            return None
        self._began = True
        self._asked, self._left = self._left[:CHANNELS_MAX], self._left[CHANNELS_MAX:]
        places = {name: self._channels.get(name, NOWHERE) for name in self._asked}
        return {"user": self._own, "channels": places}

    def take(self, answer: Json) -> list[Change]:
        """Its answer. Raises NoAnswer when the server comes no further."""
        found = [_change("", answer["user"])] if answer.get("user") else []
        found += [_change(name, state) for name, state in answer["channels"].items()]
        more = list(answer.get("more", ()))
        if self._asked and set(more) >= set(self._asked) and not answer["channels"]:
            raise NoAnswer("the server's answer to sync holds nothing")
        seen = set(self._left) | set(answer["channels"])
        self._left += [name for name in more if name not in seen]
        self._keep(more)
        return [c for c in found if c.channel or c.events or c.state == "reset"]

    def listed(self, names: list[str]) -> None:
        """These stand in the channel list: ask for those that are not known yet."""
        known = set(self._channels) | set(self._left) | set(self._asked)
        self._left += [name for name in names if name not in known]
        self._keep(names)

    def _keep(self, names: list[str]) -> None:
        """Saved from now on: the own stream's position does not bring them again."""
        for name in names:
            self._channels.setdefault(name, NOWHERE)

    def reached(self, change: Change) -> None:
        """The program has it."""
        if not change.channel:
            self._own = change.position
        elif change.state == "gone":
            self._channels.pop(change.channel, None)
        else:
            self._channels[change.channel] = change.position


def _pair(value: Json) -> tuple[str, int]:
    return value[0], value[1]


def _change(name: str, state: Json) -> Change:
    gap = state.get("gap")
    return Change(
        name,
        state["state"],
        state.get("events", []),
        (gap[0], gap[1]) if gap else None,
        state.get("figures"),
        state.get("snapshot"),
        (state.get("epoch", ""), state.get("seq", 0)),
    )
