"""The settings of one app (tenant): limits, namespaces, who may come in. Live: an owner changes
them while the cluster runs, and every edge holds interest in them.

Rules:
1. Limits are these values and nothing else; a profile is only a set of them (`profiles`).
2. A rate of 0 is switched off, and so is a number whose comment says "0: none".
3. Values are the same for every process; the bounds of one process stand in `schema`.
4. `check` of a whole set happens when it is made: a wrong one raises ValueError.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from hubbub.base.names import CHAT_NAMESPACES, RESERVED_NAMESPACES
from hubbub.base.units import KIB

# Who may do something in a raw channel; `subscribers` are the connections subscribed to it.
Access: TypeAlias = Literal["nobody", "subscribers", "everyone"]
# Whether users may query the app's users: whoever gives two characters of a name or id, or all.
UserQueries: TypeAlias = Literal["nobody", "search", "everyone"]
# Who makes guests: nobody, server keys, or whoever asks an edge (counted by address).
Guests: TypeAlias = Literal["nobody", "server", "open"]
# Who may subscribe: with a subscription token, any signed-in user, or anonymous ones as well.
Subscribe: TypeAlias = Literal["token", "users", "everyone"]
Receipts: TypeAlias = Literal["off", "optional", "required"]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)]
# One a day. The time until a bucket is full is told in ms: with 1e-300 that was no number any more.
RATE_PER_S_MIN = 1 / 86_400


class Rate(Struct, frozen=True):
    """A token bucket: `per_s` tokens a second, one a day at least, and at most `burst` saved.
    `per_s` 0: switched off."""

    per_s: Annotated[float, Meta(ge=0, le=1_000_000)]
    burst: Count

    def __post_init__(self) -> None:
        if self.per_s > 0 and self.burst < 1:
            raise ValueError("burst must be at least 1 while per_s is not 0")
        if 0 < self.per_s < RATE_PER_S_MIN:
            raise ValueError("per_s is 0, or at least 1 a day (0.0000116)")

    @property
    def is_off(self) -> bool:
        """No limit at all."""
        return self.per_s == 0


OFF = Rate(0, 0)


class Namespace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the raw channels of one namespace behave. The default is the most careful one."""

    subscribe: Subscribe = "users"
    publish: Access = "nobody"  # server keys may always publish
    history: Access = "subscribers"
    presence: Access = "nobody"
    # Events kept: at most this many and this old, trimmed at read. 0: none, no recovery.
    history_size: Count = 0
    history_ttl_s: Annotated[int, Meta(ge=0, le=31_536_000)] = 0
    join_leave: bool = False  # joins and leaves are made
    push_join_leave: bool = False  # and pushed to every subscriber, asked for or not
    recover: bool = False  # every subscription is positioned and recovers, asked for or not
    delta: bool = False  # Fossil deltas for those who ask
    compaction: bool = True  # channel ids in place of names for those who ask

    def __post_init__(self) -> None:
        if bool(self.history_size) != bool(self.history_ttl_s):
            raise ValueError("history_size and history_ttl_s are both 0 or both set")
        if self.recover and not self.history_size:
            raise ValueError("recover needs a history_size")
        if self.push_join_leave and not self.join_leave:
            raise ValueError("push_join_leave needs join_leave")


