// What one may do with the opened channel: members, pins, mute, archive, hide, block, leave. Loaded when it is opened.

import { block } from "./blocking.js";
import { dropDown } from "./dropdown.js";
import { t } from "./words.js";

const SLOW_S = 30;

/** A menu below `opener`. `on`: {members(), pins(), left()}. */
export function showOptions(opener, session, on) {
  const { room } = session;
  const row = session.list.of(room.channel) ?? {};
  const { channel, peer, kind } = row;
  const isBlocked = session.blocked.has(peer);
  const isStaff = row.role === "owner" || row.role === "moderator";
  const settle = (settings) => session.command("channel.set_mine", { channel, ...settings });
  const leave = async () => (await session.command("member.leave", { channel })) && on.left();
  const hide = async (hidden) => (await settle({ hidden })) && on.left();
  const askLeave = () => dropDown(opener, t("Leave…"), [[t("Stay"), () => {}], [t("Leave"), leave, "sure"]]);
  const askHide = () => dropDown(opener, t("Hide…"), [[t("Until the next message"), () => hide("until_message")], [t("For good"), () => hide("for_good")]]);
  const items = [
    ...(peer ? [] : [[t("Members"), on.members]]),
    [t("Pinned messages"), on.pins],
    [row.muted ? t("Unmute") : t("Mute"), () => settle({ muted: !row.muted })],
    [row.favourite ? t("Unpin from the list") : t("Pin to the top of the list"), () => settle({ favourite: !row.favourite })],
    [row.archived ? t("Take out of the archive") : t("Archive"), () => settle({ archived: !row.archived })],
    (row.hidden ?? "no") === "no" ? [t("Hide…"), askHide] : [t("Show in the list again"), () => settle({ hidden: "no" })],
  ];
  if (isStaff && !peer) {
    const { frozen, slow } = room;
    items.push([frozen ? t("Let everybody write") : t("Let only moderators write"), () => session.command(frozen ? "channel.unfreeze" : "channel.freeze", { channel })]);
    items.push([slow ? t("End slow mode") : t("Slow mode: one message in {n} s", { n: SLOW_S }), () => session.command("channel.set_slow_mode", { channel, seconds: slow ? 0 : SLOW_S })]);
  }
  if (peer) items.push([isBlocked ? t("Unblock") : t("Block"), () => block(session, peer, !isBlocked), "sure"]);
  else if (kind === "group") items.push([t("Leave…"), askLeave, "sure"]);
  dropDown(opener, t("Conversation options"), items);
}
