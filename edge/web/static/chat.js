// The page: who is here, and one or two panes.
//
// Address: `/?user=alice` one pane, `/?split=alice,bob` two, `/` asks; `&debug` shows the frames. Where the server has no demo
// people, a connection token is asked for and kept in this page alone.

import { dressed, el } from "./dom.js";
import { Pane } from "./pane.js";
import { Names } from "./session.js";
import { applyTheme } from "./theme.js";
import { language, t } from "./words.js";

const app = document.getElementById("app");

// For tests and the curious: `hubbub.panes[0].session.client.cut()` loses the connection.
globalThis.hubbub = { panes: [] };

/** What the modules without DOM take from outside. */
function parts() {
  const url = new URL("/connection/websocket", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return {
    url: url.href,
    now: Date.now,
    entropy: (count) => crypto.getRandomValues(new Uint8Array(count)),
    storage: localStorage,
  };
}

async function demoPeople() {
  const answer = await fetch("/demo/people");
  return answer.ok ? (await answer.json()).people : null;
}

async function demoToken(user) {
  const answer = await fetch("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
  });
  if (!answer.ok) throw new Error(`no token (${answer.status})`);
  return (await answer.json()).token;
}

async function showPanes(users, people, tokenOf) {
  const names = new Names(people.map(({ user, name }) => [user, name]));
  const panes = users.map((user, place) => {
    const opens = users.length === 2 ? users[1 - place] : "";
    return new Pane({ user, token: tokenOf(user), people, names, parts: parts(), opens, isAlone: users.length === 1 });
  });
  app.className = users.length > 1 ? "panes split" : "panes";
  app.replaceChildren(...panes.map((pane) => pane.root));
  globalThis.hubbub.panes = panes;
  if (new URLSearchParams(location.search).has("debug")) (await dressed(import("./drawer.js"))).openDrawer(panes);
  for (const pane of panes) pane.start();
  import("./idling.js").then(({ watchIdle }) => watchIdle(panes.map((pane) => pane.session)));
  followAddress();
}

/** An address ending in `#/m/channel/id` leads to that message. */
function followAddress() {
  if (location.hash.startsWith("#/m/")) globalThis.hubbub.panes[0]?.follow({ link: location.hash.slice(1) });
}

async function begin() {
  const people = await demoPeople();
  const query = new URLSearchParams(location.search);
  const asked = (query.get("split") ?? query.get("user") ?? "").split(",").filter(Boolean).slice(0, 2);
  const signing = () => dressed(import("./signing.js"));
  if (!people) (await signing()).askToken(app, (user, token) => showPanes([user], [], () => async () => token));
  else if (asked.length && asked.every((user) => people.some((person) => person.user === user))) {
    showPanes([...new Set(asked)], people, (user) => () => demoToken(user));
  } else (await signing()).choosePerson(app, people);
}

document.documentElement.lang = language;
applyTheme(localStorage);
addEventListener("hashchange", followAddress);
// A module that is loaded when it is first used, while there is no connection.
addEventListener("unhandledrejection", (event) => {
  if (!/import/iu.test(event.reason?.message)) return;
  event.preventDefault();
  for (const { session } of globalThis.hubbub.panes) session.on.said(t("No connection. Try again."));
});
try {
  await begin();
} catch (error) {
  app.replaceChildren(el("p", { class: "plain error", role: "alert", text: t("The server did not answer: {why}. Reload to try again.", { why: error.message }) }));
}
app.removeAttribute("aria-busy");
