// What one user knows: the channels of the list, and the messages of each opened channel. Pure.
//
// Rules:
// 1. Messages are merged by id and ordered by seq; of two states of one message the higher `rev` wins,
//    so that pages, recovered and live events may come in any order, and twice.
// 2. An own message that is not stored yet shows behind all stored ones and gives way to the stored
//    message with its cmid.
// 3. Unread figures are the server's. Only the opened channel's, which it says nothing about, is read
//    off its messages.

import { ANNOTATING, annotate, takeAnnotations, takePoll } from "./annotations.js";
import { isHidden } from "./marking.js";
import { Receipts } from "./receipts.js";

const CHANGES = new Set(["message.updated", "message.deleted", "message.undeleted"]);
const LATE_MAX = 500;

/** Messages of one channel, or of one of its threads: an unbroken run that ends at the newest. */
export class Room {
  /** `thread`: the id of its first message. */
  constructor(channel, user, thread = "") {
    this.channel = channel;
    this.user = user;
    this.thread = thread;
    this.reset();
  }

  /** Forgets all messages: the run is broken. */
  reset() {
    this.messages = []; // ascending by seq
    this.byId = new Map();
    this.late = new Map(); // id → the newest change of a message that is not here (yet)
    this.head = 0; // the highest seq heard of
    this.isLoaded = false;
    this.atStart = false;
    this.mark = 0;
    this.rev = 0; // how often the mark was moved back
    this.newAfter = 0; // messages of others behind it were new when the channel was opened
    this.members = 0;
    this.frozen = false;
    this.slow = 0; // seconds between two messages of one user
    this.muted = 0; // until when the user is, in ms
    this.receipts = new Receipts(this.user);
  }

  /**
   * The channel as a subscription describes it.
   * @param {any} [snapshot]
   */
  take({ channel: info, muted } = {}) {
    if (!info) return;
    this.muted = endMs(muted);
    this.members = info.members ?? this.members;
    this.frozen = Boolean(info.frozen);
    this.slow = info.slow_mode_s ?? 0;
  }

  get oldestSeq() {
    return this.messages[0]?.seq ?? 0;
  }

  get last() {
    return this.messages.at(-1);
  }

  /** Takes over an older run of the same channel that reaches up to this one: they are one now. */
  join(older) {
    this.merge(older.messages);
    this.atStart ||= older.atStart;
  }

  /** Takes messages in their current state: a page, or one event. Returns those that are new here. */
  merge(messages) {
    const fresh = [];
    for (const message of messages) {
      const known = this.byId.get(message.id);
      if (!known) fresh.push(this.#insert(message));
      else {
        if ((message.rev ?? 0) > (known.rev ?? 0)) this.#change(known, message);
        takeAnnotations(known, message);
        takePoll(known, message);
      }
    }
    return fresh;
  }

  /** Where the mark stands, if its user has moved it back: here, or on another device. */
  remark(mark, rev = 0) {
    if (rev <= this.rev) return;
    this.mark = mark;
    this.rev = rev;
  }

  /** The first page, newest messages. `atStart`: there is nothing older. */
  load(messages, head, atStart) {
    this.merge(messages);
    this.head = Math.max(this.head, head);
    this.isLoaded = true;
    this.atStart ||= atStart;
  }

  /** One publication's data. Returns a message that is new here, if it brought one. */
  apply(data) {
    this.head = Math.max(this.head, data.seq ?? 0);
    this.receipts.apply(data);
    if (ANNOTATING.has(data.t)) {
      const message = this.byId.get(data.id);
      if (message) annotate(message, data, this.user);
    } else if (data.t === "message.created") {
      return this.#holds(data) ? this.merge([data])[0] : undefined;
    }
    this.#bound(data);
    if (data.t === "message.bulk_deleted") {
      for (const one of data.messages) this.apply({ ...one, t: "message.deleted" });
    } else if (CHANGES.has(data.t)) {
      const edited = data.t !== "message.undeleted" || Boolean(data.edited);
      const change = { ...data, deleted: data.deleted || data.t === "message.deleted", edited };
      const known = this.byId.get(data.id);
      if (!known) this.#keepLate(change);
      else if (change.rev > (known.rev ?? 0)) this.#change(known, change);
    }
    return undefined;
  }

  /** Messages of others behind the mark that are not deleted, of those loaded; of who is blocked none counts. */
  unread() {
    const counts = (m) => m.seq > this.mark && m.by !== this.user && !isHidden(m) && !m.deleted && !m.silent && !m.kind;
    return this.messages.filter(counts).length;
  }

  /** What to show: stored messages with the changes on their way, one in place of a run of hidden ones; then what is
   *  not stored yet. */
  view(entries) {
    const changes = new Map();
    const stored = new Set();
    for (const message of this.messages) if (message.by === this.user && message.cmid) stored.add(message.cmid);
    const waiting = [];
    for (const entry of entries) {
      if (entry.kind !== "send") changes.set(entry.id, entry);
      else if (!stored.has(entry.cmid) && this.#holds(entry.more ?? {})) waiting.push(this.#unsent(entry));
    }
    const inView = this.messages.filter((message, n) => !isHidden(message) || !n || !isHidden(this.messages[n - 1]));
    const shown = inView.map((message) => {
      const change = changes.get(message.id);
      if (!change || message.deleted) {
        const receipt = message.by === this.user && !message.deleted ? this.receipts.of(message.seq) : undefined;
        return { ...message, key: keyOf(message), status: "stored", receipt };
      }
      const text = change.kind === "edit" ? change.text : message.text;
      return { ...message, text, key: keyOf(message), status: change.status, entry: change };
    });
    return [...shown, ...waiting];
  }

  /** Whether a message stands here: a reply that stands in its thread alone is not in the channel, as in history. */
  #holds({ thread, also_in_channel: also }) {
    return this.thread ? thread === this.thread : !thread || Boolean(also);
  }

  #unsent(entry) {
    const ts = new Date(entry.made).toISOString();
    const { cmid, text, status, quote } = entry;
    const message = { cmid, by: this.user, ts, text, quote, status, entry };
    return { ...message, key: keyOf(message) };
  }

