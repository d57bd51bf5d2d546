// Where a message is written, edited or answered. Drafts are kept for each channel and thread.

import { dressed, el, icon, iconButton } from "./dom.js";
import { boundWords } from "./bounds.js";
import { gist } from "./marking.js";
import { placeOf } from "./signs.js";
import { t } from "./words.js";

const HEIGHT_MAX_PX = 160;
const TEXT_CHARS_MAX = 5_000;

export class Composer {
  /** `on`: { mayLeave(), send(text, {quote, mentions, draft}), edit(message, text), editLast(), typed(isEmpty), people(),
   *  author(user), poll?(), later?(text, more) }; `drafts`: a Drafts; `of`: which of a user's composers this is. */
  constructor(on, { user, drafts, of = "" }) {
    this.on = on;
    this.drafts = drafts;
    this.channel = this.thread = "";
    this.editing = null;
    this.quote = null;
    const id = `compose${of}-${user}`;
    this.box = el("textarea", { id, rows: "1", dir: "auto", placeholder: t("Write a message"), enterkeyhint: "send" });
    this.box.maxLength = TEXT_CHARS_MAX;
    this.id = id;
    this.naming = null; // loaded with the first "@"
    this.button = el("button", { type: "submit", class: "send", "aria-label": t("Send"), title: t("Send (Enter)") }, icon("send"));
    this.banner = el("div", { class: "editing", hidden: true });
    const label = el("label", { class: "spoken", for: id, text: t("Message") });
    const poll = on.poll && iconButton("poll", t("New poll"), () => on.poll(), { class: "plain when-empty" });
    const later = on.later && iconButton("sending", t("Send later"), () => this.#later(), { class: "plain when-written" });
    const emoji = iconButton("smile", t("Emoji"), () => this.#emoji(), { class: "plain with-mouse" });
    const writing = el("div", { class: "writing" }, this.box, emoji, poll, later, this.button);
    this.bounds = { words: "", until: 0 };
    this.notice = el("p", { class: "bounds", role: "status", hidden: true });
    this.root = el("form", { class: "composer" }, this.banner, this.notice, label, writing);
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
  address(title, words = t("Message {name}", { name: title })) {
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
    const words = editing ? t("Editing a message") : `${t("Answer to {name}", { name: this.on.author(quote.by) })}: ${gist(quote)}`;
    const close = iconButton("close", editing ? t("Stop editing") : t("Do not answer"), () => this.#stop(), { class: "plain" });
    this.banner.replaceChildren(icon(editing ? "edit" : "reply"), el("span", { text: words }), close);
  }

  /** What holds for who writes here: see `boundsOf`. */
  restrict(bounds) {
    this.bounds = bounds;
    clearTimeout(this.tick);
    const now = Date.now();
    const words = boundWords(bounds, now);
    this.notice.hidden = !words;
    if (this.notice.textContent !== words) this.notice.textContent = words;
    this.box.disabled = bounds.until === Infinity;
    this.#allow();
    if (bounds.until > now && Number.isFinite(bounds.until)) this.tick = setTimeout(() => this.restrict(bounds), 1_000);
  }

  get #isBound() {
    return !this.editing && this.bounds.until > Date.now();
  }

  #allow() {
    this.button.disabled = !this.box.value.trim() || this.#isBound;
  }

  #later() {
    const text = this.box.value.trim();
    const more = { reply_to: this.quote?.id, mentions: this.naming?.of(text) };
    this.focus(); // where it comes back to: the button goes with the text
    this.on.later(text, more, () => {
      this.#begin(null, null);
      this.drafts.sent(this.#place);
      this.#write(this.#draft());
    });
  }

  #submit() {
    const text = this.box.value.trim();
    if (!text || this.#isBound || !this.on.mayLeave()) return;
    const { editing, quote } = this;
    this.naming?.close();
    const draft = editing ? 0 : this.drafts.sent(this.#place);
    // The outbox has it before the box is emptied (decision record 0048).
    if (!editing) this.on.send(text, { quote, mentions: this.naming?.of(text), draft });
    else if (text !== editing.text) this.on.edit(editing, text);
    this.#begin(null, null);
    this.#write(this.#draft());
  }

  #typed() {
    this.#fit();
    this.#name();
    if (this.editing) return;
    this.on.typed(!this.box.value.trim());
    this.drafts.write(this.#place, this.box.value);
  }

  /** Where the keyboard has no palette of its own. */
  async #emoji() {
    const { box } = this;
    const { chooseEmoji } = await dressed(import("./emoji.js"));
    chooseEmoji((emoji) => {
      box.focus();
      document.execCommand("insertText", false, emoji); // what undo knows of
    });
  }

  /** Names behind an "@". */
  async #name() {
    if (!this.naming && !this.box.value.includes("@")) return;
    const { Naming } = await dressed(import("./naming.js"));
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
    this.#allow();
  }
}
