// Hubbub for JavaScript: one module without dependencies, for browsers and Node.js 18 or newer (before
// Node.js 22 give `connect` a WebSocket, from the package `ws`). `connect` is what a program calls.
//
// Below it: Outbox (what is not confirmed yet), Client (Centrifuge client protocol v2, JSON over
// WebSocket: one connection that resumes).
//
// Rules:
// 1. At most one live socket. A lost one is replaced after a full-jitter delay, and not before the time
//    that a draining server gave in its reason; `wake` tries at once unless there is such a time.
// 2. Positions (epoch, offset) are kept for every subscription; connect and all subscribes leave in
//    one frame, each with its position, and what was missed is delivered before anything newer.
// 3. A command that got no answer in time or lost its connection is NoAnswer: it may have happened.
// 4. Nothing here knows what a channel or an rpc means. Sockets, timers and chance are passed in.

const ANSWER_MS = 5_000; // as the official SDKs
const CONNECT_MS = 10_000;
const SILENCE_MS = 10_000; // beyond the server's ping interval
const STEADY_MS = 5_000; // a connection that lived so long makes the next delay short again
const DELAY_MIN_MS = 300;
const DELAY_MAX_MS = 30_000;
const ADVICE_MAX_MS = 60_000; // a server that says more is not believed
const PENDING_MAX = 1_000;
const TIMER_MAX_MS = 2 ** 31 - 1; // what is longer would fire at once

/**
 * @typedef {import("./verbs.d.ts").Verbs} Verbs each verb's fields and answer: keep that file beside this one
 * @typedef {import("./verbs.d.ts").Lists} Lists
 * @typedef {import("./verbs.d.ts").Event} Event what took a seq, by its `t`
 * @typedef {import("./verbs.d.ts").Heard} Heard the same, and signals
 */
/**
 * What a verb takes; any fields where it is not known before.
 * @template {string} V
 * @typedef {V extends keyof Verbs ? Verbs[V]["request"] : Record<string, Json>} Asked
 */
/**
 * @template {string} V
 * @typedef {V extends keyof Verbs ? Verbs[V]["answer"] : Json} Answered
 */
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

/**
 * The server said no. `reason`: the code's name, as `not_found`, which REST calls `code`. `temporary`: the same
 * may succeed later. `details`: the JSON object that may follow the text. A subclass says of what kind it is.
 */
export class Refused extends Error {
  /** @param {{code: number, message?: string, temporary?: boolean}} error */
  constructor({ code, message = "", temporary = false }) {
    const { text, details } = parted(message);
    const colon = text.indexOf(": ");
    super(colon < 0 ? text : text.slice(colon + 2));
    this.name = new.target.name;
    this.reason = colon < 0 ? "" : text.slice(0, colon);
    this.code = code;
    this.temporary = temporary;
    this.details = details;
  }
  /** How long to wait, where the server says so; else 0. @returns {number} */
  get retryAfterMs() {
    return this.details.retry_after_ms ?? 0;
  }
  /** What is wrong with the request's fields, by JSON pointer (`#/limit`): all of them. @returns {Record<string, string>} */
  get errors() {
    return Object.fromEntries((this.details.errors ?? []).map((/** @type {any} */ { pointer, detail }) => [pointer, detail]));
  }
}

/** The request is wrong as it stands. */
export class Invalid extends Refused {}
/** Not by this user, or not now: rights, sanctions, tokens. */
export class NotAllowed extends Refused {}
/** There is no such thing, or none for this user. */
export class NotFound extends Refused {}
/** The state is another than the request supposes. */
export class Conflict extends Refused {}
/** Too often, too many; `retryAfterMs` may say how long to wait. */
export class Limited extends Refused {}
/** The server cannot now, or failed. */
export class Unavailable extends Refused {}

// By code; a test compares them with docs/ERRORS.md.
/** @type {[typeof Refused, number[]][]} */
const KINDS = [
  [Invalid, [106, 107, 408, 411, 413, 414, 415, 443, 450, 452, 453]],
  [NotAllowed, [101, 103, 109, 110, 420, 423, 424, 425, 426, 427, 428, 447]],
  [NotFound, [102, 104, 108, 112, 404, 405, 445, 451]],
  [Conflict, [105, 409, 410, 421, 422, 440, 441, 442, 446, 448]],
  [Limited, [111, 429, 444]],
  [Unavailable, [100, 400, 430, 431]],
];

