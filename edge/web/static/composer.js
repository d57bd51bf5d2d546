// Where a message is written, edited or answered. Drafts are kept for each channel and thread.

import { el, icon, iconButton } from "./dom.js";
import { oneLine } from "./format.js";
import { placeOf } from "./signs.js";

const HEIGHT_MAX_PX = 160;
const TEXT_CHARS_MAX = 5_000;

export class Composer {
  /** `on`: { send(text, {quote, mentions, draft}), edit(message, text), editLast(), typed(isEmpty), people(),
   *  author(user), poll?() }; `drafts`: a Drafts; `of`: which of a user's composers this is. */
  constructor(on, { user, drafts, of = "" }) {
    this.on = on;
    this.drafts = drafts;
    this.channel = this.thread = "";
    this.editing = null;
    this.quote = null;
    const id = `compose${of}-${user}`;
    this.box = el("textarea", { id, rows: "1", dir: "auto", placeholder: "Write a message", enterkeyhint: "send" });
    this.box.maxLength = TEXT_CHARS_MAX;
    this.id = id;
    this.naming = null; // loaded with the first "@"
    this.button = el("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    this.banner = el("div", { class: "editing", hidden: true });
    const label = el("label", { class: "spoken", for: id, text: "Message" });
    const poll = on.poll && iconButton("poll", "New poll", () => on.poll(), { class: "plain" });
    const writing = el("div", { class: "writing" }, this.box, poll, this.button);
    this.root = el("form", { class: "composer" }, this.banner, label, writing);
    this.root.addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    this.box.addEventListener("input", () => this.#typed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Another channel, or a thread of it, with its own draft. */
  use(channel, thread = "") {
    this.channel = channel;
    this.thread = thread;
    this.naming?.close();
    this.#begin(null, null);
    this.#write(this.#draft());
  }

  /** Another device wrote there. */
  renew(place) {
    if (place === this.#place && !this.editing) this.#write(this.#draft());
  }

  /** How the channel is called now. */
  address(title, words = `Message ${title}`) {
    this.box.placeholder = words;
  }

  edit(message) {
    this.#begin(message, null);
    this.#write(message.text);
    this.focus();
  }

  answer(message) {
    if (this.editing) this.#write(this.#draft());
    this.#begin(null, message);
    this.focus();
  }

  focus() {
    this.box.focus();
  }

  /** Ends the editing, or the answer to one message. */
  #stop() {
    if (this.editing) this.#write(this.#draft());
    this.#begin(null, null);
    this.focus();
  }

  #begin(editing, quote) {
    this.editing = editing;
    this.quote = quote;
    this.banner.hidden = !editing && !quote;
    if (this.banner.hidden) return this.banner.replaceChildren();
    const words = editing ? "Editing a message" : `Answer to ${this.on.author(quote.by)}: ${oneLine(quote.text || "(data)")}`;
    const close = iconButton("close", editing ? "Stop editing" : "Do not answer", () => this.#stop(), { class: "plain" });
    this.banner.replaceChildren(icon(editing ? "edit" : "reply"), el("span", { text: words }), close);
  }

  #submit() {
    const text = this.box.value.trim();
    if (!text) return;
    const { editing, quote } = this;
    this.naming?.close();
    this.#begin(null, null);
    const draft = editing ? 0 : this.drafts.sent(this.#place);
    this.#write(this.#draft());
    if (!editing) this.on.send(text, { quote, mentions: this.naming?.of(text), draft });
    else if (text !== editing.text) this.on.edit(editing, text);
  }

  #typed() {
    this.#fit();
    this.#name();
    if (this.editing) return;
    this.on.typed(!this.box.value.trim());
    this.drafts.write(this.#place, this.box.value);
  }

  /** Names behind an "@". */
  async #name() {
    if (!this.naming && !this.box.value.includes("@")) return;
    const { Naming } = await import("./naming.js");
    if (!this.naming) {
      this.naming = new Naming(this.box, { id: `names-of-${this.id}`, people: () => this.on.people() });
      this.root.prepend(this.naming.list);
    }
    this.naming.look();
  }

  #key(event) {
    if (event.isComposing) return; // Enter chooses a character of an input method
    if (this.naming?.key(event)) event.stopPropagation();
    else if (event.key === "Enter" && !event.shiftKey) this.#submit();
    else if (event.key === "Escape" && (this.editing || this.quote)) this.#stop();
    else if (event.key === "ArrowUp" && !this.box.value) this.on.editLast();
    else return;
    event.preventDefault();
  }

  get #place() {
    return placeOf(this.channel, this.thread);
  }

  #draft() {
    return this.drafts.text(this.#place);
  }

  #write(text) {
    this.box.value = text;
    this.#fit();
  }

  /** As high as its text, within bounds. */
  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(HEIGHT_MAX_PX, this.box.scrollHeight)}px`;
    this.button.disabled = !this.box.value.trim();
  }
}
