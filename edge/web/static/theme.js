// Light, dark, or as the system has it: chosen by one button, kept in this browser.

import { iconButton } from "./dom.js";
import { t } from "./words.js";

const KEY = "hubbub.theme";
const NEXT = { "": "light", light: "dark", dark: "" };
const WORDS = { "": t("as the system"), light: t("light"), dark: t("dark") };

/** Puts the kept choice into effect. */
export function applyTheme(storage) {
  const theme = storage.getItem(KEY) ?? "";
  document.documentElement.dataset.theme = theme in NEXT ? theme : "";
}

export function themeButton(storage) {
  const words = () => t("Colours: {which}", { which: WORDS[document.documentElement.dataset.theme] });
  const turn = () => {
    storage.setItem(KEY, NEXT[document.documentElement.dataset.theme]);
    applyTheme(storage);
    button.title = words();
    button.setAttribute("aria-label", words());
  };
  const button = iconButton("theme", words(), turn, { class: "plain" });
  return button;
}
