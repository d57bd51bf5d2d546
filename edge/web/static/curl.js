// A command of the socket as a line for a shell that asks the same over REST. Pure. Loaded when one is copied.

const scalar = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const named = (path) => [...path.matchAll(/\{(\w+)\}/gu)].map(([, name]) => name);

/**
 * The line, or "" where REST has no such thing. `paths`: of /openapi.json, whose operations say which rpc they are
 * (`x-rpc`); `user`: who said it, whose token the reader puts into TOKEN.
 */
export function curl(paths, { method: verb, data = {} }, user, origin) {
  const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== "" && value !== undefined));
  const routes = Object.entries(paths)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation, names: named(path) })))
    .filter(({ operation, names }) => operation["x-rpc"] === verb && names.every((name) => name in given || name === "user"));
  // Of several the one whose path says most of what was said; with the caller in it only if it must be.
  const open = ({ names }) => names.filter((name) => !(name in given)).length;
  const [best] = routes.sort((a, b) => open(a) - open(b) || b.names.length - a.names.length);
  if (!best) return "";
  const path = best.path.replace(/\{(\w+)\}/gu, (_, name) => encodeURIComponent(given[name] ?? user));
  const rest = Object.entries(given).filter(([name]) => !best.names.includes(name));
  const method = best.method.toUpperCase();
  const query = best.operation.requestBody ? "" : rest.map(([name, value]) => `${name}=${encodeURIComponent(scalar(value))}`).join("&");
  const words = ["curl -X", method, quoted(origin + path + (query && `?${query}`)), '-H "Authorization: Bearer $TOKEN"'];
  if (best.operation.requestBody) words.push(`-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(Object.fromEntries(rest)))}`);
  return words.join(" ");
}
