// The connection with a socket, timers and chance that are passed in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(new URL(name, pathToFileURL(`${process.env.HUBBUB_STATIC}/`)));
const { Client, Limited, ONLINE, Refused, NoAnswer, WAITING, ENDED, comesBack, delayMs } = await load("../sdk/hubbub.js");

class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];
  constructor(url) { this.url = url; FakeSocket.all.push(this); }
  open() { this.readyState = 1; this.onopen(); }
  send(frame) { this.sent.push(...frame.split("\n").map((line) => JSON.parse(line))); }
  close() { this.readyState = 3; }
  say(...messages) { this.onmessage({ data: messages.map((one) => JSON.stringify(one)).join("\n") }); }
  lose(code = 1006, reason = "") { this.readyState = 3; this.onclose({ code, reason }); }
}

class Timers {
  due = new Map();
  last = 0;
  setTimeout = (fn, ms) => (this.due.set(++this.last, { fn, ms }), this.last);
  clearTimeout = (id) => this.due.delete(id);
  /** Runs the timers of at most `ms`. */
  run(ms) {
    for (const [id, one] of [...this.due]) if (one.ms <= ms && this.due.delete(id)) one.fn();
  }
}

const quiet = () => new Promise((resolve) => setImmediate(resolve));

async function connected({ subs, channel, url = "ws://x" } = {}) {
  FakeSocket.all = [];
  const seen = [];
  const timers = new Timers();
  const note = (name) => (...rest) => seen.push([name, ...rest]);
  const on = { state: note("state"), connected: note("connected"), subscribed: note("subscribed"), failed: note("failed"), unsubscribed: note("unsubscribed"), publication: (name, data, pub) => seen.push(["publication", name, data, pub.offset]) };
  const tokens = [];
  const client = new Client({ url, token: async (fresh) => (tokens.push(fresh), "token"), on, Socket: FakeSocket, random: () => 0, timers });
  if (channel) client.subscribe(channel);
  client.start();
  await quiet();
  const socket = FakeSocket.all[0];
  socket.open();
  socket.say({ id: socket.sent[0].id, connect: { client: "c1", ping: 25, pong: true, subs } });
  await quiet();
  return { client, socket, seen, timers, tokens };
}

async function again(timers) {
  timers.run(300);
  await quiet();
  const socket = FakeSocket.all.at(-1);
  socket.open();
  return socket;
}

const of = (seen, name) => seen.filter(([one]) => one === name);

test("connect and subscribe leave in one frame; a ping is answered", async () => {
  const { client, socket } = await connected({ channel: "group:x" });
  assert.equal(client.state, ONLINE);
  assert.deepEqual(socket.sent.map((command) => Object.keys(command)[1]), ["connect", "subscribe"]);
  socket.say({});
  assert.deepEqual(socket.sent.at(-1), {});
});

test("after a loss all positions are sent, and nothing is delivered twice", async () => {
  const own = { recoverable: true, epoch: "u", offset: 3 };
  const { socket, seen, timers } = await connected({ subs: { "#alice": own }, channel: "group:x" });
  socket.say({ id: socket.sent[1].id, subscribe: { epoch: "e", offset: 5 } });
  socket.say({ push: { channel: "group:x", pub: { offset: 6, data: "six" } } }, { push: { channel: "#alice", pub: { offset: 4, data: "four" } } }, { push: { channel: "#alice", pub: { data: "heads" } } });
  await quiet();
  socket.lose();
  const next = await again(timers);
  const [{ connect, id }, { subscribe, id: second }] = next.sent;
  assert.deepEqual(connect.subs, { "#alice": { recover: true, epoch: "u", offset: 4 } });
  assert.deepEqual([subscribe.recover, subscribe.epoch, subscribe.offset], [true, "e", 6]);
  next.say(
    { id, connect: { client: "c2", subs: { "#alice": { epoch: "u", offset: 4, recovered: true, publications: [{ offset: 5, data: "five" }] } } } },
    { id: second, subscribe: { epoch: "e", offset: 6, recovered: true, publications: [{ offset: 7, data: "seven" }] } },
    { push: { channel: "group:x", pub: { offset: 7, data: "seven" } } },
    { push: { channel: "group:x", pub: { offset: 8, data: "eight" } } },
  );
  await quiet();
  assert.deepEqual(of(seen, "publication").map(([, , data]) => data), ["six", "four", "heads", "five", "seven", "eight"]);
  assert.deepEqual(of(seen, "subscribed").map(([, , , resumed]) => resumed), [false, true]);
});

