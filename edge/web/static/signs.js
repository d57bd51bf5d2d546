// Who types where, and that one types oneself. No DOM; timers come from outside.
//
// Rules:
// 1. A sign of another holds as long as it says, or until his next message or his "stopped". Where
//    there are too many for names, a number holds as long as it says.
// 2. An own sign is given at most once in AGAIN_MS: the server refuses more. Who sent or took back what
//    he typed, and types again, is told of when it may be.

import { t } from "./words.js";

const AGAIN_MS = 3_200;

/** Where one types: a channel, or a thread of it. */
export const placeOf = (channel, thread = "") => (thread ? `${channel} ${thread}` : channel);

/** A place as verbs name it. */
export function placed(place) {
  const [channel, thread] = place.split(" ");
  return thread ? { channel, thread } : { channel };
}

export class Signs {
  /** `tell(verb, channel)`: says it to the server; `changed()`: others' signs came or went. */
  constructor({ tell, changed, now, timers }) {
    this.tell = tell;
    this.changed = changed;
    this.now = now;
    this.timers = timers;
    this.typists = new Map(); // "channel user" → {channel, user, timer}
    this.numbers = new Map(); // channel → {count, timer}
    this.own = ""; // where one types
    this.told = { channel: "", at: 0 }; // the last time that it was said
    this.later = null;
  }

  /** One publication's data of a channel. */
  apply(channel, data) {
    const { t, by } = data;
    const place = placeOf(channel, data.thread);
    if (t === "typing.started") this.#hold(place, by, data.expires_ms);
    else if (t === "typing.counted") this.#count(channel, data.count, data.expires_ms);
    else if (t === "typing.stopped" || t === "message.created") this.#end(`${place} ${by}`);
  }

  /** Nothing of this user is shown any more: one has blocked him. */
  drop(user) {
    for (const [key, one] of this.typists) if (one.user === user) this.#end(key);
  }

  /** Users who type in a channel now, the first one first. */
  of(channel) {
    return [...this.typists.values()].filter((one) => one.channel === channel).map((one) => one.user);
  }

  /** How many others type in a channel, whoever they are. */
  number(channel) {
    const isOne = this.own === channel && this.#waits(channel) > 0;
    const counted = (this.numbers.get(channel)?.count ?? 0) - (isOne ? 1 : 0);
    return Math.max(counted, this.of(channel).length);
  }

  /** One typed something (`isEmpty`: or took all of it back). */
  typed(channel, isEmpty) {
    if (isEmpty) {
      if (this.own === channel && this.#waits(channel) > 0 && !this.later) this.tell("typing.stop", channel);
      this.sent();
      return;
    }
    if (this.own !== channel) this.sent();
    const isNew = this.own !== channel;
    this.own = channel;
    const waits = this.#waits(channel);
    if (waits <= 0) this.#say(channel);
    else if (isNew) this.later = this.timers.setTimeout(() => this.#say(channel), waits);
  }

  /** What was typed was sent: the message ends the sign. */
  sent() {
    this.own = "";
    this.timers.clearTimeout(this.later);
    this.later = null;
  }

  /** Until it may be said again, in ms. */
  #waits(channel) {
    return this.told.channel === channel ? this.told.at + AGAIN_MS - this.now() : 0;
  }

  #say(channel) {
    this.timers.clearTimeout(this.later);
    this.later = null;
    this.told = { channel, at: this.now() };
    this.tell("typing.start", channel);
  }

  #hold(channel, user, ms) {
    const key = `${channel} ${user}`;
    this.timers.clearTimeout(this.typists.get(key)?.timer);
    this.typists.set(key, { channel, user, timer: this.timers.setTimeout(() => this.#end(key), ms) });
    this.changed();
  }

  #count(channel, count, ms) {
    this.timers.clearTimeout(this.numbers.get(channel)?.timer);
    if (count) this.numbers.set(channel, { count, timer: this.timers.setTimeout(() => this.#count(channel, 0), ms) });
    else this.numbers.delete(channel);
    this.changed();
  }

  #end(key) {
    const one = this.typists.get(key);
    if (!one) return;
    this.timers.clearTimeout(one.timer);
    this.typists.delete(key);
    this.changed();
  }
}

/** "Bob is typing…"; of more than three, or where there are no names, only the number. */
export function typingWords(names, number = names.length) {
  if (!number) return "";
  if (number > 3 || number > names.length) return t("{n} person is typing…|{n} people are typing…", { n: number });
  if (number === 1) return t("{name} is typing…", { name: names[0] });
  return t("{names} and {last} are typing…", { names: names.slice(0, -1).join(", "), last: names.at(-1) });
}
