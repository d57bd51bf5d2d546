// `/sdk/hubbub.js` as the edge serves it, against a real cluster: HUBBUB_URLS, HUBBUB_TOKENS (JSON: user → token).

import assert from "node:assert/strict";
import { writeFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

const urls = process.env.HUBBUB_URLS.split(",");
const tokens = JSON.parse(process.env.HUBBUB_TOKENS);
const folder = await mkdtemp(join(tmpdir(), "hubbub-sdk-"));
const served = await fetch(`${urls[0]}/sdk/hubbub.js`);
const file = join(folder, "hubbub.mjs");
await writeFile(file, await served.text());
const { connect, Invalid, MemoryStorage, ONLINE, NoAnswer } = await import(pathToFileURL(file));

const open = [];
after(() => open.forEach((chat) => chat.close()));

function chatOf(user, options = {}) {
  const url = `${urls[(options.edge ?? 0) % urls.length].replace("http", "ws")}/connection/websocket`;
  const chat = connect({ url, token: async () => tokens[user], user, ...options });
  open.push(chat);
  return chat;
}

async function until(condition, what) {
  for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((go) => setTimeout(go, 10))) {
    if (condition()) return;
  }
  assert.fail(`not in time: ${what}`);
}

const online = (chat) => until(() => chat.client.state === ONLINE, "online");

/** Follows a channel; resolves when it is subscribed. */
async function follow(chat, channel) {
  const texts = [];
  await new Promise((subscribed, ended) => {
    const event = (data) => data.t === "message.created" && texts.push(data.text);
    chat.channel(channel).subscribe({ event, subscribed, ended });
  });
  return texts;
}

test("the module is served with an ETag", async () => {
  assert.equal(served.status, 200);
  assert.match(served.headers.get("content-type"), /javascript/);
  const again = await fetch(`${urls[0]}/sdk/hubbub.js`, { headers: { "If-None-Match": served.headers.get("etag") } });
  assert.equal(again.status, 304);
});

test("typed calls and events", async () => {
  const ann = chatOf("js-ann", { url: urls }); // several edges, by their addresses
  const ben = chatOf("js-ben", { edge: 1 });
  await ann.call("channel.create", { channel: "group:js-tea", members: ["js-ben"] });
  await online(ben);
  const texts = await follow(ben, "group:js-tea");
  const tea = ann.channel("group:js-tea");
  const sent = await tea.send("The kettle is on", { data: { sugar: 2 } });
  await tea.edit(sent.id, "It boils");
  await until(() => texts.length, "the message");
  const own = ben.channel("group:js-tea");
  assert.equal((await own.react(sent.id, "👍")).count, 1);
  assert.equal((await own.markRead(sent.seq)).upto, sent.seq);
  for (let n = 0; n < 3; n++) await own.typing(); // what is too often is left out
  const { messages } = await own.history({ limit: 1 });
  assert.equal(messages[0].text, "It boils");
  const members = [];
  for await (const { user } of own.members()) members.push(user);
  assert.deepEqual(members.sort(), ["js-ann", "js-ben"]);
  const paged = [];
  for await (const { user } of ann.rows("members.list", { channel: "group:js-tea", limit: 1 })) paged.push(user);
  assert.deepEqual(paged.sort(), ["js-ann", "js-ben"]);
  for (let n = 0; n < 3; n++) await own.send(String(n));
  const all = [];
  for await (const { text } of own.messages({ limit: 2 })) all.push(text);
  assert.deepEqual(all, ["2", "1", "0", "It boils"]);
  await assert.rejects(ann.rows("message.get").next(), RangeError);
  await assert.rejects(own.delete("no id"), (error) => error instanceof Invalid && error.reason === "bad_request");
  assert.ok((await tea.delete(sent.id)).seq);
});

