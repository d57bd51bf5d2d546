// The messages of the opened channel on the screen.
//
// Rules:
// 1. Within 48 px of the end the end stays in view; otherwise what is being read does not move, whatever
//    comes, goes or changes above or below it.
// 2. At most ROWS_MAX rows are in the document; the window moves over what the room holds.
// 3. A row's element lives as long as its key is in the window, so that focus and selection stay.

import { arrange, el, icon, iconButton, spoken } from "./dom.js";
import { clockTime, dayKey, dayLabel, fullTime, initials, segments, tone } from "./format.js";
import { timeline } from "./store.js";

const END_PX = 48;
const NEAR_PX = 500; // begin to fetch or to move the window here
const ROWS_MAX = 300;
const ROWS_FIRST = 120;
const ROWS_STEP = 80;
const TONES = 8;
const STATUS_WORDS = { waiting: "waiting", sending: "sending", stored: "stored", failed: "not sent" };

/** A round picture made of initials; a square one for a place where several people meet. */
export function avatar(id, name, size = "") {
  return el("span", { class: `avatar tone-${tone(id, TONES)} ${size}`, "aria-hidden": "true", text: initials(name) });
}

export function placeAvatar(id) {
  return el("span", { class: `avatar place tone-${tone(id, TONES)}`, "aria-hidden": "true" }, icon("group"));
}

