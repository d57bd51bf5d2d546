// One signed-in user: his connection, his list, his opened channel, what he wrote. No DOM.
//
// Rules:
// 1. Only the opened channel is subscribed. A closed one keeps its messages and its position, so that
//    opening it again fetches what was missed and nothing else.
// 2. Subscribe first, then load the newest page: what comes in between is merged by id.
// 3. `changed(what)` tells the page: "list", "room", "state", "names"; `arrived(message)` a new message
//    of somebody else in the opened channel; `said(words)` why something could not be done.
// 4. What is said to the server without a person's doing is `telling`'s.
//
// Long because what the connection says touches the list, the opened channel and its thread at once.

import { Client, ONLINE, Outbox, Refused, NoAnswer } from "/static/hubbub.js";
import { Drafts } from "./drafts.js";
import { People } from "./people.js";
import { Reading } from "./reading.js";
import { placed, Signs } from "./signs.js";
import { ChannelList, Room } from "./store.js";
import { Telling } from "./telling.js";
import { t, told } from "./words.js";

/** Display names of users: as given until the user's profile, asked for once, says it. */
export class Names {
  constructor(given = []) {
    this.names = new Map(given);
    this.asked = new Set();
    this.listeners = new Set();
  }

  of(user) {
    return this.names.get(user) || user || "";
  }

  set(user, name) {
    this.asked.add(user);
    if (this.names.get(user) === name) return;
    this.names.set(user, name);
    for (const changed of this.listeners) changed();
  }
}

/** Says why not in the reader's language. */
class Speaking extends Client {
  async rpc(method, data) {
    try {
      return await super.rpc(method, data);
    } catch (error) {
      throw inWords(error);
    }
  }
}

function inWords(error) {
  error.message = error instanceof NoAnswer ? t("No connection. Try again.") : told(`error ${error.code}`, error.message);
  return error;
}

