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


ChannelKind = Literal["dm", "group", "open"]


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


class ChannelRequest(TypedDict):
    """Which channel."""

    channel: str


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


class DraftDone(TypedDict):
    """The draft's rev from now on."""

    rev: int


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


class EventType(TypedDict):
    """A type of the app's own."""

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


class FreezeChannel(TypedDict):
    """Only staff may speak from now on."""

    channel: str
    cmid: NotRequired[str]
    by: NotRequired[str]


class Guarantees(TypedDict):
    """What holds for a channel now. `delivery` is `full` for every size: each message is pushed to each subscriber. `sampled` is kept for channels that leave some out, of which there are none."""

    tier: Tier
    receipts: Literal['aggregate', 'per_member']
    presence: Literal['count', 'list']
    typing: Literal['count', 'names']
    delivery: Literal['full', 'sampled']


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


class MemberInfo(TypedDict):
    """One row of a channel's member list. `joined` is RFC 3339."""

    user: str
    role: Role
    joined: str


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
    """`rev` counts edits, deletions and their undoing; a deleted message has no content, and a `reason` if it was not its author's own doing. From `annotation_rev` on: see Annotations. `thread`: the id of the message whose thread it answers in; `also_in_channel`: it stands in the channel as well. `silent`: nobody is told. `kind`: "system", or empty. `type`: the app's own."""

    t: str
    seq: int
    id: str
    by: str
    ts: str
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


class MessageRequest(TypedDict):
    """Which message."""

    channel: str
    id: str


class MessagesFound(TypedDict):
    """Those that are there, in the order of the ids, and the ids of those that are not."""

    messages: Sequence[Message]
    missing: Sequence[str]


class MessagesRequest(TypedDict):
    """Several messages of a channel: 1 to 100 ids."""

    channel: str
    ids: Sequence[str]


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


class PollOption(TypedDict):
    """What can be chosen; `id` counts from 1. `by`: who added it later."""

    id: int
    text: str
    by: NotRequired[str]
    votes: NotRequired[int]


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


class PresenceAnswer(TypedDict):
    """By user."""

    users: Mapping[str, Seen]


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
    head: NotRequired[Mapping[str, Json]]
    info: NotRequired[Json]


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


class ReactionCount(TypedDict):
    """How many chose this kind; `me`: the one who asks is among them."""

    count: int
    me: NotRequired[bool]


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

    hits: Sequence[Json]
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
    """`channels` by name, each a SyncedStream or {"state": "gone"}. `more`: ask again for these."""

    channels: Mapping[str, SyncedStream]
    more: NotRequired[Sequence[str]]
    user: NotRequired[SyncedStream | None]


class SyncRequest(TypedDict):
    """Positions are [epoch, seq]; ["", 0] for what the device does not have. `user`: of the own stream; null: leave it out. `by`: the user whom a server key asks for."""

    user: NotRequired[tuple[str, int] | None]
    channels: NotRequired[Mapping[str, tuple[str, int]]]
    by: NotRequired[str]


class SyncedStream(TypedDict):
    """What brings a device to the present in one stream. `state`: `delta`: `events` are all that happened behind its position. `head`: too much happened; `events` are the newest ones and `gap` the seqs between (first, last) that are not here. `reset`: its position is worth nothing (another epoch, below the floor, or it has none); `gap` as before, from the floor on. Events are publications as the stream has them, rendered with current state. `figures`: what heads say of the channel to this user. `snapshot`: as the subscription gives it, absent in a delta. `listed`: of a user's stream: channels that joined his list behind the position."""

    state: str
    epoch: str
    seq: int
    ts: NotRequired[str]
    events: NotRequired[Sequence[Json]]
    gap: NotRequired[tuple[int, int] | None]
    figures: NotRequired[Json]
    snapshot: NotRequired[Json]
    listed: NotRequired[Sequence[str]]


class ThreadLine(TypedDict):
    """A thread in a list: its root, with figures."""

    root: Message
    following: NotRequired[bool]


class ThreadMarked(TypedDict):
    """How many threads' marks moved."""

    moved: int


class ThreadPage(TypedDict):
    """Replies ascending, each with its current state; an empty page is the end. `following`: the one who asks does."""

    root: Message
    messages: Sequence[Message]
    following: NotRequired[bool]


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


class UserPage(TypedDict):
    """`next`: pass it as `cursor`; empty at the end."""

    users: Sequence[Json]
    next: NotRequired[str]


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


class UserRequest(TypedDict):
    """Which user; empty: the one who asks."""

    user: NotRequired[str]


class UserState(TypedDict):
    """Times are RFC 3339. `banned` without `until`: for ever."""

    user: str
    deactivated: NotRequired[bool]
    banned: NotRequired[bool]
    until: NotRequired[str]
    since: NotRequired[str]
    by: NotRequired[str]
    reason: NotRequired[str]


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
