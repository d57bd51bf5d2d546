// Who types where, and that one types oneself. No DOM; timers come from outside.
//
// Rules:
// 1. A sign of another holds as long as it says, or until his next message or his "stopped". Where
//    there are too many for names, a number holds as long as it says.
// 2. An own sign is given at most once in AGAIN_MS while one goes on typing: the server refuses more.

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
    this.own = { channel: "", at: 0 };
  }

  /** One publication's data of a channel. */
  apply(channel, data) {
    const { t, by } = data;
    const place = placeOf(channel, data.thread);
    if (t === "typing.started") this.#hold(place, by, data.expires_ms);
    else if (t === "typing.counted") this.#count(channel, data.count, data.expires_ms);
    else if (t === "typing.stopped" || t === "message.created") this.#end(`${place} ${by}`);
  }

  /** Users who type in a channel now, the first one first. */
  of(channel) {
    return [...this.typists.values()].filter((one) => one.channel === channel).map((one) => one.user);
  }

  /** How many others type in a channel, whoever they are. */
  number(channel) {
    const isOne = this.own.channel === channel && this.own.at + AGAIN_MS > this.now();
    const counted = (this.numbers.get(channel)?.count ?? 0) - (isOne ? 1 : 0);
    return Math.max(counted, this.of(channel).length);
  }

  /** One typed something (`isEmpty`: or took all of it back). */
  typed(channel, isEmpty) {
    const { own } = this;
    const isTold = own.channel === channel && own.at + AGAIN_MS > this.now();
    if (isEmpty) {
      if (isTold) this.tell("typing.stop", channel);
      this.sent();
    } else if (!isTold) {
      this.own = { channel, at: this.now() };
      this.tell("typing.start", channel);
    }
  }

  /** What was typed was sent: the message ends the sign. */
  sent() {
    this.own = { channel: "", at: 0 };
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
  if (number > 3 || number > names.length) return `${number} ${number === 1 ? "person is" : "people are"} typing…`;
  if (number === 1) return `${names[0]} is typing…`;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are typing…`;
}
