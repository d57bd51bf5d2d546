// What others added to a message: reactions, replies, a pin, votes. Pure; a message here is the room's own copy.
//
// `annotation_rev` counts the changes of all of it but the votes, a poll's `rev` those: of two states the higher
// one wins.

const FIELDS = ["annotation_rev", "reactions", "replies", "last_reply", "last_reply_seq", "participants", "pinned"];

/** A page has the message in its newer state. Returns whether it did. */
export function takeAnnotations(message, newer) {
  if ((newer.annotation_rev ?? 0) <= (message.annotation_rev ?? 0)) return false;
  for (const field of FIELDS) message[field] = newer[field];
  return true;
}

/** The same of its poll. `own`, what this user chose, is none of the page's: it is asked for, or one's own vote. */
export function takePoll(message, { poll }) {
  const old = message.poll;
  if (!poll || (old && (poll.rev ?? 0) <= (old.rev ?? 0))) return;
  message.poll = old?.own ? { ...poll, own: old.own } : poll;
}

/** One event or signal about a message. `user`: whose page this is. */
export function annotate(message, data, user) {
  const { t } = data;
  if (t.startsWith("poll.")) return tally(message, data, user);
  if (t === "message.pinned" || t === "message.unpinned") message.pinned = t === "message.pinned";
  else if ((data.annotation_rev ?? 0) <= (message.annotation_rev ?? 0)) return;
  else if (t === "reaction.added" || t === "reaction.removed") react(message, data, user);
  else if (t === "reaction.counted") recount(message, data.reactions);
  else if (t === "thread.updated") thread(message, data);
  if (data.annotation_rev) message.annotation_rev = data.annotation_rev;
}

function tally(message, { t, rev, voters, votes, by, ts, options: chosen, option, text }, user) {
  const { poll } = message;
  if (!poll) return;
  if (t === "poll.voted" && by === user) message.poll = { ...poll, own: chosen };
  if (rev <= (poll.rev ?? 0)) return;
  const known = t === "poll.option_added" && !poll.options.some(({ id }) => id === option) ? [...poll.options, { id: option, text, by }] : poll.options;
  const options = known.map((one) => ({ ...one, votes: votes[one.id - 1] ?? 0 }));
  message.poll = { ...message.poll, rev, voters, options, ...(t === "poll.closed" && { closed_at: ts }) };
}

function react(message, { t, emoji, count, by }, user) {
  const { [emoji]: old, ...others } = message.reactions ?? {};
  const me = by === user ? t === "reaction.added" : Boolean(old?.me);
  // A known kind keeps its place.
  message.reactions = count ? { ...message.reactions, [emoji]: { count, me } } : others;
}

function thread(message, { replies, last_reply, last_reply_seq, participants }) {
  Object.assign(message, { replies, last_reply, last_reply_seq, participants });
}

function recount(message, counts) {
  const old = message.reactions ?? {};
  message.reactions = Object.fromEntries(Object.entries(counts).map(([kind, count]) => [kind, { count, me: Boolean(old[kind]?.me) }]));
}

export const ANNOTATING = new Set([
  "reaction.added",
  "reaction.removed",
  "reaction.counted",
  "thread.updated",
  "message.pinned",
  "message.unpinned",
  "poll.voted",
  "poll.counted",
  "poll.option_added",
  "poll.closed",
]);
