// Builds elements. Text goes through textContent alone: nothing a person wrote is ever parsed.

const SVG = "http://www.w3.org/2000/svg";

// Our own drawings, on a 20 × 20 grid, drawn as lines. A module that comes later brings its own.
export const DRAWINGS = {
  plus: "M10 4v12M4 10h12",
  back: "M12.500 4l-6 6 6 6",
  send: "M4 10h11M10.500 5l5 5-5 5",
  more: "M4.500 10h.01M10 10h.01M15.500 10h.01",
  stored: "M4.500 10.500l3.700 3.700 7.300-8",
  sending: "M10 3.500a6.500 6.500 0 1 0 .01 0zM10 6.500V10l2.500 1.500",
  failed: "M10 3.500a6.500 6.500 0 1 0 .01 0zM10 6.500v4.200M10 13.300v.01",
  twice: "M2 10.800l3.500 3.500 7-8M10.200 13.600l.7.7 7-8",
  pin: "M7 3.500h6M8 3.500l-.5 5.500-2.500 2.500h10L12.500 9 12 3.500M10 11.500V17",
  reply: "M8 5L3.500 9.500 8 14M4 9.500h7.500c3 0 5 2 5 5.500",
  muted: "M3.500 8v4h3l4 3.500v-11L6.500 8zM13.500 8l4 4M17.500 8l-4 4",
  theme: "M10 3a7 7 0 1 0 .01 0zM10 3v14M13 4v12M16 6.500v7",
  down: "M10 4v11.500M5 11l5 5 5-5",
  close: "M5 5l10 10M15 5L5 15",
  edit: "M4 16l.8-3.500L13 4.300l2.700 2.700-8.200 8.200z",
  thread: "M4 4.500h12v8H9.500L6 15.500v-3H4zM7.500 8.500h5",
  smile: "M10 3a7 7 0 1 0 .01 0zM7.500 7.500v1M12.500 7.500v1M7 12c1.500 2 4.500 2 6 0",
  poll: "M4 5h8M4 10h12M4 15h5",
  file: "M5.500 3h6l3 3v11h-9zM11 3v3.500h3.500",
  group: "M7.500 9.500a2.700 2.700 0 1 0-.01 0zM2.500 16c.4-2.800 2.400-4.200 5-4.200s4.600 1.400 5 4.200M13 5a2.300 2.300 0 0 1 0 4.500M14.500 12c1.700.4 2.800 1.700 3 4",
};

/** An element. `props`: attributes; `on`: listeners by event; `text`: its text. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, fn] of Object.entries(value)) node.addEventListener(event, fn);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A drawing that says nothing by itself: the words stand next to it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", DRAWINGS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows a drawing and is called `label`. */
export function iconButton(name, label, onClick, props = {}) {
  return el(
    "button",
    { type: "button", "aria-label": label, title: label, on: { click: onClick }, ...props },
    icon(name),
  );
}

const loaded = new Map();

/** Loads looks that the first view does not need; resolves when they are there. What fails is loaded anew next time. */
function looks(href) {
  if (!loaded.has(href)) {
    const put = (done, failed) => {
      const drop = ({ target }) => (target.remove(), loaded.delete(href), failed(new TypeError(`no import of ${href}`)));
      document.head.append(el("link", { rel: "stylesheet", href, on: { load: done, error: drop } }));
    };
    loaded.set(href, new Promise(put));
  }
  return loaded.get(href);
}

/** A module that is loaded later, once the looks of such are here as well. */
export function dressed(module) {
  return Promise.all([module, looks("/static/more.css")]).then(([loaded]) => loaded);
}

/** Words for screen readers only. */
export function spoken(text) {
  return el("span", { class: "spoken", text });
}

/** Makes `parent` hold exactly `nodes`, in this order, and touches only what differs: a node that is moved loses the
 *  focus and the selection. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const old of [...parent.childNodes]) if (!wanted.has(old)) old.remove();
  let place = parent.firstChild;
  for (const node of nodes) {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
}
