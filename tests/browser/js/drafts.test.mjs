// Drafts, polls, threads and idleness of the chat page, in Node.js: HUBBUB_STATIC names their folder.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(new URL(name, pathToFileURL(`${process.env.HUBBUB_STATIC}/`)));
const { Drafts } = await load("drafts.js");
const { annotate, takePoll } = await load("annotations.js");
const { chosen, isOpenAt } = await load("poll.js");
const { ownThreads, Threading } = await load("threading.js");
const { IDLE_MS, watchIdle } = await load("idling.js");
const { Room, timeline } = await load("store.js");

/** A storage as the browser's. */
class Storage {
  map = new Map();
  get length() { return this.map.size; }
  key(n) { return [...this.map.keys()][n]; }
  getItem(name) { return this.map.get(name) ?? null; }
  setItem(name, value) { this.map.set(name, value); }
  removeItem(name) { this.map.delete(name); }
}

/** A clock that stands until it is turned; what is due runs in order. */
class Clock {
  at = 1_000_000;
  last = 0;
  due = new Map();
  setTimeout = (run, ms) => (this.due.set(++this.last, { run, at: this.at + ms }), this.last);
  clearTimeout = (id) => this.due.delete(id);
  async turn(ms) {
    const end = this.at + ms;
    await new Promise(setImmediate);
    for (;;) {
      const [id, next] = [...this.due].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (!next || next.at > end) break;
      this.at = next.at;
      this.due.delete(id);
      next.run();
      await new Promise(setImmediate);
    }
    this.at = end;
    await new Promise(setImmediate);
  }
}

/** A user's drafts on the server, and what a device of his asked. */
class Server {
  rev = 0;
  rows = new Map();
  asked = [];
  devices = [];
  isDown = false;
  constructor(clock) { this.clock = clock; }
  write(channel, text) {
    this.rev++;
    const ts = new Date(this.clock.at).toISOString();
    const data = { t: text ? "draft.updated" : "draft.cleared", channel, rev: this.rev, ts, message: { text } };
    if (text) this.rows.set(channel, data);
    else this.rows.delete(channel);
    for (const device of this.devices) device.take(data);
    return { rev: this.rev };
  }
  async tried(verb, data) {
    if (this.isDown) return { error: new Error("no connection") };
    this.asked.push([verb, data.channel, data.message?.text]);
    if (verb === "draft.list") return { answer: { drafts: [...this.rows.values()], next: "" } };
    return { answer: this.write(data.channel, verb === "draft.set" ? data.message.text : "") };
  }
}

function stage(count = 1) {
  const clock = new Clock();
  const server = new Server(clock);
  const seen = [];
  const devices = Array.from({ length: count }, (_, n) => {
    const storage = new Storage();
    const parts = { user: "ann", storage, tried: (...asked) => server.tried(...asked), now: () => clock.at, timers: clock };
    const device = new Drafts({ ...parts, changed: (place) => seen.push([n, device.text(place)]) });
    return Object.assign(device, { again: () => new Drafts({ ...parts, changed: () => {} }) });
  });
  server.devices = devices;
  return { clock, server, seen, devices };
}

test("a draft is told once one pauses, and shown on the other device", async () => {
  const { clock, server, seen, devices: [here, there] } = stage(2);
  for (const text of ["M", "Mi", "Milk"]) here.write("c", text), await clock.turn(200);
  assert.deepEqual(server.asked, []);
  await clock.turn(1_000);
  assert.deepEqual(server.asked, [["draft.set", "c", "Milk"]]);
  assert.equal(there.text("c"), "Milk");
  assert.deepEqual(seen, [[1, "Milk"]]);
  here.write("c", "");
  await clock.turn(1_000);
  assert.equal(there.text("c"), "");
  assert.equal(server.rows.size, 0);
  assert.equal(here.places.size + there.places.size, 0);
});

test("what is being typed is never replaced; what was held is shown when one has stopped", async () => {
  const { clock, server, devices: [here, there] } = stage(2);
  here.write("c", "mine");
  await clock.turn(800);
  there.write("c", "theirs");
  await clock.turn(800);
  assert.equal(here.text("c"), "mine", "typed two seconds ago");
  assert.equal(server.rows.get("c").message.text, "theirs");
  await clock.turn(8_000);
  assert.equal(here.text("c"), "theirs");

  there.write("c", "theirs, longer");
  await clock.turn(800);
  here.write("c", "mine again");
  await clock.turn(8_000);
  assert.equal(here.text("c"), "mine again");
  assert.equal(there.text("c"), "mine again", "the last writer wins");
});

test("the next key drops what was held", async () => {
  const { clock, devices: [here, there] } = stage(2);
  here.write("c", "mine");
  await clock.turn(800);
  there.write("c", "theirs");
  await clock.turn(800);
  here.write("c", "mine, on");
  await clock.turn(20_000);
  assert.equal(here.text("c"), "mine, on");
  assert.equal(there.text("c"), "mine, on");
});

