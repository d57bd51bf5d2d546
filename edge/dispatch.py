"""A row of the registry → checks → command or query for the log → answer. For rpc and REST alike.

Rules:
1. A request becomes one SUBMIT or one QUERY; its answer comes through a callback, exactly once.
2. Every check of the registry runs here, in registry order, before anything leaves the edge.
3. UNKNOWN is an error of its own (400 `unknown_outcome`, temporary): retry under the same cmid.
4. Signs that leave nothing behind (`Command.PACED`) are counted here, after the checks, and ended
   for whoever is put out of the app (`edge.given`).
5. An rpc's answer names fields that nobody knows (`edge.ignored`), its refusal those that are wrong
   (`explaining`); cursors are sealed (`cursors`).
6. A command without a cmid gets one here, so that a resend inside the cluster stays one command.

Long because rpc, REST, batches and the edge's own commands share these checks and ways to the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Protocol

import msgspec

from edge.cursors import Seal, listing
from edge.explaining import explained
from edge.given import GivenSigns
from edge.ignored import known_fields, unknown_fields, with_ignored
from edge.limits import SharedLimits
from edge.nearest import nearest_name
from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    TOO_LARGE,
    UNKNOWN_OUTCOME,
    Rejected,
    error_by_code,
)
from hubbub.base.ids import uuid7
from hubbub.coordinator.records import Quotas
from hubbub.features.contract import (
    Command,
    EdgeContext,
    Errand,
    Gather,
    Local,
    QueryCall,
    Reads,
    Registry,
    Route,
    Several,
    acting,
)
from hubbub.features.publication import rfc3339
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import (
    convert,
    decode_json,
    decode_pack,
    dump_json,
    encode_json,
    encode_pack,
    shape_json,
)
from hubbub.wire.shapes import (
    Kind,
    Outcome,
    Query,
    Refusal,
    Status,
    Submit,
    Submits,
    SubmitsAnswer,
    Viewer,
)

_SUBMIT: Final = Kind.SUBMIT  # an enum's member costs ten times a global's look-up
_OK: Final = Status.OK

# What a command's answer is: (None, JSON), or a refusal and nothing.
Answered = tuple[Rejected | None, bytes]
# error None: `data` is the answer's JSON. Else the refusal, and data is empty.
Reply = Callable[[Rejected | None, bytes], None]
Done = Callable[[Status, bytes], None]
RequestFunction = Callable[[Kind, str, str, bytes, Done], None]


class Wish(msgspec.Struct, frozen=True):
    """What a caller may ask of any read beside its own fields: how new it must be.

    `min_seq`: a copy that has the stream up to there will do; without it the leader answers.
    `linear`: the leader answers, after a majority has told it that it still leads.
    """

    min_seq: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)] = 0
    linear: bool = False


WISHES: Final = frozenset(Wish.__struct_fields__)


class Sealed(msgspec.Struct, frozen=True):
    """A command that was checked and counted: nothing is left but to send it to its stream."""

    key: str
    submit: Submit


class App(msgspec.Struct, frozen=True):
    """What the edge must know of an app to turn requests into commands."""

    name: str
    settings: AppSettings
    id_secret: bytes
    quotas: Quotas = Quotas()


class LocalActions(Protocol):
    """Actions that the edge does itself (`Local` rows)."""

    def run(self, action: Local, app: App, viewer: Viewer) -> bytes:
        """The answer's JSON. Raises Rejected."""
        ...


class Gathers(Protocol):
    """Who gathers the commands of many users into one (`Verb.gather`)."""

    def add(self, gather: Gather, command: Command, app: App, user: str, reply: Reply) -> None:
        """Take a checked command; its reply follows with that of the gathered one."""
        ...


class Errands(Protocol):
    """Who goes through the steps of an `Errand`."""

    def start(self, errand: Errand, app: App, viewer: Viewer, reply: Reply) -> None:
        """Take the first step; the reply follows once."""
        ...


class Readings(Protocol):
    """Who asks many queries at once (`Reads`)."""

    def start(self, reads: Reads, app: str, viewer: Viewer, reply: Reply) -> None:
        """Ask them all; the reply follows."""
        ...


