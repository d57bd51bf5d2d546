// A menu below a button: closed by Escape, by what is chosen, and by a press or the focus elsewhere. Loaded when one
// is opened.

import { el } from "./dom.js";

/** Opens it, or closes it. `items`: [words, act, look, isChecked]; `isChecked`, where given: one of several choices. */
export function dropDown(opener, label, items) {
  const old = opener.parentElement.querySelector(".menu");
  if (old) return old.dispatchEvent(new Event("close"));
  const menu = el("div", { class: "menu", role: "menu", "aria-label": label });
  const go = () => {
    document.removeEventListener("pointerdown", elsewhere, true);
    menu.remove();
    opener.setAttribute("aria-expanded", "false");
  };
  const elsewhere = ({ target }) => menu.contains(target) || opener.contains(target) || go();
  const close = () => (go(), opener.focus());
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
  menu.addEventListener("focusout", ({ relatedTarget: next }) => {
    if (next === opener) opener.addEventListener("blur", go, { once: true }); // its press closes it
    else if (next && !menu.contains(next)) go();
  });
  menu.addEventListener("close", close);
  document.addEventListener("pointerdown", elsewhere, true);
  opener.after(menu);
  opener.setAttribute("aria-expanded", "true");
  menu.firstChild.focus();
}