test("offline it stays here, over a reload, and is told by the next connection", async () => {
  const { clock, server, devices: [here] } = stage();
  server.isDown = true;
  here.write("c d", "in a thread");
  await clock.turn(5_000);
  assert.deepEqual(server.asked, []);
  const reloaded = here.again();
  assert.equal(reloaded.text("c d"), "in a thread");
  server.isDown = false;
  server.devices = [reloaded];
  await reloaded.connected(true);
  await clock.turn(10);
  assert.deepEqual(server.asked.at(-1), ["draft.set", "c", "in a thread"]);
});

test("after a time offline the text that was written later stays", async () => {
  for (const isLater of [true, false]) {
    const { clock, server, devices: [here] } = stage();
    server.devices = [];
    if (!isLater) server.write("c", "elsewhere"), await clock.turn(60_000);
    here.write("c", "here");
    server.isDown = true;
    await clock.turn(60_000);
    if (isLater) server.write("c", "elsewhere");
    server.isDown = false;
    server.devices = [here];
    await here.connected(true);
    await clock.turn(10);
    assert.equal(here.text("c"), isLater ? "elsewhere" : "here");
    assert.equal(server.rows.get("c").message.text, isLater ? "elsewhere" : "here");
  }
});

test("a message that is sent ends its draft, also one that is just on its way", async () => {
  const { clock, server, devices: [here] } = stage();
  here.write("c", "Milk");
  await clock.turn(800);
  assert.equal(here.sent("c"), server.rev, "the message names it");
  assert.equal(here.text("c"), "");
  await here.connected(true);
  assert.equal(here.text("c"), "", "what the server still has was sent");
  server.write("c", "");
  assert.equal(here.places.size, 0);

  let answer;
  const { tried } = here;
  here.tried = (verb, data) => new Promise((resolve) => (answer = () => resolve(tried(verb, data))));
  here.write("c", "Eggs");
  await clock.turn(800);
  assert.equal(here.sent("c"), 0, "nothing to name yet");
  here.tried = tried;
  answer();
  await clock.turn(2_000);
  assert.deepEqual(server.asked.slice(-2), [["draft.set", "c", "Eggs"], ["draft.clear", "c", undefined]]);
  assert.equal(server.rows.size, 0);
});

test("a draft that another device cleared while this one was away is gone here, too", async () => {
  const { clock, server, seen, devices: [here] } = stage();
  server.write("c", "Milk");
  await clock.turn(60_000);
  server.devices = [];
  server.write("c", "");
  await here.connected(true);
  assert.equal(here.text("c"), "");
  assert.deepEqual(seen.at(-1), [0, ""]);
});

const poll = () => ({ options: [{ id: 1, text: "a" }, { id: 2, text: "b" }], votes_max: 1, voters: 0, rev: 0 });

test("votes follow the poll's revision; the own choice is one's own", () => {
  const message = { id: "m", poll: poll() };
  const voted = { t: "poll.voted", id: "m", rev: 1, voters: 1, votes: [0, 1], options: [2], by: "ann" };
  annotate(message, voted, "ann");
  assert.deepEqual(message.poll.own, [2]);
  annotate(message, { ...voted, rev: 2, voters: 2, votes: [1, 1], options: [1], by: "ben" }, "ann");
  assert.deepEqual(message.poll.own, [2]);
  annotate(message, { ...voted, rev: 1, by: "ben" }, "ann");
  assert.deepEqual(message.poll.options.map(({ votes }) => votes), [1, 1], "an old one changes nothing");
  annotate(message, { t: "poll.option_added", id: "m", rev: 3, voters: 2, votes: [1, 1, 0], option: 3, text: "c", by: "ben" }, "ann");
  annotate(message, { t: "poll.closed", id: "m", rev: 4, voters: 2, votes: [1, 1, 0], ts: "2026-11-28T12:00:00.000Z" }, "ann");
  assert.equal(message.poll.options.length, 3);
  assert.equal(isOpenAt(message.poll, 0), false);
  takePoll(message, { poll: { ...poll(), rev: 5 } });
  assert.deepEqual(message.poll.own, [2], "a page does not say it");
});

test("the next answer takes the place of the only one, or stands beside it", () => {
  assert.deepEqual(chosen(2, [1], 1), [2]);
  assert.deepEqual(chosen(1, [2], 3), [1, 2]);
  assert.deepEqual(chosen(2, [1, 2], 3), [1]);
  assert.equal(isOpenAt({ closes_at: "2026-11-28T12:00:00Z" }, Date.parse("2026-11-28T12:00:01Z")), false);
});

const said = (seq, thread, more) => ({ t: "message.created", id: `m${seq}`, seq, by: "ben", ts: "2026-11-28T12:00:00Z", text: `t${seq}`, thread, ...more });

test("a reply stands in its thread, and in the channel only where it says so", () => {
  const channel = new Room("c", "ann");
  const thread = new Room("c", "ann", "m1");
  for (const data of [said(1), said(2, "m1"), said(3, "m1", { also_in_channel: true }), said(4), said(5, "m4")]) {
    channel.apply(data);
    thread.apply(data);
  }
  assert.deepEqual(channel.messages.map(({ id }) => id), ["m1", "m3", "m4"]);
  assert.deepEqual(thread.messages.map(({ id }) => id), ["m2", "m3"]);
  const entry = { kind: "send", cmid: "x", made: 0, text: "soon", status: "waiting", more: { thread: "m1" } };
  assert.equal(thread.view([entry]).length, 3);
  assert.equal(channel.view([entry]).length, 3);
});