export class Session {
  /** `on`: {changed(what), arrived(message), drafted(place), said(words), reminded(event)}; `parts`: what Client and Outbox take from outside. */
  constructor({ user, token, names, on, parts }) {
    this.user = user;
    this.names = names;
    this.on = on;
    names.listeners.add(() => on.changed("names"));
    this.list = new ChannelList(user);
    this.rooms = new Map(); // channel → Room
    this.positions = new Map(); // channel → position of a closed one
    this.room = null;
    this.role = "";
    this.problem = ""; // why the opened channel cannot be read
    this.isLooking = false; // at the end of the opened channel
    this.isListed = false; // the list came at least once
    this.blocked = new Set();
    this.choice = "online"; // how the user wants to be seen
    /** @type {import("./threading.js").Threading | null} the opened thread of the opened channel */
    this.thread = null;
    this.timers = parts.timers ?? globalThis;
    this.client = new Speaking({ ...parts, name: "chat-page", token, on: this.#handlers() });
    this.outbox = new Outbox({
      ...parts,
      user,
      rpc: (method, data) => this.client.rpc(method, data),
      changed: (entry, answer) => this.#confirmed(entry, answer),
    });
    const changed = (what) => on.changed(what);
    this.people = new People({
      ask: (users) => this.#quiet("presence.watch", { users }),
      changed: () => (changed("list"), changed("room")),
    });
    this.signs = new Signs({
      tell: (verb, place) => this.#quiet(verb, placed(place)),
      changed: () => (changed("list"), changed("room")),
      now: parts.now,
      timers: this.timers,
    });
    const reads = {
      changed: () => changed("room"),
      loaded: (room) => this.#loaded(room),
      refused: (room, words) => room === this.room && (this.problem = words),
    };
    this.drafts = new Drafts({
      ...parts,
      user,
      tried: (verb, data) => this.tried(verb, data),
      changed: (place) => (on.drafted(place), changed("list")),
    });
    this.reading = new Reading({ client: this.client, on: reads, timers: this.timers });
    this.telling = new Telling(this, (verb, data) => this.#quiet(verb, data));
  }

  /** What is shown of the opened channel: its newest messages, or a place far back. */
  get shown() {
    return this.reading.past ?? this.room;
  }

  start() {
    this.client.start();
  }

  stop() {
    this.client.stop();
    this.outbox.online(false);
  }

  // --- what the page asks for

  /** Opens a channel: its messages, live from now on. */
  open(channel) {
    if (this.room?.channel === channel) return;
    this.close();
    let room = this.rooms.get(channel);
    if (!room) this.rooms.set(channel, (room = new Room(channel, this.user)));
    this.room = room;
    this.problem = "";
    room.newAfter = 0;
    if (this.list.of(channel)?.state !== "invited") this.client.subscribe(channel, this.positions.get(channel));
    this.on.changed("room");
    this.on.changed("list");
  }

  close() {
    if (!this.room) return;
    const { channel } = this.room;
    this.thread = null;
    const position = this.client.unsubscribe(channel);
    if (position) this.positions.set(channel, position);
    const row = this.list.of(channel);
    if (row) row.unread = this.room.unread();
    this.room = null;
    this.reading.present();
    this.isLooking = false;
    this.on.changed("room");
  }

  /** Whether one thing more may wait to be sent; if not, it is said. */
  hasRoom() {
    if (this.outbox.isFull) this.on.said(t("Too much waits to be sent: try again later, or discard some of it."));
    return !this.outbox.isFull;
  }

  /**
   * @param {string} text
   * @param {{quote?: any, mentions?: string[], thread?: string, also?: boolean, draft?: number}} [more] the message that is answered;
   *   users; the thread it stands in, and whether in the channel as well; the rev of the draft that it was
   */
  send(text, { quote, mentions = [], thread = "", also = false, draft = 0 } = {}) {
    const more = {
      ...(quote && { reply_to: quote.id }),
      ...(mentions.length && { mentions }),
      ...(thread && { thread }),
      ...(also && { also_in_channel: true }),
      ...(draft && { draft }),
    };
    this.signs.sent();
    if (!thread) this.reading.present();
    const shown = quote && { id: quote.id, seq: quote.seq, by: quote.by, text: quote.text };
    return this.outbox.add({ kind: "send", channel: this.room.channel, text, more, ...(shown && { quote: shown }) });
  }

  /** Chooses a reaction, or takes it back. */
  react({ id, reactions }, emoji) {
    return this.command(reactions?.[emoji]?.me ? "reaction.remove" : "reaction.add", { channel: this.room.channel, id, emoji });
  }

  /** The whole choice of the user; empty: none. */
  async vote({ id }, options) {
    const { channel } = this.room;
    const answer = await this.command("poll.vote", { channel, id, options });
    if (answer) this.#event(channel, { ...answer, t: "poll.voted", id, by: this.user, seq: 0 });
  }

  /** A command that people see the effect of; refused, it is said why. Resolves to the answer, or to nothing. */
  async command(verb, data) {
    const { answer, error } = await this.tried(verb, data);
    if (error) this.on.said(error.message);
    return answer;
  }

  /** A question. Rejects with Refused or NoAnswer. */
  ask(verb, data) {
    return this.client.rpc(verb, data);
  }

  /**
   * The answer, or why there is none.
   * @returns {Promise<{answer?: any, error?: any}>}
   */
  async tried(verb, data) {
    try {
      return { answer: await this.client.rpc(verb, data) };
    } catch (error) {
      if (!isFailure(error)) throw error;
      return { error };
    }
  }

  /** What is only worth saying now. Resolves to nothing where it did not work. */
  async #quiet(verb, data) {
    return (await this.tried(verb, data)).answer;
  }

  edit(message, text) {
    return this.outbox.add({ kind: "edit", channel: this.room.channel, id: message.id, text });
  }

  remove(message) {
    if (this.hasRoom()) this.outbox.add({ kind: "delete", channel: this.room.channel, id: message.id });
  }

  older() {
    return this.shown && this.reading.older(this.shown);
  }

  newer() {
    return this.room && this.reading.newer(this.room);
  }

  /** Shows a message of the opened channel; resolves to the seq that is shown. */
  jump(seq) {
    return this.reading.jump(this.room, seq);
  }

  /** Whether the user sees the end of the opened channel now. */
  look(isLooking) {
    this.isLooking = isLooking;
    if (isLooking) this.telling.read();
  }

  /** The channel with another person, made if there is none. */
  async direct(user) {
    const { channel } = await this.client.rpc("channel.open", { with: user });
    if (!this.list.rows.has(channel)) {
      this.list.extend([{ channel, kind: "dm", state: "joined", role: "member", peer: user }]);
      // It may have been hidden for good.
      this.tried("channel.set_mine", { channel, hidden: "no" });
    }
    return channel;
  }

  /** Accepts or declines the invitation to the opened channel. */
  async answer(accepts) {
    const { channel } = this.room;
    await this.client.rpc(accepts ? "member.join" : "member.leave", { channel });
    const row = this.list.of(channel);
    if (accepts && row) {
      row.state = "joined";
      this.client.subscribe(channel);
      this.on.changed("room");
    } else if (!accepts) {
      this.#gone(channel, "");
    }
    this.on.changed("list");
  }

  /** How a channel is called: the other one of a dm, else its name. */
  title(row) {
    if (row.kind === "dm" && row.peer) return this.#name(row.peer);
    return row.name || row.channel;
  }

  author(user) {
    return this.#name(user);
  }

  /** The others of the opened channel, as far as they are known. */
  others() {
    const { room } = this;
    const known = room ? [...room.receipts.read.keys(), ...room.messages.map((message) => message.by)] : [];
    return [...new Set(known)].filter((user) => user && user !== this.user);
  }

  entries() {
    return this.room ? this.outbox.of(this.room.channel) : [];
  }

  // --- what the connection says

  #handlers() {
    return {
      state: (state, reason) => {
        this.reason = reason;
        this.outbox?.online(state === ONLINE);
        this.on.changed("state");
      },
      connected: (result) => this.#connected(result),
      subscribed: (channel, result, resumed) => this.#subscribed(channel, result, resumed),
      failed: (channel, error) => this.#refusedChannel(channel, error),
      unsubscribed: (channel) => this.#gone(channel, t("You are no longer a member of this conversation.")),
      publication: (channel, data) => this.#published(channel, data),
    };
  }

  #connected(result) {
    const own = result.subs?.[`#${this.user}`];
    const hello = result.data?.channels ? result.data : own?.data;
    if (hello?.channels) {
      this.list.replace(hello.channels);
      if (hello.profile?.name) this.names.set(this.user, hello.profile.name);
      if (hello.next) this.#restOfList(hello.next);
      this.#heads({ t: "heads", heads: hello.heads ?? {} });
    }
    this.isListed = true;
    this.telling.anew();
    this.drafts.connected(Boolean(hello?.channels));
    this.#askOwn();
    this.telling.looksAt();
    this.on.changed("list");
    // A page that the lost connection did not bring.
    if (this.room && !this.room.isLoaded && this.client.subs.get(this.room.channel)?.known) this.reading.load(this.room);
  }

