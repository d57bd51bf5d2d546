// Who is in a conversation, who asks to be let in, and what may be done with a person. Loaded when it is shown.

import { block } from "./blocking.js";
import { sheet, when } from "./details.js";
import { el } from "./dom.js";
import { avatar } from "./faces.js";
import { t } from "./words.js";

const RANKS = ["invited", "member", "moderator", "owner"];
const ROLES = { invited: t("invited"), moderator: t("moderator"), owner: t("owner") };
const TIMES = [[t("For 10 minutes"), 600], [t("For an hour"), 3_600], [t("For a day"), 86_400]];

/** `means`: {people, write(user), said(words)}. Rejects with an Error whose message is shown. */
export async function showMembers(session, means) {
  const { channel } = session.room;
  const mine = session.list.of(channel)?.role ?? "";
  const isStaff = RANKS.indexOf(mine) >= 2;
  const [page, asked] = await Promise.all([session.ask("members.list", { channel, limit: 100 }), isStaff && !channel.startsWith("open:") ? session.tried("join_requests.list", { channel }) : {}]);
  const more = page.next ? el("p", { class: "muted", text: t("and {n} others", { n: page.count - page.members.length }) }) : null;
  const member = ({ user, role }) => {
    const name = session.author(user);
    const show = () => (dialog.close(), showPerson(user, session, means, role));
    const button = el("button", { type: "button", class: "person", on: { click: show } });
    button.append(avatar(user, name, "small", session.people.state(user)), el("bdi", { text: name }), el("span", { class: "when", text: ROLES[role] ?? "" }));
    return el("li", {}, button);
  };
  const said = el("p", { class: "error", role: "alert" });
  const requests = asked.answer?.requests ?? [];
  const waiting = requests.length ? el("section", {}, el("h3", { text: t("Ask to be let in") }), el("ul", {}, ...requests.map((one) => request(one, channel, session, said)))) : null;
  const others = means.people.filter(({ user }) => !page.members.some((one) => one.user === user) && !requests.some((one) => one.user === user));
  const guests = isStaff && others.length && !channel.startsWith("open:") ? el("section", {}, el("h3", { text: t("Not here yet") }), el("ul", {}, ...others.map((one) => guest(one, channel, session, said)))) : null;
  const dialog = sheet(t("{n} member|{n} members", { n: page.count }), el("div", { class: "votes" }, said, waiting, el("ul", {}, ...page.members.map(member)), more, guests));
}

/** A button that is its own outcome: what is done takes its place. */
function once(words, label, done, act, said) {
  const go = async () => {
    button.disabled = true;
    const { error } = await act();
    if (error) said.textContent = error.message;
    if (error) button.disabled = false;
    else button.parentElement.replaceChildren(...[...button.parentElement.children].filter((node) => node.tagName !== "BUTTON"), el("span", { class: "when", text: done }));
  };
  const button = el("button", { type: "button", "aria-label": label, text: words, on: { click: go } });
  return button;
}

function request({ user, requested, text }, channel, session, said) {
  const name = session.author(user);
  const say = (verb) => () => session.tried(verb, { channel, user });
  return el(
    "li",
    { class: "person" },
    avatar(user, name, "small"),
    el("bdi", { text: name, title: when(requested) }, text ? el("span", { class: "snippet", text }) : null),
    once(t("Let in"), t("Let {name} in", { name }), t("Let in"), say("member.accept_request"), said),
    once(t("Decline"), t("Decline {name}", { name }), t("Declined"), say("member.decline_request"), said),
  );
}

function guest({ user, name }, channel, session, said) {
  const invite = () => session.tried("member.invite", { channel, users: [user] });
  return el("li", { class: "person" }, avatar(user, name, "small"), el("bdi", { text: name }), once(t("Invite"), t("Invite {name}", { name }), t("Invited"), invite, said));
}

/** One person: how he is, and what may be done with him here. `role`: his,
 *  if it is known; staff is told of it, and of what he may not do. */
export async function showPerson(user, session, means, role = "") {
  const row = session.list.of(session.room?.channel) ?? {};
  const { channel, role: mine = "", kind } = row;
  const name = session.author(user);
  const isSelf = user === session.user;
  const isStaff = RANKS.indexOf(mine) >= 2 && kind !== "dm" && !isSelf;
  const { answer: rights } = isStaff ? await session.tried("capabilities.get", { channel, user }) : {};
  role = rights?.role ?? role;
  // As the server has it: an owner may do it to owners, too.
  const ranks = isStaff && (mine === "owner" || RANKS.indexOf(mine) > RANKS.indexOf(role));
  const isIn = RANKS.indexOf(role) >= 1;
  const why = rights?.capabilities.send.from;
  const isBlocked = session.blocked.has(user);
  const act = (words, does, look = "") => el("button", { type: "button", class: look, text: words, on: { click: () => (dialog.close(), does()) } });
  const command = (verb, more = {}) => () => session.command(verb, { channel, users: [user], ...more });
  const parts = [];
  if (!isSelf) parts.push(el("div", { class: "acts" }, act(t("Write a message"), () => means.write(user), "primary"), act(isBlocked ? t("Unblock") : t("Block"), () => block(session, user, !isBlocked), "sure")));
  if (ranks) {
    const muting = TIMES.map(([words, for_s]) => act(words, command("member.timeout", { for_s })));
    if (why === "mute") muting.push(act(t("Unmute"), command("member.unmute")));
    if (isIn || kind === "open") parts.push(el("h3", { text: why === "mute" ? t("Muted here") : t("Mute here") }), el("div", { class: "acts" }, ...muting));
    const owners = () => [[t("Make owner"), "owner"], [t("Make moderator"), "moderator"], [t("Make member"), "member"]];
    const roles = (mine === "owner" && isIn ? owners() : []).filter(([, to]) => to !== role).map(([words, to]) => act(words, () => session.command("member.set_role", { channel, user, role: to })));
    const out = isIn ? [act(t("Remove"), command("member.remove"), "sure")] : [];
    if (why === "ban") out.push(act(t("Unban"), command("member.unban")));
    else out.push(act(t("Ban for a day"), command("member.ban", { for_s: 86_400 }), "sure"), act(t("Ban"), command("member.ban"), "sure"));
    parts.push(el("h3", { text: t("Membership") }), el("div", { class: "acts" }, ...roles, ...out));
  }
  const state = session.people.words(user, Date.now());
  const head = el("div", { class: "person-card" }, avatar(user, name, "", session.people.state(user)), el("div", {}, el("bdi", { class: "name", text: name }), el("span", { class: "about", text: [ROLES[role] ?? "", isBlocked ? t("Blocked") : state].filter(Boolean).join(" · ") })));
  const dialog = sheet(isSelf ? t("You") : t("Person"), el("div", { class: "votes" }, head, ...parts));
}
