// The pure modules of the chat page, in Node.js: HUBBUB_STATIC names their folder.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(new URL(name, pathToFileURL(`${process.env.HUBBUB_STATIC}/`)));
const { gist, isFewEmoji, marked } = await load("marking.js");
const { ChannelList, Room, timeline } = await load("store.js");
const { boundsOf, boundWords } = await load("bounds.js");
const { initials, oneLine, segments, tone } = await load("format.js");

const TS = "2026-01-31T12:00:00.000Z";
const message = (seq, more = {}) => ({ t: "message.created", seq, id: `m${seq}`, by: "bob", ts: TS, text: `text ${seq}`, ...more });
const seqs = (room) => room.messages.map((m) => m.seq);

/** A small generator with a seed, so that a failure comes back. */
function chance(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

test("pages and live events in any order, and twice, give one ascending run", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = chance(seed);
    const all = Array.from({ length: 30 }, (_, n) => message(n + 1));
    const given = [...all, ...all].sort(() => random() - 0.5);
    const room = new Room("group:x", "alice");
    while (given.length) room.merge(given.splice(0, 1 + Math.floor(random() * 5)));
    assert.deepEqual(seqs(room), all.map((m) => m.seq), `seed ${seed}`);
    assert.equal(room.head, 30);
  }
});

test("edits and deletions in any order end in the state of the highest rev", () => {
  const events = [
    message(1),
    { t: "message.updated", seq: 2, id: "m1", message_seq: 1, rev: 1, text: "one", by: "bob", ts: TS },
    { t: "message.updated", seq: 3, id: "m1", message_seq: 1, rev: 2, text: "two", by: "bob", ts: TS },
    message(1, { rev: 2, edited: true, text: "two" }),
  ];
  const deletion = { t: "message.deleted", seq: 4, id: "m1", message_seq: 1, rev: 3, author: "bob", by: "bob", ts: TS };
  for (let seed = 1; seed <= 100; seed++) {
    const random = chance(seed);
    for (const [list, text, deleted] of [[events, "two", false], [[...events, deletion], "", true]]) {
      const room = new Room("group:x", "alice");
      for (const event of [...list].sort(() => random() - 0.5)) room.apply(event);
      assert.equal(room.messages.length, 1);
      assert.equal(room.messages[0].text, text);
      assert.equal(Boolean(room.messages[0].deleted), deleted);
    }
  }
});

test("an edit rendered as deleted shows a tombstone", () => {
  const room = new Room("group:x", "alice");
  room.merge([message(1)]);
  room.apply({ t: "message.updated", seq: 2, id: "m1", rev: 2, deleted: true, by: "bob", ts: TS });
  assert.ok(room.messages[0].deleted);
  assert.equal(room.messages[0].text, "");
});

test("an own message shows once, before and after it is stored", () => {
  const room = new Room("group:x", "alice");
  room.load([message(1)], 1, true);
  const entry = { cmid: "c1", kind: "send", channel: "group:x", text: "hi", made: 0, status: "sending" };
  const before = room.view([entry]);
  assert.deepEqual(before.map((m) => m.status), ["stored", "sending"]);
  room.apply(message(2, { by: "alice", cmid: "c1", text: "hi" }));
  const after = room.view([entry]);
  assert.deepEqual(after.map((m) => m.status), ["stored", "stored"]);
  assert.equal(after[1].key, before[1].key);
});

test("somebody else's message with the same cmid hides nothing", () => {
  const room = new Room("group:x", "alice");
  room.apply(message(1, { cmid: "c1" }));
  const entry = { cmid: "c1", kind: "send", text: "mine", made: 0, status: "waiting" };
  assert.equal(room.view([entry]).length, 2);
});

test("an edit on its way shows its text and its state", () => {
  const room = new Room("group:x", "alice");
  room.load([message(1, { by: "alice" })], 1, true);
  const [shown] = room.view([{ kind: "edit", id: "m1", text: "better", status: "sending", cmid: "c2" }]);
  assert.equal(shown.text, "better");
  assert.equal(shown.status, "sending");
  assert.equal(room.messages[0].text, "text 1");
});

