// Receipts, reactions, typing and names of the chat page, in Node.js: HUBBUB_STATIC names their folder.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(new URL(name, pathToFileURL(`${process.env.HUBBUB_STATIC}/`)));
const { Receipts, receiptWords } = await load("receipts.js");
const { annotate, takeAnnotations } = await load("annotations.js");
const { Signs, typingWords } = await load("signs.js");
const { mentioned } = await load("format.js");

test("a message is sent, delivered, read by as many as have it behind them", () => {
  const receipts = new Receipts("alice");
  receipts.load({ marks: { alice: 9, bob: 3, cid: 0 }, marks_delivered: { alice: 9, bob: 3, cid: 0 } });
  assert.deepEqual(receipts.of(5), { stage: "sent", readers: 0 });
  receipts.apply({ t: "receipts.moved", delivered: { bob: 5 } });
  assert.equal(receipts.of(5).stage, "delivered");
  receipts.apply({ t: "receipts.moved", read: { bob: 5, cid: 7 } });
  assert.deepEqual(receipts.of(5), { stage: "read", readers: 2 });
  receipts.apply({ t: "receipts.moved", read: { bob: 2 } });
  assert.equal(receipts.of(5).readers, 2, "marks only rise");
});

test("who joined behind a message is none of its readers, who left neither", () => {
  const receipts = new Receipts("alice");
  receipts.load({ marks: { alice: 1, bob: 6 } });
  receipts.apply({ t: "member.joined", seq: 8, users: ["cid"] });
  assert.equal(receipts.of(5).readers, 1);
  assert.equal(receipts.of(8).readers, 1);
  receipts.apply({ t: "member.left", seq: 9, users: ["bob"] });
  assert.equal(receipts.of(5).readers, 0);
});

test("nor are those who came or went before the page opened", () => {
  const receipts = new Receipts("alice");
  receipts.load({ marks: { alice: 1, bob: 6, cid: 8 }, joined: { cid: 8 } });
  assert.equal(receipts.of(5).readers, 1, "cid came later");
  assert.equal(receipts.of(8).readers, 1);
  receipts.load({ marks: { alice: 9, cid: 8, dan: 9 }, joined: { cid: 8, dan: 9 } });
  assert.equal(receipts.of(5).readers, 0, "bob left while the page was offline");
  assert.equal(receipts.of(8).readers, 1);
});

test("in a large channel the counts are those that were pushed", () => {
  const receipts = new Receipts("alice");
  receipts.load({});
  receipts.apply({ t: "receipts.counted", receipts: [{ seq: 5, read: 0, delivered: 2 }, { seq: 6, read: 40 }] });
  assert.equal(receipts.of(5).stage, "delivered");
  assert.equal(receiptWords(receipts.of(6), false), "Read by 40");
  assert.equal(receiptWords({ stage: "read", readers: 1 }, true), "Read");
  assert.equal(receiptWords(receipts.of(7), true), "Sent");
});

test("reactions follow their revision, whoever says it twice or late", () => {
  const message = { id: "m1" };
  const added = { t: "reaction.added", id: "m1", emoji: "🎉", count: 1, annotation_rev: 1, by: "bob" };
  annotate(message, added, "alice");
  annotate(message, { ...added, count: 2, annotation_rev: 2, by: "alice" }, "alice");
  annotate(message, added, "alice");
  assert.deepEqual(message.reactions, { "🎉": { count: 2, me: true } });
  annotate(message, { t: "reaction.counted", id: "m1", reactions: { "🎉": 9, "👍": 1 }, annotation_rev: 5 }, "alice");
  assert.deepEqual(message.reactions, { "🎉": { count: 9, me: true }, "👍": { count: 1, me: false } });
  annotate(message, { ...added, t: "reaction.removed", emoji: "👍", count: 0, annotation_rev: 6 }, "alice");
  assert.deepEqual(Object.keys(message.reactions), ["🎉"]);
});

test("a page wins if it is newer, and only then", () => {
  const message = { annotation_rev: 3, pinned: true };
  assert.equal(takeAnnotations(message, { annotation_rev: 2 }), false);
  assert.equal(message.pinned, true);
  assert.equal(takeAnnotations(message, { annotation_rev: 4, reactions: {} }), true);
  assert.equal(Boolean(message.pinned), false);
});

