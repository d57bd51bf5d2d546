// What one has begun to write, for each channel and thread: in this browser at once, on the server soon. No DOM.
//
// Rules:
// 1. Every key is kept in the storage, and told to the server SOON_MS after the last one. Without a connection it
//    waits there, and is told by the next one.
// 2. Of two texts the one that was written later stays. What is being typed here is never replaced: what another
//    device says of it meanwhile is held until nothing was typed for TYPED_MS, and dropped by the next key.
// 3. A message that is sent ends its draft: it names the rev that the server has. A text that is just on its way
//    there is cleared behind it.

import { placed, placeOf } from "./signs.js";

const SOON_MS = 700;
const TYPED_MS = 3_000;
const PAGE = 100;

export class Drafts {
  /** `tried(verb, data)` resolves to {answer} or {error}, as the session's; `changed(place)`: another device wrote
   *  there; `storage` as localStorage. */
  constructor({ user, storage, tried, changed, now, timers = globalThis }) {
    this.storage = storage;
    this.tried = tried;
    this.changed = changed;
    this.now = now;
    this.timers = timers;
    this.prefix = `hubbub.draft.${user}.`;
    this.pauses = new Map(); // place → timer
    this.places = new Map(); // place → {text, rev, at, isNew, held?, isUnderWay?}; isNew: the server has not got it
    this.#load();
  }

  text(place) {
    return this.places.get(place)?.text ?? "";
  }

  /** Somebody typed. */
  write(place, text) {
    const entry = this.places.get(place) ?? { rev: 0 };
    if (!text && !entry.text && !entry.rev && !entry.isUnderWay) return this.#drop(place);
    this.#keep(place, Object.assign(entry, { text, at: this.now(), isNew: true, held: undefined }));
    this.#soon(place, SOON_MS);
  }

  /** It was sent. Returns the rev that the message ends; 0: the server has none. */
  sent(place) {
    this.timers.clearTimeout(this.pauses.get(place));
    const entry = this.places.get(place);
    if (!entry) return 0;
    const { rev, isUnderWay } = entry;
    if (!rev && !isUnderWay) this.#drop(place);
    else this.#keep(place, Object.assign(entry, { text: "", at: this.now(), isNew: Boolean(isUnderWay), held: undefined }));
    return isUnderWay ? 0 : rev;
  }

  /** One event of the user's stream. */
  take({ t, channel, thread, rev, message, ts }) {
    this.#hear(placeOf(channel, thread), rev, t === "draft.updated" ? textOf(message) : "", Date.parse(ts));
  }

  /** There is a connection. `isFresh`: it does not bring what was missed. */
  async connected(isFresh) {
    if (isFresh && !(await this.#readAll())) return;
    for (const [place, { isNew }] of this.places) if (isNew) this.#soon(place, 0);
  }

  async #readAll() {
    const known = new Set();
    let after = "";
    do {
      const page = await this.#asked("draft.list", { limit: PAGE, ...(after && { after }) });
      if (!page) return false;
      for (const { channel, thread, rev, message, ts } of page.drafts) {
        const place = placeOf(channel, thread);
        known.add(place);
        this.#hear(place, rev, textOf(message), Date.parse(ts));
      }
      after = page.next;
    } while (after);
    // What the server had and has no more was cleared meanwhile.
    for (const [place, { rev }] of this.places) if (rev && !known.has(place)) this.#hear(place, rev + 1, "", 0);
    return true;
  }

  #hear(place, rev, text, ms) {
    const entry = this.places.get(place) ?? { text: "", rev: 0, at: 0, isNew: false };
    if (rev <= entry.rev) return;
    entry.rev = rev;
    const isTyped = this.now() - entry.at < TYPED_MS && entry.text !== "";
    if (entry.text === text) this.#settle(place, entry, text);
    else if (entry.isNew && (isTyped || entry.isUnderWay || ms <= entry.at)) this.#keep(place, entry);
    else if (isTyped) this.#hold(place, entry, text);
    else this.#settle(place, entry, text);
  }

  #hold(place, entry, text) {
    this.#keep(place, Object.assign(entry, { held: text }));
    this.timers.setTimeout(() => {
      if (entry.held === text) this.#settle(place, Object.assign(entry, { held: undefined }), text);
    }, TYPED_MS);
  }

  /** Here it is as the server has it. */
  #settle(place, entry, text) {
    const isOther = entry.text !== text;
    Object.assign(entry, { text, isNew: false });
    if (text) this.#keep(place, entry);
    else this.#drop(place);
    if (isOther) this.changed(place);
  }

  #soon(place, ms) {
    this.timers.clearTimeout(this.pauses.get(place));
    this.pauses.set(place, this.timers.setTimeout(() => this.#tell(place), ms));
  }

  async #tell(place) {
    const entry = this.places.get(place);
    if (!entry?.isNew || entry.isUnderWay) return;
    const { text } = entry;
    entry.isUnderWay = true;
    const answer = text ? await this.#asked("draft.set", { ...placed(place), message: { text } }) : await this.#asked("draft.clear", placed(place));
    entry.isUnderWay = false;
    if (answer === undefined) return; // the next connection, or the next key
    entry.rev = Math.max(entry.rev, answer.rev ?? 0);
    if (entry.text !== text) {
      this.#keep(place, entry);
      this.#soon(place, SOON_MS);
    } else this.#settle(place, entry, text);
  }

  /** The answer; {} where it is refused for good: the text stays in this browser alone; nothing without an answer. */
  async #asked(verb, data) {
    const { answer, error } = await this.tried(verb, data);
    const isFinal = error?.code !== undefined && !error.temporary && verb !== "draft.list";
    return isFinal ? {} : answer;
  }

  #keep(place, entry) {
    this.places.set(place, entry);
    const { text, rev, at, isNew } = entry;
    try {
      this.storage.setItem(this.prefix + place, JSON.stringify({ text, rev, at, isNew }));
    } catch {
      // Full or forbidden storage: the draft lives as long as the page.
    }
  }

  #drop(place) {
    this.places.delete(place);
    this.storage.removeItem(this.prefix + place);
  }

  #load() {
    for (let n = 0; n < this.storage.length; n++) {
      const name = this.storage.key(n);
      if (!name?.startsWith(this.prefix)) continue;
      try {
        const { text, rev, at, isNew } = JSON.parse(this.storage.getItem(name) ?? "");
        this.places.set(name.slice(this.prefix.length), { text, rev, at, isNew });
      } catch {
        // Not ours.
      }
    }
  }
}

/** Another client may keep more than a text. */
function textOf(message) {
  return typeof message?.text === "string" ? message.text : "";
}