test("unread: others' messages behind the mark that are not deleted", () => {
  const room = new Room("group:x", "alice");
  room.load([message(1), message(2), message(3, { by: "alice" }), message(4), message(5)], 5, true);
  room.mark = 1;
  room.apply({ t: "message.deleted", seq: 6, id: "m4", rev: 1, by: "bob", ts: TS });
  assert.equal(room.unread(), 2);
});

test("what somebody blocked wrote is neither shown, a run of it once, nor unread", () => {
  const hidden = (seq) => ({ t: "message.hidden", seq, id: `m${seq}`, ts: TS });
  const room = new Room("group:x", "alice");
  room.load([message(1), hidden(2), hidden(3), message(4, { by: "alice" }), hidden(5)], 5, true);
  assert.equal(room.unread(), 1);
  const shown = room.view([]);
  assert.deepEqual(shown.map((m) => m.seq), [1, 2, 4, 5]);
  assert.equal(gist(shown[1]), "Hidden: written by somebody you block");
  assert.equal(tone(shown[1].by, 8), tone("", 8));
  assert.equal(timeline(shown, { dayOf: () => "d", user: "alice" }).filter((row) => row.starts).length, 4);
});

test("one line says what a message says, without its marks", () => {
  assert.equal(gist({ text: "**Now**:\n `x_1` and _[y](z)_ 2 * 3 * 4" }), "Now: x_1 and [y](z) 2 * 3 * 4");
  assert.equal(gist({ text: "", deleted: true }), "A deleted message");
  assert.equal(gist({ data: {} }), "(data)");
});

test("a mark that was moved back stands there until it is moved on; what was said before it is not news", () => {
  const room = new Room("group:x", "alice");
  room.load([message(1), message(2), message(3)], 3, true);
  room.mark = 3;
  room.remark(1, 1);
  assert.equal(room.unread(), 2);
  room.mark = 3;
  for (const [mark, rev] of [[1, 1], [0], [undefined, undefined]]) room.remark(mark, rev);
  assert.equal(room.mark, 3);
});

test("the timeline has days, runs of one author and one line before what is new", () => {
  const at = (minute, more) => message(minute + 1, { ts: new Date(Date.UTC(2026, 0, 31, 23, 56 + minute)).toISOString(), key: `k${minute}`, ...more });
  const messages = [at(0), at(1), at(2, { by: "alice" }), at(5), at(6), at(30)];
  const rows = timeline(messages, { dayOf: (ms) => new Date(ms).toISOString().slice(0, 10), user: "alice", newAfter: 6 });
  const names = rows.map((row) => (row.type === "message" ? `${row.message.seq}${row.starts ? "*" : ""}` : row.type));
  assert.deepEqual(names, ["day", "1*", "2", "3*", "day", "6*", "new", "7*", "31*"]);
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length);
});

test("the list: most recent first, figures of the server, gone when removed", () => {
  const list = new ChannelList("alice");
  list.replace([
    { channel: "dm:a", kind: "dm", state: "joined", role: "member", peer: "bob" },
    { channel: "group:b", kind: "group", state: "joined", role: "owner", name: "B" },
  ]);
  assert.deepEqual(list.sorted().map((row) => row.channel), ["dm:a", "group:b"]);
  list.apply({ t: "heads", heads: { "group:b": { seq: 7, ts: TS, preview: message(7), unread: 3 }, "open:unknown": { seq: 1, ts: TS } } });
  assert.deepEqual(list.sorted().map((row) => row.channel), ["group:b", "dm:a"]);
  assert.equal(list.unread, 3);
  list.apply({ t: "heads", heads: { "group:b": { seq: 6, ts: TS, preview: message(6) } } });
  assert.equal(list.rows.get("group:b").preview.seq, 7);
  list.apply({ t: "channel.added", seq: 9, ts: "2026-02-01T00:00:00.000Z", channel: "dm:c", kind: "dm", role: "member", peer: "dan" });
  assert.equal(list.sorted()[0].peer, "dan");
  list.apply({ t: "channel.sorted", channel: "group:b", favourite: true });
  assert.deepEqual(list.sorted().map((row) => row.channel), ["group:b", "dm:c", "dm:a"]);
  list.apply({ t: "channel.sorted", channel: "dm:c", archived: true });
  assert.deepEqual(list.sorted().map((row) => row.channel), ["group:b", "dm:a", "dm:c"]);
  list.extend([{ channel: "group:i", kind: "group", state: "invited", name: "I" }]);
  assert.deepEqual(list.sorted().map((row) => row.channel), ["group:b", "group:i", "dm:a", "dm:c"]);
  list.apply({ t: "channel.removed", channel: "group:b" });
  assert.equal(list.unread, 0);
  list.replace([{ channel: "dm:c", kind: "dm", state: "joined", role: "member", peer: "dan" }]);
  assert.deepEqual([...list.rows.keys()], ["dm:c"]);
  const rude = { channel: "group:rude", kind: "group", role: "member", hidden: "for_good" };
  list.apply({ t: "channel.added", seq: 10, ts: TS, ...rude });
  list.extend([{ state: "joined", ...rude }]);
  assert.ok(!list.rows.has("group:rude"), "made by somebody blocked");
  list.extend([{ state: "joined", ...rude, hidden: undefined }]);
  assert.ok(list.rows.has("group:rude"), "looked up by name");
});

