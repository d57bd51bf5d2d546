"""Every message of a link: its type number and the shape of its body.

Who sends what:
  edge → router → node   SUBMIT, SUBMITS, QUERY, SUBSCRIBE, PRESENCE, HEADS, QUERIES, SEARCH
                         (`wire.search`): answered by exactly one RESULT; QUERY_ANY is a QUERY that
                         any whole copy may answer if it has `min_seq`
  node → router → node   SUBMIT (a Forward from an outbox): answered by exactly one RESULT
  node → router → edge   EVENT, SIGNAL: to every edge with interest in (app, key)
  edge → router → node   INTEREST_*: a replicated set per link; a router's set towards a node is the
                         union of its edges' sets for the slots that node leads
  any → router → edge    TO_PROCESS: to the process `name.boot_id` in the message's key
  node → node            FENCE … NODE_BEAT: the copies of a slot (`wire.replication`)

A RESULT's status is in the message's flags, so that a router never reads a body. Bodies are msgpack
array-like Structs; fields typed `Json` hold JSON bytes (decision record 0004).
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

Json = bytes  # UTF-8 JSON text that passed the ingress check, never parsed on the way


class Kind(IntEnum):
    """The u8 type of a message."""

    SUBMIT = 1
    QUERY = 2
    SUBSCRIBE = 3
    HEADS = 4
    PRESENCE = 5
    QUERY_ANY = 6
    QUERIES = 7
    SEARCH = 8
    SUBMITS = 9
    RESULT = 10
    EVENT = 20
    SIGNAL = 21
    INTEREST_DELTA = 30
    INTEREST_FULL = 31
    INTEREST_PULL = 32
    BEAT = 40
    TO_PROCESS = 50
    # node → node, bodies in wire.replication
    FENCE = 60
    PROMISED = 61
    FETCH = 62
    TAIL = 63
    APPEND = 64
    APPENDED = 65
    NAK = 66
    STALE = 67
    RECALL = 68
    NODE_BEAT = 69
    OFFER = 70
    ASK = 71
    PART = 72
    CONFIRM = 73
    CONFIRMED = 74


REQUESTS = frozenset(
    {
        Kind.SUBMIT,
        Kind.QUERY,
        Kind.QUERY_ANY,
        Kind.SUBSCRIBE,
        Kind.HEADS,
        Kind.PRESENCE,
        Kind.QUERIES,
        Kind.SEARCH,
        Kind.SUBMITS,
    }
)
FOR_A_NODE = frozenset({Kind.HEADS, Kind.QUERIES, Kind.SEARCH})  # by any slot that it leads


class Status(IntEnum):
    """The flags of a RESULT."""

    OK = 0
    REJECTED = 1  # body: Refusal. Nothing was stored.
    REDIRECT = 2  # body: Redirect. Not the leader; the router retries, an edge never sees it.
    UNKNOWN = 3  # no body: it may or may not have happened; retry under the same cmid


class SignalKind(IntEnum):
    """The flags of a SIGNAL: which push it becomes."""

    PUBLICATION = 0  # body: JSON data, with the publisher's info where there is one (wire.event)
    JOIN = 1  # body: JSON ClientInfo
    LEAVE = 2  # body: JSON ClientInfo
    UNSUBSCRIBE = 3  # body: JSON {"user", "code", "reason"}: that user's sessions leave the stream


class Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all bodies."""


class Viewer(Body, frozen=True):
    """Who asks. `authority`: client, server, moderator, analyst, operator. `guest`: a client with
    a guest's token, who may do less (features.guests). `blocks`: in reads, whom he blocks, as the
    edge knows."""

    user: str
    authority: str = "client"
    client: str = ""  # connection id, empty over REST
    info: Json = b""  # ClientInfo as it appears in presence, joins and raw publications
    demo: bool = False
    guest: bool = False
    blocks: tuple[str, ...] = ()


