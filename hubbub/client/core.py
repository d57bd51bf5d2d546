"""A client of the Centrifuge protocol (JSON), without its socket: inputs in, orders and events out.
Pure.

A driver calls `start`, `opened`, `received`, `lost` and, at `next_ms`, `tick`; then it takes the
outputs and obeys the orders among them (`events.Order`) one by one.

States: NEW → WAITING (until the next try) → DIALLING (the driver opens a socket) → GREETING (the
connect is sent) → ONLINE; a cut leads back to WAITING. STOPPED is the end.

Rules:
1. A channel is resumed from its position after every cut (`places`); commands are sent again under
   their cmid until they are answered or their time is up (`requests`).
2. A server that is silent for longer than its ping interval is gone. What makes no sense, or is not
   in order, ends the connection: the next one begins with a recovery.
3. Tries to connect come with full jitter, so that the clients of a dead edge do not come at once;
   and not before the time that a server which closes gave in its reason (`retry_after_ms`).
4. A token that runs out is replaced on the living connection: `Renew` orders one, the driver says
   `renewed` or `not_renewed`.

`random()` in [0, 1) and `new_cmid()` are passed in; times are monotonic milliseconds.

Long because every event of a connection's life has its few lines here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

from hubbub.base.backoff import full_jitter_ms
from hubbub.base.errors import TOKEN_EXPIRED, CloseCode, Rejected
from hubbub.base.units import SECOND_MS
from hubbub.client import replies
from hubbub.client.events import (
    Closed,
    Connected,
    Cut,
    Dial,
    Ended,
    HangUp,
    Json,
    Output,
    Presence,
    Refused,
    Renew,
    Stopped,
    Write,
    overloaded,
)
from hubbub.client.places import Phase, Place
from hubbub.client.replies import ConnectResult, Push, RefreshResult, Reply, SubscribeResult
from hubbub.client.requests import ANSWER_MS, Requests
from hubbub.wire.codec import dump_json

RETRY_MS, RETRY_MS_MAX = 100, 10_000
ADVICE_MS_MAX: Final = 60_000  # a server that says more is not believed
SILENCE_MS: Final = 10 * SECOND_MS  # beyond the ping interval, as the official SDKs
COMMAND_MS: Final = 15 * SECOND_MS  # outlives a restart of an edge, a router and a node
PAGE: Final = 300
REQUESTS_MAX: Final = 1_000
SOCKET_PATH: Final = "/connection/websocket"
_ADDRESS: Final = re.compile(r"(?:http|ws)(s?)://([^/?#\s]+)(/[^?#]*)?(\?[^#]*)?(?:#.*)?")

Handler = Callable[[Reply, int], None]


class State(Enum):
    """See the module."""

    NEW = "new"
    WAITING = "waiting"
    DIALLING = "dialling"
    GREETING = "greeting"
    ONLINE = "online"
    STOPPED = "stopped"


def socket_url(url: str) -> str:
    """An edge's address as that of its socket; one that has a path is its own.

    Raises ValueError for what is no address, which no second try would make one."""
    address = _ADDRESS.fullmatch(url)
    if address is None:
        raise ValueError(f"an edge's address begins with http:// or https://, unlike {url!r}")
    is_safe, host, path, query = address.groups(default="")
    return f"ws{is_safe}://{host}{path if path.strip('/') else SOCKET_PATH}{query}"


class Core:
    """One client. `name` is shown to the server's operator."""

    def __init__(
        self, *, random: Callable[[], float], new_cmid: Callable[[], str], name: str = ""
    ) -> None:
        self._random = random
        self._new_cmid = new_cmid
        self._name = name
        self.state = State.NEW
        self._outputs: list[Output] = []
        self._lines: list[str] = []
        self._requests = Requests(self._outputs.append, random)
        self._places: dict[str, Place] = {}
        self._asked: dict[int, tuple[int, Handler]] = {}  # our own commands: deadline, handler
        self._last_id = 0
        self._attempt = 0
        self._due_ms = 0  # WAITING: when to dial; DIALLING: when to give that up
        self._heard_ms = 0
        self._ping_ms = 0
        self._renew_ms: int | None = None  # when the token runs out
        self._why = ""  # the last try to connect failed

    # --- the program's side

    def start(self, now_ms: int) -> None:
        """Begin to connect."""
        assert self.state is State.NEW
        self._wait(now_ms, now_ms)
        self.tick(now_ms)

    def stop(self) -> None:
        """The program is done."""
        self._end(Stopped(0, "stopped"))

    def request(
        self,
        method: str,
        data: dict[str, Json],
        now_ms: int,
        *,
        repeats: bool = False,
        is_patient: bool = True,
        is_read: bool = False,
        deadline_ms: int = 0,
    ) -> int:
        """An rpc. Its end is an Answered or Failed of the returned number.

        Args: repeats: a command, sent under one cmid (made unless given) until it is answered.
            is_read: it repeats without one. is_patient: waits as long as a limit says.
            deadline_ms: from now; 0: 15 s for what repeats, else 5.
        Raises: Closed; Unavailable (`overloaded`) while too many are unanswered.
        """
        if self.state is State.STOPPED:
            raise Closed("the client has stopped")
        if len(self._requests) >= REQUESTS_MAX:
            raise overloaded("too many unanswered requests")
        if repeats and not is_read and "cmid" not in data:
            data = {**data, "cmid": self._new_cmid()}
        deadline_ms = deadline_ms or (COMMAND_MS if repeats else ANSWER_MS)
        body = dump_json({"method": method, "data": data}).decode()
        number = self._requests.add(
            body, now_ms + deadline_ms, repeats=repeats, is_patient=is_patient
        )
        self._flush(now_ms)
        return number

    def forget(self, number: int) -> None:
        """Nobody waits for that request any more; it may have happened."""
        self._requests.forget(number)

    def subscribe(self, channel: str, now_ms: int) -> None:
        """Follow a channel until it ends; Subscribed or Ended follows. Twice is once."""
        if self.state is State.STOPPED:
            raise Closed("the client has stopped")
        if channel not in self._places:
            self._places[channel] = Place(channel, self._outputs.append, is_own=False)
        self._flush(now_ms)

    def unsubscribe(self, channel: str, now_ms: int) -> None:
        """Follow a channel no longer."""
        place = self._places.pop(channel, None)
        if place is not None and self.state is State.ONLINE and place.phase is not Phase.WANTED:
            told = dump_json({"channel": channel}).decode()
            self._ask(f'"unsubscribe":{told}', now_ms, _ignore)
        self._flush(now_ms)

    @property
    def is_dialling(self) -> bool:
        """A socket is ordered and not opened yet."""
        return self.state is State.DIALLING

    def take(self) -> list[Output]:
        """Orders and events since the last time, in order."""
        taken = list(self._outputs)
        self._outputs.clear()
        return taken

    # --- the driver's side

    def opened(self, token: str, now_ms: int) -> None:
        """The socket that was ordered is open."""
        if self.state is not State.DIALLING:
            return
        self.state, self._heard_ms = State.GREETING, now_ms
        connect: dict[str, Json] = {"token": token} if token else {}
        if self._name:
            connect["name"] = self._name
        own = {p.channel: p.since() for p in self._places.values() if p.is_own and p.epoch}
        if own:
            connect["subs"] = own
        self._ask(f'"connect":{dump_json(connect).decode()}', now_ms, self._connected)
        self._flush(now_ms)

    def renewed(self, token: str, now_ms: int) -> None:
        """A token in place of the one that runs out."""
        if self.state is State.ONLINE:
            self._ask(f'"refresh":{dump_json({"token": token}).decode()}', now_ms, self._refreshed)
            self._flush(now_ms)

    def not_renewed(self, now_ms: int) -> None:
        """There is none just now: asked again soon."""
        if self.state is State.ONLINE:
            self._renew_ms = now_ms + ANSWER_MS

    def received(self, frame: bytes, now_ms: int) -> None:
        """A frame came."""
        self._heard_ms = now_ms
        try:
            found = replies.decode(frame)
        except Rejected as failure:
            self._cut(f"not understood: {failure.text}", now_ms)
            return
        for reply in found:
            if self.state not in (State.GREETING, State.ONLINE):
                return
            if reply.is_ping:
                self._lines.append("{}")
            elif reply.push is not None:
                self._pushed(reply.push, now_ms)
            else:
                self._replied(reply, now_ms)
        self._flush(now_ms)

    def lost(self, code: int, reason: str, now_ms: int) -> None:
        """The socket was closed (with a code, or 0), or could not be opened."""
        if self.state not in (State.DIALLING, State.GREETING, State.ONLINE):
            return
        if code and not CloseCode(code, reason).reconnects:
            self._end(Stopped(code, reason))
            return
        text, details = replies.with_details(reason)
        advice = details.get("retry_after_ms", 0)
        self._down(text, now_ms, advice if isinstance(advice, int) else 0)

    def tick(self, now_ms: int) -> None:
        """Whatever is due: tries, deadlines, silence, a token that runs out."""
        is_up = self.state is State.ONLINE
        self._requests.tick(now_ms, "" if is_up else f"not connected: {self._why or 'no answer'}")
        if self._renew_ms is not None and self._renew_ms <= now_ms:
            self._renew_ms = None
            self._outputs.append(Renew())
        if self.state is State.WAITING and self._due_ms <= now_ms:
            self.state, self._due_ms = State.DIALLING, now_ms + ANSWER_MS
            self._outputs.append(Dial())
        elif self.state is State.DIALLING and self._due_ms <= now_ms:
            self._cut("nobody answers", now_ms)
        elif self._asked and min(due for due, _ in self._asked.values()) <= now_ms:
            self._cut("no answer in time", now_ms)
        elif self._is_silent(now_ms):
            self._cut("the server is silent", now_ms)
        self._flush(now_ms)

    def next_ms(self) -> int | None:
        """When `tick` has something to do; None: not before the next input."""
        times: list[int | None] = [self._requests.next_ms(online=self.state is State.ONLINE)]
        if self.state in (State.WAITING, State.DIALLING):
            times.append(self._due_ms)
        times.append(min((due for due, _ in self._asked.values()), default=None))
        if self.state is State.ONLINE:
            wanted = [p.due_ms for p in self._places.values() if p.phase is Phase.WANTED]
            times.append(min(wanted, default=None))
            times.append(self._renew_ms)
            if self._ping_ms:
                times.append(self._heard_ms + self._ping_ms + SILENCE_MS)
        return min((time for time in times if time is not None), default=None)

    # --- what comes

    def _replied(self, reply: Reply, now_ms: int) -> None:
        own = self._asked.pop(reply.id, None)
        if own is not None:
            own[1](reply, now_ms)
            return
        error = replies.refused(reply.error) if reply.error is not None else None
        data = reply.rpc.data if reply.rpc is not None else None
        self._requests.answered(reply.id, data, error, now_ms)

    def _connected(self, reply: Reply, now_ms: int) -> None:
        if reply.error is not None:
            error = reply.error
            if error.temporary or error.code == TOKEN_EXPIRED.code:
                self._cut(error.message, now_ms)
            else:
                self._end(Stopped(error.code, error.message))
            return
        result = reply.connect or ConnectResult()
        self.state, self._attempt = State.ONLINE, 0
        self._ping_ms = result.ping * SECOND_MS
        self._expires(result, now_ms)
        self._outputs.append(Connected(result.client, result.data))
        for channel, place in list(self._places.items()):
            if place.is_own and channel not in result.subs:
                del self._places[channel]
        for channel, own in result.subs.items():
            known = self._places.get(channel)
            if known is None or not known.is_own:
                known = self._places[channel] = Place(channel, self._outputs.append, is_own=True)
            known.subscribed(own)

    def _refreshed(self, reply: Reply, now_ms: int) -> None:
        """Refused for good, or not: the server closes what has expired, and a try follows."""
        if reply.refresh is not None:
            self._expires(reply.refresh, now_ms)
        elif reply.error is not None and reply.error.temporary:
            self.not_renewed(now_ms)

    def _expires(self, result: ConnectResult | RefreshResult, now_ms: int) -> None:
        lasts = result.expires and result.ttl
        self._renew_ms = now_ms + result.ttl * SECOND_MS if lasts else None

    def _subscribed(self, place: Place, reply: Reply, now_ms: int) -> None:
        if self._places.get(place.channel) is not place:
            return  # taken back, and perhaps wanted again
        if reply.error is not None:
            error = replies.refused(reply.error)
            if error.temporary:
                self._later(place, now_ms)
            else:
                del self._places[place.channel]
                self._outputs.append(Ended(place.channel, error))
            return
        place.subscribed(reply.subscribe or SubscribeResult())
        self._page(place, now_ms)

    def _page(self, place: Place, now_ms: int) -> None:
        """Ask for the next page of what was missed, if any is."""
        if place.phase is not Phase.PAGING:
            return
        since = {"offset": place.offset, "epoch": place.epoch}
        ask = {"channel": place.channel, "since": since, "limit": PAGE}

        def paged(reply: Reply, now_ms: int) -> None:
            if self._places.get(place.channel) is not place or place.phase is not Phase.PAGING:
                return
            if reply.history is not None:
                place.paged(reply.history)
                self._page(place, now_ms)
            elif reply.error is not None and reply.error.temporary:
                self._cut(reply.error.message, now_ms)  # the next recovery begins where we are
            else:
                place.give_up_pages()

        self._ask(f'"history":{dump_json(ask).decode()}', now_ms, paged)

    def _pushed(self, push: Push, now_ms: int) -> None:
        place = self._places.get(push.channel)
        if place is None:
            return
        if push.pub is not None:
            if not place.live(push.pub):
                self._cut(f"a publication of {push.channel} is missing", now_ms)
        elif push.join is not None:
            self._outputs.append(Presence(push.channel, True, push.join.info))
        elif push.leave is not None:
            self._outputs.append(Presence(push.channel, False, push.leave.info))
        elif push.unsubscribe is not None:
            self._unsubscribed(place, push.unsubscribe, now_ms)

    def _unsubscribed(self, place: Place, why: replies.Unsubscribe, now_ms: int) -> None:
        """From 2500 on the client comes back (client protocol, unsubscribe codes)."""
        if why.code < 2500:
            del self._places[place.channel]
            self._outputs.append(Ended(place.channel, Refused(why.code, why.reason, False, {})))
        elif place.is_own:
            self._cut(why.reason, now_ms)  # only a connect brings it back
        else:
            self._later(place, now_ms)

    # --- what goes

    def _flush(self, now_ms: int) -> None:
        """Everything that is due leaves in one frame."""
        if self.state is State.ONLINE:
            for place in self._places.values():
                if place.phase is Phase.WANTED and place.due_ms <= now_ms:
                    self._subscribe(place, now_ms)
            for request in self._requests.to_send(now_ms):
                self._last_id += 1
                self._lines.append(f'{{"id":{self._last_id},"rpc":{request.body}}}')
                self._requests.sent(request, self._last_id, now_ms)
        if self._lines:
            self._outputs.append(Write("\n".join(self._lines)))
            self._lines.clear()

    def _subscribe(self, place: Place, now_ms: int) -> None:
        place.phase = Phase.ASKED
        request = dump_json({"channel": place.channel, **place.since()}).decode()
        self._ask(
            f'"subscribe":{request}', now_ms, lambda reply, at: self._subscribed(place, reply, at)
        )

    def _ask(self, request: str, now_ms: int, handler: Handler) -> None:
        self._last_id += 1
        self._asked[self._last_id] = (now_ms + ANSWER_MS, handler)
        self._lines.append(f'{{"id":{self._last_id},{request}}}')

    def _later(self, place: Place, now_ms: int) -> None:
        place.attempt += 1
        place.phase = Phase.WANTED
        place.due_ms = now_ms + self._jitter_ms(place.attempt)

    # --- up and down

    def _is_silent(self, now_ms: int) -> bool:
        is_up = self.state is State.ONLINE and self._ping_ms > 0
        return is_up and now_ms - self._heard_ms >= self._ping_ms + SILENCE_MS

    def _cut(self, reason: str, now_ms: int) -> None:
        """Give this connection up."""
        self._outputs.append(HangUp())
        self._down(reason, now_ms)

    def _down(self, reason: str, now_ms: int, advice_ms: int = 0) -> None:
        was_up = self.state is State.ONLINE
        self._attempt += 1
        self._why, self._renew_ms = reason, None
        least_ms = min(max(advice_ms, 0), ADVICE_MS_MAX)
        self._wait(now_ms, now_ms + max(self._jitter_ms(self._attempt), least_ms))
        self._asked.clear()
        self._lines.clear()
        for place in self._places.values():
            place.phase, place.due_ms = Phase.WANTED, 0
        self._requests.lost(now_ms)
        if was_up:
            self._outputs.append(Cut(reason))

    def _wait(self, now_ms: int, due_ms: int) -> None:
        self.state, self._due_ms, self._heard_ms, self._ping_ms = State.WAITING, due_ms, now_ms, 0

    def _jitter_ms(self, attempt: int) -> int:
        return full_jitter_ms(attempt, base_ms=RETRY_MS, max_ms=RETRY_MS_MAX, random=self._random())

    def _end(self, end: Stopped) -> None:
        if self.state is State.STOPPED:
            return
        self.state, self._renew_ms = State.STOPPED, None
        self._asked.clear()
        self._lines.clear()
        self._outputs += (HangUp(), end)
        self._requests.fail_all(end.reason)


def _ignore(_: Reply, __: int) -> None:
    """An unsubscribe is done whatever is said of it."""
