// The page of the API: /openapi.json and /asyncapi.json as a person reads them, and a way to try each call.

import { el } from "./dom.js";

const VERBS = ["get", "post", "put", "patch", "delete"];

const [api, socket] = await Promise.all(["/openapi.json", "/asyncapi.json"].map(load));
const main = document.getElementById("docs");
const contents = document.getElementById("contents");
main.replaceChildren();
showOperations();
showMethods();
showEvents();
showErrors();
main.setAttribute("aria-busy", "false");
document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
addEventListener("hashchange", goTo);
goTo();

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function section(title, groups) {
  contents.append(el("h2", { text: title }));
  for (const [name, rows] of groups) {
    const id = `${title}-${name}`.toLowerCase().replaceAll(" ", "-");
    contents.append(el("a", { href: `#${id}`, text: name }));
    main.append(el("section", { "data-group": true }, el("h2", { id, text: `${title} · ${name}` }), ...rows));
  }
}

function groupBy(rows, nameOf) {
  const groups = new Map();
  for (const row of rows) {
    const name = nameOf(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

function showOperations() {
  const rows = Object.entries(api.paths).flatMap(([path, methods]) =>
    VERBS.filter((verb) => methods[verb]).map((verb) => ({ path, verb, operation: methods[verb] })),
  );
  const groups = groupBy(rows, ({ operation }) => operation.tags[0]);
  section("REST", [...groups].map(([tag, found]) => [tag, found.map(operationRow)]));
}

function operationRow({ path, verb, operation }) {
  const method = verb.toUpperCase();
  const body = operation.requestBody?.content["application/json"];
  const [status, done] = Object.entries(operation.responses)[0];
  const answer = done.content["application/json"];
  return row(operation.operationId, [
    el("span", { class: `method ${method}`, text: method }),
    el("span", { class: "path", text: path }),
    el("span", { class: "what" }, ...prose(operation.summary)),
  ], () => [
    ...more(operation),
    ...fieldsOf("Parameters", operation.parameters.map((p) => [p.name, p.schema, p.required, p.in])),
    ...(body ? bodyOf("Body", body.schema) : []),
    ...bodyOf(`Answer ${status}`, answer.schema),
    ...samples(operation["x-codeSamples"]),
    ...counted(operation["x-limits"]),
    ...example("Request", body?.example),
    ...example("Answer", answer.example),
    tryIt(method, operation["x-codeSamples"]?.[0].source.match(/"\$HUB([^"]*)"/)?.[1] ?? path, body),
  ]);
}

function showMethods() {
  const messages = socket.components.messages;
  const names = Object.keys(socket.operations).filter((name) => name !== "publish");
  const groups = groupBy(names, (name) => name.split(".")[0]);
  section("rpc", [...groups].map(([noun, found]) => [noun, found.map((name) => row(`rpc-${name}`, [
    el("span", { class: "path", text: name }),
    el("span", { class: "what" }, ...prose(socket.operations[name].summary)),
  ], () => [
    ...more(socket.operations[name]),
    ...bodyOf("data", messages[`${name}.request`].payload),
    ...bodyOf("Answer", messages[`${name}.answer`].payload),
  ]))]));
}

function showEvents() {
  const messages = socket.components.messages;
  const tags = Object.keys(socket.channels.events.messages);
  const groups = groupBy(tags, (tag) => tag.split(".")[0]);
  section("Events", [...groups].map(([noun, found]) => [noun, found.map((tag) => row(`event-${tag}`, [
    el("span", { class: "path", text: tag }),
    el("span", { class: "what" }, ...prose(messages[tag].summary)),
  ], () => [...more(messages[tag]), el("p", { class: "what", text: KINDS[messages[tag]["x-kind"]] }), ...bodyOf("data", messages[tag].payload)]))]));
}

const KINDS = {
  numbered: "Stored in the log at an offset; resumes and history have it.",
  signal: "Not stored, without an offset: who is away misses it.",
};

function showErrors() {
  contents.append(el("h2", { text: "Errors" }), el("a", { href: "#errors", text: "all codes" }));
  const head = el("tr", {}, ...["code", "name", "HTTP", "retry", "meaning", "what to do"].map((text) => el("th", { text })));
  const rows = api["x-errors"].map((error) => el("tr", { id: error.name, "data-row": true },
    ...[error.code, error.name, error.status, error.retryable ? "yes" : "", error.text, error.hint].map((text) => el("td", { text: String(text) }))));
  main.append(el("section", { "data-group": true }, el("h2", { id: "errors", text: "Errors" }), el("table", {}, head, ...rows)));
}

/** A text in which `words` between backticks are code. */
function prose(text) {
  return text.split("\x60").map((part, place) => (place % 2 ? el("code", { text: part }) : part));
}

// What its one line has no room for.
function more({ description }) {
  return description ? [el("p", { class: "what" }, ...prose(description))] : [];
}

// A row that is drawn inside when it is first opened.
function row(id, summary, inside) {
  const node = el("details", { class: "row", id, "data-row": true }, el("summary", {}, ...summary));
  node.addEventListener("toggle", () => {
    if (node.open && !node.dataset.drawn) {
      node.dataset.drawn = "yes";
      node.append(el("div", { class: "inside" }, ...inside()));
    }
  });
  return node;
}

function resolved(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? api.components.schemas[name] ?? socket.components.schemas[name] ?? {} : schema ?? {};
}

function bodyOf(title, schema) {
  const parts = resolved(schema).allOf ?? [schema];
  const rows = parts.map(resolved).flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).map(([name, inner]) => [name, inner, required.includes(name), ""]));
  return fieldsOf(title, rows);
}

function fieldsOf(title, rows) {
  if (!rows.length) return [];
  return [el("h3", { text: title }), el("table", {}, ...rows.map(([name, schema, required, place]) => el("tr", {},
    el("td", {}, el("code", { text: name }), required ? el("span", { class: "must", text: " *", title: "required" }) : ""),
    el("td", { text: typeOf(schema) }),
    el("td", { class: "what", text: [place, noteOf(schema)].filter(Boolean).join(" · ") }),
  )))];
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `${typeOf(schema.items ?? {})} []`;
  return schema.type ?? "any";
}

function noteOf(schema) {
  const inner = resolved(schema);
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "pattern", "format"];
  return [inner.description, ...bounds.filter((key) => schema[key] !== undefined).map((key) => `${key} ${schema[key]}`),
    schema.default !== undefined && schema.default !== "" ? `default ${JSON.stringify(schema.default)}` : ""].filter(Boolean).join(", ");
}