  async #restOfList(next) {
    try {
      while (next) {
        const page = await this.client.rpc("user.channels", { before: next });
        this.list.extend(page.channels);
        next = page.next;
      }
    } catch (error) {
      if (!isFailure(error)) throw error; // the next connection asks again
    }
    this.on.changed("list");
  }

  #subscribed(channel, result, resumed) {
    const room = this.rooms.get(channel);
    if (!room) return;
    const { data } = result;
    if (!resumed) {
      const { newAfter } = room;
      room.reset();
      room.newAfter = newAfter;
    }
    this.problem = "";
    room.mark = Math.max(room.mark, data?.mark ?? 0);
    room.head = Math.max(room.head, data?.channel?.head ?? 0);
    room.take(data);
    if (!room.newAfter && data?.unread) room.newAfter = room.mark;
    const row = this.list.of(channel);
    if (row && data?.channel?.name) row.name = data.channel.name;
    room.receipts.load(data ?? {});
    if (!room.isLoaded) this.reading.load(room);
    if (!resumed && room === this.room) this.thread?.load();
    this.telling.people();
    this.#afterRoom(room);
    this.on.changed("list");
  }

  #loaded(room) {
    if (room.last) this.list.preview(room.channel, room.last);
    this.#afterRoom(room);
    this.on.changed("list");
  }

  #refusedChannel(channel, error) {
    this.positions.delete(channel);
    if (this.room?.channel === channel) {
      this.problem = inWords(error).message;
      this.on.changed("room");
    }
  }

  #gone(channel, why) {
    this.client.unsubscribe(channel);
    this.rooms.delete(channel);
    this.positions.delete(channel);
    this.list.drop(channel);
    if (this.room?.channel === channel) {
      this.room = this.thread = null;
      this.reading.present();
      this.problem = why;
      this.on.changed("room");
    }
    this.on.changed("list");
  }

  #published(channel, data) {
    if (channel === `#${this.user}`) this.#own(data);
    else this.#event(channel, data);
  }

  #own(data) {
    if (data.t === "channel.removed") return this.#gone(data.channel, t("You are no longer a member of this conversation."));
    if (data.t === "user.updated" && data.name) this.names.set(this.user, data.name);
    if (data.t.startsWith("draft.")) return this.drafts.take(data);
    if (data.t === "presence") return this.people.take(data.users);
    if (data.t === "presence.chosen") this.#chosen(data.state);
    if (data.t === "reminder.fired") this.on.reminded(data);
    if (data.t === "user.blocked") {
      this.blocked.add(data.blocked);
      this.signs.drop(data.blocked);
    }
    if (data.t === "user.unblocked") this.blocked.delete(data.blocked);
    if (!(data.t === "heads" ? this.#heads(data) : this.list.apply(data))) return;
    if (data.t === "channel.added" && this.room?.channel === data.channel) {
      this.client.subscribe(data.channel, this.positions.get(data.channel));
    }
    const open = this.room && this.list.of(this.room.channel);
    if (open) open.unread = this.room.unread();
    this.telling.delivered();
    this.telling.looksAt();
    this.on.changed("list");
  }

  #heads(data) {
    for (const [channel, { mark, rev }] of Object.entries(data.heads)) this.rooms.get(channel)?.remark(mark, rev);
    return this.list.apply(data);
  }

  #event(channel, data) {
    const room = this.rooms.get(channel);
    if (!room) return;
    if (data.by !== this.user) this.signs.apply(channel, data); // one's own comes back
    const fresh = room.apply(data);
    this.thread?.apply(channel, data);
    if (this.reading.past?.channel === channel && data.t !== "message.created") this.reading.past.apply(data);
    if (data.t === "channel.deleted") return this.#gone(channel, t("This conversation was deleted."));
    const row = this.list.of(channel);
    if (data.t === "channel.updated" && row) row.name = data.name ?? "";
    if (data.t === "member.joined") room.members += data.users.length;
    if (data.t === "member.left" || data.t === "member.removed") room.members -= data.users.length;
    if (data.t.startsWith("member.")) this.telling.people();
    if (room.last) this.list.preview(channel, room.last);
    if (fresh && fresh.by !== this.user && room === this.room && room.isLoaded) this.on.arrived(fresh);
    this.#afterRoom(room);
    this.on.changed("list");
  }

  #afterRoom(room) {
    if (room !== this.room) return;
    const row = this.list.of(room.channel);
    if (row) row.unread = room.unread();
    if (row) row.seq = Math.max(row.seq ?? 0, room.head);
    this.telling.delivered();
    this.telling.counts();
    this.on.changed("room");
    if (this.isLooking) this.look(true);
  }

  #confirmed(entry, answer) {
    const room = this.rooms.get(entry.channel);
    if (room && answer) this.#applyOwn(room, entry, answer);
    if (room && room === this.room) this.on.changed("room");
    this.on.changed("state");
    this.on.changed("list");
  }

  /** The answer says what the push will say: whichever comes first shows it. */
  #applyOwn(room, entry, { seq, id, ts, rev }) {
    const { kind, cmid, text, quote, more } = entry;
    const { mentions, thread, also_in_channel } = more ?? {};
    const sent = { t: "message.created", seq, id, cmid, by: this.user, ts, text, quote, mentions, thread, also_in_channel };
    const change = { t: kind === "edit" ? "message.updated" : "message.deleted", id: entry.id, rev, text };
    const news = kind === "send" ? sent : change;
    if (room.isLoaded) room.apply(news);
    this.thread?.apply(entry.channel, news);
    if (room.last) this.list.preview(room.channel, room.last);
  }

  /** What stands from a message on is unread again. It is left: who looks at it reads it. */
  async unread({ seq }) {
    const { room } = this;
    this.close();
    const answer = await this.command("mark.unread", { channel: room.channel, since: seq });
    if (answer) room.remark(answer.upto, answer.rev);
  }

  /** Everything up to a seq is read. */
  marked(room, upto) {
    room.mark = Math.max(room.mark, upto);
    const row = this.list.of(room.channel);
    if (row) Object.assign(row, { unread: room.unread(), mentions: 0 });
    this.on.changed("list");
  }

  #chosen(state) {
    this.choice = state || "online";
    this.on.changed("names");
  }

  async #askOwn() {
    const [answer, seen] = await Promise.all([this.#quiet("block.list", {}), this.#quiet("presence.get", { users: [this.user] })]);
    if (answer) this.blocked = new Set(answer.blocks.map(({ user }) => user));
    this.#chosen(seen?.users[this.user]?.choice);
  }

  #name(user) {
    if (!this.names.asked.has(user) && this.client.state === ONLINE) this.#askName(user);
    return this.names.of(user);
  }

  async #askName(user) {
    this.names.asked.add(user);
    try {
      const profile = await this.client.rpc("user.get", { user });
      if (profile.name) this.names.set(user, profile.name);
    } catch (error) {
      if (error instanceof NoAnswer || error.temporary) this.names.asked.delete(user);
      else if (!isFailure(error)) throw error;
    }
  }
}

function isFailure(error) {
  return error instanceof Refused || error instanceof NoAnswer;
}
