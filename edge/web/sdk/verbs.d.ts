// Every verb with its fields and its answer: for `call` of hubbub.js.
// Generated from the registry by `python -m hubbub.docs`; a test compares them.

type Json = any;

/** Let them in. */
export interface AcceptRequest {
  channel: string;
  user: string;
  cmid?: string;
  by?: string;
}

/** A message (`channel`, `message`), or a link (`url`). */
export interface AddBookmark {
  user?: string;
  cmid?: string;
  by?: string;
  channel?: string;
  message?: string;
  url?: string;
  title?: string;
  note?: string;
  folder?: string;
}

/** Whom to add, without asking them. */
export interface AddJobRequest {
  channel: string;
  users: readonly string[];
  cmid?: string;
  by?: string;
}

/** Make people members without asking them. */
export interface AddMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  cmid?: string;
  by?: string;
}

/** One more option, where the poll allows it; its author always may. */
export interface AddOption {
  channel: string;
  id: string;
  text: string;
  cmid?: string;
  by?: string;
}

/** Choose a kind. */
export interface AddReaction {
  channel: string;
  id: string;
  emoji: string;
  cmid?: string;
  by?: string;
}

/** `channels`: how many were marked; `left`: how many with unread messages remain. */
export interface AllRead {
  channels: number;
  left?: number;
}

/** Read only from now on. */
export interface ArchiveChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** One attachment: a url (http or https) or the id of a file. Sizes in bytes and pixels; 0: unknown. */
export interface Attachment {
  kind: AttachmentKind;
  url?: string;
  file?: string;
  name?: string;
  mime?: string;
  bytes?: number;
  width?: number;
  height?: number;
  duration_ms?: number;
  blurhash?: string;
  thumbnails?: readonly Thumbnail[];
  title?: string;
  data?: Json;
}

export type AttachmentKind = "audio" | "custom" | "file" | "image" | "link" | "location" | "video";

/** Out, and not in again until it ends. */
export interface BanMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  for_s?: number | null;
  reason?: string;
  cmid?: string;
  by?: string;
}

/** Out of the app. `until`: RFC 3339 or ms; absent: until `user.unban`. */
export interface BanUser {
  user: string;
  until?: string | number | null;
  reason?: string;
  cmid?: string;
  by?: string;
}

/** All of them, by name. */
export interface BlockList {
  blocks: readonly BlockedUser[];
}

/** Hear no more of somebody. */
export interface BlockUser {
  blocked: string;
  user?: string;
  cmid?: string;
  by?: string;
}

/** Whom, and since when (RFC 3339). */
export interface BlockedUser {
  user: string;
  since: string;
}

/** Whose; empty: of the one who asks. */
export interface BlocksRequest {
  user?: string;
}

/** One bookmark. */
export interface Bookmark {
  id: string;
  ts: string;
  channel?: string;
  message?: string;
  url?: string;
  title?: string;
  note?: string;
  folder?: string;
}

/** It is kept. Its id is the event's own. */
export interface BookmarkAdded {
  t: "bookmark.added";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel?: string;
  message?: string;
  url?: string;
  title?: string;
  note?: string;
  folder?: string;
}

/** It is gone. */
export interface BookmarkRemoved {
  t: "bookmark.removed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  bookmark_seq: number;
}

/** Title, note and folder as they are from now on. */
export interface BookmarkUpdated {
  t: "bookmark.updated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  bookmark_seq: number;
  title?: string;
  note?: string;
  folder?: string;
}

/** The newest first. `count`: of all, or of the folder. `next`: empty at the end. */
export interface BookmarksPage {
  bookmarks: readonly Bookmark[];
  count: number;
  next?: string;
}

/** `folder`: only what is in it. `before`: the id of the last one of the page before. */
export interface BookmarksRequest {
  user?: string;
  folder?: string;
  before?: string;
  limit?: number;
}

/** How many became tombstones now; `more`: others follow by themselves. */
export interface BulkDeleted {
  deleted: number;
  more?: boolean;
}

/** Away with it. */
export interface CancelReminder {
  user?: string;
  cmid?: string;
  by?: string;
  id: string;
}

