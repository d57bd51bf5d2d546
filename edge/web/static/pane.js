// One user's pane: connection bar, channel list, opened channel. Draws what its Session knows. Long because all
// that a person can do begins here; what is done stands elsewhere.

import { Composer } from "./composer.js";
import { arrange, el, icon, iconButton, looks, spoken } from "./dom.js";
import { avatar, placeAvatar } from "./faces.js";
import { oneLine, shortLabel } from "./format.js";
import { CONNECTING, ENDED, ONLINE, Unanswered, WAITING } from "/static/hubbub.js";
import { Session } from "./session.js";
import { typingWords } from "./signs.js";
import { themeButton } from "./theme.js";
import { Timeline } from "./timeline.js";

const PATIENCE_MS = 1_500; // a cut that heals sooner is nobody's concern
const FIND_FROM = 2; // characters
const FIND_AFTER_MS = 300; // of quiet
const SAID_MS = 5_000;

export class Pane {
  /** `people`: those one can write to; `opens`: a user whose dm is opened first; `isAlone`: no other pane. */
  constructor({ user, token, people, names, parts, opens = "", isAlone = true }) {
    this.user = user;
    this.people = people.filter((person) => person.user !== user);
    this.opens = opens;
    this.isAlone = isAlone;
    this.storage = parts.storage;
    this.drawn = new Set();
    /** @type {import("./finding.js").Finding | undefined} once something was sought */
    this.finding = undefined;
    /** @type {import("./threads.js").ThreadPanel | undefined} once a thread was opened */
    this.threads = undefined;
    this.shownChannel = "";
    this.wasOnline = false;
    const on = {
      changed: (what) => this.#changed(what),
      arrived: (message) => this.timeline.announce(message),
      drafted: (place) => [this.composer, this.threads?.composer].forEach((one) => one?.renew(place)),
      said: (words) => this.#tell(words),
    };
    this.session = new Session({ user, token, names, on, parts });
    this.timeline = new Timeline({
      older: () => this.session.older(),
      newer: () => this.session.newer(),
      latest: () => this.session.reading.present(),
      looking: (isLooking) => this.session.look(isLooking && Boolean(this.session.room)),
      author: (id) => this.session.author(id),
      act: (verb, message, more) => this.#act(verb, message, more),
    });
    const writing = {
      send: (text, more) => (this.session.send(text, more), this.timeline.toEnd()),
      edit: (message, text) => this.session.edit(message, text),
      editLast: () => this.#editLast(),
      typed: (isEmpty) => this.session.signs.typed(this.session.room.channel, isEmpty),
      people: () => this.session.others().map((id) => ({ user: id, name: this.session.author(id) })),
      author: (id) => this.session.author(id),
      poll: () => this.#poll(),
    };
    this.composer = new Composer(writing, { user, drafts: this.session.drafts });
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
    this.filter = el("input", { type: "search", class: "filter", placeholder: "Search", "aria-label": "Search conversations and messages" });
    this.filter.addEventListener("input", () => this.#sought());
    this.filter.addEventListener("keydown", (event) => event.key === "Escape" && this.#endSearch());
    this.channels = el("ul", { class: "channels" });
    const add = iconButton("plus", "New conversation", () => this.#gather(), { class: "plain add" });
    this.side = el(
      "aside",
      { class: "side", "aria-label": "Conversations" },
      el("header", {}, this.me, themeButton(this.storage), add),
      this.filter,
      (this.own = el("button", { type: "button", class: "own-list", hidden: true, on: { click: () => this.#thread("") } })),
      (this.listed = el("nav", { "aria-label": "Conversations" }, this.channels)),
    );
    this.back = iconButton("back", "Back to conversations", () => this.#leave(), { class: "plain back" });
    this.title = el("div", { class: "title" });
    this.card = el("div", { class: "card" });
    this.options = iconButton("more", "Conversation options", () => this.#options(), { class: "plain", "aria-haspopup": "menu" });
    this.roomHead = el("header", {}, this.back, this.title, this.options);
    this.typing = el("div", { class: "typing", "aria-live": "off" });
    this.toast = el("div", { class: "toast", role: "status" });
    this.roomNode = el("section", { class: "room", "aria-label": "Conversation" }, this.roomHead, this.timeline.root, this.typing, this.composer.root, this.card, this.toast);
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

  /** Leads to the threads that one follows, once there are any. */
  #drawOwn() {
    const { threads } = this.session.list;
    const shape = JSON.stringify(threads);
    if (this.own.dataset.shape === shape) return;
    this.own.dataset.shape = shape;
    this.own.hidden = !threads;
    if (!threads) return;
    this.own.classList.toggle("unread", threads.unread > 0);
    this.own.replaceChildren(el("span", { class: "avatar plain-face" }, icon("thread")), el("span", { class: "name", text: "Threads" }));
    if (threads.unread) this.own.append(badges(threads.unread, threads.mentions));
    this.threads?.renew();
  }

  #drawList() {
    this.#drawMe();
    this.#drawOwn();
    const rows = this.session.list.sorted();
    const wanted = this.filter.value.trim().toLocaleLowerCase();
    const found = rows.filter((row) => this.session.title(row).toLocaleLowerCase().includes(wanted));
    const old = new Map([...this.channels.children].map((node) => [node.dataset.channel, node]));
    const items = found.map((row) => this.#item(row, old.get(row.channel)));
    if (!items.length && this.session.isListed) items.push(el("li", { class: "none", text: wanted ? "No conversation of this name" : "No conversations yet" }));
    arrange(this.channels, items);
    if (this.isAlone) {
      const unread = this.session.list.unread + (this.session.list.threads?.unread ?? 0);
      document.title = unread ? `(${unread}) Hubbub` : "Hubbub";
    }
  }

  #item(row, old) {
    const title = this.session.title(row);
    const line = this.#lastLine(row);
    const isOpen = this.session.room?.channel === row.channel;
    const isSeen = isOpen && this.session.isLooking;
    const unread = isSeen ? 0 : (row.unread ?? 0);
    const mentions = isSeen ? 0 : (row.mentions ?? 0);
    const state = row.peer ? this.session.people.state(row.peer) : "";
    const isTyping = this.session.signs.number(row.channel) > 0;
    const when = row.ms ? shortLabel(row.ms, Date.now()) : "";
    const shape = JSON.stringify([title, line, isOpen, unread, mentions, state, isTyping, when, row.muted, row.archived]);
    if (old?.dataset.shape === shape) return old;
    const button = el(
      "button",
      { type: "button", class: `channel${unread ? " unread" : ""}${row.muted || row.archived ? " quiet" : ""}`, "aria-current": isOpen ? "true" : undefined, on: { click: () => this.open(row.channel) } },
      row.kind === "dm" ? avatar(row.peer || row.channel, title, "", state) : placeAvatar(row.channel),
      el("bdi", { class: "name", text: title }),
      el("span", { class: "when" }, row.muted ? icon("muted") : null, row.muted ? spoken("muted ") : null, when),
      el("bdi", { class: isTyping ? "last is-typing" : "last", text: isTyping ? "typing…" : line }),
      unread ? badges(unread, mentions) : null,
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
    if (row.archived) return "Archived";
    const draft = this.session.room?.channel === row.channel ? "" : this.session.drafts.text(row.channel);
    if (draft) return `Draft: ${oneLine(draft)}`;
    const { preview } = row;
    if (!preview) return row.kind === "open" ? "Open to everybody" : "No messages yet";
    const text = preview.deleted ? "Message deleted" : (preview.poll ? "Poll: " : "") + oneLine(preview.text || "(data)");
    if (preview.by === this.user) return `You: ${text}`;
    return row.kind === "dm" ? text : `${this.session.author(preview.by).split(" ")[0]}: ${text}`;
  }

  #drawRoom() {
    const { room, list, problem } = this.session;
    const row = room && list.rows.get(room.channel);
    const isInvited = row?.state === "invited";
    this.root.dataset.view = room || problem || this.threads?.isOpen ? "room" : "list";
    this.#drawCard(room, isInvited, problem);
    const shows = Boolean(room) && !isInvited && !problem;
    this.timeline.root.hidden = this.composer.root.hidden = this.typing.hidden = this.options.hidden = !shows;
    this.roomHead.hidden = !room && !problem;
    if (row) this.#drawTitle(row, room);
    else this.title.replaceChildren();
    if ((room?.channel ?? "") !== this.shownChannel) {
      this.shownChannel = room?.channel ?? "";
      this.timeline.clear();
      if (room) this.composer.use(room.channel);
    }
    this.threads?.draw();
    if (room) this.composer.address(row ? this.session.title(row) : room.channel);
    if (!shows) return;
    this.#drawTyping(room);
    const shown = this.session.shown;
    const isPast = shown !== room;
    this.timeline.show(shown.view(isPast ? [] : this.session.entries()), {
      user: this.user,
      isDirect: row?.kind === "dm",
      role: row?.role,
      newAfter: room.newAfter,
      atStart: shown.atStart,
      isPast,
      isLoaded: shown.isLoaded,
      isLoading: this.session.reading.isLoading(shown),
    });
  }

  /** In its own line: nothing that is read moves when somebody types. */
  #drawTyping(room) {
    const typists = this.session.signs.of(room.channel).map((user) => this.session.author(user).split(" ")[0]);
    const words = typingWords(typists, this.session.signs.number(room.channel));
    if (this.typing.textContent !== words) this.typing.textContent = words;
  }

  #drawTitle(row, room) {
    const name = this.session.title(row);
    const { people } = this.session;
    const state = row.peer ? people.state(row.peer) : "";
    const online = this.session.others().filter((user) => (people.state(user) || "offline") !== "offline").length + 1;
    const group = [plural(room.members, "member"), online > 1 ? `${online} online` : ""].filter(Boolean).join(", ");
    const direct = this.session.blocked.has(row.peer) ? "Blocked" : (people.words(row.peer, Date.now()) || "Direct message");
    const about = { dm: direct, group, open: "Open to everybody" }[row.kind];
    const shape = `${row.channel} ${name} ${about} ${state}`;
    if (this.title.dataset.shape === shape) return;
    this.title.dataset.shape = shape;
    const face = row.kind === "dm" ? avatar(row.peer || row.channel, name, "", state) : placeAvatar(row.channel);
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

  open(channel, focuses = !matchMedia("(pointer: coarse)").matches) {
    this.hasOpened = true;
    this.session.problem = "";
    this.session.open(channel);
    if (focuses) queueMicrotask(() => !this.composer.root.hidden && this.composer.focus());
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

  /** A thread of the opened channel, or one message in it; without an id the list of those that one follows. */
  async #thread(id, seq = 0) {
    const [{ ThreadPanel }] = await Promise.all([import("./threads.js"), looks("/static/more.css")]);
    this.threads ??= new ThreadPanel(this.roomNode, {
      session: this.session,
      drafts: this.session.drafts,
      on: {
        act: (verb, message, more) => this.#act(verb, message, more),
        open: (channel, root) => (this.open(channel, false), this.#thread(root)),
        changed: () => this.#changed("room"),
        said: (words) => this.#tell(words),
      },
    });
    this.root.dataset.view = "room";
    if (id) this.threads.open(id, seq);
    else this.threads.openList();
  }

  async #forward({ id }) {
    const { session } = this;
    const { channel } = session.room;
    const { chooseChannel } = await import("./gathering.js");
    const rows = session.list.sorted().filter((row) => row.state !== "invited");
    chooseChannel("Forward to", rows.map((row) => ({ ...row, title: session.title(row) })), async (to) => {
      if (await session.command("message.forward", { channel, id, to })) this.open(to);
    });
  }

  async #poll() {
    const [{ askPoll }] = await Promise.all([import("./polling.js"), looks("/static/more.css")]);
    askPoll({ create: (poll) => this.session.poll(poll).then(() => this.timeline.toEnd()), now: Date.now });
  }

  async #gather() {
    const { gather } = await import("./gathering.js");
    gather(this.people, {
      direct: async (user) => this.open(await this.session.direct(user)),
      group: async (name, users) => this.open(await this.session.group(name, users)),
    });
  }

  async #options() {
    const { showOptions } = await import("./options.js");
    showOptions(this.options, this.session, { members: () => this.#detail("showMembers", this.people), pins: () => this.#detail("showPins"), left: () => this.#leave() });
  }

  /** One of the sheets of details.js. */
  async #detail(name, ...about) {
    const { session } = this;
    const means = { ask: (verb, data) => session.ask(verb, data), author: (id) => session.author(id), state: (id) => session.people.state(id), go: (message) => this.#lead(message) };
    try {
      await (await import("./details.js"))[name](session.room.channel, ...about, means);
    } catch (error) {
      this.#tell(error.message);
    }
  }

  /** Shows a message of the opened channel. */
  async #show(seq) {
    const found = await this.session.jump(seq);
    // Drawn first, then brought into view.
    if (found !== undefined) queueMicrotask(() => this.timeline.reveal(found));
  }

  // --- search

  #sought() {
    clearTimeout(this.pause);
    const q = this.filter.value.trim();
    this.side.classList.toggle("seeking", Boolean(q));
    this.#changed("list");
    if (q.length >= FIND_FROM) this.pause = setTimeout(() => this.#find(q), FIND_AFTER_MS);
    else this.finding?.find("");
  }

  async #find(q) {
    if (!this.finding) {
      const { Finding } = await import("./finding.js");
      this.finding ??= new Finding({
        ask: (verb, data) => this.session.ask(verb, data),
        author: (id) => this.session.author(id),
        title: (channel) => this.session.title(this.session.list.rows.get(channel) ?? { channel }),
        go: (channel, message) => this.#goTo(channel, message),
      });
      this.listed.append(this.finding.root);
    }
    this.finding.find(q);
  }

  async #goTo(channel, message) {
    this.hasOpened = true;
    this.session.open(channel);
    this.#drawAll();
    await this.#lead(message);
  }

  /** Shows a message of the opened channel where it stands: there, or in its thread alone. */
  #lead({ seq, thread, also_in_channel: also }) {
    return thread && !also ? this.#thread(thread, seq) : this.#show(seq);
  }

  #endSearch() {
    this.filter.value = "";
    this.#sought();
  }

  /** Words for a moment: why something did not work. */
  #tell(words) {
    clearTimeout(this.said);
    this.toast.textContent = words;
    this.said = setTimeout(() => (this.toast.textContent = ""), SAID_MS);
  }