export class Timeline {
  /** `on`: { older(), looking(isLooking), author(user), act(verb, message) } */
  constructor(on) {
    this.on = on;
    this.rows = [];
    this.nodes = new Map(); // key → {node, shape}
    this.log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Messages", tabindex: "0" });
    this.jump = el("button", { type: "button", class: "jump", hidden: true, on: { click: () => this.toEnd() } });
    this.live = el("div", { class: "spoken", "aria-live": "polite", role: "status" });
    this.root = el("div", { class: "timeline" }, this.log, this.jump, this.live);
    this.top = el("div", { class: "top-of-history" });
    this.menu = null;
    this.clear();
    this.log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.log.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("focusout", (event) => this.#focusLeft(event));
    new ResizeObserver(() => this.isAtEnd && this.#stick()).observe(this.log);
    document.addEventListener("visibilitychange", () => this.#tellLooking());
  }

  /** Another channel: from its end. */
  clear() {
    this.closeMenu();
    this.nodes.clear();
    this.log.replaceChildren();
    this.from = null; // key of the first row in the document; null: as many as fit in the first view
    this.to = null; // key of the last one; null: the newest
    this.isAtEnd = true;
    this.seen = null; // key of the newest row that was seen
    this.live.textContent = "";
  }

  /** Shows messages. `facts`: {user, isDirect, newAfter, atStart, isLoading, isLoaded}. */
  show(messages, facts) {
    this.facts = facts;
    const { user, newAfter } = facts;
    this.rows = timeline(messages, { dayOf: dayKey, user, newAfter });
    this.lastOwn = messages.findLast((message) => message.by === user)?.key;
    this.#render();
  }

  toEnd() {
    this.to = this.from = null;
    this.isAtEnd = true;
    this.#render();
  }

  /** Reads a new message out once. */
  announce(message) {
    this.live.textContent = `${this.on.author(message.by)}: ${message.text}`;
  }

  focusLast() {
    this.nodes.get(this.rows.findLast((row) => row.type === "message")?.key)?.node.focus();
  }

  closeMenu() {
    if (!this.menu) return;
    const { node, opener } = this.menu;
    this.menu = null;
    if (node.contains(document.activeElement)) opener.focus();
    node.remove();
    opener.setAttribute("aria-expanded", "false");
  }

  // --- drawing

  #render() {
    const anchor = this.isAtEnd ? null : this.#anchor();
    const shown = this.#window();
    const keys = new Set(shown.map((row) => row.key));
    for (const key of this.nodes.keys()) if (!keys.has(key)) this.nodes.delete(key);
    this.#drawTop();
    arrange(this.log, [this.top, ...shown.map((row) => this.#row(row))]);
    if (this.isAtEnd) this.#stick();
    else if (anchor?.node.isConnected) this.log.scrollTop += anchor.node.offsetTop - anchor.offset;
    this.#tellJump();
    this.#tellLooking();
    this.#fill();
  }

  /** The part of the rows that is in the document. */
  #window() {
    const { rows } = this;
    let end = this.to === null ? rows.length : this.#place(this.to) + 1;
    if (end === 0) {
      this.to = null;
      end = rows.length;
    }
    let start = this.from === null ? -1 : this.#place(this.from);
    if (start < 0) start = Math.max(0, end - ROWS_FIRST);
    if (end - start > ROWS_MAX) {
      if (this.isAtEnd) start = end - ROWS_MAX;
      else end = start + ROWS_MAX;
    }
    this.from = rows[start]?.key ?? null;
    this.to = end === rows.length ? null : rows[end - 1].key;
    this.start = start;
    return rows.slice(start, end);
  }

  #place(key) {
    return this.rows.findIndex((row) => row.key === key);
  }

  #drawTop() {
    const { isLoading, atStart, isLoaded } = this.facts;
    let text = "";
    if (!isLoaded) text = "Loading messages…";
    else if (isLoading) text = "Loading older messages…";
    else if (atStart && this.start === 0) text = this.rows.length ? "This is where it began" : "No messages yet. Say hello!";
    if (this.top.textContent !== text) this.top.textContent = text;
  }

  #row(row) {
    let entry = this.nodes.get(row.key);
    if (!entry) this.nodes.set(row.key, (entry = { node: this.#make(row), shape: "" }));
    const shape = this.#shape(row);
    if (entry.shape !== shape) {
      entry.shape = shape;
      this.#draw(entry.node, row);
    }
    entry.node.row = row;
    return entry.node;
  }

  #make(row) {
    if (row.type === "message") return el("article", { class: "message", tabindex: "-1", "data-key": row.key });
    return el("div", { class: `line line-${row.type}`, role: "separator" });
  }

  /** Everything that a row's drawing depends on. */
  #shape(row) {
    if (row.type !== "message") return row.type === "day" ? dayLabel(row.ms, Date.now()) : "new";
    const { message: m, starts } = row;
    const name = this.on.author(m.by);
    const isLastOwn = row.key === this.lastOwn;
    return JSON.stringify([m.id, m.text, m.status, m.edited, m.deleted, m.entry?.error, m.ts, starts, name, isLastOwn]);
  }

  #draw(node, row) {
    if (row.type !== "message") {
      const text = row.type === "day" ? dayLabel(row.ms, Date.now()) : "New";
      node.replaceChildren(el("span", { text }));
      node.setAttribute("aria-label", row.type === "day" ? text : "New messages");
      return;
    }
    const { message, starts } = row;
    const isOwn = message.by === this.facts.user;
    node.classList.toggle("own", isOwn);
    node.classList.toggle("starts", starts);
    node.classList.toggle("direct", this.facts.isDirect);
    node.classList.toggle("deleted", Boolean(message.deleted));
    node.classList.toggle("last-own", row.key === this.lastOwn);
    node.dataset.status = message.status;
    node.dataset.id = message.id ?? "";
    if (this.menu?.article === node) this.closeMenu();
    const hadFocus = node.contains(document.activeElement);
    node.replaceChildren(...this.#parts(message, starts, isOwn));
    if (hadFocus) node.focus({ preventScroll: true });
  }

  #parts(message, starts, isOwn) {
    const name = this.on.author(message.by);
    const showsAuthor = starts && !isOwn && !this.facts.isDirect;
    const author = showsAuthor
      ? el("bdi", { class: `author tone-${tone(message.by, TONES)}`, text: name })
      : spoken(isOwn ? "You" : name);
    const said = el("div", { class: "said" }, this.#text(message), this.#footer(message, isOwn));
    const bubble = el("div", { class: "bubble" }, author, said);
    const parts = [bubble];
    if (!isOwn && !this.facts.isDirect) {
      parts.unshift(starts ? avatar(message.by, name, "small") : el("span", { class: "avatar-gap" }));
    }
    if (message.status === "failed") bubble.append(this.#failure(message));
    else if (this.#verbs(message, isOwn).length) parts.push(this.#opener(message));
    return parts;
  }

  #text(message) {
    if (message.deleted) return el("p", { class: "text", text: "This message was deleted" });
    const text = el("p", { class: "text", dir: "auto" });
    if (!message.text && message.data !== undefined) text.textContent = "(data without text)";
    for (const part of segments(message.text ?? "")) {
      if (part.href) text.append(el("a", { href: part.href, target: "_blank", rel: "noopener noreferrer", text: part.text }));
      else text.append(part.text);
    }
    return text;
  }

  #footer(message, isOwn) {
    const ms = Date.parse(message.ts);
    const footer = el("div", { class: "footer" });
    if (message.edited && !message.deleted) footer.append(el("span", { class: "edited", text: "edited" }));
    footer.append(el("time", { datetime: message.ts, title: fullTime(ms), text: clockTime(ms) }));
    if (isOwn && !message.deleted) {
      const words = STATUS_WORDS[message.status];
      const drawing = message.status === "waiting" ? "sending" : message.status;
      footer.append(el("span", { class: "tick", title: words }, icon(drawing), el("span", { class: "tick-words", text: words })));
    }
    return footer;
  }

  #failure(message) {
    const again = el("button", { type: "button", text: "Try again", on: { click: () => this.on.act("retry", message) } });
    const drop = el("button", { type: "button", text: "Discard", on: { click: () => this.on.act("discard", message) } });
    return el("div", { class: "failure" }, el("span", { text: `Not sent: ${message.entry.error}` }), again, drop);
  }

  // --- actions

  #verbs(message, isOwn) {
    if (message.deleted || message.status === "failed") return [];
    const verbs = [];
    if (isOwn && message.status === "stored") verbs.push("edit", "delete");
    if (message.text && navigator.clipboard) verbs.push("copy");
    return verbs;
  }

