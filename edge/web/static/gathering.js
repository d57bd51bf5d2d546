// The dialogs that begin a conversation, one person or a group with a name, and that choose one of those there are.

import { el, iconButton } from "./dom.js";
import { avatar, placeAvatar } from "./faces.js";
import { t } from "./words.js";

/** `people`: [{user, name}] to choose from; empty: ids are typed. */
export function gather(people, session, open) {
  const dialog = el("dialog", { class: "gathering", "aria-label": t("New conversation") });
  const name = el("input", { id: "group-name", maxlength: "100", autocomplete: "off", dir: "auto" });
  const named = el("p", { class: "field", hidden: true }, el("label", { for: "group-name", text: t("Group name") }), name);
  const error = el("p", { class: "error", role: "alert" });
  const begin = el("button", { type: "submit", class: "primary", text: t("Start chat"), disabled: true });
  const choice = people.length ? boxes(people) : typed();

  const refresh = () => {
    const count = choice.users().length;
    named.hidden = count < 2;
    begin.disabled = count === 0;
    begin.textContent = count > 1 ? t("Create group") : t("Start chat");
  };
  const submit = async (event) => {
    event.preventDefault();
    const users = choice.users();
    begin.disabled = true;
    error.textContent = "";
    try {
      if (users.length === 1) open(await session.direct(users[0]));
      else open(await group(session, name.value.trim() || users.map(choice.nameOf).join(", ").slice(0, 100), users));
      dialog.close();
    } catch (failure) {
      error.textContent = t("That did not work: {why}", { why: failure.message });
      begin.disabled = false;
    }
  };
  const close = iconButton("close", t("Close"), () => dialog.close(), { class: "plain" });
  const head = el("div", { class: "head" }, el("h2", { text: t("New conversation") }), close);
  const form = el("form", { on: { submit, input: refresh } }, head, choice.root, named, error, begin);
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function group(session, name, members) {
  const { channel } = await session.ask("channel.create", { kind: "group", name, members });
  if (!session.list.rows.has(channel)) session.list.extend([{ channel, kind: "group", state: "joined", role: "owner", name }]);
  return channel;
}

function boxes(people) {
  const inputs = people.map(({ user }) => el("input", { type: "checkbox", value: user }));
  const rows = people.map(({ user, name }, place) =>
    el("label", { class: "person" }, avatar(user, name, "small"), el("bdi", { text: name }), inputs[place]),
  );
  const root = el("fieldset", {}, el("legend", { text: t("With whom? One person, or several for a group") }), ...rows);
  const nameOf = (user) => people.find((person) => person.user === user).name.split(" ")[0];
  return { root, nameOf, users: () => inputs.filter((input) => input.checked).map((input) => input.value) };
}

function typed() {
  const input = el("input", { id: "with", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const label = el("label", { for: "with", text: t("User ids, separated by commas") });
  const users = () => [...new Set(input.value.split(/[\s,]+/).filter(Boolean))];
  return { root: el("p", { class: "field" }, label, input), nameOf: (user) => user, users };
}

/** A dialog to choose one of the conversations. `rows`: [{channel, title, kind, peer}]; `choose(channel)`. */
export function chooseChannel(title, rows, choose) {
  const item = ({ channel, title: name, kind, peer }) => {
    const go = () => (dialog.close(), choose(channel));
    const face = kind === "dm" ? avatar(peer || channel, name, "small") : placeAvatar(channel);
    return el("li", {}, el("button", { type: "button", class: "person", on: { click: go } }, face, el("bdi", { text: name })));
  };
  const close = iconButton("close", t("Close"), () => dialog.close(), { class: "plain" });
  const list = el("ul", { class: "choices" }, ...rows.map(item));
  const dialog = el("dialog", { class: "gathering details", "aria-label": title }, el("div", { class: "head" }, el("h2", { text: title }), close), list);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
