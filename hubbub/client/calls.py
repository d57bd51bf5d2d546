"""Every verb as a method, with its fields and its answer.

Generated from the registry by `python -m hubbub.docs`; a test compares them.
Long because there is a method for each verb.
"""
# fmt: off

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

if TYPE_CHECKING:
    from hubbub.client import shapes

Call = Callable[..., Awaitable[Any]]


# List → the field that begins its next page, the answer's rows.
PAGED: Final[Mapping[str, tuple[str, str]]] = {
    "bans.list": ("after", "sanctions"),
    "bookmark.list": ("before", "bookmarks"),
    "channel.query": ("cursor", "channels"),
    "directory.list": ("cursor", "channels"),
    "draft.list": ("after", "drafts"),
    "event_type.list": ("after", "types"),
    "join_requests.list": ("after", "requests"),
    "members.list": ("after", "members"),
    "mutes.list": ("after", "sanctions"),
    "poll.voters": ("after", "voters"),
    "reaction.list": ("cursor", "reactors"),
    "receipts.readers": ("after", "readers"),
    "reminder.list": ("after", "reminders"),
    "schedule.list": ("after", "schedules"),
    "search.messages": ("cursor", "hits"),
    "thread.list": ("before", "threads"),
    "thread.unread": ("before", "threads"),
    "unread.explain": ("after", "messages"),
    "user.channels": ("before", "channels"),
    "user.query": ("cursor", "users"),
}


class BansVerbs:
    """`bans.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.SanctionsRequest]) -> shapes.SanctionsPage:
        """Who is banned."""
        answer: shapes.SanctionsPage = await self._call("bans.list", **data)
        return answer


class BlockVerbs:
    """`block.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.BlocksRequest]) -> shapes.BlockList:
        """Whom one blocks."""
        answer: shapes.BlockList = await self._call("block.list", **data)
        return answer


class BookmarkVerbs:
    """`bookmark.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def add(self, **data: Unpack[shapes.AddBookmark]) -> shapes.Done:
        """Keep a message or a link."""
        answer: shapes.Done = await self._call("bookmark.add", **data)
        return answer

    async def folders(self, **data: Unpack[shapes.FoldersRequest]) -> shapes.FoldersPage:
        """The folders."""
        answer: shapes.FoldersPage = await self._call("bookmark.folders", **data)
        return answer

    async def list(self, **data: Unpack[shapes.BookmarksRequest]) -> shapes.BookmarksPage:
        """A page of them."""
        answer: shapes.BookmarksPage = await self._call("bookmark.list", **data)
        return answer

    async def remove(self, **data: Unpack[shapes.RemoveBookmark]) -> shapes.Done:
        """Keep it no more."""
        answer: shapes.Done = await self._call("bookmark.remove", **data)
        return answer

    async def update(self, **data: Unpack[shapes.UpdateBookmark]) -> shapes.Done:
        """Change title, note, folder."""
        answer: shapes.Done = await self._call("bookmark.update", **data)
        return answer


