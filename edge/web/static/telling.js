// What a session tells the server without being asked: what was read, what is here, what is on the screen.
// No DOM.
//
// Rules:
// 1. All of it is worth saying now or not at all: what fails is said again by the next change, or after the
//    next connect (`anew`).
// 2. Nothing is said twice, and what comes within a moment is said once.

import { ONLINE } from "/static/hubbub.js";

const SCREEN_MAX = 100; // contracts.md 6
const WATCHED_MAX = 100; // messages whose counts are pushed
const READ_MS = 250;
const DELIVERED_MS = 250;

export class Telling {
  /** `session`: whose list, room and people these are; `say(verb, data)` resolves to nothing if it failed. */
  constructor(session, say) {
    this.session = session;
    this.say = say;
    this.timers = new Set(); // what is about to be said
    this.here = new Map(); // channel → the seq that was told to be here
    this.anew();
  }

  /** The connection is another one: it knows of no screen. */
  anew() {
    this.screen = "";
    this.receipts = "";
    this.session.people.forget();
  }

  /** The end of the opened channel is looked at. */
  read() {
    this.#soon("read", READ_MS, async () => {
      const { session } = this;
      const { room } = session;
      if (!room?.isLoaded || !session.isLooking || room.head <= room.mark) return;
      const upto = room.head;
      if (!(await this.say("mark.read", { channel: room.channel, upto }))) return; // looked at again, it is marked again
      session.marked(room, upto);
    });
  }

  /** This device has what is on top of the list. */
  delivered() {
    this.#soon("delivered", DELIVERED_MS, async () => {
      const marks = {};
      for (const { channel, seq, state } of this.session.list.sorted().slice(0, SCREEN_MAX)) {
        if (seq && state !== "invited" && seq > (this.here.get(channel) ?? 0)) marks[channel] = seq;
      }
      if (!Object.keys(marks).length || !(await this.say("mark.delivered", { marks }))) return;
      for (const [channel, seq] of Object.entries(marks)) this.here.set(channel, seq);
    });
  }

  /** Unread figures come for what is on the screen: the top of the list; and so does how people are. */
  async looksAt() {
    this.people();
    const { list } = this.session;
    // A hidden one is looked at, too: its next message, however long, brings it back.
    const waiting = [...list.hidden.values()].filter((row) => row.hidden === "until_message");
    const channels = [...list.sorted(), ...waiting].slice(0, SCREEN_MAX).map((row) => row.channel).sort();
    const screen = channels.join(" ");
    if (screen === this.screen || !this.#isOnline) return;
    this.screen = screen;
    if (!(await this.say("screen.set", { channels })) && this.screen === screen) this.screen = "";
  }

  people() {
    const { list, room, people, user } = this.session;
    const peers = list.sorted().map((row) => row.peer).filter(Boolean);
    const here = room ? [...room.receipts.read.keys()] : [];
    if (this.#isOnline) people.watch([...here, ...peers].filter((other) => other !== user));
  }

  /** In a channel too large for everybody's marks: the counts of the newest own messages. */
  counts() {
    const { room, user } = this.session;
    if (!room?.isLoaded || room.receipts.isByMember || !this.#isOnline) return;
    const own = room.messages.filter((m) => m.by === user && !m.deleted);
    const seqs = own.slice(-WATCHED_MAX).map((m) => m.seq);
    const key = `${room.channel} ${seqs.join(" ")}`;
    if (!seqs.length || key === this.receipts) return;
    this.receipts = key;
    this.say("receipts.watch", { channel: room.channel, seqs });
  }

  get #isOnline() {
    return this.session.client.state === ONLINE;
  }

  #soon(name, ms, tell) {
    if (this.timers.has(name)) return;
    this.timers.add(name);
    this.session.timers.setTimeout(() => {
      this.timers.delete(name);
      if (this.#isOnline) tell();
    }, ms);
  }
}
