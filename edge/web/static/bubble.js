// How one message looks: who, what, quote, reactions, time and tick. Knows no list and no scrolling.

import { dressed, el, icon, iconButton, spoken } from "./dom.js";
import { avatar, TONES } from "./faces.js";
import { clockTime, fullTime, mentioned, shortLabel, sizeWords, tone } from "./format.js";
import { gist, isFewEmoji, isHidden, marked } from "./marking.js";
import { receiptWords } from "./receipts.js";
import { t } from "./words.js";

const STATUS = { waiting: [t("waiting"), "sending"], sending: [t("sending"), "sending"], failed: [t("not sent"), "failed"] };
const STAGES = { sent: "stored", delivered: "twice", read: "twice" };

/** Everything that a message's drawing depends on. `names(user)`. */
export function shapeOf(m, starts, isLastOwn, names) {
  const quoted = m.quote && [names(m.quote.by), m.quote.text, m.quote.deleted];
  const state = [m.status, m.receipt, m.edited, m.deleted, m.pinned, m.reactions, m.entry?.error];
  state.push(m.poll, m.replies && [m.replies, m.last_reply, m.participants?.map(names)]);
  return JSON.stringify([m.id, m.text, m.ts, state, starts, names(m.by), isLastOwn, quoted, m.mentions?.map(names)]);
}

/** The nodes of a message's article. `facts`: {user, isDirect}; `on`: {author(user), act(verb, message, more)}. */
export function partsOf(message, { starts, facts, on, opener }) {
  const isOwn = message.by === facts.user;
  const name = on.author(message.by);
  const showsAuthor = starts && !isOwn && !facts.isDirect;
  const author = showsAuthor
    ? el("bdi", { class: `author tone-${tone(message.by, TONES)}`, text: name })
    : spoken(isOwn ? t("You") : name);
  const said = el("div", { class: "said" }, text(message, facts, on), footer(message, isOwn, facts, on));
  const thread = facts.underRoot ? null : threadOf(message, on);
  const bubble = el("div", { class: "bubble" }, author, forwarded(message, on), quote(message, on), said, attachments(message), poll(message, on), reactions(message, on), thread);
  const parts = [bubble];
  if (!isOwn && !facts.isDirect) parts.unshift(starts ? avatar(message.by, name, "small") : el("span", { class: "avatar-gap" }));
  if (message.status === "failed") bubble.append(failure(message, on));
  else if (opener) parts.push(opener);
  return parts;
}

/** @type {typeof import("./poll.js") | undefined} once a poll was shown */
let polls;

/** A box as high as it will be: what is around it stays where it is while its looks are loaded. */
function poll(message, on) {
  if (!message.poll || message.deleted) return null;
  const box = el("div", { class: "poll" });
  const { options, may_add: grows, closed_at: closed } = message.poll;
  box.style.setProperty("--rows", options.length + (grows && !closed ? 1 : 0));
  if (polls) polls.fill(box, message, on);
  else dressed(import("./poll.js")).then((module) => (polls = module).fill(box, message, on));
  return box;
}

function forwarded({ forwarded: from, deleted }, on) {
  return from && !deleted ? el("span", { class: "forwarded", text: t("Forwarded, written by {name}", { name: on.author(from.by) }) }) : null;
}

function quote({ quote: quoted, deleted }, on) {
  if (!quoted || deleted) return null;
  const go = () => on.act("jump", quoted);
  return el(
    "button",
    { type: "button", class: `quote tone-${tone(quoted.by, TONES)}`, tabindex: "-1", on: { click: go } },
    spoken(t("In answer to ")),
    el("bdi", { class: "author", text: on.author(quoted.by) }),
    el("bdi", { class: "quoted", text: gist(quoted) }),
  );
}

function text(message, facts, on) {
  if (message.deleted || isHidden(message)) return el("p", { class: "text", text: message.deleted ? t("This message was deleted") : gist(message) });
  const node = el("div", { class: isFewEmoji(message.text ?? "") ? "text large" : "text", dir: "auto" });
  if (!message.text && message.data !== undefined && !message.attachments?.length) node.textContent = t("(data without text)");
  const people = (message.mentions ?? []).map((user) => ({ user, name: on.author(user) }));
  node.append(...marked(message.text ?? "").flatMap((part) => drawn(part, people, facts.user, on)));
  return node;
}

/** The nodes of one part of a text. */
function drawn({ text: words, href, code, tag, parts }, people, me, on) {
  if (tag) return [el(tag, {}, ...parts.flatMap((part) => drawn(part, people, me, on)))];
  if (href?.startsWith(`${location.origin}/m/`)) {
    const go = (event) => (event.preventDefault(), on.act("follow", null, href.slice(location.origin.length)));
    return [el("a", { href, text: words, on: { click: go } })];
  }
  if (href) return [el("a", { href, target: "_blank", rel: "noopener noreferrer", text: words })];
  if (code) return [el("code", { class: code, text: words, dir: "ltr" })];
  return mentioned(words, people).map((piece) => mention(piece, me));
}

/** Files are named, with a way to them; nothing foreign is loaded into the page. */
function attachments({ attachments: found, deleted }) {
  if (!found?.length || deleted) return null;
  const chip = ({ kind, url, name, title, bytes }) => {
    const inner = [icon("file"), el("bdi", { class: "name", text: title || name || kind }), el("span", { class: "when", text: bytes ? sizeWords(bytes) : "" })];
    const isSafe = /^https?:/u.test(url ?? "");
    return isSafe ? el("a", { class: "chip", href: url, target: "_blank", rel: "noopener noreferrer" }, ...inner) : el("span", { class: "chip" }, ...inner);
  };
  return el("div", { class: "chips" }, ...found.map(chip));
}