class CapabilitiesVerbs:
    """`capabilities.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.CapabilitiesRequest]) -> shapes.CapabilitiesAnswer:
        """What a user or a role may do in a channel, and what says so."""
        answer: shapes.CapabilitiesAnswer = await self._call("capabilities.get", **data)
        return answer


class ChannelVerbs:
    """`channel.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def archive(self, **data: Unpack[shapes.ArchiveChannel]) -> shapes.Done:
        """Read only from now on."""
        answer: shapes.Done = await self._call("channel.archive", **data)
        return answer

    async def create(self, **data: Unpack[shapes.NewChannelRequest]) -> shapes.Opened:
        """Create a channel."""
        answer: shapes.Opened = await self._call("channel.create", **data)
        return answer

    async def delete(self, **data: Unpack[shapes.DeleteChannel]) -> shapes.Done:
        """End a channel for all."""
        answer: shapes.Done = await self._call("channel.delete", **data)
        return answer

    async def freeze(self, **data: Unpack[shapes.FreezeChannel]) -> shapes.Done:
        """Let only staff speak."""
        answer: shapes.Done = await self._call("channel.freeze", **data)
        return answer

    async def get(self, **data: Unpack[shapes.ChannelRequest]) -> shapes.ChannelInfo:
        """A channel, and what holds."""
        answer: shapes.ChannelInfo = await self._call("channel.get", **data)
        return answer

    async def open(self, **data: Unpack[shapes.OpenRequest]) -> shapes.Opened:
        """The dm with another user."""
        answer: shapes.Opened = await self._call("channel.open", **data)
        return answer

    async def promote(self, **data: Unpack[shapes.PromoteChannel]) -> shapes.Done:
        """dm to group, group to open."""
        answer: shapes.Done = await self._call("channel.promote", **data)
        return answer

    async def query(self, **data: Unpack[shapes.ChannelQuery]) -> shapes.QueryPage:
        """Own channels, as wanted."""
        answer: shapes.QueryPage = await self._call("channel.query", **data)
        return answer

    async def retention(self, **data: Unpack[shapes.RetentionRequest]) -> shapes.RetentionInfo:
        """What is kept."""
        answer: shapes.RetentionInfo = await self._call("channel.retention", **data)
        return answer

    async def set_capabilities(self, **data: Unpack[shapes.SetRoleCapabilities]) -> shapes.Done:
        """Grant or deny a role in a channel."""
        answer: shapes.Done = await self._call("channel.set_capabilities", **data)
        return answer

    async def set_mine(self, **data: Unpack[shapes.MineRequest]) -> shapes.Done:
        """Hide, mute, archive or favour a channel in the own list."""
        answer: shapes.Done = await self._call("channel.set_mine", **data)
        return answer

    async def set_retention(self, **data: Unpack[shapes.SetRetention]) -> shapes.Done:
        """How long it is kept."""
        answer: shapes.Done = await self._call("channel.set_retention", **data)
        return answer

    async def set_slow_mode(self, **data: Unpack[shapes.SetSlowMode]) -> shapes.Done:
        """Set or end slow mode."""
        answer: shapes.Done = await self._call("channel.set_slow_mode", **data)
        return answer

    async def truncate(self, **data: Unpack[shapes.TruncateChannel]) -> shapes.Done:
        """Remove what was said."""
        answer: shapes.Done = await self._call("channel.truncate", **data)
        return answer

    async def unarchive(self, **data: Unpack[shapes.UnarchiveChannel]) -> shapes.Done:
        """As it was before."""
        answer: shapes.Done = await self._call("channel.unarchive", **data)
        return answer

    async def unfreeze(self, **data: Unpack[shapes.UnfreezeChannel]) -> shapes.Done:
        """Let everybody speak."""
        answer: shapes.Done = await self._call("channel.unfreeze", **data)
        return answer

    async def update(self, **data: Unpack[shapes.UpdateChannel]) -> shapes.Done:
        """Change name, data, openness."""
        answer: shapes.Done = await self._call("channel.update", **data)
        return answer


class CounterVerbs:
    """`counter.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def delete(self, **data: Unpack[shapes.DeleteCounter]) -> shapes.Done:
        """Remove a counter."""
        answer: shapes.Done = await self._call("counter.delete", **data)
        return answer

    async def get(self, **data: Unpack[shapes.CountersRequest]) -> shapes.Counters:
        """Where counters stand."""
        answer: shapes.Counters = await self._call("counter.get", **data)
        return answer

    async def increment(self, **data: Unpack[shapes.IncrementCounter]) -> shapes.Counted:
        """Move within bounds."""
        answer: shapes.Counted = await self._call("counter.increment", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetCounter]) -> shapes.Done:
        """Define a counter and its bounds."""
        answer: shapes.Done = await self._call("counter.set", **data)
        return answer


class DevicesVerbs:
    """`devices.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.DevicesRequest]) -> shapes.DevicesAnswer:
        """Own devices."""
        answer: shapes.DevicesAnswer = await self._call("devices.list", **data)
        return answer

    async def remove(self, **data: Unpack[shapes.RemoveDevice]) -> shapes.Done:
        """Sign a device out."""
        answer: shapes.Done = await self._call("devices.remove", **data)
        return answer


class DirectoryVerbs:
    """`directory.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.DirectoryRequest]) -> shapes.DirectoryPage:
        """Public channels."""
        answer: shapes.DirectoryPage = await self._call("directory.list", **data)
        return answer


class DraftVerbs:
    """`draft.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def clear(self, **data: Unpack[shapes.ClearDraft]) -> shapes.DraftDone:
        """Keep it no more."""
        answer: shapes.DraftDone = await self._call("draft.clear", **data)
        return answer

    async def list(self, **data: Unpack[shapes.DraftsRequest]) -> shapes.DraftsPage:
        """All that was begun."""
        answer: shapes.DraftsPage = await self._call("draft.list", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetDraft]) -> shapes.DraftDone:
        """Keep what was begun."""
        answer: shapes.DraftDone = await self._call("draft.set", **data)
        return answer


