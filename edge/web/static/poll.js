// How a poll looks within its message, and how one votes. Loaded with the first poll that is shown.

import { el, icon, spoken } from "./dom.js";
import { clockTime, dayLabel } from "./format.js";

/** Fills `box`. `on`: {act(verb, message, more)}. */
export function fill(box, message, on) {
  const { poll } = message;
  if (poll.own === undefined) on.act("ownVote", message); // it is drawn again when that is known
  const own = poll.own ?? [];
  const isOpen = isOpenAt(poll, Date.now());
  const most = Math.max(1, ...poll.options.map(({ votes = 0 }) => votes));
  const rows = poll.options.map((option) => row(option, { own, isOpen, most, poll, choose: (options) => on.act("vote", message, options) }));
  const group = el("div", { class: "options", role: "group", "aria-label": message.text || "Poll" }, ...rows);
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
  const count = votes === 1 ? "1 vote" : `${votes} votes`;
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
  const parts = [voters === 1 ? "1 person voted" : `${voters} people voted`];
  if (isOpen && most > 1) parts.push(`choose up to ${most}`);
  if (anonymous) parts.push("anonymous");
  if (!isOpen) parts.unshift("Final result");
  else if (poll.closes_at) parts.push(`ends ${dayLabel(Date.parse(poll.closes_at), Date.now())}, ${clockTime(Date.parse(poll.closes_at))}`);
  const words = parts.join(" · ");
  if (anonymous || !voters) return el("p", { class: "poll-foot", text: words });
  const show = () => on.act("votes", { ...message, poll });
  return el("p", { class: "poll-foot" }, `${words} · `, el("button", { type: "button", class: "who", text: "Who?", "data-at": "who", on: { click: show } }, spoken(" Show the votes")));
}

function adding(message, on) {
  const input = el("input", { class: "new-option", "aria-label": "One more option", placeholder: "Add an option…", maxlength: "100", dir: "auto", "data-at": "new option" });
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