class Dispatch:
    """Turns requests into link requests. `entropy(n)` and `now_ms()` are passed in."""

    local: LocalActions
    errands: Errands
    readings: Readings
    gathering: Gathers | None = None  # None: every command leaves by itself

    def __init__(
        self,
        registry: Registry,
        request: RequestFunction,
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._registry = registry
        self._lists = {
            n for n, row in registry.verbs.items() if "cursor" in known_fields(row.shape)
        }
        self._request = request
        self._now_ms = now_ms
        self._entropy = entropy
        self.limits = SharedLimits()
        self._given = GivenSigns()
        # Set by the wiring: a key acts for nobody who is excluded.
        self.require_included: Callable[[str, str], None] = _all_are
        self.count_message: Callable[[App, int], None] = _no_quota  # set by the wiring, too

    def context(self, app: App, viewer: Viewer) -> EdgeContext:
        """What a feature's check, verb or route may know."""
        return EdgeContext(
            app=app.name,
            viewer=viewer,
            now_ms=self._now_ms(),
            entropy=self._entropy(16),
            id_secret=app.id_secret,
            settings=app.settings,
            check=self._registry.checked,
        )

    def verb(self, name: str, params: bytes, app: App, viewer: Viewer, reply: Reply) -> None:
        """An rpc; `params`: JSON that passed the ingress check, or empty.

        Refusals go through `reply`; unknown names are 108.
        """
        try:
            row = self._registry.verbs.get(name)
            if row is None:
                raise Rejected(NOT_AVAILABLE, f"no method {name[:64]}", **self._nearest(name))
            reply = _explaining(reply, params or b"{}", row.shape)
            request = shape_json(params or b"{}", row.shape)
            if "cursor" in known_fields(row.shape):
                seal = Seal(app.name, app.id_secret, name)
                request, reply = listing(seal, request, self._now_ms(), reply)
            context = self.context(app, viewer)
            action = row.turn(request, context)
            unknown = unknown_fields(params, known_fields(row.shape))
            if unknown:
                reply = _telling(unknown, is_read=isinstance(action, QueryCall), reply=reply)
            if isinstance(action, QueryCall):
                self.query(action, app, viewer, reply, shape_json(params or b"{}", Wish))
            elif isinstance(action, Several) and row.gather is not None:
                for command, one in _each(action, reply):
                    try:
                        self._gather(row.gather, command, app, context, one)
                    except Rejected as refusal:
                        one(refusal, b"")
            elif not isinstance(action, Command):
                self.turned(action, app, viewer, reply)
            elif row.gather is not None:
                self._gather(row.gather, action, app, context, reply)
            else:
                self._submit(action, app, context, reply)
        except Rejected as refusal:
            reply(refusal, b"")

    def _nearest(self, name: str) -> dict[str, object]:
        found = nearest_name(name, self._registry.verbs)
        return {"nearest": found} if found else {}

    def route(
        self, row: Route, params: Mapping[str, object], app: App, viewer: Viewer, reply: Reply
    ) -> None:
        """A REST request: path, query and body already merged into `params` (values or Raw)."""
        try:
            wish = _wish(params) if row.method == "GET" else Wish()
            action = self._action(row, params, app, viewer)
            if isinstance(action, QueryCall):
                self.query(action, app, viewer, reply, wish)
            else:
                self.turned(action, app, viewer, reply)
        except Rejected as refusal:
            reply(refusal, b"")

    def _action(
        self, row: Route, params: Mapping[str, object], app: App, viewer: Viewer
    ) -> Command | Several | QueryCall | Reads | Local | Errand:
        request = shape_json(encode_json(params), row.shape)  # keeps Raw fields as JSON
        return row.turn(request, self.context(app, viewer))

    def sealed(
        self, row: Route, params: Mapping[str, object], app: App, viewer: Viewer
    ) -> Sealed | None:
        """A REST request that becomes one command, ready to leave; None where it becomes anything
        else, of which nothing has begun. Raises Rejected from the checks."""
        action = self._action(row, params, app, viewer)
        if not isinstance(action, Command):
            return None
        return self._seal(action, app, self.context(app, viewer))

    def leave(
        self, commands: Sequence[Sealed], app: App, reply: Callable[[list[Answered]], None]
    ) -> None:
        """Send commands of one stream, to be run in this order. The reply has the answers of the
        first ones: of all, or up to one that was refused, behind which none was run."""

        def done(status: Status, body: bytes) -> None:
            if status is Status.UNKNOWN:
                reply([(refusal_of(status, body), b"") for _ in commands])
            elif status is not _OK:
                reply([(refusal_of(status, body), b"")])
            elif len(commands) == 1:
                reply([(None, outcome_json(body))])
            else:
                rows = decode_pack(body, SubmitsAnswer).rows
                reply([_answered(row.status, row.body) for row in rows])

        key, submits = commands[0].key, tuple(one.submit for one in commands)
        if len(submits) == 1:
            self._request(_SUBMIT, app.name, key, encode_pack(submits[0]), done)
        else:
            self._request(Kind.SUBMITS, app.name, key, encode_pack(Submits(submits)), done)

    def turned(
        self,
        action: Command | Several | QueryCall | Reads | Local | Errand,
        app: App,
        viewer: Viewer,
        reply: Reply,
    ) -> None:
        """Send what a verb or route became. Raises Rejected from the checks."""
        if isinstance(action, QueryCall):
            self.query(action, app, viewer, reply, Wish())
        elif isinstance(action, Reads):
            self.readings.start(action, app.name, action.viewer or viewer, reply)
        elif isinstance(action, Local):
            reply(None, self.local.run(action, app, viewer))
        elif isinstance(action, Errand):
            self.errands.start(action, app, viewer, reply)
        elif isinstance(action, Several):
            for command, one in _each(action, reply):
                try:
                    self.submit(command, app, viewer, one)
                except Rejected as refusal:
                    one(refusal, b"")
        else:
            self.submit(action, app, viewer, reply)

    def query(self, call: QueryCall, app: App, viewer: Viewer, reply: Reply, wish: Wish) -> None:
        """To the stream's leader; to any copy that has enough if the caller says what is enough."""
        query = Query(call.name, viewer, encode_json(call.args), wish.min_seq, wish.linear)
        kind = Kind.QUERY_ANY if wish.min_seq and not wish.linear else Kind.QUERY
        self._request(kind, app.name, call.key, encode_pack(query), _answer(reply, _as_is))

    def ask(self, call: QueryCall, app: App, viewer: Viewer, reply: Reply) -> None:
        """A query to the stream's leader."""
        self.query(call, app, viewer, reply, Wish())

    def clients(self, channel: str, app: App, viewer: Viewer, reply: Reply) -> None:
        """The connections in a chat channel that the viewer may see (wire.reads.PresenceMap).
        Raises Rejected."""
        lease = self._registry.lease
        if lease is None:
            raise Rejected(NOT_AVAILABLE, "nobody keeps presence here")
        self.errands.start(lease.clients(channel, self.context(app, viewer)), app, viewer, reply)

    def submit(self, command: Command, app: App, viewer: Viewer, reply: Reply) -> None:
        """Check a command and send it to its stream's leader. Raises Rejected from the checks."""
        self._submit(command, app, self.context(app, viewer), reply)

    def send(
        self, tag: str, fields: Mapping[str, object], app: App, viewer: Viewer, reply: Reply
    ) -> None:
        """A command of the edge's own making."""
        try:
            command = convert(fields, self._registry.commands[tag])
            self._submit(command, app, self.context(app, viewer), reply)
        except Rejected as refusal:
            reply(refusal, b"")

    def _submit(self, command: Command, app: App, context: EdgeContext, reply: Reply) -> None:
        self._send(self._seal(command, app, context), app, reply)

    def _send(self, sealed: Sealed, app: App, reply: Reply) -> None:
        body = encode_pack(sealed.submit)
        self._request(_SUBMIT, app.name, sealed.key, body, _answer(reply, outcome_json))

    def _seal(self, command: Command, app: App, context: EdgeContext) -> Sealed:
        """Check and count a command. Raises Rejected."""
        viewer = context.viewer
        if command.by:
            viewer = acting(command, viewer)
            self.require_included(app.name, viewer.user)
            command = msgspec.structs.replace(command, by="")
            context = self.context(app, viewer)
        for check in self._registry.checks.get(type(command), ()):
            command = check(command, context)
        if command.SENDS and viewer.authority == "client":
            self.limits.send(app.name, viewer.user, app.settings, context.now_ms)
        if command.SENDS:
            self.count_message(app, context.now_ms)
        if command.PACED:
            place = app.name, viewer.user, command.stream_key(), command.TAG
            self.limits.sign(*place, app.settings, context.now_ms)
            self._given.note(app.name, viewer, command, context.now_ms)
        return self._closed(command, app, viewer)

    def end_signs(self, app: App, user: str) -> None:
        """A user is put out: nothing says any more that he types."""
        for command, viewer in self._given.take(app.name, user, self._now_ms()):
            self._send(self._closed(command, app, viewer), app, _to_nobody)

    def _closed(self, command: Command, app: App, viewer: Viewer) -> Sealed:
        if viewer.blocks:
            viewer = msgspec.structs.replace(viewer, blocks=())  # what is decided does not ask
        if not command.cmid:
            cmid = uuid7(self._now_ms(), self._entropy(10))
            command = msgspec.structs.replace(command, cmid=cmid)
        body = encode_json(command)
        if len(body) > app.settings.envelope_bytes_max:
            raise Rejected(TOO_LARGE, limit_bytes=app.settings.envelope_bytes_max)
        return Sealed(command.stream_key(), Submit(command.TAG, viewer, command.cmid, body))

    def _gather(
        self, gather: Gather, command: Command, app: App, context: EdgeContext, reply: Reply
    ) -> None:
        """Only what users ask for themselves is gathered: the edge names them in its command."""
        viewer = context.viewer
        if (
            self.gathering is None
            or viewer.authority != "client"
            or not viewer.user
            or viewer.guest
        ):
            self._submit(command, app, context, reply)
            return
        acting(command, viewer)
        for check in self._registry.checks.get(type(command), ()):
            command = check(command, context)
        self.gathering.add(gather, command, app, viewer.user, reply)


def _no_quota(_: App, __: int) -> None:
    """No app has one."""


def _to_nobody(_: Rejected | None, __: bytes) -> None:
    """Nobody has asked."""


def _all_are(_: str, __: str) -> None:
    """Nobody is excluded."""


def _telling(unknown: list[str], *, is_read: bool, reply: Reply) -> Reply:
    """The reply with the names of fields that mean nothing here."""
    ignored = [name for name in unknown if not (is_read and name in WISHES)]

    def told(refusal: Rejected | None, data: bytes) -> None:
        reply(refusal, data if refusal is not None else with_ignored(data, ignored))

    return told


def _wish(params: Mapping[str, object]) -> Wish:
    """Of a query string, whose values are words."""
    try:
        return msgspec.convert({k: params[k] for k in WISHES & params.keys()}, Wish, strict=False)
    except msgspec.ValidationError as error:
        raise Rejected(BAD_REQUEST, str(error)) from None


def _each(several: Several, reply: Reply) -> list[tuple[Command, Reply]]:
    """Each command with the reply that it is to have; after the last one comes the whole reply."""
    waiting = len(several.commands)
    refused: dict[str, str] = {}

    def answered(key: str, refusal: Rejected | None) -> None:
        nonlocal waiting
        waiting -= 1
        if refusal is not None:
            refused[key] = refusal.error.name
        if not waiting:
            reply(None, dump_json({"refused": refused} if refused else {}))

    def one(key: str) -> Reply:
        return lambda refusal, _: answered(key, refusal)

    return [(command, one(command.stream_key())) for command in several.commands]


def _explaining(reply: Reply, params: bytes, shape: type) -> Reply:
    """The same reply, whose refusals name the fields that are wrong."""

    def told(refusal: Rejected | None, data: bytes) -> None:
        reply(refusal and explained(refusal, params, shape), data)

    return told


def refusal_of(status: Status, body: bytes) -> Rejected:
    """The refusal in a REJECTED or UNKNOWN result."""
    if status is not Status.REJECTED:
        return Rejected(UNKNOWN_OUTCOME)
    refusal = decode_pack(body, Refusal)
    details = decode_json(refusal.details, dict[str, object]) if refusal.details else {}
    return Rejected(error_by_code(refusal.code), refusal.text, **details)


def outcome_json(body: bytes) -> bytes:
    """{"seq", "id", "ts", "dup", "rev"?, …reply} of an Outcome."""
    outcome = decode_pack(body, Outcome)
    answer: dict[str, object] = {
        "seq": outcome.seq,
        "id": outcome.id,
        "ts": rfc3339(outcome.ts_ms),
        "dup": outcome.dup,
    }
    if outcome.rev:
        answer["rev"] = outcome.rev
    if outcome.reply:
        answer |= decode_json(outcome.reply, dict[str, object])
    return dump_json(answer)


def _answered(status: Status, body: bytes) -> Answered:
    if status is Status.OK:
        return None, outcome_json(body)
    return refusal_of(status, body), b""


def _as_is(body: bytes) -> bytes:
    return body


def _answer(reply: Reply, shape: Callable[[bytes], bytes]) -> Done:
    def done(status: Status, body: bytes) -> None:
        if status is _OK:
            reply(None, shape(body))
        else:
            reply(refusal_of(status, body), b"")

    return done
