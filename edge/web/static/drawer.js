// For developers, with `?debug` in the address: the frames of the page's connections as they come and go, which edge
// answers, and how long it takes. A row that is pressed goes to the clipboard, as JSON; an rpc also as curl over REST.

import { el } from "./dom.js";
import { t } from "./words.js";

const ROWS_MAX = 200; // the oldest go first
const SHOWN_CHARS = 400;

/** Listens in on the panes' connections; to be called before they start. */
export function openDrawer(panes) {
  const rows = el("ol", {});
  const about = el("span", { role: "status" });
  const copied = el("span", { class: "copied", role: "status" });
  const clear = el("button", { type: "button", text: t("Clear"), on: { click: () => rows.replaceChildren() } });
  document.body.append(el("aside", { class: "drawer", "aria-label": t("Frames") }, el("header", {}, el("strong", { text: t("Frames") }), about, copied, clear), rows));
  document.body.classList.add("with-drawer");
  for (const { user, session } of panes) {
    listenIn(session.client, (sign, frame, said) => {
      if (said) about.textContent = `${user}: ${said}`;
      const isAtEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < 30;
      const copy = () => navigator.clipboard?.writeText(frame);
      const row = el("li", {}, el("button", { type: "button", text: `${panes.length > 1 ? `${user} ` : ""}${sign} ${frame.slice(0, SHOWN_CHARS)}`, on: { click: copy } }));
      const rpc = sign === "→" && JSON.parse(frame).rpc;
      if (rpc) row.append(el("button", { type: "button", class: "curl", "aria-label": t("Copy as curl: {verb}", { verb: rpc.method }), text: "curl", on: { click: async () => (copied.textContent = await copyCurl(rpc, user)) } }));
      rows.append(row);
      if (rows.children.length > ROWS_MAX) rows.firstChild.remove();
      if (isAtEnd) rows.scrollTop = rows.scrollHeight;
    });
  }
}

/** Returns what to say of it; the line itself where there is no clipboard. */
async function copyCurl(rpc, user) {
  try {
    const [{ curl }, answer] = await Promise.all([import("./curl.js"), fetch("/openapi.json")]);
    const line = curl((await answer.json()).paths, rpc, user, location.origin);
    if (!line) return t("REST has no such thing: {verb}", { verb: rpc.method });
    if (!navigator.clipboard) return line;
    await navigator.clipboard.writeText(line);
    return t("Copied; put a token of {user} into TOKEN", { user });
  } catch (error) {
    return t("That did not work: {why}", { why: error.message });
  }
}

/** `tell(sign, frame, said)`: a frame; `said`: of an answer, who gave it and after how long. */
function listenIn(client, tell) {
  const sentAt = new Map(); // id of a command → when
  let edge = location.host; // which is all that is known where the answer names none
  const heard = (line) => {
    const { id, connect } = JSON.parse(line);
    edge = connect?.node ?? edge;
    const began = sentAt.get(id);
    sentAt.delete(id);
    tell("←", line, began === undefined ? "" : t("{edge}, answered in {n} ms", { edge, n: Math.round(performance.now() - began) }));
  };
  const said = (line) => {
    const { id } = JSON.parse(line);
    if (id) sentAt.set(id, performance.now());
    tell("→", line.replace(/"token":"[^"]*"/u, '"token":"…"'), "");
  };
  client.Socket = class extends client.Socket {
    constructor(url) {
      super(url);
      sentAt.clear();
      this.addEventListener("message", ({ data }) => data.split("\n").filter(Boolean).forEach(heard));
      this.addEventListener("close", ({ code, reason }) => tell("×", `${code} ${reason}`, ""));
    }

    send(text) {
      text.split("\n").forEach(said);
      super.send(text);
    }
  };
}
