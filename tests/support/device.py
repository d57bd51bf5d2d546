"""A device as an SDK would keep it: what it was told, applied; nothing is computed beside it.

Rules:
1. State comes in three ways: a bootstrap, live publications, answers to `sync`. Whatever the way,
   `digest` of two devices of one user must be the same when both are at the present.
2. A gap is filled by pages of history, and what was cached before it is proven by block hashes
   (`sync.verify`) and read again where it differs.
3. Canonical JSON: sorted keys, no spaces; what is empty or false is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import mmh3

BLOCK_SEQS = 256
VERIFIED_MAX = 16
PAGE = 200
CONTENT = ("text", "data", "attachments", "mentions", "mention_all", "mention_here")
TOMBSTONE = ("id", "seq", "by", "ts", "rev", "deleted", "annotation_rev")
ANNOTATIONS = ("annotation_rev", "reactions")
NOT_STATE = ("t", "cmid")
LINE = ("kind", "state", "role", "name", "peer")

Rpc = Callable[..., Awaitable[Any]]


class Channel:
    """One channel: its messages by id, and what the server says of it to this user."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.epoch = ""
        self.seq = 0
        self.messages: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, Any] = {}

    def event(self, data: dict[str, Any]) -> None:
        """A publication, live or recovered."""
        seq = data.get("seq", 0)
        if seq:
            self.seq = max(self.seq, seq)
        kind = data.get("t", "")
        if kind == "message.created":
            self.message(data)
            return
        message = self.messages.get(data.get("id", ""))
        if kind in ("reaction.added", "reaction.removed") and message is not None:
            self.reaction(message, data)
            return
        if message is None or data.get("rev", 0) <= message.get("rev", 0):
            return  # what is rendered with current state says it already
        if kind == "message.updated":
            kept = {k: v for k, v in message.items() if k not in CONTENT}
            content = {k: v for k, v in data.items() if k in CONTENT}
            self.messages[data["id"]] = kept | content | {"rev": data["rev"], "edited": True}
        elif kind == "message.deleted":
            self.message(message | {"rev": data["rev"], "deleted": True})

    def reaction(self, message: dict[str, Any], data: dict[str, Any]) -> None:
        """The annotations count their changes: what is not newer is known."""
        if data["annotation_rev"] <= message.get("annotation_rev", 0):
            return
        message["annotation_rev"] = data["annotation_rev"]
        if message.get("deleted"):
            return  # a tombstone has none
        reactions = dict(message.get("reactions", {}))
        known = reactions.get(data["emoji"], {})
        is_own = data["by"] == self.user
        own = (data["t"] == "reaction.added") if is_own else known.get("me", False)
        if data["count"]:
            reactions[data["emoji"]] = {"count": data["count"]} | ({"me": True} if own else {})
        else:
            reactions.pop(data["emoji"], None)
        message["reactions"] = reactions

    def message(self, data: dict[str, Any]) -> None:
        """A message as it is now; publications bring no annotations, pages of history do."""
        known = self.messages.get(data["id"], {})
        for name in ANNOTATIONS:
            if name in known and name not in data and "annotation_rev" not in data:
                data = data | {name: known[name]}
        if data.get("deleted"):
            data = {k: v for k, v in data.items() if k in TOMBSTONE}
        self.messages[data["id"]] = {k: v for k, v in data.items() if k not in NOT_STATE}

    def block(self, number: int) -> str:
        """The hash of a block (hubbub.features.sync, rule 3)."""
        own = [m for m in self.messages.values() if m["seq"] // BLOCK_SEQS == number]
        lines = [
            f"{m['id']}:{m.get('rev', 0)}:{1 if m.get('deleted') else 0}"
            f":{m.get('annotation_rev', 0)}\n"
            for m in sorted(own, key=lambda m: m["seq"])
        ]
        text = "".join(lines).encode()
        return "".join(f"{mmh3.hash(text, seed, signed=False):08x}" for seed in (0, 1))


class Device:
    """All of a user's state on one device."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.cursor: tuple[str, int] = ("", 0)
        self.profile: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.drafts: dict[str, dict[str, Any]] = {}  # by channel
        self.list: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, Channel] = {}
        self.states: dict[str, str] = {}  # what sync said of each channel last

    # --- the own stream

    async def bootstrap(self, data: dict[str, Any], cursor: tuple[str, int], rpc: Rpc) -> None:
        """The first screen, and the rest of the list."""
        self.cursor = cursor
        self.profile = self._profile(data.get("profile") or {})
        self.settings = dict(data["settings"])
        lines, following = list(data["channels"]), data["next"]
        while following:
            page = await rpc("user.channels", before=following)
            lines += page["channels"]
            following = page["next"]
        self.list = {line["channel"]: dict(line) for line in lines}
        for channel in set(self.channels) - set(self.list):
            del self.channels[channel]
        begun = (await rpc("draft.list"))["drafts"]
        self.drafts = {one["channel"]: _draft(one) for one in begun}

    def user_event(self, data: dict[str, Any], *, is_live: bool = True) -> None:
        """A publication of the own stream. In an answer to sync, `gone` says what is dropped: who
        left and came back meanwhile keeps what he has."""
        if seq := data.get("seq", 0):
            self.cursor = (self.cursor[0], max(self.cursor[1], seq))
        kind, channel = data["t"], data.get("channel", "")
        line = self.list.get(channel)
        if kind in ("channel.added", "channel.invited"):
            state = "joined" if kind == "channel.added" else "invited"
            told = {k: data[k] for k in LINE if k in data}
            role = data.get("role", "invited")
            self.list[channel] = (line or {}) | told | {"state": state, "role": role}
        elif kind == "channel.removed":
            self.list.pop(channel, None)
            if is_live:
                self.channels.pop(channel, None)
        elif kind == "settings.changed":
            changed = self.settings | data["settings"]
            self.settings = {k: v for k, v in changed.items() if v is not None}
        elif kind == "draft.updated":
            self.drafts[channel] = _draft(data)
        elif kind == "draft.cleared":
            self.drafts.pop(channel, None)
        elif kind in ("user.created", "user.updated"):
            self.profile = self._profile(data)
        elif line is not None:
            line.update(_of_line(kind, data))

    # --- sync

    def request(self, channels: list[str] | None = None) -> dict[str, Any]:
        """The arguments of `sync`."""
        wanted = [c for c, line in self.list.items() if line["state"] == "joined"]
        places = {}
        for name in wanted if channels is None else channels:
            known = self.channels.get(name)
            places[name] = (known.epoch, known.seq) if known else ("", 0)
        return {"user": self.cursor, "channels": places}

    async def sync(self, rpc: Rpc) -> None:
        """To the present."""
        wanted: list[str] | None = None
        while True:
            answer = await rpc("sync", **self.request(wanted))
            await self._own(answer["user"], rpc)
            for name, state in answer["channels"].items():
                await self._channel(name, state, rpc)
            wanted = answer["more"]
            if not wanted:
                return

    async def _own(self, state: dict[str, Any], rpc: Rpc) -> None:
        self.states[f"#{self.user}"] = state["state"]
        if state["state"] == "reset":
            await self.bootstrap(state["snapshot"], (state["epoch"], state["seq"]), rpc)
            return
        for event in state.get("events", []):
            self.user_event(event, is_live=False)
        self.cursor = (state["epoch"], state["seq"])

    async def _channel(self, name: str, state: dict[str, Any], rpc: Rpc) -> None:
        self.states[name] = state["state"]
        if state["state"] == "gone":
            self.channels.pop(name, None)
            return
        channel = self.channels.get(name)
        if channel is None or state["state"] == "reset":
            channel = self.channels[name] = Channel(self.user)
        for event in state.get("events", []):
            channel.event(event)
        channel.epoch, channel.seq = state["epoch"], state["seq"]
        channel.figures = state.get("figures", {})
        if state["state"] != "delta":
            await self._repair(name, channel, state.get("gap"), rpc)

    async def _repair(self, name: str, channel: Channel, gap: list[int] | None, rpc: Rpc) -> None:
        if gap is not None:
            await self._read(name, channel, gap[0], gap[1], rpc)
        first = gap[0] if gap is not None else channel.seq + 1
        numbers = list(range(first // BLOCK_SEQS + 1))
        for start in range(0, len(numbers), VERIFIED_MAX):
            blocks = {str(n): channel.block(n) for n in numbers[start : start + VERIFIED_MAX]}
            answer = await rpc("sync.verify", channel=name, blocks=blocks)
            for number in map(int, answer["differing"]):
                low = number * BLOCK_SEQS
                await self._read(name, channel, low, low + BLOCK_SEQS - 1, rpc)
        final = {str(n): channel.block(n) for n in numbers[-VERIFIED_MAX:]}
        answer = await rpc("sync.verify", channel=name, blocks=final)
        assert answer["differing"] == {}, (name, answer)

    async def _read(self, name: str, channel: Channel, low: int, high: int, rpc: Rpc) -> None:
        """Messages low..high as they are now."""
        after = low - 1
        while after < high:
            page = await rpc("history.get", channel=name, after_seq=max(after, 0), limit=PAGE)
            if not page["messages"]:
                return
            for message in page["messages"]:
                if message["seq"] <= high:
                    channel.message(message)
            after = page["messages"][-1]["seq"]

    # --- what it comes to

    def state(self) -> dict[str, Any]:
        """Everything that a person sees."""
        channels = {
            name: {
                "messages": [_trim(m) for m in sorted(c.messages.values(), key=_seq)],
                "figures": _trim(c.figures),
                "seq": c.seq,
            }
            for name, c in self.channels.items()
        }
        return {
            "profile": self.profile,
            "settings": self.settings,
            "drafts": self.drafts,
            "list": {name: _line(line) for name, line in self.list.items()},
            "channels": channels,
        }

    def digest(self) -> str:
        """state_digest: SHA-256 over the canonical JSON of the state."""
        text = json.dumps(self.state(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _profile(self, data: dict[str, Any]) -> dict[str, Any]:
        return {k: data[k] for k in ("name", "avatar", "data") if data.get(k)}


def _draft(data: dict[str, Any]) -> dict[str, Any]:
    return {"rev": data["rev"], "message": data["message"]}


def _of_line(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """What an event of the own stream changes in a line of the list."""
    match kind:
        case "channel.role_changed":
            return {"role": data["role"]}
        case "channel.renamed":
            return {"name": data.get("name", "")}
        case "channel.kind_changed":
            return {"kind": data["kind"], "role": data["role"], "peer": ""}
        case "channel.hidden":
            return {"hidden": data["hidden"], "hidden_seq": data["up_to"]}
        case "channel.unhidden":
            return {"hidden": "no", "hidden_seq": 0}
        case "channel.muted":
            return {"muted": True, "muted_until": data.get("until", "")}
        case "channel.unmuted":
            return {"muted": False, "muted_until": ""}
        case "channel.sorted":
            return {k: data.get(k, False) for k in ("archived", "favourite")}
    return {}


def _line(line: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in line.items() if k != "channel" and v}
    return {k: v for k, v in kept.items() if not (k == "hidden" and v == "no")}


def _trim(data: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data.items() if v not in (None, False, "", [], (), {}) or k == "text"}


def _seq(message: dict[str, Any]) -> int:
    return int(message["seq"])


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ, as lines."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other}, key=str)
        return [d for k in keys for d in differences(one.get(k), other.get(k), f"{path}/{k}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for n, (x, y) in pairs for d in differences(x, y, f"{path}/{n}")]
    return [] if one == other else [f"{path}: {one!r} != {other!r}"]