class EventVerbs:
    """`event.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def publish(self, **data: Unpack[shapes.PublishEvent]) -> shapes.Done:
        """Publish to a raw channel."""
        answer: shapes.Done = await self._call("event.publish", **data)
        return answer

    async def send(self, **data: Unpack[shapes.SendEventRequest]) -> shapes.Done:
        """Send an event of an own type."""
        answer: shapes.Done = await self._call("event.send", **data)
        return answer


class EventTypeVerbs:
    """`event_type.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def delete(self, **data: Unpack[shapes.DeleteType]) -> shapes.Done:
        """Send nothing of it any more."""
        answer: shapes.Done = await self._call("event_type.delete", **data)
        return answer

    async def get(self, **data: Unpack[shapes.TypeRequest]) -> shapes.EventType:
        """A type and its schema."""
        answer: shapes.EventType = await self._call("event_type.get", **data)
        return answer

    async def list(self, **data: Unpack[shapes.TypesRequest]) -> shapes.TypesPage:
        """The app's own types."""
        answer: shapes.TypesPage = await self._call("event_type.list", **data)
        return answer

    async def register(self, **data: Unpack[shapes.RegisterType]) -> shapes.Registered:
        """A schema's version."""
        answer: shapes.Registered = await self._call("event_type.register", **data)
        return answer


class GuestVerbs:
    """`guest.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def convert(self, **data: Unpack[shapes.ConvertGuest]) -> shapes.Done:
        """A guest becomes a full user."""
        answer: shapes.Done = await self._call("guest.convert", **data)
        return answer


class HistoryVerbs:
    """`history.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.HistoryRequest]) -> shapes.HistoryPage:
        """A page of messages."""
        answer: shapes.HistoryPage = await self._call("history.get", **data)
        return answer


class JobsVerbs:
    """`jobs.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.JobRequest]) -> shapes.JobInfo:
        """How far a job is."""
        answer: shapes.JobInfo = await self._call("jobs.get", **data)
        return answer


class JoinRequestsVerbs:
    """`join_requests.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.RequestsRequest]) -> shapes.RequestsPage:
        """Who waits."""
        answer: shapes.RequestsPage = await self._call("join_requests.list", **data)
        return answer