/** Text in a box that scrolls: with the keyboard, too. */
function block(title, text) {
  return el("pre", { tabindex: "0", role: "group", "aria-label": title, text });
}

function samples(found = []) {
  return found.flatMap(({ lang, source }) => [el("h3", { text: lang }), block(lang, source)]);
}

function counted(names = []) {
  if (!names.length) return [];
  const links = names.flatMap((name) => [" ", el("a", { href: "/docs/limits.md", text: name })]);
  return [el("p", { class: "what" }, "Counts in", ...links)];
}

function example(title, value) {
  return value === undefined ? [] : [el("h3", { text: `${title} (recorded)` }), block(title, JSON.stringify(value, null, 2))];
}

function tryIt(method, path, body) {
  const address = el("input", { "aria-label": "Address", value: path });
  const text = body && el("textarea", { "aria-label": "Body", spellcheck: "false" });
  if (text) text.value = JSON.stringify(body.example ?? {}, null, 2);
  const out = block("What the server said", "");
  out.hidden = true;
  out.ariaLive = "polite";
  const send = el("button", { type: "button", text: "Try it", on: { click: async () => {
    out.hidden = false;
    out.textContent = "…";
    out.textContent = await call(method, address.value, text?.value).catch((error) => String(error));
  } } });
  return el("div", { class: "try" }, el("h3", { text: "Try" }), address, ...(text ? [text] : []), send, out);
}

async function call(method, address, body) {
  const key = document.getElementById("key").value;
  const headers = { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(new URL(address, location.origin), { method, headers, body });
  const said = await response.text();
  let shown = said;
  try { shown = JSON.stringify(JSON.parse(said), null, 2); } catch { /* shown as it is */ }
  return `${response.status} ${response.statusText}\n${shown}`;
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of document.querySelectorAll("[data-group]")) {
    let found = 0;
    for (const node of group.querySelectorAll("[data-row]")) {
      const said = (node.querySelector("summary") ?? node).textContent.toLowerCase();
      node.hidden = !wanted.every((word) => said.includes(word));
      found += !node.hidden;
    }
    group.hidden = found === 0;
  }
}

function goTo() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!node) return;
  for (const old of document.querySelectorAll(".led")) old.classList.remove("led");
  node.classList.add("led");
  if (node.tagName === "DETAILS") node.open = true;
  node.scrollIntoView();
}
