"""The fields of every verb and of its answer, as types.

Generated from the registry by `python -m hubbub.docs`; a test compares them.
Long because there is a shape for each request and each answer.
"""
# fmt: off
# ruff: noqa: E501 - one line a field, as generated

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

Json = Any


class AcceptRequest(TypedDict):
    """Let them in."""

    channel: str
    user: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class AddBookmark(TypedDict):
    """A message (`channel`, `message`), or a link (`url`)."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    channel: NotRequired[str]
    message: NotRequired[str]
    url: NotRequired[str]
    title: NotRequired[str]
    note: NotRequired[str]
    folder: NotRequired[str]


class AddJobRequest(TypedDict):
    """Whom to add, without asking them."""

    channel: str
    users: Sequence[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class AddMembers(TypedDict):
    """Make people members without asking them."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class AddOption(TypedDict):
    """One more option, where the poll allows it; its author always may."""

    channel: str
    id: str
    text: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class AddReaction(TypedDict):
    """Choose a kind."""

    channel: str
    id: str
    emoji: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class AllRead(TypedDict):
    """`channels`: how many were marked; `left`: how many with unread messages remain."""

    channels: int
    left: NotRequired[int]


class ArchiveChannel(TypedDict):
    """Read only from now on."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Attachment(TypedDict):
    """One attachment: a url (http or https) or the id of a file. Sizes in bytes and pixels; 0: unknown."""

    kind: AttachmentKind
    url: NotRequired[str]
    file: NotRequired[str]
    name: NotRequired[str]
    mime: NotRequired[str]
    bytes: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    duration_ms: NotRequired[int]
    blurhash: NotRequired[str]
    thumbnails: NotRequired[Sequence[Thumbnail]]
    title: NotRequired[str]
    data: NotRequired[Json]


AttachmentKind = Literal["audio", "custom", "file", "image", "link", "location", "video"]


class BanMembers(TypedDict):
    """Out, and not in again until it ends."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    for_s: NotRequired[int | None]
    reason: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class BanUser(TypedDict):
    """Out of the app. `until`: RFC 3339 or ms; absent: until `user.unban`."""

    user: str
    until: NotRequired[str | int | None]
    reason: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class BlockList(TypedDict):
    """All of them, by name."""

    blocks: Sequence[BlockedUser]


class BlockUser(TypedDict):
    """Hear no more of somebody."""

    blocked: str
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class BlockedUser(TypedDict):
    """Whom, and since when (RFC 3339)."""

    user: str
    since: str


class BlocksRequest(TypedDict):
    """Whose; empty: of the one who asks."""

    user: NotRequired[str]


class Bookmark(TypedDict):
    """One bookmark."""

    id: str
    ts: str
    channel: NotRequired[str]
    message: NotRequired[str]
    url: NotRequired[str]
    title: NotRequired[str]
    note: NotRequired[str]
    folder: NotRequired[str]


class BookmarkAdded(TypedDict):
    """It is kept. Its id is the event's own."""

    t: Literal['bookmark.added']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: NotRequired[str]
    message: NotRequired[str]
    url: NotRequired[str]
    title: NotRequired[str]
    note: NotRequired[str]
    folder: NotRequired[str]


