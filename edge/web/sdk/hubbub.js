// Hubbub for JavaScript: one module without dependencies, for browsers and Node.js 18 or newer (before
// Node.js 22 give `connect` a WebSocket, from the package `ws`). `connect` is what a program calls.
//
// Below it: Outbox (what is not confirmed yet), Client (Centrifuge client protocol v2, JSON over
// WebSocket: one connection that resumes).
//
// Rules:
// 1. At most one live socket. A lost one is replaced after a full-jitter delay; `wake` tries at once.
// 2. Positions (epoch, offset) are kept for every subscription; connect and all subscribes leave in
//    one frame, each with its position, and what was missed is delivered before anything newer.
// 3. A command that got no answer in time or lost its connection is Unanswered: it may have happened.
// 4. Nothing here knows what a channel or an rpc means. Sockets, timers and chance are passed in.

const ANSWER_MS = 5_000; // as the official SDKs
const CONNECT_MS = 10_000;
const SILENCE_MS = 10_000; // beyond the server's ping interval
const STEADY_MS = 5_000; // a connection that lived so long makes the next delay short again
const DELAY_MIN_MS = 300;
const DELAY_MAX_MS = 30_000;

/**
 * @typedef {any} Json a parsed JSON value; its fields are the ones of the API's documents
 * @typedef {{epoch: string, offset: number}} Position
 * @typedef {{data: Json, offset?: number, info?: Json}} Publication
 * @typedef {{epoch?: string, offset?: number, recovered?: boolean, data?: Json, publications?: Publication[]}} Subscribed
 * @typedef {{client: string, ping?: number, pong?: boolean, expires?: boolean, ttl?: number, data?: Json, subs?: Record<string, Subscribed>}} Connected
 * @typedef {"connecting" | "online" | "waiting" | "ended"} State
 * @typedef {{setTimeout(fn: () => void, ms: number): any, clearTimeout(timer: any): void}} Timers
 * @typedef {{readonly length: number, key(place: number): string | null, getItem(name: string): string | null, setItem(name: string, value: string): void, removeItem(name: string): void}} Storage as localStorage
 * @typedef {(fresh: boolean) => Promise<string>} Token gives a token; `fresh`: the last one was refused
 * @typedef {{url: string, readyState: number, send(text: string): void, close(): void, onopen: any, onmessage: any, onclose: any, onerror: any}} Socket
 * @typedef {Position & {known: boolean, phase: string, attempt: number, timer: any}} Sub
 *
 * @typedef {object} Handlers
 * @property {(state: State, reason: string) => void} state
 * @property {(result: Connected) => void} connected
 * @property {(channel: string, result: Subscribed, resumed: boolean) => void} subscribed
 * @property {(channel: string, error: Refused) => void} failed
 * @property {(channel: string, code: number) => void} unsubscribed
 * @property {(channel: string, data: Json, pub: Publication) => void} publication
 */

export const CONNECTING = "connecting";
export const ONLINE = "online";
export const WAITING = "waiting"; // for the next attempt
export const ENDED = "ended"; // by us, or for good

/** The server said no. `reason`: the code's name, as `not_found`; `details`: the JSON object that may follow. */
export class Refused extends Error {
  /** @param {{code: number, message?: string, temporary?: boolean}} error */
  constructor({ code, message = "", temporary = false }) {
    const cut = message.indexOf(" {");
    const text = cut < 0 ? message : message.slice(0, cut);
    super(text.includes(": ") ? text.slice(text.indexOf(": ") + 2) : text);
    this.name = "Refused";
    this.reason = text.includes(": ") ? text.slice(0, text.indexOf(": ")) : "";
    this.code = code;
    this.temporary = temporary;
    /** @type {Record<string, any>} */
    this.details = cut < 0 ? {} : parseOr(message.slice(cut + 1), {});
    /** What is wrong with each field, by JSON pointer: all of them. @type {{pointer: string, detail: string}[]} */
    this.errors = this.details.errors ?? [];
  }
}

/** No answer: whether it happened is unknown. */
export class Unanswered extends Error {}

/** Overflow: a full outbox refuses what is new, and drops nothing. */
export class OutboxFull extends Error {}

/**
 * Full jitter: min + random(0 … min × 2^attempt, capped).
 * @param {number} attempt
 * @param {() => number} random
 */
export function delayMs(attempt, random) {
  return DELAY_MIN_MS + random() * Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** attempt);
}

/**
 * Whether a close code lets the client come back.
 * @param {number} code
 */
export function comesBack(code) {
  return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999));
}

/**
 * @param {string} text
 * @param {any} fallback
 */
function parseOr(text, fallback) {
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}

/**
 * One user's connection.
 *
 * `token(fresh)` resolves to a token; `fresh`: the last one was refused.
 * `on`: { state(state, reason), connected(result), subscribed(channel, result),
 *         failed(channel, Refused), unsubscribed(channel, code), publication(channel, data, pub) }
 */