/** @param {{code: number, message?: string, temporary?: boolean}} error */
function refused(error) {
  const [Kind] = KINDS.find(([, codes]) => codes.includes(error.code)) ?? [Refused];
  return new Kind(error);
}

/**
 * A text and the JSON object behind it.
 * @param {string} message
 * @returns {{text: string, details: Record<string, any>}}
 */
function parted(message) {
  const cut = message.indexOf(" {");
  const details = cut < 0 ? null : parseOr(message.slice(cut + 1), null);
  return details ? { text: message.slice(0, cut), details } : { text: message, details: {} };
}

/** Nobody answered in time, or the connection was lost: it may or may not have happened. */
export class NoAnswer extends Error {
  name = "NoAnswer";
}

/** Overflow: a full outbox refuses what is new, and drops nothing. */
export class OutboxFull extends Error {
  name = "OutboxFull";
}

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
 * An edge's address as that of its socket: `http://HOST` will do.
 * @param {string} url
 */
function socketUrl(url) {
  const { href, pathname } = new URL(url.replace(/^http/, "ws"));
  return pathname === "/" ? `${href}connection/websocket` : href;
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
  /** @param {{url: string | string[], token: Token, on: Handlers, name?: string, Socket?: any, random?: () => number, timers?: Timers}} parts */
  constructor({ url, token, on, name = "hubbub.js", Socket = globalThis.WebSocket, random = Math.random, timers = globalThis }) {
    if (!Socket) throw new TypeError("no WebSocket here: give `connect` a Socket, from the package ws");
    this.urls = [url].flat().map(socketUrl);
    this.dials = 0;
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
    this.why = ""; // the last try ended
    this.isAdvised = false; // the server said when to come back
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
    if (this.state === WAITING && !this.isAdvised) this.#open();
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
   * The data of an rpc's answer. Rejects with Refused or NoAnswer.
   * @param {string} method
   * @param {Json} data
   * @returns {Promise<Json>}
   */
  async rpc(method, data) {
    if (this.state !== ONLINE) throw new NoAnswer(`not connected: ${this.why || this.state}`);
    if (this.pending.size >= PENDING_MAX) throw refused({ code: 430, message: "overloaded: too many unanswered requests", temporary: true });
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
    const socket = new this.Socket(this.urls[this.dials++ % this.urls.length]);
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
    this.#expires(result);
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
      this.#expires(await this.#command("refresh", { token: await this.token(true) }));
    } catch (error) {
      if (this.state !== ONLINE || error instanceof NoAnswer) return;
      if (error instanceof Refused && !error.temporary) return; // the server closes what has expired
      this.#set("refresh", ANSWER_MS, () => this.#refresh());
    }
  }

  /** @param {{expires?: boolean, ttl?: number}} result */
  #expires({ expires, ttl }) {
    if (expires && ttl) this.#set("refresh", Math.min(ttl * 1_000, TIMER_MAX_MS), () => this.#refresh());
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    const { text, details } = parted(reason ?? "");
    this.#drop(text);
    if (this.state === ENDED) return;
    if (code === 3005 || code === 3014 || code === 3500) this.needsFreshToken = true;
    if (code === 3014) for (const place of [...this.subs.values(), ...this.serverSubs.values()]) place.epoch = "_";
    // An invalid token may be one of a cluster that was made anew: a fresh one is tried once.
    const mayReturn = comesBack(code) || (code === 3500 && ++this.refusals < 2);
    if (mayReturn) this.#retry(text, details.retry_after_ms);
    else this.#enter(ENDED, text || `closed with ${code}`);
  }

  /**
   * @param {string} reason
   * @param {number} [adviceMs] when a server that drains wants us back
   */
  #retry(reason, adviceMs = 0) {
    this.isAdvised = adviceMs > 0;
    this.why = reason;
    this.#set("retry", Math.max(delayMs(this.attempt++, this.random), Math.min(adviceMs, ADVICE_MAX_MS)), () => this.#open());
    this.#enter(WAITING, reason);
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
      reject(new NoAnswer(reason || "connection lost"));
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
        reject(new NoAnswer("no answer in time"));
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
    if (reply.error) waiting.reject(refused(reply.error));
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
// 3. What was written long ago and never tried gets its id anew, so weeks offline cost nothing; so does,
//    once, what a wrong clock stamped: the server tells its time. Else an id that the server cannot take
//    any more (too old, used) is replaced when the user retries.

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
    this.kept = new Set(); // cmids that the storage has
    /** @type {Set<string>} */
    this.busy = new Set(); // channels with an entry under way
    /** @type {Map<string, any>} */
    this.pauses = new Map(); // channel → timer until the next try
    this.isOnline = false;
    this.last = 0; // the time of the newest entry
    this.aheadMs = 0; // how far the server's clock is ahead of ours
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

  /** Nothing more is taken, until something is confirmed or discarded. */
  get isFull() {
    return this.entries.size >= OUTBOX_MAX;
  }

  /**
   * Takes {kind: send | edit | delete, channel, text?, id?, more?} and sends it when it can. Throws OutboxFull.
   * @param {Pick<Entry, "kind" | "channel" | "text" | "id" | "more">} request
   */
  add(request) {
    if (this.isFull) throw new OutboxFull(`at most ${OUTBOX_MAX} unsent messages`);
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
    if (entry.code === UNKNOWN || entry.code === CMID_CLOCK || entry.code === CMID_REUSED) this.#renew(entry);
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
   * Another page of this user confirmed or discarded an entry: it has removed it from the storage that both have.
   * To be called by whoever hears of it (the browser's "storage" event).
   * @param {string | null} name the storage's
   */
  removed(name) {
    const entry = name?.startsWith(this.prefix) && this.entries.get(name.slice(this.prefix.length));
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
    const isOld = this.#now() - entry.made >= REMEMBERED_MS;
    if (isOld && entry.tries) return this.#fail(entry, "It may have been sent.", UNKNOWN);
    if (isOld) this.#renew(entry);
    if (!this.entries.has(entry.cmid)) return 0;
    entry.status = SENDING;
    this.#keep(entry); // that it was tried outlives the page
    this.changed(entry);
    const { kind, channel, cmid, text, id, more } = entry;
    const data = { ...more, channel, cmid, ...(kind !== "send" && { id }), ...(kind !== "delete" && { text }) };
    try {
      const answer = await this.rpc(METHODS[kind], data);
      this.#forget(entry);
      this.changed(entry, answer);
      return 0;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
      if (error instanceof Refused && error.code === CMID_CLOCK && !this.aheadMs && error.details.server_time_ms) {
        this.aheadMs = error.details.server_time_ms - this.now();
        this.#renew(entry);
        entry.status = QUEUED;
        return 0;
      }
      if (error instanceof Refused && !error.temporary) {
        Object.assign(entry, { reason: error.reason, details: error.details });
        return this.#fail(entry, error.message, error.code);
      }
      entry.status = QUEUED;
      const backoff = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** entry.tries++);
      this.#keep(entry);
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

  #now() {
    return this.now() + this.aheadMs;
  }

  /** Its time; a later one for each, so that cmids have the order of writing after a reload too. */
  #made() {
    this.last = Math.max(this.#now(), this.last + 1);
    return this.last;
  }

  /**
   * Other ids for what was never tried, and for `first`, which the server has not stored: all of them, so
   * that ids keep the order of writing. What another page has renewed meanwhile is that page's.
   * @param {Entry} first
   */
  #renew(first) {
    const all = [...this.entries.values()];
    this.entries.clear();
    this.last = 0;
    for (const entry of all) {
      if (entry === first || (entry.status === QUEUED && !entry.tries)) {
        if (this.kept.has(entry.cmid) && this.storage.getItem(this.prefix + entry.cmid) === null) {
          this.changed(Object.assign(entry, { status: FAILED, error: "Another page sends it.", code: UNKNOWN }));
          continue;
        }
        this.storage.removeItem(this.prefix + entry.cmid);
        const made = this.#made();
        Object.assign(entry, { cmid: this.#cmid(made), made });
      }
      this.#keep(entry);
    }
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
      this.kept.add(entry.cmid);
    } catch {
      // Full or forbidden storage: the entry lives as long as the page.
    }
  }

  /** @param {Entry} entry */
  #forget(entry) {
    this.entries.delete(entry.cmid);
    this.kept.delete(entry.cmid);
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
      this.kept.add(entry.cmid);
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
// Lists that go on: the field that begins the next page, the answer's rows. A test compares them.
/** @type {Record<string, [string, string]>} */
const PAGED = {
  "bans.list": ["after", "sanctions"],
  "bookmark.list": ["before", "bookmarks"],
  "channel.query": ["cursor", "channels"],
  "directory.list": ["cursor", "channels"],
  "draft.list": ["after", "drafts"],
  "event_type.list": ["after", "types"],
  "join_requests.list": ["after", "requests"],
  "members.list": ["after", "members"],
  "mutes.list": ["after", "sanctions"],
  "poll.voters": ["after", "voters"],
  "reaction.list": ["cursor", "reactors"],
  "receipts.readers": ["after", "readers"],
  "reminder.list": ["after", "reminders"],
  "schedule.list": ["after", "schedules"],
  "search.messages": ["cursor", "hits"],
  "thread.list": ["before", "threads"],
  "thread.unread": ["before", "threads"],
  "unread.explain": ["after", "messages"],
  "user.channels": ["before", "channels"],
  "user.query": ["cursor", "users"],
};
const COMMAND_MS = 15_000; // outlives a restart of an edge, a router and a node
const SYNC_CHANNELS_MAX = 1_000;

const ACK_MS = 250;
// Messages that do not wait.
const ACK_FULL = 32;

/**
 * What this device got, acknowledged in few `mark.delivered`: the last seq of each channel, one request at a time.
 * Only messages of others, in channels with members. A channel that is refused is left alone.
 */
class Acks {
  /** @type {Map<string, number>} */
  seqs = new Map();
  /** @type {Set<string>} */
  refused = new Set();
  count = 0;
  isAsking = false;
  /** @type {any} */
  timer = null;

  /**
   * @param {(data: Json) => Promise<Json>} tell
   * @param {Timers} timers
   * @param {boolean} isOff
   */
  constructor(tell, timers, isOff) {
    this.tell = tell;
    this.timers = timers;
    this.isOff = isOff;
  }

  /**
   * @param {string} channel
   * @param {number} seq
   */
  got(channel, seq) {
    if (this.isOff || !/^(dm|group):/.test(channel) || this.refused.has(channel)) return;
    this.seqs.set(channel, seq);
    if (++this.count === ACK_FULL || !this.timer) this.#later();
  }

  #later() {
    if (this.isAsking) return;
    this.timers.clearTimeout(this.timer);
    this.timer = this.timers.setTimeout(() => this.#tell(), this.count < ACK_FULL ? ACK_MS : 0);
  }

  async #tell() {
    // The server takes no more at once.
    const marks = [...this.seqs].slice(0, 100);
    for (const [channel] of marks) this.seqs.delete(channel);
    this.timer = null;
    this.count = 0;
    this.isAsking = true;
    try {
      const { refused } = await this.tell({ marks: Object.fromEntries(marks) });
      for (const channel in refused) this.refused.add(channel);
    } catch (error) {
      if (error instanceof Refused && !error.temporary) this.isOff = true;
      this.seqs = new Map([...marks, ...this.seqs]);
    }
    this.isAsking = false;
    if (this.seqs.size && !this.isOff) this.#later();
  }
}

/**
 * A chat that connects, again and again, until `close`.
 *
 * `acks`: whether senders are told that messages were delivered here; they are, by default. `url`: of one edge or several, tried in turn: `https://HOST`. `storage`: where unsent messages are kept, localStorage
 * say; in memory by default. `user`: whose they are, where several share a storage.
 * @param {{url: string | string[], token: string | Token, user?: string, name?: string, acks?: boolean, storage?: Storage, Socket?: any, random?: () => number, timers?: Timers, now?: () => number, entropy?: (bytes: number) => Uint8Array, onState?: (state: State, reason: string) => void}} options
 */
export function connect(options) {
  const chat = new Chat(options);
  chat.client.start();
  return chat;
}

/**
 * A program's own function: what it throws is reported, as of an event's listener, and harms nobody else.
 * @param {() => void} listener
 */
function told(listener) {
  try {
    listener();
  } catch (error) {
    const report = /** @type {any} */ (globalThis).reportError ?? console.error;
    report(error);
  }
}

/** Made by `connect`. */
export class Chat {
  /** @param {Parameters<typeof connect>[0]} options */
  constructor({ url, token, user = "", name, acks = true, storage = new MemoryStorage(), onState, ...parts }) {
    this.now = parts.now ?? Date.now;
    this.random = parts.random ?? Math.random;
    this.timers = parts.timers ?? globalThis;
    this.entropy = parts.entropy ?? randomBytes;
    /** @type {Map<string, Set<Listener<Json>>>} */
    this.listeners = new Map();
    /** @type {Map<Entry, {resolve: (answer: Json) => void, reject: (error: Error) => void}>} */
    this.settled = new Map(); // entries somebody waits for
    /** @type {Set<() => void>} */
    this.wakers = new Set();
    /** @type {Connected | null} */
    this.hello = null;
    this.onState = onState;
    const give = typeof token === "string" ? async () => token : token;
    this.client = new Client({ ...parts, url, token: give, on: this.#handlers(), ...(name && { name }) });
    this.acks = new Acks((data) => this.#patiently("mark.delivered", data, ANSWER_MS), this.timers, !acks);
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
    for (const { reject } of this.settled.values()) reject(new NoAnswer("closed"));
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
   * Any verb. Both wait for the connection; a command is repeated under one cmid, for 15 s, a question is asked
   * once, within 5 s. Rejects with Refused or NoAnswer.
   * @template {string} V
   * @param {V} verb
   * @param {Asked<V>} [given]
   * @returns {Promise<Answered<V>>}
   */
  async call(verb, given) {
    /** @type {Record<string, Json>} */
    const data = given ?? {};
    if (!COMMANDS.has(verb)) return this.#patiently(verb, data, ANSWER_MS);
    const until = this.now() + COMMAND_MS;
    const isOurs = !("cmid" in data);
    let body = { cmid: this.newCmid(), ...data };
    for (let tries = 0; ; tries++) {
      try {
        return await this.client.rpc(verb, body);
      } catch (error) {
        if (error instanceof Refused && isOurs && this.#learned(error)) {
          body = { ...body, cmid: this.newCmid() };
          continue;
        }
        const again = error instanceof NoAnswer || (error instanceof Refused && error.temporary);
        if (!again || this.client.state === ENDED) throw error;
        const least = error instanceof Refused ? error.retryAfterMs : 0;
        const wait = Math.max(least, delayMs(tries, this.random));
        if (this.now() + wait >= until) throw error;
        await this.#pause(wait);
      }
    }
  }

  /**
   * Every row of a list, page by page. Rejects as `call`; with a RangeError for what is no list.
   * @template {string} V
   * @param {V} verb
   * @param {Asked<V>} [given]
   * @returns {AsyncGenerator<V extends keyof Lists ? Lists[V] : Json>}
   */
  async *rows(verb, given) {
    if (!Object.hasOwn(PAGED, verb)) throw new RangeError(`${verb} is no list that goes on: ${Object.keys(PAGED).join(", ")}`);
    const [place, name] = PAGED[verb];
    /** @type {Json} */
    const data = { ...given };
    for (;;) {
      const page = /** @type {Json} */ (await this.call(verb, data));
      yield* page[name];
      if (!page.next) return;
      data[place] = page.next;
    }
  }

  /** A UUIDv7, by the server's clock where ours was wrong. */
  newCmid() {
    return uuid7(this.now() + this.outbox.aheadMs, this.entropy(10));
  }

  /**
   * Whether a refusal says for the first time that our clock is wrong.
   * @param {Refused} error
   */
  #learned(error) {
    if (error.code !== CMID_CLOCK || this.outbox.aheadMs) return false;
    this.outbox.aheadMs = error.details.server_time_ms - this.now();
    return true;
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
      const answer = await this.#patiently("sync", { user, channels: places }, COMMAND_MS);
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
        throw new NoAnswer("the answer to sync holds nothing");
      }
      for (const name of more) channels[name] ??= ["", 0];
      left = [...new Set([...left, ...more])].filter((name) => !(name in answer.channels));
      await store.save({ user, channels });
    } while (left.length);
  }

  /**
   * A question that may wait for the connection.
   * @param {string} verb
   * @param {Record<string, Json>} data
   * @param {number} ms
   */
  async #patiently(verb, data, ms) {
    const until = this.now() + ms;
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
   * @param {Listener<Json>} listener
   */
  listen(channel, listener) {
    const known = this.listeners.get(channel);
    if (known) known.add(listener);
    else this.listeners.set(channel, new Set([listener]));
    if (!known) this.acks.refused.delete(channel);
    if (!known && !channel.startsWith("#")) this.client.subscribe(channel);
    return () => {
      const all = this.listeners.get(channel);
      if (!all?.delete(listener) || all.size) return;
      this.listeners.delete(channel);
      this.client.unsubscribe(channel);
    };
  }

  /**
   * Into the outbox; the outcome: the answer, or Refused, or NoAnswer (too old to be sent again).
   * @param {Parameters<Outbox["add"]>[0]} request
   * @returns {Promise<Json>}
   */
  post(request) {
    return new Promise((resolve, reject) => this.settled.set(this.#added(request), { resolve, reject }));
  }

  /**
   * Into the outbox; nobody waits for it. Throws OutboxFull, NoAnswer (closed).
   * @param {Parameters<Outbox["add"]>[0]} request
   */
  leave(request) {
    this.settled.set(this.#added(request), { resolve: () => {}, reject: () => {} });
  }

  /** @param {Parameters<Outbox["add"]>[0]} request */
  #added(request) {
    if (this.client.state === ENDED) throw new NoAnswer("closed");
    return this.outbox.add(request);
  }

  /** @returns {Handlers} */
  #handlers() {
    /** @param {string} channel */
    const all = (channel) => [...(this.listeners.get(channel) ?? [])];
    return {
      state: (state, reason) => {
        this.outbox?.online(state === ONLINE);
        if (state === ENDED) this.acks.isOff = true;
        if (state === ONLINE) for (const wake of [...this.wakers]) wake();
        told(() => this.onState?.(state, reason));
      },
      connected: (result) => {
        this.hello = result;
      },
      subscribed: (channel, result, resumed) => {
        for (const one of all(channel)) told(() => one.subscribed?.(result, resumed));
      },
      failed: (channel, error) => {
        const ended = all(channel);
        this.listeners.delete(channel);
        for (const one of ended) told(() => one.ended?.(error));
      },
      unsubscribed: (channel, code) => {
        const ended = all(channel);
        this.listeners.delete(channel);
        for (const one of ended) told(() => one.ended?.(refused({ code, message: "unsubscribed: by the server" })));
      },
      publication: (channel, data, pub) => {
        for (const one of all(channel)) told(() => one.event(data, pub));
        const isMessage = data.t === "message.created" && data.by !== this.hello?.data?.user;
        if (isMessage && pub.offset) this.acks.got(channel, pub.offset);
      },
    };
  }

  /**
   * @param {Entry} entry
   * @param {Json} answer
   */
  #confirmed(entry, answer) {
    const waiting = this.settled.get(entry);
    if (!waiting || (!answer && entry.status !== FAILED)) return;
    this.settled.delete(entry);
    if (answer) return waiting.resolve(answer);
    const { error = "", code = 0, reason = "", details = {} } = entry;
    waiting.reject(code === UNKNOWN ? new NoAnswer(error) : Object.assign(refused({ code, message: error }), { reason, details }));
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
 * What a listener gets; `D`: what a channel of a raw namespace carries.
 * @template {Json} [D=Heard]
 * @typedef {object} Listener
 * @property {(data: D, pub: Publication) => void} event in order, each once
 * @property {(result: Subscribed, resumed: boolean) => void} [subscribed] not resumed: load what is missing
 * @property {(error: Refused) => void} [ended] the server ended it
 *
 * @typedef {object} Change what happened in one stream
 * @property {string} channel empty for the own stream
 * @property {"delta" | "head" | "reset" | "gone"} state
 * @property {Event[]} events
 * @property {[number, number]} [gap] first and last seq that are to be read with `history`
 * @property {import("./verbs.d.ts").Figures} [figures]
 * @property {Json} [snapshot] of a channel ChannelSnapshot, of the own stream UserSnapshot
 *
 * @typedef {{seq: number, id: string, ts: string, dup: boolean, rev?: number}} Sent
 * @typedef {Partial<Omit<Verbs["message.send"]["request"], "channel" | "text" | "cmid">>} More
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
   * @template {string} V
   * @param {V} verb
   * @param {V extends keyof Verbs ? Omit<Verbs[V]["request"], "channel"> : Record<string, Json>} [data]
   * @returns {Promise<Answered<V>>}
   */
  call(verb, data) {
    return this.chat.call(verb, /** @type {Json} */ ({ channel: this.name, ...data }));
  }

  /**
   * Through the outbox: offline it waits.
   * @param {string} text
   * @param {More} [more]
   * @returns {Promise<Sent>}
   */
  send(text, more) {
    return this.chat.post({ kind: "send", channel: this.name, text, ...(more && { more }) });
  }

  /**
   * The same, and nobody waits for it. Throws OutboxFull, NoAnswer (closed).
   * @param {string} text
   * @param {More} [more]
   */
  post(text, more) {
    this.chat.leave({ kind: "send", channel: this.name, text, ...(more && { more }) });
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
   * @returns {Promise<Answered<"reaction.add">>}
   */
  react(id, emoji, { remove = false } = {}) {
    return this.call(remove ? "reaction.remove" : "reaction.add", { id, emoji });
  }

  /**
   * A page: `after_seq`, `before_seq`, `around_seq` or `at`; `limit`.
   * @param {Omit<Verbs["history.get"]["request"], "channel">} [place]
   */
  history(place) {
    return this.call("history.get", place);
  }

  /**
   * All messages from the newest to the oldest, page by page. `which`: as of `history`.
   * @param {Omit<Verbs["history.get"]["request"], "channel">} [which]
   */
  async *messages(which) {
    for (let place = { ...which }; ; ) {
      const { messages, reached } = await this.history(place);
      yield* [...messages].reverse();
      const last = reached || Math.min(...messages.map(({ seq }) => seq));
      if (!(last > 1 && last < Infinity)) return;
      place = { ...place, before_seq: last };
    }
  }

  /**
   * Follows the channel over all cuts. Returns a function that ends it.
   * @template {Json} [D=Heard]
   * @param {Listener<D> | Listener<D>["event"]} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    return this.chat.listen(this.name, typeof listener === "function" ? { event: listener } : listener);
  }

  /** @param {number} upto */
  markRead(upto) {
    return this.call("mark.read", { upto });
  }

  /** A sign that passes by itself. Give it as often as you like: what is too often, or has no connection, is left out. */
  async typing({ stop = false } = {}) {
    try {
      await this.chat.client.rpc(stop ? "typing.stop" : "typing.start", { channel: this.name });
    } catch (error) {
      if (!(error instanceof Limited || error instanceof NoAnswer)) throw error;
    }
  }

  /** All of them, page by page. */
  members() {
    return this.chat.rows("members.list", { channel: this.name });
  }
}

/** @param {number} count */
function randomBytes(count) {
  const bytes = new Uint8Array(count);
  if (globalThis.crypto) return crypto.getRandomValues(bytes);
  return bytes.map(() => Math.random() * 256); // Node.js 18: a cmid must be unique, not secret
}