class BookmarkRemoved(TypedDict):
    """It is gone."""

    t: Literal['bookmark.removed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    bookmark_seq: int


class BookmarkUpdated(TypedDict):
    """Title, note and folder as they are from now on."""

    t: Literal['bookmark.updated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    bookmark_seq: int
    title: NotRequired[str]
    note: NotRequired[str]
    folder: NotRequired[str]


class BookmarksPage(TypedDict):
    """The newest first. `count`: of all, or of the folder. `next`: empty at the end."""

    bookmarks: Sequence[Bookmark]
    count: int
    next: NotRequired[str]


class BookmarksRequest(TypedDict):
    """`folder`: only what is in it. `before`: the id of the last one of the page before."""

    user: NotRequired[str]
    folder: NotRequired[str]
    before: NotRequired[str]
    limit: NotRequired[int]


class BulkDeleted(TypedDict):
    """How many became tombstones now; `more`: others follow by themselves."""

    deleted: int
    more: NotRequired[bool]


class CancelReminder(TypedDict):
    """Away with it."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    id: str


class CancelSchedule(TypedDict):
    """Take it back."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class CapabilitiesAnswer(TypedDict):
    """`grant` and `deny`: what the user, or the role, has of its own in this channel."""

    channel: str
    user: str
    role: Role
    grant: Sequence[str]
    deny: Sequence[str]
    capabilities: Mapping[str, Capability]


class CapabilitiesRequest(TypedDict):
    """Of a user (empty: of the one who asks), or of a role."""

    channel: str
    user: NotRequired[str]
    role: NotRequired[Role | None]


Capability = TypedDict("Capability", {  # Whether it is allowed now, and what says so: `kind` (the table), `app`, `channel` (of the role), `member`, `ban`, `mute`, `freeze`, or `authority` (of the one who asks).
    "allowed": "bool",
    "from": "str",
})


class ChannelAdded(TypedDict):
    """The user is a member now. `peer`: the other one of a dm. `hidden`: he blocks who made it."""

    t: Literal['channel.added']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    kind: ChannelKind
    role: Role
    name: NotRequired[str]
    peer: NotRequired[str]
    hidden: NotRequired[Literal['for_good', 'no', 'until_message']]


class ChannelArchived(TypedDict):
    """Read only from now on."""

    t: Literal['channel.archived']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class ChannelCapabilitiesChanged(TypedDict):
    """All that the role has of its own from now on."""

    t: Literal['channel.capabilities_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    role: Role
    grant: NotRequired[Sequence[str]]
    deny: NotRequired[Sequence[str]]


class ChannelCreated(TypedDict):
    """`members` (with the owner, if there is one) are members from this event on."""

    t: Literal['channel.created']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    kind: ChannelKind
    members: NotRequired[Sequence[str]]
    owner: NotRequired[str]
    name: NotRequired[str]
    data: NotRequired[Json]
    public: NotRequired[bool]
    approval: NotRequired[bool]
    history: NotRequired[HistoryRule]


class ChannelDeleted(TypedDict):
    """The last event of a channel."""

    t: Literal['channel.deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class ChannelFrozen(TypedDict):
    """Only staff may speak."""

    t: Literal['channel.frozen']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class ChannelHidden(TypedDict):
    """The channel is not shown: until a message above `seq`, or for good."""

    t: Literal['channel.hidden']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    hidden: Literal['for_good', 'no', 'until_message']
    up_to: int


class ChannelInfo(TypedDict):
    """A channel as clients see it. `created` is RFC 3339. `role`: of the one who asks; "none" in an open channel is everybody who reads and sends there, joined or not."""

    channel: str
    kind: ChannelKind
    created: str
    members: int
    head: int
    name: NotRequired[str]
    data: NotRequired[Json]
    public: NotRequired[bool]
    frozen: NotRequired[bool]
    slow_mode_s: NotRequired[int]
    role: NotRequired[str]
    guarantees: NotRequired[Guarantees]
    history: NotRequired[HistoryRule]
    history_from: NotRequired[int]
    approval: NotRequired[bool]
    archived: NotRequired[bool]


class ChannelInvited(TypedDict):
    """The user may join."""

    t: Literal['channel.invited']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    kind: ChannelKind
    name: NotRequired[str]


ChannelKind = Literal["dm", "group", "open"]


class ChannelKindChanged(TypedDict):
    """The channel was promoted."""

    t: Literal['channel.kind_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    kind: ChannelKind
    role: Role


class ChannelMuted(TypedDict):
    """The user is not notified of the channel: until a time (RFC 3339), or for good."""

    t: Literal['channel.muted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    until: NotRequired[str]


class ChannelPromoted(TypedDict):
    """The channel is of this kind from now on. `owner`: who owns what was a dm."""

    t: Literal['channel.promoted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    kind: ChannelKind
    was: ChannelKind
    history: HistoryRule
    owner: NotRequired[str]


class ChannelQuery(TypedDict):
    """What is absent does not filter; `hidden` absent means: none that is hidden now. `data`: each key's value in the channel's custom data equals. `member`: who else is in it. `user`: whose list, for a server key."""

    user: NotRequired[str]
    kind: NotRequired[ChannelKind | None]
    state: NotRequired[ListState | None]
    prefix: NotRequired[str]
    data: NotRequired[Mapping[str, Json]]
    member: NotRequired[str]
    unread: NotRequired[bool]
    muted: NotRequired[bool | None]
    archived: NotRequired[bool | None]
    favourite: NotRequired[bool | None]
    hidden: NotRequired[bool | None]
    sort: NotRequired[Literal['last_message', 'name', 'unread']]
    cursor: NotRequired[str]
    limit: NotRequired[int]


class ChannelRemoved(TypedDict):
    """The channel left the list."""

    t: Literal['channel.removed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str


class ChannelRenamed(TypedDict):
    """The channel has another name."""

    t: Literal['channel.renamed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    name: str


class ChannelRequest(TypedDict):
    """Which channel."""

    channel: str


class ChannelRequestDeclined(TypedDict):
    """On a user's stream: the channel did not let him in."""

    t: Literal['channel.request_declined']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str


class ChannelRetentionChanged(TypedDict):
    """How long events are kept from now on; absent: as the app says."""

    t: Literal['channel.retention_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    retention_s: NotRequired[int]


class ChannelRoleChanged(TypedDict):
    """The user has another role."""

    t: Literal['channel.role_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    role: Role


class ChannelSlowModeChanged(TypedDict):
    """Seconds between two messages of one user from now on."""

    t: Literal['channel.slow_mode_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    seconds: int


class ChannelSnapshot(TypedDict):
    """`mark` to `delivered`: of the subscriber. `marks`, `marks_delivered`: what members show of theirs, where receipts are by member; `joined`: the seq with which those came who were not there from the first event on: they are no recipients of what is older. `pinned`: ids, the last one pinned first. `watchers`: how many connections were subscribed before this one, where presence is a number. `muted`: the subscriber is, until then (RFC 3339; empty: for ever)."""

    channel: ChannelInfo
    mark: NotRequired[int]
    unread: NotRequired[int]
    mentions: NotRequired[int]
    delivered: NotRequired[int]
    rev: NotRequired[int]
    marks: NotRequired[Mapping[str, int]]
    marks_delivered: NotRequired[Mapping[str, int]]
    joined: NotRequired[Mapping[str, int]]
    pinned: NotRequired[Sequence[str]]
    watchers: NotRequired[int]
    muted: NotRequired[str]


class ChannelSorted(TypedDict):
    """Where the user keeps the channel: among the favourites, in the archive."""

    t: Literal['channel.sorted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    archived: NotRequired[bool]
    favourite: NotRequired[bool]


class ChannelTierChanged(TypedDict):
    """These guarantees hold from now on. `members`: how many there are after this entry."""

    t: Literal['channel.tier_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    members: int
    guarantees: Guarantees


class ChannelTruncated(TypedDict):
    """What lies before `before_seq` is gone."""

    t: Literal['channel.truncated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    before_seq: int


class ChannelUnarchived(TypedDict):
    """As it was before."""

    t: Literal['channel.unarchived']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class ChannelUnfrozen(TypedDict):
    """Everybody may speak."""

    t: Literal['channel.unfrozen']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class ChannelUnhidden(TypedDict):
    """The channel is shown again."""

    t: Literal['channel.unhidden']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str


class ChannelUnmuted(TypedDict):
    """The user is notified again."""

    t: Literal['channel.unmuted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str


class ChannelUpdated(TypedDict):
    """Name, data and openness as they are from now on. `renamed`: the name is new."""

    t: Literal['channel.updated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: NotRequired[str]
    data: NotRequired[Json]
    public: NotRequired[bool]
    approval: NotRequired[bool]
    history: NotRequired[HistoryRule]
    renamed: NotRequired[bool]


class ClearDraft(TypedDict):
    """Nothing is begun any more; nothing happens if there was nothing."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    channel: str
    thread: NotRequired[str]
    seen: NotRequired[int]


class ClosePoll(TypedDict):
    """No more votes."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class ConvertGuest(TypedDict):
    """A full user from now on; what is given of the profile replaces what there is."""

    user: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]
    cmid: NotRequired[str]
    by: NotRequired[str]


class Counted(TypedDict):
    """`value`: after this move. `order`: which move it was."""

    seq: int
    value: int
    order: int
    id: NotRequired[str]
    ts: NotRequired[str]
    dup: NotRequired[bool]


class Counter(TypedDict):
    """Where a counter stands. `order`: how many moves there were since it was set."""

    value: int
    min: int
    max: int
    order: int


class CounterChanged(TypedDict):
    """The counter moved to `value`. `order`: which move since it was set."""

    t: Literal['counter.changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: str
    value: int
    amount: int
    order: int


class CounterDeleted(TypedDict):
    """There is no such counter any more."""

    t: Literal['counter.deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: str


class CounterSet(TypedDict):
    """The counter has this value and these bounds."""

    t: Literal['counter.set']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: str
    value: int
    min: int
    max: int
    order: NotRequired[int]


class Counters(TypedDict):
    """By name."""

    counters: Mapping[str, Counter]


class CountersRequest(TypedDict):
    """All counters, or the one of that name."""

    channel: str
    name: NotRequired[str]


class CreatePoll(TypedDict):
    """`votes_max`: options that one user may choose. `closes_at`: RFC 3339 or ms, at most 32 days ahead; empty: it stays open. The rest as in `message.send`."""

    channel: str
    question: str
    options: Sequence[str]
    votes_max: NotRequired[int]
    anonymous: NotRequired[bool]
    may_add: NotRequired[bool]
    closes_at: NotRequired[str | int]
    data: NotRequired[Json]
    thread: NotRequired[str]
    also_in_channel: NotRequired[bool]
    silent: NotRequired[bool]
    cmid: NotRequired[str]
    by: NotRequired[str]


class CreateReminder(TypedDict):
    """`at`: RFC 3339 or ms. `channel`, `message`: what it is about; `note`: a text of one's own."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    at: str | int
    channel: NotRequired[str]
    message: NotRequired[str]
    note: NotRequired[str]


class CreateSchedule(TypedDict):
    """`message`: what `message.send` takes, without channel. `at`: RFC 3339 or ms."""

    channel: str
    at: str | int
    message: Json
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeactivateUser(TypedDict):
    """Out of the app until somebody reactivates him."""

    user: str
    reason: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeclineRequest(TypedDict):
    """Do not let them in; they may ask again."""

    channel: str
    user: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteChannel(TypedDict):
    """End the channel for all; its messages are not readable any more."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteCounter(TypedDict):
    """There is no such counter any more."""

    channel: str
    name: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteMessage(TypedDict):
    """Leave a tombstone."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteMessages(TypedDict):
    """Leave tombstones: 2 to 100 ids."""

    channel: str
    ids: Sequence[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteMessagesBy(TypedDict):
    """Leave tombstones of everything that a user wrote here."""

    channel: str
    user: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteMetadata(TypedDict):
    """Forget one value."""

    channel: str
    key: str
    user: NotRequired[str]
    if_rev: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class DeleteType(TypedDict):
    """Nothing of this type is sent any more."""

    name: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Delivered(TypedDict):
    """Channels whose mark was refused: code and name of the error."""

    refused: NotRequired[Mapping[str, str]]


class DeliveredRequest(TypedDict):
    """What a device has, by channel."""

    marks: Mapping[str, int]
    by: NotRequired[str]


class Device(TypedDict):
    """A device. `last_seen` is exact to the day, and now while it has sessions."""

    device: str
    created: str
    last_seen: str
    name: NotRequired[str]
    version: NotRequired[str]
    current: NotRequired[bool]
    sessions: NotRequired[Sequence[Session]]


class DeviceAdded(TypedDict):
    """A device is new to this user. `dropped`: the one that left the list for it."""

    t: Literal['device.added']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    device: str
    name: NotRequired[str]
    version: NotRequired[str]
    dropped: NotRequired[str]
    jti: NotRequired[str]


class DeviceRemoved(TypedDict):
    """The device is signed out, and the token it came with last is revoked."""

    t: Literal['device.removed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    device: str
    jti: NotRequired[str]


class DevicesAnswer(TypedDict):
    """Seen last first."""

    devices: Sequence[Device]


class DevicesRequest(TypedDict):
    """Whose; empty: one's own."""

    user: NotRequired[str]


class DirectoryPage(TypedDict):
    """`next`: pass it as `cursor`; empty at the end."""

    channels: Sequence[PublicChannel]
    next: NotRequired[str]


class DirectoryRequest(TypedDict):
    """`prefix` of the name, whatever its case. `cursor`: the `next` of the page before."""

    prefix: NotRequired[str]
    kind: NotRequired[ChannelKind | None]
    sort: NotRequired[Literal['members', 'name', 'recent']]
    cursor: NotRequired[str]
    limit: NotRequired[int]


class Done(TypedDict):
    """The usual answer to a command: where it stands in its stream. `ts` is RFC 3339."""

    seq: int
    id: str
    ts: str
    dup: NotRequired[bool]
    rev: NotRequired[int]


class Draft(TypedDict):
    """What was begun, where, and when."""

    channel: str
    rev: int
    ts: str
    message: Json
    thread: NotRequired[str]


class DraftCleared(TypedDict):
    """It is gone."""

    t: Literal['draft.cleared']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    rev: int
    thread: NotRequired[str]


class DraftDone(TypedDict):
    """The draft's rev from now on."""

    rev: int


class DraftUpdated(TypedDict):
    """A draft as it is from now on."""

    t: Literal['draft.updated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    rev: int
    message: Json
    thread: NotRequired[str]


class DraftsPage(TypedDict):
    """By channel and thread. `next`: empty at the end."""

    drafts: Sequence[Draft]
    next: NotRequired[str]


class DraftsRequest(TypedDict):
    """`after`: the `next` of the page before."""

    user: NotRequired[str]
    after: NotRequired[str]
    limit: NotRequired[int]


class EditMessage(TypedDict):
    """Change what is given; `data` null clears it."""

    channel: str
    id: str
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    cmid: NotRequired[str]
    by: NotRequired[str]


class EventSent(TypedDict):
    """Something that the app gives a meaning."""

    t: Literal['event.sent']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    type: str
    version: int
    data: Json


class EventType(TypedDict):
    """A type of the app's own."""

    name: str
    version: int
    schema: Json
    kinds: NotRequired[Sequence[ChannelKind]]


class EventTypeDeleted(TypedDict):
    """The name has no schema any more."""

    t: Literal['event_type.deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: str


class EventTypeRegistered(TypedDict):
    """This schema is version `version` of the name."""

    t: Literal['event_type.registered']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: str
    version: int
    schema: Json
    kinds: NotRequired[Sequence[ChannelKind]]


class ExpireMessage(TypedDict):
    """`at`: RFC 3339 or ms; 0: it does not expire."""

    channel: str
    id: str
    at: str | int
    cmid: NotRequired[str]
    by: NotRequired[str]


class ExplainRequest(TypedDict):
    """Messages behind the user's mark, or behind `after` if that is more."""

    channel: str
    user: str
    after: NotRequired[int]
    limit: NotRequired[int]


class Explained(TypedDict):
    """Whether this message counts as unread, and why, or why not."""

    seq: int
    counts: bool
    why: Literal['blocked', 'deleted', 'mention', 'message', 'own', 'silent', 'system', 'thread']


class Explanation(TypedDict):
    """The figures as heads have them, and the messages of this page. `next`: pass it as `after`; 0 at the end."""

    mark: int
    rev: int
    head: int
    unread: int
    mentions: int
    messages: Sequence[Explained]
    next: NotRequired[int]


class Figures(TypedDict):
    """What a channel says to one member: messages that are `unread`, `mentions` among them; how far he has read (`mark`) and received (`delivered`) them; `rev`: grows with each move of a mark. Absent for who keeps no mark there."""

    unread: NotRequired[int]
    mentions: NotRequired[int]
    mark: NotRequired[int]
    delivered: NotRequired[int]
    rev: NotRequired[int]


class FoldersPage(TypedDict):
    """Folder → how many bookmarks are in it. `next`: empty at the end."""

    folders: Mapping[str, int]
    next: NotRequired[str]


class FoldersRequest(TypedDict):
    """`after`: the last folder of the page before."""

    user: NotRequired[str]
    after: NotRequired[str]
    limit: NotRequired[int]


class FollowThread(TypedDict):
    """Hear of this thread's replies."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class ForwardRequest(TypedDict):
    """Copy the message `id` of `channel` into the channel `to`. `user` (or `by`): on whose behalf a server key does it."""

    channel: str
    id: str
    to: str
    user: NotRequired[str]
    by: NotRequired[str]
    cmid: NotRequired[str]


class Forwarded(TypedDict):
    """Where a message was copied from. The server fills it in."""

    channel: str
    id: str
    by: str


class FoundMessage(TypedDict):
    """A message as history shows it. `highlights`: [start, end) in its text, in characters."""

    channel: str
    message: Message
    highlights: NotRequired[Sequence[tuple[int, int]]]


class FoundUser(TypedDict):
    """A profile. `deactivated`, `banned`: shown to those who may exclude users."""

    user: str
    created: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]
    deactivated: NotRequired[bool]
    banned: NotRequired[bool]
    guest_until: NotRequired[str]


class FreezeChannel(TypedDict):
    """Only staff may speak from now on."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class GoneChannel(TypedDict):
    """The user may not read it (any more); `reason`: the code's name."""

    state: Literal['gone']
    reason: str


class Guarantees(TypedDict):
    """What holds for a channel now. `delivery` is `full` for every size: each message is pushed to each subscriber. `sampled` is kept for channels that leave some out, of which there are none."""

    tier: Tier
    receipts: Literal['aggregate', 'per_member']
    presence: Literal['count', 'list']
    typing: Literal['count', 'names']
    delivery: Literal['full', 'sampled']


class GuestConverted(TypedDict):
    """A guest is a full user now; the whole profile as it is from now on."""

    t: Literal['guest.converted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]


class Head(TypedDict):
    """Where a channel stands: its last message as `preview`, unless what was said last is not for him, and the figures of the user whose stream it is."""

    unread: NotRequired[int]
    mentions: NotRequired[int]
    mark: NotRequired[int]
    delivered: NotRequired[int]
    rev: NotRequired[int]
    seq: int
    ts: NotRequired[str]
    preview: NotRequired[Message | None]


class Heads(TypedDict):
    """What happened in channels that are not subscribed to, at most once a second. By channel."""

    t: Literal['heads']
    heads: Mapping[str, Head]


class HistoryPage(TypedDict):
    """Messages ascending, each with its current state (see model/message.py). `head`: the channel's last seq (of then, if the page is of the past). `reached`: the search went no further than this seq, go on behind it. An empty page without it is the end. `removed`: seqs where the page looked that are gone, and why. The node adds `epoch`."""

    messages: Sequence[Message]
    head: int
    reached: NotRequired[int]
    removed: NotRequired[Sequence[RemovedRange]]


class HistoryRequest(TypedDict):
    """At most one of the places; none: the newest page. `at`: RFC 3339 or ms. `by`, `type`: only messages of this author or type. `replies`: those that stand in threads alone, too. `as_of`: as `at`; the page shows what stood here at that time, later deletions undone: for who may undelete any (`features.past`), and without reactions and the like."""

    channel: str
    after_seq: NotRequired[int | None]
    before_seq: NotRequired[int | None]
    around_seq: NotRequired[int | None]
    at: NotRequired[str | int | None]
    limit: NotRequired[int | None]
    by: NotRequired[str]
    type: NotRequired[str]
    replies: NotRequired[bool]
    as_of: NotRequired[str | int | None]


HistoryRule = Literal["all", "from_join"]


class IncrementCounter(TypedDict):
    """Add `amount` (which may be negative) if the value stays within its bounds, and within `min` and `max` of this very move."""

    channel: str
    name: str
    amount: NotRequired[int]
    min: NotRequired[int]
    max: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class InviteMembers(TypedDict):
    """Ask people in; they decide."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class JobInfo(TypedDict):
    """How far a job is. `total`: names that came; `added`: who was no member before."""

    job: str
    state: Literal['collecting', 'done', 'failed', 'running']
    created: str
    parts: int
    done: int
    total: int
    added: int
    error: NotRequired[str]


class JobRequest(TypedDict):
    """Which job of which channel."""

    channel: str
    job: str


class JobStarted(TypedDict):
    """Ask `jobs.get` how far it is."""

    job: str


class JoinChannel(TypedDict):
    """Become a member: invited, or the group is public. An open channel is entered by subscribing: this makes no row there, and `role` stays "none"."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class JoinRequestInfo(TypedDict):
    """One who waits. `requested` is RFC 3339."""

    user: str
    requested: str
    text: NotRequired[str]


class LeaveChannel(TypedDict):
    """Give up membership, or decline an invitation."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Limits(TypedDict):
    """What a client should know before it runs into it."""

    text_chars: int
    envelope_bytes: int
    history_page: int
    screen_channels: int
    head_channels: int
    members_per_command: int


class ListPage(TypedDict):
    """Most recently added first. `next`: pass it as `before`; 0 at the end."""

    channels: Sequence[ListedChannel]
    next: NotRequired[int]


class ListRequest(TypedDict):
    """A page of a user's channels (empty: of the one who asks), older than `before`."""

    user: NotRequired[str]
    before: NotRequired[int]
    limit: NotRequired[int]


ListState = Literal["invited", "joined"]


class ListedChannel(TypedDict):
    """One line of the list, with what the user has set for it. `muted_until` is RFC 3339; a mute whose time has passed is none."""

    channel: str
    kind: ChannelKind
    state: ListState
    role: Role
    name: NotRequired[str]
    peer: NotRequired[str]
    hidden: NotRequired[Literal['for_good', 'no', 'until_message']]
    hidden_seq: NotRequired[int]
    muted: NotRequired[bool]
    muted_until: NotRequired[str]
    archived: NotRequired[bool]
    favourite: NotRequired[bool]


class LocateRequest(TypedDict):
    """A message by channel and id, or by its `link`."""

    channel: NotRequired[str]
    id: NotRequired[str]
    link: NotRequired[str]


class Location(TypedDict):
    """Where a message stands. `thread`, `thread_seq`: of the root, if it stands in a thread. `by` is absent where the one who asks blocks its author."""

    channel: str
    id: str
    seq: int
    link: str
    by: NotRequired[str]
    thread: NotRequired[str]
    thread_seq: NotRequired[int]
    deleted: NotRequired[bool]


class MarkRead(TypedDict):
    """The user has read everything up to `upto`. `rev`: the revision of his mark that he knew then; without it, the current one."""

    channel: str
    upto: int
    rev: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class MarkUnread(TypedDict):
    """Everything from the seq `since` on is unread again, for the user himself."""

    channel: str
    since: int
    cmid: NotRequired[str]
    by: NotRequired[str]


class Marked(TypedDict):
    """`upto`: where the mark stands now; `rev`: how often it was moved back."""

    upto: int
    rev: NotRequired[int]


class MemberBanned(TypedDict):
    """These are banned. `until`: RFC 3339; absent for ever."""

    t: Literal['member.banned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]
    until: NotRequired[str]


class MemberCapabilitiesChanged(TypedDict):
    """The user has other rights of his own from now on. Which, `capabilities.get` says to him and to those who may see it."""

    t: Literal['member.capabilities_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str


class MemberInfo(TypedDict):
    """One row of a channel's member list. `joined` is RFC 3339."""

    user: str
    role: Role
    joined: str


class MemberInvited(TypedDict):
    """These may join from now on."""

    t: Literal['member.invited']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MemberJoinRequested(TypedDict):
    """`user` asks to be let in."""

    t: Literal['member.join_requested']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str


class MemberJoined(TypedDict):
    """These are members from now on."""

    t: Literal['member.joined']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MemberLeft(TypedDict):
    """These gave up membership or declined."""

    t: Literal['member.left']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MemberMuted(TypedDict):
    """These say nothing. `until`: RFC 3339; absent for ever."""

    t: Literal['member.muted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]
    until: NotRequired[str]


class MemberRemoved(TypedDict):
    """These lost membership or their invitation."""

    t: Literal['member.removed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MemberRequestDeclined(TypedDict):
    """`user` was not let in."""

    t: Literal['member.request_declined']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str


class MemberRequestWithdrawn(TypedDict):
    """`user` does not ask any more."""

    t: Literal['member.request_withdrawn']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str


class MemberRoleChanged(TypedDict):
    """`user` has this role from now on."""

    t: Literal['member.role_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str
    role: Role


class MemberUnbanned(TypedDict):
    """These may come again."""

    t: Literal['member.unbanned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MemberUnmuted(TypedDict):
    """These may speak again."""

    t: Literal['member.unmuted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    users: Sequence[str]


class MembersPage(TypedDict):
    """`next`: pass it as `after` for the next page; empty at the end."""

    members: Sequence[MemberInfo]
    count: int
    next: NotRequired[str]


class MembersRequest(TypedDict):
    """A page of members in order of their ids, behind `after`."""

    channel: str
    after: NotRequired[str]
    limit: NotRequired[int]


class Message(TypedDict):
    """`rev` counts edits, deletions and their undoing; a deleted message has no content, and a `reason` if it was not its author's own doing. From `annotation_rev` on: see Annotations. `thread`: the id of the message whose thread it answers in; `also_in_channel`: it stands in the channel as well. `silent`: nobody is told. `kind`: "system", or empty. `type`: the app's own. `t` is "message.hidden" for who blocks its author: nothing else is there but `seq`, `id`, `ts`."""

    t: Literal['message.created', 'message.hidden']
    seq: int
    id: str
    ts: str
    by: NotRequired[str]
    cmid: NotRequired[str]
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    reply_to: NotRequired[str]
    quote: NotRequired[Quote]
    thread: NotRequired[str]
    also_in_channel: NotRequired[bool]
    silent: NotRequired[bool]
    kind: NotRequired[str]
    type: NotRequired[str]
    forwarded: NotRequired[Forwarded]
    poll: NotRequired[Poll]
    rev: NotRequired[int]
    edited: NotRequired[bool]
    deleted: NotRequired[bool]
    reason: NotRequired[str]
    annotation_rev: NotRequired[int]
    reactions: NotRequired[Mapping[str, ReactionCount]]
    replies: NotRequired[int]
    last_reply: NotRequired[str]
    last_reply_seq: NotRequired[int]
    participants: NotRequired[Sequence[str]]
    pinned: NotRequired[bool]


class MessageBulkDeleted(TypedDict):
    """These messages are tombstones."""

    t: Literal['message.bulk_deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    messages: Sequence[Removed]
    reason: NotRequired[str]


class MessageCreated(TypedDict):
    """A message. `quote`: of the message `reply_to`, when this one was sent. `thread`: the id of the thread's first message."""

    t: Literal['message.created']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    rev: NotRequired[int]
    edited: NotRequired[Literal[True]]
    deleted: NotRequired[Literal[True]]
    reason: NotRequired[str]
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    reply_to: NotRequired[str]
    quote: NotRequired[Quote]
    thread: NotRequired[str]
    also_in_channel: NotRequired[bool]
    silent: NotRequired[bool]
    kind: NotRequired[str]
    type: NotRequired[str]
    forwarded: NotRequired[Forwarded]
    poll: NotRequired[Poll]


class MessageDeleted(TypedDict):
    """The message is a tombstone. `author`: who had written it; `thread`: where it stood. `reason`: absent if he deleted it himself."""

    t: Literal['message.deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    rev: int
    author: str
    thread: NotRequired[str]
    reason: NotRequired[str]


class MessageHidden(TypedDict):
    """Stands for an event that this user may not see: of somebody whom he blocks, or of a message that is none for him."""

    t: Literal['message.hidden']
    seq: int
    id: NotRequired[str]
    ts: NotRequired[str]


class MessagePinned(TypedDict):
    """It is pinned; `until` (RFC 3339): absent if for ever."""

    t: Literal['message.pinned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    until: NotRequired[str]


class MessageRequest(TypedDict):
    """Which message."""

    channel: str
    id: str


class MessageScheduleFailed(TypedDict):
    """In `#user`: it was refused at its time, and waits no more."""

    t: Literal['message.schedule_failed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    schedule: str
    error: ScheduleError
    message: Json


class MessageScheduled(TypedDict):
    """In `#user`: a message waits, new or changed (`rev`). `message`: as it was given."""

    t: Literal['message.scheduled']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    schedule: str
    at: str
    rev: int
    message: Json


class MessageUndeleted(TypedDict):
    """The message is back, with this content, and with what a tombstone shows none of. `author` and `thread` as in `message.deleted`."""

    t: Literal['message.undeleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    rev: NotRequired[int]
    edited: NotRequired[bool]
    deleted: NotRequired[Literal[True]]
    reason: NotRequired[str]
    message_seq: NotRequired[int]
    author: NotRequired[str]
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    thread: NotRequired[str]
    quote: NotRequired[Quote]
    forwarded: NotRequired[Forwarded]
    poll: NotRequired[Poll]


class MessageUnpinned(TypedDict):
    """It is pinned no more."""

    t: Literal['message.unpinned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int


class MessageUnscheduled(TypedDict):
    """In `#user`: it was sent, or taken back."""

    t: Literal['message.unscheduled']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    channel: str
    schedule: str
    sent: NotRequired[bool]


class MessageUpdated(TypedDict):
    """The whole content as it is from now on. `rev` counts edits, deletions and their undoing. `author`: who had written it, where it is not `by`."""

    t: Literal['message.updated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    rev: NotRequired[int]
    edited: NotRequired[Literal[True]]
    deleted: NotRequired[Literal[True]]
    reason: NotRequired[str]
    message_seq: NotRequired[int]
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    author: NotRequired[str]


class MessagesFound(TypedDict):
    """Those that are there, in the order of the ids, and the ids of those that are not."""

    messages: Sequence[Message]
    missing: Sequence[str]


class MessagesRequest(TypedDict):
    """Several messages of a channel: 1 to 100 ids."""

    channel: str
    ids: Sequence[str]


class MetadataChanged(TypedDict):
    """The value under `key`, of the channel or of `user`; its revision is this event's seq."""

    t: Literal['metadata.changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    key: str
    value: Json
    user: NotRequired[str]


class MetadataDeleted(TypedDict):
    """There is no value under `key` any more."""

    t: Literal['metadata.deleted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    key: str
    user: NotRequired[str]


class MetadataPage(TypedDict):
    """By key."""

    metadata: Mapping[str, MetadataValue]


class MetadataRequest(TypedDict):
    """All values of a target, or the one under `key`."""

    channel: str
    user: NotRequired[str]
    key: NotRequired[str]


class MetadataValue(TypedDict):
    """A value and its revision."""

    value: Json
    rev: int


class MineRequest(TypedDict):
    """`user` (or `by`): whose list, for a server key. `hidden`: `until_message` comes back with the next message. `muted_until`: RFC 3339 or ms, 0 for ever."""

    channel: str
    user: NotRequired[str]
    hidden: NotRequired[Literal['for_good', 'no', 'until_message']]
    muted: NotRequired[bool]
    muted_until: NotRequired[str | int]
    archived: NotRequired[bool]
    favourite: NotRequired[bool]
    by: NotRequired[str]
    cmid: NotRequired[str]


class MuteMembers(TypedDict):
    """They read, and say nothing until it ends."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    for_s: NotRequired[int | None]
    reason: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class NewChannelRequest(TypedDict):
    """`channel` (or `kind` alone: a name is made), or kind `dm` with exactly a pair of members."""

    channel: NotRequired[str]
    kind: NotRequired[ChannelKind | None]
    members: NotRequired[Sequence[str]]
    name: NotRequired[str]
    data: NotRequired[Json]
    public: NotRequired[bool]
    owner: NotRequired[str]
    approval: NotRequired[bool]
    history: NotRequired[HistoryRule]
    cmid: NotRequired[str]
    by: NotRequired[str]


class Nothing(TypedDict):
    """No parameters, or an empty answer."""


OpenRequest = TypedDict("OpenRequest", {  # With whom.
    "with": "str",
})


class Opened(TypedDict):
    """Which channel it is, and whether this request created it."""

    channel: str
    created: bool
    seq: NotRequired[int]
    id: NotRequired[str]
    ts: NotRequired[str]
    dup: NotRequired[bool]


class Pin(TypedDict):
    """A pinned message, who pinned it when, and until when (RFC 3339)."""

    message: Message
    by: str
    ts: str
    until: NotRequired[str]


class PinMessage(TypedDict):
    """Keep it at hand; `until`: RFC 3339 or ms, absent: for ever."""

    channel: str
    id: str
    until: NotRequired[str | int | None]
    cmid: NotRequired[str]
    by: NotRequired[str]


class PinsPage(TypedDict):
    """All of them, the last one first."""

    pins: Sequence[Pin]


class PinsRequest(TypedDict):
    """The pins of a channel."""

    channel: str


class Poll(TypedDict):
    """A poll as everybody sees it; the question is the message's text. `rev` grows with every change: a higher one replaces what a client has. `voters`: people, each with up to `votes_max` votes. `may_add`: whoever votes may add options."""

    options: Sequence[PollOption]
    votes_max: NotRequired[int]
    anonymous: NotRequired[bool]
    may_add: NotRequired[bool]
    closes_at: NotRequired[str]
    closed_at: NotRequired[str]
    voters: NotRequired[int]
    rev: NotRequired[int]


class PollClosed(TypedDict):
    """The result. `timed`: its time was over."""

    t: Literal['poll.closed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    rev: int
    voters: int
    votes: Sequence[int]
    timed: NotRequired[bool]


class PollCounted(TypedDict):
    """The figures, at most once a second."""

    t: Literal['poll.counted']
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    message_seq: int
    rev: int
    voters: int
    votes: Sequence[int]


class PollOption(TypedDict):
    """What can be chosen; `id` counts from 1. `by`: who added it later."""

    id: int
    text: str
    by: NotRequired[str]
    votes: NotRequired[int]


class PollOptionAdded(TypedDict):
    """One more option."""

    t: Literal['poll.option_added']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    rev: int
    voters: int
    votes: Sequence[int]
    option: int
    text: str


class PollPage(TypedDict):
    """A poll, and what the one who asks has chosen."""

    id: str
    question: str
    by: str
    poll: Poll
    own: NotRequired[Sequence[int]]


class PollRequest(TypedDict):
    """Which poll: the id of its message."""

    channel: str
    id: str


class PollVoted(TypedDict):
    """`options`: what the user (`by`) chooses from now on."""

    t: Literal['poll.voted']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    rev: int
    voters: int
    votes: Sequence[int]
    options: Sequence[int]


class Presence(TypedDict):
    """By user."""

    t: Literal['presence']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    users: Mapping[str, Seen]


class PresenceAnswer(TypedDict):
    """By user."""

    users: Mapping[str, Seen]


class PresenceChosen(TypedDict):
    """What the user wants to be shown as from now on."""

    t: Literal['presence.chosen']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    state: Literal['away', 'busy', 'invisible', 'online']


class PresenceCounted(TypedDict):
    """So many connections are in the channel: told every two seconds at most, where it is large."""

    t: Literal['presence.counted']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    watchers: int


class PresenceRequest(TypedDict):
    """Of at most 200 users. `by`: the user in whose eyes, for a server key."""

    users: Sequence[str]
    by: NotRequired[str]


class PresenceSet(TypedDict):
    """Where the choice stands in the user's stream; empty where only `idle` was said."""

    seq: NotRequired[int]
    id: NotRequired[str]
    ts: NotRequired[str]
    dup: NotRequired[bool]


class Privacy(TypedDict):
    """What others see, and who."""

    read: bool
    delivered: bool
    typing: bool
    presence: Literal['contacts', 'everybody', 'nobody']
    last_seen: Literal['contacts', 'everybody', 'nobody']


class PrivacyRequest(TypedDict):
    """Whose; empty: of the one who asks."""

    user: NotRequired[str]


class Profile(TypedDict):
    """The public profile. `created` is RFC 3339; `avatar` is a URL the client may load. `guest_until`: RFC 3339; absent for a full user."""

    user: str
    created: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]
    guest_until: NotRequired[str]


class PromoteChannel(TypedDict):
    """Make it a channel of the next kind. `history`: what newcomers read."""

    channel: str
    kind: ChannelKind
    history: NotRequired[HistoryRule]
    cmid: NotRequired[str]
    by: NotRequired[str]


class PublicChannel(TypedDict):
    """A line of the directory. `members` may be off by a twentieth. `approval`: joining is asked for."""

    channel: str
    kind: ChannelKind
    created: str
    members: int
    name: NotRequired[str]
    approval: NotRequired[bool]


class PublishEvent(TypedDict):
    """Any JSON to everybody who is subscribed."""

    channel: str
    data: Json
    cmid: NotRequired[str]
    by: NotRequired[str]


class QueriedChannel(TypedDict):
    """A line of the list with its head, as `heads` has it (seq, ts, preview, unread, …), and the channel as `channel.get` describes it, unless the user may not see it."""

    channel: str
    kind: ChannelKind
    state: ListState
    role: Role
    name: NotRequired[str]
    peer: NotRequired[str]
    hidden: NotRequired[Literal['for_good', 'no', 'until_message']]
    hidden_seq: NotRequired[int]
    muted: NotRequired[bool]
    muted_until: NotRequired[str]
    archived: NotRequired[bool]
    favourite: NotRequired[bool]
    head: NotRequired[Head]
    info: NotRequired[ChannelInfo]


class QueryPage(TypedDict):
    """`next`: pass it as `cursor`; empty at the end."""

    channels: Sequence[QueriedChannel]
    next: NotRequired[str]


class Quote(TypedDict):
    """The message that a message answers, as it stands now: the beginning of its text, nothing of a deleted one."""

    id: str
    seq: int
    by: NotRequired[str]
    text: NotRequired[str]
    deleted: NotRequired[bool]


class Reacted(TypedDict):
    """The kind's count after the request, and the annotation's rev."""

    count: int
    annotation_rev: int


class ReactionAdded(TypedDict):
    """`by` chose this kind: `count` did by now."""

    t: Literal['reaction.added']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    emoji: str
    count: int
    annotation_rev: int


class ReactionCount(TypedDict):
    """How many chose this kind; `me`: the one who asks is among them."""

    count: int
    me: NotRequired[bool]


class ReactionCounted(TypedDict):
    """How many chose each kind, as it was a second ago at most."""

    t: Literal['reaction.counted']
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    message_seq: int
    annotation_rev: int
    reactions: Mapping[str, int]


class ReactionRemoved(TypedDict):
    """`by` took it back."""

    t: Literal['reaction.removed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int
    emoji: str
    count: int
    annotation_rev: int


class ReactionsPage(TypedDict):
    """In order of kinds and user ids. `next`: pass it as `cursor`; absent at the end."""

    reactions: Mapping[str, int]
    reactors: Sequence[Reactor]
    annotation_rev: int
    next: NotRequired[str]


class ReactionsRequest(TypedDict):
    """Who chose one kind (`emoji`), or any. `cursor`: what `next` was."""

    channel: str
    id: str
    emoji: NotRequired[str]
    cursor: NotRequired[str]
    limit: NotRequired[int]


class ReactivateUser(TypedDict):
    """In again."""

    user: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Reactor(TypedDict):
    """Who chose what, and when (RFC 3339)."""

    user: str
    emoji: str
    ts: str


class ReadThread(TypedDict):
    """The user has read the thread up to `upto`. `id`: of its root."""

    channel: str
    id: str
    upto: int
    cmid: NotRequired[str]
    by: NotRequired[str]


class ReadThreads(TypedDict):
    """The user has read all threads of the channel that he follows up to `upto`."""

    channel: str
    upto: int
    cmid: NotRequired[str]
    by: NotRequired[str]


class Reader(TypedDict):
    """`ts`: since when, if that is known."""

    user: str
    ts: NotRequired[str]


class ReadersPage(TypedDict):
    """`next`: pass it as `after` for more; empty at the end. A page may hold fewer than asked for, or nobody, and still not be the last."""

    readers: Sequence[Reader]
    next: NotRequired[str]


class ReadersRequest(TypedDict):
    """Recipients of a message in order of their ids, behind `after`."""

    channel: str
    id: NotRequired[str]
    seq: NotRequired[int]
    state: NotRequired[Literal['delivered', 'read', 'unread']]
    after: NotRequired[str]
    limit: NotRequired[int]


class Receipt(TypedDict):
    """Read by `read` of `read_of`; received by a device of `delivered` of `delivered_of`. A part that the app keeps off is absent."""

    seq: int
    read: NotRequired[int]
    read_of: NotRequired[int]
    delivered: NotRequired[int]
    delivered_of: NotRequired[int]


class ReceiptsCounted(TypedDict):
    """In order of their seqs; seqs that are no message (any more) are left out."""

    t: Literal['receipts.counted']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    receipts: Sequence[Receipt]


class ReceiptsMoved(TypedDict):
    """Where these members' watermarks stand now, in a channel with receipts by member."""

    t: Literal['receipts.moved']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    read: NotRequired[Mapping[str, int]]
    delivered: NotRequired[Mapping[str, int]]


class ReceiptsPage(TypedDict):
    """In order of their seqs; seqs that are no message (any more) are left out."""

    receipts: Sequence[Receipt]


class ReceiptsRequest(TypedDict):
    """Of these messages, at most 100, by seq or by id."""

    channel: str
    seqs: NotRequired[Sequence[int]]
    ids: NotRequired[Sequence[str]]


class RegisterType(TypedDict):
    """A schema under a name, for channels of these kinds (empty: of all)."""

    name: str
    schema: Json
    kinds: NotRequired[Sequence[ChannelKind]]
    cmid: NotRequired[str]
    by: NotRequired[str]


class Registered(TypedDict):
    """Which version it became."""

    seq: int
    version: int
    id: NotRequired[str]
    ts: NotRequired[str]
    dup: NotRequired[bool]


class Reminder(TypedDict):
    """One reminder."""

    id: str
    at: str
    channel: NotRequired[str]
    message: NotRequired[str]
    note: NotRequired[str]
    fired: NotRequired[bool]


class ReminderCancelled(TypedDict):
    """It is gone."""

    t: Literal['reminder.cancelled']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    reminder_seq: int


class ReminderCreated(TypedDict):
    """It waits. Its id is the event's own."""

    t: Literal['reminder.created']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    at: str
    channel: NotRequired[str]
    message: NotRequired[str]
    note: NotRequired[str]


class ReminderFired(TypedDict):
    """Now. Everything that it is about."""

    t: Literal['reminder.fired']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    reminder_seq: int
    at: str
    channel: NotRequired[str]
    message: NotRequired[str]
    note: NotRequired[str]


class ReminderSnoozed(TypedDict):
    """It waits for another time."""

    t: Literal['reminder.snoozed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    reminder_seq: int
    at: str


class RemindersPage(TypedDict):
    """In the order in which they were made. `next`: empty at the end."""

    reminders: Sequence[Reminder]
    next: NotRequired[str]


class RemindersRequest(TypedDict):
    """`after`: the id of the last one of the page before."""

    user: NotRequired[str]
    after: NotRequired[str]
    limit: NotRequired[int]


class RemoveBookmark(TypedDict):
    """Keep it no more."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    id: str


class RemoveDevice(TypedDict):
    """Sign a device out. `user`: empty for one's own."""

    device: str
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class RemoveMembers(TypedDict):
    """Remove members, or take invitations back."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class RemoveReaction(TypedDict):
    """Take an own choice back."""

    channel: str
    id: str
    emoji: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Removed(TypedDict):
    """One of many tombstones, as in `message.deleted`."""

    id: str
    message_seq: int
    rev: int
    author: str
    thread: NotRequired[str]


RemovedRange = TypedDict("RemovedRange", {  # Seqs `from` to `to`, both gone.
    "from": "int",
    "to": "int",
    "why": "Literal['retention', 'truncated']",
})


class RequestJoin(TypedDict):
    """Ask to be let in, with a word to the staff."""

    channel: str
    text: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class RequestsPage(TypedDict):
    """`next`: pass it as `after`; empty at the end."""

    requests: Sequence[JoinRequestInfo]
    count: int
    next: NotRequired[str]


class RequestsRequest(TypedDict):
    """A page in order of the users' ids, behind `after`."""

    channel: str
    after: NotRequired[str]
    limit: NotRequired[int]


class RetentionInfo(TypedDict):
    """`retention_s`: what holds now, 0 for ever; `own`: the channel's own. `floor`: the lowest seq that there is. `removed`: what is gone, and why."""

    retention_s: int
    own: bool
    floor: int
    removed: Sequence[RemovedRange]


class RetentionRequest(TypedDict):
    """Of which channel."""

    channel: str


class Revised(TypedDict):
    """`rev`: pass it as `if_rev` to change it next."""

    seq: int
    rev: int
    id: NotRequired[str]
    ts: NotRequired[str]
    dup: NotRequired[bool]


class Revision(TypedDict):
    """A content that a message has or had, who wrote it when (RFC 3339), and in which event."""

    seq: int
    by: str
    ts: str
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]


class RevisionsPage(TypedDict):
    """The oldest that is kept first; the last one is the newest. None of a message whose author the one who asks blocks. `rev` and `deleted` of the message now."""

    revisions: Sequence[Revision]
    rev: int
    deleted: NotRequired[bool]


Role = Literal["invited", "member", "moderator", "none", "owner"]


class RoomCounts(TypedDict):
    """`online` of the members, and who; or `watchers`: connections that are subscribed."""

    online: NotRequired[int]
    users: NotRequired[Sequence[str]]
    watchers: NotRequired[int]


class RoomRequest(TypedDict):
    """Of a channel."""

    channel: str


class Sanction(TypedDict):
    """Times are RFC 3339; no `until`: for ever."""

    user: str
    by: str
    since: str
    until: NotRequired[str]
    reason: NotRequired[str]


class SanctionsPage(TypedDict):
    """`next`: pass it as `after` for the next page; empty at the end."""

    sanctions: Sequence[Sanction]
    next: NotRequired[str]


class SanctionsRequest(TypedDict):
    """A page of users in order of their ids, behind `after`."""

    channel: str
    after: NotRequired[str]
    limit: NotRequired[int]


class ScheduleError(TypedDict):
    """Why a message was not sent: an error as the answer to `message.send` would name it."""

    code: int
    name: str
    text: str


class Scheduled(TypedDict):
    """A message that waits."""

    channel: str
    schedule: str
    at: str
    rev: int
    message: Json


class ScheduledDone(TypedDict):
    """The scheduled message's id, and when it is sent."""

    schedule: str
    at: str
    rev: int


class SchedulesPage(TypedDict):
    """By channel and id; of one channel by time. `next`: empty at the end."""

    schedules: Sequence[Scheduled]
    next: NotRequired[str]


class SchedulesRequest(TypedDict):
    """Of one user (empty: of the one who asks), in one channel or, without it, in all. `after`: the `next` of the page before."""

    channel: NotRequired[str]
    user: NotRequired[str]
    after: NotRequired[str]
    limit: NotRequired[int]


class ScreenRequest(TypedDict):
    """The channels whose unread figures are wanted: what is on the user's screen."""

    channels: Sequence[str]


class SearchPage(TypedDict):
    """`indexed_to`: everything up to this time was searched; absent: nobody can say. A page may be short: `next` says whether it goes on (pass it as `cursor`)."""

    hits: Sequence[FoundMessage]
    indexed_to: NotRequired[str]
    incomplete: NotRequired[bool]
    next: NotRequired[str]


class SearchRequest(TypedDict):
    """`q`: words that must all be there; `"green tea"` one behind the other, `hel*` words that begin so, `-milk` not this. May be empty if anything else is asked for. `channels`: 1 to 100; none: all of the user's. `by`: their author. `attachments`: only messages that have some. `since`, `until`: RFC 3339 or ms, `until` excluded. `user`: as whom a server key searches; without one, the whole app."""

    q: NotRequired[str]
    channels: NotRequired[Sequence[str]]
    by: NotRequired[str]
    type: NotRequired[str]
    attachments: NotRequired[bool]
    since: NotRequired[str | int | None]
    until: NotRequired[str | int | None]
    sort: NotRequired[Literal['relevance', 'time']]
    limit: NotRequired[int]
    cursor: NotRequired[str]
    user: NotRequired[str]


class Seen(TypedDict):
    """How a user is seen. `last_seen` (RFC 3339) of one who is offline; `choice`: for himself."""

    state: NotRequired[Literal['away', 'busy', 'offline', 'online']]
    last_seen: NotRequired[str]
    choice: NotRequired[str]


class SendEventRequest(TypedDict):
    """`version` 0: the newest."""

    channel: str
    type: str
    data: Json
    version: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SendMessage(TypedDict):
    """A text, custom data, attachments, or several of them. `reply_to`: the id of a message that is quoted; `thread`: of one in whose thread this one stands (`also_in_channel`: in the channel as well). `silent`: nobody is told. `kind`: "system", for server keys. `type`: the app's own. `draft`: the rev of the draft that this was; it is cleared."""

    channel: str
    text: NotRequired[str]
    data: NotRequired[Json]
    attachments: NotRequired[Sequence[Attachment]]
    mentions: NotRequired[Sequence[str]]
    mention_all: NotRequired[bool]
    mention_here: NotRequired[bool]
    reply_to: NotRequired[str]
    thread: NotRequired[str]
    also_in_channel: NotRequired[bool]
    silent: NotRequired[bool]
    kind: NotRequired[Literal['', 'system']]
    type: NotRequired[str]
    draft: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SendScheduled(TypedDict):
    """Send it at once."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Session(TypedDict):
    """A live connection. `name`, `version`: of its client library. `current`: the one who asks. `idle`: as it said last (features.presence)."""

    client: str
    device: NotRequired[str]
    name: NotRequired[str]
    version: NotRequired[str]
    transport: NotRequired[str]
    since: NotRequired[str]
    current: NotRequired[bool]
    idle: NotRequired[bool]


class SessionsAnswer(TypedDict):
    """Opened first first."""

    sessions: Sequence[Session]


class SetCounter(TypedDict):
    """Define a counter, or change it: what is left out stays (of a new one: at 0, from 0 to the largest number). `max` and `min` bound every move. With a `value`, `order` begins again."""

    channel: str
    name: str
    value: NotRequired[int]
    min: NotRequired[int]
    max: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetDraft(TypedDict):
    """`message`: what the client wants to find again, usually as `message.send` takes it."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    channel: str
    message: Json
    thread: NotRequired[str]
    seen: NotRequired[int]


class SetMemberCapabilities(TypedDict):
    """What a user has of his own in this channel, from now on."""

    channel: str
    user: str
    grant: NotRequired[Sequence[str]]
    deny: NotRequired[Sequence[str]]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetMetadata(TypedDict):
    """Set one value. `user`: of that member; empty: of the channel."""

    channel: str
    key: str
    value: Json
    user: NotRequired[str]
    if_rev: NotRequired[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetPresence(TypedDict):
    """What a user wants to be shown as, on all devices; `idle`: of this connection alone."""

    user: NotRequired[str]
    state: NotRequired[Literal['away', 'busy', 'invisible', 'online']]
    idle: NotRequired[bool]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetPrivacy(TypedDict):
    """Show (true) or hide (false) what is given. `presence`, `last_seen`: to whom."""

    user: NotRequired[str]
    read: NotRequired[bool]
    delivered: NotRequired[bool]
    typing: NotRequired[bool]
    presence: NotRequired[Literal['contacts', 'everybody', 'nobody']]
    last_seen: NotRequired[Literal['contacts', 'everybody', 'nobody']]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetRetention(TypedDict):
    """Keep events so long; 0 for ever, null as the app says."""

    channel: str
    retention_s: NotRequired[int | None]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetRole(TypedDict):
    """Give a member another role."""

    channel: str
    user: str
    role: Role
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetRoleCapabilities(TypedDict):
    """What a role has of its own in this channel, from now on."""

    channel: str
    role: Role
    grant: NotRequired[Sequence[str]]
    deny: NotRequired[Sequence[str]]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetSettings(TypedDict):
    """Set or (null) delete some keys. `user`: empty for one's own."""

    settings: Mapping[str, Json]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SetSlowMode(TypedDict):
    """Seconds between two messages of one user; 0: none."""

    channel: str
    seconds: int
    cmid: NotRequired[str]
    by: NotRequired[str]


class SettingsAnswer(TypedDict):
    """All of them."""

    settings: Mapping[str, Json]


class SettingsChanged(TypedDict):
    """What is otherwise from now on; null: gone."""

    t: Literal['settings.changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    settings: Mapping[str, Json]


class SettingsRequest(TypedDict):
    """Whose; empty: one's own."""

    user: NotRequired[str]


class SignGiven(TypedDict):
    """`shown`: whether others are told. `seq` is where the channel stands; a sign has none."""

    seq: int
    id: str
    ts: str
    dup: NotRequired[bool]
    rev: NotRequired[int]
    shown: bool


class SignOut(TypedDict):
    """Sign out everywhere but on the device `keep`. Only a server key may keep none."""

    keep: NotRequired[str]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SnoozeReminder(TypedDict):
    """Another time, whether it has fired or not."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    id: str
    at: str | int


class StartTyping(TypedDict):
    """The user is typing: shown for six seconds."""

    channel: str
    thread: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class StateRequest(TypedDict):
    """Which user."""

    user: str


class StopTyping(TypedDict):
    """The user does not type any more."""

    channel: str
    thread: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class SyncAnswer(TypedDict):
    """`channels` by name. `more`: ask again for these."""

    channels: Mapping[str, SyncedChannel | GoneChannel]
    more: Sequence[str]
    user: NotRequired[SyncedUser]


class SyncRequest(TypedDict):
    """Positions are [epoch, seq]; ["", 0] for what the device does not have. `user`: of the own stream; null: leave it out. `by`: the user whom a server key asks for."""

    user: NotRequired[tuple[str, int] | None]
    channels: NotRequired[Mapping[str, tuple[str, int]]]
    by: NotRequired[str]


class SyncedChannel(TypedDict):
    """What brings a device to the present in one channel. `state`: `delta`: `events` are all that happened behind its position. `head`: too much happened; `events` are the newest ones and `gap` the seqs between (first, last) that are not here. `reset`: its position is worth nothing (another epoch, below the floor, or it has none); `gap` as before, from the floor on. Events are publications as the stream has them, rendered with current state. `figures`: what heads say of the channel to this user. `snapshot`: as the subscription gives it, absent in a delta."""

    epoch: str
    seq: int
    ts: NotRequired[str]
    events: NotRequired[Sequence[Event]]
    state: Literal['delta', 'head', 'reset']
    gap: NotRequired[tuple[int, int] | None]
    figures: NotRequired[Figures]
    snapshot: NotRequired[ChannelSnapshot]


class SyncedUser(TypedDict):
    """What brings a device to the present in its user's own stream: the `events` behind its position, or (`reset`) the `snapshot` of the subscription. `listed`: channels that joined his list behind the position."""

    epoch: str
    seq: int
    ts: NotRequired[str]
    events: NotRequired[Sequence[Event]]
    state: Literal['delta', 'reset']
    snapshot: NotRequired[UserSnapshot]
    listed: NotRequired[Sequence[str]]


class ThreadCreated(TypedDict):
    """The message has its first reply (`features.threads`)."""

    t: Literal['thread.created']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    message_seq: int


class ThreadLine(TypedDict):
    """A thread in a list: its root, with figures."""

    root: Message
    following: NotRequired[bool]


class ThreadMarked(TypedDict):
    """How many threads' marks moved."""

    moved: int


class ThreadPage(TypedDict):
    """Replies ascending, each with its current state; an empty page is the end. `following`: the one who asks does. `more`: it is full by its bytes, before it had as many as were asked for."""

    root: Message
    messages: Sequence[Message]
    following: NotRequired[bool]
    more: NotRequired[bool]


class ThreadRequest(TypedDict):
    """Replies in a thread; `id`: of its root, or of any message in it. At most one place: behind `after_seq` (0: the oldest), before `before_seq`, none: the newest."""

    channel: str
    id: str
    after_seq: NotRequired[int | None]
    before_seq: NotRequired[int | None]
    limit: NotRequired[int]


class ThreadUnread(TypedDict):
    """What is unread in a thread."""

    root_seq: int
    id: str
    mark: int
    unread: int
    mentions: int


class ThreadUpdated(TypedDict):
    """A thread's figures (see Annotations), at most a second old."""

    t: Literal['thread.updated']
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    message_seq: int
    annotation_rev: int
    replies: int
    last_reply: str
    last_reply_seq: int
    participants: Sequence[str]


class ThreadsPage(TypedDict):
    """The last replied to first. `next`: pass it as `before`; 0 at the end."""

    threads: Sequence[ThreadLine]
    next: NotRequired[int]


class ThreadsRequest(TypedDict):
    """A channel's threads whose last reply is older than `before`. `followed`: only those that the one who asks follows."""

    channel: str
    before: NotRequired[int]
    limit: NotRequired[int]
    followed: NotRequired[bool]


class Thumbnail(TypedDict):
    """A small picture of an attachment: a url or the id of a file; pixels."""

    url: NotRequired[str]
    file: NotRequired[str]
    mime: NotRequired[str]
    width: NotRequired[int]
    height: NotRequired[int]


Tier = Literal["large", "medium", "small"]


class TimeoutMembers(TypedDict):
    """A mute that ends: `for_s` is needed."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    for_s: NotRequired[int | None]
    reason: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class TokenRevoked(TypedDict):
    """Tokens of `user` issued before `before` (ms), or the token `jti`, are worth nothing."""

    t: Literal['token.revoked']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    before: int
    user: NotRequired[str]
    jti: NotRequired[str]


class Total(TypedDict):
    """Over all joined channels that are not muted, and the threads that the user follows there. `channels`: how many have anything unread."""

    unread: int
    mentions: int
    threads_unread: int
    threads_mentions: int
    channels: int


class TotalRequest(TypedDict):
    """Whose badge; empty: of the one who asks."""

    user: NotRequired[str]


class TruncateChannel(TypedDict):
    """Remove what lies before `before_seq`; 0: all that there is. It is named always, so that a misspelt one empties nothing."""

    channel: str
    before_seq: int
    cmid: NotRequired[str]
    by: NotRequired[str]


class TypeRequest(TypedDict):
    """Which type; `version` 0: the newest."""

    name: str
    version: NotRequired[int]


class TypesPage(TypedDict):
    """`next`: pass it as `after`; empty at the end."""

    types: Sequence[EventType]
    next: NotRequired[str]


class TypesRequest(TypedDict):
    """A page by name, behind `after`."""

    after: NotRequired[str]
    limit: NotRequired[int]


class TypingCounted(TypedDict):
    """So many are typing in a channel that names nobody, 1,000 at most; told when it changed, and every five seconds. It holds for `expires_ms`."""

    t: Literal['typing.counted']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    count: int
    expires_ms: NotRequired[int]


class TypingStarted(TypedDict):
    """The user `by` is typing, until that many milliseconds from now."""

    t: Literal['typing.started']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    expires_ms: int
    thread: NotRequired[str]


class TypingStopped(TypedDict):
    """The user `by` does not type any more."""

    t: Literal['typing.stopped']
    id: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    ts: NotRequired[str]
    thread: NotRequired[str]


class UnarchiveChannel(TypedDict):
    """As it was before."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnbanMembers(TypedDict):
    """They may come again."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnbanUser(TypedDict):
    """In again before the ban ends."""

    user: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnblockUser(TypedDict):
    """Hear of him again."""

    blocked: str
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UndeleteMessage(TypedDict):
    """Bring a deleted message back."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnfollowThread(TypedDict):
    """Hear of them no more, until one replies again."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnfreezeChannel(TypedDict):
    """Everybody may speak again."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnmuteMembers(TypedDict):
    """They may speak again."""

    channel: str
    users: NotRequired[Sequence[str]]
    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnpinMessage(TypedDict):
    """Put it away."""

    channel: str
    id: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class UnreadThreadsPage(TypedDict):
    """`next`: pass it as `before`; 0 at the end."""

    threads: Sequence[ThreadUnread]
    next: NotRequired[int]


class UnreadThreadsRequest(TypedDict):
    """Threads that the asker follows, the newest root first, below the root `before`. `by`: the user for whom a server key asks."""

    channel: str
    before: NotRequired[int]
    limit: NotRequired[int]
    by: NotRequired[str]


class UnvoteRequest(TypedDict):
    """Which vote: the own one, or that of `by` for a server key."""

    channel: str
    id: str
    by: NotRequired[str]
    cmid: NotRequired[str]


class UpdateBookmark(TypedDict):
    """Change what is given."""

    user: NotRequired[str]
    cmid: NotRequired[str]
    by: NotRequired[str]
    id: str
    title: NotRequired[str]
    note: NotRequired[str]
    folder: NotRequired[str]


class UpdateChannel(TypedDict):
    """Change what is given; null clears it."""

    channel: str
    name: NotRequired[str | None]
    data: NotRequired[Json]
    public: NotRequired[bool]
    approval: NotRequired[bool]
    history: NotRequired[HistoryRule]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UpdateSchedule(TypedDict):
    """Change what is given; `message` replaces the whole message."""

    channel: str
    id: str
    at: NotRequired[str | int]
    message: NotRequired[Json]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UpdateUser(TypedDict):
    """Change what is given; null clears a field. `replace`: what is not given is cleared too."""

    user: NotRequired[str]
    name: NotRequired[str | None]
    avatar: NotRequired[str | None]
    data: NotRequired[Json]
    replace: NotRequired[bool]
    cmid: NotRequired[str]
    by: NotRequired[str]


class UserAudienceChanged(TypedDict):
    """Who sees from now on when he is there, and when he was."""

    t: Literal['user.audience_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    presence: NotRequired[Literal['contacts', 'everybody', 'nobody']]
    last_seen: NotRequired[Literal['contacts', 'everybody', 'nobody']]


class UserBanned(TypedDict):
    """In `#user`: banned from the app. `until`: RFC 3339; absent for ever."""

    t: Literal['user.banned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    until: NotRequired[str]


class UserBlocked(TypedDict):
    """The user of this stream does not hear of him any more."""

    t: Literal['user.blocked']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    blocked: str


class UserCreated(TypedDict):
    """First sight of a user. `guest_until`: RFC 3339; absent for a full user."""

    t: Literal['user.created']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]
    guest_until: NotRequired[str]


class UserDeactivated(TypedDict):
    """In `#user`: he is deactivated."""

    t: Literal['user.deactivated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class UserExclusionSet(TypedDict):
    """In `@app`: the whole state of a user. `banned_ms`: when the ban ends, 0 for none."""

    t: Literal['user.exclusion_set']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    user: str
    deactivated: NotRequired[bool]
    banned_ms: NotRequired[int]


class UserPage(TypedDict):
    """`next`: pass it as `cursor`; empty at the end."""

    users: Sequence[FoundUser]
    next: NotRequired[str]


class UserPrivacyChanged(TypedDict):
    """What others see from now on."""

    t: Literal['user.privacy_changed']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    read: bool
    delivered: bool
    typing: bool


class UserQuery(TypedDict):
    """All that is given must hold. `prefix` of the id; `name`: how the name begins; `q`: words, or beginnings of words, of the name. `data`: fields of the custom data that have these values. `created_since`, `created_until`: RFC 3339 or ms, until excluded. `sort`: without it by matched word where there is `q`, else by id. `state`: for those who may exclude users. `guest`: only guests, or only full users; those whose time is over are found only by those who may exclude."""

    prefix: NotRequired[str]
    name: NotRequired[str]
    q: NotRequired[str]
    guest: NotRequired[bool | None]
    data: NotRequired[Mapping[str, Json]]
    state: NotRequired[Literal['active', 'any', 'banned', 'deactivated'] | None]
    created_since: NotRequired[str | int | None]
    created_until: NotRequired[str | int | None]
    sort: NotRequired[Literal['created', 'id', 'match', 'name', 'newest'] | None]
    limit: NotRequired[int]
    cursor: NotRequired[str]


class UserReactivated(TypedDict):
    """In `#user`: he is active again."""

    t: Literal['user.reactivated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class UserRequest(TypedDict):
    """Which user; empty: the one who asks."""

    user: NotRequired[str]


class UserSignedOut(TypedDict):
    """All devices but `keep` are signed out; `tokens`: those they came with last."""

    t: Literal['user.signed_out']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    keep: NotRequired[str]
    tokens: NotRequired[Sequence[str]]


class UserSnapshot(TypedDict):
    """What the subscription of a user's own stream gives: `presence` is what he chose."""

    user: str
    profile: Profile | None
    channels: Sequence[ListedChannel]
    next: int
    settings: Mapping[str, Json]
    blocks: NotRequired[Sequence[str]]
    limits: Limits
    presence: str


class UserState(TypedDict):
    """Times are RFC 3339. `banned` without `until`: for ever."""

    user: str
    deactivated: NotRequired[bool]
    banned: NotRequired[bool]
    until: NotRequired[str]
    since: NotRequired[str]
    by: NotRequired[str]
    reason: NotRequired[str]


class UserUnbanned(TypedDict):
    """In `#user`: his ban was lifted. One that ends by itself tells nobody."""

    t: Literal['user.unbanned']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str


class UserUnblocked(TypedDict):
    """The user of this stream hears of him again."""

    t: Literal['user.unblocked']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    blocked: str


class UserUpdated(TypedDict):
    """The whole profile as it is from now on."""

    t: Literal['user.updated']
    seq: int
    id: str
    cmid: NotRequired[str]
    by: str
    ts: str
    name: NotRequired[str]
    avatar: NotRequired[str]
    data: NotRequired[Json]


class VerifyAnswer(TypedDict):
    """`differing`: number → the right hash, of blocks that the device has otherwise. `head`: the channel's last seq. The node adds `epoch`."""

    differing: Mapping[str, str]
    head: int


class VerifyRequest(TypedDict):
    """`blocks`: number → the device's hash; "" asks for the hash."""

    channel: str
    blocks: Mapping[str, str]
    by: NotRequired[str]


class Vote(TypedDict):
    """The whole choice: ids of options. None takes the vote back."""

    channel: str
    id: str
    options: Sequence[int]
    cmid: NotRequired[str]
    by: NotRequired[str]


class Voted(TypedDict):
    """The figures after the vote, and the own choice."""

    rev: int
    voters: int
    votes: Sequence[int]
    options: Sequence[int]


class Voter(TypedDict):
    """Who, and since when he chooses it."""

    user: str
    ts: str


class VotersPage(TypedDict):
    """By user id. `next`: empty at the end."""

    voters: Sequence[Voter]
    next: NotRequired[str]


class VotersRequest(TypedDict):
    """Who chose an option. `after`: the last user of the page before."""

    channel: str
    id: str
    option: int
    after: NotRequired[str]
    limit: NotRequired[int]


class WithdrawRequest(TypedDict):
    """The one who asked does not want to any more."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


Event = BookmarkAdded | BookmarkRemoved | BookmarkUpdated | ChannelAdded | ChannelArchived | ChannelCapabilitiesChanged | ChannelCreated | ChannelDeleted | ChannelFrozen | ChannelHidden | ChannelInvited | ChannelKindChanged | ChannelMuted | ChannelPromoted | ChannelRemoved | ChannelRenamed | ChannelRequestDeclined | ChannelRetentionChanged | ChannelRoleChanged | ChannelSlowModeChanged | ChannelSorted | ChannelTierChanged | ChannelTruncated | ChannelUnarchived | ChannelUnfrozen | ChannelUnhidden | ChannelUnmuted | ChannelUpdated | CounterChanged | CounterDeleted | CounterSet | DeviceAdded | DeviceRemoved | DraftCleared | DraftUpdated | EventSent | EventTypeDeleted | EventTypeRegistered | GuestConverted | MemberBanned | MemberCapabilitiesChanged | MemberInvited | MemberJoinRequested | MemberJoined | MemberLeft | MemberMuted | MemberRemoved | MemberRequestDeclined | MemberRequestWithdrawn | MemberRoleChanged | MemberUnbanned | MemberUnmuted | MessageBulkDeleted | MessageCreated | MessageDeleted | MessagePinned | MessageScheduleFailed | MessageScheduled | MessageUndeleted | MessageUnpinned | MessageUnscheduled | MessageUpdated | MetadataChanged | MetadataDeleted | PollClosed | PollOptionAdded | PollVoted | PresenceChosen | ReactionAdded | ReactionRemoved | ReminderCancelled | ReminderCreated | ReminderFired | ReminderSnoozed | SettingsChanged | ThreadCreated | TokenRevoked | UserAudienceChanged | UserBanned | UserBlocked | UserCreated | UserDeactivated | UserExclusionSet | UserPrivacyChanged | UserReactivated | UserSignedOut | UserUnbanned | UserUnblocked | UserUpdated | MessageHidden


Signal = PresenceCounted | TypingCounted | TypingStarted | TypingStopped | ThreadUpdated | ReactionCounted | PollCounted | ReceiptsMoved | ReceiptsCounted | Presence | Heads
