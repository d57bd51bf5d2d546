// The actions of one message, as a menu beside it: reactions first, then verbs. Loaded when one is opened.

import { el } from "./dom.js";
import { t } from "./words.js";

const WORDS = {
  thread: t("Reply in thread"),
  reply: t("Reply"),
  forward: t("Forward…"),
  edit: t("Edit"),
  delete: t("Delete…"),
  askEnd: t("End the poll…"),
  endPoll: t("End it for everyone"),
  copy: t("Copy text"),
  link: t("Copy link"),
  save: t("Save for later"),
  remind: t("Remind me…"),
  unread: t("Mark as unread"),
  profile: t("Person…"),
  undelete: t("Bring it back"),
  pin: t("Pin"),
  unpin: t("Unpin"),
  readers: t("Seen by…"),
  reactors: t("Reactions…"),
  sure: t("Delete for everyone"),
  keep: t("Keep it"),
};
const MINUTE_MS = 60_000;
// What is asked again: the answers, as [verb, words, what goes with it].
const ASKED = {
  delete: [["sure"], ["keep"]],
  askEnd: [["endPoll"], ["keep"]],
  remind: [
    ["remind", t("In 20 minutes"), 20 * MINUTE_MS],
    ["remind", t("In an hour"), 60 * MINUTE_MS],
    ["remind", t("In three hours"), 180 * MINUTE_MS],
    ["remind", t("Tomorrow"), 24 * 60 * MINUTE_MS],
    ["remind", t("In a week"), 7 * 24 * 60 * MINUTE_MS],
  ],
};
const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
const ITEM_PX = 35;
const MARGIN_PX = 8;
const REACTIONS_PX = 60;
const ROOM_PX = 240; // with less beside the message the menu lies over it

export class Menu {
  /** Opens it in `article`; `act(verb, more)`; `below`, `above`: how many pixels are free there. */
  constructor(article, verbs, { act, below, above, closed }) {
    this.article = article;
    this.verbs = verbs;
    this.act = act;
    this.closed = closed;
    this.node = el("div", { class: "menu", role: "menu", "aria-label": t("Message actions") });
    const height = REACTIONS_PX + verbs.length * ITEM_PX;
    const isUpwards = below < height && above > below;
    const isOver = Math.max(above, below) < Math.min(height, ROOM_PX);
    this.node.classList.toggle("upwards", isUpwards && !isOver);
    if (isOver) this.node.style.top = `${MARGIN_PX - above}px`;
    this.node.style.maxHeight = `${isOver ? above + article.offsetHeight + below - 2 * MARGIN_PX : isUpwards ? above : below}px`;
    this.elsewhere = ({ target }) => article.contains(target) || this.close();
    document.addEventListener("pointerdown", this.elsewhere, true);
    this.node.addEventListener("keydown", (event) => this.#key(event));
    const kinds = EMOJI.map((emoji) =>
      el("button", { type: "button", role: "menuitem", class: "emoji", tabindex: "-1", "aria-label": t("React with {emoji}", { emoji }), text: emoji, on: { click: () => this.#choose("react", emoji) } }),
    );
    kinds.push(el("button", { type: "button", role: "menuitem", class: "emoji", tabindex: "-1", "aria-label": t("Another reaction"), text: "+", on: { click: () => this.#another() } }));
    const isGone = verbs.includes("undelete");
    this.#fill(verbs.map((verb) => [verb]), ...(isGone ? [] : [el("div", { class: "emojis", role: "none" }, ...kinds)]));
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
    document.removeEventListener("pointerdown", this.elsewhere, true);
    if (this.node.contains(document.activeElement)) this.opener.focus({ preventScroll: true });
    this.node.remove();
    this.opener.setAttribute("aria-expanded", "false");
    this.closed();
  }

  async #another() {
    const { act } = this;
    this.close();
    const { chooseEmoji } = await import("./emoji.js");
    chooseEmoji((emoji) => act("react", emoji));
  }

  #items() {
    return [...this.node.querySelectorAll("[role=menuitem]")];
  }

  #fill(choices, ...before) {
    const item = ([verb, words = WORDS[verb], more]) =>
      el("button", { type: "button", role: "menuitem", class: verb, tabindex: "-1", text: words, on: { click: () => this.#choose(verb, more) } });
    this.node.replaceChildren(...before, ...choices.map(item));
  }

  #choose(verb, more) {
    if (verb in ASKED && more === undefined) {
      this.#fill(ASKED[verb]);
      this.#items()[0].focus();
      return;
    }
    this.close();
    if (verb !== "keep") this.act(verb === "sure" ? "delete" : verb, more);
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
