// The panel beside a conversation: one thread, or the list of those that one follows. Loaded when first opened.
//
// Rules:
// 1. It covers the conversation where there is no room for both: what it covers is inert then, so that the focus
//    stays in it. Escape closes it; the focus goes back to where it came from.
// 2. A thread belongs to its channel: another conversation closes it.

import { mayEdit } from "./bubble.js";
import { Composer } from "./composer.js";
import { DRAWINGS, el, icon, iconButton, spoken } from "./dom.js";
import { avatar } from "./faces.js";
import { shortLabel } from "./format.js";
import { gist } from "./marking.js";
import { placeOf, typingWords } from "./signs.js";
import { ownThreads, Threading } from "./threading.js";
import { Timeline } from "./timeline.js";
import { t } from "./words.js";

DRAWINGS.bell = "M5.500 13.500V9a4.500 4.500 0 0 1 9 0v4.500l1.500 1.500H4zM8.500 17h3";

export class ThreadPanel {
  /** `room`: the conversation's section, which it stands in; `on`: {act(verb, message, more), open(channel, id),
   *  changed(), arrived(message), said(words)}; `session` and `drafts` as the pane has them. */
  constructor(room, { session, drafts, on }) {
    this.session = session;
    this.on = on;
    this.above = room;
    this.opener = null; // where the focus was
    /** @type {Threading | null} */
    this.threading = null;
    this.title = el("h2", {});
    this.about = el("span", { class: "about" });
    this.follow = el("button", { type: "button", class: "follow", on: { click: () => this.threading?.follow(!this.threading.isFollowing) } });
    const close = iconButton("close", t("Close the thread"), () => this.close(), { class: "plain" });
    const head = el("header", {}, el("div", { class: "title" }, el("div", {}, this.title, this.about)), this.follow, close);
    this.timeline = new Timeline(
      {
        older: () => this.threading?.older(),
        newer: () => {},
        latest: () => {},
        looking: (isLooking) => this.threading?.look(isLooking),
        author: (id) => session.author(id),
        act: (verb, message, more) => this.#act(verb, message, more),
      },
      t("Messages of the thread"),
    );
    const writing = {
      mayLeave: () => session.hasRoom(),
      send: (text, more) => this.#send(text, more),
      edit: (message, text) => session.edit(message, text),
      editLast: () => this.#editLast(),
      typed: (isEmpty) => this.threading && session.signs.typed(placeOf(this.threading.channel, this.threading.id), isEmpty),
      people: () => session.others().map((id) => ({ user: id, name: session.author(id) })),
      author: (id) => session.author(id),
    };
    this.composer = new Composer(writing, { user: session.user, drafts, of: "-thread" });
    this.also = el("input", { type: "checkbox" });
    this.alsoLine = el("label", { class: "also" }, this.also, t("Also send to the conversation"));
    this.composer.root.append(this.alsoLine);
    this.typing = el("div", { class: "typing", "aria-live": "off" });
    this.list = el("div", { class: "own-threads", hidden: true });
    this.root = el("aside", { class: "beside", hidden: true }, head, this.timeline.root, this.typing, this.composer.root, this.list);
    this.root.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#cover()).observe(room);
    room.append(this.root);
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /** A thread of the opened channel, by its first message or any other; `seq`: a reply to show. */
  open(id, seq = 0) {
    const { session } = this;
    if (this.threading && session.thread === this.threading && this.threading.id === id) return this.#reveal(seq);
    this.threading = new Threading(session, id, {
      changed: () => this.on.changed(),
      arrived: (message) => this.on.arrived(message),
      refused: (words) => (this.on.said(words), this.close()),
    });
    session.thread = this.threading;
    this.#show(false);
    this.timeline.clear();
    this.composer.use(this.threading.channel, id);
    this.composer.address("", t("Reply…"));
    this.also.checked = false;
    this.draw();
    this.threading.load().then(() => this.#reveal(seq));
    this.composer.focus();
  }

  async #reveal(seq) {
    const { threading } = this;
    if (!seq) return this.composer.focus();
    const { room } = threading;
    while (threading === this.threading && !room.atStart && (room.messages[1]?.seq ?? 0) > seq) {
      const { length } = room.messages;
      await threading.older();
      if (room.messages.length === length) break; // no connection
    }
    if (threading !== this.threading) return;
    this.draw();
    this.timeline.reveal(seq);
  }

  /** Threads that one follows, of all conversations. */
  async openList() {
    this.threading = this.session.thread = null;
    this.#show(true);
    this.#entitle(t("Threads"), t("that you follow"));
    this.list.replaceChildren(el("p", { class: "none", role: "status", text: t("Loading…") }));
    this.root.querySelector("header button:last-child").focus();
    await this.#fillList();
  }

  /** The figures of one's own threads changed. */
  renew() {
    if (this.isOpen && !this.list.hidden) this.#fillList();
  }

  async #fillList() {
    try {
      const threads = await ownThreads(this.session);
      if (this.list.hidden) return;
      const at = [...this.list.querySelectorAll("button")].indexOf(document.activeElement);
      const rows = threads.map((one) => this.#line(one));
      const none = el("p", { class: "none", text: t("You follow no threads yet. Reply to a message in a thread, and it stands here.") });
      this.list.replaceChildren(rows.length ? el("ul", {}, ...rows) : none);
      if (at >= 0) this.list.querySelectorAll("button")[at]?.focus();
    } catch (error) {
      this.list.replaceChildren(el("p", { class: "none", role: "alert", text: t("That did not work: {why}", { why: error.message }) }));
    }
  }

  /** Whether it was open. */
  close() {
    if (!this.isOpen) return false;
    const hadFocus = this.root.contains(document.activeElement);
    this.root.hidden = true;
    this.timeline.clear();
    this.threading = this.session.thread = null;
    this.#cover();
    this.on.changed();
    if (hadFocus) (this.opener?.isConnected ? this.opener : this.above.querySelector("textarea")).focus();
    return true;
  }

  /** What the session knows now. */
  draw() {
    const { threading, session } = this;
    if (!this.isOpen || !threading) return;
    if (session.thread !== threading) return this.close(); // another conversation
    const { room, root } = threading;
    const count = root?.replies ?? room.messages.length - 1;
    this.#entitle(t("Thread"), session.title(session.list.of(threading.channel) ?? { channel: threading.channel }));
    this.follow.hidden = !room.isLoaded;
    this.follow.setAttribute("aria-pressed", String(threading.isFollowing));
    const shape = threading.isFollowing ? t("Following") : t("Follow");
    if (this.follow.textContent !== shape) this.follow.replaceChildren(icon(threading.isFollowing ? "stored" : "bell"), shape);
    const typists = session.signs.of(placeOf(threading.channel, threading.id)).map((user) => session.author(user).split(" ")[0]);
    const words = typingWords(typists);
    if (this.typing.textContent !== words) this.typing.textContent = words;
    this.timeline.show(threading.view(), {
      user: session.user,
      isDirect: false,
      newAfter: 0,
      underRoot: count > 0 ? t("{n} reply|{n} replies", { n: count }) : t("No replies yet"),
      atStart: room.atStart,
      isPast: false,
      isLoaded: room.isLoaded,
      isLoading: threading.isLoading,
    });
  }

  #show(isList) {
    // A message is drawn anew while its thread is open: its article stays.
    if (!this.isOpen) this.opener = document.activeElement?.closest("article") ?? document.activeElement;
    this.root.hidden = false;
    this.list.hidden = !isList;
    this.timeline.root.hidden = this.composer.root.hidden = this.typing.hidden = this.follow.hidden = isList;
    this.#cover();
  }

