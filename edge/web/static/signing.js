// Who is here: one of the demo's people, or whoever a connection token names. Loaded when it is asked.

import { el } from "./dom.js";
import { avatar } from "./faces.js";
import { t } from "./words.js";

function welcome(app, ...content) {
  const head = el("header", {}, el("img", { src: "/static/icon.svg", alt: "", width: "56", height: "56" }), el("h1", { text: "Hubbub" }));
  app.className = "welcome";
  app.replaceChildren(el("div", { class: "sheet" }, head, ...content));
}

/** In a demo there are no passwords. */
export function choosePerson(app, people) {
  const link = ({ user, name }) =>
    el("li", {}, el("a", { class: "person", href: `/?user=${encodeURIComponent(user)}${location.hash}` }, avatar(user, name), el("bdi", { text: name })));
  const content = [el("p", { class: "muted", text: t("Who would you like to be? No password: this is a demo.") }), el("ul", { class: "people" }, ...people.map(link))];
  if (people.length > 1) {
    const [one, other] = people;
    const first = ({ name }) => name.split(" ")[0];
    const href = `/?split=${encodeURIComponent(one.user)},${encodeURIComponent(other.user)}${location.hash}`;
    content.push(el("a", { class: "primary", href, text: t("{one} and {other} side by side", { one: first(one), other: first(other) }) }));
  }
  welcome(app, ...content);
}

/** The `sub` of a token, to know whose pane it is. The server alone decides whether it is good. */
function userOf(token) {
  try {
    const body = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? "";
  } catch {
    return "";
  }
}

/** Where the server has no demo people. `signIn(user, token)`. */
export function askToken(app, signIn) {
  const input = el("input", { id: "token", autocomplete: "off", spellcheck: "false", required: true });
  const error = el("p", { class: "error", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const token = input.value.trim();
    const user = userOf(token);
    if (user) signIn(user, token);
    else error.textContent = t("This is not a connection token with a user in it.");
  };
  welcome(
    app,
    el("p", { class: "muted", text: t("Sign in with a connection token, as POST /v1/tokens issues it.") }),
    el("form", { on: { submit } }, el("p", { class: "field" }, el("label", { for: "token", text: t("Connection token") }), input), error, el("button", { type: "submit", class: "primary", text: t("Sign in") })),
  );
}