/** Signs with timers that end by hand, and what was told. */
function desk() {
  const told = [];
  const timers = new Map();
  const clock = { ms: 0, id: 0 };
  const signs = new Signs({
    tell: (verb, channel) => told.push(`${verb} ${channel}`),
    changed: () => {},
    now: () => clock.ms,
    timers: { setTimeout: (fn) => (timers.set(++clock.id, fn), clock.id), clearTimeout: (id) => timers.delete(id) },
  });
  return { signs, told, timers, clock };
}

test("others type until their time, their stop or their message", () => {
  const { signs, timers } = desk();
  const start = (by) => signs.apply("c", { t: "typing.started", by, expires_ms: 6_000 });
  for (const by of ["bob", "cid", "dan"]) start(by);
  start("bob");
  assert.equal(timers.size, 3);
  signs.apply("c", { t: "typing.stopped", by: "cid" });
  signs.apply("c", { t: "message.created", by: "dan" });
  assert.deepEqual(signs.of("c"), ["bob"]);
  for (const end of [...timers.values()]) end();
  assert.deepEqual(signs.of("c"), []);
  for (const by of ["bob", "cid"]) start(by);
  signs.drop("bob");
  assert.deepEqual(signs.of("c"), ["cid"], "one has just blocked bob");
});

test("where nobody is named a number holds until it changes or its time is over", () => {
  const { signs, timers, clock } = desk();
  const count = (n) => signs.apply("c", { t: "typing.counted", count: n, expires_ms: 10_000 });
  count(3);
  count(5);
  assert.equal(timers.size, 1);
  assert.equal(signs.number("c"), 5);
  signs.typed("c", false);
  assert.equal(signs.number("c"), 4, "one does not tell oneself");
  clock.ms += 10_000;
  assert.equal(signs.number("c"), 5);
  assert.equal(typingWords([], 5), "5 people are typing…");
  assert.equal(typingWords([], 1), "1 person is typing…");
  for (const end of [...timers.values()]) end();
  assert.equal(signs.number("c"), 0);
  assert.equal(typingWords([], 0), "");
});

test("an own sign is told once in a while, and taken back", () => {
  const { signs, told, clock } = desk();
  for (const ms of [0, 1_000, 3_000, 3_500]) (clock.ms = ms), signs.typed("c", false);
  assert.deepEqual(told, ["typing.start c", "typing.start c"]);
  signs.typed("c", true);
  signs.typed("c", true);
  assert.deepEqual(told.slice(2), ["typing.stop c"]);
  assert.equal(typingWords(["Bob", "Cid"]), "Bob and Cid are typing…");
  assert.equal(typingWords(["a", "b", "c", "d"]), "4 people are typing…");
});

test("who takes back what he typed, or sends it, and types again is told of when it may be", () => {
  const { signs, told, timers, clock } = desk();
  signs.typed("c", false);
  clock.ms = 1_000;
  signs.typed("c", true);
  signs.typed("c", false);
  signs.typed("c", false);
  assert.deepEqual(told.splice(0), ["typing.start c", "typing.stop c"]);
  assert.equal(timers.size, 1);
  clock.ms = 3_200;
  for (const due of [...timers.values()]) due();
  assert.deepEqual(told.splice(0), ["typing.start c"]);
  clock.ms = 4_000;
  signs.sent();
  signs.typed("c", false);
  signs.typed("c", true);
  assert.deepEqual([told, timers.size], [[], 0], "nothing was told, so nothing ends");
});

test("names are found in a text, the longer one first", () => {
  const people = [{ user: "al", name: "Al" }, { user: "alice", name: "Alice" }];
  assert.deepEqual(mentioned("Hi @Alice, @Al!", people), [
    { text: "Hi " },
    { text: "@Alice", user: "alice" },
    { text: ", " },
    { text: "@Al", user: "al" },
    { text: "!" },
  ]);
  assert.deepEqual(mentioned("no one", people), [{ text: "no one" }]);
});