  #entitle(title, about) {
    if (this.title.textContent !== title) this.title.textContent = title;
    if (this.about.textContent !== about) this.about.textContent = about;
    this.root.setAttribute("aria-label", title);
  }

  /** Beside the conversation, or over it. */
  #cover() {
    const { root, above } = this;
    above.classList.toggle("with-thread", this.isOpen);
    const covers = this.isOpen && root.offsetWidth > 0 && root.offsetWidth >= above.clientWidth - 1;
    for (const node of above.children) if (node !== root) node.inert = covers;
  }

  #line({ channel, root, unread, mentions }) {
    const { session } = this;
    const title = session.title(session.list.of(channel) ?? { channel });
    const replies = t("{n} reply|{n} replies", { n: root.replies ?? 0 });
    const button = el(
      "button",
      { type: "button", class: "own-thread", on: { click: () => this.on.open(channel, root.id) } },
      avatar(root.by, session.author(root.by), "small"),
      el("bdi", { class: "name", text: session.author(root.by) }),
      el("span", { class: "when", text: root.last_reply ? shortLabel(Date.parse(root.last_reply), Date.now()) : "" }),
      el("bdi", { class: "snippet", text: gist(root) }),
      el("span", { class: "about" }, `${title} · ${replies}`),
      unread ? el("span", { class: "badge" }, String(unread), spoken(mentions ? t(" unread, you are mentioned") : t(" unread"))) : null,
    );
    return el("li", {}, button);
  }

  #send(text, more) {
    const { threading } = this;
    if (!threading) return;
    threading.send(text, { ...more, also: this.also.checked });
    this.also.checked = false;
    this.timeline.toEnd();
    this.on.changed();
  }

  #editLast() {
    const own = this.threading?.view().findLast((m) => mayEdit(m, this.session.user));
    if (own) this.composer.edit(own);
  }

  #act(verb, message, more) {
    const isHere = verb === "jump" && this.threading?.room.byId.has(message.id);
    if (verb === "compose") this.composer.focus();
    else if (verb === "reply") this.composer.answer(message);
    else if (verb === "edit") this.composer.edit(message);
    else if (isHere) this.timeline.reveal(message.seq);
    else this.on.act(verb, message, more);
  }

  /** The composer and the menu take their own Escape first. */
  #key(event) {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    event.stopPropagation();
    this.close();
  }
}