test("what is handed on is acknowledged, together", async () => {
  const ann = chatOf("js-ann");
  const channel = "group:js-ticks";
  const silent = chatOf("js-ben", { acks: false });
  const ben = chatOf("js-ben", { edge: 1 });
  await ann.call("channel.create", { channel, members: ["js-ben"] });
  for (const chat of [silent, ben]) await online(chat);
  const calls = [];
  for (const chat of [silent, ben]) {
    const rpc = chat.client.rpc.bind(chat.client);
    chat.client.rpc = (verb, data) => (verb === "mark.delivered" && calls.push([chat, data]), rpc(verb, data));
  }
  for (const chat of [silent, ben]) await follow(chat, channel);
  const sent = [];
  for (let n = 0; n < 40; n++) sent.push(ann.channel(channel).send(`tick ${n}`));
  const { seq } = (await Promise.all(sent)).at(-1);
  const delivered = async () => (await ann.call("receipts.get", { channel, seqs: [seq] })).receipts[0].delivered;
  for (const end = Date.now() + 10_000; (await delivered()) !== 1; ) assert.ok(Date.now() < end, "delivered");
  assert.ok(calls.every(([chat]) => chat === ben));
  assert.ok(calls.length < 20, `${calls.length} acknowledgements of 40 messages`);
  assert.equal(calls.at(-1)[1].marks[channel], seq);
});

test("a question waits for the connection; what a listener throws harms nobody; a post may be left alone", async () => {
  const said = [];
  const shown = console.error;
  console.error = (error) => said.push(error.message);
  try {
    const chat = chatOf("js-ann", { onState: () => { throw new Error("state"); } });
    assert.equal((await chat.call("user.get", { user: "js-ann" })).user, "js-ann"); // at once: not connected yet
    const tea = chat.channel("group:js-tea");
    const heard = [];
    tea.subscribe(() => { throw new Error("listener"); });
    await new Promise((subscribed) => tea.subscribe({ event: (data) => heard.push(data.text), subscribed }));
    tea.post("left alone");
    tea.post(5); // is refused: nobody is told, and nothing breaks
    await until(() => heard.includes("left alone") && !chat.outbox.entries.size, "the post");
    assert.ok(said.includes("state") && said.includes("listener"));
    chat.close();
    assert.throws(() => tea.post("late"), NoAnswer);
  } finally {
    console.error = shown;
  }
});

test("what was written offline outlives the program, in order and once", async () => {
  const storage = new MemoryStorage();
  const den = "group:js-den";
  const owner = chatOf("js-off");
  await online(owner);
  await owner.call("channel.create", { channel: den });
  const texts = await follow(owner, den);
  const first = chatOf("js-off", { storage, url: "ws://127.0.0.1:9/" });
  const posts = ["a", "b", "c"].map((text) => first.channel(den).send(text));
  for (const post of posts) post.catch(() => {});
  first.close();
  await assert.rejects(posts[0], NoAnswer);
  const second = chatOf("js-off", { storage, edge: 1 });
  await second.channel(den).send("d");
  await until(() => texts.length >= 4, "all of them");
  assert.deepEqual(texts, ["a", "b", "c", "d"]);
  assert.equal(storage.length, 0);
});

test("cuts lose nothing and double nothing", async () => {
  const hut = "group:js-hut";
  const chat = chatOf("js-cut");
  const other = chatOf("js-see", { edge: 1 });
  await online(chat);
  await chat.call("channel.create", { channel: hut, members: ["js-see"] });
  await online(other);
  const texts = await follow(other, hut);
  const wanted = [];
  for (let turn = 0; turn < 3; turn++) {
    const posts = [0, 1, 2, 3].map((n) => {
      wanted.push(`${turn}-${n}`);
      return chat.channel(hut).send(`${turn}-${n}`);
    });
    (turn % 2 ? other : chat).client.cut();
    await Promise.all(posts);
  }
  await until(() => texts.length >= wanted.length, "all of them");
  assert.deepEqual(texts, wanted);
});

test("sync brings what happened since the store's positions", async () => {
  const source = chatOf("js-src");
  await online(source);
  await source.call("channel.create", { channel: "group:js-one", members: ["js-dev"] });
  await source.channel("group:js-one").send("before");
  let kept = null;
  const store = { load: () => kept, save: (positions) => void (kept = structuredClone(positions)) };
  const synced = async () => {
    const device = chatOf("js-dev", { edge: 1 });
    const found = [];
    for await (const { channel, events } of device.sync(store)) {
      for (const { t, text } of events) if (t === "message.created") found.push(`${channel} ${text}`);
    }
    device.close();
    return found;
  };
  assert.deepEqual(await synced(), ["group:js-one before"]);
  assert.deepEqual(await synced(), []);
  await source.channel("group:js-one").send("meanwhile");
  await source.call("channel.create", { channel: "group:js-two", members: ["js-dev"] });
  await source.channel("group:js-two").send("new here");
  assert.deepEqual((await synced()).sort(), ["group:js-one meanwhile", "group:js-two new here"]);
});
