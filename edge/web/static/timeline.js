// The messages of the opened channel on the screen.
//
// Rules:
// 1. Within 48 px of the end the end stays in view; otherwise what is being read does not move, whatever
//    comes, goes or changes above or below it.
// 2. At most ROWS_MAX rows are in the document; the window moves over what the room holds.
// 3. A row's element lives as long as its key is in the window, so that focus and selection stay.

import { openerOf, partsOf, shapeOf, verbsOf } from "./bubble.js";
import { arrange, dressed, el, icon } from "./dom.js";
import { dayKey, dayLabel } from "./format.js";
import { isHidden } from "./marking.js";
import { timeline } from "./store.js";
import { t } from "./words.js";

const END_PX = 48;
const NEAR_PX = 500; // begin to fetch or to move the window here
const ROWS_MAX = 300;
const ROWS_FIRST = 120;
const ROWS_STEP = 80;
const FOUND_MS = 2_000; // how long a message that was jumped to stands out

export class Timeline {
  /** `on`: { older(), newer(), latest(), looking(isLooking), author(user), act(verb, message, more) }; `name`: what it
   *  holds. */
  constructor(on, name = t("Messages")) {
    this.on = on;
    this.rows = [];
    this.nodes = new Map(); // key → {node, shape}
    this.log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": name, tabindex: "0" });
    this.jump = el("button", { type: "button", class: "jump", hidden: true, on: { click: () => this.#latest() } });
    this.root = el("div", { class: "timeline" }, this.log, this.jump);
    this.top = el("div", { class: "top-of-history" });
    this.menu = null;
    this.Menu = null; // its class, once it was needed
    this.clear();
    this.log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.log.addEventListener("keydown", (event) => this.#key(event));
    this.log.addEventListener("contextmenu", (event) => this.#pressed(event));
    this.root.addEventListener("focusout", (event) => this.#focusLeft(event));
    new ResizeObserver(() => this.#stay(this.anchor)).observe(this.log);
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
    this.anchor = null; // what is read and is not to move, as it stood last
    this.seen = null; // key of the newest row that was seen
  }

  /** Shows messages. `facts`: {user, isDirect, newAfter, atStart, isPast, isLoading, isLoaded}; `isPast`: the
   *  last one is not the newest; `underRoot`: see `timeline`. */
  show(messages, facts) {
    if (facts.isPast) this.isAtEnd = false;
    this.facts = facts;
    const { user, newAfter, underRoot } = facts;
    this.rows = timeline(messages, { dayOf: dayKey, user, newAfter, underRoot });
    this.lastOwn = messages.findLast((message) => message.by === user)?.key;
    this.#render();
  }

  toEnd() {
    this.to = this.from = null;
    this.isAtEnd = true;
    this.#render();
  }

  /** Brings a message that is shown into the middle, and makes it stand out. */
  reveal(seq) {
    const place = this.rows.findIndex((row) => row.message?.seq === seq);
    if (place < 0) return;
    this.isAtEnd = false;
    this.#shift(this.rows[Math.max(0, place - ROWS_FIRST / 2)].key, this.rows[Math.min(this.rows.length - 1, place + ROWS_FIRST / 2)].key);
    const { node } = this.nodes.get(this.rows[place].key);
    this.log.scrollTop = node.offsetTop - (this.log.clientHeight - node.offsetHeight) / 2;
    node.classList.add("found");
    setTimeout(() => node.classList.remove("found"), FOUND_MS);
    node.focus({ preventScroll: true });
  }

  #latest() {
    this.on.latest();
    this.toEnd();
  }

  focusLast() {
    this.nodes.get(this.rows.findLast((row) => row.type === "message")?.key)?.node.focus();
  }

  closeMenu() {
    this.menu?.close();
  }

  // --- drawing

  #render() {
    // A scroll that is not told yet counts; a new width that is not told yet does not.
    const anchor = this.log.scrollTop === this.anchor?.top ? this.anchor : this.#held();
    const shown = this.#window();
    const keys = new Set(shown.map((row) => row.key));
    for (const key of this.nodes.keys()) if (!keys.has(key)) this.nodes.delete(key);
    this.#drawTop();
    arrange(this.log, [this.top, ...shown.map((row) => this.#row(row))]);
    this.#stay(anchor);
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
    if (!isLoaded) text = t("Loading messages…");
    else if (isLoading) text = t("Loading older messages…");
    else if (this.facts.underRoot) text = "";
    else if (atStart && this.start === 0) text = this.rows.length ? t("This is where it began") : t("No messages yet. Say hello!");
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
    if (row.type !== "message") return lineWords(row);
    const { message: m, starts } = row;
    return shapeOf(m, starts, row.key === this.lastOwn, this.on.author);
  }

  #draw(node, row) {
    if (row.type !== "message") {
      const text = lineWords(row);
      node.replaceChildren(el("span", { text }));
      node.setAttribute("aria-label", row.type === "new" ? t("New messages") : text);
      return;
    }
    const { message, starts } = row;
    const isOwn = message.by === this.facts.user;
    node.classList.toggle("own", isOwn);
    node.classList.toggle("starts", starts);
    node.classList.toggle("named", Boolean(message.mentions?.includes(this.facts.user)));
    node.classList.toggle("direct", this.facts.isDirect);
    node.classList.toggle("system", Boolean(message.kind) || isHidden(message));
    node.classList.toggle("deleted", Boolean(message.deleted));
    node.classList.toggle("last-own", row.key === this.lastOwn);
    node.dataset.status = message.status;
    node.dataset.id = message.id ?? "";
    const verbs = verbsOf(message, this.facts);
    const menu = this.menu?.article === node ? this.menu : null;
    const stays = Boolean(menu) && String(verbs) === String(menu.verbs);
    if (menu && !stays) this.closeMenu();
    const focused = node.contains(document.activeElement) ? document.activeElement : null;
    const open = (event) => this.#openMenu(event.currentTarget.closest("article"));
    const opener = verbs.length ? openerOf(message, open) : null;
    const parts = partsOf(message, { starts, facts: this.facts, on: this.on, opener });
    node.replaceChildren(...parts, ...(stays ? [menu.node] : []));
    if (stays) menu.hangAt(opener); // a tick may come while somebody chooses
    if (!focused) return;
    const at = focused.getAttribute("data-at");
    const same = at && node.querySelector(`[data-at="${at}"]`); // its place in a poll
    const next = stays && menu.node.contains(focused) ? focused : same || node;
    next.focus({ preventScroll: true });
  }

  // --- actions

  async #openMenu(article) {
    const wasHere = this.menu?.article === article;
    this.closeMenu();
    // Not waited for again: the menu is there before the next key.
    this.Menu ??= (await dressed(import("./menu.js"))).Menu;
    if (wasHere || this.menu || !article.isConnected || !article.querySelector(".opener")) return;
    this.menu = new this.Menu(article, verbsOf(article.row.message, this.facts), {
      act: (verb, emoji) => this.on.act(verb, article.row.message, emoji),
      below: this.log.clientHeight - (article.offsetTop + article.offsetHeight - this.log.scrollTop),
      above: article.offsetTop - this.log.scrollTop,
      closed: () => (this.menu = null),
    });
  }

  /** Long, by a finger. */
  #pressed(event) {
    const article = event.target.closest("article");
    if (event.pointerType !== "touch" || !article || event.defaultPrevented || event.target.closest("a")) return;
    event.preventDefault();
    this.#openMenu(article);
  }

  #focusLeft(event) {
    if (this.menu && event.relatedTarget && !this.menu.article.contains(event.relatedTarget)) this.closeMenu();
  }

  /** Arrows move by message, and along what one can press in it; Enter opens the actions, Escape goes back: to the
   *  message, then to the composer. */
  #key(event) {
    const article = event.target.closest("article");
    if (article && !event.target.matches("input") && this.#along(event, article)) return event.preventDefault();
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

  #along({ key, target }, article) {
    const step = { ArrowRight: 1, ArrowLeft: -1, Escape: -Infinity }[key];
    if (!step || (key === "Escape" && target === article)) return false;
    const stops = [article, ...article.querySelectorAll("button:enabled, a")];
    stops[Math.max(0, Math.min(stops.length - 1, stops.indexOf(target) + step))].focus();
    return true;
  }

  // --- scrolling

  #scrolled() {
    const { log } = this;
    this.anchor = this.#held();
    this.isAtEnd = this.to === null && !this.facts.isPast && log.scrollHeight - log.scrollTop - log.clientHeight <= END_PX;
    this.#tellJump();
    this.#tellLooking();
    this.#fill();
  }

  /** Moves the window, or asks for older messages, when its edge comes near. */
  #fill() {
    const { log, rows, start } = this;
    if (!rows.length || !log.clientHeight) return;
    const isLow = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    if (isLow && this.to === null && this.facts.isPast && !this.facts.isLoading) this.on.newer();
    if (log.scrollTop < NEAR_PX) {
      if (start > 0) this.#shift(rows[Math.max(0, start - ROWS_STEP)].key, this.to);
      else if (!this.facts.atStart && !this.facts.isLoading) this.on.older();
    } else if (this.to !== null && isLow) {
      const end = Math.min(rows.length, this.#place(this.to) + 1 + ROWS_STEP);
      this.#shift(rows[Math.max(start, end - ROWS_MAX)].key, end === rows.length ? null : rows[end - 1].key);
    }
  }

  #shift(from, to) {
    this.from = from;
    this.to = to;
    this.#render();
  }

  /** The first row that begins in view, else the one that fills it; `at`: how far below the top. */
  #anchor() {
    const { scrollTop: top, clientHeight: height, clientWidth: width, children } = this.log;
    if (!height) return this.anchor; // not on the screen: as it was when it was
    const rows = [...children].slice(1);
    const node = rows.find((row) => row.offsetTop >= top && row.offsetTop < top + height) ?? rows.findLast((row) => row.offsetTop < top);
    return node && { node, top, width, at: node.offsetTop - top };
  }

  /** What is read now; what was read in the old width, as long as a new one is not told. */
  #held() {
    return this.anchor && this.anchor.width !== this.log.clientWidth ? this.anchor : this.#anchor();
  }

