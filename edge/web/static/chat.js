// The page: who is here, and one or two panes.
//
// Address: `/?user=alice` one pane, `/?split=alice,bob` two, `/` asks. Where the server has no demo
// people, a connection token is asked for and kept in this page alone.

import { el } from "./dom.js";
import { Pane } from "./pane.js";
import { Names } from "./session.js";
import { applyTheme } from "./theme.js";
import { avatar } from "./faces.js";

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

function showPanes(users, people, tokenOf) {
  const names = new Names(people.map(({ user, name }) => [user, name]));
  const panes = users.map((user, place) => {
    const opens = users.length === 2 ? users[1 - place] : "";
    return new Pane({ user, token: tokenOf(user), people, names, parts: parts(), opens, isAlone: users.length === 1 });
  });
  app.className = users.length > 1 ? "panes split" : "panes";
  app.replaceChildren(...panes.map((pane) => pane.root));
  globalThis.hubbub.panes = panes;
  for (const pane of panes) pane.start();
}

function welcome(...content) {
  const head = el("header", {}, el("img", { src: "/static/icon.svg", alt: "", width: "56", height: "56" }), el("h1", { text: "Hubbub" }));
  app.className = "welcome";
  app.replaceChildren(el("div", { class: "sheet" }, head, ...content));
}

function choosePerson(people) {
  const link = ({ user, name }) =>
    el("li", {}, el("a", { class: "person", href: `/?user=${encodeURIComponent(user)}` }, avatar(user, name), el("bdi", { text: name })));
  const content = [el("p", { class: "muted", text: "Who would you like to be? No password: this is a demo." }), el("ul", { class: "people" }, ...people.map(link))];
  if (people.length > 1) {
    const [one, other] = people;
    const first = ({ name }) => name.split(" ")[0];
    const href = `/?split=${encodeURIComponent(one.user)},${encodeURIComponent(other.user)}`;
    content.push(el("a", { class: "primary", href, text: `${first(one)} and ${first(other)} side by side` }));
  }
  welcome(...content);
}

/** The `sub` of a token, to know whose pane it is. The server alone decides whether it is good. */
function userOf(token) {
  try {
    const body = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? "";
  } catch {
    return "";
  }
}

function askToken() {
  const input = el("input", { id: "token", autocomplete: "off", spellcheck: "false", required: true });
  const error = el("p", { class: "error", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const token = input.value.trim();
    const user = userOf(token);
    if (user) showPanes([user], [], () => async () => token);
    else error.textContent = "This is not a connection token with a user in it.";
  };
  welcome(
    el("p", { class: "muted", text: "Sign in with a connection token, as POST /v1/tokens issues it." }),
    el("form", { on: { submit } }, el("p", { class: "field" }, el("label", { for: "token", text: "Connection token" }), input), error, el("button", { type: "submit", class: "primary", text: "Sign in" })),
  );
}

async function begin() {
  const people = await demoPeople();
  const query = new URLSearchParams(location.search);
  const asked = (query.get("split") ?? query.get("user") ?? "").split(",").filter(Boolean).slice(0, 2);
  if (!people) askToken();
  else if (asked.length && asked.every((user) => people.some((person) => person.user === user))) {
    showPanes([...new Set(asked)], people, (user) => () => demoToken(user));
  } else choosePerson(people);
}

applyTheme(localStorage);
try {
  await begin();
} catch (error) {
  welcome(el("p", { class: "error", role: "alert", text: `The server did not answer: ${error.message}. Reload to try again.` }));
}
app.removeAttribute("aria-busy");