/** @param {{text: string, user?: string}} piece */
function mention({ text: words, user }, me) {
  return user ? el("span", { class: user === me ? "mention me" : "mention", text: words }) : words;
}

function reactions(message, on) {
  const kinds = Object.entries(message.deleted ? {} : (message.reactions ?? {}));
  if (!kinds.length) return null;
  const chips = kinds.map(([emoji, { count, me }]) =>
    el(
      "button",
      {
        type: "button",
        class: "reaction",
        "data-at": `reaction ${emoji}`,
        tabindex: "-1",
        "aria-pressed": me ? "true" : "false",
        "aria-label": `${emoji} ${count}${me ? t(", also yours") : ""}`,
        on: { click: () => on.act("react", message, emoji), contextmenu: (event) => (event.preventDefault(), on.act("reactors", message)) },
      },
      el("span", { text: emoji }),
      el("span", { class: "count", text: count }),
    ),
  );
  return el("div", { class: "reactions" }, ...chips);
}

/** What leads into a thread: below its first message, and on a reply that stands in the channel as well. */
function threadOf(message, on) {
  const { replies, thread, participants = [], last_reply: last } = message;
  if (!replies && !thread) return null;
  const words = replies ? t("{n} reply|{n} replies", { n: replies }) : t("Reply in a thread");
  const faces = participants.slice(0, 3).map((user) => avatar(user, on.author(user), "tiny"));
  return el(
    "button",
    { type: "button", class: "into-thread", tabindex: "-1", on: { click: () => on.act("thread", message) } },
    ...(replies ? [el("span", { class: "faces" }, ...faces)] : [icon("thread")]),
    el("span", { class: "words", text: words }),
    replies && last ? el("span", { class: "last-reply", text: shortLabel(Date.parse(last), Date.now()) }) : null,
  );
}

function footer(message, isOwn, facts, on) {
  const ms = Date.parse(message.ts);
  const node = el("div", { class: "footer" });
  if (message.pinned && !message.deleted) node.append(el("span", { class: "pinned", title: t("Pinned") }, icon("pin"), spoken(t("pinned"))));
  if (message.edited && !message.deleted) {
    const show = () => on.act("edits", message);
    node.append(el("button", { type: "button", class: "edited", tabindex: "-1", title: t("What it said before"), text: t("edited"), on: { click: show } }));
  }
  node.append(el("time", { datetime: message.ts, title: fullTime(ms), text: clockTime(ms) }));
  if (isOwn && !message.deleted) node.append(tick(message, facts));
  return node;
}

function tick({ status, receipt }, { isDirect }) {
  const [words, drawing] = STATUS[status] ?? [receiptWords(receipt, isDirect), STAGES[receipt.stage]];
  const stage = STATUS[status] ? "" : receipt.stage;
  return el("span", { class: "tick", "data-stage": stage, title: words }, icon(drawing), el("span", { class: "tick-words", text: words }));
}

function failure(message, on) {
  const again = el("button", { type: "button", text: t("Try again"), on: { click: () => on.act("retry", message) } });
  const drop = el("button", { type: "button", text: t("Discard"), on: { click: () => on.act("discard", message) } });
  return el("div", { class: "failure" }, el("span", { text: t("Not sent: {why}", { why: message.entry.error }) }), again, drop);
}

/** The button that opens a message's actions. */
export function openerOf(message, open) {
  return iconButton("more", t("Actions for message: {text}", { text: (message.text ?? "").slice(0, 40) }), open, {
    class: "opener",
    title: t("Actions"),
    tabindex: "-1",
    "aria-haspopup": "menu",
    "aria-expanded": "false",
  });
}

/** Whether the user may change what it says: not what he passed on, nor a question that has votes. */
export const mayEdit = (m, user) =>
  m.by === user && m.status === "stored" && !m.deleted && !m.forwarded && m.kind !== "system" && !m.poll?.voters;

/** What one may do with a message. `facts`: {user, role, underRoot}. */
export function verbsOf(message, { user, role, underRoot }) {
  if (message.status !== "stored" || isHidden(message)) return [];
  const isStaff = role === "owner" || role === "moderator";
  if (message.deleted) return message.by === user || isStaff ? ["undelete"] : [];
  const verbs = message.by === user && message.kind !== "system" ? ["delete"] : [];
  if (mayEdit(message, user)) verbs.unshift("edit");
  if (!underRoot) verbs.push("thread");
  verbs.push("reply");
  if (!message.poll) verbs.push("forward");
  verbs.push(message.pinned ? "unpin" : "pin");
  if (navigator.clipboard) verbs.push(...(message.text ? ["copy"] : []), "link");
  verbs.push("save", "remind");
  if (message.by === user) verbs.push("readers");
  if (message.poll && !message.poll.closed_at && (message.by === user || isStaff)) verbs.push("askEnd");
  if (message.by !== user && message.kind !== "system") verbs.push(...(underRoot ? [] : ["unread"]), "profile");
  if (isStaff && !verbs.includes("delete")) verbs.push("delete");
  if (Object.keys(message.reactions ?? {}).length) verbs.push("reactors");
  return verbs;
}
