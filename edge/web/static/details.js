// Small sheets about one message or one channel: who has seen it, who reacted, what it said before, what is
// pinned. Loaded when one is opened.

import { el, iconButton } from "./dom.js";
import { avatar } from "./faces.js";
import { clockTime, dayLabel } from "./format.js";
import { gist } from "./marking.js";
import { t } from "./words.js";

/** Opens a dialog. */
export function sheet(title, content) {
  const dialog = el("dialog", { class: "gathering details", "aria-label": title });
  const close = iconButton("close", t("Close"), () => dialog.close(), { class: "plain" });
  dialog.append(el("div", { class: "head" }, el("h2", { text: title }), close), content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export const when = (ts) => (ts ? `${dayLabel(Date.parse(ts), Date.now())}, ${clockTime(Date.parse(ts))}` : "");

function person(name, user, more, state = "") {
  return el("li", { class: "person" }, avatar(user, name, "small", state), el("bdi", { text: name }), el("span", { class: "when", text: more }));
}

/** `ask(verb, data)`, `author(user)`. */
export async function showReaders(channel, message, { ask, author }) {
  const [read, delivered] = await Promise.all(
    ["read", "delivered"].map((state) => ask("receipts.readers", { channel, id: message.id, state })),
  );
  const seen = new Set(read.readers.map(({ user }) => user));
  const only = delivered.readers.filter(({ user }) => !seen.has(user));
  const rows = [
    ...read.readers.map(({ user, ts }) => person(author(user), user, t("Read {time}", { time: when(ts) }).trim())),
    ...only.map(({ user, ts }) => person(author(user), user, t("Delivered {time}", { time: when(ts) }).trim())),
  ];
  sheet(t("Seen by"), rows.length ? el("ul", {}, ...rows) : el("p", { class: "muted", text: t("Nobody yet") }));
}

export async function showReactors(channel, message, { ask, author }) {
  const page = await ask("reaction.list", { channel, id: message.id });
  sheet(t("Reactions"), el("ul", {}, ...page.reactors.map(({ user, emoji }) => person(author(user), user, emoji))));
}

/** Of each option of a poll, who chose it. */
export async function showVotes(channel, { id, poll }, { ask, author }) {
  const pages = await Promise.all(poll.options.map((option) => ask("poll.voters", { channel, id, option: option.id })));
  const of = (option, { voters, next }) => {
    const more = next ? el("p", { class: "muted", text: t("and others, {n} in all", { n: option.votes }) }) : null;
    return el("section", {}, el("h3", { dir: "auto", text: option.text }), el("ul", {}, ...voters.map(({ user }) => person(author(user), user, ""))), more);
  };
  const chosen = poll.options.map((option, n) => [option, pages[n]]).filter(([, { voters }]) => voters.length);
  sheet(t("Votes"), el("div", { class: "votes" }, ...chosen.map(([option, page]) => of(option, page))));
}

export async function showEdits(channel, message, { ask, author }) {
  const page = await ask("message.edits", { channel, id: message.id });
  const row = ({ by, ts, text }) => el("li", { class: "revision" }, el("span", { class: "when", text: `${author(by)}, ${when(ts)}` }), el("p", { dir: "auto", text }));
  sheet(t("What it said before"), el("ol", {}, ...page.revisions.map(row)));
}

/** `go(message)`: shows it. */
export async function showPins(channel, { ask, author, go }) {
  const { pins } = await ask("pin.list", { channel });
  const row = ({ message }) => {
    const button = el("button", { type: "button", class: "hit", on: { click: () => (dialog.close(), go(message)) } });
    button.append(el("bdi", { class: "name", text: author(message.by) }), el("span", { class: "when", text: when(message.ts) }), el("bdi", { class: "snippet", text: gist(message) }));
    return el("li", {}, button);
  };
  const rows = pins.map(row);
  const dialog = sheet(t("Pinned"), rows.length ? el("ul", {}, ...rows) : el("p", { class: "muted", text: t("Nothing is pinned here.") }));
}
