// Emojis to choose from: for a text, or as a reaction. Loaded when it is opened. The whole of Unicode is on the
// keyboard's own palette; these are what people use most.

import { sheet } from "./details.js";
import { el } from "./dom.js";
import { t } from "./words.js";

const GROUPS = [
  [t("Faces"), "😀 😃 😄 😁 😅 😂 🤣 🙂 🙃 😉 😊 😇 🥰 😍 😘 😋 😜 🤪 🤗 🤔 🤫 😐 😏 😴 😌 😬 🙄 😮 😲 😳 🥺 😢 😭 😤 😡 🤯 😱 🥵 🥶 🤒 🤢 🥳 😎 🤓 😈 💩 👻 🤖"],
  [t("Hands and hearts"), "👍 👎 👌 ✌️ 🤞 🤘 🤙 👋 🙌 👏 🙏 💪 👀 🤝 ✍️ 🤷 🤦 🙋 ❤️ 🧡 💛 💚 💙 💜 🖤 🤍 💔 💯 🔥 ✨ 💥 💤"],
  [t("Around us"), "🐶 🐱 🐭 🦊 🐻 🐼 🐨 🦁 🐷 🐸 🐵 🐔 🐧 🦉 🐝 🦋 🐢 🐙 🐬 🐳 🌱 🌳 🌵 🌷 🌻 🍀 🍁 🌍 🌙 ⭐ ☀️ ⛅ 🌧️ ⛄ 🌈 🌊"],
  [t("Food and play"), "🍎 🍌 🍉 🍓 🥑 🥕 🍞 🧀 🍕 🍔 🍟 🌮 🍣 🍜 🍰 🎂 🍪 🍫 ☕ 🍵 🍺 🍷 🥂 ⚽ 🏀 🎾 🚴 🏃 🧗 🎮 🎲 🎨 🎸 🎧 🎬 📚"],
  [t("Things and signs"), "🎉 🎁 🏆 🚀 ✈️ 🚗 🚲 🚆 🏠 🏖️ ⏰ 📅 📌 📎 ✏️ 💡 🔑 🔒 🔧 🐛 💻 📱 📷 💰 📈 📉 ✅ ❌ ⚠️ ❓ ❗ ➕ 🔁 ⬆️ ⬇️ 🏁"],
];

/** `chosen(emoji)`, after the sheet is gone. */
export function chooseEmoji(chosen) {
  const take = (emoji) => (dialog.close(), chosen(emoji));
  const button = (emoji) => el("button", { type: "button", class: "emoji", tabindex: "-1", text: emoji, on: { click: () => take(emoji) } });
  const group = ([name, emojis]) => el("section", { "aria-label": name }, el("h3", { text: name }), el("div", { class: "palette" }, ...emojis.split(" ").map(button)));
  const box = el("div", { class: "votes" }, ...GROUPS.map(group));
  const dialog = sheet(t("Emoji"), box);
  const all = [...box.querySelectorAll("button")];
  const go = (node) => {
    all.forEach((one) => (one.tabIndex = one === node ? 0 : -1));
    node.focus();
  };
  box.addEventListener("keydown", (event) => {
    const next = beside(event.key, document.activeElement, all);
    if (!next) return;
    event.preventDefault();
    go(next);
  });
  go(all[0]);
}

/** Arrows move one to the side, or to the nearest in the next line. */
function beside(key, from, all) {
  const place = all.indexOf(from);
  const side = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (side) return all[place + side];
  const way = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!way) return undefined;
  const { offsetTop: top, offsetLeft: left } = from;
  const others = way > 0 ? all.slice(place + 1) : all.slice(0, Math.max(0, place)).reverse();
  const line = others.find((one) => one.offsetTop !== top)?.offsetTop;
  const far = (one) => Math.abs(one.offsetLeft - left);
  return others.filter((one) => one.offsetTop === line).sort((a, b) => far(a) - far(b))[0];
}