  /** At the end, or with what is read where it was. */
  #stay(anchor) {
    const { log } = this;
    if (this.isAtEnd) log.scrollTop = log.scrollHeight;
    else if (anchor?.node.isConnected) log.scrollTop = anchor.node.offsetTop - anchor.at;
    this.anchor = this.#anchor();
  }

  #tellLooking() {
    const isLooking = this.isAtEnd && !document.hidden && this.log.clientHeight > 0 && this.rows.length > 0;
    if (isLooking) this.seen = this.rows.at(-1).key;
    this.on.looking(isLooking);
  }

  #tellJump() {
    this.jump.hidden = this.isAtEnd;
    if (this.isAtEnd) return;
    // Of what lies behind a place in the past nothing is known here.
    const unseen = this.facts?.isPast ? [] : this.rows.slice(this.#place(this.seen) + 1);
    const count = unseen.filter((row) => row.message && row.message.by !== this.facts.user).length;
    const words = count && this.seen ? t("{n} new", { n: count }) : t("Latest");
    if (this.jump.dataset.words === words) return;
    this.jump.dataset.words = words;
    this.jump.replaceChildren(icon("down"), el("span", { text: words }));
  }
}

/** What a line between messages says. */
function lineWords(row) {
  if (row.type === "day") return dayLabel(row.ms, Date.now());
  return row.words ?? t("New");
}