class MarkVerbs:
    """`mark.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def all_read(self, **data: Unpack[shapes.TotalRequest]) -> shapes.AllRead:
        """All channels are read."""
        answer: shapes.AllRead = await self._call("mark.all_read", **data)
        return answer

    async def delivered(self, **data: Unpack[shapes.DeliveredRequest]) -> shapes.Delivered:
        """What a device has, by channel."""
        answer: shapes.Delivered = await self._call("mark.delivered", **data)
        return answer

    async def read(self, **data: Unpack[shapes.MarkRead]) -> shapes.Marked:
        """All up to a seq is read."""
        answer: shapes.Marked = await self._call("mark.read", **data)
        return answer

    async def unread(self, **data: Unpack[shapes.MarkUnread]) -> shapes.Marked:
        """All from a seq on is unread."""
        answer: shapes.Marked = await self._call("mark.unread", **data)
        return answer


class MemberVerbs:
    """`member.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def accept_request(self, **data: Unpack[shapes.AcceptRequest]) -> shapes.Done:
        """Let them in."""
        answer: shapes.Done = await self._call("member.accept_request", **data)
        return answer

    async def add(self, **data: Unpack[shapes.AddMembers]) -> shapes.Done:
        """Make people members (server keys)."""
        answer: shapes.Done = await self._call("member.add", **data)
        return answer

    async def add_job(self, **data: Unpack[shapes.AddJobRequest]) -> shapes.JobStarted:
        """Add up to 10,000 members."""
        answer: shapes.JobStarted = await self._call("member.add_job", **data)
        return answer

    async def ban(self, **data: Unpack[shapes.BanMembers]) -> shapes.Done:
        """Ban users, for a time or for ever."""
        answer: shapes.Done = await self._call("member.ban", **data)
        return answer

    async def decline_request(self, **data: Unpack[shapes.DeclineRequest]) -> shapes.Done:
        """Do not let them in."""
        answer: shapes.Done = await self._call("member.decline_request", **data)
        return answer

    async def invite(self, **data: Unpack[shapes.InviteMembers]) -> shapes.Done:
        """Ask people in."""
        answer: shapes.Done = await self._call("member.invite", **data)
        return answer

    async def join(self, **data: Unpack[shapes.JoinChannel]) -> shapes.Done:
        """Accept, or enter a public group; in an open channel `role` stays `none`."""
        answer: shapes.Done = await self._call("member.join", **data)
        return answer

    async def leave(self, **data: Unpack[shapes.LeaveChannel]) -> shapes.Done:
        """Leave, or decline."""
        answer: shapes.Done = await self._call("member.leave", **data)
        return answer

    async def mute(self, **data: Unpack[shapes.MuteMembers]) -> shapes.Done:
        """Let users read, and say nothing."""
        answer: shapes.Done = await self._call("member.mute", **data)
        return answer

    async def remove(self, **data: Unpack[shapes.RemoveMembers]) -> shapes.Done:
        """Remove members."""
        answer: shapes.Done = await self._call("member.remove", **data)
        return answer

    async def request_join(self, **data: Unpack[shapes.RequestJoin]) -> shapes.Done:
        """Ask to be let in."""
        answer: shapes.Done = await self._call("member.request_join", **data)
        return answer

    async def set_capabilities(self, **data: Unpack[shapes.SetMemberCapabilities]) -> shapes.Done:
        """Grant or deny a user in a channel."""
        answer: shapes.Done = await self._call("member.set_capabilities", **data)
        return answer

    async def set_role(self, **data: Unpack[shapes.SetRole]) -> shapes.Done:
        """Change a member's role."""
        answer: shapes.Done = await self._call("member.set_role", **data)
        return answer

    async def timeout(self, **data: Unpack[shapes.TimeoutMembers]) -> shapes.Done:
        """Mute users for a time."""
        answer: shapes.Done = await self._call("member.timeout", **data)
        return answer

    async def unban(self, **data: Unpack[shapes.UnbanMembers]) -> shapes.Done:
        """Let banned users come again."""
        answer: shapes.Done = await self._call("member.unban", **data)
        return answer

    async def unmute(self, **data: Unpack[shapes.UnmuteMembers]) -> shapes.Done:
        """Let muted users speak again."""
        answer: shapes.Done = await self._call("member.unmute", **data)
        return answer

    async def withdraw_request(self, **data: Unpack[shapes.WithdrawRequest]) -> shapes.Done:
        """Ask no more."""
        answer: shapes.Done = await self._call("member.withdraw_request", **data)
        return answer


class MembersVerbs:
    """`members.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.MembersRequest]) -> shapes.MembersPage:
        """A page of members."""
        answer: shapes.MembersPage = await self._call("members.list", **data)
        return answer


