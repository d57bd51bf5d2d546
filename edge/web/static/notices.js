// Notices of the system for what comes while nobody looks at the page. Loaded once the user has asked for them.
//
// Rules:
// 1. Permission is asked for when the user chooses notices, and never else.
// 2. Who is busy, and what is muted or archived, makes none.

import { dropDown } from "./dropdown.js";
import { gist } from "./marking.js";
import { t } from "./words.js";

const CHOICES = { "": t("No notices"), shown: t("Notices"), heard: t("Notices with a sound") };
const PITCHES_HZ = [660, 880];
const TONE_S = 0.12;

/** Lets the user choose below `opener`; `kept`: what he chose before; `keep(which)`, `said(words)`. */
export function chooseNotices(opener, { kept, keep, said }) {
  const choose = async (which) => {
    const isAllowed = !which || (await globalThis.Notification?.requestPermission()) === "granted";
    keep(isAllowed ? which : "");
    if (!isAllowed) said(t("The browser does not allow notices."));
    else if (which === "heard") ring();
  };
  dropDown(opener, t("Notices…"), Object.entries(CHOICES).map(([which, words]) => [words, () => choose(which), undefined, which === kept]));
}

/** The newest message of the list that is unread. `open(channel)`: he who presses the notice is led there. */
export function notify(session, which, open) {
  if (session.choice === "busy") return;
  const news = session.list.sorted().filter((row) => row.unread && !row.muted && !row.archived && row.preview && row.preview.by !== session.user);
  const row = news.sort((a, b) => b.ms - a.ms)[0];
  if (!row) return;
  if (which === "heard") ring();
  const words = gist(row.preview);
  const body = row.kind === "dm" ? words : `${session.author(row.preview.by)}: ${words}`;
  try {
    const notice = new Notification(session.title(row), { body, tag: row.channel, icon: "/static/icon.svg", silent: true });
    notice.onclick = () => (window.focus(), notice.close(), open(row.channel));
  } catch {
    // Not allowed, or a phone, whose browser has other ways: the title says it.
  }
}

/** Two short tones. */
function ring() {
  const context = new AudioContext();
  PITCHES_HZ.forEach((pitch, place) => {
    const tone = new OscillatorNode(context, { frequency: pitch });
    const volume = new GainNode(context, { gain: 0.08 });
    const from = context.currentTime + place * TONE_S;
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + TONE_S);
    if (place === PITCHES_HZ.length - 1) tone.onended = () => context.close();
  });
}
