"""What a user lets others see of him: read and delivery receipts, typing; and who may see when he
is there. In his own stream.

Rules:
1. Everything is shown until he switches it off. The app's policy "required" forbids that, and
   shows what was hidden before, as long as it holds.
2. His channels learn it by a Forward each, within a second; so does a channel that he joins later.
3. His own devices learn it by the event. Typing is hidden by whoever passes typing on, which asks
   for these settings.
4. Who is invisible (feature presence) leaves no traces: his receipts stand where they were, except
   those that the app requires, and he types unseen. His channels learn it in the same way.
5. A change reaches every channel that he has: CHANGES_MAX of them in CHANGES_MS, for users.
6. Presence, and within it `last_seen`, has an audience: everybody, contacts (who share a channel
   that is not open) or nobody. It is reciprocal: whoever looks, asks here (feature presence).
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import NOT_AVAILABLE, PERMISSION_DENIED, RATE_LIMITED, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.base.units import SECOND_MS
from hubbub.features.channel_list import ChannelAdded
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.fields import require_something
from hubbub.features.list_rows import LISTED
from hubbub.features.mark_rows import Hidden, granted
from hubbub.features.receipts import HideReceipts
from hubbub.features.standing import ONLY
from hubbub.model.member import Role
from hubbub.model.permissions import Action, Authority, require

# Of 10,000 channels it is some 300 Forwards a second.
CHANGES_MAX: Final = 20
CHANGES_MS: Final = 600 * SECOND_MS
_ALL: Final = (("read", Hidden.READ), ("delivered", Hidden.DELIVERED), ("typing", Hidden.TYPING))
_OWN: Final = Hidden.READ | Hidden.DELIVERED | Hidden.TYPING


Audience = Literal["everybody", "contacts", "nobody"]


class SetPrivacy(Command, frozen=True):
    """Show (true) or hide (false) what is given. `presence`, `last_seen`: to whom."""

    TAG = "privacy.set"

    user: str = ""
    read: bool | UnsetType = UNSET
    delivered: bool | UnsetType = UNSET
    typing: bool | UnsetType = UNSET
    presence: Audience | UnsetType = UNSET
    last_seen: Audience | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class PrivacyChanged(Event, frozen=True):
    """What others see from now on."""

    TAG = "user.privacy_changed"

    read: bool
    delivered: bool
    typing: bool


class TracesHidden(Event, frozen=True):
    """What stands still of him while he is invisible (bits of `Hidden`); 0: he is not."""

    TAG = "user.traces_hidden"
    KIND = EventKind.SILENT

    hidden: int


class AudienceChanged(Event, frozen=True):
    """Who sees from now on when he is there, and when he was."""

    TAG = "user.audience_changed"

    presence: Audience = "everybody"
    last_seen: Audience = "everybody"


class Privacy(Struct, frozen=True):
    """What others see, and who."""

    read: bool
    delivered: bool
    typing: bool
    presence: Audience
    last_seen: Audience


class AudienceRow(Struct, frozen=True, array_like=True, gc=False):
    """Who may see him."""

    presence: Audience = "everybody"
    last_seen: Audience = "everybody"


class ChangesRow(Struct, frozen=True, array_like=True, gc=False):
    """So many changes since then that reached every channel."""

    since_ms: int
    count: int


class PrivacyRequest(Struct, frozen=True):
    """Whose; empty: of the one who asks."""

    user: str = ""


HIDDEN: Final[Table[int, int]] = Table("privacy", int, int)
CHANGES: Final[Table[int, ChangesRow]] = Table("privacy.changes", int, ChangesRow)
AUDIENCE: Final[Table[int, AudienceRow]] = Table("privacy.audience", int, AudienceRow)


def check_set(cmd: SetPrivacy, ctx: EdgeContext) -> SetPrivacy:
    require_something(cmd.read, cmd.delivered, cmd.typing, cmd.presence, cmd.last_seen)
    settings = ctx.settings
    for shown, policy in (
        (cmd.read, settings.read_receipts),
        (cmd.delivered, settings.delivery_receipts),
    ):
        if shown is False and policy == "required":
            raise Rejected(PERMISSION_DENIED, "this app requires these receipts")
    return cmd


def decide_set(cmd: SetPrivacy, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no settings of users")
    old = hidden = tables[HIDDEN].get(ONLY) or 0
    for name, bit in _ALL:
        shown = getattr(cmd, name)
        if shown is not UNSET:
            hidden = hidden & ~bit if shown else hidden | bit
    events: list[Event] = []
    if hidden != old:
        _require_pace(tables, ctx)
        events.append(PrivacyChanged(**_shown(hidden)))
    before = audience_of(tables)
    after = AudienceRow(
        before.presence if isinstance(cmd.presence, UnsetType) else cmd.presence,
        before.last_seen if isinstance(cmd.last_seen, UnsetType) else cmd.last_seen,
    )
    if after != before:
        events.append(AudienceChanged(presence=after.presence, last_seen=after.last_seen))
    return events


def audience_of(tables: Tables) -> AudienceRow:
    """Who may see the user of this stream."""
    return tables[AUDIENCE].get(ONLY) or AudienceRow()


def apply_audience(event: AudienceChanged, _: Meta, tables: Tables) -> None:
    tables[AUDIENCE].put(ONLY, AudienceRow(event.presence, event.last_seen))


def traces_of(hides: bool, tables: Tables, ctx: Context) -> list[Event]:
    """The events with which a user hides what he leaves behind, or does not hide it any more.
    Raises Rejected(RATE_LIMITED)."""
    wanted = 0
    if hides:
        wanted = int(Hidden.STILL_TYPING)
        if ctx.settings.read_receipts != "required":
            wanted |= Hidden.STILL_READ
        if ctx.settings.delivery_receipts != "required":
            wanted |= Hidden.STILL_DELIVERED
    if wanted == _bits(tables) & ~_OWN:
        return []
    _require_pace(tables, ctx)
    return [TracesHidden(hidden=wanted)]


def _require_pace(tables: Tables, ctx: Context) -> None:
    row = tables[CHANGES].get(ONLY)
    if row is None or row.count < CHANGES_MAX or ctx.viewer.authority != Authority.CLIENT:
        return
    if (left_ms := row.since_ms + CHANGES_MS - ctx.now_ms) > 0:
        raise Rejected(RATE_LIMITED, retry_after_ms=left_ms, bucket="privacy", scope="user")


def _count_change(meta: Meta, tables: Tables) -> None:
    row = tables[CHANGES].get(ONLY)
    if row is None or row.since_ms + CHANGES_MS <= meta.ts_ms:
        row = ChangesRow(meta.ts_ms, 0)
    tables[CHANGES].put(ONLY, replace(row, count=row.count + 1))


def apply_changed(event: PrivacyChanged, meta: Meta, tables: Tables) -> None:
    tables[HIDDEN].put(ONLY, _changed(event, tables))
    _count_change(meta, tables)


def apply_traces(event: TracesHidden, meta: Meta, tables: Tables) -> None:
    tables[HIDDEN].put(ONLY, _traced(event, tables))
    _count_change(meta, tables)


def effects_changed(event: PrivacyChanged, meta: Meta, tables: Tables) -> list[Effect]:
    return _hide_everywhere(_changed(event, tables), meta, tables)


def effects_traces(event: TracesHidden, meta: Meta, tables: Tables) -> list[Effect]:
    return _hide_everywhere(_traced(event, tables), meta, tables)


def _changed(event: PrivacyChanged, tables: Tables) -> int:
    own = int(sum(bit for name, bit in _ALL if not getattr(event, name)))
    return own | _bits(tables) & ~_OWN


def _traced(event: TracesHidden, tables: Tables) -> int:
    return _bits(tables) & _OWN | event.hidden


def _bits(tables: Tables) -> int:
    return tables[HIDDEN].get(ONLY) or 0


def _hide_everywhere(hidden: int, meta: Meta, tables: Tables) -> list[Effect]:
    effects: list[Effect] = []
    after: str | None = None
    while rows := tables[LISTED].scan(after=after):
        effects += [
            _hide(channel, meta.key[1:], hidden)
            for channel, row in rows
            if row.role is not Role.INVITED
        ]
        after = rows[-1][0]
    return effects


def effects_added(event: ChannelAdded, meta: Meta, tables: Tables) -> list[Effect]:
    hidden = tables[HIDDEN].get(ONLY)
    return [_hide(event.channel, meta.key[1:], hidden)] if hidden else []


def _hide(channel: str, user: str, hidden: int) -> Effect:
    return Forward(HideReceipts(channel=channel, user=user, hidden=hidden))


def _shown(hidden: int) -> dict[str, bool]:
    return {name: not hidden & bit for name, bit in _ALL}


def run_get(_: PrivacyRequest, tables: Tables, ctx: Context) -> Privacy:
    _require_own(ctx.key[1:], ctx)
    audience = audience_of(tables)
    shown = _shown(granted(tables[HIDDEN].get(ONLY) or 0, ctx.settings))
    return Privacy(**shown, presence=audience.presence, last_seen=audience.last_seen)


def _require_own(user: str, ctx: Context) -> None:
    if user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)


def turn_get(request: PrivacyRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), "privacy.get", PrivacyRequest(user))


def turn_set(request: SetPrivacy, ctx: EdgeContext) -> SetPrivacy:
    user = check_user(request.user or request.by or ctx.viewer.user)
    return SetPrivacy(
        cmid=request.cmid,
        by=request.by,
        user=user,
        read=request.read,
        delivered=request.delivered,
        typing=request.typing,
        presence=request.presence,
        last_seen=request.last_seen,
    )


_PATH: Final = "/v1/users/{user}/privacy"

FEATURE: Final = Feature(
    name="privacy",
    tables=(HIDDEN, AUDIENCE, CHANGES),
    check={SetPrivacy: check_set},
    decide={SetPrivacy: decide_set},
    apply={
        PrivacyChanged: apply_changed,
        TracesHidden: apply_traces,
        AudienceChanged: apply_audience,
    },
    effects={
        PrivacyChanged: effects_changed,
        TracesHidden: effects_traces,
        ChannelAdded: effects_added,
    },
    queries=(QueryRow("privacy.get", PrivacyRequest, run_get),),
    verbs=(
        Verb("privacy.get", PrivacyRequest, turn_get, Privacy, "What others see of a user."),
        Verb("privacy.set", SetPrivacy, turn_set, Done, "Show or hide receipts, typing, presence."),
    ),
    routes=(
        Route("GET", _PATH, PrivacyRequest, turn_get, Privacy),
        Route("PUT", _PATH, SetPrivacy, turn_set, Done),
    ),
)
