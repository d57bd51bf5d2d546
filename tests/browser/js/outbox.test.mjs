// The outbox with a storage, a clock and a server that are passed in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(new URL(name, pathToFileURL(`${process.env.HUBBUB_STATIC}/`)));
const { Outbox, OutboxFull, Refused, NoAnswer, UNKNOWN, uuid7 } = await load("../sdk/hubbub.js");

class Storage {
  map = new Map();
  get length() { return this.map.size; }
  key(place) { return [...this.map.keys()][place] ?? null; }
  getItem(name) { return this.map.get(name) ?? null; }
  setItem(name, value) { this.map.set(name, String(value)); }
  removeItem(name) { this.map.delete(name); }
}

/** Timers that run when they are told to. */
class Timers {
  due = new Map();
  last = 0;
  setTimeout = (fn, ms) => (this.due.set(++this.last, { fn, ms }), this.last);
  clearTimeout = (id) => this.due.delete(id);
  run() {
    const due = [...this.due.values()];
    this.due.clear();
    for (const { fn } of due) fn();
    return due.map(({ ms }) => ms);
  }
}

function make({ storage = new Storage(), answers = [], user = "alice", now } = {}) {
  const sent = [];
  const settled = [];
  const timers = new Timers();
  let clock = 1_700_000_000_000;
  const outbox = new Outbox({
    user,
    storage,
    timers,
    now: now ?? (() => clock++),
    entropy: (count) => crypto.getRandomValues(new Uint8Array(count)),
    changed: (entry, answer) => answer && settled.push([entry.cmid, answer]),
    rpc: async (method, data) => {
      sent.push([method, data]);
      const answer = answers.shift() ?? { seq: sent.length, id: `m${sent.length}`, ts: "", dup: false };
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { outbox, sent, settled, timers, storage };
}

const quiet = () => new Promise((resolve) => setImmediate(resolve));

test("a UUIDv7 carries its time and its version", () => {
  const id = uuid7(0x0123456789ab, new Uint8Array(10).fill(0xff));
  assert.equal(id, "01234567-89ab-7fff-bfff-ffffffffffff");
});

test("nothing leaves while offline; all of a channel in order afterwards", async () => {
  const { outbox, sent } = make();
  for (const text of ["a", "b", "c"]) outbox.add({ kind: "send", channel: "group:x", text });
  await quiet();
  assert.equal(sent.length, 0);
  assert.equal(outbox.waitingCount, 3);
  outbox.online(true);
  await quiet();
  assert.deepEqual(sent.map(([, data]) => data.text), ["a", "b", "c"]);
  assert.equal(outbox.entries.size, 0);
});

test("no answer: again under the same cmid, before anything newer of the channel", async () => {
  const { outbox, sent, timers } = make({ answers: [new NoAnswer("lost")] });
  outbox.online(true);
  outbox.add({ kind: "send", channel: "group:x", text: "a" });
  outbox.add({ kind: "send", channel: "group:x", text: "b" });
  await quiet();
  assert.equal(sent.length, 1);
  timers.run();
  await quiet();
  assert.deepEqual(sent.map(([, data]) => data.text), ["a", "a", "b"]);
  assert.equal(sent[0][1].cmid, sent[1][1].cmid);
});

test("a temporary refusal waits as long as the server says", async () => {
  const refusal = new Refused({ code: 111, temporary: true, message: 'rate_limited: slow down {"retry_after_ms":1600}' });
  const { outbox, timers } = make({ answers: [refusal] });
  outbox.online(true);
  outbox.add({ kind: "send", channel: "group:x", text: "a" });
  await quiet();
  assert.deepEqual(timers.run(), [1600]);
  await quiet();
  assert.equal(outbox.entries.size, 0);
});

test("a refusal fails the entry alone; retry keeps its cmid, discard forgets it", async () => {
  const refusal = new Refused({ code: 103, message: "permission_denied: not here" });
  const { outbox, sent, storage } = make({ answers: [refusal, undefined, refusal] });
  outbox.online(true);
  const first = outbox.add({ kind: "send", channel: "group:x", text: "a" });
  outbox.add({ kind: "send", channel: "group:x", text: "b" });
  await quiet();
  assert.equal(first.status, "failed");
  assert.equal(first.error, "not here");
  assert.equal(outbox.entries.size, 1);
  outbox.retry(first.cmid);
  await quiet();
  assert.equal(sent[2][1].cmid, sent[0][1].cmid);
  assert.equal(first.status, "failed");
  outbox.discard(first.cmid);
  assert.equal(storage.length, 0);
});

test("an id that the server takes no more is replaced on retry", async () => {
  const { outbox, sent } = make({ answers: [new Refused({ code: 411, message: "cmid_clock: too old" })] });
  outbox.online(true);
  const entry = outbox.add({ kind: "send", channel: "group:x", text: "a" });
  await quiet();
  outbox.retry(entry.cmid);
  await quiet();
  assert.notEqual(sent[0][1].cmid, sent[1][1].cmid);
  assert.equal(outbox.entries.size, 0);
});

test("what was not confirmed survives a reload, for its user alone", async () => {
  const before = make({ answers: [new NoAnswer("lost")] });
  before.outbox.online(true);
  before.outbox.add({ kind: "send", channel: "group:x", text: "a" });
  before.outbox.add({ kind: "delete", channel: "group:x", id: "m1" });
  await quiet();
  const other = make({ storage: before.storage, user: "bob" });
  assert.equal(other.outbox.entries.size, 0);
  const after = make({ storage: before.storage });
  after.outbox.online(true);
  await quiet();
  assert.deepEqual(after.sent.map(([method]) => method), ["message.send", "message.delete"]);
  assert.equal(after.sent[0][1].cmid, before.sent[0][1].cmid);
  assert.equal(before.storage.length, 0);
});

test("two pages of one user send what waits under one cmid, and neither loses it", async () => {
  const first = make();
  first.outbox.add({ kind: "send", channel: "group:x", text: "a" });
  const second = make({ storage: first.storage });
  second.outbox.add({ kind: "send", channel: "group:x", text: "b" });
  assert.equal(first.storage.length, 2);
  first.outbox.online(true);
  second.outbox.online(true);
  await quiet();
  assert.deepEqual(first.sent.map(([, data]) => data.text), ["a"]);
  assert.deepEqual(second.sent.map(([, data]) => data.text), ["a", "b"]);
  assert.equal(first.sent[0][1].cmid, second.sent[0][1].cmid); // the server takes one of them
  assert.equal(first.storage.length, 0);
});

test("what another page has confirmed or discarded is not sent here, unless it is under way", async () => {
  const first = make();
  for (const text of ["a", "b"]) first.outbox.add({ kind: "send", channel: "group:x", text });
  const second = make({ storage: first.storage });
  const [a, b] = [...first.outbox.entries.keys()];
  first.outbox.discard(a);
  const name = (cmid) => `hubbub.outbox.alice.${cmid}`;
  for (const heard of [null, "hubbub.theme", name("nobody"), `hubbub.outbox.bob.${b}`]) second.outbox.removed(heard);
  assert.deepEqual([...second.outbox.entries.keys()], [a, b]);
  second.outbox.removed(name(a));
  second.outbox.online(true);
  second.outbox.removed(name(b)); // too late: its answer decides
  await quiet();
  assert.deepEqual(second.sent.map(([, data]) => data.text), ["b"]);
  assert.equal(second.settled.length, 1);
});

test("an edit names its message, a deletion carries no text", async () => {
  const { outbox, sent } = make();
  outbox.online(true);
  outbox.add({ kind: "edit", channel: "group:x", id: "m1", text: "better" });
  outbox.add({ kind: "delete", channel: "group:x", id: "m1" });
  await quiet();
  const [[, edit], [, removal]] = sent;
  assert.deepEqual([edit.id, edit.text], ["m1", "better"]);
  assert.deepEqual([removal.id, "text" in removal], ["m1", false]);
});

test("a full outbox refuses what is new and keeps what it has", () => {
  const { outbox, storage } = make();
  for (let n = 0; n < 500; n++) outbox.add({ kind: "send", channel: "group:x", text: String(n) });
  assert.throws(() => outbox.add({ kind: "send", channel: "group:x", text: "more" }), OutboxFull);
  assert.equal(storage.length, 500);
});

test("what was tried a day ago may have happened: it fails as unknown and is not sent again", async () => {
  const first = make({ answers: [new NoAnswer("lost")] });
  const { cmid } = first.outbox.add({ kind: "send", channel: "group:x", text: "hello" });
  first.outbox.online(true);
  await quiet();
  const name = `hubbub.outbox.alice.${cmid}`;
  const old = JSON.parse(first.storage.getItem(name));
  first.storage.setItem(name, JSON.stringify({ ...old, made: old.made - 24 * 3_600_000 }));
  const second = make({ storage: first.storage });
  second.outbox.online(true);
  await quiet();
  assert.deepEqual(second.sent, []);
  const [entry] = second.outbox.of("group:x");
  assert.deepEqual([entry.status, entry.code], ["failed", UNKNOWN]);
});

test("what was written in one millisecond keeps its order over a reload", async () => {
  const now = () => 1_700_000_000_000;
  const { outbox, storage } = make({ now });
  const texts = [..."abcdefgh"];
  for (const text of texts) outbox.add({ kind: "send", channel: "group:x", text });
  const again = make({ storage, now });
  again.outbox.add({ kind: "send", channel: "group:x", text: "i" });
  again.outbox.online(true);
  await quiet();
  assert.deepEqual(again.sent.map(([, { text }]) => text), [...texts, "i"]);
});

const DAY_MS = 24 * 3_600_000;

test("what was written offline and never tried leaves after days, in order, under an id of then", async () => {
  let now = 1_700_000_000_000;
  const { outbox, sent, storage } = make({ now: () => now });
  for (const text of ["a", "b"]) outbox.add({ kind: "send", channel: "group:x", text });
  const before = [...outbox.entries.keys()];
  now += 3 * DAY_MS;
  const stale = make({ storage, now: () => now }); // a second page, before the first one sends
  outbox.online(true);
  await quiet();
  assert.deepEqual(sent.map(([, data]) => data.text), ["a", "b"]);
  for (const [, { cmid }] of sent) {
    assert.equal(before.includes(cmid), false);
    assert.ok(parseInt(cmid.replaceAll("-", "").slice(0, 12), 16) >= now);
  }
  stale.outbox.online(true);
  await quiet();
  assert.deepEqual(stale.sent, []); // they were the first page's
});

test("that an entry is under way is stored before it leaves: after a crash it is not sent under a new id", async () => {
  let now = 1_700_000_000_000;
  const first = make({ now: () => now });
  first.outbox.rpc = () => new Promise(() => {}); // the page ends before the answer
  first.outbox.online(true);
  first.outbox.add({ kind: "send", channel: "group:x", text: "once" });
  await quiet();
  now += 2 * DAY_MS;
  const second = make({ storage: first.storage, now: () => now });
  second.outbox.online(true);
  await quiet();
  assert.deepEqual(second.sent, []);
  assert.equal(second.outbox.of("group:x")[0].code, UNKNOWN);
});

for (const wrong of [-2 * DAY_MS, 3 * DAY_MS]) {
  test(`a clock that is ${wrong / DAY_MS} days off costs one refusal`, async () => {
    const server = 1_700_000_000_000;
    const clock = new Refused({ code: 411, message: `cmid_clock: no {"server_time_ms":${server}}` });
    const { outbox, sent, settled } = make({ answers: [clock], now: () => server + wrong });
    for (const text of ["a", "b"]) outbox.add({ kind: "send", channel: "group:x", text });
    outbox.online(true);
    await quiet();
    assert.deepEqual(sent.map(([, data]) => data.text), ["a", "a", "b"]);
    const times = sent.map(([, { cmid }]) => parseInt(cmid.replaceAll("-", "").slice(0, 12), 16));
    assert.ok(Math.abs(times[0] - server) > DAY_MS);
    assert.ok(Math.abs(times[1] - server) < 1_000 && times[2] > times[1]);
    assert.equal(settled.length, 2);
    assert.equal(outbox.entries.size, 0);
  });
}
