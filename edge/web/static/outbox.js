// What a user wrote and the server has not confirmed: sends, edits and deletions, each under its cmid.
//
// Rules:
// 1. An entry is stored before it is sent and removed after the answer, so that it survives a reload.
//    One storage key an entry: several tabs do not overwrite each other, and the server knows doubles
//    by their cmid.
// 2. In a channel entries leave in order, one at a time. No answer, or a temporary refusal: again,
//    under the same cmid. Any other refusal: `failed`, until the user retries or discards it.
// 3. An id that the server cannot take any more (too old, used) is replaced when the user retries.

import { Refused, Unanswered } from "./protocol.js";

const AGAIN_MS = 1_000;
const AGAIN_MAX_MS = 15_000;
const CMID_REUSED = 410;
const CMID_CLOCK = 411;
const METHODS = { send: "message.send", edit: "message.edit", delete: "message.delete" };

export const WAITING = "waiting";
export const SENDING = "sending";
export const FAILED = "failed";

/** A UUIDv7 (RFC 9562): 48 bits of milliseconds, then chance. `entropy`: 10 bytes. */
export function uuid7(nowMs, entropy) {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(nowMs) << 16n);
  bytes.set(entropy, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * The unsent of one user. `rpc(method, data)`: as Client.rpc. `storage`: as localStorage.
 * `changed(entry, answer)`: an entry changed; with an answer it is confirmed and gone.
 */
export class Outbox {
  constructor({ user, rpc, changed, storage, now, entropy, timers = globalThis }) {
    Object.assign(this, { rpc, changed, storage, now, entropy, timers });
    this.prefix = `hubbub.outbox.${user}.`;
    this.entries = new Map(); // cmid → entry, in the order of writing
    this.busy = new Set(); // channels with an entry under way
    this.pauses = new Map(); // channel → timer until the next try
    this.isOnline = false;
    this.#load();
  }

  /** Entries of one channel, oldest first. */
  of(channel) {
    return [...this.entries.values()].filter((entry) => entry.channel === channel);
  }

  get waitingCount() {
    return [...this.entries.values()].filter((entry) => entry.status !== FAILED).length;
  }

  /** Takes {kind: send | edit | delete, channel, text?, id?} and sends it when it can. */
  add(request) {
    const made = this.now();
    const entry = { ...request, cmid: this.#cmid(), made, status: WAITING, tries: 0 };
    this.#keep(entry);
    this.changed(entry);
    this.#pump(entry.channel);
    return entry;
  }

  retry(cmid) {
    const entry = this.entries.get(cmid);
    if (entry?.status !== FAILED) return;
    if (entry.code === CMID_CLOCK || entry.code === CMID_REUSED) {
      this.#forget(entry);
      Object.assign(entry, { cmid: this.#cmid(), made: this.now() });
    }
    Object.assign(entry, { status: WAITING, error: undefined, code: undefined, tries: 0 });
    this.#keep(entry);
    this.changed(entry);
    this.#pump(entry.channel);
  }

  discard(cmid) {
    const entry = this.entries.get(cmid);
    if (!entry || entry.status === SENDING) return;
    this.#forget(entry);
    this.changed(entry);
  }

  /** The connection came or went. */
  online(isOnline) {
    this.isOnline = isOnline;
    if (!isOnline) return;
    for (const channel of new Set([...this.entries.values()].map((entry) => entry.channel))) this.#pump(channel);
  }

  async #pump(channel) {
    if (this.busy.has(channel)) return;
    this.timers.clearTimeout(this.pauses.get(channel));
    this.busy.add(channel);
    let entry;
    while (this.isOnline && (entry = this.of(channel).find((one) => one.status === WAITING))) {
      const pauseMs = await this.#try(entry);
      if (pauseMs) {
        this.pauses.set(channel, this.timers.setTimeout(() => this.#pump(channel), pauseMs));
        break;
      }
    }
    this.busy.delete(channel);
  }

  /** Sends one entry. Returns how long to wait before it is tried again, 0 if it is settled. */
  async #try(entry) {
    entry.status = SENDING;
    this.changed(entry);
    const { kind, channel, cmid, text, id } = entry;
    const data = { channel, cmid, ...(kind !== "send" && { id }), ...(kind !== "delete" && { text }) };
    try {
      const answer = await this.rpc(METHODS[kind], data);
      this.#forget(entry);
      this.changed(entry, answer);
      return 0;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused && !error.temporary) {
        Object.assign(entry, { status: FAILED, error: error.message, code: error.code });
        this.#keep(entry);
        this.changed(entry);
        return 0;
      }
      entry.status = WAITING;
      this.changed(entry);
      const backoff = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** entry.tries++);
      return Math.max(backoff, error.details?.retry_after_ms ?? 0);
    }
  }

  #cmid() {
    return uuid7(this.now(), this.entropy(10));
  }

  #keep(entry) {
    this.entries.set(entry.cmid, entry);
    try {
      this.storage.setItem(this.prefix + entry.cmid, JSON.stringify(entry));
    } catch {
      // Full or forbidden storage: the entry lives as long as the page.
    }
  }

  #forget(entry) {
    this.entries.delete(entry.cmid);
    this.storage.removeItem(this.prefix + entry.cmid);
  }

  #load() {
    const found = [];
    for (let place = 0; place < this.storage.length; place++) {
      const name = this.storage.key(place);
      if (!name.startsWith(this.prefix)) continue;
      try {
        found.push(JSON.parse(this.storage.getItem(name)));
      } catch {
        // Not ours, or cut while it was written: nothing to send.
      }
    }
    found.sort((a, b) => (a.cmid < b.cmid ? -1 : 1));
    for (const entry of found) {
      if (entry.status === SENDING) entry.status = WAITING;
      this.entries.set(entry.cmid, entry);
    }
  }
}
