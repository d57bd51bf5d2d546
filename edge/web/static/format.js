// How things read: times, names, links in a text. Pure; the clock is passed in.

import { locale, t } from "./words.js";

const DAY_MS = 86_400_000;
const LINK = /https?:\/\/[^\s<>"'`\u201c\u201d\u300c\u300d]+/gu;
const TAIL = /[.,;:!?\u2026)\]}'"*_~]+$/u;

const time = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(locale, { weekday: "long" });
const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long" });
const dateOfYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });

export const clockTime = (ms) => time.format(ms);
export const fullTime = (ms) => full.format(ms);

/** The local day as a key: the same for all times of one day. */
export function dayKey(ms) {
  const day = new Date(ms);
  return `${day.getFullYear()}-${day.getMonth() + 1}-${day.getDate()}`;
}

/** "Today", "Yesterday", a weekday of the last six days, or a date. */
export function dayLabel(ms, nowMs) {
  const days = daysBetween(ms, nowMs);
  if (days === 0) return t("Today");
  if (days === 1) return t("Yesterday");
  if (days > 1 && days < 7) return weekday.format(ms);
  const sameYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear();
  return (sameYear ? date : dateOfYear).format(ms);
}

/** For the channel list: a time today, else a day. */
export function shortLabel(ms, nowMs) {
  const days = daysBetween(ms, nowMs);
  if (days === 0) return time.format(ms);
  if (days === 1) return t("Yesterday");
  return days > 1 && days < 7 ? weekday.format(ms).slice(0, 3) : short.format(ms);
}

function daysBetween(ms, nowMs) {
  const start = (at) => new Date(at).setHours(0, 0, 0, 0);
  return Math.round((start(nowMs) - start(ms)) / DAY_MS);
}

/** One or two letters that stand for a name; whole characters as a person sees them. */
export function initials(name) {
  const words = name.trim().split(/[\s\-_.]+/u).filter(Boolean);
  const first = (word) => [...new Intl.Segmenter().segment(word)][0]?.segment ?? "";
  if (!words.length) return "?";
  const last = words.length > 1 ? first(words[words.length - 1]) : "";
  return (first(words[0]) + last).toLocaleUpperCase();
}

/** A small number that is always the same for one id (nobody has one, too): which of `count` colours it has.
 *  Source: FNV-1a (32 bit). */
export function tone(id, count) {
  let sum = 11;
  for (const char of id ?? "") sum = Math.imul(sum ^ char.codePointAt(0), 16777619);
  return (sum >>> 13) % count;
}

/** The parts of a text: {text} or {text, href}. Only http and https become links. */
export function segments(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    let shown = match[0].replace(TAIL, "");
    // A closing bracket belongs to the address when it was opened in it.
    if (match[0][shown.length] === ")" && shown.split("(").length > shown.split(")").length) shown += ")";
    if (!URL.canParse(shown)) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: shown, href: new URL(shown).href });
    from = match.index + shown.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** "340 kB": how large a file is. */
export function sizeWords(bytes) {
  const step = bytes < 1e3 ? 0 : bytes < 1e6 ? 1 : bytes < 1e9 ? 2 : 3;
  return `${(bytes / 1e3 ** step).toLocaleString(locale, { maximumFractionDigits: step > 1 ? 1 : 0 })} ${["bytes", "kB", "MB", "GB"][step]}`;
}

/** The link to a message behind the server's address; as the server writes it. */
export const linkTo = (channel, id) => `/m/${channel.replace(/[^\w.:~-]/gu, encodeURIComponent)}/${id}`;

/** One line for the channel list. */
export function oneLine(text) {
  return text.replace(/\s+/gu, " ").trim().slice(0, 140);
}

/** The parts of a text between which somebody is named: {text} or {text, user}. `people`: [{user, name}]. */
export function mentioned(text, people) {
  const parts = [];
  let from = 0;
  while (from < text.length) {
    const spots = people.map((one) => ({ ...one, at: text.indexOf(`@${one.name}`, from) })).filter((one) => one.at >= 0);
    const first = spots.sort((a, b) => a.at - b.at || b.name.length - a.name.length)[0];
    if (!first) break;
    if (first.at > from) parts.push({ text: text.slice(from, first.at) });
    from = first.at + first.name.length + 1;
    parts.push({ text: text.slice(first.at, from), user: first.user });
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}
