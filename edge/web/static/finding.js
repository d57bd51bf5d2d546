// Messages by their words, below the conversations that fit. Loaded with the first search.

import { el } from "./dom.js";
import { oneLine, shortLabel } from "./format.js";
import { t } from "./words.js";

const PAGE = 20;
const BEFORE_CHARS = 24; // shown before the first word that was found

/** Asks, and shows what came. `on`: {ask(verb, data), author(user), title(channel), go(channel, message)}. */
export class Finding {
  constructor(on) {
    this.on = on;
    this.turn = 0;
    this.list = el("ul", { class: "found-messages" });
    this.state = el("p", { class: "none", role: "status" });
    this.more = el("button", { type: "button", class: "more", hidden: true, text: t("Show older"), on: { click: () => this.#ask() } });
    this.root = el("section", { class: "finding", "aria-label": t("Messages found"), hidden: true }, el("h2", { text: t("Messages") }), this.list, this.state, this.more);
  }

  /** What is looked for now; empty: nothing. */
  find(q) {
    this.turn++;
    this.q = q;
    this.next = "";
    this.list.replaceChildren();
    this.more.hidden = true;
    this.root.hidden = !q;
    this.state.textContent = q ? t("Searching…") : "";
    if (q) this.#ask();
  }

  async #ask() {
    const { turn } = this;
    let page;
    try {
      page = await this.on.ask("search.messages", { q: this.q, limit: PAGE, ...(this.next && { cursor: this.next }) });
    } catch (error) {
      if (turn === this.turn) this.state.textContent = t("That did not work: {why}", { why: error.message });
      return;
    }
    if (turn !== this.turn) return; // something else is looked for by now
    this.next = page.next ?? "";
    this.more.hidden = !this.next;
    this.list.append(...page.hits.map((hit) => this.#hit(hit)));
    const count = this.list.children.length;
    const words = count ? t(this.next ? "{n} or more found" : "{n} found", { n: count }) : t("No messages found");
    this.state.textContent = page.incomplete ? `${words}; ${t("part of the index does not answer")}` : words;
  }

  #hit({ channel, message, highlights }) {
    const go = () => this.on.go(channel, message);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "hit", on: { click: go } },
        el("bdi", { class: "name", text: this.on.title(channel) }),
        el("span", { class: "when", text: shortLabel(Date.parse(message.ts), Date.now()) }),
        el("span", { class: "snippet" }, `${this.on.author(message.by).split(" ")[0]}: `, ...snippet(message.text, highlights)),
      ),
    );
  }
}

/** The text from a little before the first place on; places are in characters, not in units of UTF-16. */
function snippet(text, highlights) {
  const chars = [...text];
  const spots = highlights ?? [];
  const from = Math.max(0, (spots[0]?.[0] ?? 0) - BEFORE_CHARS);
  const cut = (start, end) => chars.slice(start, end).join("");
  const nodes = [from ? "…" : ""];
  let at = from;
  for (const [start, end] of spots) {
    nodes.push(cut(at, start), el("mark", { text: cut(start, end) }));
    at = end;
  }
  nodes.push(oneLine(cut(at, at + 140)) ? cut(at, at + 140) : "");
  return nodes;
}
