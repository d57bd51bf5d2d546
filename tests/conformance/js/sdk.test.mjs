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
const { connect, MemoryStorage, ONLINE, Refused, Unanswered } = await import(pathToFileURL(file));

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
  const ann = chatOf("js-ann");
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
  await own.typing();
  const { messages } = await own.history({ limit: 1 });
  assert.equal(messages[0].text, "It boils");
  const members = [];
  for await (const { user } of own.members()) members.push(user);
  assert.deepEqual(members.sort(), ["js-ann", "js-ben"]);
  await assert.rejects(own.delete("no id"), (error) => error instanceof Refused && error.reason === "bad_request");
  assert.ok((await tea.delete(sent.id)).seq);
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
  await assert.rejects(posts[0], Unanswered);
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
