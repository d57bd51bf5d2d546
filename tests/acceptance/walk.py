"""The matrix role × action as requests: for each action the verb and the route that ask for it.

Adding a feature's row: one line in WALK (and its action out of NO_VERB). A verb that asks for no
action of a channel, or only for what another row walks, goes into ELSEWHERE with its reason.

In parameters `{own}` and `{other}` are messages of the user and of the target, `{target}` somebody
who ranks below, `{guest}` and `{new}` a user and a channel that nobody knows yet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action

A = Action
C = "/v1/channels/{channel}"
MESSAGES = C + "/messages"
MESSAGE = MESSAGES + "/{id}"


@dataclass(frozen=True)
class Column:
    """Who asks: a role in a channel of a kind, perhaps under a sanction."""

    kind: ChannelKind
    role: Role
    state: str = ""  # "banned", "muted", "frozen"; "public" of a group that takes requests

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.kind, self.role, self.state)))


@dataclass(frozen=True)
class Call:
    """One action as a request. `first`: what the same request asks for before it. `fresh`: it
    changes the channel for other rows, so whoever may do it gets a channel of his own. `only`: in
    these columns it has a meaning. `idle`: roles for whom it succeeds and does nothing."""

    verb: str
    route: str
    params: dict[str, Any] = field(default_factory=dict)
    first: tuple[Action, ...] = ()
    fresh: bool = False
    only: tuple[tuple[ChannelKind, Role], ...] = ()
    idle: tuple[Role, ...] = ()
    rest_params: dict[str, Any] | None = None


DM, GROUP, OPEN = ChannelKind.DM, ChannelKind.GROUP, ChannelKind.OPEN
MEMBERS = (Role.MEMBER, Role.MODERATOR, Role.OWNER)
COLUMNS = (
    Column(DM, Role.NONE),
    Column(DM, Role.MEMBER),
    Column(DM, Role.MEMBER, "muted"),
    *(Column(GROUP, role) for role in Role),
    Column(GROUP, Role.NONE, "public"),
    Column(GROUP, Role.NONE, "banned"),
    Column(GROUP, Role.MEMBER, "muted"),
    Column(GROUP, Role.MODERATOR, "muted"),
    Column(GROUP, Role.MEMBER, "frozen"),
    Column(GROUP, Role.MODERATOR, "frozen"),
    Column(OPEN, Role.NONE),
    *(Column(OPEN, role) for role in MEMBERS),
    Column(OPEN, Role.NONE, "banned"),
    Column(OPEN, Role.NONE, "muted"),
    Column(OPEN, Role.NONE, "frozen"),
)

SEND = (A.SEND,)
SEE = (A.SEE,)
HI = {"text": "hi"}
OTHER, OWN = {"id": "{other}"}, {"id": "{own}"}
TARGET = {"user": "{target}"}
HALL = "open:perm-hall"  # where everybody may send
LATER = int(time.time() * 1_000) + 3_600_000
PICTURE = [{"kind": "image", "url": "https://example.org/a.png"}]

WALK: dict[Action, Call] = {
    A.SEE: Call("channel.get", "GET " + C),
    A.READ: Call("history.get", "GET " + MESSAGES),
    A.LIST_MEMBERS: Call("members.list", f"GET {C}/members"),
    A.MARK: Call("mark.read", "", {"upto": 1}),
    A.SEND: Call("message.send", "POST " + MESSAGES, HI),
    A.SEND_SILENT: Call("message.send", "POST " + MESSAGES, {**HI, "silent": True}, SEND),
    A.SEND_SYSTEM: Call("message.send", "POST " + MESSAGES, {**HI, "kind": "system"}, SEND),
    A.REPLY_THREAD: Call("message.send", "POST " + MESSAGES, {**HI, "thread": "{other}"}, SEND),
    A.QUOTE: Call("message.send", "POST " + MESSAGES, {**HI, "reply_to": "{other}"}, SEND),
    A.ATTACH: Call("message.send", "POST " + MESSAGES, {"attachments": PICTURE}, SEND),
    A.MENTION_ALL: Call("message.send", "POST " + MESSAGES, {**HI, "mention_all": True}, SEND),
    A.EDIT_OWN: Call("message.edit", "PATCH " + MESSAGE, {**OWN, "text": "{new}"}, SEE),
    A.EDIT_ANY: Call("message.edit", "PATCH " + MESSAGE, {**OTHER, "text": "{new}"}, SEE),
    A.DELETE_OWN: Call("message.delete", "DELETE " + MESSAGE, OWN, SEE, fresh=True),
    A.DELETE_ANY: Call("message.delete", "DELETE " + MESSAGE, OTHER, SEE, fresh=True),
    A.SEE_EDITS: Call("message.edits", f"GET {MESSAGE}/edits", OTHER),
    A.UNDELETE_OWN: Call("message.undelete", f"POST {MESSAGE}/undelete", OWN, SEE),
    A.UNDELETE_ANY: Call("message.undelete", f"POST {MESSAGE}/undelete", OTHER, SEE),
    A.FORWARD: Call("message.forward", f"POST {MESSAGE}/forward", {**OTHER, "to": HALL}, (A.READ,)),
    A.REACT: Call("reaction.add", f"PUT {MESSAGE}/reactions/{{emoji}}", {**OTHER, "emoji": "👍"}),
    A.TYPE: Call("typing.start", f"POST {C}/typing"),
    A.PIN: Call("message.pin", f"PUT {MESSAGE}/pin", OTHER),
    A.JOIN: Call("member.join", f"POST {C}/join", fresh=True, idle=MEMBERS),
    A.LEAVE: Call("member.leave", f"POST {C}/leave", fresh=True),
    A.REQUEST_JOIN: Call(
        "member.request_join",
        f"POST {C}/join_requests",
        fresh=True,
        only=((GROUP, Role.NONE), *((GROUP, role) for role in MEMBERS)),
        idle=MEMBERS,
    ),
    A.ANSWER_REQUEST: Call("join_requests.list", f"GET {C}/join_requests"),
    A.INVITE: Call("member.invite", f"POST {C}/invites", {"user": "{guest}"}),
    A.ADD: Call("member.add", f"POST {C}/members", {"user": "{guest}"}),
    A.REMOVE: Call("member.remove", f"DELETE {C}/members/{{user}}", TARGET, fresh=True),
    A.SET_ROLE: Call(
        "member.set_role", f"PUT {C}/members/{{user}}", {**TARGET, "role": "moderator"}, fresh=True
    ),
    A.SET_CAPABILITIES: Call(
        "channel.set_capabilities",
        f"PUT {C}/capabilities/{{role}}",
        {"role": "member", "deny": ["set_retention"]},
    ),
    A.SEE_CAPABILITIES: Call("capabilities.get", f"GET {C}/capabilities", TARGET, SEE),
    A.BAN: Call("member.ban", f"PUT {C}/bans/{{user}}", TARGET, fresh=True),
    A.MUTE: Call("member.mute", f"PUT {C}/mutes/{{user}}", TARGET, fresh=True),
    A.TIMEOUT: Call(
        "member.timeout", f"PUT {C}/timeouts/{{user}}", {**TARGET, "for_s": 60}, fresh=True
    ),
    A.SEE_SANCTIONS: Call("bans.list", f"GET {C}/bans"),
    A.FREEZE: Call("channel.freeze", f"PUT {C}/frozen", fresh=True),
    A.SET_SLOW_MODE: Call("channel.set_slow_mode", f"PUT {C}/slow_mode", {"seconds": 0}),
    A.CREATE: Call(
        "channel.create",
        "POST /v1/channels",
        {"channel": "{new}"},
        only=((GROUP, Role.NONE), (OPEN, Role.NONE)),
    ),
    A.OPEN_DIRECT: Call(
        "channel.open",
        "POST /v1/channels",
        {"with": "{guest}"},
        only=((DM, Role.NONE), (DM, Role.MEMBER)),
        rest_params={"kind": "dm", "members": ["{user}", "{guest}"]},
    ),
    A.SEE_RECEIPTS: Call(
        "receipts.get", f"GET {C}/receipts", {"seqs": [1]}, rest_params={"seqs": "1"}
    ),
    A.SEE_PRESENCE: Call("presence.counts", f"GET {C}/presence"),
    A.SCHEDULE: Call("schedule.create", f"POST {C}/schedules", {"at": LATER, "message": HI}, SEND),
    A.CREATE_POLL: Call(
        "poll.create", f"POST {C}/polls", {"question": "{new}", "options": ["a", "b"]}
    ),
    A.UPDATE_CHANNEL: Call("channel.update", "PATCH " + C, {"name": "{new}"}),
    A.SET_METADATA: Call("metadata.set", f"PUT {C}/metadata/{{key}}", {"key": "k", "value": 1}),
    A.COUNT: Call("counter.increment", f"POST {C}/counters/{{name}}/increment", {"name": "seats"}),
    A.SEND_CUSTOM: Call(
        "event.send", f"POST {C}/custom_events", {"type": "perm.note", "data": {"a": 1}}
    ),
    A.SET_RETENTION: Call("channel.set_retention", f"PUT {C}/retention", {"retention_s": 86_400}),
    A.TRUNCATE: Call("channel.truncate", f"POST {C}/truncate", {"before_seq": 0}, fresh=True),
    A.PROMOTE: Call("channel.promote", f"POST {C}/promote", {"kind": "{next_kind}"}, fresh=True),
    A.ARCHIVE_CHANNEL: Call("channel.archive", f"PUT {C}/archived", fresh=True),
    A.DELETE_CHANNEL: Call("channel.delete", "DELETE " + C, fresh=True),
}

# Capabilities whose feature is not there yet, or that no single request shows.
NO_VERB = frozenset(
    {
        A.SEARCH,  # what may not be searched is not found: test_search.py
        A.VOTE,  # needs a poll: test_polls.py
        A.CLOSE_POLL_ANY,  # likewise
        A.SEND_FROZEN,  # the frozen columns
        A.SKIP_SLOW_MODE,  # test_sanctions.py
    }
)

# Verbs without a row of their own, and why.
ELSEWHERE: dict[str, str] = {
    "message.get": "READ, as history.get",
    "messages.get": "READ, as history.get",
    "message.locate": "READ, as history.get",
    "message.unpin": "PIN, as message.pin",
    "message.bulk_delete": "DELETE_ANY, as message.delete",
    "message.delete_by": "DELETE_ANY, as message.delete",
    "pin.list": "READ, as history.get",
    "reaction.list": "READ, as history.get",
    "reaction.remove": "REACT, as reaction.add",
    "typing.stop": "TYPE, as typing.start",
    "thread.list": "READ, as history.get",
    "thread.get": "READ, as history.get",
    "thread.follow": "READ, as history.get",
    "thread.unfollow": "READ, as history.get",
    "member.unban": "BAN, as member.ban",
    "member.unmute": "TIMEOUT or MUTE, as these",
    "mutes.list": "SEE_SANCTIONS, as bans.list",
    "channel.unfreeze": "FREEZE, as channel.freeze",
    "channel.unarchive": "ARCHIVE_CHANNEL, as channel.archive",
    "member.set_capabilities": "SET_CAPABILITIES, as channel.set_capabilities",
    "member.accept_request": "ANSWER_REQUEST, as join_requests.list",
    "member.decline_request": "ANSWER_REQUEST, as join_requests.list",
    "member.withdraw_request": "the own request",
    "channel.set_mine": "the own list",
    "channel.query": "the own list",
    "user.channels": "the own list",
    "user.update": "the own profile",
    "user.get": "profiles are public",
    "user.deactivate": "DEACTIVATE_USER: authorities alone",
    "user.reactivate": "DEACTIVATE_USER: authorities alone",
    "user.ban": "BAN_FROM_APP: authorities alone",
    "user.unban": "BAN_FROM_APP: authorities alone",
    "user.state": "authorities alone",
    "guest.convert": "EDIT_ANY_USER: authorities alone",
    "user.query": "as the app lets them: test_user_query.py",
    "screen.set": "the own screen",
    "metadata.get": "READ, as history.get",
    "metadata.delete": "SET_METADATA, as metadata.set",
    "counter.get": "READ, as history.get",
    "counter.set": "SET_METADATA, as metadata.set",
    "counter.delete": "SET_METADATA, as metadata.set",
    "channel.retention": "SEE, as channel.get",
    "message.expire": "DELETE_OWN or DELETE_ANY, as message.delete",
    "member.add_job": "ADD, as member.add",
    "jobs.get": "ADD, as member.add",
    "event_type.register": "EDIT_APP: authorities alone",
    "event_type.delete": "EDIT_APP: authorities alone",
    "event_type.get": "every user",
    "event_type.list": "every user",
    "mark.unread": "MARK, as mark.read",
    "mark.delivered": "MARK, as mark.read",
    "mark.all_read": "MARK, as mark.read",
    "thread.read": "MARK, as mark.read",
    "threads.read_all": "MARK, as mark.read",
    "thread.unread": "READ, as history.get",
    "receipts.readers": "SEE_RECEIPTS, as receipts.get",
    "receipts.watch": "SEE_RECEIPTS, as receipts.get",
    "unread.total": "the own list",
    "unread.explain": "authorities alone",
    "presence.set": "the own presence",
    "presence.get": "who shows himself: test_presence.py",
    "presence.watch": "who shows himself: test_presence.py",
    "privacy.get": "the own settings",
    "privacy.set": "the own settings",
    "user.block": "the own blocks",
    "user.unblock": "the own blocks",
    "block.list": "the own blocks",
    "settings.get": "the own settings",
    "settings.set": "the own settings",
    "devices.list": "the own devices",
    "devices.remove": "the own devices",
    "sessions.list": "the own devices",
    "sessions.sign_out": "the own devices",
    "schedule.list": "the own ones",
    "schedule.update": "SCHEDULE, as schedule.create",
    "schedule.cancel": "the own ones",
    "schedule.send_now": "SCHEDULE, as schedule.create",
    "poll.add_option": "VOTE",
    "poll.vote": "VOTE",
    "poll.unvote": "VOTE",
    "poll.close": "SEND for the own one, else CLOSE_POLL_ANY",
    "poll.get": "READ, as history.get",
    "poll.voters": "READ, as history.get",
    "draft.set": "the own drawer",
    "draft.clear": "the own drawer",
    "draft.list": "the own drawer",
    "reminder.create": "the own drawer",
    "reminder.snooze": "the own drawer",
    "reminder.cancel": "the own drawer",
    "reminder.list": "the own drawer",
    "bookmark.add": "the own drawer",
    "bookmark.update": "the own drawer",
    "bookmark.remove": "the own drawer",
    "bookmark.list": "the own drawer",
    "bookmark.folders": "the own drawer",
    "sync": "READ of each channel, as history.get",
    "sync.verify": "READ, as history.get",
    "directory.list": "every user",
    "search.messages": "READ and SEARCH of each channel, message by message: test_search.py",
    "event.publish": "raw channels have namespaces instead of roles",
}