/** Take it back. */
export interface CancelSchedule {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** `grant` and `deny`: what the user, or the role, has of its own in this channel. */
export interface CapabilitiesAnswer {
  channel: string;
  user: string;
  role: Role;
  grant: readonly string[];
  deny: readonly string[];
  capabilities: Record<string, Capability>;
}

/** Of a user (empty: of the one who asks), or of a role. */
export interface CapabilitiesRequest {
  channel: string;
  user?: string;
  role?: Role | null;
}

/** Whether it is allowed now, and what says so: `kind` (the table), `app`, `channel` (of the role), `member`, `ban`, `mute`, `freeze`, or `authority` (of the one who asks). */
export interface Capability {
  allowed: boolean;
  from: string;
}

/** The user is a member now. `peer`: the other one of a dm. `hidden`: he blocks who made it. */
export interface ChannelAdded {
  t: "channel.added";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  kind: ChannelKind;
  role: Role;
  name?: string;
  peer?: string;
  hidden?: "for_good" | "no" | "until_message";
}

/** Read only from now on. */
export interface ChannelArchived {
  t: "channel.archived";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** All that the role has of its own from now on. */
export interface ChannelCapabilitiesChanged {
  t: "channel.capabilities_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  role: Role;
  grant?: readonly string[];
  deny?: readonly string[];
}

/** `members` (with the owner, if there is one) are members from this event on. */
export interface ChannelCreated {
  t: "channel.created";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  kind: ChannelKind;
  members?: readonly string[];
  owner?: string;
  name?: string;
  data?: Json;
  public?: boolean;
  approval?: boolean;
  history?: HistoryRule;
}

/** The last event of a channel. */
export interface ChannelDeleted {
  t: "channel.deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** Only staff may speak. */
export interface ChannelFrozen {
  t: "channel.frozen";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** The channel is not shown: until a message above `seq`, or for good. */
export interface ChannelHidden {
  t: "channel.hidden";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  hidden: "for_good" | "no" | "until_message";
  up_to: number;
}

/** A channel as clients see it. `created` is RFC 3339. `role`: of the one who asks; "none" in an open channel is everybody who reads and sends there, joined or not. */
export interface ChannelInfo {
  channel: string;
  kind: ChannelKind;
  created: string;
  members: number;
  head: number;
  name?: string;
  data?: Json;
  public?: boolean;
  frozen?: boolean;
  slow_mode_s?: number;
  role?: string;
  guarantees?: Guarantees;
  history?: HistoryRule;
  history_from?: number;
  approval?: boolean;
  archived?: boolean;
}

/** The user may join. */
export interface ChannelInvited {
  t: "channel.invited";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  kind: ChannelKind;
  name?: string;
}

export type ChannelKind = "dm" | "group" | "open";

/** The channel was promoted. */
export interface ChannelKindChanged {
  t: "channel.kind_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  kind: ChannelKind;
  role: Role;
}

/** The user is not notified of the channel: until a time (RFC 3339), or for good. */
export interface ChannelMuted {
  t: "channel.muted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  until?: string;
}

/** The channel is of this kind from now on. `owner`: who owns what was a dm. */
export interface ChannelPromoted {
  t: "channel.promoted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  kind: ChannelKind;
  was: ChannelKind;
  history: HistoryRule;
  owner?: string;
}

/** What is absent does not filter; `hidden` absent means: none that is hidden now. `data`: each key's value in the channel's custom data equals. `member`: who else is in it. `user`: whose list, for a server key. */
export interface ChannelQuery {
  user?: string;
  kind?: ChannelKind | null;
  state?: ListState | null;
  prefix?: string;
  data?: Record<string, Json>;
  member?: string;
  unread?: boolean;
  muted?: boolean | null;
  archived?: boolean | null;
  favourite?: boolean | null;
  hidden?: boolean | null;
  sort?: "last_message" | "name" | "unread";
  cursor?: string;
  limit?: number;
}

/** The channel left the list. */
export interface ChannelRemoved {
  t: "channel.removed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
}

/** The channel has another name. */
export interface ChannelRenamed {
  t: "channel.renamed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  name: string;
}

/** Which channel. */
export interface ChannelRequest {
  channel: string;
}

/** On a user's stream: the channel did not let him in. */
export interface ChannelRequestDeclined {
  t: "channel.request_declined";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
}

/** How long events are kept from now on; absent: as the app says. */
export interface ChannelRetentionChanged {
  t: "channel.retention_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  retention_s?: number;
}

/** The user has another role. */
export interface ChannelRoleChanged {
  t: "channel.role_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  role: Role;
}

/** Seconds between two messages of one user from now on. */
export interface ChannelSlowModeChanged {
  t: "channel.slow_mode_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  seconds: number;
}

/** `mark` to `delivered`: of the subscriber. `marks`, `marks_delivered`: what members show of theirs, where receipts are by member; `joined`: the seq with which those came who were not there from the first event on: they are no recipients of what is older. `pinned`: ids, the last one pinned first. `watchers`: how many connections were subscribed before this one, where presence is a number. `muted`: the subscriber is, until then (RFC 3339; empty: for ever). */
export interface ChannelSnapshot {
  channel: ChannelInfo;
  mark?: number;
  unread?: number;
  mentions?: number;
  delivered?: number;
  rev?: number;
  marks?: Record<string, number>;
  marks_delivered?: Record<string, number>;
  joined?: Record<string, number>;
  pinned?: readonly string[];
  watchers?: number;
  muted?: string;
}

/** Where the user keeps the channel: among the favourites, in the archive. */
export interface ChannelSorted {
  t: "channel.sorted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  archived?: boolean;
  favourite?: boolean;
}

/** These guarantees hold from now on. `members`: how many there are after this entry. */
export interface ChannelTierChanged {
  t: "channel.tier_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  members: number;
  guarantees: Guarantees;
}

/** What lies before `before_seq` is gone. */
export interface ChannelTruncated {
  t: "channel.truncated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  before_seq: number;
}

/** As it was before. */
export interface ChannelUnarchived {
  t: "channel.unarchived";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** Everybody may speak. */
export interface ChannelUnfrozen {
  t: "channel.unfrozen";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** The channel is shown again. */
export interface ChannelUnhidden {
  t: "channel.unhidden";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
}

/** The user is notified again. */
export interface ChannelUnmuted {
  t: "channel.unmuted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
}

/** Name, data and openness as they are from now on. `renamed`: the name is new. */
export interface ChannelUpdated {
  t: "channel.updated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name?: string;
  data?: Json;
  public?: boolean;
  approval?: boolean;
  history?: HistoryRule;
  renamed?: boolean;
}

/** Nothing is begun any more; nothing happens if there was nothing. */
export interface ClearDraft {
  user?: string;
  cmid?: string;
  by?: string;
  channel: string;
  thread?: string;
  seen?: number;
}

/** No more votes. */
export interface ClosePoll {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** A full user from now on; what is given of the profile replaces what there is. */
export interface ConvertGuest {
  user: string;
  name?: string;
  avatar?: string;
  data?: Json;
  cmid?: string;
  by?: string;
}

/** `value`: after this move. `order`: which move it was. */
export interface Counted {
  seq: number;
  value: number;
  order: number;
  id?: string;
  ts?: string;
  dup?: boolean;
}

/** Where a counter stands. `order`: how many moves there were since it was set. */
export interface Counter {
  value: number;
  min: number;
  max: number;
  order: number;
}

/** The counter moved to `value`. `order`: which move since it was set. */
export interface CounterChanged {
  t: "counter.changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name: string;
  value: number;
  amount: number;
  order: number;
}

/** There is no such counter any more. */
export interface CounterDeleted {
  t: "counter.deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name: string;
}

/** The counter has this value and these bounds. */
export interface CounterSet {
  t: "counter.set";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name: string;
  value: number;
  min: number;
  max: number;
  order?: number;
}

/** By name. */
export interface Counters {
  counters: Record<string, Counter>;
}

/** All counters, or the one of that name. */
export interface CountersRequest {
  channel: string;
  name?: string;
}

/** `votes_max`: options that one user may choose. `closes_at`: RFC 3339 or ms, at most 32 days ahead; empty: it stays open. The rest as in `message.send`. */
export interface CreatePoll {
  channel: string;
  question: string;
  options: readonly string[];
  votes_max?: number;
  anonymous?: boolean;
  may_add?: boolean;
  closes_at?: string | number;
  data?: Json;
  thread?: string;
  also_in_channel?: boolean;
  silent?: boolean;
  cmid?: string;
  by?: string;
}

/** `at`: RFC 3339 or ms. `channel`, `message`: what it is about; `note`: a text of one's own. */
export interface CreateReminder {
  user?: string;
  cmid?: string;
  by?: string;
  at: string | number;
  channel?: string;
  message?: string;
  note?: string;
}

/** `message`: what `message.send` takes, without channel. `at`: RFC 3339 or ms. */
export interface CreateSchedule {
  channel: string;
  at: string | number;
  message: Json;
  cmid?: string;
  by?: string;
}

/** Out of the app until somebody reactivates him. */
export interface DeactivateUser {
  user: string;
  reason?: string;
  cmid?: string;
  by?: string;
}

/** Do not let them in; they may ask again. */
export interface DeclineRequest {
  channel: string;
  user: string;
  cmid?: string;
  by?: string;
}

/** End the channel for all; its messages are not readable any more. */
export interface DeleteChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** There is no such counter any more. */
export interface DeleteCounter {
  channel: string;
  name: string;
  cmid?: string;
  by?: string;
}

/** Leave a tombstone. */
export interface DeleteMessage {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** Leave tombstones: 2 to 100 ids. */
export interface DeleteMessages {
  channel: string;
  ids: readonly string[];
  cmid?: string;
  by?: string;
}

/** Leave tombstones of everything that a user wrote here. */
export interface DeleteMessagesBy {
  channel: string;
  user: string;
  cmid?: string;
  by?: string;
}

/** Forget one value. */
export interface DeleteMetadata {
  channel: string;
  key: string;
  user?: string;
  if_rev?: number;
  cmid?: string;
  by?: string;
}

/** Nothing of this type is sent any more. */
export interface DeleteType {
  name: string;
  cmid?: string;
  by?: string;
}

/** Channels whose mark was refused: code and name of the error. */
export interface Delivered {
  refused?: Record<string, string>;
}

/** What a device has, by channel. */
export interface DeliveredRequest {
  marks: Record<string, number>;
  by?: string;
}

/** A device. `last_seen` is exact to the day, and now while it has sessions. */
export interface Device {
  device: string;
  created: string;
  last_seen: string;
  name?: string;
  version?: string;
  current?: boolean;
  sessions?: readonly Session[];
}

/** A device is new to this user. `dropped`: the one that left the list for it. */
export interface DeviceAdded {
  t: "device.added";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  device: string;
  name?: string;
  version?: string;
  dropped?: string;
  jti?: string;
}

/** The device is signed out, and the token it came with last is revoked. */
export interface DeviceRemoved {
  t: "device.removed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  device: string;
  jti?: string;
}

/** Seen last first. */
export interface DevicesAnswer {
  devices: readonly Device[];
}

/** Whose; empty: one's own. */
export interface DevicesRequest {
  user?: string;
}

/** `next`: pass it as `cursor`; empty at the end. */
export interface DirectoryPage {
  channels: readonly PublicChannel[];
  next?: string;
}

/** `prefix` of the name, whatever its case. `cursor`: the `next` of the page before. */
export interface DirectoryRequest {
  prefix?: string;
  kind?: ChannelKind | null;
  sort?: "members" | "name" | "recent";
  cursor?: string;
  limit?: number;
}

/** The usual answer to a command: where it stands in its stream. `ts` is RFC 3339. */
export interface Done {
  seq: number;
  id: string;
  ts: string;
  dup?: boolean;
  rev?: number;
}

/** What was begun, where, and when. */
export interface Draft {
  channel: string;
  rev: number;
  ts: string;
  message: Json;
  thread?: string;
}

/** It is gone. */
export interface DraftCleared {
  t: "draft.cleared";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  rev: number;
  thread?: string;
}

/** The draft's rev from now on. */
export interface DraftDone {
  rev: number;
}

/** A draft as it is from now on. */
export interface DraftUpdated {
  t: "draft.updated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  rev: number;
  message: Json;
  thread?: string;
}

/** By channel and thread. `next`: empty at the end. */
export interface DraftsPage {
  drafts: readonly Draft[];
  next?: string;
}

/** `after`: the `next` of the page before. */
export interface DraftsRequest {
  user?: string;
  after?: string;
  limit?: number;
}

/** Change what is given; `data` null clears it. */
export interface EditMessage {
  channel: string;
  id: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  cmid?: string;
  by?: string;
}

/** Something that the app gives a meaning. */
export interface EventSent {
  t: "event.sent";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  type: string;
  version: number;
  data: Json;
}

/** A type of the app's own. */
export interface EventType {
  name: string;
  version: number;
  schema: Json;
  kinds?: readonly ChannelKind[];
}

/** The name has no schema any more. */
export interface EventTypeDeleted {
  t: "event_type.deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name: string;
}

/** This schema is version `version` of the name. */
export interface EventTypeRegistered {
  t: "event_type.registered";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name: string;
  version: number;
  schema: Json;
  kinds?: readonly ChannelKind[];
}

/** `at`: RFC 3339 or ms; 0: it does not expire. */
export interface ExpireMessage {
  channel: string;
  id: string;
  at: string | number;
  cmid?: string;
  by?: string;
}

/** Messages behind the user's mark, or behind `after` if that is more. */
export interface ExplainRequest {
  channel: string;
  user: string;
  after?: number;
  limit?: number;
}

/** Whether this message counts as unread, and why, or why not. */
export interface Explained {
  seq: number;
  counts: boolean;
  why: "blocked" | "deleted" | "mention" | "message" | "own" | "silent" | "system" | "thread";
}

/** The figures as heads have them, and the messages of this page. `next`: pass it as `after`; 0 at the end. */
export interface Explanation {
  mark: number;
  rev: number;
  head: number;
  unread: number;
  mentions: number;
  messages: readonly Explained[];
  next?: number;
}

/** What a channel says to one member: messages that are `unread`, `mentions` among them; how far he has read (`mark`) and received (`delivered`) them; `rev`: grows with each move of a mark. Absent for who keeps no mark there. */
export interface Figures {
  unread?: number;
  mentions?: number;
  mark?: number;
  delivered?: number;
  rev?: number;
}

/** Folder → how many bookmarks are in it. `next`: empty at the end. */
export interface FoldersPage {
  folders: Record<string, number>;
  next?: string;
}

/** `after`: the last folder of the page before. */
export interface FoldersRequest {
  user?: string;
  after?: string;
  limit?: number;
}

/** Hear of this thread's replies. */
export interface FollowThread {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** Copy the message `id` of `channel` into the channel `to`. `user` (or `by`): on whose behalf a server key does it. */
export interface ForwardRequest {
  channel: string;
  id: string;
  to: string;
  user?: string;
  by?: string;
  cmid?: string;
}

/** Where a message was copied from. The server fills it in. */
export interface Forwarded {
  channel: string;
  id: string;
  by: string;
}

/** A message as history shows it. `highlights`: [start, end) in its text, in characters. */
export interface FoundMessage {
  channel: string;
  message: Message;
  highlights?: readonly (readonly [number, number])[];
}

/** A profile. `deactivated`, `banned`: shown to those who may exclude users. */
export interface FoundUser {
  user: string;
  created: string;
  name?: string;
  avatar?: string;
  data?: Json;
  deactivated?: boolean;
  banned?: boolean;
  guest_until?: string;
}

/** Only staff may speak from now on. */
export interface FreezeChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** The user may not read it (any more); `reason`: the code's name. */
export interface GoneChannel {
  state: "gone";
  reason: string;
}

/** What holds for a channel now. `delivery` is `full` for every size: each message is pushed to each subscriber. `sampled` is kept for channels that leave some out, of which there are none. */
export interface Guarantees {
  tier: Tier;
  receipts: "aggregate" | "per_member";
  presence: "count" | "list";
  typing: "count" | "names";
  delivery: "full" | "sampled";
}

/** A guest is a full user now; the whole profile as it is from now on. */
export interface GuestConverted {
  t: "guest.converted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name?: string;
  avatar?: string;
  data?: Json;
}

/** Where a channel stands: its last message as `preview`, unless what was said last is not for him, and the figures of the user whose stream it is. */
export interface Head {
  unread?: number;
  mentions?: number;
  mark?: number;
  delivered?: number;
  rev?: number;
  seq: number;
  ts?: string;
  preview?: Message | null;
}

/** What happened in channels that are not subscribed to, at most once a second. By channel. */
export interface Heads {
  t: "heads";
  heads: Record<string, Head>;
}

/** Messages ascending, each with its current state (see model/message.py). `head`: the channel's last seq (of then, if the page is of the past). `reached`: the search went no further than this seq, go on behind it. An empty page without it is the end. `removed`: seqs where the page looked that are gone, and why. The node adds `epoch`. */
export interface HistoryPage {
  messages: readonly Message[];
  head: number;
  reached?: number;
  removed?: readonly RemovedRange[];
}

/** At most one of the places; none: the newest page. `at`: RFC 3339 or ms. `by`, `type`: only messages of this author or type. `replies`: those that stand in threads alone, too. `as_of`: as `at`; the page shows what stood here at that time, later deletions undone: for who may undelete any (`features.past`), and without reactions and the like. */
export interface HistoryRequest {
  channel: string;
  after_seq?: number | null;
  before_seq?: number | null;
  around_seq?: number | null;
  at?: string | number | null;
  limit?: number | null;
  by?: string;
  type?: string;
  replies?: boolean;
  as_of?: string | number | null;
}

export type HistoryRule = "all" | "from_join";

/** Add `amount` (which may be negative) if the value stays within its bounds, and within `min` and `max` of this very move. */
export interface IncrementCounter {
  channel: string;
  name: string;
  amount?: number;
  min?: number;
  max?: number;
  cmid?: string;
  by?: string;
}

/** Ask people in; they decide. */
export interface InviteMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  cmid?: string;
  by?: string;
}

/** How far a job is. `total`: names that came; `added`: who was no member before. */
export interface JobInfo {
  job: string;
  state: "collecting" | "done" | "failed" | "running";
  created: string;
  parts: number;
  done: number;
  total: number;
  added: number;
  error?: string;
}

/** Which job of which channel. */
export interface JobRequest {
  channel: string;
  job: string;
}

/** Ask `jobs.get` how far it is. */
export interface JobStarted {
  job: string;
}

/** Become a member: invited, or the group is public. An open channel is entered by subscribing: this makes no row there, and `role` stays "none". */
export interface JoinChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** One who waits. `requested` is RFC 3339. */
export interface JoinRequestInfo {
  user: string;
  requested: string;
  text?: string;
}

/** Give up membership, or decline an invitation. */
export interface LeaveChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** What a client should know before it runs into it. */
export interface Limits {
  text_chars: number;
  envelope_bytes: number;
  history_page: number;
  screen_channels: number;
  head_channels: number;
  members_per_command: number;
}

/** Most recently added first. `next`: pass it as `before`; 0 at the end. */
export interface ListPage {
  channels: readonly ListedChannel[];
  next?: number;
}

/** A page of a user's channels (empty: of the one who asks), older than `before`. */
export interface ListRequest {
  user?: string;
  before?: number;
  limit?: number;
}

export type ListState = "invited" | "joined";

/** One line of the list, with what the user has set for it. `muted_until` is RFC 3339; a mute whose time has passed is none. */
export interface ListedChannel {
  channel: string;
  kind: ChannelKind;
  state: ListState;
  role: Role;
  name?: string;
  peer?: string;
  hidden?: "for_good" | "no" | "until_message";
  hidden_seq?: number;
  muted?: boolean;
  muted_until?: string;
  archived?: boolean;
  favourite?: boolean;
}

/** A message by channel and id, or by its `link`. */
export interface LocateRequest {
  channel?: string;
  id?: string;
  link?: string;
}

/** Where a message stands. `thread`, `thread_seq`: of the root, if it stands in a thread. `by` is absent where the one who asks blocks its author. */
export interface Location {
  channel: string;
  id: string;
  seq: number;
  link: string;
  by?: string;
  thread?: string;
  thread_seq?: number;
  deleted?: boolean;
}

/** The user has read everything up to `upto`. `rev`: the revision of his mark that he knew then; without it, the current one. */
export interface MarkRead {
  channel: string;
  upto: number;
  rev?: number;
  cmid?: string;
  by?: string;
}

/** Everything from the seq `since` on is unread again, for the user himself. */
export interface MarkUnread {
  channel: string;
  since: number;
  cmid?: string;
  by?: string;
}

/** `upto`: where the mark stands now; `rev`: how often it was moved back. */
export interface Marked {
  upto: number;
  rev?: number;
}

/** These are banned. `until`: RFC 3339; absent for ever. */
export interface MemberBanned {
  t: "member.banned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
  until?: string;
}

/** The user has other rights of his own from now on. Which, `capabilities.get` says to him and to those who may see it. */
export interface MemberCapabilitiesChanged {
  t: "member.capabilities_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
}

/** One row of a channel's member list. `joined` is RFC 3339. */
export interface MemberInfo {
  user: string;
  role: Role;
  joined: string;
}

/** These may join from now on. */
export interface MemberInvited {
  t: "member.invited";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** `user` asks to be let in. */
export interface MemberJoinRequested {
  t: "member.join_requested";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
}

/** These are members from now on. */
export interface MemberJoined {
  t: "member.joined";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** These gave up membership or declined. */
export interface MemberLeft {
  t: "member.left";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** These say nothing. `until`: RFC 3339; absent for ever. */
export interface MemberMuted {
  t: "member.muted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
  until?: string;
}

/** These lost membership or their invitation. */
export interface MemberRemoved {
  t: "member.removed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** `user` was not let in. */
export interface MemberRequestDeclined {
  t: "member.request_declined";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
}

/** `user` does not ask any more. */
export interface MemberRequestWithdrawn {
  t: "member.request_withdrawn";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
}

/** `user` has this role from now on. */
export interface MemberRoleChanged {
  t: "member.role_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
  role: Role;
}

/** These may come again. */
export interface MemberUnbanned {
  t: "member.unbanned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** These may speak again. */
export interface MemberUnmuted {
  t: "member.unmuted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  users: readonly string[];
}

/** `next`: pass it as `after` for the next page; empty at the end. */
export interface MembersPage {
  members: readonly MemberInfo[];
  count: number;
  next?: string;
}

/** A page of members in order of their ids, behind `after`. */
export interface MembersRequest {
  channel: string;
  after?: string;
  limit?: number;
}

/** `rev` counts edits, deletions and their undoing; a deleted message has no content, and a `reason` if it was not its author's own doing. From `annotation_rev` on: see Annotations. `thread`: the id of the message whose thread it answers in; `also_in_channel`: it stands in the channel as well. `silent`: nobody is told. `kind`: "system", or empty. `type`: the app's own. `t` is "message.hidden" for who blocks its author: nothing else is there but `seq`, `id`, `ts`. */
export interface Message {
  t: "message.created" | "message.hidden";
  seq: number;
  id: string;
  ts: string;
  by?: string;
  cmid?: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  reply_to?: string;
  quote?: Quote;
  thread?: string;
  also_in_channel?: boolean;
  silent?: boolean;
  kind?: string;
  type?: string;
  forwarded?: Forwarded;
  poll?: Poll;
  rev?: number;
  edited?: boolean;
  deleted?: boolean;
  reason?: string;
  annotation_rev?: number;
  reactions?: Record<string, ReactionCount>;
  replies?: number;
  last_reply?: string;
  last_reply_seq?: number;
  participants?: readonly string[];
  pinned?: boolean;
}

/** These messages are tombstones. */
export interface MessageBulkDeleted {
  t: "message.bulk_deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  messages: readonly Removed[];
  reason?: string;
}

/** A message. `quote`: of the message `reply_to`, when this one was sent. `thread`: the id of the thread's first message. */
export interface MessageCreated {
  t: "message.created";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  rev?: number;
  edited?: true;
  deleted?: true;
  reason?: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  reply_to?: string;
  quote?: Quote;
  thread?: string;
  also_in_channel?: boolean;
  silent?: boolean;
  kind?: string;
  type?: string;
  forwarded?: Forwarded;
  poll?: Poll;
}

/** The message is a tombstone. `author`: who had written it; `thread`: where it stood. `reason`: absent if he deleted it himself. */
export interface MessageDeleted {
  t: "message.deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  rev: number;
  author: string;
  thread?: string;
  reason?: string;
}

/** Stands for an event that this user may not see: of somebody whom he blocks, or of a message that is none for him. */
export interface MessageHidden {
  t: "message.hidden";
  seq: number;
  id?: string;
  ts?: string;
}

/** It is pinned; `until` (RFC 3339): absent if for ever. */
export interface MessagePinned {
  t: "message.pinned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  until?: string;
}

/** Which message. */
export interface MessageRequest {
  channel: string;
  id: string;
}

/** In `#user`: it was refused at its time, and waits no more. */
export interface MessageScheduleFailed {
  t: "message.schedule_failed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  schedule: string;
  error: ScheduleError;
  message: Json;
}

/** In `#user`: a message waits, new or changed (`rev`). `message`: as it was given. */
export interface MessageScheduled {
  t: "message.scheduled";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  schedule: string;
  at: string;
  rev: number;
  message: Json;
}

/** The message is back, with this content, and with what a tombstone shows none of. `author` and `thread` as in `message.deleted`. */
export interface MessageUndeleted {
  t: "message.undeleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  rev?: number;
  edited?: boolean;
  deleted?: true;
  reason?: string;
  message_seq?: number;
  author?: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  thread?: string;
  quote?: Quote;
  forwarded?: Forwarded;
  poll?: Poll;
}

/** It is pinned no more. */
export interface MessageUnpinned {
  t: "message.unpinned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
}

/** In `#user`: it was sent, or taken back. */
export interface MessageUnscheduled {
  t: "message.unscheduled";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  channel: string;
  schedule: string;
  sent?: boolean;
}

/** The whole content as it is from now on. `rev` counts edits, deletions and their undoing. `author`: who had written it, where it is not `by`. */
export interface MessageUpdated {
  t: "message.updated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  rev?: number;
  edited?: true;
  deleted?: true;
  reason?: string;
  message_seq?: number;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  author?: string;
}

/** Those that are there, in the order of the ids, and the ids of those that are not. */
export interface MessagesFound {
  messages: readonly Message[];
  missing: readonly string[];
}

/** Several messages of a channel: 1 to 100 ids. */
export interface MessagesRequest {
  channel: string;
  ids: readonly string[];
}

/** The value under `key`, of the channel or of `user`; its revision is this event's seq. */
export interface MetadataChanged {
  t: "metadata.changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  key: string;
  value: Json;
  user?: string;
}

/** There is no value under `key` any more. */
export interface MetadataDeleted {
  t: "metadata.deleted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  key: string;
  user?: string;
}

/** By key. */
export interface MetadataPage {
  metadata: Record<string, MetadataValue>;
}

/** All values of a target, or the one under `key`. */
export interface MetadataRequest {
  channel: string;
  user?: string;
  key?: string;
}

/** A value and its revision. */
export interface MetadataValue {
  value: Json;
  rev: number;
}

/** `user` (or `by`): whose list, for a server key. `hidden`: `until_message` comes back with the next message. `muted_until`: RFC 3339 or ms, 0 for ever. */
export interface MineRequest {
  channel: string;
  user?: string;
  hidden?: "for_good" | "no" | "until_message";
  muted?: boolean;
  muted_until?: string | number;
  archived?: boolean;
  favourite?: boolean;
  by?: string;
  cmid?: string;
}

/** They read, and say nothing until it ends. */
export interface MuteMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  for_s?: number | null;
  reason?: string;
  cmid?: string;
  by?: string;
}

/** `channel` (or `kind` alone: a name is made), or kind `dm` with exactly a pair of members. */
export interface NewChannelRequest {
  channel?: string;
  kind?: ChannelKind | null;
  members?: readonly string[];
  name?: string;
  data?: Json;
  public?: boolean;
  owner?: string;
  approval?: boolean;
  history?: HistoryRule;
  cmid?: string;
  by?: string;
}

/** No parameters, or an empty answer. */
export interface Nothing {
}

/** With whom. */
export interface OpenRequest {
  with: string;
}

/** Which channel it is, and whether this request created it. */
export interface Opened {
  channel: string;
  created: boolean;
  seq?: number;
  id?: string;
  ts?: string;
  dup?: boolean;
}

/** A pinned message, who pinned it when, and until when (RFC 3339). */
export interface Pin {
  message: Message;
  by: string;
  ts: string;
  until?: string;
}

/** Keep it at hand; `until`: RFC 3339 or ms, absent: for ever. */
export interface PinMessage {
  channel: string;
  id: string;
  until?: string | number | null;
  cmid?: string;
  by?: string;
}

/** All of them, the last one first. */
export interface PinsPage {
  pins: readonly Pin[];
}

/** The pins of a channel. */
export interface PinsRequest {
  channel: string;
}

/** A poll as everybody sees it; the question is the message's text. `rev` grows with every change: a higher one replaces what a client has. `voters`: people, each with up to `votes_max` votes. `may_add`: whoever votes may add options. */
export interface Poll {
  options: readonly PollOption[];
  votes_max?: number;
  anonymous?: boolean;
  may_add?: boolean;
  closes_at?: string;
  closed_at?: string;
  voters?: number;
  rev?: number;
}

/** The result. `timed`: its time was over. */
export interface PollClosed {
  t: "poll.closed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  rev: number;
  voters: number;
  votes: readonly number[];
  timed?: boolean;
}

/** The figures, at most once a second. */
export interface PollCounted {
  t: "poll.counted";
  id: string;
  cmid?: string;
  by?: string;
  ts?: string;
  message_seq: number;
  rev: number;
  voters: number;
  votes: readonly number[];
}

/** What can be chosen; `id` counts from 1. `by`: who added it later. */
export interface PollOption {
  id: number;
  text: string;
  by?: string;
  votes?: number;
}

/** One more option. */
export interface PollOptionAdded {
  t: "poll.option_added";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  rev: number;
  voters: number;
  votes: readonly number[];
  option: number;
  text: string;
}

/** A poll, and what the one who asks has chosen. */
export interface PollPage {
  id: string;
  question: string;
  by: string;
  poll: Poll;
  own?: readonly number[];
}

/** Which poll: the id of its message. */
export interface PollRequest {
  channel: string;
  id: string;
}

/** `options`: what the user (`by`) chooses from now on. */
export interface PollVoted {
  t: "poll.voted";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  rev: number;
  voters: number;
  votes: readonly number[];
  options: readonly number[];
}

/** By user. */
export interface Presence {
  t: "presence";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  users: Record<string, Seen>;
}

/** By user. */
export interface PresenceAnswer {
  users: Record<string, Seen>;
}

/** What the user wants to be shown as from now on. */
export interface PresenceChosen {
  t: "presence.chosen";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  state: "away" | "busy" | "invisible" | "online";
}

/** So many connections are in the channel: told every two seconds at most, where it is large. */
export interface PresenceCounted {
  t: "presence.counted";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  watchers: number;
}

/** Of at most 200 users. `by`: the user in whose eyes, for a server key. */
export interface PresenceRequest {
  users: readonly string[];
  by?: string;
}

/** Where the choice stands in the user's stream; empty where only `idle` was said. */
export interface PresenceSet {
  seq?: number;
  id?: string;
  ts?: string;
  dup?: boolean;
}

/** What others see, and who. */
export interface Privacy {
  read: boolean;
  delivered: boolean;
  typing: boolean;
  presence: "contacts" | "everybody" | "nobody";
  last_seen: "contacts" | "everybody" | "nobody";
}

/** Whose; empty: of the one who asks. */
export interface PrivacyRequest {
  user?: string;
}

/** The public profile. `created` is RFC 3339; `avatar` is a URL the client may load. `guest_until`: RFC 3339; absent for a full user. */
export interface Profile {
  user: string;
  created: string;
  name?: string;
  avatar?: string;
  data?: Json;
  guest_until?: string;
}

/** Make it a channel of the next kind. `history`: what newcomers read. */
export interface PromoteChannel {
  channel: string;
  kind: ChannelKind;
  history?: HistoryRule;
  cmid?: string;
  by?: string;
}

/** A line of the directory. `members` may be off by a twentieth. `approval`: joining is asked for. */
export interface PublicChannel {
  channel: string;
  kind: ChannelKind;
  created: string;
  members: number;
  name?: string;
  approval?: boolean;
}

/** Any JSON to everybody who is subscribed. */
export interface PublishEvent {
  channel: string;
  data: Json;
  cmid?: string;
  by?: string;
}

/** A line of the list with its head, as `heads` has it (seq, ts, preview, unread, …), and the channel as `channel.get` describes it, unless the user may not see it. */
export interface QueriedChannel {
  channel: string;
  kind: ChannelKind;
  state: ListState;
  role: Role;
  name?: string;
  peer?: string;
  hidden?: "for_good" | "no" | "until_message";
  hidden_seq?: number;
  muted?: boolean;
  muted_until?: string;
  archived?: boolean;
  favourite?: boolean;
  head?: Head;
  info?: ChannelInfo;
}

/** `next`: pass it as `cursor`; empty at the end. */
export interface QueryPage {
  channels: readonly QueriedChannel[];
  next?: string;
}

/** The message that a message answers, as it stands now: the beginning of its text, nothing of a deleted one. */
export interface Quote {
  id: string;
  seq: number;
  by?: string;
  text?: string;
  deleted?: boolean;
}

/** The kind's count after the request, and the annotation's rev. */
export interface Reacted {
  count: number;
  annotation_rev: number;
}

/** `by` chose this kind: `count` did by now. */
export interface ReactionAdded {
  t: "reaction.added";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  emoji: string;
  count: number;
  annotation_rev: number;
}

/** How many chose this kind; `me`: the one who asks is among them. */
export interface ReactionCount {
  count: number;
  me?: boolean;
}

/** How many chose each kind, as it was a second ago at most. */
export interface ReactionCounted {
  t: "reaction.counted";
  id: string;
  cmid?: string;
  by?: string;
  ts?: string;
  message_seq: number;
  annotation_rev: number;
  reactions: Record<string, number>;
}

/** `by` took it back. */
export interface ReactionRemoved {
  t: "reaction.removed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
  emoji: string;
  count: number;
  annotation_rev: number;
}

/** In order of kinds and user ids. `next`: pass it as `cursor`; absent at the end. */
export interface ReactionsPage {
  reactions: Record<string, number>;
  reactors: readonly Reactor[];
  annotation_rev: number;
  next?: string;
}

/** Who chose one kind (`emoji`), or any. `cursor`: what `next` was. */
export interface ReactionsRequest {
  channel: string;
  id: string;
  emoji?: string;
  cursor?: string;
  limit?: number;
}

/** In again. */
export interface ReactivateUser {
  user: string;
  cmid?: string;
  by?: string;
}

/** Who chose what, and when (RFC 3339). */
export interface Reactor {
  user: string;
  emoji: string;
  ts: string;
}

/** The user has read the thread up to `upto`. `id`: of its root. */
export interface ReadThread {
  channel: string;
  id: string;
  upto: number;
  cmid?: string;
  by?: string;
}

/** The user has read all threads of the channel that he follows up to `upto`. */
export interface ReadThreads {
  channel: string;
  upto: number;
  cmid?: string;
  by?: string;
}

/** `ts`: since when, if that is known. */
export interface Reader {
  user: string;
  ts?: string;
}

/** `next`: pass it as `after` for more; empty at the end. A page may hold fewer than asked for, or nobody, and still not be the last. */
export interface ReadersPage {
  readers: readonly Reader[];
  next?: string;
}

/** Recipients of a message in order of their ids, behind `after`. */
export interface ReadersRequest {
  channel: string;
  id?: string;
  seq?: number;
  state?: "delivered" | "read" | "unread";
  after?: string;
  limit?: number;
}

/** Read by `read` of `read_of`; received by a device of `delivered` of `delivered_of`. A part that the app keeps off is absent. */
export interface Receipt {
  seq: number;
  read?: number;
  read_of?: number;
  delivered?: number;
  delivered_of?: number;
}

/** In order of their seqs; seqs that are no message (any more) are left out. */
export interface ReceiptsCounted {
  t: "receipts.counted";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  receipts: readonly Receipt[];
}

/** Where these members' watermarks stand now, in a channel with receipts by member. */
export interface ReceiptsMoved {
  t: "receipts.moved";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  read?: Record<string, number>;
  delivered?: Record<string, number>;
}

/** In order of their seqs; seqs that are no message (any more) are left out. */
export interface ReceiptsPage {
  receipts: readonly Receipt[];
}

/** Of these messages, at most 100, by seq or by id. */
export interface ReceiptsRequest {
  channel: string;
  seqs?: readonly number[];
  ids?: readonly string[];
}

/** A schema under a name, for channels of these kinds (empty: of all). */
export interface RegisterType {
  name: string;
  schema: Json;
  kinds?: readonly ChannelKind[];
  cmid?: string;
  by?: string;
}

/** Which version it became. */
export interface Registered {
  seq: number;
  version: number;
  id?: string;
  ts?: string;
  dup?: boolean;
}

/** One reminder. */
export interface Reminder {
  id: string;
  at: string;
  channel?: string;
  message?: string;
  note?: string;
  fired?: boolean;
}

/** It is gone. */
export interface ReminderCancelled {
  t: "reminder.cancelled";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  reminder_seq: number;
}

/** It waits. Its id is the event's own. */
export interface ReminderCreated {
  t: "reminder.created";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  at: string;
  channel?: string;
  message?: string;
  note?: string;
}

/** Now. Everything that it is about. */
export interface ReminderFired {
  t: "reminder.fired";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  reminder_seq: number;
  at: string;
  channel?: string;
  message?: string;
  note?: string;
}

/** It waits for another time. */
export interface ReminderSnoozed {
  t: "reminder.snoozed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  reminder_seq: number;
  at: string;
}

/** In the order in which they were made. `next`: empty at the end. */
export interface RemindersPage {
  reminders: readonly Reminder[];
  next?: string;
}

/** `after`: the id of the last one of the page before. */
export interface RemindersRequest {
  user?: string;
  after?: string;
  limit?: number;
}

/** Keep it no more. */
export interface RemoveBookmark {
  user?: string;
  cmid?: string;
  by?: string;
  id: string;
}

/** Sign a device out. `user`: empty for one's own. */
export interface RemoveDevice {
  device: string;
  user?: string;
  cmid?: string;
  by?: string;
}

/** Remove members, or take invitations back. */
export interface RemoveMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  cmid?: string;
  by?: string;
}

/** Take an own choice back. */
export interface RemoveReaction {
  channel: string;
  id: string;
  emoji: string;
  cmid?: string;
  by?: string;
}

/** One of many tombstones, as in `message.deleted`. */
export interface Removed {
  id: string;
  message_seq: number;
  rev: number;
  author: string;
  thread?: string;
}

/** Seqs `from` to `to`, both gone. */
export interface RemovedRange {
  from: number;
  to: number;
  why: "retention" | "truncated";
}

/** Ask to be let in, with a word to the staff. */
export interface RequestJoin {
  channel: string;
  text?: string;
  cmid?: string;
  by?: string;
}

/** `next`: pass it as `after`; empty at the end. */
export interface RequestsPage {
  requests: readonly JoinRequestInfo[];
  count: number;
  next?: string;
}

/** A page in order of the users' ids, behind `after`. */
export interface RequestsRequest {
  channel: string;
  after?: string;
  limit?: number;
}

/** `retention_s`: what holds now, 0 for ever; `own`: the channel's own. `floor`: the lowest seq that there is. `removed`: what is gone, and why. */
export interface RetentionInfo {
  retention_s: number;
  own: boolean;
  floor: number;
  removed: readonly RemovedRange[];
}

/** Of which channel. */
export interface RetentionRequest {
  channel: string;
}

/** `rev`: pass it as `if_rev` to change it next. */
export interface Revised {
  seq: number;
  rev: number;
  id?: string;
  ts?: string;
  dup?: boolean;
}

/** A content that a message has or had, who wrote it when (RFC 3339), and in which event. */
export interface Revision {
  seq: number;
  by: string;
  ts: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
}

/** The oldest that is kept first; the last one is the newest. None of a message whose author the one who asks blocks. `rev` and `deleted` of the message now. */
export interface RevisionsPage {
  revisions: readonly Revision[];
  rev: number;
  deleted?: boolean;
}

export type Role = "invited" | "member" | "moderator" | "none" | "owner";

/** `online` of the members, and who; or `watchers`: connections that are subscribed. */
export interface RoomCounts {
  online?: number;
  users?: readonly string[];
  watchers?: number;
}

/** Of a channel. */
export interface RoomRequest {
  channel: string;
}

/** Times are RFC 3339; no `until`: for ever. */
export interface Sanction {
  user: string;
  by: string;
  since: string;
  until?: string;
  reason?: string;
}

/** `next`: pass it as `after` for the next page; empty at the end. */
export interface SanctionsPage {
  sanctions: readonly Sanction[];
  next?: string;
}

/** A page of users in order of their ids, behind `after`. */
export interface SanctionsRequest {
  channel: string;
  after?: string;
  limit?: number;
}

/** Why a message was not sent: an error as the answer to `message.send` would name it. */
export interface ScheduleError {
  code: number;
  name: string;
  text: string;
}

/** A message that waits. */
export interface Scheduled {
  channel: string;
  schedule: string;
  at: string;
  rev: number;
  message: Json;
}

/** The scheduled message's id, and when it is sent. */
export interface ScheduledDone {
  schedule: string;
  at: string;
  rev: number;
}

/** By channel and id; of one channel by time. `next`: empty at the end. */
export interface SchedulesPage {
  schedules: readonly Scheduled[];
  next?: string;
}

/** Of one user (empty: of the one who asks), in one channel or, without it, in all. `after`: the `next` of the page before. */
export interface SchedulesRequest {
  channel?: string;
  user?: string;
  after?: string;
  limit?: number;
}

/** The channels whose unread figures are wanted: what is on the user's screen. */
export interface ScreenRequest {
  channels: readonly string[];
}

/** `indexed_to`: everything up to this time was searched; absent: nobody can say. A page may be short: `next` says whether it goes on (pass it as `cursor`). */
export interface SearchPage {
  hits: readonly FoundMessage[];
  indexed_to?: string;
  incomplete?: boolean;
  next?: string;
}

/** `q`: words that must all be there; `"green tea"` one behind the other, `hel*` words that begin so, `-milk` not this. May be empty if anything else is asked for. `channels`: 1 to 100; none: all of the user's. `by`: their author. `attachments`: only messages that have some. `since`, `until`: RFC 3339 or ms, `until` excluded. `user`: as whom a server key searches; without one, the whole app. */
export interface SearchRequest {
  q?: string;
  channels?: readonly string[];
  by?: string;
  type?: string;
  attachments?: boolean;
  since?: string | number | null;
  until?: string | number | null;
  sort?: "relevance" | "time";
  limit?: number;
  cursor?: string;
  user?: string;
}

/** How a user is seen. `last_seen` (RFC 3339) of one who is offline; `choice`: for himself. */
export interface Seen {
  state?: "away" | "busy" | "offline" | "online";
  last_seen?: string;
  choice?: string;
}

/** `version` 0: the newest. */
export interface SendEventRequest {
  channel: string;
  type: string;
  data: Json;
  version?: number;
  cmid?: string;
  by?: string;
}

/** A text, custom data, attachments, or several of them. `reply_to`: the id of a message that is quoted; `thread`: of one in whose thread this one stands (`also_in_channel`: in the channel as well). `silent`: nobody is told. `kind`: "system", for server keys. `type`: the app's own. `draft`: the rev of the draft that this was; it is cleared. */
export interface SendMessage {
  channel: string;
  text?: string;
  data?: Json;
  attachments?: readonly Attachment[];
  mentions?: readonly string[];
  mention_all?: boolean;
  mention_here?: boolean;
  reply_to?: string;
  thread?: string;
  also_in_channel?: boolean;
  silent?: boolean;
  kind?: "" | "system";
  type?: string;
  draft?: number;
  cmid?: string;
  by?: string;
}

/** Send it at once. */
export interface SendScheduled {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** A live connection. `name`, `version`: of its client library. `current`: the one who asks. `idle`: as it said last (features.presence). */
export interface Session {
  client: string;
  device?: string;
  name?: string;
  version?: string;
  transport?: string;
  since?: string;
  current?: boolean;
  idle?: boolean;
}

/** Opened first first. */
export interface SessionsAnswer {
  sessions: readonly Session[];
}

/** Define a counter, or change it: what is left out stays (of a new one: at 0, from 0 to the largest number). `max` and `min` bound every move. With a `value`, `order` begins again. */
export interface SetCounter {
  channel: string;
  name: string;
  value?: number;
  min?: number;
  max?: number;
  cmid?: string;
  by?: string;
}

/** `message`: what the client wants to find again, usually as `message.send` takes it. */
export interface SetDraft {
  user?: string;
  cmid?: string;
  by?: string;
  channel: string;
  message: Json;
  thread?: string;
  seen?: number;
}

/** What a user has of his own in this channel, from now on. */
export interface SetMemberCapabilities {
  channel: string;
  user: string;
  grant?: readonly string[];
  deny?: readonly string[];
  cmid?: string;
  by?: string;
}

/** Set one value. `user`: of that member; empty: of the channel. */
export interface SetMetadata {
  channel: string;
  key: string;
  value: Json;
  user?: string;
  if_rev?: number;
  cmid?: string;
  by?: string;
}

/** What a user wants to be shown as, on all devices; `idle`: of this connection alone. */
export interface SetPresence {
  user?: string;
  state?: "away" | "busy" | "invisible" | "online";
  idle?: boolean;
  cmid?: string;
  by?: string;
}

/** Show (true) or hide (false) what is given. `presence`, `last_seen`: to whom. */
export interface SetPrivacy {
  user?: string;
  read?: boolean;
  delivered?: boolean;
  typing?: boolean;
  presence?: "contacts" | "everybody" | "nobody";
  last_seen?: "contacts" | "everybody" | "nobody";
  cmid?: string;
  by?: string;
}

/** Keep events so long; 0 for ever, null as the app says. */
export interface SetRetention {
  channel: string;
  retention_s?: number | null;
  cmid?: string;
  by?: string;
}

/** Give a member another role. */
export interface SetRole {
  channel: string;
  user: string;
  role: Role;
  cmid?: string;
  by?: string;
}

/** What a role has of its own in this channel, from now on. */
export interface SetRoleCapabilities {
  channel: string;
  role: Role;
  grant?: readonly string[];
  deny?: readonly string[];
  cmid?: string;
  by?: string;
}

/** Set or (null) delete some keys. `user`: empty for one's own. */
export interface SetSettings {
  settings: Record<string, Json>;
  user?: string;
  cmid?: string;
  by?: string;
}

/** Seconds between two messages of one user; 0: none. */
export interface SetSlowMode {
  channel: string;
  seconds: number;
  cmid?: string;
  by?: string;
}

/** All of them. */
export interface SettingsAnswer {
  settings: Record<string, Json>;
}

/** What is otherwise from now on; null: gone. */
export interface SettingsChanged {
  t: "settings.changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  settings: Record<string, Json>;
}

/** Whose; empty: one's own. */
export interface SettingsRequest {
  user?: string;
}

/** `shown`: whether others are told. `seq` is where the channel stands; a sign has none. */
export interface SignGiven {
  seq: number;
  id: string;
  ts: string;
  dup?: boolean;
  rev?: number;
  shown: boolean;
}

/** Sign out everywhere but on the device `keep`. Only a server key may keep none. */
export interface SignOut {
  keep?: string;
  user?: string;
  cmid?: string;
  by?: string;
}

/** Another time, whether it has fired or not. */
export interface SnoozeReminder {
  user?: string;
  cmid?: string;
  by?: string;
  id: string;
  at: string | number;
}

/** The user is typing: shown for six seconds. */
export interface StartTyping {
  channel: string;
  thread?: string;
  cmid?: string;
  by?: string;
}

/** Which user. */
export interface StateRequest {
  user: string;
}

/** The user does not type any more. */
export interface StopTyping {
  channel: string;
  thread?: string;
  cmid?: string;
  by?: string;
}

/** `channels` by name. `more`: ask again for these. */
export interface SyncAnswer {
  channels: Record<string, SyncedChannel | GoneChannel>;
  more: readonly string[];
  user?: SyncedUser;
}

/** Positions are [epoch, seq]; ["", 0] for what the device does not have. `user`: of the own stream; null: leave it out. `by`: the user whom a server key asks for. */
export interface SyncRequest {
  user?: readonly [string, number] | null;
  channels?: Record<string, readonly [string, number]>;
  by?: string;
}

/** What brings a device to the present in one channel. `state`: `delta`: `events` are all that happened behind its position. `head`: too much happened; `events` are the newest ones and `gap` the seqs between (first, last) that are not here. `reset`: its position is worth nothing (another epoch, below the floor, or it has none); `gap` as before, from the floor on. Events are publications as the stream has them, rendered with current state. `figures`: what heads say of the channel to this user. `snapshot`: as the subscription gives it, absent in a delta. */
export interface SyncedChannel {
  epoch: string;
  seq: number;
  ts?: string;
  events?: readonly Event[];
  state: "delta" | "head" | "reset";
  gap?: readonly [number, number] | null;
  figures?: Figures;
  snapshot?: ChannelSnapshot;
}

/** What brings a device to the present in its user's own stream: the `events` behind its position, or (`reset`) the `snapshot` of the subscription. `listed`: channels that joined his list behind the position. */
export interface SyncedUser {
  epoch: string;
  seq: number;
  ts?: string;
  events?: readonly Event[];
  state: "delta" | "reset";
  snapshot?: UserSnapshot;
  listed?: readonly string[];
}

/** The message has its first reply (`features.threads`). */
export interface ThreadCreated {
  t: "thread.created";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  message_seq: number;
}

/** A thread in a list: its root, with figures. */
export interface ThreadLine {
  root: Message;
  following?: boolean;
}

/** How many threads' marks moved. */
export interface ThreadMarked {
  moved: number;
}

/** Replies ascending, each with its current state; an empty page is the end. `following`: the one who asks does. `more`: it is full by its bytes, before it had as many as were asked for. */
export interface ThreadPage {
  root: Message;
  messages: readonly Message[];
  following?: boolean;
  more?: boolean;
}

/** Replies in a thread; `id`: of its root, or of any message in it. At most one place: behind `after_seq` (0: the oldest), before `before_seq`, none: the newest. */
export interface ThreadRequest {
  channel: string;
  id: string;
  after_seq?: number | null;
  before_seq?: number | null;
  limit?: number;
}

/** What is unread in a thread. */
export interface ThreadUnread {
  root_seq: number;
  id: string;
  mark: number;
  unread: number;
  mentions: number;
}

/** A thread's figures (see Annotations), at most a second old. */
export interface ThreadUpdated {
  t: "thread.updated";
  id: string;
  cmid?: string;
  by?: string;
  ts?: string;
  message_seq: number;
  annotation_rev: number;
  replies: number;
  last_reply: string;
  last_reply_seq: number;
  participants: readonly string[];
}

/** The last replied to first. `next`: pass it as `before`; 0 at the end. */
export interface ThreadsPage {
  threads: readonly ThreadLine[];
  next?: number;
}

/** A channel's threads whose last reply is older than `before`. `followed`: only those that the one who asks follows. */
export interface ThreadsRequest {
  channel: string;
  before?: number;
  limit?: number;
  followed?: boolean;
}

/** A small picture of an attachment: a url or the id of a file; pixels. */
export interface Thumbnail {
  url?: string;
  file?: string;
  mime?: string;
  width?: number;
  height?: number;
}

export type Tier = "large" | "medium" | "small";

/** A mute that ends: `for_s` is needed. */
export interface TimeoutMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  for_s?: number | null;
  reason?: string;
  cmid?: string;
  by?: string;
}

/** Tokens of `user` issued before `before` (ms), or the token `jti`, are worth nothing. */
export interface TokenRevoked {
  t: "token.revoked";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  before: number;
  user?: string;
  jti?: string;
}

/** Over all joined channels that are not muted, and the threads that the user follows there. `channels`: how many have anything unread. */
export interface Total {
  unread: number;
  mentions: number;
  threads_unread: number;
  threads_mentions: number;
  channels: number;
}

/** Whose badge; empty: of the one who asks. */
export interface TotalRequest {
  user?: string;
}

/** Remove what lies before `before_seq`; 0: all that there is. It is named always, so that a misspelt one empties nothing. */
export interface TruncateChannel {
  channel: string;
  before_seq: number;
  cmid?: string;
  by?: string;
}

/** Which type; `version` 0: the newest. */
export interface TypeRequest {
  name: string;
  version?: number;
}

/** `next`: pass it as `after`; empty at the end. */
export interface TypesPage {
  types: readonly EventType[];
  next?: string;
}

/** A page by name, behind `after`. */
export interface TypesRequest {
  after?: string;
  limit?: number;
}

/** So many are typing in a channel that names nobody, 1,000 at most; told when it changed, and every five seconds. It holds for `expires_ms`. */
export interface TypingCounted {
  t: "typing.counted";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  count: number;
  expires_ms?: number;
}

/** The user `by` is typing, until that many milliseconds from now. */
export interface TypingStarted {
  t: "typing.started";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  expires_ms: number;
  thread?: string;
}

/** The user `by` does not type any more. */
export interface TypingStopped {
  t: "typing.stopped";
  id?: string;
  cmid?: string;
  by?: string;
  ts?: string;
  thread?: string;
}

/** As it was before. */
export interface UnarchiveChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** They may come again. */
export interface UnbanMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  cmid?: string;
  by?: string;
}

/** In again before the ban ends. */
export interface UnbanUser {
  user: string;
  cmid?: string;
  by?: string;
}

/** Hear of him again. */
export interface UnblockUser {
  blocked: string;
  user?: string;
  cmid?: string;
  by?: string;
}

/** Bring a deleted message back. */
export interface UndeleteMessage {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** Hear of them no more, until one replies again. */
export interface UnfollowThread {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** Everybody may speak again. */
export interface UnfreezeChannel {
  channel: string;
  cmid?: string;
  by?: string;
}

/** They may speak again. */
export interface UnmuteMembers {
  channel: string;
  users?: readonly string[];
  user?: string;
  cmid?: string;
  by?: string;
}

/** Put it away. */
export interface UnpinMessage {
  channel: string;
  id: string;
  cmid?: string;
  by?: string;
}

/** `next`: pass it as `before`; 0 at the end. */
export interface UnreadThreadsPage {
  threads: readonly ThreadUnread[];
  next?: number;
}

/** Threads that the asker follows, the newest root first, below the root `before`. `by`: the user for whom a server key asks. */
export interface UnreadThreadsRequest {
  channel: string;
  before?: number;
  limit?: number;
  by?: string;
}

/** Which vote: the own one, or that of `by` for a server key. */
export interface UnvoteRequest {
  channel: string;
  id: string;
  by?: string;
  cmid?: string;
}

/** Change what is given. */
export interface UpdateBookmark {
  user?: string;
  cmid?: string;
  by?: string;
  id: string;
  title?: string;
  note?: string;
  folder?: string;
}

/** Change what is given; null clears it. */
export interface UpdateChannel {
  channel: string;
  name?: string | null;
  data?: Json;
  public?: boolean;
  approval?: boolean;
  history?: HistoryRule;
  cmid?: string;
  by?: string;
}

/** Change what is given; `message` replaces the whole message. */
export interface UpdateSchedule {
  channel: string;
  id: string;
  at?: string | number;
  message?: Json;
  cmid?: string;
  by?: string;
}

/** Change what is given; null clears a field. `replace`: what is not given is cleared too. */
export interface UpdateUser {
  user?: string;
  name?: string | null;
  avatar?: string | null;
  data?: Json;
  replace?: boolean;
  cmid?: string;
  by?: string;
}

/** Who sees from now on when he is there, and when he was. */
export interface UserAudienceChanged {
  t: "user.audience_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  presence?: "contacts" | "everybody" | "nobody";
  last_seen?: "contacts" | "everybody" | "nobody";
}

/** In `#user`: banned from the app. `until`: RFC 3339; absent for ever. */
export interface UserBanned {
  t: "user.banned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  until?: string;
}

/** The user of this stream does not hear of him any more. */
export interface UserBlocked {
  t: "user.blocked";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  blocked: string;
}

/** First sight of a user. `guest_until`: RFC 3339; absent for a full user. */
export interface UserCreated {
  t: "user.created";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name?: string;
  avatar?: string;
  data?: Json;
  guest_until?: string;
}

/** In `#user`: he is deactivated. */
export interface UserDeactivated {
  t: "user.deactivated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** In `@app`: the whole state of a user. `banned_ms`: when the ban ends, 0 for none. */
export interface UserExclusionSet {
  t: "user.exclusion_set";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  user: string;
  deactivated?: boolean;
  banned_ms?: number;
}

/** `next`: pass it as `cursor`; empty at the end. */
export interface UserPage {
  users: readonly FoundUser[];
  next?: string;
}

/** What others see from now on. */
export interface UserPrivacyChanged {
  t: "user.privacy_changed";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  read: boolean;
  delivered: boolean;
  typing: boolean;
}

/** All that is given must hold. `prefix` of the id; `name`: how the name begins; `q`: words, or beginnings of words, of the name. `data`: fields of the custom data that have these values. `created_since`, `created_until`: RFC 3339 or ms, until excluded. `sort`: without it by matched word where there is `q`, else by id. `state`: for those who may exclude users. `guest`: only guests, or only full users; those whose time is over are found only by those who may exclude. */
export interface UserQuery {
  prefix?: string;
  name?: string;
  q?: string;
  guest?: boolean | null;
  data?: Record<string, Json>;
  state?: "active" | "any" | "banned" | "deactivated" | null;
  created_since?: string | number | null;
  created_until?: string | number | null;
  sort?: "created" | "id" | "match" | "name" | "newest" | null;
  limit?: number;
  cursor?: string;
}

/** In `#user`: he is active again. */
export interface UserReactivated {
  t: "user.reactivated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** Which user; empty: the one who asks. */
export interface UserRequest {
  user?: string;
}

/** All devices but `keep` are signed out; `tokens`: those they came with last. */
export interface UserSignedOut {
  t: "user.signed_out";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  keep?: string;
  tokens?: readonly string[];
}

/** What the subscription of a user's own stream gives: `presence` is what he chose. */
export interface UserSnapshot {
  user: string;
  profile: Profile | null;
  channels: readonly ListedChannel[];
  next: number;
  settings: Record<string, Json>;
  blocks?: readonly string[];
  limits: Limits;
  presence: string;
}

/** Times are RFC 3339. `banned` without `until`: for ever. */
export interface UserState {
  user: string;
  deactivated?: boolean;
  banned?: boolean;
  until?: string;
  since?: string;
  by?: string;
  reason?: string;
}

/** In `#user`: his ban was lifted. One that ends by itself tells nobody. */
export interface UserUnbanned {
  t: "user.unbanned";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
}

/** The user of this stream hears of him again. */
export interface UserUnblocked {
  t: "user.unblocked";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  blocked: string;
}

/** The whole profile as it is from now on. */
export interface UserUpdated {
  t: "user.updated";
  seq: number;
  id: string;
  cmid?: string;
  by: string;
  ts: string;
  name?: string;
  avatar?: string;
  data?: Json;
}

/** `differing`: number → the right hash, of blocks that the device has otherwise. `head`: the channel's last seq. The node adds `epoch`. */
export interface VerifyAnswer {
  differing: Record<string, string>;
  head: number;
}

/** `blocks`: number → the device's hash; "" asks for the hash. */
export interface VerifyRequest {
  channel: string;
  blocks: Record<string, string>;
  by?: string;
}

/** The whole choice: ids of options. None takes the vote back. */
export interface Vote {
  channel: string;
  id: string;
  options: readonly number[];
  cmid?: string;
  by?: string;
}

/** The figures after the vote, and the own choice. */
export interface Voted {
  rev: number;
  voters: number;
  votes: readonly number[];
  options: readonly number[];
}

/** Who, and since when he chooses it. */
export interface Voter {
  user: string;
  ts: string;
}

/** By user id. `next`: empty at the end. */
export interface VotersPage {
  voters: readonly Voter[];
  next?: string;
}

/** Who chose an option. `after`: the last user of the page before. */
export interface VotersRequest {
  channel: string;
  id: string;
  option: number;
  after?: string;
  limit?: number;
}

/** The one who asked does not want to any more. */
export interface WithdrawRequest {
  channel: string;
  cmid?: string;
  by?: string;
}

export type Event = BookmarkAdded | BookmarkRemoved | BookmarkUpdated | ChannelAdded | ChannelArchived | ChannelCapabilitiesChanged | ChannelCreated | ChannelDeleted | ChannelFrozen | ChannelHidden | ChannelInvited | ChannelKindChanged | ChannelMuted | ChannelPromoted | ChannelRemoved | ChannelRenamed | ChannelRequestDeclined | ChannelRetentionChanged | ChannelRoleChanged | ChannelSlowModeChanged | ChannelSorted | ChannelTierChanged | ChannelTruncated | ChannelUnarchived | ChannelUnfrozen | ChannelUnhidden | ChannelUnmuted | ChannelUpdated | CounterChanged | CounterDeleted | CounterSet | DeviceAdded | DeviceRemoved | DraftCleared | DraftUpdated | EventSent | EventTypeDeleted | EventTypeRegistered | GuestConverted | MemberBanned | MemberCapabilitiesChanged | MemberInvited | MemberJoinRequested | MemberJoined | MemberLeft | MemberMuted | MemberRemoved | MemberRequestDeclined | MemberRequestWithdrawn | MemberRoleChanged | MemberUnbanned | MemberUnmuted | MessageBulkDeleted | MessageCreated | MessageDeleted | MessagePinned | MessageScheduleFailed | MessageScheduled | MessageUndeleted | MessageUnpinned | MessageUnscheduled | MessageUpdated | MetadataChanged | MetadataDeleted | PollClosed | PollOptionAdded | PollVoted | PresenceChosen | ReactionAdded | ReactionRemoved | ReminderCancelled | ReminderCreated | ReminderFired | ReminderSnoozed | SettingsChanged | ThreadCreated | TokenRevoked | UserAudienceChanged | UserBanned | UserBlocked | UserCreated | UserDeactivated | UserExclusionSet | UserPrivacyChanged | UserReactivated | UserSignedOut | UserUnbanned | UserUnblocked | UserUpdated | MessageHidden;

export type Signal = PresenceCounted | TypingCounted | TypingStarted | TypingStopped | ThreadUpdated | ReactionCounted | PollCounted | ReceiptsMoved | ReceiptsCounted | Presence | Heads;

export interface Verbs {
  /** Who is banned. */
  "bans.list": { request: SanctionsRequest; answer: SanctionsPage };
  /** Whom one blocks. */
  "block.list": { request: BlocksRequest; answer: BlockList };
  /** Keep a message or a link. */
  "bookmark.add": { request: AddBookmark; answer: Done };
  /** The folders. */
  "bookmark.folders": { request: FoldersRequest; answer: FoldersPage };
  /** A page of them. */
  "bookmark.list": { request: BookmarksRequest; answer: BookmarksPage };
  /** Keep it no more. */
  "bookmark.remove": { request: RemoveBookmark; answer: Done };
  /** Change title, note, folder. */
  "bookmark.update": { request: UpdateBookmark; answer: Done };
  /** What a user or a role may do in a channel, and what says so. */
  "capabilities.get": { request: CapabilitiesRequest; answer: CapabilitiesAnswer };
  /** Read only from now on. */
  "channel.archive": { request: ArchiveChannel; answer: Done };
  /** Create a channel. */
  "channel.create": { request: NewChannelRequest; answer: Opened };
  /** End a channel for all. */
  "channel.delete": { request: DeleteChannel; answer: Done };
  /** Let only staff speak. */
  "channel.freeze": { request: FreezeChannel; answer: Done };
  /** A channel, and what holds. */
  "channel.get": { request: ChannelRequest; answer: ChannelInfo };
  /** The dm with another user. */
  "channel.open": { request: OpenRequest; answer: Opened };
  /** dm to group, group to open. */
  "channel.promote": { request: PromoteChannel; answer: Done };
  /** Own channels, as wanted. */
  "channel.query": { request: ChannelQuery; answer: QueryPage };
  /** What is kept. */
  "channel.retention": { request: RetentionRequest; answer: RetentionInfo };
  /** Grant or deny a role in a channel. */
  "channel.set_capabilities": { request: SetRoleCapabilities; answer: Done };
  /** Hide, mute, archive or favour a channel in the own list. */
  "channel.set_mine": { request: MineRequest; answer: Done };
  /** How long it is kept. */
  "channel.set_retention": { request: SetRetention; answer: Done };
  /** Set or end slow mode. */
  "channel.set_slow_mode": { request: SetSlowMode; answer: Done };
  /** Remove what was said. */
  "channel.truncate": { request: TruncateChannel; answer: Done };
  /** As it was before. */
  "channel.unarchive": { request: UnarchiveChannel; answer: Done };
  /** Let everybody speak. */
  "channel.unfreeze": { request: UnfreezeChannel; answer: Done };
  /** Change name, data, openness. */
  "channel.update": { request: UpdateChannel; answer: Done };
  /** Remove a counter. */
  "counter.delete": { request: DeleteCounter; answer: Done };
  /** Where counters stand. */
  "counter.get": { request: CountersRequest; answer: Counters };
  /** Move within bounds. */
  "counter.increment": { request: IncrementCounter; answer: Counted };
  /** Define a counter and its bounds. */
  "counter.set": { request: SetCounter; answer: Done };
  /** Own devices. */
  "devices.list": { request: DevicesRequest; answer: DevicesAnswer };
  /** Sign a device out. */
  "devices.remove": { request: RemoveDevice; answer: Done };
  /** Public channels. */
  "directory.list": { request: DirectoryRequest; answer: DirectoryPage };
  /** Keep it no more. */
  "draft.clear": { request: ClearDraft; answer: DraftDone };
  /** All that was begun. */
  "draft.list": { request: DraftsRequest; answer: DraftsPage };
  /** Keep what was begun. */
  "draft.set": { request: SetDraft; answer: DraftDone };
  /** Publish to a raw channel. */
  "event.publish": { request: PublishEvent; answer: Done };
  /** Send an event of an own type. */
  "event.send": { request: SendEventRequest; answer: Done };
  /** Send nothing of it any more. */
  "event_type.delete": { request: DeleteType; answer: Done };
  /** A type and its schema. */
  "event_type.get": { request: TypeRequest; answer: EventType };
  /** The app's own types. */
  "event_type.list": { request: TypesRequest; answer: TypesPage };
  /** A schema's version. */
  "event_type.register": { request: RegisterType; answer: Registered };
  /** A guest becomes a full user. */
  "guest.convert": { request: ConvertGuest; answer: Done };
  /** A page of messages. */
  "history.get": { request: HistoryRequest; answer: HistoryPage };
  /** How far a job is. */
  "jobs.get": { request: JobRequest; answer: JobInfo };
  /** Who waits. */
  "join_requests.list": { request: RequestsRequest; answer: RequestsPage };
  /** All channels are read. */
  "mark.all_read": { request: TotalRequest; answer: AllRead };
  /** What a device has, by channel. */
  "mark.delivered": { request: DeliveredRequest; answer: Delivered };
  /** All up to a seq is read. */
  "mark.read": { request: MarkRead; answer: Marked };
  /** All from a seq on is unread. */
  "mark.unread": { request: MarkUnread; answer: Marked };
  /** Let them in. */
  "member.accept_request": { request: AcceptRequest; answer: Done };
  /** Make people members (server keys). */
  "member.add": { request: AddMembers; answer: Done };
  /** Add up to 10,000 members. */
  "member.add_job": { request: AddJobRequest; answer: JobStarted };
  /** Ban users, for a time or for ever. */
  "member.ban": { request: BanMembers; answer: Done };
  /** Do not let them in. */
  "member.decline_request": { request: DeclineRequest; answer: Done };
  /** Ask people in. */
  "member.invite": { request: InviteMembers; answer: Done };
  /** Accept, or enter a public group; in an open channel `role` stays `none`. */
  "member.join": { request: JoinChannel; answer: Done };
  /** Leave, or decline. */
  "member.leave": { request: LeaveChannel; answer: Done };
  /** Let users read, and say nothing. */
  "member.mute": { request: MuteMembers; answer: Done };
  /** Remove members. */
  "member.remove": { request: RemoveMembers; answer: Done };
  /** Ask to be let in. */
  "member.request_join": { request: RequestJoin; answer: Done };
  /** Grant or deny a user in a channel. */
  "member.set_capabilities": { request: SetMemberCapabilities; answer: Done };
  /** Change a member's role. */
  "member.set_role": { request: SetRole; answer: Done };
  /** Mute users for a time. */
  "member.timeout": { request: TimeoutMembers; answer: Done };
  /** Let banned users come again. */
  "member.unban": { request: UnbanMembers; answer: Done };
  /** Let muted users speak again. */
  "member.unmute": { request: UnmuteMembers; answer: Done };
  /** Ask no more. */
  "member.withdraw_request": { request: WithdrawRequest; answer: Done };
  /** A page of members. */
  "members.list": { request: MembersRequest; answer: MembersPage };
  /** 2 to 100 of them. */
  "message.bulk_delete": { request: DeleteMessages; answer: BulkDeleted };
  /** Leave a tombstone. */
  "message.delete": { request: DeleteMessage; answer: Done };
  /** All of an author. */
  "message.delete_by": { request: DeleteMessagesBy; answer: BulkDeleted };
  /** Change an own message. */
  "message.edit": { request: EditMessage; answer: Done };
  /** What it said before. */
  "message.edits": { request: MessageRequest; answer: RevisionsPage };
  /** When a message ends. */
  "message.expire": { request: ExpireMessage; answer: Done };
  /** Copy it elsewhere. */
  "message.forward": { request: ForwardRequest; answer: Done };
  /** One message by its id. */
  "message.get": { request: MessageRequest; answer: Message };
  /** Where it stands. */
  "message.locate": { request: LocateRequest; answer: Location };
  /** Keep it at hand. */
  "message.pin": { request: PinMessage; answer: Done };
  /** Send a message. */
  "message.send": { request: SendMessage; answer: Done };
  /** Bring it back. */
  "message.undelete": { request: UndeleteMessage; answer: Done };
  /** Put it away. */
  "message.unpin": { request: UnpinMessage; answer: Done };
  /** Up to 100 by ids. */
  "messages.get": { request: MessagesRequest; answer: MessagesFound };
  /** Forget a value. */
  "metadata.delete": { request: DeleteMetadata; answer: Done };
  /** Values and revisions. */
  "metadata.get": { request: MetadataRequest; answer: MetadataPage };
  /** Set a value under a key. */
  "metadata.set": { request: SetMetadata; answer: Revised };
  /** Who is muted. */
  "mutes.list": { request: SanctionsRequest; answer: SanctionsPage };
  /** The pins of a channel. */
  "pin.list": { request: PinsRequest; answer: PinsPage };
  /** One more option. */
  "poll.add_option": { request: AddOption; answer: Done };
  /** No more votes. */
  "poll.close": { request: ClosePoll; answer: Done };
  /** A message with a poll. */
  "poll.create": { request: CreatePoll; answer: Done };
  /** A poll as it stands, and the own vote. */
  "poll.get": { request: PollRequest; answer: PollPage };
  /** Take the vote back. */
  "poll.unvote": { request: UnvoteRequest; answer: Voted };
  /** The whole choice; it replaces the last one. */
  "poll.vote": { request: Vote; answer: Voted };
  /** Who chose an option. */
  "poll.voters": { request: VotersRequest; answer: VotersPage };
  /** How many are in a room. */
  "presence.counts": { request: RoomRequest; answer: RoomCounts };
  /** How users are seen. */
  "presence.get": { request: PresenceRequest; answer: PresenceAnswer };
  /** Online, away, busy, invisible. */
  "presence.set": { request: SetPresence; answer: PresenceSet };
  /** Users on the screen: what changes of them is pushed, once a second. */
  "presence.watch": { request: PresenceRequest; answer: PresenceAnswer };
  /** What others see of a user. */
  "privacy.get": { request: PrivacyRequest; answer: Privacy };
  /** Show or hide receipts, typing, presence. */
  "privacy.set": { request: SetPrivacy; answer: Done };
  /** Choose a kind. */
  "reaction.add": { request: AddReaction; answer: Reacted };
  /** Who chose what. */
  "reaction.list": { request: ReactionsRequest; answer: ReactionsPage };
  /** Take it back. */
  "reaction.remove": { request: RemoveReaction; answer: Reacted };
  /** Read by how many of how many. */
  "receipts.get": { request: ReceiptsRequest; answer: ReceiptsPage };
  /** By whom, in pages. */
  "receipts.readers": { request: ReadersRequest; answer: ReadersPage };
  /** Messages on the screen: their counts are pushed as they change. */
  "receipts.watch": { request: ReceiptsRequest; answer: Nothing };
  /** Not at all. */
  "reminder.cancel": { request: CancelReminder; answer: Done };
  /** Be told of something later. */
  "reminder.create": { request: CreateReminder; answer: Done };
  /** All of them. */
  "reminder.list": { request: RemindersRequest; answer: RemindersPage };
  /** At another time. */
  "reminder.snooze": { request: SnoozeReminder; answer: Done };
  /** Take it back. */
  "schedule.cancel": { request: CancelSchedule; answer: Done };
  /** Send it later. */
  "schedule.create": { request: CreateSchedule; answer: ScheduledDone };
  /** What waits. */
  "schedule.list": { request: SchedulesRequest; answer: SchedulesPage };
  /** Send it at once. */
  "schedule.send_now": { request: SendScheduled; answer: Done };
  /** Change it. */
  "schedule.update": { request: UpdateSchedule; answer: ScheduledDone };
  /** What is on the screen now. */
  "screen.set": { request: ScreenRequest; answer: Nothing };
  /** By their words. */
  "search.messages": { request: SearchRequest; answer: SearchPage };
  /** Live connections. */
  "sessions.list": { request: DevicesRequest; answer: SessionsAnswer };
  /** Sign out everywhere else. */
  "sessions.sign_out": { request: SignOut; answer: Done };
  /** All own settings. */
  "settings.get": { request: SettingsRequest; answer: SettingsAnswer };
  /** Set keys for all own devices. */
  "settings.set": { request: SetSettings; answer: Done };
  /** Everything since a device's positions. */
  "sync": { request: SyncRequest; answer: SyncAnswer };
  /** Is a cache identical? */
  "sync.verify": { request: VerifyRequest; answer: VerifyAnswer };
  /** Hear of its replies. */
  "thread.follow": { request: FollowThread; answer: Done };
  /** A page of replies. */
  "thread.get": { request: ThreadRequest; answer: ThreadPage };
  /** Threads of a channel. */
  "thread.list": { request: ThreadsRequest; answer: ThreadsPage };
  /** A thread is read up to a seq. */
  "thread.read": { request: ReadThread; answer: ThreadMarked };
  /** Hear of them no more. */
  "thread.unfollow": { request: UnfollowThread; answer: Done };
  /** What is unread in the threads that one follows. */
  "thread.unread": { request: UnreadThreadsRequest; answer: UnreadThreadsPage };
  /** All threads are read. */
  "threads.read_all": { request: ReadThreads; answer: ThreadMarked };
  /** Say that one is typing. */
  "typing.start": { request: StartTyping; answer: SignGiven };
  /** Say that one has stopped. */
  "typing.stop": { request: StopTyping; answer: SignGiven };
  /** Which messages count as unread, and why (server keys). */
  "unread.explain": { request: ExplainRequest; answer: Explanation };
  /** The badge over all channels. */
  "unread.total": { request: TotalRequest; answer: Total };
  /** Ban a user from the app. */
  "user.ban": { request: BanUser; answer: Done };
  /** Hear no more of a user. */
  "user.block": { request: BlockUser; answer: Done };
  /** A page of own channels. */
  "user.channels": { request: ListRequest; answer: ListPage };
  /** Put a user out of the app. */
  "user.deactivate": { request: DeactivateUser; answer: Done };
  /** The public profile of a user. */
  "user.get": { request: UserRequest; answer: Profile };
  /** Users by what is known of them. */
  "user.query": { request: UserQuery; answer: UserPage };
  /** Let him in again. */
  "user.reactivate": { request: ReactivateUser; answer: Done };
  /** Is a user excluded, and why. */
  "user.state": { request: StateRequest; answer: UserState };
  /** End a ban from the app. */
  "user.unban": { request: UnbanUser; answer: Done };
  /** Hear of him again. */
  "user.unblock": { request: UnblockUser; answer: Done };
  /** Change the own profile. */
  "user.update": { request: UpdateUser; answer: Done };
}

/** What a listener hears. */
export type Heard = Event | Signal;

/** Lists that go on over pages: a row of each. */
export interface Lists {
  "bans.list": SanctionsPage["sanctions"][number];
  "bookmark.list": BookmarksPage["bookmarks"][number];
  "channel.query": QueryPage["channels"][number];
  "directory.list": DirectoryPage["channels"][number];
  "draft.list": DraftsPage["drafts"][number];
  "event_type.list": TypesPage["types"][number];
  "join_requests.list": RequestsPage["requests"][number];
  "members.list": MembersPage["members"][number];
  "mutes.list": SanctionsPage["sanctions"][number];
  "poll.voters": VotersPage["voters"][number];
  "reaction.list": ReactionsPage["reactors"][number];
  "receipts.readers": ReadersPage["readers"][number];
  "reminder.list": RemindersPage["reminders"][number];
  "schedule.list": SchedulesPage["schedules"][number];
  "search.messages": SearchPage["hits"][number];
  "thread.list": ThreadsPage["threads"][number];
  "thread.unread": UnreadThreadsPage["threads"][number];
  "unread.explain": Explanation["messages"][number];
  "user.channels": ListPage["channels"][number];
  "user.query": UserPage["users"][number];
}
