// Pages of the opened channel: the newest ones, older ones, and a place far back. No DOM.
//
// Rules:
// 1. A room is an unbroken run that ends at the newest message. A place that it does not reach is a run of its
//    own (`past`), shown in its stead, until newer pages lead it up to the room: then both are one.
// 2. A page that fails is asked for again, at the earliest after AGAIN_MS: whoever draws asks with each drawing, and a
//    client without a connection answers at once. A newest page that is refused is said instead.

import { ONLINE, Refused, NoAnswer } from "/static/hubbub.js";
import { Room } from "./store.js";

const PAGE = 50;
const AGAIN_MS = 1_500;

export class Reading {
  /** `on`: {changed(), loaded(room), refused(room, message)}. */
  constructor({ client, on, timers }) {
    this.client = client;
    this.on = on;
    this.timers = timers;
    this.past = null;
    this.turn = 0; // of whoever wanted another place last
    this.under = new Set(); // rooms with a page under way
    this.resting = new Set(); // rooms whose last page failed just now
  }

  isLoading(room) {
    return this.under.has(room);
  }

  /** The newest page. */
  async load(room) {
    const page = await this.#page(room, {}, (error) => {
      const isFinal = error instanceof Refused && !error.temporary;
      if (isFinal) this.on.refused(room, error.message);
      else this.timers.setTimeout(() => this.client.state === ONLINE && this.load(room), AGAIN_MS);
    });
    if (page) room.load(page.messages, page.head, page.messages.length === 0);
    this.on.loaded(room);
  }

  /** The page before the oldest message shown. */
  async older(room) {
    if (!room.isLoaded || room.atStart || this.resting.has(room) || this.isLoading(room)) return;
    const page = await this.#page(room, { before_seq: room.oldestSeq }, () => this.#rest(room));
    if (page?.messages.length) room.merge(page.messages);
    else if (page) room.atStart = true;
    this.on.changed();
  }

  /** The page behind what is shown of the past; at its end the past is over. */
  async newer(room) {
    const { past } = this;
    if (!past || this.resting.has(past) || this.isLoading(past)) return;
    const page = await this.#page(past, { after_seq: past.last.seq }, () => this.#rest(past));
    if (page) past.merge(page.messages);
    if (page && past === this.past && room.isLoaded && (!page.messages.length || past.last.seq >= room.oldestSeq)) {
      room.join(past);
      this.past = null;
    }
    this.on.changed();
  }

  /** Shows the message at `seq`. Resolves to its key, or to nothing if it is not there. */
  async jump(room, seq) {
    let shown = room;
    const turn = ++this.turn;
    if (!room.isLoaded || (seq < room.oldestSeq && !room.atStart)) {
      shown = new Room(room.channel, room.user);
      const page = await this.#page(shown, { around_seq: seq });
      if (!page || turn !== this.turn) return undefined;
      Object.assign(shown, { receipts: room.receipts, mark: room.mark });
      shown.load(page.messages, page.head, false);
      const reaches = room.isLoaded && (shown.last?.seq ?? 0) >= room.oldestSeq;
      if (reaches) room.join(shown);
      this.past = reaches ? null : shown;
    } else {
      this.past = null;
    }
    this.on.changed();
    const found = shown.messages.findLast((message) => message.seq <= seq) ?? shown.messages[0];
    return found?.seq;
  }

  /** Back to the newest. */
  present() {
    this.turn++;
    if (!this.past) return;
    this.past = null;
    this.on.changed();
  }

  #rest(room) {
    this.resting.add(room);
    this.timers.setTimeout(() => (this.resting.delete(room), this.on.changed()), AGAIN_MS);
  }

  async #page(room, place, failed = (_error) => {}) {
    if (this.isLoading(room)) return undefined;
    this.under.add(room);
    this.on.changed();
    try {
      return await this.client.rpc("history.get", { channel: room.channel, limit: PAGE, ...place });
    } catch (error) {
      if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
      failed(error);
      return undefined;
    } finally {
      this.under.delete(room);
    }
  }
}