export class Client {
  /** @param {{url: string, token: Token, on: Handlers, name?: string, Socket?: any, random?: () => number, timers?: Timers}} parts */
  constructor({ url, token, on, name = "hubbub.js", Socket = globalThis.WebSocket, random = Math.random, timers = globalThis }) {
    this.url = url;
    this.token = token;
    this.on = on;
    this.name = name;
    this.Socket = Socket;
    this.random = random;
    this.timers = timers;
    /** @type {State} */
    this.state = ENDED;
    this.answersPings = false;
    this.silenceMs = 0;
    this.user = "";
    this.clientId = "";
    /** @type {Socket | null} */
    this.socket = null;
    /** @type {Map<string, Sub>} */
    this.subs = new Map(); // channel → {epoch, offset, known, phase, attempt, timer}
    /** @type {Map<string, Position>} */
    this.serverSubs = new Map(); // channel → {epoch, offset}
    /** @type {Map<number, {name: string, resolve: (result: any) => void, reject: (error: Error) => void, timer: any}>} */
    this.pending = new Map(); // command id → {name, resolve, reject, timer}
    this.lastId = 0;
    this.attempt = 0;
    this.refusals = 0;
    this.needsFreshToken = false;
    this.turn = 0; // of the attempts: an answer to an older one is nobody's
    /** @type {Map<string, any>} */
    this.marks = new Map(); // running timers by name
  }

  // --- what the owner calls

  start() {
    if (this.state === ENDED) {
      this.attempt = this.refusals = 0;
      this.#open();
    }
  }

  stop() {
    this.#enter(ENDED, "");
    this.#drop("closed");
  }

  /** Tries now what would be tried later: the network came back, somebody looks at the page. */
  wake() {
    if (this.state === WAITING) this.#open();
  }

  /** Loses the connection as a network does. */
  cut() {
    if (this.socket) this.#lost(1006, "cut");
  }

  /**
   * Wants a channel. `position`: to resume from, if it was known before.
   * @param {string} channel
   * @param {Position} [position]
   */
  subscribe(channel, position) {
    if (this.subs.has(channel)) return;
    const known = Boolean(position);
    /** @type {Sub} */
    const sub = { epoch: "", offset: 0, ...position, known, phase: "wanted", attempt: 0, timer: null };
    this.subs.set(channel, sub);
    if (this.state === ONLINE) this.#send([this.#subscribeCommand(channel, sub)]);
  }

  /**
   * Wants it no more. Returns its position, to resume from later.
   * @param {string} channel
   * @returns {Position | undefined}
   */
  unsubscribe(channel) {
    const sub = this.subs.get(channel);
    if (!sub) return undefined;
    this.subs.delete(channel);
    this.timers.clearTimeout(sub.timer);
    if (this.state === ONLINE) this.#command("unsubscribe", { channel }).catch(() => {});
    return sub.known ? { epoch: sub.epoch, offset: sub.offset } : undefined;
  }

  /**
   * The data of an rpc's answer. Rejects with Refused or Unanswered.
   * @param {string} method
   * @param {Json} data
   * @returns {Promise<Json>}
   */
  async rpc(method, data) {
    if (this.state !== ONLINE) throw new Unanswered("not connected");
    return (await this.#command("rpc", { method, data })).data;
  }

  // --- connecting

  async #open() {
    this.#clear("retry");
    const turn = ++this.turn;
    this.#enter(CONNECTING, "");
    let token;
    try {
      token = await this.token(this.needsFreshToken);
    } catch (error) {
      if (turn === this.turn) this.#retry(String(error));
      return;
    }
    if (turn !== this.turn || this.state !== CONNECTING) return;
    this.needsFreshToken = false;
    /** @type {Socket} */
    const socket = new this.Socket(this.url);
    this.socket = socket;
    const mine = () => this.socket === socket;
    this.#set("connect", CONNECT_MS, () => mine() && this.#lost(1006, "no answer"));
    socket.onopen = () => mine() && this.#hello(token);
    socket.onmessage = (/** @type {{data: string}} */ { data }) => mine() && this.#receive(data);
    socket.onclose = (/** @type {{code: number, reason: string}} */ { code, reason }) => mine() && this.#lost(code, reason);
    socket.onerror = () => {}; // a close follows
  }

  /** @param {string} token */
  #hello(token) {
    /** @type {Record<string, Json>} */
    const subs = {};
    for (const [channel, { epoch, offset }] of this.serverSubs) subs[channel] = { recover: true, epoch, offset };
    /** @type {Json} */
    const connect = { token, name: this.name };
    if (this.serverSubs.size) connect.subs = subs;
    const hello = this.#prepare("connect", connect);
    hello.answer.then((result) => this.#connected(result), (error) => this.#refused(error));
    const wanted = [...this.subs].map(([channel, sub]) => this.#subscribeCommand(channel, sub));
    this.#send([hello.line, ...wanted]);
  }

  /** @param {Connected} result */
  #connected(result) {
    this.#clear("connect");
    this.clientId = result.client;
    this.refusals = 0;
    this.answersPings = Boolean(result.pong);
    this.silenceMs = result.ping ? result.ping * 1_000 + SILENCE_MS : 0;
    this.#heard();
    this.#set("steady", STEADY_MS, () => (this.attempt = 0));
    if (result.expires && result.ttl) this.#set("refresh", result.ttl * 1_000, () => this.#refresh());
    this.#enter(ONLINE, "");
    this.on.connected(result);
    for (const [channel, sub] of Object.entries(result.subs ?? {})) {
      const place = { epoch: sub.epoch ?? "", offset: sub.offset ?? 0 };
      this.serverSubs.set(channel, place);
      for (const pub of sub.publications ?? []) this.#deliver(channel, place, pub);
    }
  }

