"""Who is typing in a channel: signals that nobody keeps.

Rules:
1. A sign is published without an offset and leaves nothing behind: no entry, no row. It holds for
   `expires_ms`; who goes on typing says so again. Clients end it at his next message, too.
2. Rights are those of TYPE: whoever is banned, muted or frozen is refused. Who loses them while he
   types, or hides typing, is stopped at once (`typing.stopped`; the leader remembers who types).
   Of one who is put out of the app the edge that took his sign says so.
3. Where the channel's guarantees say "names" (at most 100 members, not open) others are told who.
   Elsewhere they are told once a second how many, and of threads nothing. Of a user who hides
   typing, or is invisible, nothing is told: the request succeeds, and `shown` is false.
4. One sign a user, channel and kind every 3 s: counted by the edge that takes it
   (`Command.PACED`, decision record 0025).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.units import SECOND_MS
from hubbub.features.archive import ChannelArchived
from hubbub.features.capabilities import MemberCapabilitiesChanged, RoleCapabilitiesChanged
from hubbub.features.channels import ChannelDeleted
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    Sign,
    Tables,
    Tally,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.freezing import ChannelFrozen
from hubbub.features.guarantees import guarantees_of
from hubbub.features.mark_rows import HIDES_TYPING, mark_row
from hubbub.features.members import MembersLeft, MembersRemoved, RoleChanged
from hubbub.features.messages import find_message, root_of, thread_of
from hubbub.features.receipts import ReceiptsHidden
from hubbub.features.sanctions import MembersBanned, MembersMuted
from hubbub.features.standing import refusal_of, require_standing
from hubbub.model.permissions import Action
from hubbub.wire.codec import dump_json

EXPIRES_MS: Final = 6 * SECOND_MS
COUNT_EXPIRES_MS: Final = 10 * SECOND_MS


class _Sign(Command, frozen=True):
    """`thread`: the id of its root, or of any message in it; empty: the channel itself."""

    TAG = ""
    PACED: ClassVar[bool] = True

    channel: str
    thread: str = ""


class StartTyping(_Sign, frozen=True):
    """The user is typing: shown for six seconds."""

    TAG = "typing.start"

    def ending(self) -> StopTyping:
        return StopTyping(channel=self.channel, thread=self.thread)


class StopTyping(_Sign, frozen=True):
    """The user does not type any more."""

    TAG = "typing.stop"


class TypingStarted(Event, frozen=True):
    """The user `by` is typing, until that many milliseconds from now."""

    TAG = "typing.started"
    KIND = EventKind.SIGNAL

    expires_ms: int
    thread: str = ""


class TypingStopped(Event, frozen=True):
    """The user `by` does not type any more."""

    TAG = "typing.stopped"
    KIND = EventKind.SIGNAL

    thread: str = ""


class TypingCounted(Event, frozen=True):
    """So many are typing in a channel that names nobody, 1,000 at most; told when it changed, and
    every five seconds. It holds for `expires_ms`."""

    TAG = "typing.counted"
    KIND = EventKind.SIGNAL

    count: int
    expires_ms: int = COUNT_EXPIRES_MS


class SignGiven(Done, frozen=True, kw_only=True):
    """`shown`: whether others are told. `seq` is where the channel stands; a sign has none."""

    shown: bool


def check_sign(cmd: StartTyping | StopTyping, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    if cmd.thread:
        message_seq(cmd.thread)
    return cmd


def decide_start(cmd: StartTyping, tables: Tables, ctx: Context) -> Decision:
    thread = _thread(cmd, tables, ctx)
    started = TypingStarted(expires_ms=EXPIRES_MS, thread=thread)
    return _told(started, EXPIRES_MS, tables, ctx)


def decide_stop(cmd: StopTyping, tables: Tables, ctx: Context) -> Decision:
    return _told(TypingStopped(thread=_thread(cmd, tables, ctx)), 0, tables, ctx)


def _thread(cmd: _Sign, tables: Tables, ctx: Context) -> str:
    """The id of the thread's root. Raises Rejected if he may not type there."""
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    if not cmd.thread:
        require_standing(Action.TYPE, tables, ctx)
        return ""
    require_standing(Action.TYPE, tables, ctx, Action.REPLY_THREAD)
    if root_of(cmd.thread, tables, ctx).seq == message_seq(cmd.thread):
        return cmd.thread
    return thread_of(find_message(cmd.thread, tables, ctx))


def _told(event: TypingStarted | TypingStopped, ms: int, tables: Tables, ctx: Context) -> Decision:
    row = require_standing(Action.TYPE, tables, ctx)
    if _is_hidden(ctx.actor, tables):
        return _answer(shown=False)
    if guarantees_of(row, tables).typing == "names":
        return _answer([event], shown=True, sign=Sign(ms, is_named=True, where=event.thread))
    if event.thread:
        return _answer(shown=False)
    return _answer(shown=True, sign=Sign(ms))


def _answer(events: Sequence[Event] = (), *, shown: bool, sign: Sign | None = None) -> Decision:
    return Decision(events, dump_json({"shown": shown}), sign)


def _is_hidden(user: str, tables: Tables) -> bool:
    marks = mark_row(tables, user)
    return marks is not None and bool(marks.hidden & HIDES_TYPING)


def may_go_on(user: str, tables: Tables, ctx: Context) -> bool:
    """Whether one who types may still be shown as one who does."""
    return not _is_hidden(user, tables) and refusal_of(user, Action.TYPE, tables, ctx) is None


def ended(thread: str) -> Event:
    """Of one who had to stop."""
    return TypingStopped(thread=thread)


def counted(number: int) -> Event:
    """Where nobody is named."""
    return TypingCounted(count=number)


def apply_sign(_: TypingStarted | TypingStopped | TypingCounted, __: Meta, ___: Tables) -> None:
    """Nothing: it is not kept."""


_PATH: Final = "/v1/channels/{channel}/typing"

FEATURE: Final = Feature(
    name="typing_signs",
    check={StartTyping: check_sign, StopTyping: check_sign},
    decide={StartTyping: decide_start, StopTyping: decide_stop},
    apply={TypingStarted: apply_sign, TypingStopped: apply_sign, TypingCounted: apply_sign},
    tally=Tally(
        counted,
        ended,
        frozenset(
            {
                ChannelArchived,
                ChannelDeleted,
                ChannelFrozen,
                MemberCapabilitiesChanged,
                MembersBanned,
                MembersLeft,
                MembersMuted,
                MembersRemoved,
                ReceiptsHidden,
                RoleCapabilitiesChanged,
                RoleChanged,
            }
        ),
        may_go_on,
    ),
    verbs=(
        Verb("typing.start", StartTyping, as_command, SignGiven, "Say that one is typing."),
        Verb("typing.stop", StopTyping, as_command, SignGiven, "Say that one has stopped."),
    ),
    routes=(
        Route("POST", _PATH, StartTyping, as_command, SignGiven),
        Route("DELETE", _PATH, StopTyping, as_command, SignGiven),
    ),
)
