"""The contract between a feature and the processes: hooks over data, nothing else.

A feature is one pure file: frozen Structs for its commands and events, functions over tables, and a
`Feature` record that lists them. It is called, it never calls out.

Rules:
1. `decide` reads tables and refuses; `apply` writes its own tables and never refuses. Both see
   the rows of one stream key only. `apply` is total and deterministic: it runs on every replica
   and at replay.
2. A consequence under another key is an effect (`Forward`), returned as data; so is what is to
   happen later (`Due`).
3. Time in a feature is log time: `ctx.now_ms` in decide, `meta.ts_ms` in apply. No clock, no
   randomness.
4. Bodies of commands and events are JSON (decision record 0004), so `msgspec.Raw` fields keep a
   client's own JSON untouched from sender to receiver.

Where each hook runs: check, verbs, routes at the edge; decide, guards, pulse, lease at a slot's
leader;
apply, effects on every replica; render, head, queries on any replica that is new enough; deliver at
the edge; searching on every replica, behind the commit.

Long because it is the whole contract: a reader of one feature needs this file and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, Set, Sized
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeVar

import msgspec

from hubbub.base.errors import OVERLOADED, PERMISSION_DENIED, Rejected
from hubbub.base.names import StreamKind, check_user, kind_of, namespace_of
from hubbub.base.roll import Roll
from hubbub.base.units import KIB
from hubbub.model.usage import Growth, Usage
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.event import EventHead, StoredEvent
from hubbub.wire.presence import Live
from hubbub.wire.search import Criteria, Document, Place, SearchHit
from hubbub.wire.shapes import Json, Viewer

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sized)

EVENTS_PER_COMMAND_MAX: Final = 16  # one command = one entry, applied and fanned out atomically
PLURAL_IDS_MAX: Final = 1_000  # ids in one plural event (member.joined {users: […]})
DUE_TABLE: Final = "due"  # what falls due, of all features; written by their effects alone
DUE_NAME_BYTES_MAX: Final = 255


# --- what a feature is made of


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client asks for. Subclasses set TAG, and `stream_key` says where it is decided."""

    TAG: ClassVar[str]
    SENDS: ClassVar[bool] = False  # a message of a user: counted at the edge by `send_per_user`
    PACED: ClassVar[bool] = False  # counted at the edge by `typing_per_channel` (record 0025)

    cmid: str = ""  # UUIDv7 of the caller; an edge fills it in when the caller has none
    by: str = ""  # the user a server key acts as; the edge moves it into the viewer (`acting`)

    def stream_key(self) -> str:
        """The stream whose leader decides this command; by default the field `channel`."""
        return self.channel  # type: ignore[attr-defined, no-any-return]

    def ending(self) -> Command | None:
        """Of a sign (PACED): the command that ends it, sent when its user is put out of the app."""
        return None


class EventKind(Enum):
    """What an event costs and who sees it."""

    NUMBERED = "numbered"  # logged, takes a seq, published at that offset
    SILENT = "silent"  # logged, no seq, not published
    SIGNAL = "signal"  # not logged, published without an offset


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has happened. Its JSON fields, behind the stamped ones, are what clients receive flat:
    {"t", "seq", "id", "cmid", "by", "ts", ...fields}. So no field may bear one of those names."""

    TAG: ClassVar[str]
    KIND: ClassVar[EventKind] = EventKind.NUMBERED
    BARE: ClassVar[bool] = False  # publish only the field `data` as it is (raw namespaces)

    def flags(self) -> int:
        """What the row's head says of it (`wire.event`): COUNTABLE if it counts as unread."""
        return 0

    def ref_seq(self) -> int:
        """The seq of the message this event changes, else 0."""
        return 0

    def ref_id(self) -> str:
        """The id of the message this event changes, else "". Such an event has a field `id` with
        that value, which clients receive in place of the event's own id."""
        return ""

    def evicts(self) -> Sequence[str]:
        """Users who lose the stream by this event: the node sets EVICTS and writes them into the
        row's `info` (a JSON list); every edge then ends their subscriptions (code 2100)."""
        return ()

    def lists(self) -> Sequence[str]:
        """On a user's stream: channels that joined the user's list (flag LISTS, in `info`)."""
        return ()

    def unlists(self) -> Sequence[str]:
        """On a user's stream: channels that left the user's list (flag UNLISTS, in `info`)."""
        return ()

    def signs_out(self) -> Sequence[str]:
        """On a user's stream: devices whose sessions every edge closes (flag SIGNS_OUT, in `info`);
        `*` and a device: all sessions but those of that one."""
        return ()

    def blocks(self) -> Sequence[str]:
        """On a user's stream: whom he blocks (+ before the name) or no more (-) (flags BLOCKS, in
        `info`)."""
        return ()

    def publisher_info(self) -> Json:
        """ClientInfo (JSON) to go into the row's `info`; raw namespaces only."""
        return b""


