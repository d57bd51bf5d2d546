// What holds for who writes in a channel now: frozen, muted, slow mode. Pure.

import { clockTime, dayKey, dayLabel } from "./format.js";
import { t } from "./words.js";

/** {words, until, ends}: nothing can be sent before `until`, in ms; Infinity: not at all; `ends`: then the words
 *  do not hold any more. `row`: of the list. */
export function boundsOf(room, row, user, now) {
  const { frozen, slow, muted } = room;
  if (muted) return { words: muted === Infinity ? t("You are muted here") : t("You are muted here until {time}", { time: timeWords(muted, now) }), until: muted, ends: true };
  if (row?.role === "owner" || row?.role === "moderator") return { words: "", until: 0 };
  if (frozen) return { words: t("Only moderators can write here now"), until: Infinity };
  if (!slow) return { words: "", until: 0 };
  const own = room.messages.findLast((message) => message.by === user);
  return { words: t("Slow mode: one message in {n} s", { n: slow }), until: own ? Date.parse(own.ts) + slow * 1_000 : 0 };
}

const timeWords = (ms, now) => (dayKey(ms) === dayKey(now) ? clockTime(ms) : `${dayLabel(ms, now)}, ${clockTime(ms)}`);

/** The same as it reads now. */
export function boundWords({ words, until, ends = false }, nowMs) {
  if (ends && until <= nowMs) return "";
  const left = Math.ceil((until - nowMs) / 1_000);
  return !ends && Number.isFinite(left) && left > 0 && left < 3_600 ? `${words} · ${t("{n} s left", { n: left })}` : words;
}