  /** @param {Error} error */
  #refused(error) {
    if (!(error instanceof Refused)) return; // the close that follows says it
    if (error.code === 109) this.needsFreshToken = true;
    const comes = error.temporary || (error.code === 109 && ++this.refusals < 3);
    this.#drop(error.message);
    if (comes) this.#retry(error.message);
    else this.#enter(ENDED, error.message);
  }

  async #refresh() {
    try {
      const result = await this.#command("refresh", { token: await this.token(true) });
      if (result.expires && result.ttl) this.#set("refresh", result.ttl * 1_000, () => this.#refresh());
    } catch (error) {
      if (error instanceof Refused && error.temporary) this.#set("refresh", ANSWER_MS, () => this.#refresh());
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    this.#drop(reason);
    if (this.state === ENDED) return;
    if (code === 3005 || code === 3014 || code === 3500) this.needsFreshToken = true;
    if (code === 3014) for (const place of [...this.subs.values(), ...this.serverSubs.values()]) place.epoch = "_";
    // An invalid token may be one of a cluster that was made anew: a fresh one is tried once.
    const mayReturn = comesBack(code) || (code === 3500 && ++this.refusals < 2);
    if (mayReturn) this.#retry(reason);
    else this.#enter(ENDED, reason || `closed with ${code}`);
  }

  /** @param {string} reason */
  #retry(reason) {
    this.#enter(WAITING, reason);
    this.#set("retry", delayMs(this.attempt++, this.random), () => this.#open());
  }

  /** @param {string} reason */
  #drop(reason) {
    const socket = this.socket;
    this.socket = null;
    this.turn++;
    for (const name of [...this.marks.keys()]) this.#clear(name);
    if (socket) socket.close();
    for (const { reject, timer } of this.pending.values()) {
      this.timers.clearTimeout(timer);
      reject(new Unanswered(reason || "connection lost"));
    }
    this.pending.clear();
    for (const sub of this.subs.values()) {
      this.timers.clearTimeout(sub.timer);
      sub.phase = "wanted";
    }
  }

  /**
   * @param {State} state
   * @param {string} reason
   */
  #enter(state, reason) {
    this.state = state;
    this.on.state(state, reason);
  }

  // --- commands

  /**
   * @param {string} name
   * @param {Json} body
   */
  #command(name, body) {
    const { line, answer } = this.#prepare(name, body);
    this.#send([line]);
    return answer;
  }

  /**
   * @param {string} name
   * @param {Json} body
   */
  #prepare(name, body) {
    const id = ++this.lastId;
    /** @type {Promise<any>} */
    const answer = new Promise((resolve, reject) => {
      const timer = this.timers.setTimeout(() => {
        this.pending.delete(id);
        reject(new Unanswered("no answer in time"));
      }, name === "connect" ? CONNECT_MS : ANSWER_MS);
      this.pending.set(id, { name, resolve, reject, timer });
    });
    return { line: JSON.stringify({ id, [name]: body }), answer };
  }

  /** @param {string[]} lines */
  #send(lines) {
    if (this.socket?.readyState === 1) this.socket.send(lines.join("\n"));
  }

  /**
   * @param {string} channel
   * @param {Sub} sub
   */
  #subscribeCommand(channel, sub) {
    sub.phase = "subscribing";
    const body = { channel, positioned: true, recoverable: true };
    if (sub.known) Object.assign(body, { recover: true, epoch: sub.epoch, offset: sub.offset });
    const { line, answer } = this.#prepare("subscribe", body);
    answer.then(
      (result) => this.#subscribed(channel, sub, result),
      (error) => this.#subscribeFailed(channel, sub, error),
    );
    return line;
  }

  /**
   * @param {string} channel
   * @param {Sub} sub
   * @param {Subscribed} result
   */
  #subscribed(channel, sub, result) {
    if (this.subs.get(channel) !== sub) return;
    const resumed = sub.known && result.recovered === true;
    Object.assign(sub, { phase: "live", attempt: 0, known: true });
    Object.assign(sub, { epoch: result.epoch ?? "", offset: result.offset ?? 0 });
    this.on.subscribed(channel, result, resumed);
    for (const pub of result.publications ?? []) this.#deliver(channel, sub, pub);
  }

  /**
   * @param {string} channel
   * @param {Sub} sub
   * @param {any} error
   */
  #subscribeFailed(channel, sub, error) {
    if (this.subs.get(channel) !== sub || this.state !== ONLINE) return;
    if (error instanceof Refused && !error.temporary) {
      this.subs.delete(channel);
      this.on.failed(channel, error);
      return;
    }
    const wait = Math.max(error.details?.retry_after_ms ?? 0, delayMs(sub.attempt++, this.random));
    sub.timer = this.timers.setTimeout(() => {
      if (this.state === ONLINE) this.#send([this.#subscribeCommand(channel, sub)]);
    }, wait);
  }

  // --- what comes in

  /** @param {string} frame */
  #receive(frame) {
    this.#heard();
    for (const line of frame.split("\n")) {
      if (!line) continue;
      const reply = parseOr(line, null);
      if (reply === null) return this.#lost(1006, "a frame that is not JSON");
      if (reply.id) this.#answered(reply);
      else if (reply.push) this.#pushed(reply.push);
      else if (this.answersPings) this.#send(["{}"]);
    }
  }

  /** @param {Json} reply */
  #answered(reply) {
    const waiting = this.pending.get(reply.id);
    if (!waiting) return;
    this.pending.delete(reply.id);
    this.timers.clearTimeout(waiting.timer);
    if (reply.error) waiting.reject(new Refused(reply.error));
    else waiting.resolve(reply[waiting.name] ?? {});
  }

  /** @param {Json} push */
  #pushed({ channel, pub, unsubscribe, disconnect }) {
    if (pub) {
      // Answers settle in later tasks: a push behind its subscribe reply waits for it.
      queueMicrotask(() => {
        const place = this.subs.get(channel) ?? this.serverSubs.get(channel);
        if (place) this.#deliver(channel, place, pub);
      });
    } else if (unsubscribe) {
      this.#unsubscribed(channel, unsubscribe.code);
    } else if (disconnect) {
      this.#lost(disconnect.code, disconnect.reason);
    }
  }

  /**
   * @param {string} channel
   * @param {number} code
   */
  #unsubscribed(channel, code) {
    const sub = this.subs.get(channel);
    if (!sub) return;
    if (code < 2500) {
      this.subs.delete(channel);
      this.on.unsubscribed(channel, code);
      return;
    }
    if (code === 2502) sub.epoch = "_";
    this.#send([this.#subscribeCommand(channel, sub)]);
  }

  /**
   * @param {string} channel
   * @param {Position} place
   * @param {Publication} pub
   */
  #deliver(channel, place, pub) {
    if (pub.offset) {
      if (pub.offset <= place.offset) return; // known already
      place.offset = pub.offset;
    }
    this.on.publication(channel, pub.data, pub);
  }

  // --- time

  #heard() {
    if (this.silenceMs) this.#set("silence", this.silenceMs, () => this.#lost(1006, "no ping"));
  }

  /**
   * @param {string} name
   * @param {number} ms
   * @param {() => void} fn
   */
  #set(name, ms, fn) {
    this.#clear(name);
    this.marks.set(name, this.timers.setTimeout(() => (this.marks.delete(name), fn()), ms));
  }

  /** @param {string} name */
  #clear(name) {
    this.timers.clearTimeout(this.marks.get(name));
    this.marks.delete(name);
  }
}