class MessageVerbs:
    """`message.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def bulk_delete(self, **data: Unpack[shapes.DeleteMessages]) -> shapes.BulkDeleted:
        """2 to 100 of them."""
        answer: shapes.BulkDeleted = await self._call("message.bulk_delete", **data)
        return answer

    async def delete(self, **data: Unpack[shapes.DeleteMessage]) -> shapes.Done:
        """Leave a tombstone."""
        answer: shapes.Done = await self._call("message.delete", **data)
        return answer

    async def delete_by(self, **data: Unpack[shapes.DeleteMessagesBy]) -> shapes.BulkDeleted:
        """All of an author."""
        answer: shapes.BulkDeleted = await self._call("message.delete_by", **data)
        return answer

    async def edit(self, **data: Unpack[shapes.EditMessage]) -> shapes.Done:
        """Change an own message."""
        answer: shapes.Done = await self._call("message.edit", **data)
        return answer

    async def edits(self, **data: Unpack[shapes.MessageRequest]) -> shapes.RevisionsPage:
        """What it said before."""
        answer: shapes.RevisionsPage = await self._call("message.edits", **data)
        return answer

    async def expire(self, **data: Unpack[shapes.ExpireMessage]) -> shapes.Done:
        """When a message ends."""
        answer: shapes.Done = await self._call("message.expire", **data)
        return answer

    async def forward(self, **data: Unpack[shapes.ForwardRequest]) -> shapes.Done:
        """Copy it elsewhere."""
        answer: shapes.Done = await self._call("message.forward", **data)
        return answer

    async def get(self, **data: Unpack[shapes.MessageRequest]) -> shapes.Message:
        """One message by its id."""
        answer: shapes.Message = await self._call("message.get", **data)
        return answer

    async def locate(self, **data: Unpack[shapes.LocateRequest]) -> shapes.Location:
        """Where it stands."""
        answer: shapes.Location = await self._call("message.locate", **data)
        return answer

    async def pin(self, **data: Unpack[shapes.PinMessage]) -> shapes.Done:
        """Keep it at hand."""
        answer: shapes.Done = await self._call("message.pin", **data)
        return answer

    async def send(self, **data: Unpack[shapes.SendMessage]) -> shapes.Done:
        """Send a message."""
        answer: shapes.Done = await self._call("message.send", **data)
        return answer

    async def undelete(self, **data: Unpack[shapes.UndeleteMessage]) -> shapes.Done:
        """Bring it back."""
        answer: shapes.Done = await self._call("message.undelete", **data)
        return answer

    async def unpin(self, **data: Unpack[shapes.UnpinMessage]) -> shapes.Done:
        """Put it away."""
        answer: shapes.Done = await self._call("message.unpin", **data)
        return answer


class MessagesVerbs:
    """`messages.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.MessagesRequest]) -> shapes.MessagesFound:
        """Up to 100 by ids."""
        answer: shapes.MessagesFound = await self._call("messages.get", **data)
        return answer


class MetadataVerbs:
    """`metadata.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def delete(self, **data: Unpack[shapes.DeleteMetadata]) -> shapes.Done:
        """Forget a value."""
        answer: shapes.Done = await self._call("metadata.delete", **data)
        return answer

    async def get(self, **data: Unpack[shapes.MetadataRequest]) -> shapes.MetadataPage:
        """Values and revisions."""
        answer: shapes.MetadataPage = await self._call("metadata.get", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetMetadata]) -> shapes.Revised:
        """Set a value under a key."""
        answer: shapes.Revised = await self._call("metadata.set", **data)
        return answer


class MutesVerbs:
    """`mutes.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.SanctionsRequest]) -> shapes.SanctionsPage:
        """Who is muted."""
        answer: shapes.SanctionsPage = await self._call("mutes.list", **data)
        return answer


class PinVerbs:
    """`pin.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.PinsRequest]) -> shapes.PinsPage:
        """The pins of a channel."""
        answer: shapes.PinsPage = await self._call("pin.list", **data)
        return answer


class PollVerbs:
    """`poll.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def add_option(self, **data: Unpack[shapes.AddOption]) -> shapes.Done:
        """One more option."""
        answer: shapes.Done = await self._call("poll.add_option", **data)
        return answer

    async def close(self, **data: Unpack[shapes.ClosePoll]) -> shapes.Done:
        """No more votes."""
        answer: shapes.Done = await self._call("poll.close", **data)
        return answer

    async def create(self, **data: Unpack[shapes.CreatePoll]) -> shapes.Done:
        """A message with a poll."""
        answer: shapes.Done = await self._call("poll.create", **data)
        return answer

    async def get(self, **data: Unpack[shapes.PollRequest]) -> shapes.PollPage:
        """A poll as it stands, and the own vote."""
        answer: shapes.PollPage = await self._call("poll.get", **data)
        return answer

    async def unvote(self, **data: Unpack[shapes.UnvoteRequest]) -> shapes.Voted:
        """Take the vote back."""
        answer: shapes.Voted = await self._call("poll.unvote", **data)
        return answer

    async def vote(self, **data: Unpack[shapes.Vote]) -> shapes.Voted:
        """The whole choice; it replaces the last one."""
        answer: shapes.Voted = await self._call("poll.vote", **data)
        return answer

    async def voters(self, **data: Unpack[shapes.VotersRequest]) -> shapes.VotersPage:
        """Who chose an option."""
        answer: shapes.VotersPage = await self._call("poll.voters", **data)
        return answer


