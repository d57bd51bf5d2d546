// Completion of names behind an "@" in a text box: a listbox that the box owns.
//
// Rules: it shows while the word before the caret begins with "@" and somebody fits. Arrows move, Enter and Tab
// choose, Escape closes. Who was chosen is named as long as "@name" stands in the text.

import { el } from "./dom.js";
import { avatar } from "./faces.js";
import { t } from "./words.js";

const SHOWN_MAX = 6;
const WORD = /(?:^|\s)@([^\s@]*)$/u;

export class Naming {
  /** `people()`: [{user, name}] who may be named here. */
  constructor(box, { id, people }) {
    this.box = box;
    this.people = people;
    this.chosen = new Map(); // user → name
    this.place = 0;
    this.list = el("ul", { class: "names", role: "listbox", id, "aria-label": t("People"), hidden: true });
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", id);
    box.addEventListener("blur", () => this.close());
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** The text or the caret changed. */
  look() {
    const word = WORD.exec(this.box.value.slice(0, this.box.selectionStart));
    const wanted = word?.[1].toLocaleLowerCase();
    const fits = ({ name, user }) => [user, ...name.split(" ")].some((part) => part.toLocaleLowerCase().startsWith(wanted));
    const found = word ? this.people().filter(fits).slice(0, SHOWN_MAX) : [];
    if (!found.length) return this.close();
    this.found = found;
    this.word = word[1];
    this.place = 0;
    this.#draw();
  }

  close() {
    this.list.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }

  /** A key of the box. Returns whether it was meant for this. */
  key(event) {
    if (!this.isOpen) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.place = (this.place + step + this.found.length) % this.found.length;
      this.#draw();
    } else if (event.key === "Enter" || event.key === "Tab") this.#choose(this.found[this.place]);
    else if (event.key === "Escape") this.close();
    else return false;
    return true;
  }

  /** Users who are named in a text. */
  of(text) {
    return [...this.chosen].filter(([, name]) => text.includes(`@${name}`)).map(([user]) => user);
  }

  #draw() {
    const rows = this.found.map(({ user, name }, place) => {
      const choose = (event) => (event.preventDefault(), this.#choose({ user, name }));
      const facts = { id: `${this.list.id}-${place}`, role: "option", "aria-selected": place === this.place ? "true" : "false" };
      return el("li", { ...facts, on: { pointerdown: choose } }, avatar(user, name, "small"), el("bdi", { text: name }));
    });
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.box.setAttribute("aria-activedescendant", `${this.list.id}-${this.place}`);
  }

  #choose({ user, name }) {
    const { box } = this;
    const end = box.selectionStart;
    box.setRangeText(`@${name} `, end - this.word.length - 1, end, "end");
    this.chosen.set(user, name);
    this.close();
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
