// One user's pane: connection bar, channel list, opened channel. Draws what its Session knows. Long because all
// that a person can do begins here; what is done stands elsewhere.

import { mayEdit } from "./bubble.js";
import { Composer } from "./composer.js";
import { arrange, dressed, el, icon, iconButton, spoken } from "./dom.js";
import { boundsOf } from "./bounds.js";
import { avatar, placeAvatar } from "./faces.js";
import { linkTo, oneLine, shortLabel } from "./format.js";
import { gist } from "./marking.js";
import { CONNECTING, ENDED, ONLINE, NoAnswer, WAITING } from "/static/hubbub.js";
import { Session } from "./session.js";
import { typingWords } from "./signs.js";
import { themeButton } from "./theme.js";
import { Timeline } from "./timeline.js";
import { t, told } from "./words.js";

const PATIENCE_MS = 1_500; // a cut that heals sooner is nobody's concern, nor a connection that comes
const FIND_FROM = 2; // characters
const FIND_AFTER_MS = 300; // of quiet
const OUTDATED = ["bad request", "inappropriate protocol"]; // how it ends for a page that an update has overtaken
const HEADS_MAX = 100; // rows whose heads come by themselves
const SAID_MS = 5_000;
const NOTICES = "hubbub.notices"; // of what comes unseen: shown, heard
const ALOUD = "hubbub.aloud"; // which messages are read out: all, mentions, off
const CHOICES = { away: t("Away"), busy: t("Busy"), invisible: t("Invisible") };

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
    this.link = null; // a message that is led to once there is a connection
    this.wasOnline = false;
    const on = {
      changed: (what) => this.#changed(what),
      arrived: (message) => this.#announce(message),
      drafted: (place) => [this.composer, this.threads?.composer].forEach((one) => one?.renew(place)),
      said: (words) => this.#tell(words),
      reminded: (reminder) => this.#remind(reminder),
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
      mayLeave: () => this.session.hasRoom(),
      send: (text, more) => (this.session.send(text, more), this.timeline.toEnd()),
      edit: (message, text) => this.session.edit(message, text),
      editLast: () => this.#editLast(),
      typed: (isEmpty) => this.session.signs.typed(this.session.room.channel, isEmpty),
      people: () => this.session.others().map((id) => ({ user: id, name: this.session.author(id) })),
      author: (id) => this.session.author(id),
      poll: () => this.#poll(),
      later: (text, more, done) => this.#later(text, more, done),
    };
    this.composer = new Composer(writing, { user, drafts: this.session.drafts });
    this.#build();
  }

  start() {
    this.session.start();
    addEventListener("online", () => this.session.client.wake());
    addEventListener("offline", () => this.#changed("state"));
    addEventListener("focus", () => this.session.client.wake());
    if (this.isAlone) import("./steps.js").then(({ watchBack }) => watchBack(this.root, { isNarrow: () => this.#isNarrow, leave: () => this.#leave(), closeThread: () => this.threads?.close() }));
    addEventListener("storage", ({ key, newValue }) => newValue === null && this.session.outbox.removed(key));
  }

  // --- drawing

  #build() {
    this.bar = el("div", { class: "bar", role: "status", "data-state": "connecting" });
    this.me = el("button", { type: "button", class: "me", "aria-haspopup": "menu", on: { click: () => this.#ownMenu() } });
    this.filter = el("input", { type: "search", class: "filter", placeholder: t("Search"), "aria-label": t("Search conversations and messages") });
    this.filter.addEventListener("input", () => this.#sought());
    this.filter.addEventListener("keydown", (event) => event.key === "Escape" && this.#endSearch());
    this.channels = el("ul", { class: "channels" });
    const add = iconButton("plus", t("New conversation"), () => this.#gather(), { class: "plain add" });
    this.side = el(
      "aside",
      { class: "side", "aria-label": t("Conversations") },
      el("h1", { class: "spoken", text: t("Conversations") }),
      el("header", {}, this.me, themeButton(this.storage), add),
      this.filter,
      (this.own = el("button", { type: "button", class: "own-list", hidden: true, on: { click: () => this.#thread("") } })),
      (this.listed = el("nav", { "aria-label": t("Conversations") }, this.channels)),
    );
    this.side.addEventListener("keydown", (event) => this.#walk(event));
    this.back = iconButton("back", t("Back to conversations"), () => this.#leave(), { class: "plain back" });
    this.title = el("div", { class: "title" });
    this.card = el("div", { class: "card" });
    this.options = iconButton("more", t("Conversation options"), () => this.#options(), { class: "plain", "aria-haspopup": "menu" });
    this.roomHead = el("header", {}, this.back, this.title, this.options);
    this.typing = el("div", { class: "typing", "aria-live": "off" });
    this.live = el("div", { class: "spoken", role: "status", "aria-live": "polite" });
    this.toast = el("div", { class: "toast", role: "status" });
    this.roomNode = el("section", { class: "room", "aria-label": t("Conversation") }, this.roomHead, this.timeline.root, this.typing, this.composer.root, this.card, this.toast);
    this.root = el("section", { class: "pane", "data-user": this.user, "data-view": "list" }, this.bar, this.side, this.roomNode, this.live);
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
    const left = this.lostAt + PATIENCE_MS - Date.now();
    if (left > 0 && client.state !== ENDED) {
      if (!this.wasOnline) this.#say("connecting", "");
      this.patience = setTimeout(() => this.#drawState(), left);
      return;
    }
    const waiting = outbox.waitingCount ? ` · ${t("{n} waiting to be sent", { n: outbox.waitingCount })}` : "";
    const { reason } = this.session;
    if (client.state === ENDED && OUTDATED.includes(reason)) this.#say("ended", t("Update needed: load this page anew"));
    else if (client.state === ENDED) this.#say("ended", `${t("Signed out")}: ${told(`end ${reason}`, reason) || t("the connection ended")}`);
    else if (!navigator.onLine) this.#say("offline", t("Offline") + waiting);
    else if (this.wasOnline) this.#say("reconnecting", t("Reconnecting…") + waiting);
    else if (client.state === CONNECTING || client.state === WAITING) this.#say("connecting", t("Connecting…") + waiting);
  }

  #say(state, words) {
    this.root.dataset.state = state;
    this.bar.dataset.state = state;
    if (this.bar.textContent !== words) this.bar.textContent = words;
    const shown = { online: t("Online"), connecting: t("Connecting"), reconnecting: t("Reconnecting"), offline: t("Offline"), ended: t("Signed out") };
    this.presence = shown[state];
    this.#drawMe();
  }

  #drawMe() {
    const name = this.session.author(this.user);
    const words = (this.presence === t("Online") && CHOICES[this.session.choice]) || this.presence;
    const shape = `${name} ${words}`;
    if (this.me.dataset.shape === shape) return;
    this.me.dataset.shape = shape;
    this.root.setAttribute("aria-label", name);
    const look = words === this.presence ? "dot" : `dot dot-${this.session.choice}`;
    const state = el("span", { class: "presence" }, el("span", { class: look }), el("span", { text: words }));
    this.me.replaceChildren(avatar(this.user, name), el("span", {}, el("bdi", { class: "name", text: name }), state));
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
    this.own.replaceChildren(el("span", { class: "avatar plain-face" }, icon("thread")), el("span", { class: "name", text: t("Threads") }));
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
    if (!items.length && this.session.isListed) items.push(el("li", { class: "none", text: wanted ? t("No conversation of this name") : t("No conversations yet") }));
    const focused = this.channels.contains(document.activeElement) && document.activeElement;
    arrange(this.channels, items);
    // A row that moved lost it, and one that went.
    if (focused && focused !== document.activeElement) this.#focusList(focused.parentElement.dataset.channel);
    if (this.isAlone) {
      const unread = this.session.list.unread + (this.session.list.threads?.unread ?? 0);
      const notices = this.storage.getItem(NOTICES);
      if (notices && document.hidden && unread > this.unread) import("./notices.js").then(({ notify }) => notify(this.session, notices, (channel) => this.open(channel)));
      this.unread = unread;
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
    const shape = JSON.stringify([title, line, isOpen, unread, mentions, state, isTyping, when, row.muted, row.archived, row.favourite]);
    if (old?.dataset.shape === shape) return old;
    const button = el(
      "button",
      { type: "button", class: `channel${unread ? " unread" : ""}${row.muted || row.archived ? " quiet" : ""}`, "aria-current": isOpen ? "true" : undefined, on: { click: () => this.open(row.channel) } },
      row.kind === "dm" ? avatar(row.peer || row.channel, title, "", state) : placeAvatar(row.channel),
      el("bdi", { class: "name", text: title }),
      el("span", { class: "when" }, row.favourite ? icon("pin") : null, row.favourite ? spoken(t("pinned")) : null, row.muted ? icon("muted") : null, row.muted ? spoken(t("muted ")) : null, when),
      el("bdi", { class: isTyping ? "last is-typing" : "last", text: isTyping ? t("typing…") : line }),
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
    if (row.state === "invited") return t("You are invited");
    if (row.archived) return t("Archived");
    const draft = this.session.room?.channel === row.channel ? "" : this.session.drafts.text(row.channel);
    if (draft) return t("Draft: {text}", { text: oneLine(draft) });
    const { preview } = row;
    if (!preview) return row.kind === "open" ? t("Open to everybody") : t("No messages yet");
    const text = (preview.poll && !preview.deleted ? t("Poll: ") : "") + gist(preview);
    if (preview.by === this.user) return t("You: {text}", { text });
    return row.kind === "dm" ? text : `${this.session.author(preview.by).split(" ")[0]}: ${text}`;
  }

  #drawRoom() {
    const { room, list, problem } = this.session;
    const row = room && list.of(room.channel);
    const isInvited = row?.state === "invited";
    this.root.dataset.view = room || problem || this.threads?.isOpen ? "room" : "list";
    this.#drawCard(room, isInvited, problem);
    const shows = Boolean(room) && !isInvited && !problem;
    this.timeline.root.hidden = this.composer.root.hidden = this.typing.hidden = this.options.hidden = !shows;
    this.roomHead.hidden = !room && !problem;
    if (row) this.#drawTitle(row, room);
    else this.title.replaceChildren(), (this.title.dataset.shape = "");
    if ((room?.channel ?? "") !== this.shownChannel) {
      this.shownChannel = room?.channel ?? "";
      this.timeline.clear();
      this.live.textContent = "";
      if (room) this.composer.use(room.channel);
    }
    this.threads?.draw();
    if (room) this.composer.address(row ? this.session.title(row) : room.channel);
    if (!shows) return;
    for (const one of [this.composer, this.threads?.composer]) one?.restrict(boundsOf(room, row, this.user, Date.now()));
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
    const group = [room.members ? t("{n} member|{n} members", { n: room.members }) : "", online > 1 ? t("{n} online", { n: online }) : ""].filter(Boolean).join(", ");
    const direct = this.session.blocked.has(row.peer) ? t("Blocked") : (people.words(row.peer, Date.now()) || t("Direct message"));
    const about = { dm: direct, group, open: t("Open to everybody") }[row.kind];
    const shape = `${row.channel} ${name} ${about} ${state}`;
    if (this.title.dataset.shape === shape) return;
    this.title.dataset.shape = shape;
    const face = row.kind === "dm" ? avatar(row.peer || row.channel, name, "", state) : placeAvatar(row.channel);
    this.title.replaceChildren(face, el("div", {}, el("h1", {}, el("bdi", { text: name })), el("span", { class: "about", text: about })));
  }

  #drawCard(room, isInvited, problem) {
    this.card.hidden = Boolean(room) && !isInvited && !problem;
    if (this.card.hidden) return;
    const shape = `${room?.channel} ${isInvited} ${problem} ${this.hasOpened}`;
    if (this.card.dataset.shape === shape) return;
    this.card.dataset.shape = shape;
    const answer = (accepts) => this.#attempt(() => this.session.answer(accepts));
    if (problem) this.card.replaceChildren(el("p", { text: problem }));
    else if (isInvited) {
      this.card.replaceChildren(
        el("p", { text: t("You are invited to this conversation.") }),
        el("button", { type: "button", class: "primary", text: t("Join"), on: { click: () => answer(true) } }),
        el("button", { type: "button", text: t("Decline"), on: { click: () => answer(false) } }),
      );
    } else {
      // Not before the first one could be opened.
      this.card.replaceChildren(el("p", { class: "muted", text: this.hasOpened ? t("Choose a conversation, or start a new one.") : "" }));
    }
  }

  // --- what people do

  open(channel, focuses = !matchMedia("(pointer: coarse)").matches) {
    this.hasOpened = true;
    this.session.problem = "";
    this.session.open(channel);
    if (focuses) queueMicrotask(() => !this.composer.root.hidden && this.composer.focus());
  }

  get #isNarrow() {
    return getComputedStyle(this.back).display !== "none";
  }

  #leave(close = () => this.session.close()) {
    const channel = this.session.room?.channel;
    this.session.problem = "";
    close();
    this.#changed("room");
    this.#changed("list");
    queueMicrotask(() => this.#focusList(channel));
  }

  /** To a conversation, or to the first one if it is not in the list. */
  #focusList(channel) {
    const rows = [...this.channels.querySelectorAll("button")];
    (rows.find((row) => row.parentElement.dataset.channel === channel) ?? rows[0])?.focus();
  }

  /** The first look: the agreed conversation, or the latest one where list and room fit side by side. */
  #openFirst() {
    this.hasOpened = true;
    const { link } = this;
    this.link = null;
    if (link) {
      this.#lookUp(link);
    } else if (this.opens) {
      this.#attempt(() => this.#openAgreed());
    } else if (!this.#isNarrow) {
      // Times of the last messages come with the first heads.
      const rows = this.session.list.sorted();
      const first = rows.find((row) => row.preview);
      this.hasOpened = Boolean(first) || rows.slice(0, HEADS_MAX).every((row) => row.seq !== undefined || row.state === "invited");
      if (first) this.session.open(first.channel);
    }
    if (this.hasOpened) this.#changed("room");
  }

  async #openAgreed() {
    try {
      const channel = await this.session.direct(this.opens);
      if (!this.session.room) this.session.open(channel);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.hasOpened = Boolean(this.session.room); // the connection broke: the next list asks again
    }
  }

  /** A thread of the opened channel, or one message in it; without an id the list of those that one follows. */
  async #thread(id, seq = 0) {
    const { ThreadPanel } = await dressed(import("./threads.js"));
    this.threads ??= new ThreadPanel(this.roomNode, {
      session: this.session,
      drafts: this.session.drafts,
      on: {
        act: (verb, message, more) => this.#act(verb, message, more),
        open: (channel, root) => (this.open(channel, false), this.#thread(root)),
        changed: () => this.#changed("room"),
        arrived: (message) => this.#announce(message),
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
    const { chooseChannel } = await dressed(import("./gathering.js"));
    const rows = session.list.sorted().filter((row) => row.state !== "invited");
    chooseChannel(t("Forward to"), rows.map((row) => ({ ...row, title: session.title(row) })), async (to) => {
      if (await session.command("message.forward", { channel, id, to })) this.open(to);
    });
  }

  async #poll() {
    const { session } = this;
    const { askPoll } = await dressed(import("./polling.js"));
    askPoll({ create: (poll) => session.ask("poll.create", { channel: session.room.channel, ...poll }).then(() => this.timeline.toEnd()), now: Date.now });
  }

  async #later(text, more, done) {
    const { channel } = this.session.room;
    const { askLater } = await dressed(import("./own.js"));
    askLater(text, async (at) => {
      await this.session.ask("schedule.create", { channel, at, message: { text, ...more } });
      done();
      this.#tell(t("It will be sent then. “Scheduled messages” below your name shows it."), true);
    });
  }

  async #gather() {
    const { gather } = await dressed(import("./gathering.js"));
    gather(this.people, this.session, (channel) => this.open(channel));
  }

  async #options() {
    const { showOptions } = await dressed(import("./options.js"));
    showOptions(this.options, this.session, { members: () => this.#members(), pins: () => this.#detail("showPins"), left: () => this.#leave() });
  }

  async #members(user = "") {
    const { showMembers, showPerson } = await dressed(import("./members.js"));
    const means = { people: this.people, write: (other) => this.#attempt(async () => this.open(await this.session.direct(other))), said: (words) => this.#tell(words) };
    if (user) showPerson(user, this.session, means);
    else showMembers(this.session, means).catch((error) => this.#tell(error.message));
  }

  /** The menu below one's own name. */
  async #ownMenu() {
    const { showOwn } = await dressed(import("./own.js"));
    showOwn(this.me, this.session, { chosen: { aloud: this.storage.getItem(ALOUD) ?? "all", notices: this.storage.getItem(NOTICES) ?? "" }, choose: (what, which) => this.storage.setItem(`hubbub.${what}`, which), follow: (place) => this.follow(place), open: (channel) => this.open(channel), said: (words) => this.#tell(words), help: () => this.#help() });
  }

  async #help() {
    const { showKeys } = await dressed(import("./own.js"));
    showKeys();
  }

  /** One of the sheets of details.js. */
  async #detail(name, ...about) {
    const { session } = this;
    const means = { ask: (verb, data) => session.ask(verb, data), author: (id) => session.author(id), state: (id) => session.people.state(id), go: (message) => this.#lead(message) };
    try {
      await (await dressed(import("./details.js")))[name](session.room.channel, ...about, means);
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
      const { Finding } = await dressed(import("./finding.js"));
      this.finding ??= new Finding({
        ask: (verb, data) => this.session.ask(verb, data),
        author: (id) => this.session.author(id),
        title: (channel) => this.session.title(this.session.list.of(channel) ?? { channel }),
        go: (channel, message) => this.#goTo(channel, message),
      });
      this.listed.append(this.finding.root);
    }
    this.finding.find(q);
  }

  /** Leads to a message by its `link`, or by `channel` and `id`, in whatever conversation. */
  follow(place) {
    if (this.session.client.state === ONLINE && this.session.isListed) return this.#lookUp(place);
    this.link = place;
    this.hasOpened = false;
    return undefined;
  }

  async #lookUp(place) {
    const found = await this.session.command("message.locate", place);
    if (found) await this.#goTo(found.channel, found);
    else if (!this.session.room) this.hasOpened = false; // the message is not for this user: as if it were not asked for
    this.#changed("list");
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

  /** Arrows lead from the search along what it found; Enter opens the first of it. */
  async #walk(event) {
    const isChosen = event.key === "Enter" && event.target === this.filter && Boolean(this.filter.value);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? (isChosen ? 1 : 0);
    if (!step || event.altKey || !event.target.matches(".filter, nav *")) return;
    event.preventDefault();
    (await import("./steps.js")).walk(this.filter, this.listed, step, isChosen);
  }

  #endSearch() {
    this.filter.value = "";
    this.#sought();
  }

  /** Words for a moment: why something did not work, or that it did. */
  #tell(words, isGood = false) {
    clearTimeout(this.said);
    this.toast.classList.toggle("good", isGood);
    this.toast.textContent = words;
    this.said = setTimeout(() => (this.toast.textContent = ""), SAID_MS);
  }

  /** A reminder is due: it stays until it is followed or closed. */
  async #remind(reminder) {
    const { reminded } = await dressed(import("./own.js"));
    this.#tell("", true);
    clearTimeout(this.said);
    this.toast.append(...reminded(this.session, reminder, { follow: (place) => this.follow(place), close: () => this.#tell("") }));
  }

  /** Reads a new message out once, though it stands in the conversation and in its thread. */
  #announce({ id, by, text, mentions, mention_all: all, mention_here: here }) {
    const wanted = this.storage.getItem(ALOUD) ?? "all";
    const isHeard = wanted === "all" || (wanted === "mentions" && (all || here || mentions?.includes(this.user)));
    if (!isHeard || this.live.dataset.id === id) return;
    this.live.dataset.id = id;
    this.live.textContent = `${this.session.author(by)}: ${text}`;
  }

  async #noted(verb, data, words) {
    if (await this.session.command(verb, data)) this.#tell(words, true);
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
    const channel = session.room?.channel;
    const acts = {
      compose: () => this.composer.focus(),
      reply: () => this.composer.answer(message),
      edit: () => this.composer.edit(message),
      delete: () => session.remove(message),
      copy: () => navigator.clipboard.writeText(message.text),
      react: () => session.react(message, more),
      pin: () => session.command("message.pin", { channel, id: message.id }),
      unpin: () => session.command("message.unpin", { channel, id: message.id }),
      readers: () => this.#detail("showReaders", message),
      reactors: () => this.#detail("showReactors", message),
      unread: () => this.#leave(() => session.unread(message)),
      profile: () => this.#members(message.by),
      edits: () => this.#detail("showEdits", message),
      vote: () => session.vote(message, more),
      ownVote: () => import("./poll.js").then(({ askOwn }) => askOwn(session, message)),
      votes: () => this.#detail("showVotes", message),
      addOption: () => session.command("poll.add_option", { channel, id: message.id, text: more }),
      forward: () => this.#forward(message),
      endPoll: () => session.command("poll.close", { channel, id: message.id }),
      undelete: () => session.command("message.undelete", { channel, id: message.id }),
      jump: () => this.#lead(message),
      follow: () => this.follow({ link: more }),
      link: () => navigator.clipboard.writeText(location.origin + linkTo(channel, message.id)).then(() => this.#tell(t("Link copied"), true)),
      save: () => this.#noted("bookmark.add", { channel, message: message.id, title: gist(message) }, t("Saved")),
      remind: () => this.#noted("reminder.create", { channel, message: message.id, at: Date.now() + more, note: gist(message) }, t("You will be reminded")),
      thread: () => this.#thread(message.thread || message.id),
      retry: () => session.outbox.retry(message.entry.cmid),
      discard: () => session.outbox.discard(message.entry.cmid),
    };
    acts[verb]();
  }

  #editLast() {
    const { room } = this.session;
    const own = room?.view(this.session.entries()).findLast((m) => mayEdit(m, this.user));
    if (own) this.composer.edit(own);
  }

  /** Alt+Up and Alt+Down change the channel; "?" outside of a text shows all keys. */
  #key(event) {
    if (event.key === "?" && !event.target.matches("input, textarea, select")) {
      event.preventDefault();
      this.#help();
    }
    const step = event.altKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = this.session.list.sorted();
    const place = rows.findIndex((row) => row.channel === this.session.room?.channel);
    const next = rows[Math.min(rows.length - 1, Math.max(0, place + step))];
    if (next) this.open(next.channel);
  }
}

function badges(unread, mentions) {
  const figure = el("span", { class: "badge" }, el("span", { text: unread > 99 ? "99+" : unread }), spoken(t(" unread")));
  if (!mentions) return figure;
  return el("span", { class: "badges" }, el("span", { class: "at" }, el("span", { text: "@" }), spoken(t(" you are mentioned"))), figure);
}