class PresenceVerbs:
    """`presence.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def counts(self, **data: Unpack[shapes.RoomRequest]) -> shapes.RoomCounts:
        """How many are in a room."""
        answer: shapes.RoomCounts = await self._call("presence.counts", **data)
        return answer

    async def get(self, **data: Unpack[shapes.PresenceRequest]) -> shapes.PresenceAnswer:
        """How users are seen."""
        answer: shapes.PresenceAnswer = await self._call("presence.get", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetPresence]) -> shapes.PresenceSet:
        """Online, away, busy, invisible."""
        answer: shapes.PresenceSet = await self._call("presence.set", **data)
        return answer

    async def watch(self, **data: Unpack[shapes.PresenceRequest]) -> shapes.PresenceAnswer:
        """Users on the screen: what changes of them is pushed, once a second."""
        answer: shapes.PresenceAnswer = await self._call("presence.watch", **data)
        return answer


class PrivacyVerbs:
    """`privacy.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.PrivacyRequest]) -> shapes.Privacy:
        """What others see of a user."""
        answer: shapes.Privacy = await self._call("privacy.get", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetPrivacy]) -> shapes.Done:
        """Show or hide receipts, typing, presence."""
        answer: shapes.Done = await self._call("privacy.set", **data)
        return answer


class ReactionVerbs:
    """`reaction.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def add(self, **data: Unpack[shapes.AddReaction]) -> shapes.Reacted:
        """Choose a kind."""
        answer: shapes.Reacted = await self._call("reaction.add", **data)
        return answer

    async def list(self, **data: Unpack[shapes.ReactionsRequest]) -> shapes.ReactionsPage:
        """Who chose what."""
        answer: shapes.ReactionsPage = await self._call("reaction.list", **data)
        return answer

    async def remove(self, **data: Unpack[shapes.RemoveReaction]) -> shapes.Reacted:
        """Take it back."""
        answer: shapes.Reacted = await self._call("reaction.remove", **data)
        return answer


class ReceiptsVerbs:
    """`receipts.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.ReceiptsRequest]) -> shapes.ReceiptsPage:
        """Read by how many of how many."""
        answer: shapes.ReceiptsPage = await self._call("receipts.get", **data)
        return answer

    async def readers(self, **data: Unpack[shapes.ReadersRequest]) -> shapes.ReadersPage:
        """By whom, in pages."""
        answer: shapes.ReadersPage = await self._call("receipts.readers", **data)
        return answer

    async def watch(self, **data: Unpack[shapes.ReceiptsRequest]) -> shapes.Nothing:
        """Messages on the screen: their counts are pushed as they change."""
        answer: shapes.Nothing = await self._call("receipts.watch", **data)
        return answer


class ReminderVerbs:
    """`reminder.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def cancel(self, **data: Unpack[shapes.CancelReminder]) -> shapes.Done:
        """Not at all."""
        answer: shapes.Done = await self._call("reminder.cancel", **data)
        return answer

    async def create(self, **data: Unpack[shapes.CreateReminder]) -> shapes.Done:
        """Be told of something later."""
        answer: shapes.Done = await self._call("reminder.create", **data)
        return answer

    async def list(self, **data: Unpack[shapes.RemindersRequest]) -> shapes.RemindersPage:
        """All of them."""
        answer: shapes.RemindersPage = await self._call("reminder.list", **data)
        return answer

    async def snooze(self, **data: Unpack[shapes.SnoozeReminder]) -> shapes.Done:
        """At another time."""
        answer: shapes.Done = await self._call("reminder.snooze", **data)
        return answer


class ScheduleVerbs:
    """`schedule.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def cancel(self, **data: Unpack[shapes.CancelSchedule]) -> shapes.Done:
        """Take it back."""
        answer: shapes.Done = await self._call("schedule.cancel", **data)
        return answer

    async def create(self, **data: Unpack[shapes.CreateSchedule]) -> shapes.ScheduledDone:
        """Send it later."""
        answer: shapes.ScheduledDone = await self._call("schedule.create", **data)
        return answer

    async def list(self, **data: Unpack[shapes.SchedulesRequest]) -> shapes.SchedulesPage:
        """What waits."""
        answer: shapes.SchedulesPage = await self._call("schedule.list", **data)
        return answer

    async def send_now(self, **data: Unpack[shapes.SendScheduled]) -> shapes.Done:
        """Send it at once."""
        answer: shapes.Done = await self._call("schedule.send_now", **data)
        return answer

    async def update(self, **data: Unpack[shapes.UpdateSchedule]) -> shapes.ScheduledDone:
        """Change it."""
        answer: shapes.ScheduledDone = await self._call("schedule.update", **data)
        return answer