  #insert(message) {
    const copy = { ...message };
    const change = this.late.get(message.id);
    if (change && change.rev > (copy.rev ?? 0)) this.#change(copy, change);
    this.late.delete(message.id);
    let place = this.messages.length;
    while (place > 0 && this.messages[place - 1].seq > copy.seq) place--;
    this.messages.splice(place, 0, copy);
    this.byId.set(copy.id, copy);
    this.head = Math.max(this.head, copy.seq);
    return copy;
  }

  #change(message, { rev, text = "", data, deleted = false, edited = false }) {
    Object.assign(message, { rev, text: deleted ? "" : text, data: deleted ? undefined : data, deleted, edited });
  }

  /** What holds for who writes here changed. */
  #bound({ t, seconds, users, until }) {
    if (t === "channel.frozen" || t === "channel.unfrozen") this.frozen = t === "channel.frozen";
    else if (t === "channel.slow_mode_changed") this.slow = seconds;
    else if (t === "member.unmuted" && users.includes(this.user)) this.muted = 0;
    else if (t === "member.muted" && users.includes(this.user)) this.muted = endMs(until ?? "");
  }

  #keepLate(change) {
    const old = this.late.get(change.id);
    if (old && old.rev >= change.rev) return;
    if (this.late.size >= LATE_MAX) this.late.delete(this.late.keys().next().value);
    this.late.set(change.id, change);
  }
}

/** When a mute ends, in ms: it has no end, or there is none. */
function endMs(until) {
  return until ? Date.parse(until) : until === "" ? Infinity : 0;
}

/**
 * One and the same for a message before and after it is stored.
 * @param {{by: string, cmid?: string, id?: string}} message
 */
export function keyOf({ by, cmid, id }) {
  return cmid ? `${by}/${cmid}` : id;
}

/** The rows of a timeline: days, the "new" line, and messages with where a run of one author begins. `underRoot`:
 *  the first message is a thread's, and these words stand between it and the replies. */
export function timeline(messages, { dayOf, user, newAfter = 0, gapMs = 300_000, underRoot = "" }) {
  const rows = [];
  let day = "";
  let before = null;
  let lineDrawn = newAfter === 0;
  for (const message of messages) {
    const ms = Date.parse(message.ts);
    const today = dayOf(ms);
    let broken = before === null;
    if (today !== day) {
      rows.push({ type: "day", key: `day ${today}`, ms });
      day = today;
      broken = true;
    }
    if (!lineDrawn && message.seq > newAfter && message.by !== user) {
      rows.push({ type: "new", key: "new" });
      lineDrawn = true;
      broken = true;
    }
    const starts = broken || before.by !== message.by || ms - Date.parse(before.ts) > gapMs;
    rows.push({ type: "message", key: message.key, message, starts, ms });
    before = message;
    if (underRoot && rows.length <= 2) {
      rows.push({ type: "replies", key: "replies", words: underRoot });
      before = null;
    }
  }
  return rows;
}

// What the server leaves out of a row.
const NOTHING_SET = { hidden: "no", hidden_seq: 0, muted: false, archived: false, favourite: false };

/** The channels of a user's list. */
export class ChannelList {
  constructor(user) {
    this.user = user;
    this.hidden = new Map(); // channel → row of one that is not shown
    this.rows = new Map(); // channel → {channel, kind, state, role, name, peer, seq, ms, preview, unread}
  }

