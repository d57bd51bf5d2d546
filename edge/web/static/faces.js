// Round pictures made of initials, with a dot for how somebody is; square ones for places.

import { el, icon } from "./dom.js";
import { initials, tone } from "./format.js";

export const TONES = 8;

export function avatar(id, name, size = "", state = "") {
  const picture = el("span", { class: `avatar tone-${tone(id, TONES)} ${size}`, "aria-hidden": "true", text: initials(name) });
  return state && state !== "offline" ? el("span", { class: "face" }, picture, el("span", { class: `here here-${state}` })) : picture;
}

export function placeAvatar(id) {
  return el("span", { class: `avatar place tone-${tone(id, TONES)}`, "aria-hidden": "true" }, icon("group"));
}