class Override(Struct, frozen=True):
    """Capabilities that are laid over what the layer below grants; a denial wins."""

    grant: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class AppSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an app's owner may set."""

    # --- who comes in
    token_required: bool = True  # off: a connection without a token is an anonymous one
    # HS256 secrets below the hash's own length can be guessed off line (RFC 7518, 3.2).
    token_secret_bytes_min: Annotated[int, Meta(ge=1, le=1_024)] = 32
    # Written by whoever creates the app; empty: random ones. Only for a compatibility profile.
    token_secret_initial: str = ""
    server_key_initial: str = ""
    devices_per_user_max: Count = 30  # connections at once; 0: none
    # Devices that are remembered, and what happens to one more: the one that was away longest
    # leaves the list, or the new one may not connect.
    devices_kept_max: Annotated[int, Meta(ge=1, le=100)] = 30
    devices_when_full: Literal["drop_oldest", "refuse"] = "drop_oldest"
    # Handshakes from one address; never counted on loopback.
    handshakes_per_address: Rate = Rate(1.0, 60)

    # --- messages
    # Characters of a text: the default, and what an owner may raise it to.
    text_chars_max: Annotated[int, Meta(ge=1, le=20_000)] = 5_000
    # A command as received, and the publication it makes: an event is copied to every member.
    envelope_bytes_max: Annotated[int, Meta(ge=1 * KIB, le=64 * KIB)] = 64 * KIB
    send_per_channel: Rate = Rate(5.0, 10)  # of one user in one channel
    # By kind of channel (dm, group, open): how long events are kept. Absent or 0: for ever.
    retention_s: dict[str, Annotated[int, Meta(ge=0, le=3_153_600_000)]] = {}
    send_per_user: Rate = Rate(20.0, 20)  # over all channels of one user
    typing_per_channel: Rate = Rate(1 / 3, 1)  # signs of one user in one channel, on one edge
    # How long an author may undo his own deletion; a day and more: he may as well not have deleted.
    undelete_own_s: Annotated[int, Meta(ge=0, le=2_592_000)] = 3_600
    # Earlier contents of a message that are shown, 0: none.
    edits_shown_max: Annotated[int, Meta(ge=0, le=99)] = 50
    members_per_command_max: Annotated[int, Meta(ge=1, le=1_000)] = 1_000
    # Members of one channel with a row. They stand in one stream: its leader pays 10 to 15 us for
    # each mark, a tenth of a second of a core when 10,000 read a message (decision record 0033).
    channel_members_max: Annotated[int, Meta(ge=2, le=100_000)] = 10_000
    # What a page of history holds; 200 of the largest messages are bounded by bytes as well.
    history_page_default: Annotated[int, Meta(ge=1, le=200)] = 50
    history_page_max: Annotated[int, Meta(ge=1, le=1_000)] = 200
    history_page_bytes_max: Annotated[int, Meta(ge=64 * KIB, le=4_096 * KIB)] = 1_024 * KIB
    # What members see of one another: nobody may hide from "required", nobody is shown in "off".
    read_receipts: Receipts = "optional"
    delivery_receipts: Receipts = "optional"
    screen_channels_max: Annotated[int, Meta(ge=1, le=1_000)] = 100
    # Channels whose heads a connection hears of: the most recent ones of its user.
    head_channels_max: Annotated[int, Meta(ge=1, le=1_000)] = 200
    heads_interval_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1_000

    user_query: UserQueries = "search"

    # --- guests
    guests: Guests = "server"
    guest_ttl_s: Annotated[int, Meta(ge=60, le=2_592_000)] = 86_400  # where nothing else is said
    guests_per_address: Rate = Rate(1 / 60, 10)  # made without a key; never counted on loopback
    # All that a guest may do in channels, as far as his role has it.
    guest_capabilities: tuple[str, ...] = (
        "see",
        "read",
        "list_members",
        "see_edits",
        "see_receipts",
        "see_presence",
        "mark",
        "send",
        "reply_thread",
        "quote",
        "vote",
        "react",
        "type",
        "edit_own",
        "delete_own",
        "undelete_own",
        "join",
        "leave",
    )

    # Channel kind → role → what the app grants and denies beyond the table of docs/PERMISSIONS.md.
    capabilities: dict[str, dict[str, Override]] = {}

    # --- one connection
    # rpc and publish. Pong, unsubscribe and refresh are free.
    commands_per_connection: Rate = Rate(30.0, 100)
    # Apart from the above: a client with 1,000 channels resubscribes to all after a cut.
    subscribes_per_connection: Rate = Rate(20.0, 1_000)

    # --- REST, counted by each edge: of one user's tokens, of one server key. Each operation of a
    # batch counts.
    rest_per_user: Rate = Rate(30.0, 100)
    rest_per_key: Rate = Rate(500.0, 5_000)
    # What an address is refused before it says who it is; of the default app, also on loopback.
    rest_per_address: Rate = Rate(30.0, 100)

    # --- raw channels
    # By name; the empty name is that of channels without a colon, "#" makes #user a raw channel
    # in place of the chat stream. What is not here does not exist (102).
    namespaces: dict[str, Namespace] = {}
    # POST /api/publish and /api/history of the reference server, with the header X-API-Key.
    compat_api: bool = False

    def __post_init__(self) -> None:
        if self.history_page_default > self.history_page_max:
            raise ValueError("history_page_default must not exceed history_page_max")
        if 0 < len(self.token_secret_initial.encode()) < self.token_secret_bytes_min:
            raise ValueError("token_secret_initial is shorter than token_secret_bytes_min")
        if unknown := set(self.retention_s) - CHAT_NAMESPACES:
            raise ValueError(f"retention_s: no kind of channel is called {min(unknown)!r}")
        for name in self.namespaces:
            if name in RESERVED_NAMESPACES:
                raise ValueError(f"namespaces: {name!r} is reserved")
            if name != "#" and any(c in ":#@/ " or not " " < c <= "~" for c in name):
                raise ValueError(f"namespaces: {name!r} is no namespace name")

    def namespace(self, name: str) -> Namespace | None:
        """The namespace of that name, None if it is not configured."""
        return self.namespaces.get(name)

    @property
    def raw_user_streams(self) -> bool:
        """`#user` is a raw channel instead of the chat stream."""
        return "#" in self.namespaces