// --- outbox
//
// What a user wrote and the server has not confirmed: sends, edits and deletions, each under its cmid.
//
// Rules:
// 1. An entry is stored before it is sent and removed after the answer, so that it survives a reload.
//    One storage key an entry: several tabs do not overwrite each other, and the server knows doubles
//    by their cmid.
// 2. In a channel entries leave in order, one at a time. No answer, or a temporary refusal: again,
//    under the same cmid. Any other refusal: `failed`, until the user retries or discards it.
// 3. An id that the server cannot take any more (too old, used) is replaced when the user retries.

const AGAIN_MS = 1_000;
const AGAIN_MAX_MS = 15_000;
const CMID_REUSED = 410;
const CMID_CLOCK = 411;
/** The code of an entry of unknown outcome that is too old to be sent again. */
export const UNKNOWN = -1;

const METHODS = { send: "message.send", edit: "message.edit", delete: "message.delete" };

const OUTBOX_MAX = 500;
const REMEMBERED_MS = 23 * 3_600_000; // the server knows a cmid for 24 hours

export const QUEUED = "waiting";
export const SENDING = "sending";
export const FAILED = "failed";

/**
 * @typedef {object} Entry
 * @property {"send" | "edit" | "delete"} kind
 * @property {string} channel
 * @property {string} [text]
 * @property {string} [id]
 * @property {Json} [more] further fields of message.send
 * @property {string} cmid
 * @property {number} made Unix milliseconds
 * @property {string} status
 * @property {number} tries
 * @property {string} [error]
 * @property {number} [code]
 * @property {string} [reason]
 * @property {Record<string, any>} [details]
 */

/** Forgets with the program; what Outbox needs of localStorage. */
export class MemoryStorage {
  constructor() {
    /** @type {Map<string, string>} */
    this.values = new Map();
  }
  get length() {
    return this.values.size;
  }
  /** @param {number} place */
  key(place) {
    return [...this.values.keys()][place] ?? null;
  }
  /** @param {string} name */
  getItem(name) {
    return this.values.get(name) ?? null;
  }
  /**
   * @param {string} name
   * @param {string} value
   */
  setItem(name, value) {
    this.values.set(name, value);
  }
  /** @param {string} name */
  removeItem(name) {
    this.values.delete(name);
  }
}