class Table(Generic[K, V]):
    """Rows of one feature under each stream key. Declared once, at module level.

    `name` is unique over the registry and stays for ever (it is part of the row's key on disk).
    Keys are `str`, `int` (0 <= k < 2**63) or tuples of them, and sort by their parts; rows are
    frozen
    Structs (stored as msgpack) or `int`/`str`/`bytes`.
    """

    __slots__ = ("key_type", "name", "row_type")

    def __init__(self, name: str, key_type: type[K] | Any, row_type: type[V] | Any) -> None:
        self.name = name
        self.key_type = key_type
        self.row_type = row_type


class Rows(Protocol[K, V]):
    """The rows of one table under the current stream key."""

    def get(self, key: K) -> V | None: ...
    def get_many(self, keys: Sequence[K]) -> list[V | None]:
        """As `get`, of each of these keys, which are read together: for loops over many users."""
        ...

    def put(self, key: K, row: V) -> None: ...
    def put_many(self, rows: Mapping[K, V]) -> None:
        """As `put`, of each of them."""
        ...

    def delete(self, key: K) -> None: ...
    def scan(
        self, *, after: K | None = None, limit: int = 1_000, reverse: bool = False
    ) -> list[tuple[K, V]]:
        """Rows in key order, strictly behind `after`."""
        ...

    def stored(self, limit: int) -> dict[K, bytes]:
        """The first rows in key order, each as MessagePack: for who passes thousands on."""
        ...