test("not recovered: said so, and the position is the server's", async () => {
  const { client, socket, seen, timers } = await connected({ channel: "group:x" });
  socket.say({ id: socket.sent[1].id, subscribe: { epoch: "e", offset: 5 } });
  await quiet();
  socket.lose();
  const next = await again(timers);
  next.say({ id: next.sent[0].id, connect: { client: "c2" } }, { id: next.sent[1].id, subscribe: { epoch: "f", offset: 90, recovered: false, was_recovering: true } });
  await quiet();
  assert.equal(of(seen, "subscribed").at(-1)[3], false);
  assert.deepEqual(client.unsubscribe("group:x"), { epoch: "f", offset: 90 });
});

test("a command without an answer is NoAnswer, a refused one Refused with its details", async () => {
  const { client, socket, timers } = await connected();
  const lost = assert.rejects(client.rpc("a", {}), NoAnswer);
  timers.run(5_000);
  await lost;
  const refused = client.rpc("b", {});
  socket.say({ id: socket.sent.at(-1).id, error: { code: 111, message: 'rate_limited: slow down {"retry_after_ms":7}', temporary: true } });
  await assert.rejects(refused, (error) => error instanceof Refused && error.temporary && error instanceof Limited && error.retryAfterMs === 7 && error.message === "slow down");
  const cut = assert.rejects(client.rpc("c", {}), NoAnswer);
  socket.lose();
  await cut;
  await assert.rejects(client.rpc("d", {}), NoAnswer);
});

test("silence beyond the ping interval is a loss", async () => {
  const { client, timers } = await connected();
  timers.run(25_000);
  assert.equal(client.state, ONLINE);
  timers.run(35_000);
  assert.equal(client.state, WAITING);
});

test("close codes: who comes back, who does not, who needs a fresh token", async () => {
  const back = [1006, 3000, 3001, 3005, 3008, 3012, 3499, 4000, 4499, 5000];
  const final = [3500, 3501, 3999, 4500, 4501, 4999];
  assert.ok(back.every(comesBack) && !final.some(comesBack));
  const { client, socket, timers, tokens } = await connected();
  socket.lose(3005);
  const next = await again(timers);
  assert.deepEqual(tokens, [false, true]);
  next.lose(3500);
  const third = await again(timers);
  third.lose(3500);
  assert.equal(client.state, ENDED);
  assert.equal(timers.due.size, 0);
});

test("an expired token in connect is replaced", async () => {
  const { client, socket, timers, tokens } = await connected();
  socket.lose();
  const next = await again(timers);
  next.say({ id: next.sent[0].id, error: { code: 109, message: "token expired" } });
  await quiet();
  assert.equal(client.state, WAITING);
  await again(timers);
  assert.deepEqual(tokens, [false, false, true]);
});

test("wake tries at once, and an old socket is heard no more", async () => {
  const { client, socket, seen } = await connected({ channel: "group:x" });
  socket.say({ id: socket.sent[1].id, subscribe: { epoch: "e", offset: 0 } });
  client.cut();
  client.wake();
  await quiet();
  assert.equal(FakeSocket.all.length, 2);
  const count = seen.length;
  socket.say({ push: { channel: "group:x", pub: { offset: 1, data: "late" } } });
  socket.lose();
  await quiet();
  assert.equal(seen.length, count);
});