/**
 * A UUIDv7 (RFC 9562): 48 bits of milliseconds, then chance. `entropy`: 10 bytes.
 * @param {number} nowMs
 * @param {Uint8Array} entropy
 */
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
  /** @param {{user: string, rpc: (method: string, data: Json) => Promise<Json>, changed: (entry: Entry, answer?: Json) => void, storage: Storage, now: () => number, entropy: (bytes: number) => Uint8Array, timers?: Timers}} parts */
  constructor({ user, rpc, changed, storage, now, entropy, timers = globalThis }) {
    this.rpc = rpc;
    this.changed = changed;
    this.storage = storage;
    this.now = now;
    this.entropy = entropy;
    this.timers = timers;
    this.prefix = `hubbub.outbox.${user}.`;
    /** @type {Map<string, Entry>} */
    this.entries = new Map(); // cmid → entry, in the order of writing
    /** @type {Set<string>} */
    this.busy = new Set(); // channels with an entry under way
    /** @type {Map<string, any>} */
    this.pauses = new Map(); // channel → timer until the next try
    this.isOnline = false;
    this.last = 0; // the time of the newest entry
    this.#load();
  }

  /**
   * Entries of one channel, oldest first.
   * @param {string} channel
   */
  of(channel) {
    return [...this.entries.values()].filter((entry) => entry.channel === channel);
  }

  get waitingCount() {
    return [...this.entries.values()].filter((entry) => entry.status !== FAILED).length;
  }

  /**
   * Takes {kind: send | edit | delete, channel, text?, id?, more?} and sends it when it can. Throws OutboxFull.
   * @param {Pick<Entry, "kind" | "channel" | "text" | "id" | "more">} request
   */
  add(request) {
    if (this.entries.size >= OUTBOX_MAX) throw new OutboxFull(`at most ${OUTBOX_MAX} unsent messages`);
    const made = this.#made();
    /** @type {Entry} */
    const entry = { ...request, cmid: this.#cmid(made), made, status: QUEUED, tries: 0 };
    this.#keep(entry);
    this.changed(entry);
    this.#pump(entry.channel);
    return entry;
  }

  /** @param {string} cmid */
  retry(cmid) {
    const entry = this.entries.get(cmid);
    if (entry?.status !== FAILED) return;
    if (entry.code === UNKNOWN || entry.code === CMID_CLOCK || entry.code === CMID_REUSED) {
      this.#forget(entry);
      const made = this.#made();
      Object.assign(entry, { cmid: this.#cmid(made), made });
    }
    Object.assign(entry, { status: QUEUED, error: undefined, code: undefined, tries: 0 });
    this.#keep(entry);
    this.changed(entry);
    this.#pump(entry.channel);
  }

  /** @param {string} cmid */
  discard(cmid) {
    const entry = this.entries.get(cmid);
    if (!entry || entry.status === SENDING) return;
    this.#forget(entry);
    this.changed(entry);
  }

  /**
   * The connection came or went.
   * @param {boolean} isOnline
   */
  online(isOnline) {
    this.isOnline = isOnline;
    if (!isOnline) return;
    for (const channel of new Set([...this.entries.values()].map((entry) => entry.channel))) this.#pump(channel);
  }

  /** @param {string} channel */
  async #pump(channel) {
    if (this.busy.has(channel)) return;
    this.timers.clearTimeout(this.pauses.get(channel));
    this.busy.add(channel);
    /** @type {Entry | undefined} */
    let entry;
    while (this.isOnline && (entry = this.of(channel).find((one) => one.status === QUEUED))) {
      const pauseMs = await this.#try(entry);
      if (pauseMs) {
        this.pauses.set(channel, this.timers.setTimeout(() => this.#pump(channel), pauseMs));
        break;
      }
    }
    this.busy.delete(channel);
  }

  /**
   * Sends one entry. Returns how long to wait before it is tried again, 0 if it is settled.
   * @param {Entry} entry
   */
  async #try(entry) {
    if (entry.tries && this.now() - entry.made >= REMEMBERED_MS) return this.#fail(entry, "It may have been sent.", UNKNOWN);
    entry.status = SENDING;
    this.changed(entry);
    const { kind, channel, cmid, text, id, more } = entry;
    const data = { ...more, channel, cmid, ...(kind !== "send" && { id }), ...(kind !== "delete" && { text }) };
    try {
      const answer = await this.rpc(METHODS[kind], data);
      this.#forget(entry);
      this.changed(entry, answer);
      return 0;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused && !error.temporary) {
        Object.assign(entry, { reason: error.reason, details: error.details });
        return this.#fail(entry, error.message, error.code);
      }
      entry.status = QUEUED;
      const backoff = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** entry.tries++);
      this.#keep(entry); // that it was tried outlives the page
      this.changed(entry);
      return Math.max(backoff, error instanceof Refused ? (error.details.retry_after_ms ?? 0) : 0);
    }
  }

  /**
   * Definite: until the user retries or discards it.
   * @param {Entry} entry
   * @param {string} error
   * @param {number} code
   */
  #fail(entry, error, code) {
    Object.assign(entry, { status: FAILED, error, code });
    this.#keep(entry);
    this.changed(entry);
    return 0;
  }

  /** Its time; a later one for each, so that cmids have the order of writing after a reload too. */
  #made() {
    this.last = Math.max(this.now(), this.last + 1);
    return this.last;
  }

  /** @param {number} made */
  #cmid(made) {
    return uuid7(made, this.entropy(10));
  }

  /** @param {Entry} entry */
  #keep(entry) {
    this.entries.set(entry.cmid, entry);
    try {
      this.storage.setItem(this.prefix + entry.cmid, JSON.stringify(entry));
    } catch {
      // Full or forbidden storage: the entry lives as long as the page.
    }
  }

  /** @param {Entry} entry */
  #forget(entry) {
    this.entries.delete(entry.cmid);
    this.storage.removeItem(this.prefix + entry.cmid);
  }

  #load() {
    /** @type {Entry[]} */
    const found = [];
    for (let place = 0; place < this.storage.length; place++) {
      const name = this.storage.key(place);
      if (!name?.startsWith(this.prefix)) continue;
      try {
        found.push(JSON.parse(this.storage.getItem(name) ?? ""));
      } catch {
        // Not ours, or cut while it was written: nothing to send.
      }
    }
    found.sort((a, b) => (a.cmid < b.cmid ? -1 : 1));
    for (const entry of found) {
      if (entry.status === SENDING) Object.assign(entry, { status: QUEUED, tries: entry.tries || 1 });
      this.entries.set(entry.cmid, entry);
      this.last = Math.max(this.last, entry.made);
    }
  }
}