  /** The list as it came with a connection: what is not in it is not ours any more. */
  replace(channels) {
    const old = new Map([...this.hidden, ...this.rows]);
    this.rows = new Map();
    this.hidden = new Map();
    channels.forEach((row, place) => this.#put({ ...old.get(row.channel), ...NOTHING_SET, place: -place, ...row }));
  }

  /** More of the list: older entries of a long one. */
  extend(channels) {
    channels.forEach((row) => this.#put({ place: -this.rows.size, ...this.of(row.channel), hidden: "no", ...row }));
  }

  /** A channel's row, shown or not. */
  of(channel) {
    return this.rows.get(channel) ?? this.hidden.get(channel);
  }

  drop(channel) {
    return [this.rows, this.hidden].map((rows) => rows.delete(channel)).some(Boolean);
  }

  /** One publication of the user's own stream. Returns whether anything changed. */
  apply(data) {
    const row = this.of(data.channel);
    switch (data.t) {
      case "channel.added":
        this.#put({ ...row, ...listed(data), hidden: data.hidden ?? row?.hidden, state: "joined", place: data.seq, ms: row?.ms || Date.parse(data.ts) });
        return true;
      case "channel.invited":
        this.#put({ ...row, ...listed(data), state: "invited", place: data.seq, ms: Date.parse(data.ts) });
        return true;
      case "channel.role_changed":
        if (row) row.role = data.role;
        return Boolean(row);
      case "channel.muted":
      case "channel.unmuted":
        if (row) row.muted = data.t === "channel.muted";
        return Boolean(row);
      case "channel.sorted":
        if (row) Object.assign(row, { archived: Boolean(data.archived), favourite: Boolean(data.favourite) });
        return Boolean(row);
      case "channel.hidden":
      case "channel.unhidden":
        if (row) this.#put(Object.assign(row, { hidden: data.hidden ?? "no", hidden_seq: data.up_to ?? 0 }));
        return Boolean(row);
      case "channel.removed":
        return this.drop(data.channel);
      case "heads":
        for (const [channel, head] of Object.entries(data.heads)) this.head(channel, head);
        return true;
      default:
        return false;
    }
  }

  /** Where a channel stands: its last message, if the head shows one, and the unread figure. */
  head(channel, { seq, ts, preview, unread, mentions, mark, threads }) {
    const row = this.of(channel);
    if (!row) return;
    row.seq = Math.max(row.seq ?? 0, seq);
    if (preview) this.preview(channel, preview);
    else if (!row.ms && ts) row.ms = Date.parse(ts);
    if (unread !== undefined) row.unread = unread;
    if (mentions !== undefined) row.mentions = mentions;
    if (mark !== undefined) row.mark = mark;
    if (threads !== undefined) row.threads = threads;
  }

  /** The last message of a channel, unless a newer one is known. */
  preview(channel, message) {
    const row = this.of(channel);
    const old = row?.preview;
    if (!row || (old && old.seq > message.seq)) return;
    if (old && old.seq === message.seq && (old.rev ?? 0) > (message.rev ?? 0)) return;
    row.preview = message;
    row.ms = Date.parse(message.ts);
    if (this.hidden.has(channel)) this.#put(row);
  }

  /** Favourites and invitations, then most recent first; the archive behind all others. */
  sorted() {
    const order = (a, b) => (b.ms ?? 0) - (a.ms ?? 0) || (b.place ?? 0) - (a.place ?? 0);
    const rank = (row) => (row.archived ? 1 : row.favourite || row.state === "invited" ? -1 : 0);
    return [...this.rows.values()].sort((a, b) => rank(a) - rank(b) || order(a, b));
  }

  /** Of all that is neither muted nor archived. */
  get unread() {
    let sum = 0;
    for (const row of this.rows.values()) if (!row.muted && !row.archived) sum += row.unread ?? 0;
    return sum;
  }

  /** Of the threads that one follows: {unread, mentions}, or null where there are none. */
  get threads() {
    const rows = [...this.rows.values()].filter((row) => row.threads);
    const sum = (what) => rows.reduce((total, row) => total + (row.threads[what] ?? 0), 0);
    return rows.length ? { unread: sum("unread"), mentions: sum("mentions") } : null;
  }

  /** What is hidden is not among the rows: for good, or until a message comes after the last one there was. */
  #put(row) {
    const isHidden = row.hidden === "for_good" || (row.hidden === "until_message" && (row.preview?.seq ?? 0) <= row.hidden_seq);
    this.drop(row.channel);
    (isHidden ? this.hidden : this.rows).set(row.channel, row);
  }
}

function listed({ channel, kind, role = "invited", name = "", peer = "" }) {
  return { channel, kind, role, name, peer };
}
