// How a poll looks within its message, and how one votes. Loaded with the first poll that is shown.

import { el, icon, spoken } from "./dom.js";
import { clockTime, dayLabel } from "./format.js";
import { t } from "./words.js";

/** Fills `box`. `on`: {act(verb, message, more)}. */
export function fill(box, message, on) {
  const { poll } = message;
  if (poll.own === undefined) on.act("ownVote", message); // it is drawn again when that is known
  const own = poll.own ?? [];
  const isOpen = isOpenAt(poll, Date.now());
  const most = Math.max(1, ...poll.options.map(({ votes = 0 }) => votes));
  const rows = poll.options.map((option) => row(option, { own, isOpen, most, poll, choose: (options) => on.act("vote", message, options) }));
  const group = el("div", { class: "options", role: "group", "aria-label": message.text || t("Poll") }, ...rows);
  box.replaceChildren(group, ...(poll.may_add && isOpen ? [adding(message, on)] : []), foot(message, isOpen, on));
}

export function isOpenAt({ closed_at: closed, closes_at: closes }, nowMs) {
  return !closed && !(closes && Date.parse(closes) <= nowMs);
}

function row({ id, text, votes = 0 }, { own, isOpen, most, poll, choose }) {
  const isOwn = own.includes(id);
  const share = poll.voters ? Math.round((votes / poll.voters) * 100) : 0;
  const bar = el("span", { class: "bar-of" });
  bar.style.inlineSize = `${share}%`;
  const count = t("{n} vote|{n} votes", { n: votes });
  return el(
    "button",
    {
      type: "button",
      class: !isOpen && votes === most ? "option won" : "option",
      "aria-pressed": String(isOwn),
      "aria-label": `${text}: ${count}, ${share} %`,
      "data-at": `option ${id}`,
      disabled: !isOpen,
      on: { click: () => choose(chosen(id, own, poll.votes_max ?? 1)) },
    },
    bar,
    el("span", { class: poll.votes_max > 1 ? "mark-of many" : "mark-of" }, isOwn ? icon("stored") : null),
    el("bdi", { class: "words", text }),
    el("span", { class: "count", text: votes ? `${votes} · ${share} %` : "0" }),
  );
}

/** The whole choice after one option was chosen, or chosen no more. Of one alone the next takes its place. */
export function chosen(id, own, most) {
  if (own.includes(id)) return own.filter((one) => one !== id);
  return most === 1 ? [id] : [...own, id].sort((a, b) => a - b);
}

function foot({ poll, ...message }, isOpen, on) {
  const { voters = 0, votes_max: most = 1, anonymous } = poll;
  const parts = [t("{n} person voted|{n} people voted", { n: voters })];
  if (isOpen && most > 1) parts.push(t("choose up to {n}", { n: most }));
  if (anonymous) parts.push(t("anonymous"));
  if (!isOpen) parts.unshift(t("Final result"));
  else if (poll.closes_at) parts.push(t("ends {time}", { time: `${dayLabel(Date.parse(poll.closes_at), Date.now())}, ${clockTime(Date.parse(poll.closes_at))}` }));
  const words = parts.join(" · ");
  if (anonymous || !voters) return el("p", { class: "poll-foot", text: words });
  const show = () => on.act("votes", { ...message, poll });
  return el("p", { class: "poll-foot" }, `${words} · `, el("button", { type: "button", class: "who", text: t("Who?"), "data-at": "who", on: { click: show } }, spoken(t(" Show the votes"))));
}

function adding(message, on) {
  const input = el("input", { class: "new-option", "aria-label": t("One more option"), placeholder: t("Add an option…"), maxlength: "100", dir: "auto", "data-at": "new option" });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const text = input.value.trim();
    if (event.key !== "Enter" || event.isComposing || !text) return;
    event.preventDefault();
    input.value = "";
    on.act("addOption", message, text);
  });
  return input;
}

const asking = new Set(); // users and polls whose own vote is asked for

/** What the user chose before: pages and events do not say it. */
export async function askOwn(session, { id }) {
  const key = `${session.user} ${id}`;
  if (asking.has(key) || !session.room) return;
  asking.add(key);
  const { channel } = session.room;
  const { answer } = await session.tried("poll.get", { channel, id });
  asking.delete(key);
  if (!answer) return;
  for (const room of [session.rooms.get(channel), session.reading.past, session.thread?.room]) {
    const message = room?.byId.get(id);
    if (message?.poll) message.poll = { ...message.poll, own: answer.own ?? [] };
  }
  session.on.changed("room");
}