test("unsubscribe pushes: final below 2500, else again with the position", async () => {
  const { socket, seen, client } = await connected({ channel: "group:x" });
  socket.say({ id: socket.sent[1].id, subscribe: { epoch: "e", offset: 9 } });
  await quiet();
  socket.say({ push: { channel: "group:x", unsubscribe: { code: 2500, reason: "" } } });
  const { subscribe, id } = socket.sent.at(-1);
  assert.deepEqual([subscribe.recover, subscribe.offset], [true, 9]);
  socket.say({ id, subscribe: { epoch: "e", offset: 9, recovered: true } });
  await quiet();
  socket.say({ push: { channel: "group:x", unsubscribe: { code: 2100, reason: "removed" } } });
  assert.deepEqual(of(seen, "unsubscribed"), [["unsubscribed", "group:x", 2100]]);
  assert.equal(client.subs.size, 0);
});

test("a temporary refusal of a subscribe is tried again, another one is told", async () => {
  const { socket, seen, timers } = await connected({ channel: "group:x" });
  socket.say({ id: socket.sent[1].id, error: { code: 100, message: "internal: try again", temporary: true } });
  await quiet();
  timers.run(300);
  const { id, subscribe } = socket.sent.at(-1);
  assert.equal(subscribe.channel, "group:x");
  socket.say({ id, error: { code: 420, message: "not_a_member: not a member" } });
  await quiet();
  assert.equal(of(seen, "failed").length, 1);
});

test("delays: full jitter, doubling, bounded", () => {
  assert.equal(delayMs(0, () => 0), 300);
  assert.equal(delayMs(3, () => 1), 300 + 2_400);
  assert.equal(delayMs(50, () => 1), 30_300);
});

test("a frame that is not JSON loses the connection and breaks nothing", async () => {
  const { client, socket } = await connected();
  socket.onmessage({ data: "{}\nnonsense" });
  assert.equal(client.state, WAITING);
});

test("an edge that drains says when to come back, and is believed for a minute", async () => {
  for (const [said, waits] of [[9_000, 9_000], [3_600_000, 60_000]]) {
    const { client, socket, seen, timers } = await connected();
    socket.lose(3001, `shutdown {"retry_after_ms":${said}}`);
    assert.deepEqual(seen.at(-1), ["state", WAITING, "shutdown"]);
    timers.run(waits - 1);
    client.wake(); // somebody looks at the page: all of them may
    await quiet();
    assert.equal(FakeSocket.all.length, 1);
    timers.run(waits);
    await quiet();
    assert.equal(FakeSocket.all.length, 2);
  }
});

test("edges are tried in turn; the address of an edge is enough", async () => {
  const { socket, timers } = await connected({ url: ["http://a:1", "https://b/", "ws://c/connection/websocket"] });
  socket.lose();
  for (let tries = 0; tries < 2; tries++) {
    timers.run(30_000);
    await quiet();
    FakeSocket.all.at(-1).lose();
  }
  const path = "/connection/websocket";
  assert.deepEqual(FakeSocket.all.map(({ url }) => url), [`ws://a:1${path}`, `wss://b${path}`, `ws://c${path}`]);
  assert.throws(() => new Client({ url: "nonsense", Socket: FakeSocket }), TypeError);
  assert.throws(() => new Client({ url: "http://a", Socket: null }), /package ws/);
});

test("a handler that stops the client in the middle of a loss is obeyed", async () => {
  const { client, socket, timers } = await connected();
  client.on.state = (state) => state === WAITING && client.stop();
  socket.lose();
  timers.run(60_000);
  await quiet();
  assert.deepEqual([client.state, FakeSocket.all.length], [ENDED, 1]);
});

test("a thousand unanswered requests are enough", async () => {
  const { client } = await connected();
  const all = Array.from({ length: 1_000 }, () => client.rpc("a", {}).catch(() => {}));
  await assert.rejects(client.rpc("b", {}), (error) => error.reason === "overloaded" && error.temporary);
  client.stop();
  await Promise.all(all);
});
