// A client of the Centrifuge client protocol v2, JSON over WebSocket: one connection that resumes.
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

export const CONNECTING = "connecting";
export const ONLINE = "online";
export const WAITING = "waiting"; // for the next attempt
export const ENDED = "ended"; // by us, or for good

/** The server said no. `details`: the JSON object that may follow the message. */
export class Refused extends Error {
  constructor({ code, message = "", temporary = false }) {
    const cut = message.indexOf(" {");
    const text = cut < 0 ? message : message.slice(0, cut);
    super(text.includes(": ") ? text.slice(text.indexOf(": ") + 2) : text);
    this.code = code;
    this.temporary = temporary;
    this.details = cut < 0 ? {} : parseOr(message.slice(cut + 1), {});
  }
}

/** No answer: whether it happened is unknown. */
export class Unanswered extends Error {}

/** Full jitter: min + random(0 … min × 2^attempt, capped). */
export function delayMs(attempt, random) {
  return DELAY_MIN_MS + random() * Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** attempt);
}

/** Whether a close code lets the client come back. */
export function comesBack(code) {
  return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999));
}

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
  constructor({ url, token, on, Socket = globalThis.WebSocket, random = Math.random, timers = globalThis }) {
    Object.assign(this, { url, token, on, Socket, random, timers });
    this.state = ENDED;
    this.user = "";
    this.clientId = "";
    this.socket = null;
    this.subs = new Map(); // channel → {epoch, offset, known, phase, attempt, timer}
    this.serverSubs = new Map(); // channel → {epoch, offset}
    this.pending = new Map(); // command id → {name, resolve, reject, timer}
    this.lastId = 0;
    this.attempt = 0;
    this.refusals = 0;
    this.needsFreshToken = false;
    this.turn = 0; // of the attempts: an answer to an older one is nobody's
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

  /** Wants a channel. `position`: {epoch, offset} to resume from, if it was known before. */
  subscribe(channel, position) {
    if (this.subs.has(channel)) return;
    const known = Boolean(position);
    const sub = { epoch: "", offset: 0, ...position, known, phase: "wanted", attempt: 0, timer: null };
    this.subs.set(channel, sub);
    if (this.state === ONLINE) this.#send([this.#subscribeCommand(channel, sub)]);
  }

  /** Wants it no more. Returns its position, to resume from later. */
  unsubscribe(channel) {
    const sub = this.subs.get(channel);
    if (!sub) return undefined;
    this.subs.delete(channel);
    this.timers.clearTimeout(sub.timer);
    if (this.state === ONLINE) this.#command("unsubscribe", { channel }).catch(() => {});
    return sub.known ? { epoch: sub.epoch, offset: sub.offset } : undefined;
  }

  /** The data of an rpc's answer. Rejects with Refused or Unanswered. */
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
      if (turn === this.turn) this.#retry(error.message);
      return;
    }
    if (turn !== this.turn || this.state !== CONNECTING) return;
    this.needsFreshToken = false;
    const socket = new this.Socket(this.url);
    this.socket = socket;
    const mine = () => this.socket === socket;
    this.#set("connect", CONNECT_MS, () => mine() && this.#lost(1006, "no answer"));
    socket.onopen = () => mine() && this.#hello(token);
    socket.onmessage = ({ data }) => mine() && this.#receive(data);
    socket.onclose = ({ code, reason }) => mine() && this.#lost(code, reason);
    socket.onerror = () => {}; // a close follows
  }

  #hello(token) {
    const subs = {};
    for (const [channel, { epoch, offset }] of this.serverSubs) subs[channel] = { recover: true, epoch, offset };
    const connect = { token, name: "chat-page" };
    if (this.serverSubs.size) connect.subs = subs;
    const hello = this.#prepare("connect", connect);
    hello.answer.then((result) => this.#connected(result), (error) => this.#refused(error));
    const wanted = [...this.subs].map(([channel, sub]) => this.#subscribeCommand(channel, sub));
    this.#send([hello.line, ...wanted]);
  }

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

  #retry(reason) {
    this.#enter(WAITING, reason);
    this.#set("retry", delayMs(this.attempt++, this.random), () => this.#open());
  }

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

  #enter(state, reason) {
    this.state = state;
    this.on.state(state, reason);
  }

  // --- commands

  #command(name, body) {
    const { line, answer } = this.#prepare(name, body);
    this.#send([line]);
    return answer;
  }

  #prepare(name, body) {
    const id = ++this.lastId;
    const answer = new Promise((resolve, reject) => {
      const timer = this.timers.setTimeout(() => {
        this.pending.delete(id);
        reject(new Unanswered("no answer in time"));
      }, name === "connect" ? CONNECT_MS : ANSWER_MS);
      this.pending.set(id, { name, resolve, reject, timer });
    });
    return { line: JSON.stringify({ id, [name]: body }), answer };
  }

  #send(lines) {
    if (this.socket?.readyState === 1) this.socket.send(lines.join("\n"));
  }

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

  #subscribed(channel, sub, result) {
    if (this.subs.get(channel) !== sub) return;
    const resumed = sub.known && result.recovered === true;
    Object.assign(sub, { phase: "live", attempt: 0, known: true });
    Object.assign(sub, { epoch: result.epoch ?? "", offset: result.offset ?? 0 });
    this.on.subscribed(channel, result, resumed);
    for (const pub of result.publications ?? []) this.#deliver(channel, sub, pub);
  }

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

  #answered(reply) {
    const waiting = this.pending.get(reply.id);
    if (!waiting) return;
    this.pending.delete(reply.id);
    this.timers.clearTimeout(waiting.timer);
    if (reply.error) waiting.reject(new Refused(reply.error));
    else waiting.resolve(reply[waiting.name] ?? {});
  }

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

  #set(name, ms, fn) {
    this.#clear(name);
    this.marks.set(name, this.timers.setTimeout(() => (this.marks.delete(name), fn()), ms));
  }

  #clear(name) {
    this.timers.clearTimeout(this.marks.get(name));
    this.marks.delete(name);
  }
}