// --- what a program uses

// Verbs that bear a cmid: `call` repeats them until they are answered. A test compares the list.
const COMMANDS = new Set(
  `
  bookmark.add bookmark.remove bookmark.update channel.archive channel.create channel.delete
  channel.freeze channel.promote channel.set_capabilities channel.set_mine channel.set_retention
  channel.set_slow_mode channel.truncate channel.unarchive channel.unfreeze channel.update
  counter.delete counter.increment counter.set devices.remove draft.clear draft.set event.publish
  event.send event_type.delete event_type.register guest.convert mark.read mark.unread
  member.accept_request member.add member.add_job member.ban member.decline_request member.invite
  member.join member.leave member.mute member.remove member.request_join member.set_capabilities
  member.set_role member.timeout member.unban member.unmute member.withdraw_request
  message.bulk_delete message.delete message.delete_by message.edit message.expire message.forward
  message.pin message.send message.undelete message.unpin metadata.delete metadata.set
  poll.add_option poll.close poll.create poll.unvote poll.vote presence.set privacy.set reaction.add
  reaction.remove reminder.cancel reminder.create reminder.snooze schedule.cancel schedule.create
  schedule.send_now schedule.update sessions.sign_out settings.set thread.follow thread.read
  thread.unfollow threads.read_all typing.start typing.stop user.ban user.block user.deactivate
  user.reactivate user.unban user.unblock
  user.update
`.trim().split(/\s+/),
);
const COMMAND_MS = 15_000; // outlives a restart of an edge, a router and a node
const SYNC_CHANNELS_MAX = 1_000;

/**
 * A chat that connects, again and again, until `close`.
 *
 * `url`: `ws(s)://HOST/connection/websocket`. `storage`: where unsent messages are kept, localStorage
 * say; in memory by default. `user`: whose they are, where several share a storage.
 * @param {{url: string, token: string | Token, user?: string, name?: string, storage?: Storage, Socket?: any, random?: () => number, timers?: Timers, now?: () => number, entropy?: (bytes: number) => Uint8Array, onState?: (state: State, reason: string) => void}} options
 */
export function connect(options) {
  const chat = new Chat(options);
  chat.client.start();
  return chat;
}