test("a hidden channel comes back with the next message, or for good when it is asked for", () => {
  const list = new ChannelList("alice");
  const rows = [
    { channel: "group:a", kind: "group", state: "joined", role: "member", name: "A" },
    { channel: "group:b", kind: "group", state: "joined", role: "member", name: "B" },
  ];
  const shown = () => [...list.rows.keys()].sort();
  list.replace(rows);
  for (const { channel } of rows) list.head(channel, { seq: 7, ts: TS, preview: message(7), unread: 2 });
  assert.ok(list.apply({ t: "channel.hidden", channel: "group:a", hidden: "until_message", up_to: 7 }));
  assert.ok(list.apply({ t: "channel.hidden", channel: "group:b", hidden: "for_good", up_to: 0 }));
  assert.deepEqual(shown(), []);
  assert.equal(list.unread, 0, "what is hidden does not count");
  assert.equal(list.of("group:a").name, "A");
  for (const { channel } of rows) list.apply({ t: "heads", heads: { [channel]: { seq: 8, ts: TS, preview: message(7, { rev: 1 }) } } });
  assert.deepEqual(shown(), [], "an edit is no message");
  for (const { channel } of rows) list.apply({ t: "heads", heads: { [channel]: { seq: 9, ts: TS, preview: message(9) } } });
  assert.deepEqual(shown(), ["group:a"]);
  assert.deepEqual([...list.hidden.keys()], ["group:b"]);
  assert.ok(list.apply({ t: "channel.unhidden", channel: "group:b" }));
  assert.deepEqual(shown(), ["group:a", "group:b"]);

  // As it comes with a connection, where the server leaves out what is not set.
  const now = { channel: "group:a", kind: "group", state: "joined", role: "member", name: "A" };
  list.replace([{ ...now, hidden: "until_message", hidden_seq: 9, muted: true }]);
  assert.deepEqual(shown(), []);
  list.replace([now]);
  assert.deepEqual(shown(), ["group:a"]);
  assert.ok(!list.of("group:a").muted, "unmuted on another device meanwhile");
  list.apply({ t: "channel.hidden", channel: "group:a", hidden: "for_good", up_to: 0 });
  assert.ok(list.apply({ t: "channel.removed", channel: "group:a" }));
  assert.equal(list.of("group:a"), undefined);
});

test("a deleted last message is not shown by an older head", () => {
  const list = new ChannelList("alice");
  list.replace([{ channel: "dm:a", kind: "dm", state: "joined", role: "member", peer: "bob" }]);
  list.preview("dm:a", message(3, { rev: 1, deleted: true, text: "" }));
  list.preview("dm:a", message(3));
  assert.ok(list.rows.get("dm:a").preview.deleted);
});

test("links: only http and https, without the sentence's end, brackets kept in pairs", () => {
  const hrefs = (text) => segments(text).filter((part) => part.href).map((part) => part.text);
  assert.deepEqual(hrefs("see https://example.org/a_(b). And (https://example.org/c)!"), ["https://example.org/a_(b)", "https://example.org/c"]);
  assert.deepEqual(hrefs("javascript:alert(1) data:text/html,x http:// https://"), []);
  assert.equal(segments("a https://example.org b").map((part) => part.text).join(""), "a https://example.org b");
});