test("a thread is its first message and the replies, older ones as one reads back, and is read at its end", async () => {
  const clock = new Clock();
  const asked = [];
  const pages = (data) => (data.before_seq ? [said(2, "m1")] : Array.from({ length: 50 }, (_, n) => said(n + 3, "m1")));
  const session = {
    user: "ann",
    room: { channel: "c" },
    timers: clock,
    entries: () => [],
    tried: async (verb, data) => {
      asked.push([verb, data]);
      return { answer: verb === "thread.get" ? { root: said(1), messages: pages(data), following: true } : {} };
    },
  };
  const heard = [];
  const thread = new Threading(session, "m7", { changed: () => {}, arrived: (message) => heard.push(message.id), refused: assert.fail });
  await thread.load();
  assert.equal(thread.id, "m1", "named by any of its messages");
  assert.equal(thread.room.atStart, false);
  await thread.older();
  assert.equal(asked.at(-1)[1].before_seq, 3);
  assert.deepEqual(thread.view().slice(0, 3).map(({ id }) => id), ["m1", "m2", "m3"]);
  assert.equal(thread.room.atStart, true);
  const rows = timeline(thread.view(), { dayOf: () => "d", user: "ann", underRoot: "51 replies" });
  assert.deepEqual(rows.slice(0, 4).map(({ type }) => type), ["day", "message", "replies", "message"]);

  thread.apply("other", said(90, "m1"));
  thread.apply("c", said(91, "m1"));
  assert.deepEqual(heard, ["m91"]);
  thread.look(true);
  thread.apply("c", said(92, "m1"));
  await clock.turn(1_000);
  const reads = asked.filter(([verb]) => verb === "thread.read");
  assert.deepEqual(reads, [["thread.read", { channel: "c", id: "m1", upto: 92 }]], "the last one, once");
});

test("older replies that cannot come now are not asked for with each drawing", async () => {
  const clock = new Clock();
  let drawing = false;
  let asked = 0;
  let answer = { root: said(1), messages: Array.from({ length: 50 }, (_, n) => said(n + 3, "m1")) };
  const session = { user: "ann", room: { channel: "c" }, timers: clock, entries: () => [], tried: async () => (asked++, answer ? { answer } : { error: new Error("no connection") }) };
  const thread = new Threading(session, "m1", { changed: () => drawing && thread.older(), arrived: () => {}, refused: assert.fail });
  await thread.load();
  [answer, drawing] = [undefined, true];
  await thread.older();
  await clock.turn(1_000);
  assert.equal(asked, 2);
  answer = { root: said(1), messages: [said(2, "m1")] };
  await clock.turn(1_000);
  assert.equal(asked, 3);
  assert.equal(thread.room.atStart, true);
});

test("one's own threads are asked of the channels that have any, the last replied to first", async () => {
  const rows = [{ channel: "a", threads: { unread: 1 } }, { channel: "b" }, { channel: "c", threads: { unread: 0 } }];
  const answers = {
    "thread.list": ({ channel }) => ({ threads: [{ root: { id: `r${channel}`, last_reply: channel } }] }),
    "thread.unread": ({ channel }) => ({ threads: channel === "a" ? [{ id: "ra", unread: 1, mentions: 0 }] : [] }),
  };
  const found = await ownThreads({ list: { sorted: () => rows }, ask: async (verb, data) => answers[verb](data) });
  assert.deepEqual(found.map(({ channel, unread }) => [channel, unread]), [["c", 0], ["a", 1]]);
});

test("a page that nobody touches says so once, again on another connection, and takes it back", async () => {
  const clock = new Clock();
  const page = new EventTarget();
  const said = [];
  let isDown = false;
  const client = { clientId: "c1" };
  client.rpc = async (verb, { idle }) => {
    if (isDown) throw new Error("no answer");
    said.push([verb, client.clientId, idle]);
  };
  const touch = (name) => page.dispatchEvent(new Event(name));
  watchIdle([{ client }], { page, now: () => clock.at, timers: clock });
  await clock.turn(IDLE_MS - 1_000);
  touch("pointermove");
  await clock.turn(IDLE_MS - 1_000);
  assert.deepEqual(said, []);
  await clock.turn(20_000);
  await clock.turn(IDLE_MS);
  assert.deepEqual(said, [["presence.set", "c1", true]]);
  client.clientId = "c2";
  await clock.turn(20_000);
  isDown = true;
  touch("keydown");
  await clock.turn(1_000);
  isDown = false;
  await clock.turn(20_000);
  touch("wheel");
  await clock.turn(60_000);
  assert.deepEqual(said.slice(1), [["presence.set", "c2", true], ["presence.set", "c2", false]]);
  client.clientId = "c3";
  await clock.turn(60_000);
  assert.equal(said.length, 3, "another connection begins as one that is not idle");
});