class Submit(Body, frozen=True):
    """A command. `body` is the JSON of the command Struct named by `tag`."""

    tag: str
    viewer: Viewer
    cmid: str
    body: Json
    origin_slot: int = -1  # of a Forward: source slot, its incarnation and n
    origin_incarnation: bytes = b""
    origin_n: int = 0


class Outcome(Body, frozen=True):
    """The answer to a SUBMIT: seq and ts of its first numbered event (or the stream's head)."""

    seq: int
    ts_ms: int
    id: str
    dup: bool = False
    rev: int = 0
    reply: Json = b""  # what the feature answers beyond this, as a JSON object


class Submits(Body, frozen=True):
    """Commands of the message's stream: run in order, each as if it had come alone after the one
    before. What stands behind one that is refused is not run: a later time runs the same ones."""

    commands: tuple[Submit, ...]


class CommandAnswer(Body, frozen=True):
    """OK: a packed Outcome. REJECTED: a packed Refusal; then it is the last one that was run."""

    status: Status
    body: bytes


class SubmitsAnswer(Body, frozen=True):
    """The answer to SUBMITS, once all that ran is committed: of the first ones, at least one."""

    rows: tuple[CommandAnswer, ...]


class Query(Body, frozen=True):
    """A read of committed rows by the feature's query `name`. Answer: JSON.

    `min_seq`: what the caller has seen of the stream. `linear`: the leader first asks a majority
    whether it still leads; without it an answer may be as old as a failover takes (2 s).
    """

    name: str
    viewer: Viewer
    args: Json
    min_seq: int = 0
    linear: bool = False


class QueryAsk(Body, frozen=True):
    """One query of a QUERIES batch, of the message's app."""

    slot: int
    key: str
    name: str
    args: Json


class Queries(Body, frozen=True):
    """Queries about many streams led by one node, in one request. What would make the answer larger
    than `bytes_max` is not run; the first always is."""

    viewer: Viewer
    asks: tuple[QueryAsk, ...]
    bytes_max: int


class QueryAnswer(Body, frozen=True):
    """OK: JSON. REJECTED: a packed Refusal. REDIRECT: ask the slot's leader. UNKNOWN: not run, for
    want of room."""

    status: Status
    body: bytes = b""


class QueriesAnswer(Body, frozen=True):
    """The answer to QUERIES, in the order of the asks."""

    rows: tuple[QueryAnswer, ...]


class Lines(Body, frozen=True):
    """Heads of many streams as clients get them, parallel to the streams asked for. `seqs`: where
    each stands, -1 where another node leads. `json`: the lines of the others, as the members of a
    JSON object."""

    seqs: tuple[int, ...]
    json: Json


class Subscribe(Body, frozen=True):
    """Rights, position and snapshot in one request; the interest DELTA precedes it on the link."""

    viewer: Viewer
    edge: str  # name.boot_id, for presence
    recover: bool = False
    offset: int = 0
    epoch: str = ""
    args: Json = b""  # the client's `data`
    token_channel: bool = False  # a subscription token for this channel was verified
    history: bool = True  # False: position and rights only
    heads: int = 0  # of a user's stream: so many of his channels' heads are wanted with it


class Subscribed(Body, frozen=True):
    """The answer to SUBSCRIBE. `events` are bodies of EVENT messages, ascending from offset + 1,
    rendered with current state."""

    epoch: str
    head: int
    recovered: bool
    events: tuple[bytes, ...] = ()
    data: Json = b""
    positioned: bool = True
    recoverable: bool = True
    presence: bool = False
    join_leave: bool = False
    channels: tuple[str, ...] = ()  # of a user's stream: whose heads its sessions hear of
    blocks: tuple[str, ...] = ()  # of a user's stream: whom he blocks
    heads: Lines | None = None  # of his first channels
    history_from: int = 0  # of a channel: changes of messages before it are not for this one


