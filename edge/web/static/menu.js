// The actions of one message, as a menu beside it: reactions first, then verbs. Loaded when one is opened.

import { el } from "./dom.js";

const WORDS = {
  thread: "Reply in thread",
  reply: "Reply",
  forward: "Forward…",
  edit: "Edit",
  delete: "Delete…",
  askEnd: "End the poll…",
  endPoll: "End it for everyone",
  copy: "Copy text",
  pin: "Pin",
  unpin: "Unpin",
  readers: "Seen by…",
  reactors: "Reactions…",
  sure: "Delete for everyone",
  keep: "Keep it",
};
const SURE = { delete: "sure", askEnd: "endPoll" }; // what is asked again
const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
const HEIGHT_PX = 370;

export class Menu {
  /** Opens it in `article`; `act(verb, emoji)`; `room`: how many pixels are free below. */
  constructor(article, verbs, { act, room, closed }) {
    this.article = article;
    this.verbs = verbs;
    this.act = act;
    this.closed = closed;
    this.node = el("div", { class: "menu", role: "menu", "aria-label": "Message actions" });
    this.node.classList.toggle("upwards", room < HEIGHT_PX);
    this.node.addEventListener("keydown", (event) => this.#key(event));
    const kinds = EMOJI.map((emoji) =>
      el("button", { type: "button", role: "menuitem", class: "emoji", tabindex: "-1", "aria-label": `React with ${emoji}`, text: emoji, on: { click: () => this.#choose("react", emoji) } }),
    );
    this.#fill(verbs, el("div", { class: "emojis", role: "none" }, ...kinds));
    article.append(this.node);
    this.hangAt(article.querySelector(".opener"));
    this.#items().find((item) => !item.classList.contains("emoji")).focus({ preventScroll: true });
  }

  /** The button that it belongs to, also when the message was drawn anew. */
  hangAt(opener) {
    this.opener = opener;
    opener.setAttribute("aria-expanded", "true");
  }

  close() {
    if (this.node.contains(document.activeElement)) this.opener.focus({ preventScroll: true });
    this.node.remove();
    this.opener.setAttribute("aria-expanded", "false");
    this.closed();
  }

  #items() {
    return [...this.node.querySelectorAll("[role=menuitem]")];
  }

  #fill(verbs, ...before) {
    const item = (verb) =>
      el("button", { type: "button", role: "menuitem", class: verb, tabindex: "-1", text: WORDS[verb], on: { click: () => this.#choose(verb) } });
    this.node.replaceChildren(...before, ...verbs.map(item));
  }

  #choose(verb, emoji) {
    if (verb in SURE) {
      this.#fill([SURE[verb], "keep"]);
      this.#items()[0].focus();
      return;
    }
    this.close();
    if (verb !== "keep") this.act(verb === "sure" ? "delete" : verb, emoji);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.close();
    else if (step) {
      const items = this.#items();
      items.at((items.indexOf(document.activeElement) + step) % items.length).focus();
    } else if (event.key !== "Tab") return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }
}
