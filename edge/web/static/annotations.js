// What others added to a message: reactions, replies, a pin. Pure; a message here is the room's own copy.
//
// `annotation_rev` counts the changes of all of it: of two states the higher one wins.

const FIELDS = ["annotation_rev", "reactions", "replies", "last_reply", "last_reply_seq", "participants", "pinned"];

/** A page has the message in its newer state. Returns whether it did. */
export function takeAnnotations(message, newer) {
  if ((newer.annotation_rev ?? 0) <= (message.annotation_rev ?? 0)) return false;
  for (const field of FIELDS) message[field] = newer[field];
  return true;
}

/** One event or signal about a message. `user`: whose page this is. */
export function annotate(message, data, user) {
  const { t } = data;
  if (t === "message.pinned" || t === "message.unpinned") message.pinned = t === "message.pinned";
  else if ((data.annotation_rev ?? 0) <= (message.annotation_rev ?? 0)) return;
  else if (t === "reaction.added" || t === "reaction.removed") react(message, data, user);
  else if (t === "reaction.counted") recount(message, data.reactions);
  else if (t === "thread.updated") Object.assign(message, { replies: data.replies, last_reply: data.last_reply });
  if (data.annotation_rev) message.annotation_rev = data.annotation_rev;
}

function react(message, { t, emoji, count, by }, user) {
  const { [emoji]: old, ...others } = message.reactions ?? {};
  const me = by === user ? t === "reaction.added" : Boolean(old?.me);
  // A known kind keeps its place.
  message.reactions = count ? { ...message.reactions, [emoji]: { count, me } } : others;
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
]);