/** Made by `connect`. */
export class Chat {
  /** @param {Parameters<typeof connect>[0]} options */
  constructor({ url, token, user = "", name, storage = new MemoryStorage(), onState, ...parts }) {
    this.now = parts.now ?? Date.now;
    this.random = parts.random ?? Math.random;
    this.timers = parts.timers ?? globalThis;
    this.entropy = parts.entropy ?? randomBytes;
    /** @type {Map<string, Set<Listener>>} */
    this.listeners = new Map();
    /** @type {Map<string, {resolve: (answer: Json) => void, reject: (error: Error) => void}>} */
    this.settled = new Map();
    /** @type {Set<() => void>} */
    this.wakers = new Set();
    /** @type {Connected | null} */
    this.hello = null;
    this.onState = onState;
    const give = typeof token === "string" ? async () => token : token;
    this.client = new Client({ ...parts, url, token: give, on: this.#handlers(), ...(name && { name }) });
    this.outbox = new Outbox({
      user,
      rpc: (method, data) => this.client.rpc(method, data),
      changed: (entry, answer) => this.#confirmed(entry, answer),
      storage,
      now: this.now,
      entropy: this.entropy,
      timers: this.timers,
    });
  }

  /** Ends everything. What is unsent stays in the storage. */
  close() {
    this.client.stop();
    for (const { reject } of this.settled.values()) reject(new Unanswered("closed"));
    this.settled.clear();
  }

  /**
   * A handle; nothing is asked for yet.
   * @param {string} name
   */
  channel(name) {
    return new Channel(this, name);
  }

  /**
   * Any verb. A command is repeated under one cmid, for 15 s; a question is asked once. Rejects with Refused
   * or Unanswered.
   * @param {string} verb
   * @param {Record<string, Json>} [data]
   * @returns {Promise<Json>}
   */
  async call(verb, data = {}) {
    if (!COMMANDS.has(verb)) return this.client.rpc(verb, data);
    const until = this.now() + COMMAND_MS;
    const body = { cmid: this.newCmid(), ...data };
    for (let tries = 0; ; tries++) {
      try {
        return await this.client.rpc(verb, body);
      } catch (error) {
        const again = error instanceof Unanswered || (error instanceof Refused && error.temporary);
        if (!again || this.client.state === ENDED) throw error;
        const least = error instanceof Refused ? (error.details.retry_after_ms ?? 0) : 0;
        const wait = Math.max(least, delayMs(tries, this.random));
        if (this.now() + wait >= until) throw error;
        await this.#pause(wait);
      }
    }
  }

  /** A UUIDv7. */
  newCmid() {
    return uuid7(this.now(), this.entropy(10));
  }

  /**
   * All changes since the store's positions, after weeks too. The program keeps the state, the store positions
   * only: they are saved when all changes of an answer were taken.
   * @param {{load(): Json | Promise<Json>, save(positions: Json): void | Promise<void>}} store
   * @returns {AsyncGenerator<Change>}
   */
  async *sync(store) {
    const saved = (await store.load()) ?? {};
    let user = saved.user ?? ["", 0];
    /** @type {Record<string, [string, number]>} */
    const channels = { ...saved.channels };
    let left = Object.keys(channels);
    do {
      const asked = left.splice(0, SYNC_CHANNELS_MAX);
      const places = Object.fromEntries(asked.map((name) => [name, channels[name]]));
      const answer = await this.#patiently("sync", { user, channels: places });
      const own = answer.user;
      if (own && (own.state === "reset" || own.events?.length)) {
        yield { events: [], ...own, channel: "" };
        if (own.snapshot) {
          for (const name of await this.#listed(own.snapshot)) {
            if (name in channels) continue;
            channels[name] = ["", 0];
            left.push(name);
          }
        }
      }
      if (own) user = [own.epoch, own.seq];
      for (const [name, state] of Object.entries(answer.channels)) {
        yield { events: [], ...state, channel: name };
        if (state.state === "gone") delete channels[name];
        else channels[name] = [state.epoch, state.seq];
      }
      const more = answer.more ?? [];
      if (asked.length && !Object.keys(answer.channels).length && more.length >= asked.length) {
        throw new Unanswered("the answer to sync holds nothing");
      }
      for (const name of more) channels[name] ??= ["", 0];
      left = [...new Set([...left, ...more])].filter((name) => !(name in answer.channels));
      await store.save({ user, channels });
    } while (left.length);
  }

  /**
   * A question that may wait for the connection, as long as a command.
   * @param {string} verb
   * @param {Record<string, Json>} data
   */
  async #patiently(verb, data) {
    const until = this.now() + COMMAND_MS;
    while (this.client.state !== ONLINE && this.client.state !== ENDED && this.now() < until) await this.#pause(100);
    return this.client.rpc(verb, data);
  }

  /** @param {Json} snapshot */
  async #listed(snapshot) {
    const lines = [...snapshot.channels];
    for (let { next } = snapshot; next; ) {
      const page = await this.client.rpc("user.channels", { before: next });
      lines.push(...page.channels);
      next = page.next;
    }
    return lines.filter((line) => line.state === "joined").map((line) => line.channel);
  }

  /**
   * @param {string} channel
   * @param {Listener} listener
   */
  listen(channel, listener) {
    const known = this.listeners.get(channel);
    if (known) known.add(listener);
    else this.listeners.set(channel, new Set([listener]));
    if (!known && !channel.startsWith("#")) this.client.subscribe(channel);
    return () => {
      const all = this.listeners.get(channel);
      if (!all?.delete(listener) || all.size) return;
      this.listeners.delete(channel);
      this.client.unsubscribe(channel);
    };
  }

  /**
   * Into the outbox; the outcome: the answer, or Refused, or Unanswered (too old to be sent again).
   * @param {Parameters<Outbox["add"]>[0]} request
   * @returns {Promise<Json>}
   */
  post(request) {
    return new Promise((resolve, reject) => {
      const { cmid } = this.outbox.add(request);
      this.settled.set(cmid, { resolve, reject });
    });
  }

