// One user's pane: connection bar, channel list, opened channel. Draws what its Session knows.

import { Composer } from "./composer.js";
import { arrange, el, iconButton, spoken } from "./dom.js";
import { oneLine, shortLabel } from "./format.js";
import { gather } from "./gathering.js";
import { CONNECTING, ENDED, ONLINE, Unanswered, WAITING } from "/sdk/hubbub.js";
import { Session } from "./session.js";
import { Timeline, avatar, placeAvatar } from "./timeline.js";

const PATIENCE_MS = 1_500; // a cut that heals sooner is nobody's concern
const FILTER_FROM = 6; // channels

export class Pane {
  /** `people`: those one can write to; `opens`: a user whose dm is opened first; `isAlone`: no other pane. */
  constructor({ user, token, people, names, parts, opens = "", isAlone = true }) {
    this.user = user;
    this.people = people.filter((person) => person.user !== user);
    this.opens = opens;
    this.isAlone = isAlone;
    this.drawn = new Set();
    this.shownChannel = "";
    this.wasOnline = false;
    const on = {
      changed: (what) => this.#changed(what),
      arrived: (message) => this.timeline.announce(message),
    };
    this.session = new Session({ user, token, names, on, parts });
    this.timeline = new Timeline({
      older: () => this.session.older(),
      looking: (isLooking) => this.session.look(isLooking && Boolean(this.session.room)),
      author: (id) => this.session.author(id),
      act: (verb, message) => this.#act(verb, message),
    });
    const writing = {
      send: (text) => (this.session.send(text), this.timeline.toEnd()),
      edit: (message, text) => this.session.edit(message, text),
      editLast: () => this.#editLast(),
    };
    this.composer = new Composer(writing, { user, drafts: parts.storage });
    this.#build();
  }

  start() {
    this.session.start();
    addEventListener("online", () => this.session.client.wake());
    addEventListener("offline", () => this.#changed("state"));
    addEventListener("focus", () => this.session.client.wake());
  }

  // --- drawing

  #build() {
    this.bar = el("div", { class: "bar", role: "status", "data-state": "connecting" });
    this.me = el("div", { class: "me" });
    this.filter = el("input", { type: "search", class: "filter", placeholder: "Find a conversation", "aria-label": "Find a conversation", hidden: true });
    this.filter.addEventListener("input", () => this.#changed("list"));
    this.channels = el("ul", { class: "channels" });
    const add = iconButton("plus", "New conversation", () => this.#gather(), { class: "plain add" });
    this.side = el(
      "aside",
      { class: "side", "aria-label": "Conversations" },
      el("header", {}, this.me, add),
      this.filter,
      el("nav", { "aria-label": "Conversations" }, this.channels),
    );
    this.back = iconButton("back", "Back to conversations", () => this.#leave(), { class: "plain back" });
    this.title = el("div", { class: "title" });
    this.card = el("div", { class: "card" });
    this.roomHead = el("header", {}, this.back, this.title);
    this.roomNode = el("section", { class: "room", "aria-label": "Conversation" }, this.roomHead, this.timeline.root, this.composer.root, this.card);
    this.root = el("section", { class: "pane", "data-user": this.user, "data-view": "list" }, this.bar, this.side, this.roomNode);
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.#changed("state");
    this.#changed("list");
    this.#changed("room");
  }

  /** Draws once after whatever is going on now, however much changed. */
  #changed(what) {
    if (!this.drawn.size) queueMicrotask(() => this.#drawAll());
    this.drawn.add(what);
  }

  #drawAll() {
    const { drawn } = this;
    this.drawn = new Set();
    if (drawn.has("state")) this.#drawState();
    if (drawn.has("list") || drawn.has("names")) this.#drawList();
    if (drawn.has("room") || drawn.has("names")) this.#drawRoom();
    if (this.session.isListed && !this.hasOpened && this.session.client.state === ONLINE) this.#openFirst();
  }

  #drawState() {
    const { client, outbox } = this.session;
    clearTimeout(this.patience);
    if (client.state === ONLINE) {
      this.wasOnline = true;
      this.lostAt = 0;
      return this.#say("online", "");
    }
    this.lostAt ||= Date.now();
    const left = this.wasOnline ? this.lostAt + PATIENCE_MS - Date.now() : 0;
    if (left > 0 && client.state !== ENDED) {
      this.patience = setTimeout(() => this.#drawState(), left);
      return;
    }
    const waiting = outbox.waitingCount ? ` · ${outbox.waitingCount} waiting to be sent` : "";
    if (client.state === ENDED) this.#say("ended", `Signed out: ${this.session.reason || "the connection ended"}`);
    else if (!navigator.onLine) this.#say("offline", `Offline${waiting}`);
    else if (this.wasOnline) this.#say("reconnecting", `Reconnecting…${waiting}`);
    else if (client.state === CONNECTING || client.state === WAITING) this.#say("connecting", `Connecting…${waiting}`);
  }

  #say(state, words) {
    this.root.dataset.state = state;
    this.bar.dataset.state = state;
    if (this.bar.textContent !== words) this.bar.textContent = words;
    const shown = { online: "Online", connecting: "Connecting", reconnecting: "Reconnecting", offline: "Offline", ended: "Signed out" };
    this.presence = shown[state];
    this.#drawMe();
  }

  #drawMe() {
    const name = this.session.author(this.user);
    const shape = `${name} ${this.presence}`;
    if (this.me.dataset.shape === shape) return;
    this.me.dataset.shape = shape;
    this.root.setAttribute("aria-label", name);
    const state = el("span", { class: "presence" }, el("span", { class: "dot" }), el("span", { text: this.presence }));
    this.me.replaceChildren(avatar(this.user, name), el("div", {}, el("bdi", { class: "name", text: name }), state));
  }

