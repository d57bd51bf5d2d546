// What one may do with the opened channel: members, pins, mute, archive, block, leave. Loaded when it is opened.

import { el } from "./dom.js";

/** A menu below `opener`. `on`: {members(), pins(), left()}. */
export function showOptions(opener, session, on) {
  const old = opener.parentElement.querySelector(".menu");
  if (old) return old.remove();
  const row = session.list.rows.get(session.room.channel) ?? {};
  const { channel, peer, kind } = row;
  const isBlocked = session.blocked.has(peer);
  const leave = async () => (await session.command("member.leave", { channel })) && on.left();
  const items = [
    ...(peer ? [] : [["Members", on.members]]),
    ["Pinned messages", on.pins],
    [row.muted ? "Unmute" : "Mute", () => session.settle(channel, { muted: !row.muted })],
    [row.archived ? "Take out of the archive" : "Archive", () => session.settle(channel, { archived: !row.archived })],
  ];
  if (peer) items.push([isBlocked ? "Unblock" : "Block", () => session.block(peer, !isBlocked), "sure"]);
  else if (kind === "group") items.push(["Leave", leave, "sure"]);

  const menu = el("div", { class: "menu", role: "menu", "aria-label": "Conversation options" });
  const close = () => {
    menu.remove();
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
  };
  const item = ([words, act, look]) =>
    el("button", { type: "button", role: "menuitem", tabindex: "-1", class: look, text: words, on: { click: () => (close(), act()) } });
  menu.append(...items.map(item));
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = [...menu.children];
    if (event.key === "Escape") close();
    else if (step) all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("focusout", (event) => !menu.contains(event.relatedTarget) && event.relatedTarget && menu.remove());
  opener.after(menu);
  opener.setAttribute("aria-expanded", "true");
  menu.firstChild.focus();
}