  /** @returns {Handlers} */
  #handlers() {
    /** @param {string} channel */
    const all = (channel) => [...(this.listeners.get(channel) ?? [])];
    return {
      state: (state, reason) => {
        this.outbox?.online(state === ONLINE);
        if (state === ONLINE) for (const wake of [...this.wakers]) wake();
        this.onState?.(state, reason);
      },
      connected: (result) => {
        this.hello = result;
      },
      subscribed: (channel, result, resumed) => {
        for (const one of all(channel)) one.subscribed?.(result, resumed);
      },
      failed: (channel, error) => {
        for (const one of all(channel)) one.ended?.(error);
        this.listeners.delete(channel);
      },
      unsubscribed: (channel, code) => {
        for (const one of all(channel)) one.ended?.(new Refused({ code, message: "unsubscribed: by the server" }));
        this.listeners.delete(channel);
      },
      publication: (channel, data, pub) => {
        for (const one of all(channel)) one.event(data, pub);
      },
    };
  }

  /**
   * @param {Entry} entry
   * @param {Json} answer
   */
  #confirmed(entry, answer) {
    const waiting = this.settled.get(entry.cmid);
    if (!waiting || (!answer && entry.status !== FAILED)) return;
    this.settled.delete(entry.cmid);
    if (answer) return waiting.resolve(answer);
    const { error = "", code = 0, reason = "", details = {} } = entry;
    const refused = Object.assign(new Refused({ code, message: error }), { reason, details });
    waiting.reject(code === UNKNOWN ? new Unanswered(error) : refused);
    this.outbox.discard(entry.cmid);
  }

  /**
   * Until some time has passed, or the connection is up again.
   * @param {number} ms
   * @returns {Promise<void>}
   */
  #pause(ms) {
    return new Promise((resolve) => {
      const done = () => {
        this.timers.clearTimeout(timer);
        this.wakers.delete(done);
        resolve();
      };
      const timer = this.timers.setTimeout(done, ms);
      if (this.client.state !== ONLINE) this.wakers.add(done);
    });
  }
}

/**
 * @typedef {object} Listener
 * @property {(data: Json, pub: Publication) => void} event in order, each once
 * @property {(result: Subscribed, resumed: boolean) => void} [subscribed] not resumed: load what is missing
 * @property {(error: Refused) => void} [ended] the server ended it
 *
 * @typedef {object} Change what happened in one stream
 * @property {string} channel empty for the own stream
 * @property {"delta" | "head" | "reset" | "gone"} state
 * @property {Json[]} events
 * @property {[number, number]} [gap] first and last seq that are to be read with `history`
 * @property {Json} [figures]
 * @property {Json} [snapshot]
 *
 * @typedef {{seq: number, id: string, ts: string, dup: boolean, rev?: number}} Sent
 */

/** One channel's verbs. `more`: further fields of the verb. */
export class Channel {
  /**
   * @param {Chat} chat
   * @param {string} name
   */
  constructor(chat, name) {
    this.chat = chat;
    this.name = name;
  }

  /**
   * Any verb with this channel.
   * @param {string} verb
   * @param {Record<string, Json>} [data]
   */
  call(verb, data = {}) {
    return this.chat.call(verb, { channel: this.name, ...data });
  }

  /**
   * Through the outbox: offline it waits.
   * @param {string} text
   * @param {Record<string, Json>} [more]
   * @returns {Promise<Sent>}
   */
  send(text, more) {
    return this.chat.post({ kind: "send", channel: this.name, text, ...(more && { more }) });
  }

  /**
   * @param {string} id
   * @param {string} text
   * @returns {Promise<Sent>}
   */
  edit(id, text) {
    return this.chat.post({ kind: "edit", channel: this.name, id, text });
  }

  /**
   * @param {string} id
   * @returns {Promise<Sent>}
   */
  delete(id) {
    return this.chat.post({ kind: "delete", channel: this.name, id });
  }

  /**
   * @param {string} id
   * @param {string} emoji
   * @returns {Promise<{count: number, annotation_rev: number}>}
   */
  react(id, emoji, { remove = false } = {}) {
    return this.call(remove ? "reaction.remove" : "reaction.add", { id, emoji });
  }

  /**
   * A page: `after_seq`, `before_seq`, `around_seq` or `at`; `limit`.
   * @param {Record<string, Json>} [place]
   * @returns {Promise<{messages: Json[], head: number}>}
   */
  history(place) {
    return this.call("history.get", place);
  }

  /**
   * Follows the channel over all cuts. Returns a function that ends it.
   * @param {Listener | Listener["event"]} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    return this.chat.listen(this.name, typeof listener === "function" ? { event: listener } : listener);
  }

  /** @param {number} upto */
  markRead(upto) {
    return this.call("mark.read", { upto });
  }

  typing({ stop = false } = {}) {
    return this.chat.client.rpc(stop ? "typing.stop" : "typing.start", { channel: this.name });
  }

  /** @returns {AsyncGenerator<Json>} */
  async *members() {
    for (let after = ""; ; ) {
      const page = await this.call("members.list", after ? { after } : {});
      yield* page.members;
      after = page.next;
      if (!after) return;
    }
  }
}

/** @param {number} count */
function randomBytes(count) {
  const bytes = new Uint8Array(count);
  if (globalThis.crypto) return crypto.getRandomValues(bytes);
  return bytes.map(() => Math.random() * 256); // Node.js 18: a cmid must be unique, not secret
}