  #drawList() {
    this.#drawMe();
    const rows = this.session.list.sorted();
    this.filter.hidden = rows.length < FILTER_FROM && !this.filter.value;
    const wanted = this.filter.value.trim().toLocaleLowerCase();
    const found = rows.filter((row) => this.session.title(row).toLocaleLowerCase().includes(wanted));
    const old = new Map([...this.channels.children].map((node) => [node.dataset.channel, node]));
    const items = found.map((row) => this.#item(row, old.get(row.channel)));
    if (!items.length && this.session.isListed) items.push(el("li", { class: "none", text: wanted ? "Nothing found" : "No conversations yet" }));
    arrange(this.channels, items);
    if (this.isAlone) {
      const { unread } = this.session.list;
      document.title = unread ? `(${unread}) Hubbub` : "Hubbub";
    }
  }

  #item(row, old) {
    const title = this.session.title(row);
    const line = this.#lastLine(row);
    const isOpen = this.session.room?.channel === row.channel;
    const unread = isOpen && this.session.isLooking ? 0 : (row.unread ?? 0);
    const when = row.ms ? shortLabel(row.ms, Date.now()) : "";
    const shape = JSON.stringify([title, line, isOpen, unread, when]);
    if (old?.dataset.shape === shape) return old;
    const button = el(
      "button",
      { type: "button", class: unread ? "channel unread" : "channel", "aria-current": isOpen ? "true" : undefined, on: { click: () => this.open(row.channel) } },
      row.kind === "dm" ? avatar(row.peer || row.channel, title) : placeAvatar(row.channel),
      el("bdi", { class: "name", text: title }),
      el("span", { class: "when", text: when }),
      el("bdi", { class: "last", text: line }),
      unread ? el("span", { class: "badge" }, el("span", { text: unread > 99 ? "99+" : unread }), spoken(" unread")) : null,
    );
    const item = old ?? el("li", { "data-channel": row.channel });
    const hadFocus = item.contains(document.activeElement);
    item.dataset.shape = shape;
    item.replaceChildren(button);
    if (hadFocus) button.focus();
    return item;
  }

  #lastLine(row) {
    if (row.state === "invited") return "You are invited";
    const { preview } = row;
    if (!preview) return row.kind === "open" ? "Open to everybody" : "No messages yet";
    const text = preview.deleted ? "Message deleted" : oneLine(preview.text || "(data)");
    if (preview.by === this.user) return `You: ${text}`;
    return row.kind === "dm" ? text : `${this.session.author(preview.by).split(" ")[0]}: ${text}`;
  }

  #drawRoom() {
    const { room, list, problem } = this.session;
    const row = room && list.rows.get(room.channel);
    const isInvited = row?.state === "invited";
    this.root.dataset.view = room || problem ? "room" : "list";
    this.#drawCard(room, isInvited, problem);
    const shows = Boolean(room) && !isInvited && !problem;
    this.timeline.root.hidden = this.composer.root.hidden = !shows;
    this.roomHead.hidden = !room && !problem;
    if (row) this.#drawTitle(row, room);
    else this.title.replaceChildren();
    if ((room?.channel ?? "") !== this.shownChannel) {
      this.shownChannel = room?.channel ?? "";
      this.timeline.clear();
      if (room) this.composer.use(room.channel);
    }
    if (room) this.composer.address(row ? this.session.title(row) : room.channel);
    if (!shows) return;
    this.timeline.show(room.view(this.session.entries()), {
      user: this.user,
      isDirect: row?.kind === "dm",
      newAfter: room.newAfter,
      atStart: room.atStart,
      isLoaded: room.isLoaded,
      isLoading: this.session.loading.has(room.channel),
    });
  }

  #drawTitle(row, room) {
    const name = this.session.title(row);
    const about = { dm: "Direct message", group: plural(room.members, "member"), open: "Open to everybody" }[row.kind];
    const shape = `${row.channel} ${name} ${about}`;
    if (this.title.dataset.shape === shape) return;
    this.title.dataset.shape = shape;
    const face = row.kind === "dm" ? avatar(row.peer || row.channel, name) : placeAvatar(row.channel);
    this.title.replaceChildren(face, el("div", {}, el("h1", {}, el("bdi", { text: name })), el("span", { class: "about", text: about })));
  }

  #drawCard(room, isInvited, problem) {
    this.card.hidden = Boolean(room) && !isInvited && !problem;
    if (this.card.hidden) return;
    const shape = `${room?.channel} ${isInvited} ${problem}`;
    if (this.card.dataset.shape === shape) return;
    this.card.dataset.shape = shape;
    const answer = (accepts) => this.#attempt(() => this.session.answer(accepts));
    if (problem) this.card.replaceChildren(el("p", { text: problem }));
    else if (isInvited) {
      this.card.replaceChildren(
        el("p", { text: "You are invited to this conversation." }),
        el("button", { type: "button", class: "primary", text: "Join", on: { click: () => answer(true) } }),
        el("button", { type: "button", text: "Decline", on: { click: () => answer(false) } }),
      );
    } else {
      this.card.replaceChildren(el("p", { class: "muted", text: "Choose a conversation, or start a new one." }));
    }
  }

  // --- what people do

  open(channel) {
    this.hasOpened = true;
    this.session.problem = "";
    this.session.open(channel);
    if (!matchMedia("(pointer: coarse)").matches) queueMicrotask(() => !this.composer.root.hidden && this.composer.focus());
  }

  #leave() {
    this.session.problem = "";
    this.session.close();
    this.#changed("room");
    this.#changed("list");
  }

  /** The first look: the agreed conversation, or the latest one where list and room fit side by side. */
  #openFirst() {
    this.hasOpened = true;
    if (this.opens) {
      this.#attempt(() => this.#openAgreed());
    } else if (getComputedStyle(this.back).display === "none") {
      // Times of the last messages come with the first heads.
      this.hasOpened = this.session.list.rows.size === 0 || this.session.list.sorted().some((row) => row.preview);
      const first = this.hasOpened && this.session.list.sorted()[0];
      if (first) this.session.open(first.channel);
    }
  }

  async #openAgreed() {
    try {
      const channel = await this.session.direct(this.opens);
      if (!this.session.room) this.session.open(channel);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      this.hasOpened = Boolean(this.session.room); // the connection broke: the next list asks again
    }
  }

  #gather() {
    gather(this.people, {
      direct: async (user) => this.open(await this.session.direct(user)),
      group: async (name, users) => this.open(await this.session.group(name, users)),
    });
  }

  async #attempt(action) {
    try {
      await action();
    } catch (error) {
      this.session.problem = error.message;
      this.#changed("room");
    }
  }

  #act(verb, message) {
    if (verb === "compose") this.composer.focus();
    else if (verb === "edit") this.composer.edit(message);
    else if (verb === "delete") this.session.remove(message);
    else if (verb === "copy") navigator.clipboard.writeText(message.text);
    else if (verb === "retry") this.session.outbox.retry(message.entry.cmid);
    else if (verb === "discard") this.session.outbox.discard(message.entry.cmid);
  }

  #editLast() {
    const { room } = this.session;
    const own = room?.view(this.session.entries()).findLast((m) => m.by === this.user && m.status === "stored" && !m.deleted);
    if (own) this.composer.edit(own);
  }

  /** Alt+Up and Alt+Down change the channel. */
  #key(event) {
    const step = event.altKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = this.session.list.sorted();
    const place = rows.findIndex((row) => row.channel === this.session.room?.channel);
    const next = rows[Math.min(rows.length - 1, Math.max(0, place + step))];
    if (next) this.open(next.channel);
  }
}

function plural(count, word) {
  if (!count) return "";
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