test("names: whole characters, one tone for one id", () => {
  assert.equal(initials("Chloé Lefèvre"), "CL");
  assert.equal(initials("👩‍👩‍👧 family"), "👩‍👩‍👧F");
  assert.equal(initials(""), "?");
  assert.equal(tone("alice", 8), tone("alice", 8));
  assert.equal(oneLine(" a\n\n b "), "a b");
});

test("replies of threads are not in the channel, many deletions and their undoing are", () => {
  const room = new Room("group:x", "alice");
  room.apply(message(1));
  room.apply(message(2));
  assert.equal(room.apply(message(3, { thread: "m1" })), undefined);
  room.apply(message(4, { thread: "m1", also_in_channel: true }));
  assert.deepEqual(seqs(room), [1, 2, 4]);
  const gone = [1, 2].map((n) => ({ id: `m${n}`, message_seq: n, rev: 1, author: "bob" }));
  room.apply({ t: "message.bulk_deleted", seq: 5, messages: gone, by: "bob", ts: TS });
  assert.deepEqual(room.messages.map((m) => Boolean(m.deleted)), [true, true, false]);
  room.apply({ t: "message.undeleted", seq: 6, id: "m2", message_seq: 2, rev: 2, text: "back", by: "bob", ts: TS });
  assert.equal(room.messages[1].text, "back");
  assert.ok(!room.messages[1].deleted && !room.messages[1].edited);
});

test("light markup: marks at the edge of a word; code and links are left alone", () => {
  assert.deepEqual(marked("**Raise**, *loudly* and ~~never~~ _now_"), [
    { tag: "strong", parts: [{ text: "Raise" }] },
    { text: ", " },
    { tag: "em", parts: [{ text: "loudly" }] },
    { text: " and " },
    { tag: "s", parts: [{ text: "never" }] },
    { text: " " },
    { tag: "em", parts: [{ text: "now" }] },
  ]);
  for (const text of ["snake_case_name", "2 * 3 * 4", "*.py and *.js", "** **", "a * b", "5*6*7", "___", "_ _", "~~~~", "`", "``"]) {
    assert.deepEqual(marked(text), [{ text }], text);
  }
  assert.deepEqual(marked("see `a_b *c*` or\n```js\nlet x = `1`;\n\n  y\n```\nthen"), [
    { text: "see " },
    { text: "a_b *c*", code: "inline" },
    { text: " or" },
    { text: "let x = `1`;\n\n  y", code: "block" },
    { text: "then" },
  ]);
  const href = "https://x.org/a_b_c/**d**e";
  assert.deepEqual(marked(`**at** ${href}`).at(-1), { text: href, href });
  assert.deepEqual(marked("**a *b* c**")[0].parts[1], { tag: "em", parts: [{ text: "b" }] });
  const long = "*a _b ".repeat(800);
  assert.equal(marked(long).map(({ text }) => text).join(""), long, "and no time is lost with marks that end nowhere");
  assert.deepEqual(marked(""), []);
});

test("a few emoji alone are large", () => {
  for (const text of ["🎉", "😂 🎉", "👩‍👩‍👧‍👦", "🇫🇷🇩🇪", "👏🏽👏🏿", "❤️"]) assert.equal(isFewEmoji(text), true, text);
  for (const text of ["", "42", "🎉🎉🎉🎉", "ok 🎉", "#", "日本"]) assert.equal(isFewEmoji(text), false, text);
});

test("a mute is known from the subscription and from events, and its words end with it", () => {
  const room = new Room("group:x", "alice");
  const said = (nowMs) => boundWords(boundsOf(room, { role: "member" }, "alice", now), nowMs);
  const now = Date.parse(TS);
  room.take({ channel: {}, muted: "2026-01-31T13:00:00.000Z" });
  assert.match(said(now), /^You are muted here until [\d:]+( [AP]M)?$/u);
  assert.equal(said(now + 3_600_000), "");
  room.take({ channel: {}, muted: "2026-02-07T13:00:00.000Z" });
  assert.match(said(now), /until (February 7|7 February), /u, "not today");
  room.take({ channel: {}, muted: "" });
  assert.equal(said(now), "You are muted here");
  room.take({ channel: {} });
  assert.equal(said(now), "");
  room.apply({ t: "member.muted", seq: 1, users: ["alice"] });
  assert.equal(said(now), "You are muted here");
  room.apply({ t: "member.unmuted", seq: 2, users: ["alice"] });
  assert.equal(said(now), "");
});