class HeadAsk(Body, frozen=True):
    """One stream of a HEADS batch. `users`: whose unread figures are wanted (may be empty).
    `clients`: absolute presence of the asking edge, None = presence is not kept; `watchers`: the
    same where only their number is. `query`: one to run for the viewer, as a QUERY would.
    `blocked`: parallel to `users`, whose messages their figures leave out; empty: nobody's."""

    slot: int
    app: str
    key: str
    users: tuple[str, ...] = ()
    clients: tuple[tuple[str, Json], ...] | None = None
    preview: bool = False
    query: str = ""
    args: Json = b""
    viewer: Viewer | None = None
    watchers: int | None = None
    blocked: tuple[tuple[str, ...], ...] = ()


class NewestAsk(Body, frozen=True):
    """Thousands of streams of one app, of which those `best` are wanted where something was said
    last (behind the place `after` in that order: negative ms and key). `slots` and `keys` are
    parallel.

    `roll`: the node keeps them under this name as of `number`; next time `keys` are those that came
    since `base`, and `gone` those that left. `base` 0: `keys` are all.

    `unread_of`: instead of the newest all of the roll in which something waits for this user, who
    blocks `blocked`."""

    app: str
    slots: tuple[int, ...]
    keys: tuple[str, ...]
    best: int
    after: tuple[int, str] | None = None
    roll: str = ""
    base: int = 0
    number: int = 0
    gone: tuple[str, ...] = ()
    unread_of: str = ""
    blocked: tuple[str, ...] = ()


class LinesAsk(Body, frozen=True):
    """Heads of many streams as one user gets them, who blocks nobody. `slots` and `keys` are
    parallel."""

    app: str
    user: str
    slots: tuple[int, ...]
    keys: tuple[str, ...]


class HeadsQuery(Body, frozen=True):
    """Positions (and figures) of many streams led by one node, in one request."""

    edge: str
    asks: tuple[HeadAsk, ...]
    newest: NewestAsk | None = None
    lines: tuple[LinesAsk, ...] = ()  # of one user each


class HeadRow(Body, frozen=True):
    """The answer to one HeadAsk. `fields` is parallel to `users`: JSON objects such as
    {"unread": 3, "mentions": 0}. `led` False: ask the slot's leader instead."""

    app: str
    key: str
    led: bool
    epoch: str = ""
    seq: int = 0
    ts_ms: int = 0
    preview: Json = b""
    fields: tuple[Json, ...] = ()
    message_seq: int = 0  # the last message, 0 if there is none
    message_ms: int = 0
    answer: Json = b""  # of the query; empty where it was refused
    unread: int = 0  # if it was asked for alone


class HeadsAnswer(Body, frozen=True):
    """The answer to HEADS, in the order of the asks; then those of `newest`, the newest first.
    `elsewhere`: keys of `newest` that another node leads; `unknown`: its roll, tell the whole.
    `lines` are parallel to the question's."""

    rows: tuple[HeadRow, ...]
    elsewhere: tuple[str, ...] = ()
    unknown: bool = False
    lines: tuple[Lines, ...] = ()


class Presence(Body, frozen=True):
    """Clients of one edge that left a stream (joins travel with SUBSCRIBE), or say something else
    of themselves (`changed`); `watchers`: how many it has in a channel without a list, None =
    not said."""

    edge: str
    left: tuple[str, ...]
    changed: tuple[tuple[str, Json], ...] = ()
    watchers: int | None = None


class Refusal(Body, frozen=True):
    """The body of a REJECTED result; `details` is a JSON object or empty."""

    code: int
    text: str
    details: Json = b""


class Redirect(Body, frozen=True):
    """The body of a REDIRECT result: who leads, as far as the answering node knows."""

    term: int
    leader: str


class InterestDelta(Body, frozen=True):
    """Change `number` of a link's interest set; entries are (app, key)."""

    number: int
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[tuple[str, str], ...] = ()


class InterestFull(Body, frozen=True):
    """The whole set as of DELTA `number`."""

    number: int
    keys: tuple[tuple[str, str], ...]


class Beat(Body, frozen=True):
    """Once a second on each link: proof of life, and the digest of the sender's interest set."""

    number: int
    count: int
    xor: int
