// A menu below a button. Loaded when one is opened.

import { el } from "./dom.js";

/** Opens it, or closes it. `items`: [words, act, look, isChecked]; `isChecked`, where given: one of several choices. */
export function dropDown(opener, label, items) {
  const old = opener.parentElement.querySelector(".menu");
  if (old) return old.remove();
  const menu = el("div", { class: "menu", role: "menu", "aria-label": label });
  const close = () => {
    menu.remove();
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
  };
  const item = ([words, act, look, isChecked]) => {
    const kind = isChecked === undefined ? { role: "menuitem" } : { role: "menuitemradio", "aria-checked": String(isChecked) };
    return el("button", { type: "button", ...kind, tabindex: "-1", class: look, text: words, on: { click: () => (close(), act()) } });
  };
  menu.append(...items.map(item));
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = [...menu.children];
    if (event.key === "Escape") close();
    else if (step) all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
    else if (event.key === "Home" || event.key === "End") all.at(event.key === "Home" ? 0 : -1).focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("focusout", (event) => {
    if (!event.relatedTarget || menu.contains(event.relatedTarget)) return;
    menu.remove();
    opener.setAttribute("aria-expanded", "false");
  });
  opener.after(menu);
  opener.setAttribute("aria-expanded", "true");
  menu.firstChild.focus();
}