  async #attempt(action) {
    try {
      await action();
    } catch (error) {
      this.session.problem = error.message;
      this.#changed("room");
    }
  }

  #act(verb, message, more) {
    const { session } = this;
    const acts = {
      compose: () => this.composer.focus(),
      reply: () => this.composer.answer(message),
      edit: () => this.composer.edit(message),
      delete: () => session.remove(message),
      copy: () => navigator.clipboard.writeText(message.text),
      react: () => session.react(message, more),
      pin: () => session.pin(message),
      unpin: () => session.pin(message),
      readers: () => this.#detail("showReaders", message),
      reactors: () => this.#detail("showReactors", message),
      edits: () => this.#detail("showEdits", message),
      vote: () => session.vote(message, more),
      ownVote: () => session.ownVote(message),
      votes: () => this.#detail("showVotes", message),
      addOption: () => session.command("poll.add_option", { channel: session.room.channel, id: message.id, text: more }),
      forward: () => this.#forward(message),
      endPoll: () => session.command("poll.close", { channel: session.room.channel, id: message.id }),
      jump: () => this.#show(message.seq),
      thread: () => this.#thread(message.thread || message.id),
      retry: () => session.outbox.retry(message.entry.cmid),
      discard: () => session.outbox.discard(message.entry.cmid),
    };
    acts[verb]();
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

function badges(unread, mentions) {
  const figure = el("span", { class: "badge" }, el("span", { text: unread > 99 ? "99+" : unread }), spoken(" unread"));
  if (!mentions) return figure;
  return el("span", { class: "badges" }, el("span", { class: "at" }, el("span", { text: "@" }), spoken(" you are mentioned")), figure);
}
