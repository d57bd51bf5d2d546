// Whether somebody is at this page. Its connections say that they are idle when no hand has touched it for
// five minutes (a page that is not seen is touched by nobody), and that they are not at the first touch.
//
// It is a word about a connection: another one is told anew. What fails is said again at the next look.

export const IDLE_MS = 300_000;
const LOOK_MS = 15_000;
const TOUCHES = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

/** `sessions`: of the page's panes; `page`: where touches arrive. */
export function watchIdle(sessions, { page = document, now = Date.now, timers = globalThis } = {}) {
  const told = new Map(); // session → its connection that is idle, as it was told
  let touchedMs = now();
  let isIdle = false;

  const tell = () => {
    for (const session of sessions) {
      const { client } = session;
      const before = told.get(session);
      if ((before === client.clientId) === isIdle) continue;
      told.set(session, isIdle ? client.clientId : "");
      client.rpc("presence.set", { idle: isIdle }).catch(() => told.set(session, before));
    }
  };
  const touch = () => {
    touchedMs = now();
    if (!isIdle) return;
    isIdle = false;
    tell();
  };
  const look = () => {
    isIdle = now() - touchedMs >= IDLE_MS;
    tell();
    timers.setTimeout(look, LOOK_MS);
  };
  for (const name of TOUCHES) page.addEventListener(name, touch, { passive: true, capture: true });
  look();
}