class ScreenVerbs:
    """`screen.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def set(self, **data: Unpack[shapes.ScreenRequest]) -> shapes.Nothing:
        """What is on the screen now."""
        answer: shapes.Nothing = await self._call("screen.set", **data)
        return answer


class SearchVerbs:
    """`search.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def messages(self, **data: Unpack[shapes.SearchRequest]) -> shapes.SearchPage:
        """By their words."""
        answer: shapes.SearchPage = await self._call("search.messages", **data)
        return answer


class SessionsVerbs:
    """`sessions.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def list(self, **data: Unpack[shapes.DevicesRequest]) -> shapes.SessionsAnswer:
        """Live connections."""
        answer: shapes.SessionsAnswer = await self._call("sessions.list", **data)
        return answer

    async def sign_out(self, **data: Unpack[shapes.SignOut]) -> shapes.Done:
        """Sign out everywhere else."""
        answer: shapes.Done = await self._call("sessions.sign_out", **data)
        return answer


class SettingsVerbs:
    """`settings.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def get(self, **data: Unpack[shapes.SettingsRequest]) -> shapes.SettingsAnswer:
        """All own settings."""
        answer: shapes.SettingsAnswer = await self._call("settings.get", **data)
        return answer

    async def set(self, **data: Unpack[shapes.SetSettings]) -> shapes.Done:
        """Set keys for all own devices."""
        answer: shapes.Done = await self._call("settings.set", **data)
        return answer


class SyncVerbs:
    """`sync.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def verify(self, **data: Unpack[shapes.VerifyRequest]) -> shapes.VerifyAnswer:
        """Is a cache identical?"""
        answer: shapes.VerifyAnswer = await self._call("sync.verify", **data)
        return answer

    async def __call__(self, **data: Unpack[shapes.SyncRequest]) -> shapes.SyncAnswer:
        """Everything since a device's positions."""
        answer: shapes.SyncAnswer = await self._call("sync", **data)
        return answer


class ThreadVerbs:
    """`thread.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def follow(self, **data: Unpack[shapes.FollowThread]) -> shapes.Done:
        """Hear of its replies."""
        answer: shapes.Done = await self._call("thread.follow", **data)
        return answer

    async def get(self, **data: Unpack[shapes.ThreadRequest]) -> shapes.ThreadPage:
        """A page of replies."""
        answer: shapes.ThreadPage = await self._call("thread.get", **data)
        return answer

    async def list(self, **data: Unpack[shapes.ThreadsRequest]) -> shapes.ThreadsPage:
        """Threads of a channel."""
        answer: shapes.ThreadsPage = await self._call("thread.list", **data)
        return answer

    async def read(self, **data: Unpack[shapes.ReadThread]) -> shapes.ThreadMarked:
        """A thread is read up to a seq."""
        answer: shapes.ThreadMarked = await self._call("thread.read", **data)
        return answer

    async def unfollow(self, **data: Unpack[shapes.UnfollowThread]) -> shapes.Done:
        """Hear of them no more."""
        answer: shapes.Done = await self._call("thread.unfollow", **data)
        return answer

    async def unread(self, **data: Unpack[shapes.UnreadThreadsRequest]) -> shapes.UnreadThreadsPage:
        """What is unread in the threads that one follows."""
        answer: shapes.UnreadThreadsPage = await self._call("thread.unread", **data)
        return answer


class ThreadsVerbs:
    """`threads.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def read_all(self, **data: Unpack[shapes.ReadThreads]) -> shapes.ThreadMarked:
        """All threads are read."""
        answer: shapes.ThreadMarked = await self._call("threads.read_all", **data)
        return answer


class TypingVerbs:
    """`typing.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def start(self, **data: Unpack[shapes.StartTyping]) -> shapes.SignGiven:
        """Say that one is typing."""
        answer: shapes.SignGiven = await self._call("typing.start", **data)
        return answer

    async def stop(self, **data: Unpack[shapes.StopTyping]) -> shapes.SignGiven:
        """Say that one has stopped."""
        answer: shapes.SignGiven = await self._call("typing.stop", **data)
        return answer


class UnreadVerbs:
    """`unread.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def explain(self, **data: Unpack[shapes.ExplainRequest]) -> shapes.Explanation:
        """Which messages count as unread, and why (server keys)."""
        answer: shapes.Explanation = await self._call("unread.explain", **data)
        return answer

    async def total(self, **data: Unpack[shapes.TotalRequest]) -> shapes.Total:
        """The badge over all channels."""
        answer: shapes.Total = await self._call("unread.total", **data)
        return answer


