// What is one's own: how one wants to be seen, what one saved, planned and asked to be reminded of, whom one
// blocks; the public directory; and the keys of the page. Loaded when the menu below one's own name is opened.

import { block } from "./blocking.js";
import { sheet, when } from "./details.js";
import { el, iconButton } from "./dom.js";
import { dropDown } from "./dropdown.js";
import { avatar, placeAvatar } from "./faces.js";
import { oneLine } from "./format.js";
import { language, LANGUAGES, speak, t } from "./words.js";

const STATES = { online: t("Online"), away: t("Away"), busy: t("Busy: no notices"), invisible: t("Invisible") };
const PAGE = 50;
const HOUR_MS = 3_600_000;
const KEYS = [
  ["Enter", t("Send; on a message: its actions")],
  [t("Shift + Enter"), t("A new line")],
  ["↑", t("In an empty box: edit the last own message")],
  [t("Shift + Tab"), t("From the box to the messages")],
  ["↑ ↓", t("From message to message, or along the list")],
  ["← →", t("On a message: its reactions, quote, thread and poll")],
  [t("Alt + ↑ ↓"), t("Another conversation")],
  ["@", t("Name somebody")],
  ["Esc", t("Close what is open on top; from a message back to the box")],
  ["?", t("These keys")],
];

/** `on`: {follow(place), open(channel), said(words), help(), chosen, choose(what, which)}. */
export function showOwn(opener, session, on) {
  const shows = (fill) => () => fill(session, on).catch((error) => on.said(error.message));
  const states = Object.entries(STATES).map(([state, words]) => [words, () => session.command("presence.set", { state }), `state-${state}`, session.choice === state]);
  dropDown(opener, t("You"), [
    ...states,
    [t("Saved messages"), shows(showSaved), "first"],
    [t("Reminders"), shows(showReminders)],
    [t("Scheduled messages"), shows(showSchedules)],
    [t("Public conversations"), shows(showDirectory)],
    [t("Hidden conversations"), shows(showHidden)],
    [t("Blocked people"), shows(showBlocked)],
    [t("Notices…"), () => showNotices(opener, on)],
    [t("Read out…"), () => showAloud(opener, on)],
    [t("Keys"), on.help],
    ...Object.entries(LANGUAGES).filter(([tag]) => tag !== language).map(([tag, name]) => [name, () => speak(tag)]),
  ]);
}

/** Which new messages of the opened conversation a screen reader is told. */
function showAloud(opener, { chosen, choose }) {
  const choices = { all: t("Read out all new messages"), mentions: t("Only those that name you"), off: t("None") };
  dropDown(opener, t("Read out…"), Object.entries(choices).map(([which, words]) => [words, () => choose("aloud", which), undefined, which === chosen.aloud]));
}

async function showNotices(opener, { chosen, choose, said }) {
  const { chooseNotices } = await import("./notices.js");
  chooseNotices(opener, { kept: chosen.notices, keep: (which) => choose("notices", which), said });
}

export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const row = ([keys, words]) => el("div", {}, el("dt", {}, el("kbd", { text: keys })), el("dd", { text: words }));
  sheet(t("Keys"), el("dl", { class: "keys" }, ...KEYS.map(row)));
}

/** A list in a sheet whose rows can be taken away; `none`: what it says when there is nothing. */
function list(title, rows, none) {
  const empty = el("p", { class: "muted", text: none, hidden: rows.length > 0 });
  const box = el("ul", {}, ...rows);
  new MutationObserver(() => (empty.hidden = box.children.length > 0)).observe(box, { childList: true });
  return sheet(title, el("div", {}, box, empty));
}

/** A row that leads somewhere, with buttons beside it: [words, act]; one that resolves to true takes it away. */
function line({ name, at, text, go }, ...buttons) {
  const main = el("button", { type: "button", class: "hit", disabled: !go, on: { click: go } });
  main.append(el("bdi", { class: "name", text: name }), el("span", { class: "when", text: at }), el("bdi", { class: "snippet", text }));
  const row = el("li", { class: "kept" }, main);
  const act = async (does) => (await does()) && row.remove();
  row.append(...buttons.map(([words, does]) => el("button", { type: "button", text: words, on: { click: () => act(does) } })));
  return row;
}

const titleOf = (session, channel) => session.title(session.list.of(channel) ?? { channel });

async function showSaved(session, on) {
  const { bookmarks } = await session.ask("bookmark.list", { limit: PAGE });
  const row = ({ id, ts, channel, message, url, title, note }) => {
    const go = channel ? () => (dialog.close(), on.follow({ channel, id: message })) : () => open(url, "_blank", "noopener");
    const isLink = /^https?:/u.test(url ?? "");
    const remove = () => session.command("bookmark.remove", { id });
    return line({ name: channel ? titleOf(session, channel) : url, at: when(ts), text: note || title || "", go: channel || isLink ? go : undefined }, [t("Remove"), remove]);
  };
  const dialog = list(t("Saved messages"), bookmarks.map(row), t("Nothing is saved. “Save for later” stands in a message's menu."));
}

/** What is said of a reminder that is due. */
export function reminded(session, { channel, message, note }, { follow, close }) {
  const go = () => (close(), follow({ channel, id: message }));
  const show = channel && message ? el("button", { type: "button", text: t("Show"), on: { click: go } }) : "";
  const words = t("Reminder: {text}", { text: note || titleOf(session, channel) });
  return [words, show, iconButton("close", t("Close"), close, { class: "plain" })];
}

