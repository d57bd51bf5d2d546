// How the people on the screen are: online, away, busy, or offline since when. No DOM.
//
// One question names them all; what changes of them is pushed. Asked again when others are on the screen, and
// after every connect.

import { shortLabel } from "./format.js";
import { t } from "./words.js";

const WATCHED_MAX = 200; // the server's bound

export class People {
  /** `ask(users)` resolves to {users: {user: {state, last_seen}}}, or to null without an answer. */
  constructor({ ask, changed }) {
    this.ask = ask;
    this.changed = changed;
    this.rows = new Map(); // user → {state, last_seen}
    this.watched = "";
  }

  /** These are on the screen now. */
  async watch(users) {
    const wanted = [...new Set(users)].slice(0, WATCHED_MAX).sort();
    const key = wanted.join(" ");
    if (key === this.watched) return;
    this.watched = key;
    const answer = await this.ask(wanted);
    if (answer) this.take(answer.users);
    else if (this.watched === key) this.watched = "";
  }

  /** The connection is another one: it watches nobody yet. */
  forget() {
    this.watched = "";
  }

  take(users) {
    for (const [user, row] of Object.entries(users)) this.rows.set(user, row);
    this.changed();
  }

  state(user) {
    return this.rows.get(user)?.state ?? "";
  }

  /** "Online", "Away", "Last seen 10:42"; nothing of whom nothing is known. */
  words(user, nowMs) {
    const row = this.rows.get(user);
    if (!row) return "";
    const known = { online: t("Online"), away: t("Away"), busy: t("Busy") }[row.state];
    if (known) return known;
    return row.last_seen ? t("Last seen {time}", { time: shortLabel(Date.parse(row.last_seen), nowMs) }) : t("Offline");
  }
}