class UserVerbs:
    """`user.…`"""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def ban(self, **data: Unpack[shapes.BanUser]) -> shapes.Done:
        """Ban a user from the app."""
        answer: shapes.Done = await self._call("user.ban", **data)
        return answer

    async def block(self, **data: Unpack[shapes.BlockUser]) -> shapes.Done:
        """Hear no more of a user."""
        answer: shapes.Done = await self._call("user.block", **data)
        return answer

    async def channels(self, **data: Unpack[shapes.ListRequest]) -> shapes.ListPage:
        """A page of own channels."""
        answer: shapes.ListPage = await self._call("user.channels", **data)
        return answer

    async def deactivate(self, **data: Unpack[shapes.DeactivateUser]) -> shapes.Done:
        """Put a user out of the app."""
        answer: shapes.Done = await self._call("user.deactivate", **data)
        return answer

    async def get(self, **data: Unpack[shapes.UserRequest]) -> shapes.Profile:
        """The public profile of a user."""
        answer: shapes.Profile = await self._call("user.get", **data)
        return answer

    async def query(self, **data: Unpack[shapes.UserQuery]) -> shapes.UserPage:
        """Users by what is known of them."""
        answer: shapes.UserPage = await self._call("user.query", **data)
        return answer

    async def reactivate(self, **data: Unpack[shapes.ReactivateUser]) -> shapes.Done:
        """Let him in again."""
        answer: shapes.Done = await self._call("user.reactivate", **data)
        return answer

    async def state(self, **data: Unpack[shapes.StateRequest]) -> shapes.UserState:
        """Is a user excluded, and why."""
        answer: shapes.UserState = await self._call("user.state", **data)
        return answer

    async def unban(self, **data: Unpack[shapes.UnbanUser]) -> shapes.Done:
        """End a ban from the app."""
        answer: shapes.Done = await self._call("user.unban", **data)
        return answer

    async def unblock(self, **data: Unpack[shapes.UnblockUser]) -> shapes.Done:
        """Hear of him again."""
        answer: shapes.Done = await self._call("user.unblock", **data)
        return answer

    async def update(self, **data: Unpack[shapes.UpdateUser]) -> shapes.Done:
        """Change the own profile."""
        answer: shapes.Done = await self._call("user.update", **data)
        return answer


class Verbs:
    """All of them, by the names of the documents."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.bans = BansVerbs(call)
        self.block = BlockVerbs(call)
        self.bookmark = BookmarkVerbs(call)
        self.capabilities = CapabilitiesVerbs(call)
        self.channel = ChannelVerbs(call)
        self.counter = CounterVerbs(call)
        self.devices = DevicesVerbs(call)
        self.directory = DirectoryVerbs(call)
        self.draft = DraftVerbs(call)
        self.event = EventVerbs(call)
        self.event_type = EventTypeVerbs(call)
        self.guest = GuestVerbs(call)
        self.history = HistoryVerbs(call)
        self.jobs = JobsVerbs(call)
        self.join_requests = JoinRequestsVerbs(call)
        self.mark = MarkVerbs(call)
        self.member = MemberVerbs(call)
        self.members = MembersVerbs(call)
        self.message = MessageVerbs(call)
        self.messages = MessagesVerbs(call)
        self.metadata = MetadataVerbs(call)
        self.mutes = MutesVerbs(call)
        self.pin = PinVerbs(call)
        self.poll = PollVerbs(call)
        self.presence = PresenceVerbs(call)
        self.privacy = PrivacyVerbs(call)
        self.reaction = ReactionVerbs(call)
        self.receipts = ReceiptsVerbs(call)
        self.reminder = ReminderVerbs(call)
        self.schedule = ScheduleVerbs(call)
        self.screen = ScreenVerbs(call)
        self.search = SearchVerbs(call)
        self.sessions = SessionsVerbs(call)
        self.settings = SettingsVerbs(call)
        self.sync = SyncVerbs(call)
        self.thread = ThreadVerbs(call)
        self.threads = ThreadsVerbs(call)
        self.typing = TypingVerbs(call)
        self.unread = UnreadVerbs(call)
        self.user = UserVerbs(call)
