// The dialog that makes a poll. Loaded when it is opened.

import { el, iconButton } from "./dom.js";
import { t } from "./words.js";

const OPTIONS_MAX = 10; // more do not read well; the server takes 100
const ENDS = [["0", t("Stays open")], ["3600", t("In an hour")], ["86400", t("In a day")], ["604800", t("In a week")]];

/** `create(poll)` resolves when it is sent, or rejects with an Error whose message is shown. */
export function askPoll({ create, now }) {
  const question = el("input", { id: "poll-question", maxlength: "500", autocomplete: "off", dir: "auto", required: true });
  const list = el("div", { class: "new-options" });
  const many = el("input", { type: "checkbox" });
  const anonymous = el("input", { type: "checkbox" });
  const mayAdd = el("input", { type: "checkbox" });
  const ends = el("select", { id: "poll-ends" }, ...ENDS.map(([value, text]) => el("option", { value, text })));
  const error = el("p", { class: "error", role: "alert" });
  const begin = el("button", { type: "submit", class: "primary", text: t("Create poll"), disabled: true });
  const boxes = () => [...list.querySelectorAll("input")];
  const options = () => boxes().map((box) => box.value.trim()).filter(Boolean);

  const grow = () => {
    const all = boxes();
    if (all.length < OPTIONS_MAX && (all.length < 2 || all.at(-1).value.trim())) {
      const words = t("Option {n}", { n: all.length + 1 });
      list.append(el("input", { "aria-label": words, placeholder: words, maxlength: "100", autocomplete: "off", dir: "auto" }));
      if (all.length < 1) grow();
    }
  };
  const refresh = () => {
    grow();
    const found = options();
    const isDouble = new Set(found).size < found.length;
    error.textContent = isDouble ? t("Two options are the same.") : "";
    begin.disabled = !question.value.trim() || found.length < 2 || isDouble;
  };
  const submit = async (event) => {
    event.preventDefault();
    begin.disabled = true;
    const seconds = Number(ends.value);
    try {
      await create({
        question: question.value.trim(),
        options: options(),
        votes_max: many.checked ? Math.min(10, options().length) : 1,
        anonymous: anonymous.checked,
        may_add: mayAdd.checked,
        ...(seconds && { closes_at: now() + seconds * 1_000 }),
      });
      dialog.close();
    } catch (failure) {
      error.textContent = t("That did not work: {why}", { why: failure.message });
      begin.disabled = false;
    }
  };
  const check = (box, words) => el("label", { class: "check" }, box, words);
  const close = iconButton("close", t("Close"), () => dialog.close(), { class: "plain" });
  const form = el(
    "form",
    { on: { submit, input: refresh } },
    el("div", { class: "head" }, el("h2", { text: t("New poll") }), close),
    el("p", { class: "field" }, el("label", { for: "poll-question", text: t("Question") }), question),
    el("fieldset", { class: "field" }, el("legend", { text: t("Options") }), list),
    check(many, t("Several answers")),
    check(anonymous, t("Anonymous: nobody sees who chose what")),
    check(mayAdd, t("Others may add options")),
    el("p", { class: "field" }, el("label", { for: "poll-ends", text: t("Ends") }), ends),
    error,
    begin,
  );
  const dialog = el("dialog", { class: "gathering", "aria-label": t("New poll") }, form);
  grow();
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  question.focus();
}