class Tables(Protocol):
    """All rows of one stream key, and its published events."""

    def __getitem__(self, table: Table[K, V]) -> Rows[K, V]: ...

    @property
    def head_seq(self) -> int:
        """The stream's last seq (0: empty), including what this command has appended."""
        ...

    @property
    def head_ts_ms(self) -> int: ...

    def published(self, seq: int) -> StoredEvent | None:
        """The event at `seq` exactly as it was published (flags aside)."""
        ...

    def published_range(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[StoredEvent]:
        """Events with after < seq < before; ascending, or descending when `reverse`."""
        ...

    def published_rows(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[tuple[int, bytes]]:
        """As published_range, as they are stored: (seq, row of `wire.event`)."""
        ...

    def mark_changed(self, seqs: Iterable[int]) -> None:
        """Set CHANGED in the heads of these events (apply only)."""
        ...

    def set_floor(self, seq: int) -> None:
        """Raise the lowest readable seq (apply only)."""
        ...

    @property
    def floor_seq(self) -> int: ...

    def kept(
        self, name: str, rests_on: Sequence[Table[Any, Any]], make: Callable[[Tables], S]
    ) -> S:
        """What `make` makes of the rows of these tables and of nothing else; its length is about
        what it takes in bytes. Reads have it made once, until a commit changes one of them
        (decision record 0038)."""
        ...


def _admit_all(_: Any, __: Any, ___: Any) -> None:
    return


def _nothing_used(_: str) -> Usage:
    return Usage()


def _as_it_is(command: Any, _: Any) -> Any:
    return command


class Context(msgspec.Struct, frozen=True):
    """What `decide`, `guards` and queries know besides the tables.

    `admit(command, tables, ctx)` runs the guards of another command, for a decision that stands in
    for it (a scheduled message that is sent now). Raises Rejected as they do. `live`: what the
    leader has in memory of the stream; for queries. `usage_of(app)`: what the app has; for queries.
    """

    app: str
    key: str  # the stream key
    now_ms: int  # log time: never behind the stream's last entry
    viewer: Viewer
    cmid: str = ""
    entropy: bytes = b""  # 16 bytes, decide only
    id_secret: bytes = b""
    settings: AppSettings = AppSettings()
    admit: Callable[[Any, Any, Any], None] = _admit_all
    live: Live = Live()
    usage_of: Callable[[str], Usage] = _nothing_used

    @property
    def actor(self) -> str:
        return self.viewer.user


class Meta(msgspec.Struct, frozen=True):
    """What `apply`, `effects` and `render` know of an event. `seq` is 0 for a silent event."""

    app: str
    key: str
    seq: int
    ts_ms: int
    by: str
    cmid: str
    id: str  # message id of (ts, seq); "" for a silent event


class Sign(msgspec.Struct, frozen=True):
    """What the leader keeps in memory of one who types: for `ms`, 0: no more. Others were told of
    it by name, and are told so when it ends before its time (`where`: the feature's own word for
    the place); or it counts in the stream's tally."""

    ms: int
    is_named: bool = False
    where: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What `decide` may return instead of a bare list: `reply` is a JSON object that is merged into
    the caller's answer (and kept with the dedup row, so that a retry gets the same)."""

    events: Sequence[Event]
    reply: Json = b""
    sign: Sign | None = None  # the actor gives it, or ends it


class Forward(msgspec.Struct, frozen=True):
    """A consequence under another stream key: decided there, at least once, idempotent, ≤ 1 s
    later. It runs with authority `system` and the actor of the event."""

    command: Command


class Due(msgspec.Struct, frozen=True):
    """Something of this stream that falls due: from `at_ms` (log time) on, `command` is proposed.

    - `name` is the feature's own under the stream key (`poll.close:<id>`, at most 255 bytes). Set
      again, it replaces what stood there; `Undue` takes it back. One that lies in the past is
      proposed at once.
    - The command belongs to the same stream key and is decided like any other, with authority
      `system` and, as its actor, `command.by` or else the actor of the event. Guards of features
      run; `ctx.now_ms` is never before `at_ms`. It needs no cmid; a `cmid` that it has is borne by
      its events, and is not deduplicated. A feature offers no verb for it, and its `decide` asks
      for Action.PROJECT, which no client has.
    - Exactly once: its entry deletes the row, with or without events, before the events are
      applied. So a leader that dies in between changes nothing, and the events' own effects may
      set the same name anew: that is how something repeats, and how long work goes on in steps.
    - Refused for good (any lasting error): done, nothing happens; what somebody should hear of
      has to be an event instead of a refusal. A temporary error (RATE_LIMITED with its
      retry_after_ms, OVERLOADED) and a bug are tried again, later each time.
    - Usually within 50 ms of its time; after downtime in order of time, at a bounded rate. It is a
      row like others: in every copy, snapshot and backup.
    - Tests: `Playbook.tick` moves log time, `Playbook.fall_due` proposes what has fallen due.
    """

    at_ms: int
    name: str
    command: Command


class Undue(msgspec.Struct, frozen=True):
    """Take back what was set under `name`; nothing if it is not there (any more)."""

    name: str


Effect = Forward | Due | Undue

# --- what the edge turns a request into


class QueryCall(msgspec.Struct, frozen=True):
    """Ask the leader (or a new enough replica) of `key` for the query `name`; `args` is a
    Struct."""

    key: str
    name: str
    args: msgspec.Struct


class Reads(msgspec.Struct, frozen=True):
    """Several queries at once: one batched request for each leader (decision record 0016).

    then(what each call was answered, in their order) → the answer's JSON, or the next round. A
    refusal concerns its call alone; None: there was no room left for it in `bytes_max`. `viewer`:
    under whose rights they are asked; None: the caller's.
    """

    calls: tuple[QueryCall, ...]
    then: Callable[[Sequence[Json | Rejected | None]], Json | Reads]
    viewer: Viewer | None = None
    bytes_max: int = 768 * KIB


class Local(msgspec.Struct, frozen=True):
    """Handled by the edge itself (`screen.set`): `name` is looked up in the edge's own table."""

    name: str
    args: msgspec.Struct


class Several(msgspec.Struct, frozen=True):
    """Commands for several streams in one request, each decided for itself. The answer names those
    that were refused: {"refused": {stream key: name of the error}}."""

    commands: tuple[Command, ...]


class HeadsCall(msgspec.Struct, frozen=True):
    """Where these streams stand: asked of all nodes that lead them at once. `user`: whose figures
    are wanted (empty: nobody's). `query`: one to run at each of them for the viewer, whose JSON is
    the row's `answer`, empty where it was refused. Without all that it costs microseconds a
    stream.

    `blocked`: whose messages the figures leave out.

    `best`: only so many, and of all streams those where something was said last, behind the place
    `after` in the order of (negative ms, key). Nothing else is asked of them then. `roll`: instead
    of `keys`, for thousands of streams that are asked for again: the nodes keep them in order.

    `unread`: only those of the roll in which something waits for `user`, each row with how much."""

    keys: Sequence[str]
    user: str = ""
    preview: bool = False
    query: str = ""
    args: msgspec.Struct | None = None
    best: int = 0
    after: tuple[int, str] | None = None
    blocked: tuple[str, ...] = ()
    roll: Roll | None = None
    unread: bool = False


class Recall(msgspec.Struct, frozen=True):
    """What an errand of this edge kept under `key`; None where there is nothing (any more)."""

    key: str


class Keep(msgspec.Struct, frozen=True):
    """Keep this for the next errand here (`weight`: see edge.memory), as long as there is room.
    The value is shared: whoever changes it leaves it whole between two steps."""

    key: str
    value: Any
    weight: int


class SearchCall(msgspec.Struct, frozen=True):
    """Search these streams; None: everything of the app. Asked of all nodes that lead some of it,
    under the rights of `viewer`; answered by SearchFound (decision record 0027)."""

    keys: Sequence[str] | None
    criteria: Criteria
    viewer: Viewer
    before: Place | None
    limit: int


class SearchFound(msgspec.Struct, frozen=True):
    """`hits` in order, at most `limit`; behind `next` there may be more, None: nothing. As of
    `indexed_to_ms` (0: nobody can say) everything was searched, unless `incomplete`."""

    hits: Sequence[SearchHit]
    next: Place | None
    indexed_to_ms: int
    incomplete: bool


Steps = Generator[
    Command | Several | QueryCall | HeadsCall | Local | SearchCall | Recall | Keep, Any, Json
]


class Errand(msgspec.Struct, frozen=True):
    """What an edge does in several steps, each knowing the answers before it (decision record
    0024). `steps` yields what to ask next and is sent the answer: of a command or query its JSON,
    of a HeadsCall the HeadRow of each key, of a Recall the value. A refusal is thrown into it. It
    returns the answer.

    Nothing is atomic over steps: a later one may be refused when an earlier one is done.
    """

    steps: Callable[[], Steps]


class EdgeContext(msgspec.Struct, frozen=True):
    """What `check`, `verbs` and `routes` know.

    `check(command, ctx)` runs the checks of another command, which is part of this one.
    """

    app: str
    viewer: Viewer
    now_ms: int
    entropy: bytes
    id_secret: bytes
    settings: AppSettings
    check: Callable[[Any, Any], Any] = _as_it_is


class Gather(msgspec.Struct, frozen=True):
    """How an edge gathers a verb's commands: those of many users for one stream become one command
    of the edge's own (authority `edge`), at its pace. What they change is figures of the users'
    heads, which the edge then asks for anew. Such commands need no cmid: asked twice is asked once.

    merge(commands of each user, in his order) → the one command. split(its answer, the same) → the
    answer of each user, or why he is refused. `group`: verbs of one group are gathered together.
    users_max: more go into the next command. changes_figures: False where no head shows it.
    """

    merge: Callable[[Mapping[str, Sequence[Any]]], Command]
    split: Callable[[Json, Mapping[str, Sequence[Any]]], Mapping[str, Json | Rejected]]
    group: str
    users_max: int = PLURAL_IDS_MAX
    changes_figures: bool = True


class Verb(msgspec.Struct, frozen=True):
    """A row of `rpc`: {name} with params of `shape` → command, query or local action → answer."""

    name: str
    shape: type[msgspec.Struct]
    turn: Callable[[Any, EdgeContext], Command | Several | QueryCall | Reads | Local | Errand]
    answer: type[msgspec.Struct]  # for the documents; answers are sent as the node made them
    doc: str = ""
    gather: Gather | None = None


class Route(msgspec.Struct, frozen=True):
    """A row of REST: path parameters, query parameters and JSON body merged into one `shape`.

    `behalf`: of a read, the field with the user for whom a server key asks: whom he blocks is left
    out as when he asks himself. `sends`: its command counts as a message (`Command.SENDS`)."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str  # "/v1/channels/{channel}/messages"
    shape: type[msgspec.Struct]
    turn: Callable[[Any, EdgeContext], Command | Several | QueryCall | Reads | Errand]
    answer: type[msgspec.Struct]
    status: int = 200
    doc: str = ""
    behalf: str = ""
    sends: bool = False


class QueryRow(msgspec.Struct, frozen=True):
    """A read of committed rows: run(args, tables, ctx) → Struct (sent as JSON) or raises
    Rejected."""

    name: str
    shape: type[msgspec.Struct]
    run: Callable[[Any, Tables, Context], msgspec.Struct]


class Access(msgspec.Struct, frozen=True):
    """What a subscriber gets: the answer of the `access` hook, which raises Rejected to refuse.

    `data`: snapshot for the subscriber (JSON). `snapshot` makes it in its place, and only for a
    subscriber who has not recovered all that he missed. history_*: what of the log may be read (0 =
    all).
    """

    data: Json = b""
    snapshot: Callable[[], Json] | None = None
    positioned: bool = True
    recoverable: bool = True
    presence: bool = False
    join_leave: bool = False
    channels: tuple[str, ...] = ()  # of a user's stream: whose heads its sessions hear of
    blocks: tuple[str, ...] = ()  # of a user's stream: whom he blocks
    history_size: int = 0
    history_ttl_ms: int = 0
    history_from: int = 0  # the lowest seq that this one may read


class SubscribeArgs(msgspec.Struct, frozen=True):
    """The argument of the `access` hook."""

    data: Json = b""
    token_channel: bool = False


class Pulse(msgspec.Struct, frozen=True):
    """Figures that many events change and nobody needs at once: told at most once a second, as
    signals, instead of once an event (decision record 0015).

    noted: event → what changed by it (such as seqs of messages).
    told(what, tables) → the signal, of committed rows as they are when it is told; None: nothing.
    Only the leader tells, and what it had noted goes with it: the figures of a signal carry a rev,
    which whoever reads a page compares.
    """

    noted: Mapping[type[Event], Callable[[Any, Meta], Sequence[int]]]
    told: Callable[[int, Tables], Event | None]


class Lease(msgspec.Struct, frozen=True):
    """How a feature shows the connections of a user, which the leader of his stream has in memory
    (decision record 0026). One feature of the registry has it.

    stirred: events of his stream after which he is shown in another way, whoever looks.
    sight: those after which others may see him, or he them, who might not before, or not any more.
    hides(tables): others are to see none of them; it takes effect as if they had ended.
    is_out(tables, now_ms): he may have none; he is gone at once, whatever edges still report.
    told(live, tables) → the signal to the edges on which he is watched.
    ended(user, gone_ms) → the command that keeps since when others see him no more.
    counted(number) → the signal to a channel of how many connections are in it.
    is_counted(tables, ctx): everybody in the channel may hear of it.
    look(users, viewer) → an errand's steps: how the viewer sees them (JSON of wire.presence.Watch).
    clients(channel, ctx) → the errand for the connections in a channel of the chat, without those
    whose users the asker does not see (JSON of wire.reads.PresenceMap).
    """

    stirred: frozenset[type[Event]]
    sight: frozenset[type[Event]]
    hides: Callable[[Tables], bool]
    is_out: Callable[[Tables, int], bool]
    told: Callable[[Live, Tables], Event]
    ended: Callable[[str, int], Command]
    counted: Callable[[int], Event]
    is_counted: Callable[[Tables, Context], bool]
    look: Callable[[Sequence[str], str], Steps]
    clients: Callable[[str, EdgeContext], Errand]


class Tally(msgspec.Struct, frozen=True):
    """How a feature shows signs, which the leader of a channel has in memory (Sign).

    counted(number) → the signal of how many give it where nobody is named.
    stirred: events after which somebody may have to stop; holds(user, tables, ctx): whether he need
    not. ended(where) → the signal, in his name, that he did.
    """

    counted: Callable[[int], Event]
    ended: Callable[[str], Event]
    stirred: frozenset[type[Event]]
    holds: Callable[[str, Tables, Context], bool]


class Searching(msgspec.Struct, frozen=True):
    """How a stream's events become what is searched (decision record 0027).

    made: event → the document that a message begins as. touched: event → seqs of messages that read
    otherwise now. current(seq, tables) → the document as it reads now; None: nothing of it may be
    found. floors: events that raise the floor.
    """

    made: Mapping[type[Event], Callable[[Any, Meta], Document]]
    touched: Mapping[type[Event], Callable[[Any], Sequence[int]]]
    current: Callable[[int, Tables], Document | None]
    floors: frozenset[type[Event]]


KEEP: Final = "keep"
DROP: Final = "drop"


def _identity(command: Any, _: EdgeContext) -> Command:
    return command  # type: ignore[no-any-return]


as_command: Final = _identity  # the request is the command


def acting(command: Command, viewer: Viewer) -> Viewer:
    """The viewer under which an edge submits a command: `by` names the user a server key acts as.

    Raises Rejected(PERMISSION_DENIED) when anyone else names one.
    """
    if not command.by or command.by == viewer.user:
        return viewer
    if viewer.authority != "server":
        raise Rejected(PERMISSION_DENIED, "only a server key acts as another user")
    return msgspec.structs.replace(viewer, user=check_user(command.by))


def acting_as(user: str, viewer: Viewer) -> Viewer:
    """The viewer under which a read is asked: `user` (empty: the caller) with his own rights, also
    when a server key asks for him (`Route.behalf`). Raises as `acting`."""
    if not user or user == viewer.user:
        return viewer
    if viewer.authority != "server":
        raise Rejected(PERMISSION_DENIED, "only a server key acts as another user")
    return Viewer(user=check_user(user), blocks=viewer.blocks)


def only_answer(answers: Sequence[Json | Rejected | None]) -> Json:
    """What `Reads` of one call answer (its `then`). Raises Rejected."""
    [answer] = answers
    if not isinstance(answer, bytes):
        raise answer or Rejected(OVERLOADED)
    return answer


def stream_kind(key: str, settings: AppSettings) -> StreamKind:
    """Which `access` hook answers for a key: `#user` may be a raw channel (settings)."""
    kind = kind_of(key)
    if kind is StreamKind.USER and settings.raw_user_streams:
        return StreamKind.RAW
    return kind


def namespace_for(key: str, settings: AppSettings) -> Namespace | None:
    """How a raw channel behaves; None if its namespace is not configured. A leading `$` (a token is
    needed) is not part of the namespace's name."""
    if stream_kind(key, settings) is not StreamKind.RAW:
        return None
    return settings.namespace(namespace_of(key.removeprefix("$")))


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """The usual answer to a command: where it stands in its stream. `ts` is RFC 3339."""

    seq: int
    id: str
    ts: str
    dup: bool = False
    rev: int = 0


class Nothing(msgspec.Struct, frozen=True):
    """No parameters, or an empty answer."""


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One feature. A hook that is left out costs nothing."""

    name: str
    tables: tuple[Table[Any, Any], ...] = ()
    check: Mapping[type[Command], Callable[[Any, EdgeContext], Command]] = {}
    decide: Mapping[
        type[Command], Callable[[Any, Tables, Context], Sequence[Event] | Decision]
    ] = {}
    guards: Mapping[type[Command], Callable[[Any, Tables, Context], None]] = {}
    apply: Mapping[type[Event], Callable[[Any, Meta, Tables], None]] = {}
    effects: Mapping[type[Event], Callable[[Any, Meta, Tables], Sequence[Effect]]] = {}
    render: Mapping[type[Event], Callable[[StoredEvent, Tables], Json]] = {}
    # By how much the app's users and channels change; asked before the event is applied (rule 1).
    counts: Mapping[type[Event], Callable[[Any, Tables], Growth]] = {}
    # What clients are told of it that no command makes, by its type: for the documents.
    signs: Mapping[str, type[msgspec.Struct]] = {}
    deliver: Callable[[EventHead, Viewer], str | bytes] | None = None
    head: Callable[[Tables, str, Set[str]], Mapping[str, object]] | None = None
    # How many messages wait for a user in a channel; leaves out those of whom he blocks.
    unread: Callable[[Tables, str, Set[str]], int] | None = None
    pulse: Pulse | None = None
    tally: Tally | None = None
    lease: Lease | None = None
    searching: Searching | None = None
    access: Mapping[StreamKind, Callable[[SubscribeArgs, Tables, Context], Access]] = {}
    queries: tuple[QueryRow, ...] = ()
    routes: tuple[Route, ...] = ()
    verbs: tuple[Verb, ...] = ()


class Registry:
    """The ordered list of features, indexed by what each hook is looked up by. Immutable."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features: Final = tuple(features)
        self.commands: dict[str, type[Command]] = {}
        self.events: dict[str, type[Event]] = {}
        self.decide: dict[type[Command], Any] = {}
        self.checks: dict[type[Command], list[Any]] = {}
        self.guards: dict[type[Command], list[Any]] = {}
        self.apply: dict[type[Event], list[Any]] = {}
        self.effects: dict[type[Event], list[Any]] = {}
        self.counts: dict[type[Event], Callable[[Any, Tables], Growth]] = {}
        self.render: dict[str, Any] = {}
        self.signs: dict[str, type[msgspec.Struct]] = {}
        self.access: dict[StreamKind, Any] = {}
        self.queries: dict[str, QueryRow] = {}
        self.verbs: dict[str, Verb] = {}
        self.routes: list[Route] = []
        self.heads = [f.head for f in features if f.head is not None]
        self.unread = next((f.unread for f in features if f.unread is not None), None)
        self.delivers = [f.deliver for f in features if f.deliver is not None]
        self.pulses = {f.name: f.pulse for f in features if f.pulse is not None}
        self.tally: Tally | None = None
        self.tally_of = ""  # the feature's name, as with `lease`
        self.noted: dict[type[Event], list[Any]] = {}  # event → (feature's name, noted)
        self.searching = next((f.searching for f in features if f.searching is not None), None)
        self.tables: dict[str, Table[Any, Any]] = {}
        self.lease: Lease | None = None
        self.lease_of = ""  # the feature's name, under which its events are noted
        for feature in features:
            self._add(feature)

    def checked(self, command: Any, ctx: EdgeContext) -> Any:
        """The command as its checks leave it. Raises Rejected."""
        for check in self.checks.get(type(command), ()):
            command = check(command, ctx)
        return command

    def admit(self, command: Command, tables: Tables, ctx: Context) -> None:
        """Ask the guards of a command. Raises Rejected."""
        for guard in self.guards.get(type(command), ()):
            guard(command, tables, ctx)

    def _add(self, feature: Feature) -> None:
        for table in feature.tables:
            assert table.name != DUE_TABLE, f"{feature.name}: a table needs another name"
            _once(self.tables, table.name, table)
        for command, decide in feature.decide.items():
            _once(self.commands, command.TAG, command)
            _once(self.decide, command, decide)
        for kind, access in feature.access.items():
            _once(self.access, kind, access)
        for row in feature.queries:
            _once(self.queries, row.name, row)
        for verb in feature.verbs:
            _once(self.verbs, verb.name, verb)
        self.routes.extend(feature.routes)
        _append(self.checks, feature.check)
        _append(self.guards, feature.guards)
        _append(self.apply, feature.apply)
        _append(self.effects, feature.effects)
        for event in feature.apply:
            known = self.events.setdefault(event.TAG, event)
            assert known is event, f"two events named {event.TAG}"
        for event, noted in feature.pulse.noted.items() if feature.pulse else ():
            self.noted.setdefault(event, []).append((feature.name, noted))
        self._add_in_memory(feature)
        for event, counts in feature.counts.items():
            _once(self.counts, event, counts)
        for event, render in feature.render.items():
            _once(self.render, event.TAG, render)
        for tag, shape in feature.signs.items():
            _once(self.signs, tag, shape)

    def _add_in_memory(self, feature: Feature) -> None:
        """What a leader has in memory: connections of users, signs in channels."""
        if feature.lease is not None:
            assert self.lease is None, f"{feature.name}: another feature shows connections"
            self.lease, self.lease_of = feature.lease, feature.name
            for event in feature.lease.stirred:
                self.noted.setdefault(event, []).append((feature.name, _once_noted))
        if feature.tally is not None:
            assert self.tally is None, f"{feature.name}: another feature has signs"
            self.tally, self.tally_of = feature.tally, feature.name
            for event in feature.tally.stirred:
                self.noted.setdefault(event, []).append((feature.name, _once_noted))


def _once_noted(_: Any, __: Meta) -> Sequence[int]:
    return (0,)


def _append(index: dict[Any, list[Any]], hooks: Mapping[Any, Any]) -> None:
    for shape, hook in hooks.items():
        index.setdefault(shape, []).append(hook)


def _once(index: dict[Any, Any], key: Any, value: object) -> None:
    assert key not in index, f"{key} is declared twice"
    index[key] = value
