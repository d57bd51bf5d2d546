// Where a message is written or edited. Drafts are kept per channel.

import { el, icon, iconButton } from "./dom.js";

const HEIGHT_MAX_PX = 160;
const TEXT_CHARS_MAX = 5_000;

export class Composer {
  /** `on`: { send(text), edit(message, text), editLast() }; `drafts`: as localStorage. */
  constructor(on, { user, drafts }) {
    this.on = on;
    this.drafts = drafts;
    this.prefix = `hubbub.draft.${user}.`;
    this.channel = "";
    this.editing = null;
    const id = `compose-${user}`;
    this.box = el("textarea", { id, rows: "1", dir: "auto", placeholder: "Write a message", enterkeyhint: "send" });
    this.box.maxLength = TEXT_CHARS_MAX;
    this.button = el("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    this.words = el("span", { text: "Editing a message" });
    this.banner = el(
      "div",
      { class: "editing", hidden: true },
      icon("edit"),
      this.words,
      iconButton("close", "Stop editing", () => this.stopEditing(), { class: "plain" }),
    );
    const label = el("label", { class: "spoken", for: id, text: "Message" });
    this.root = el("form", { class: "composer" }, this.banner, label, el("div", { class: "writing" }, this.box, this.button));
    this.root.addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    this.box.addEventListener("input", () => this.#typed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Another channel, with its own draft. */
  use(channel) {
    this.editing = null;
    this.banner.hidden = true;
    this.channel = channel;
    this.#write(this.drafts.getItem(this.prefix + channel) ?? "");
  }

  /** How the channel is called now. */
  address(title) {
    this.box.placeholder = `Message ${title}`;
  }

  edit(message) {
    this.editing = message;
    this.banner.hidden = false;
    this.#write(message.text);
    this.focus();
  }

  stopEditing() {
    if (!this.editing) return;
    this.editing = null;
    this.banner.hidden = true;
    this.#write(this.drafts.getItem(this.prefix + this.channel) ?? "");
    this.focus();
  }

  focus() {
    this.box.focus();
  }

  #submit() {
    const text = this.box.value.trim();
    if (!text) return;
    const { editing } = this;
    this.editing = null;
    this.banner.hidden = true;
    if (!editing) this.drafts.removeItem(this.prefix + this.channel);
    this.#write(editing ? (this.drafts.getItem(this.prefix + this.channel) ?? "") : "");
    if (!editing) this.on.send(text);
    else if (text !== editing.text) this.on.edit(editing, text);
  }

  #typed() {
    this.#fit();
    if (this.editing) return;
    try {
      if (this.box.value) this.drafts.setItem(this.prefix + this.channel, this.box.value);
      else this.drafts.removeItem(this.prefix + this.channel);
    } catch {
      // Full or forbidden storage: the draft lives as long as the page.
    }
  }

  #key(event) {
    if (event.isComposing) return; // Enter chooses a character of an input method
    if (event.key === "Enter" && !event.shiftKey) this.#submit();
    else if (event.key === "Escape" && this.editing) this.stopEditing();
    else if (event.key === "ArrowUp" && !this.box.value) this.on.editLast();
    else return;
    event.preventDefault();
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
