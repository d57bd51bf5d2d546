// How far an own message has come: sent, delivered, read, and by how many. Pure.
//
// Rules:
// 1. In a channel of up to 100 members everybody's watermarks are known: those of the snapshot, then those of
//    each signal. They only rise.
// 2. In a larger one the counts of the messages on the screen are pushed, since they were asked for.
// 3. Who joined behind a message is none of its recipients; nor is who left.

import { t } from "./words.js";

export class Receipts {
  constructor(user) {
    this.user = user;
    this.read = new Map(); // user → seq
    this.delivered = new Map();
    this.joined = new Map(); // user → the seq at which he came
    this.counts = new Map(); // seq → {read, read_of, delivered, delivered_of}
    this.isByMember = false;
  }

  /** A subscription's snapshot. */
  load({ marks, marks_delivered: delivered, joined }) {
    this.isByMember ||= Boolean(marks ?? delivered);
    if (marks) keep(this.read, marks);
    if (delivered) keep(this.delivered, delivered);
    raise(this.read, marks);
    raise(this.delivered, delivered);
    raise(this.joined, joined);
  }

  /** One publication's data. Returns whether it said something of receipts. */
  apply(data) {
    switch (data.t) {
      case "receipts.moved":
        raise(this.read, data.read);
        raise(this.delivered, data.delivered);
        return true;
      case "receipts.counted":
        for (const one of data.receipts) this.counts.set(one.seq, one);
        return true;
      case "member.joined":
        for (const user of data.users) {
          this.joined.set(user, data.seq);
          raise(this.read, { [user]: data.seq });
          raise(this.delivered, { [user]: data.seq });
        }
        return true;
      case "member.left":
      case "member.removed":
        for (const user of data.users) this.read.delete(user), this.delivered.delete(user);
        return true;
      default:
        return false;
    }
  }

  /** {stage: "sent" | "delivered" | "read", readers} of an own message. */
  of(seq) {
    const counted = this.counts.get(seq);
    const readers = this.isByMember ? this.#behind(this.read, seq) : (counted?.read ?? 0);
    if (readers) return { stage: "read", readers };
    const receivers = this.isByMember ? this.#behind(this.delivered, seq) : (counted?.delivered ?? 0);
    return { stage: receivers ? "delivered" : "sent", readers };
  }

  #behind(marks, seq) {
    let count = 0;
    for (const [user, mark] of marks) {
      if (user !== this.user && mark >= seq && (this.joined.get(user) ?? 0) <= seq) count++;
    }
    return count;
  }
}

function keep(marks, members) {
  for (const user of marks.keys()) if (!(user in members)) marks.delete(user);
}

function raise(marks, news) {
  for (const [user, seq] of Object.entries(news ?? {})) marks.set(user, Math.max(marks.get(user) ?? 0, seq));
}

/** How a stage is called under a message. */
export function receiptWords({ stage, readers }, isDirect) {
  if (stage === "read") return isDirect ? t("Read") : t("Read by {n}", { n: readers });
  return stage === "delivered" ? t("Delivered") : t("Sent");
}
