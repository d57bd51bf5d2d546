// One opened thread: its first message and the replies, live while its channel is. No DOM. Loaded with the first
// thread that is opened.
//
// Rules:
// 1. It is a room of its own whose oldest message is the thread's first one; what is published in the channel comes
//    here as well.
// 2. Read up to the last reply when the user sees the end; only who follows has marks to move.
// 3. After a break that could not be resumed it is read anew: what was missed is behind what is shown.

import { Room } from "./store.js";

const PAGE = 50;
const READ_MS = 250;
const AGAIN_MS = 1_500;

export class Threading {
  /** `on`: {changed(), arrived(message), refused(words)}. */
  constructor(session, id, on) {
    this.session = session;
    this.channel = session.room.channel;
    this.on = on;
    this.room = new Room(this.channel, session.user, id);
    this.id = id; // of the first message, once it is loaded
    this.isFollowing = false;
    this.isLoading = false;
    this.isResting = false; // after a page that failed, as in reading.js
    this.isLooking = false;
    this.mark = 0;
  }

  get root() {
    return this.room.messages[0];
  }

  /** The newest page, or what stands behind the newest that is here. */
  async load() {
    const page = await this.#page({}, (error) => this.on.refused(error.message));
    if (!page) return;
    const { room } = this;
    const isWhole = page.messages.length < PAGE && !page.more;
    const isBroken = room.isLoaded && !isWhole && page.messages[0].seq > room.last.seq;
    if (isBroken) room.reset();
    this.id = room.thread = page.root.id;
    room.load([page.root, ...page.messages], 0, isWhole);
    this.isFollowing = Boolean(page.following);
    this.#tell();
  }

  async older() {
    const { room } = this;
    if (!room.isLoaded || room.atStart || this.isResting || this.isLoading) return;
    const page = await this.#page({ before_seq: room.messages[1]?.seq ?? room.oldestSeq }, () => this.#rest());
    if (!page) return;
    room.merge(page.messages);
    room.atStart = page.messages.length < PAGE && !page.more;
    this.#tell();
  }

  /** One publication's data of a channel. */
  apply(channel, data) {
    if (channel !== this.channel) return;
    const fresh = this.room.apply(data);
    if (fresh?.by === this.session.user) this.isFollowing = true;
    else if (fresh && this.room.isLoaded) this.on.arrived(fresh);
    this.#tell();
  }

  view() {
    return this.room.view(this.session.entries());
  }

  send(text, more) {
    return this.session.send(text, { ...more, thread: this.id });
  }

  async follow(isFollowing) {
    const verb = isFollowing ? "thread.follow" : "thread.unfollow";
    if (!(await this.session.command(verb, { channel: this.channel, id: this.id }))) return;
    this.isFollowing = isFollowing;
    this.#tell();
  }

  /** Whether the user sees the end now. */
  look(isLooking) {
    this.isLooking = isLooking;
    const upto = this.room.last?.seq ?? 0;
    if (!isLooking || !this.isFollowing || upto <= this.mark) return;
    this.mark = upto;
    this.session.timers.setTimeout(() => this.#read(upto), READ_MS);
  }

  async #read(upto) {
    if (upto < this.mark) return; // a later one is under way
    const { error } = await this.session.tried("thread.read", { channel: this.channel, id: this.id, upto });
    if (error) this.mark = 0; // the next look says it again
  }

  #tell() {
    this.on.changed();
    this.look(this.isLooking);
  }

  #rest() {
    this.isResting = true;
    this.session.timers.setTimeout(() => ((this.isResting = false), this.on.changed()), AGAIN_MS);
  }

  async #page(place, refused = (_error) => {}) {
    if (this.isLoading) return undefined;
    this.isLoading = true;
    this.on.changed();
    const asked = { channel: this.channel, id: this.room.thread, limit: PAGE, ...place };
    const { answer, error } = await this.session.tried("thread.get", asked);
    this.isLoading = false;
    if (error) refused(error), this.on.changed(); // with an answer whoever asked says so, once it is in its place
    return answer;
  }
}

/** Threads that the user follows, of all channels, the last replied to first: [{channel, root, unread, mentions}].
 *  Of channels whose heads say that he follows any. */
export async function ownThreads(session) {
  const rows = session.list.sorted().filter((row) => row.threads);
  const lists = await Promise.all(rows.map(({ channel }) => ofChannel(session, channel)));
  return lists.flat().sort((a, b) => (a.root.last_reply < b.root.last_reply ? 1 : -1));
}

async function ofChannel(session, channel) {
  const [page, unread] = await Promise.all([
    session.ask("thread.list", { channel, followed: true, limit: 20 }),
    session.ask("thread.unread", { channel, limit: 100 }),
  ]);
  const figures = new Map(unread.threads.map((one) => [one.id, one]));
  return page.threads.map(({ root }) => ({ channel, root, unread: figures.get(root.id)?.unread ?? 0, mentions: figures.get(root.id)?.mentions ?? 0 }));
}
