// Behaviours that the centrifuge JavaScript client expects of its server, over every transport and
// both encodings. Run by test_centrifuge_js.py, which starts the cluster.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Centrifuge } from "centrifuge";
import {
  JSON_KINDS,
  PROTOBUF_KINDS,
  client,
  connected,
  eventually,
  fresh,
  history,
  next,
  packed,
  publish,
  record,
  soon,
  subscribed,
  token,
  unpacked,
  within,
} from "./support.mjs";

const WEBSOCKET = JSON_KINDS[0];
const TEXTS = ["plain", "ünïcödé 😀 👩‍👩‍👧‍👦", 'quotes " and \\ backslash', "line\nbreak\u2028", ""];

for (const kind of [...JSON_KINDS, ...PROTOBUF_KINDS]) {
  describe(`basics over ${kind.name}`, () => {
    test("connects with an id and disconnects", async (t) => {
      const c = client(t, kind);
      const is = next(c, "connected");
      c.connect();
      const context = await is;
      assert.ok(context.client.length > 0);
      assert.equal(context.transport, kind.transport);
      const gone = next(c, "disconnected");
      c.disconnect();
      assert.equal((await gone).code, 0);
      assert.equal(c.state, "disconnected");
    });

    test("subscribes and unsubscribes", async (t) => {
      const c = await connected(t, kind);
      const sub = await subscribed(c, fresh());
      const gone = next(sub, "unsubscribed");
      sub.unsubscribe();
      assert.equal((await gone).code, 0);
      assert.equal(sub.state, "unsubscribed");
    });

    test("publishes and receives, data unchanged, with offset and sender", async (t) => {
      const c = await connected(t, kind);
      const sub = await subscribed(c, fresh());
      const seen = record(sub, "publication");
      for (const text of TEXTS) await within(sub.publish(packed(kind, { text, n: [1.5, null, true] })));
      await seen.enough(TEXTS.length);
      assert.deepEqual(seen.map((p) => unpacked(kind, p.data)), TEXTS.map((text) => ({ text, n: [1.5, null, true] })));
      assert.deepEqual(seen.map((p) => p.offset), [1, 2, 3, 4, 5]);
      assert.ok(seen.every((p) => p.info.client.length > 0));
    });

    test("an rpc waits for the connection; an unknown method is 108", async (t) => {
      const c = client(t, kind);
      const answer = c.rpc("no.such.method", packed(kind, {}));
      c.connect();
      await assert.rejects(within(answer), (error) => error.code === 108);
    });

    test("presence and its numbers name this connection", async (t) => {
      const c = await connected(t, kind);
      const channel = fresh();
      const sub = await subscribed(c, channel);
      const { clients } = await within(sub.presence());
      assert.equal(Object.keys(clients).length, 1);
      assert.deepEqual(await within(sub.presenceStats()), { numClients: 1, numUsers: 1 });
      assert.deepEqual(await within(c.presenceStats(fresh())), { numClients: 0, numUsers: 0 });
    });

    test("history pages forward and backward", async (t) => {
      const c = await connected(t, kind);
      const sub = await subscribed(c, fresh());
      for (let n = 1; n <= 6; n++) await within(sub.publish(packed(kind, { n })));
      const numbers = async (options) =>
        (await within(sub.history(options))).publications.map((p) => unpacked(kind, p.data).n);
      assert.deepEqual(await numbers({ limit: 2 }), [1, 2]);
      assert.deepEqual(await numbers({ limit: -1 }), [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(await numbers({ limit: 2, reverse: true }), [6, 5]);
      const { offset, epoch, publications } = await within(sub.history({ limit: 0 }));
      assert.deepEqual([offset, publications], [6, []]);
      assert.deepEqual(await numbers({ limit: 3, since: { offset: 2, epoch } }), [3, 4, 5]);
      assert.deepEqual(await numbers({ limit: 9, since: { offset: 4, epoch }, reverse: true }), [3, 2, 1]);
      const other = numbers({ limit: 3, since: { offset: 2, epoch: "another" } });
      await assert.rejects(other, (error) => error.code === 112);
    });

    test("a token names the user; another's secret ends the connection for good", async (t) => {
      const c = await connected(t, kind, { token: token({ sub: "ann", exp: soon() }) });
      const sub = await subscribed(c, fresh());
      const { clients } = await within(sub.presence());
      assert.deepEqual(Object.values(clients).map((info) => info.user), ["ann"]);
      const forged = client(t, kind, { token: token({ sub: "ann", exp: soon() }, "not-the-secret") });
      const gone = next(forged, "disconnected");
      forged.connect();
      assert.equal((await gone).code, 3500);
    });
  });
}

for (const kind of JSON_KINDS) {
  describe(`states over ${kind.name}`, () => {
    test("leaves when the network is gone and returns with it", async (t) => {
      const network = new EventTarget();
      const c = await connected(t, kind, { networkEventTarget: network });
      const away = next(c, "connecting");
      network.dispatchEvent(new Event("offline"));
      await away;
      const back = next(c, "connected");
      network.dispatchEvent(new Event("online"));
      await back;
    });

    test("the network's return does not connect one who left by choice", async (t) => {
      const network = new EventTarget();
      const c = await connected(t, kind, { networkEventTarget: network });
      c.disconnect();
      const states = record(c, "state");
      network.dispatchEvent(new Event("offline"));
      network.dispatchEvent(new Event("online"));
      const other = await connected(t, kind); // time enough for a mistaken connection to be made
      assert.ok(other);
      assert.deepEqual([c.state, states.length], ["disconnected", 0]);
    });

    test("connects and disconnects ten times", async (t) => {
      const c = client(t, kind);
      const ids = new Set();
      for (let n = 0; n < 10; n++) {
        const is = next(c, "connected");
        c.connect();
        ids.add((await is).client);
        c.disconnect();
      }
      assert.equal(ids.size, 10);
    });

    test("ten subscriptions after another: presence reads 1, then 0", async (t) => {
      const c = await connected(t, kind);
      const channel = fresh();
      const sub = c.newSubscription(channel);
      for (let n = 0; n < 10; n++) {
        sub.subscribe();
        await within(sub.ready());
        assert.equal((await within(sub.presenceStats())).numClients, 1);
        sub.unsubscribe();
        await eventually(async () => (await c.presenceStats(channel)).numClients === 0);
      }
    });

    test("unsubscribes right after it asked to connect", async (t) => {
      const c = client(t, kind);
      const sub = c.newSubscription(fresh());
      sub.subscribe();
      c.connect();
      sub.unsubscribe();
      await within(c.ready());
      assert.equal(sub.state, "unsubscribed");
      assert.deepEqual(await within(c.presenceStats(sub.channel)), { numClients: 0, numUsers: 0 });
    });

    test("unsubscribes between the connect command and its reply", async (t) => {
      const c = client(t, kind, {
        getData: async () => {
          queueMicrotask(() => sub.unsubscribe());
          return { n: 1 };
        },
      });
      const sub = c.newSubscription(fresh());
      sub.subscribe();
      c.connect();
      await within(c.ready());
      await eventually(async () => (await c.presenceStats(sub.channel)).numClients === 0);
      assert.equal(sub.state, "unsubscribed");
      sub.subscribe();
      await within(sub.ready());
    });

    test("reconnects before the transport has opened", async (t) => {
      const c = client(t, kind);
      c.connect();
      c.disconnect();
      c.connect();
      c.disconnect();
      c.connect();
      await within(c.ready());
      const sub = await subscribed(c, fresh());
      const seen = record(sub, "publication");
      await within(sub.publish({ n: 1 }));
      await seen.enough(1);
    });

    test("tokens from callbacks connect and subscribe, five times", async (t) => {
      const channel = fresh();
      const c = client(t, kind, { getToken: async () => token({ sub: "ann", exp: soon() }) });
      const sub = c.newSubscription(channel, {
        getToken: async () => token({ sub: "ann", channel, exp: soon() }),
      });
      for (let n = 0; n < 5; n++) {
        sub.subscribe();
        c.connect();
        await within(sub.ready());
        sub.unsubscribe();
        c.disconnect();
      }
    });

    test("fifty subscriptions in one frame, five times", async (t) => {
      const c = client(t, kind);
      const subs = Array.from({ length: 50 }, () => c.newSubscription(fresh()));
      subs.forEach((sub) => sub.subscribe());
      for (let n = 0; n < 5; n++) {
        c.connect();
        await within(Promise.all(subs.map((sub) => sub.ready())));
        c.disconnect();
      }
    });

    test("callbacks that fail are asked again", async (t) => {
      const asked = { token: 0, data: 0, subToken: 0, subData: 0 };
      const failsFirst = (name, value) => async () => {
        asked[name] += 1;
        if (asked[name] === 1) throw new Error("not yet");
        return value();
      };
      const channel = fresh();
      const c = client(t, kind, {
        getToken: failsFirst("token", () => token({ sub: "ann", exp: soon() })),
        getData: failsFirst("data", () => ({ any: 1 })),
      });
      const sub = c.newSubscription(channel, {
        minResubscribeDelay: 20,
        maxResubscribeDelay: 50,
        getToken: failsFirst("subToken", () => token({ sub: "ann", channel, exp: soon() })),
        getData: failsFirst("subData", () => ({ any: 2 })),
      });
      c.on("error", () => {});
      sub.on("error", () => {});
      sub.subscribe();
      c.connect();
      await within(sub.ready());
      assert.ok(Object.values(asked).every((count) => count >= 2), JSON.stringify(asked));
    });

    test("a callback that says unauthorized ends it", async (t) => {
      const refuse = async () => {
        throw new Centrifuge.UnauthorizedError("no");
      };
      const c = client(t, kind, { getToken: refuse });
      const gone = next(c, "disconnected");
      c.connect();
      assert.equal((await gone).code, 1);
      const other = await connected(t, kind);
      const sub = other.newSubscription(fresh(), { getToken: refuse });
      const ended = next(sub, "unsubscribed");
      sub.subscribe();
      assert.equal((await ended).code, 1);
    });

    test("a bad subscription token is 103 and leaves the connection alone", async (t) => {
      const c = await connected(t, kind, { token: token({ sub: "ann", exp: soon() }) });
      const channel = fresh();
      const sub = c.newSubscription(channel, { token: token({ sub: "ann", channel }, "not-the-secret") });
      const ended = next(sub, "unsubscribed");
      sub.subscribe();
      assert.equal((await ended).code, 103);
      assert.equal(c.state, "connected");
    });

    test("an expired token is asked for again", async (t) => {
      let asked = 0;
      const c = client(t, kind, {
        token: token({ sub: "ann", exp: soon(-60) }),
        getToken: async () => {
          asked += 1;
          return token({ sub: "ann", exp: soon() });
        },
      });
      c.connect();
      await within(c.ready());
      assert.equal(asked, 1);
    });

    test("joins and leaves reach those who stay", async (t) => {
      const channel = fresh();
      const [ann, bob] = [await connected(t, kind), await connected(t, kind)];
      const sub = await subscribed(ann, channel);
      const joins = record(sub, "join");
      const leave = next(sub, "leave");
      await subscribed(bob, channel);
      await eventually(() => joins.some((join) => join.channel === channel && join.info.client));
      bob.disconnect();
      assert.equal((await leave).info.client.length > 0, true);
    });

    test("what was missed while away is recovered, in order", async (t) => {
      const channel = fresh("recovery");
      const c = await connected(t, kind);
      const sub = await subscribed(c, channel);
      const seen = record(sub, "publication");
      await publish(channel, { n: 1 });
      await seen.enough(1);
      c.disconnect();
      for (let n = 2; n <= 11; n++) await publish(channel, { n });
      const is = next(sub, "subscribed");
      c.connect();
      const context = await is;
      assert.deepEqual([context.wasRecovering, context.recovered], [true, true]);
      await seen.enough(11);
      await publish(channel, { n: 12 });
      await seen.enough(12);
      assert.deepEqual(seen.map((p) => [p.offset, p.data.n]), Array.from({ length: 12 }, (_, i) => [i + 1, i + 1]));
    });

    test("what was missed while unsubscribed is recovered", async (t) => {
      const channel = fresh("recovery");
      const c = await connected(t, kind);
      const sub = await subscribed(c, channel);
      const seen = record(sub, "publication");
      sub.unsubscribe();
      for (let n = 1; n <= 3; n++) await publish(channel, { n });
      const is = next(sub, "subscribed");
      sub.subscribe();
      assert.equal((await is).recovered, true);
      await seen.enough(3);
      assert.deepEqual(seen.map((p) => p.data.n), [1, 2, 3]);
    });

    test("what history no longer holds is not recovered, and said so", async (t) => {
      const channel = fresh("smallhistory");
      const c = await connected(t, kind);
      const sub = await subscribed(c, channel);
      const seen = record(sub, "publication");
      c.disconnect();
      for (let n = 1; n <= 6; n++) await publish(channel, { n });
      const is = next(sub, "subscribed");
      c.connect();
      const context = await is;
      assert.deepEqual([context.wasRecovering, context.recovered], [true, false]);
      await publish(channel, { n: 7 });
      await seen.enough(1);
      assert.deepEqual(seen.map((p) => p.data.n), [7]);
    });
  });
}

describe("getState", () => {
  const position = async (channel) => {
    const { offset, epoch } = await history(channel, 0);
    return { offset, epoch: epoch ?? "" };
  };

  test("is asked first, and what follows its position arrives", async (t) => {
    const channel = fresh("recovery");
    for (let n = 1; n <= 3; n++) await publish(channel, { n });
    const c = await connected(t, WEBSOCKET);
    const { epoch } = await position(channel);
    const sub = c.newSubscription(channel, { getState: async () => ({ offset: 1, epoch }) });
    const seen = record(sub, "publication");
    sub.subscribe();
    await seen.enough(2);
    assert.deepEqual(seen.map((p) => p.data.n), [2, 3]);
  });

  test("an empty epoch from offset 0 recovers all that there is", async (t) => {
    const channel = fresh("recovery");
    for (let n = 1; n <= 3; n++) await publish(channel, { n });
    const c = await connected(t, WEBSOCKET);
    const sub = c.newSubscription(channel, { getState: async () => ({ offset: 0, epoch: "" }) });
    const seen = record(sub, "publication");
    sub.subscribe();
    await seen.enough(3);
    assert.deepEqual(seen.map((p) => p.offset), [1, 2, 3]);
  });

  test("is not asked again after a recovery that worked", async (t) => {
    const channel = fresh("recovery");
    let asked = 0;
    const c = await connected(t, WEBSOCKET);
    const getState = () => {
      asked += 1;
      return position(channel);
    };
    const sub = await subscribed(c, channel, { getState });
    const seen = record(sub, "publication");
    c.disconnect();
    await publish(channel, { n: 1 });
    c.connect();
    await seen.enough(1);
    assert.equal(asked, 1);
  });

  test("is asked again when the position cannot be recovered", async (t) => {
    const channel = fresh("smallhistory");
    let asked = 0;
    const c = await connected(t, WEBSOCKET);
    const getState = () => {
      asked += 1;
      return position(channel);
    };
    const sub = await subscribed(c, channel, { getState });
    c.disconnect();
    for (let n = 1; n <= 6; n++) await publish(channel, { n });
    c.connect();
    await within(sub.ready());
    await eventually(() => asked === 2, () => `asked ${asked} times`);
    const seen = record(sub, "publication");
    await publish(channel, { n: 7 });
    await seen.enough(1);
    assert.equal(seen[0].offset, 7);
  });

  test("a failure of it is tried again", async (t) => {
    const channel = fresh("recovery");
    let asked = 0;
    const c = await connected(t, WEBSOCKET);
    const sub = c.newSubscription(channel, {
      minResubscribeDelay: 20,
      maxResubscribeDelay: 50,
      getState: () => {
        asked += 1;
        if (asked < 3) throw new Error("not yet");
        return position(channel);
      },
    });
    sub.on("error", () => {});
    sub.subscribe();
    await within(sub.ready());
    assert.equal(asked, 3);
  });
});

describe("delta", () => {
  const lines = Array.from({ length: 40 }, (_, n) => `row ${n} holds ${n * 7919} of something`);
  const edition = (n) => ({ rows: lines.map((line, i) => (i === 3 || i === 30 ? `${line} rev ${n}` : line)), n });

  for (const kind of [JSON_KINDS[0], JSON_KINDS[1], JSON_KINDS[2], PROTOBUF_KINDS[0]]) {
    test(`two small changes in a large document arrive over ${kind.name}`, async (t) => {
      const channel = fresh("delta");
      const c = await connected(t, kind);
      const sub = await subscribed(c, channel, { delta: "fossil" });
      const seen = record(sub, "publication");
      for (let n = 1; n <= 5; n++) await publish(channel, edition(n));
      await seen.enough(5);
      assert.deepEqual(seen.map((p) => unpacked(kind, p.data)), [1, 2, 3, 4, 5].map(edition));
      assert.deepEqual(seen.map((p) => p.offset), [1, 2, 3, 4, 5]);
    });
  }

  test("the deltas are sent, not the documents", async (t) => {
    const channel = fresh("delta");
    const c = await connected(t, WEBSOCKET);
    const sub = await subscribed(c, channel, { delta: "fossil" });
    const seen = record(sub, "publication");
    for (let n = 1; n <= 5; n++) await publish(channel, edition(n));
    await seen.enough(5);
    const stats = sub.deltaStats();
    assert.deepEqual([stats.numFullPayloads, stats.numDeltaPayloads], [1, 4]);
    assert.ok(stats.bytesReceived < stats.bytesDecoded / 2, JSON.stringify(stats));
  });

  test("what was missed is recovered as a chain", async (t) => {
    const channel = fresh("delta");
    const c = await connected(t, WEBSOCKET);
    const sub = await subscribed(c, channel, { delta: "fossil" });
    const seen = record(sub, "publication");
    await publish(channel, edition(1));
    await seen.enough(1);
    c.disconnect();
    for (let n = 2; n <= 4; n++) await publish(channel, edition(n));
    c.connect();
    await seen.enough(4);
    await publish(channel, edition(5));
    await seen.enough(5);
    assert.deepEqual(seen.map((p) => p.data), [1, 2, 3, 4, 5].map(edition));
  });

  test("those who did not ask get the documents", async (t) => {
    const channel = fresh("delta");
    const [one, other] = [await connected(t, WEBSOCKET), await connected(t, WEBSOCKET)];
    await subscribed(one, channel, { delta: "fossil" });
    const seen = record(await subscribed(other, channel), "publication");
    for (let n = 1; n <= 3; n++) await publish(channel, edition(n));
    await seen.enough(3);
    assert.deepEqual(seen.map((p) => p.data), [1, 2, 3].map(edition));
  });
});

describe("two edges", () => {
  test("a publication through one reaches a subscriber at the other", async (t) => {
    const channel = fresh();
    const [here, there] = [await connected(t, WEBSOCKET), await connected(t, WEBSOCKET, { edge: 1 })];
    const seen = record(await subscribed(there, channel), "publication");
    await subscribed(here, channel);
    for (let n = 1; n <= 20; n++) await within(here.publish(channel, { n }));
    await seen.enough(20);
    assert.deepEqual(seen.map((p) => p.data.n), Array.from({ length: 20 }, (_, i) => i + 1));
  });

  for (const kind of [JSON_KINDS[1], JSON_KINDS[2], PROTOBUF_KINDS[1]]) {
    test(`commands over ${kind.name} may be posted to the other edge`, async (t) => {
      const c = await connected(t, kind, { edge: 0, postsTo: 1 });
      const sub = await subscribed(c, fresh());
      const seen = record(sub, "publication");
      for (let n = 1; n <= 5; n++) await within(sub.publish(packed(kind, { n })));
      await seen.enough(5);
      assert.deepEqual(seen.map((p) => unpacked(kind, p.data).n), [1, 2, 3, 4, 5]);
    });
  }
});