  #opener(message) {
    const open = (event) => this.#openMenu(event.currentTarget.closest("article"));
    return iconButton("more", `Actions for message: ${message.text.slice(0, 40)}`, open, {
      class: "opener",
      title: "Actions",
      tabindex: "-1",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
  }

  #openMenu(article) {
    const wasHere = this.menu?.article === article;
    this.closeMenu();
    const opener = article.querySelector(".opener");
    if (wasHere || !opener) return;
    const { message } = article.row;
    const node = el("div", { class: "menu", role: "menu", "aria-label": "Message actions" });
    this.menu = { node, opener, article };
    this.#fillMenu(node, message, this.#verbs(message, message.by === this.facts.user));
    const below = this.log.clientHeight - (article.offsetTop + article.offsetHeight - this.log.scrollTop);
    node.classList.toggle("upwards", below < 150);
    node.addEventListener("keydown", (event) => this.#menuKey(event));
    article.append(node);
    opener.setAttribute("aria-expanded", "true");
    node.firstChild.focus({ preventScroll: true });
  }

  #fillMenu(node, message, verbs) {
    const words = { edit: "Edit", delete: "Delete…", copy: "Copy text", sure: "Delete for everyone", keep: "Keep it" };
    const choose = (verb) => {
      if (verb === "delete") {
        this.#fillMenu(node, message, ["sure", "keep"]);
        node.firstChild.focus();
        return;
      }
      this.closeMenu();
      if (verb === "sure") this.on.act("delete", message);
      else if (verb !== "keep") this.on.act(verb, message);
    };
    const item = (verb) =>
      el("button", { type: "button", role: "menuitem", class: verb, tabindex: "-1", text: words[verb], on: { click: () => choose(verb) } });
    node.replaceChildren(...verbs.map(item));
  }

  #menuKey(event) {
    const { node } = this.menu;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.closeMenu();
    else if (step) {
      const items = [...node.children];
      items.at((items.indexOf(document.activeElement) + step) % items.length).focus();
    } else if (event.key !== "Tab") return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }

  #focusLeft(event) {
    if (this.menu && event.relatedTarget && !this.menu.article.contains(event.relatedTarget)) this.closeMenu();
  }

  /** Arrows move by message, Enter opens the actions, Escape goes back to the composer. */
  #key(event) {
    const article = event.target.closest("article");
    if (event.target !== article && event.target !== this.log) return;
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step) {
      let next = article?.[step] ?? (article ? null : this.log.lastElementChild);
      while (next && next.tagName !== "ARTICLE") next = next[step === "nextElementSibling" ? step : "previousElementSibling"];
      next?.focus();
    } else if (event.key === "Enter" && article) {
      this.#openMenu(article);
    } else if (event.key === "Escape") {
      this.on.act("compose");
    } else return;
    event.preventDefault();
  }

  // --- scrolling

  #scrolled() {
    const { log } = this;
    this.isAtEnd = this.to === null && log.scrollHeight - log.scrollTop - log.clientHeight <= END_PX;
    this.#tellJump();
    this.#tellLooking();
    this.#fill();
  }

  /** Moves the window, or asks for older messages, when its edge comes near. */
  #fill() {
    const { log, rows, start } = this;
    if (!rows.length || !log.clientHeight) return;
    if (log.scrollTop < NEAR_PX) {
      if (start > 0) this.#shift(rows[Math.max(0, start - ROWS_STEP)].key, this.to);
      else if (!this.facts.atStart && !this.facts.isLoading) this.on.older();
    } else if (this.to !== null && log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX) {
      const end = Math.min(rows.length, this.#place(this.to) + 1 + ROWS_STEP);
      this.#shift(rows[Math.max(start, end - ROWS_MAX)].key, end === rows.length ? null : rows[end - 1].key);
    }
  }

  #shift(from, to) {
    this.from = from;
    this.to = to;
    this.#render();
  }

  #anchor() {
    const top = this.log.scrollTop;
    for (const node of this.log.children) {
      if (node !== this.top && node.offsetTop + node.offsetHeight > top) return { node, offset: node.offsetTop };
    }
    return null;
  }

  #stick() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  #tellLooking() {
    const isLooking = this.isAtEnd && !document.hidden && this.log.clientHeight > 0 && this.rows.length > 0;
    if (isLooking) this.seen = this.rows.at(-1).key;
    this.on.looking(isLooking);
  }

  #tellJump() {
    this.jump.hidden = this.isAtEnd;
    if (this.isAtEnd) return;
    const unseen = this.rows.slice(this.#place(this.seen) + 1);
    const count = unseen.filter((row) => row.message && row.message.by !== this.facts.user).length;
    const words = count && this.seen ? `${count} new` : "Latest";
    if (this.jump.dataset.words === words) return;
    this.jump.dataset.words = words;
    this.jump.replaceChildren(icon("down"), el("span", { text: words }));
  }
}
