// Light markup in a text: code, blocks of code, bold, italic, struck through; and links. Pure: parts, no elements.
//
// Rules: nothing within code or a link is markup; a mark stands at the edge of a word, so that snake_case and
// 2 * 3 * 4 stay what they are.

import { oneLine, segments } from "./format.js";
import { t } from "./words.js";

const CODE = /\n?\x60{3}(?:[\w+#-]*\n)?([^]+?)\n?\x60{3}\n?|\x60([^\x60\n]+)\x60/gu;
const MARK = /(?<![\p{L}\p{N}*_~])(\*\*|~~|\*|_)(?=[^\s*_~])(.{1,400}?)(?<=\S)\1(?![\p{L}\p{N}*_~])/gu;
const TAGS = { "**": "strong", "*": "em", _: "em", "~~": "s" };
const LARGE_MAX = 3;

/** The parts of a text: {text}, {text, href}, {text, code: "inline" | "block"} or {tag, parts}. */
export function marked(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(CODE)) {
    parts.push(...plain(text.slice(from, found.index)));
    parts.push(found[1] === undefined ? { text: found[2], code: "inline" } : { text: found[1], code: "block" });
    from = found.index + found[0].length;
  }
  return [...parts, ...plain(text.slice(from))];
}

function plain(text) {
  return segments(text).flatMap((part) => (part.href ? [part] : split(part.text)));
}

function split(text) {
  const parts = [];
  let from = 0;
  for (const { 0: all, 1: mark, 2: inner, index } of text.matchAll(MARK)) {
    if (index > from) parts.push({ text: text.slice(from, index) });
    parts.push({ tag: TAGS[mark], parts: split(inner) });
    from = index + all.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** Whether what stands in a message's place says only that somebody blocked wrote it. */
export const isHidden = ({ t: kind }) => kind === "message.hidden";

/** What a message says, in one line and without marks. */
export function gist(message) {
  if (isHidden(message)) return t("Hidden: written by somebody you block");
  if (message.deleted) return t("A deleted message");
  const { text } = message;
  return text ? oneLine(/[*_~\x60]/u.test(text) ? bare(marked(text)) : text) : t("(data)");
}

const bare = (parts) => parts.map((part) => part.text ?? bare(part.parts)).join("");

/** Whether a text is a few emoji and nothing else. */
export function isFewEmoji(text) {
  if (text.length > 40) return false;
  const signs = [...new Intl.Segmenter().segment(text.replace(/\s/gu, ""))];
  return signs.length > 0 && signs.length <= LARGE_MAX && signs.every(({ segment }) => /^(?:\p{Extended_Pictographic}|\p{RI}{2})/u.test(segment));
}
