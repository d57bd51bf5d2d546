"""A chat user for locust: connects, subscribes, sends and waits for the ack, receives, reads back.

Rules:
1. A user is one client (`hubbub.client.green`): it resumes after a cut, and repeats a send under
   its cmid until it is acknowledged. Only then the send counts, with the whole time since it was
   first tried. What the server throttles is reported as `throttled`, apart from failures.
2. `deliver` is the time from a send, stamped in its text, to the moment a member receives it;
   sender and receiver share the clock of this machine. `resume` is that from a cut to the recovery.
"""

from __future__ import annotations

import time

from locust import User

from hubbub.base.errors import RATE_LIMITED
from hubbub.client.events import (
    Cut,
    Event,
    Json,
    NoAnswer,
    Published,
    Refused,
    Reset,
    Stopped,
    Subscribed,
)
from hubbub.client.green import Client
from loadtests.cluster import Cluster, urls_in_turn

STAMP_DIGITS = 19


class ChatUser(User):
    """A person in one channel. Subclasses name the cluster and have tasks, which are actions."""

    abstract = True
    cluster: Cluster

    def open(self, name: str, channel: str) -> None:
        """Joins a channel that this user is a member of."""
        self.channel = channel
        self.seqs: list[int] = []
        self._down_since = time.perf_counter()
        cluster = self.cluster
        self.client = Client(
            urls_in_turn(cluster), lambda: cluster.token(name), self._happened, name="locust"
        )
        self.client.subscribe(channel)
        self.client.start()

    def on_stop(self) -> None:
        self.client.close()

    def send(self, words: str) -> None:
        """Sends one message and waits for its acknowledgement, whatever it takes."""
        started = time.perf_counter()
        text = f"{time.time_ns():0{STAMP_DIGITS}d} {words}"
        data = {"channel": self.channel, "text": text}
        try:
            answer = self.client.command("message.send", data, is_patient=False)
        except Refused as refused:
            if refused.code == RATE_LIMITED.code:
                self.took("throttled", started)
            else:
                self.failed("send", str(refused))
        except NoAnswer as failure:
            self.failed("send", str(failure))
        else:
            self.seqs.append(answer["seq"])
            self.took("send to ack", started)

    def read_history(self, limit: int = 50) -> None:
        """Reads one page below a place that this user knows of, or the newest one."""
        place = {"before_seq": self.seqs[0]} if self.seqs else {}
        started = time.perf_counter()
        request = {"channel": self.channel, "limit": limit, **place}
        try:
            page = self.client.rpc("history.get", request)
        except (Refused, NoAnswer) as failure:
            self.failed("history", str(failure))
            return
        seqs = [message["seq"] for message in page["messages"]]
        if seqs != sorted(set(seqs)):
            self.failed("history", "a page out of order")
        self.took("history page", started, length=len(seqs))

    # --- what the client tells

    def _happened(self, event: Event) -> None:
        match event:
            case Published(channel=channel, data=data) if channel == self.channel:
                self._received(data)
            case Subscribed(channel=channel, resumed=resumed) if channel == self.channel:
                self.took("resume" if resumed else "connect", self._down_since)
            case Cut():
                self._down_since = time.perf_counter()
            case Reset(channel=channel) if channel == self.channel:
                self.failed("recover", "position could not be recovered")
            case Stopped(code, reason) if code:
                self.failed("connect", f"{code} {reason}")
                self.stop(force=True)

    def _received(self, data: Json) -> None:
        """A publication of the channel: how long it took since it was sent."""
        stamp = str(data.get("text", ""))[:STAMP_DIGITS]
        if data.get("t") == "message.created" and stamp.isdigit():
            self._report("deliver", (time.time_ns() - int(stamp)) / 1e6)

    def took(self, name: str, started: float, *, length: int = 0) -> None:
        """Reports a success with its time since `started`."""
        self._report(name, (time.perf_counter() - started) * 1_000, length=length)

    def failed(self, name: str, why: str) -> None:
        """Reports a failure."""
        self._report(name, 0.0, failure=RuntimeError(why))

    def _report(
        self, name: str, ms: float, *, length: int = 0, failure: Exception | None = None
    ) -> None:
        self.environment.events.request.fire(
            request_type="chat",
            name=name,
            response_time=ms,
            response_length=length,
            exception=failure,
            context={},
        )