async function showReminders(session, on) {
  const { reminders } = await session.ask("reminder.list", { limit: PAGE });
  const row = ({ id, at, channel, message, note, fired }) => {
    const go = channel && message ? () => (dialog.close(), on.follow({ channel, id: message })) : undefined;
    const snooze = async () => (await session.command("reminder.snooze", { id, at: Date.now() + HOUR_MS })) && dialog.close();
    return line({ name: channel ? titleOf(session, channel) : t("Reminder"), at: fired ? t("Due") : when(at), text: note || "", go }, [t("In an hour"), snooze], [t("Remove"), () => session.command("reminder.cancel", { id })]);
  };
  const dialog = list(t("Reminders"), reminders.map(row), t("There are no reminders. “Remind me…” stands in a message's menu."));
}

/** `changed`: one of them as it is now; the list of all hears of it a moment later. */
async function showSchedules(session, on, changed = { schedule: "" }) {
  const { schedules } = await session.ask("schedule.list", { limit: PAGE });
  const row = (listed) => {
    const { channel, schedule: id, at, message } = listed.schedule === changed.schedule ? { ...listed, ...changed } : listed;
    const go = () => (dialog.close(), on.open(channel));
    const act = (verb) => () => session.command(verb, { channel, id });
    const change = async (ms, text) => {
      const now = { at: new Date(ms).toISOString(), message: { ...message, text } };
      await session.ask("schedule.update", { channel, id, ...now });
      await showSchedules(session, on, { schedule: id, ...now });
    };
    const edit = () => (dialog.close(), askLater(message.text ?? "", change, Date.parse(at)));
    return line({ name: titleOf(session, channel), at: when(at), text: message.text ?? "", go }, [t("Edit…"), edit], [t("Send now"), act("schedule.send_now")], [t("Cancel"), act("schedule.cancel")]);
  };
  const dialog = list(t("Scheduled messages"), schedules.map(row), t("Nothing waits to be sent. The clock beside a text sends it later."));
}

/** What is hidden now; it is brought back by opening it, too. */
async function showHidden(session, on) {
  const row = (hidden) => {
    const { channel } = hidden;
    const back = () => session.command("channel.set_mine", { channel, hidden: "no" });
    const go = async () => (await back()) && (dialog.close(), on.open(channel));
    const until = hidden.hidden === "for_good" ? t("For good") : t("Until the next message");
    return line({ name: session.title(hidden), at: "", text: until, go }, [t("Show again"), back]);
  };
  const dialog = list(t("Hidden conversations"), [...session.list.hidden.values()].map(row), t("No conversation is hidden. “Hide…” stands in its options."));
}

async function showBlocked(session) {
  const { blocks } = await session.ask("block.list", {});
  const row = ({ user }) => {
    const unblock = async () => (await block(session, user, false), !session.blocked.has(user));
    const name = session.author(user);
    const button = el("button", { type: "button", text: t("Unblock"), on: { click: async () => (await unblock()) && item.remove() } });
    const item = el("li", { class: "person" }, avatar(user, name, "small"), el("bdi", { text: name }), button);
    return item;
  };
  list(t("Blocked people"), blocks.map(row), t("You block nobody."));
}

async function showDirectory(session, on) {
  const { channels } = await session.ask("directory.list", { limit: PAGE, sort: "members" });
  const row = ({ channel, kind, name, members, approval }) => {
    const isMine = session.list.of(channel)?.state === "joined";
    const enter = async () => {
      if (!isMine && approval) {
        if (await session.command("member.request_join", { channel })) button.replaceWith(el("span", { class: "when", text: t("Asked to join") }));
        return;
      }
      if (!isMine && !(await session.command("member.join", { channel }))) return;
      if (!session.list.rows.has(channel)) session.list.extend([{ channel, kind, name, state: "joined", role: "member" }]);
      dialog.close();
      on.open(channel);
    };
    const words = isMine ? t("Open") : approval ? t("Ask to join") : t("Join");
    const button = el("button", { type: "button", text: words, "aria-label": `${words}: ${name || channel}`, on: { click: enter } });
    const count = kind === "open" ? "" : t("{n} member|{n} members", { n: members });
    return el("li", { class: "person" }, placeAvatar(channel), el("bdi", { text: name || channel }), el("span", { class: "when", text: count }), button);
  };
  const dialog = list(t("Public conversations"), channels.map(row), t("There are no public conversations."));
}

/** Asks when a text is to be sent; `at`: of one that waits, and may be changed. `create(at, text)` rejects with an
 *  Error whose message is shown. */
export function askLater(text, create, at = 0) {
  const soon = new Date(at || Date.now() + HOUR_MS);
  const local = new Date(soon.getTime() - soon.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const input = el("input", { id: "later", type: "datetime-local", value: local, required: true });
  const error = el("p", { class: "error", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await create(Date.parse(input.value), box.value.trim());
      dialog.close();
    } catch (failure) {
      error.textContent = t("That did not work: {why}", { why: failure.message });
    }
  };
  const field = el("p", { class: "field" }, el("label", { for: "later", text: t("When") }), input);
  const box = el("textarea", { id: "later-text", rows: "3", dir: "auto", required: true });
  box.value = text;
  const shown = at ? el("p", { class: "field" }, el("label", { for: "later-text", text: t("Message") }), box) : el("p", { class: "muted", dir: "auto", text: oneLine(text) });
  const form = el("form", { on: { submit } }, shown, field, error, el("button", { type: "submit", class: "primary", text: at ? t("Save") : t("Schedule") }));
  const dialog = sheet(at ? t("Scheduled message") : t("Send later"), form);
  (at ? box : input).focus();
}
