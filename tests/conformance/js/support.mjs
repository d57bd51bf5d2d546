// What the suite needs: clients of each kind, tokens, waiting with a deadline, the HTTP API.
//
// Rules: every wait has a deadline; every client is closed when its test ends; channel names are
// fresh, so that no test sees another's history.

import { createHmac, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { EventSource } from "eventsource";
import WebSocket from "ws";

export const URLS = process.env.HUBBUB_URLS.split(",");
const SECRET = process.env.HUBBUB_TOKEN_SECRET;
const API_KEY = process.env.HUBBUB_SERVER_KEY;
const DEADLINE_MS = 10_000;
const PATHS = { websocket: "websocket", http_stream: "http_stream", sse: "sse" };

export const JSON_KINDS = ["websocket", "http_stream", "sse"].map((transport) => ({
  name: transport,
  transport,
  make: Centrifuge,
}));
export const PROTOBUF_KINDS = ["websocket", "http_stream"].map((transport) => ({
  name: `${transport} protobuf`,
  transport,
  make: ProtobufCentrifuge,
  isProtobuf: true,
}));

export function fresh(namespace = "") {
  return `${namespace ? namespace + ":" : ""}c${randomBytes(8).toString("hex")}`;
}

// A client that is closed with its test. `options.postsTo`: the edge that takes emulated commands.
export function client(t, kind, { edge = 0, postsTo = edge, ...options } = {}) {
  const base = URLS[edge];
  const endpoint = `${base}/connection/${PATHS[kind.transport]}`;
  const made = new kind.make(
    [{ transport: kind.transport, endpoint: endpoint.replace(/^http/, kind.transport === "websocket" ? "ws" : "http") }],
    {
      websocket: WebSocket,
      eventsource: EventSource,
      fetch: globalThis.fetch,
      readableStream: globalThis.ReadableStream,
      emulationEndpoint: `${URLS[postsTo]}/emulation`,
      minReconnectDelay: 50,
      maxReconnectDelay: 200,
      ...options,
    },
  );
  t.after(() => made.disconnect());
  return made;
}

export async function connected(t, kind, options) {
  const made = client(t, kind, options);
  made.connect();
  await within(made.ready());
  return made;
}

export async function subscribed(from, channel, options) {
  const sub = from.newSubscription(channel, { minResubscribeDelay: 50, maxResubscribeDelay: 200, ...options });
  sub.subscribe();
  await within(sub.ready());
  return sub;
}

// The context of the next `event` for which `where` holds.
export function next(emitter, event, where = () => true) {
  return within(
    new Promise((resolve) => {
      const listener = (context) => {
        if (where(context)) {
          emitter.removeListener(event, listener);
          resolve(context);
        }
      };
      emitter.on(event, listener);
    }),
    event,
  );
}

// Keeps what an emitter says; `enough(n)` waits until there are n.
export function record(emitter, event) {
  const seen = [];
  emitter.on(event, (context) => seen.push(context));
  seen.enough = (count) => eventually(() => seen.length >= count, () => `${count} x ${event}, not ${seen.length}`);
  return seen;
}

export async function within(promise, what = "an answer", ms = DEADLINE_MS) {
  const ended = new AbortController();
  const late = delay(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${what}: not within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}

export async function eventually(condition, story = () => "a condition", ms = DEADLINE_MS) {
  const endsAt = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > endsAt) throw new Error(`not within ${ms} ms: ${story()}`);
    await delay(10);
  }
}

// --- data: the Protobuf build carries bytes, the other one values

export function packed(kind, value) {
  return kind.isProtobuf ? new TextEncoder().encode(JSON.stringify(value)) : value;
}

export function unpacked(kind, data) {
  return kind.isProtobuf ? JSON.parse(new TextDecoder().decode(data)) : data;
}

// --- tokens and the HTTP API

export function token(claims, secret = SECRET) {
  const segments = [{ alg: "HS256", typ: "JWT" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const signed = segments.join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

export function soon(seconds = 600) {
  return Math.floor(Date.now() / 1000) + seconds;
}

async function api(method, body) {
  const answer = await fetch(`${URLS[0]}/api/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": API_KEY },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`/api/${method}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).result;
}

export const publish = (channel, data) => api("publish", { channel, data });
export const history = (channel, limit) => api("history", { channel, limit });
