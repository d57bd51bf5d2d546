/**
 * Full jitter: min + random(0 … min × 2^attempt, capped).
 * @param {number} attempt
 * @param {() => number} random
 */
export function delayMs(attempt: number, random: () => number): number;
/**
 * Whether a close code lets the client come back.
 * @param {number} code
 */
export function comesBack(code: number): boolean;
/**
 * A UUIDv7 (RFC 9562): 48 bits of milliseconds, then chance. `entropy`: 10 bytes.
 * @param {number} nowMs
 * @param {Uint8Array} entropy
 */
export function uuid7(nowMs: number, entropy: Uint8Array): string;
/**
 * A chat that connects, again and again, until `close`.
 *
 * `acks`: whether senders are told that messages were delivered here; they are, by default. `url`: of one edge or several, tried in turn: `https://HOST`. `storage`: where unsent messages are kept, localStorage
 * say; in memory by default. `user`: whose they are, where several share a storage.
 * @param {{url: string | string[], token: string | Token, user?: string, name?: string, acks?: boolean, storage?: Storage, Socket?: any, random?: () => number, timers?: Timers, now?: () => number, entropy?: (bytes: number) => Uint8Array, onState?: (state: State, reason: string) => void}} options
 */
export function connect(options: {
    url: string | string[];
    token: string | Token;
    user?: string;
    name?: string;
    acks?: boolean;
    storage?: Storage;
    Socket?: any;
    random?: () => number;
    timers?: Timers;
    now?: () => number;
    entropy?: (bytes: number) => Uint8Array;
    onState?: (state: State, reason: string) => void;
}): Chat;
/**
 * @typedef {import("./verbs.d.ts").Verbs} Verbs each verb's fields and answer: keep that file beside this one
 * @typedef {import("./verbs.d.ts").Lists} Lists
 * @typedef {import("./verbs.d.ts").Event} Event what took a seq, by its `t`
 * @typedef {import("./verbs.d.ts").Heard} Heard the same, and signals
 */
/**
 * What a verb takes; any fields where it is not known before.
 * @template {string} V
 * @typedef {V extends keyof Verbs ? Verbs[V]["request"] : Record<string, Json>} Asked
 */
/**
 * @template {string} V
 * @typedef {V extends keyof Verbs ? Verbs[V]["answer"] : Json} Answered
 */
/**
 * @typedef {any} Json a parsed JSON value; its fields are the ones of the API's documents
 * @typedef {{epoch: string, offset: number}} Position
 * @typedef {{data: Json, offset?: number, info?: Json}} Publication
 * @typedef {{epoch?: string, offset?: number, recovered?: boolean, data?: Json, publications?: Publication[]}} Subscribed
 * @typedef {{client: string, ping?: number, pong?: boolean, expires?: boolean, ttl?: number, data?: Json, subs?: Record<string, Subscribed>}} Connected
 * @typedef {"connecting" | "online" | "waiting" | "ended"} State
 * @typedef {{setTimeout(fn: () => void, ms: number): any, clearTimeout(timer: any): void}} Timers
 * @typedef {{readonly length: number, key(place: number): string | null, getItem(name: string): string | null, setItem(name: string, value: string): void, removeItem(name: string): void}} Storage as localStorage
 * @typedef {(fresh: boolean) => Promise<string>} Token gives a token; `fresh`: the last one was refused
 * @typedef {{url: string, readyState: number, send(text: string): void, close(): void, onopen: any, onmessage: any, onclose: any, onerror: any}} Socket
 * @typedef {Position & {known: boolean, phase: string, attempt: number, timer: any}} Sub
 *
 * @typedef {object} Handlers
 * @property {(state: State, reason: string) => void} state
 * @property {(result: Connected) => void} connected
 * @property {(channel: string, result: Subscribed, resumed: boolean) => void} subscribed
 * @property {(channel: string, error: Refused) => void} failed
 * @property {(channel: string, code: number) => void} unsubscribed
 * @property {(channel: string, data: Json, pub: Publication) => void} publication
 */
export const CONNECTING: "connecting";
export const ONLINE: "online";
export const WAITING: "waiting";
export const ENDED: "ended";
/**
 * The server said no. `reason`: the code's name, as `not_found`, which REST calls `code`. `temporary`: the same
 * may succeed later. `details`: the JSON object that may follow the text. A subclass says of what kind it is.
 */
export class Refused extends Error {
    /** @param {{code: number, message?: string, temporary?: boolean}} error */
    constructor({ code, message, temporary }: {
        code: number;
        message?: string;
        temporary?: boolean;
    });
    reason: string;
    code: number;
    temporary: boolean;
    details: Record<string, any>;
    /** How long to wait, where the server says so; else 0. @returns {number} */
    get retryAfterMs(): number;
    /** What is wrong with the request's fields, by JSON pointer (`#/limit`): all of them. @returns {Record<string, string>} */
    get errors(): Record<string, string>;
}
/** The request is wrong as it stands. */
export class Invalid extends Refused {
}
/** Not by this user, or not now: rights, sanctions, tokens. */
export class NotAllowed extends Refused {
}
/** There is no such thing, or none for this user. */
export class NotFound extends Refused {
}
/** The state is another than the request supposes. */
export class Conflict extends Refused {
}
/** Too often, too many; `retryAfterMs` may say how long to wait. */
export class Limited extends Refused {
}
/** The server cannot now, or failed. */
export class Unavailable extends Refused {
}
/** Nobody answered in time, or the connection was lost: it may or may not have happened. */
export class NoAnswer extends Error {
}
/** Overflow: a full outbox refuses what is new, and drops nothing. */
export class OutboxFull extends Error {
}
/**
 * One user's connection.
 *
 * `token(fresh)` resolves to a token; `fresh`: the last one was refused.
 * `on`: { state(state, reason), connected(result), subscribed(channel, result),
 *         failed(channel, Refused), unsubscribed(channel, code), publication(channel, data, pub) }
 */
export class Client {
    /** @param {{url: string | string[], token: Token, on: Handlers, name?: string, Socket?: any, random?: () => number, timers?: Timers}} parts */
    constructor({ url, token, on, name, Socket, random, timers }: {
        url: string | string[];
        token: Token;
        on: Handlers;
        name?: string;
        Socket?: any;
        random?: () => number;
        timers?: Timers;
    });
    urls: string[];
    dials: number;
    token: Token;
    on: Handlers;
    name: string;
    Socket: any;
    random: () => number;
    timers: Timers;
    /** @type {State} */
    state: State;
    answersPings: boolean;
    silenceMs: number;
    user: string;
    clientId: string;
    /** @type {Socket | null} */
    socket: Socket | null;
    /** @type {Map<string, Sub>} */
    subs: Map<string, Sub>;
    /** @type {Map<string, Position>} */
    serverSubs: Map<string, Position>;
    /** @type {Map<number, {name: string, resolve: (result: any) => void, reject: (error: Error) => void, timer: any}>} */
    pending: Map<number, {
        name: string;
        resolve: (result: any) => void;
        reject: (error: Error) => void;
        timer: any;
    }>;
    lastId: number;
    attempt: number;
    refusals: number;
    needsFreshToken: boolean;
    why: string;
    isAdvised: boolean;
    turn: number;
    /** @type {Map<string, any>} */
    marks: Map<string, any>;
    start(): void;
    stop(): void;
    /** Tries now what would be tried later: the network came back, somebody looks at the page. */
    wake(): void;
    /** Loses the connection as a network does. */
    cut(): void;
    /**
     * Wants a channel. `position`: to resume from, if it was known before.
     * @param {string} channel
     * @param {Position} [position]
     */
    subscribe(channel: string, position?: Position): void;
    /**
     * Wants it no more. Returns its position, to resume from later.
     * @param {string} channel
     * @returns {Position | undefined}
     */
    unsubscribe(channel: string): Position | undefined;
    /**
     * The data of an rpc's answer. Rejects with Refused or NoAnswer.
     * @param {string} method
     * @param {Json} data
     * @returns {Promise<Json>}
     */
    rpc(method: string, data: Json): Promise<Json>;
    #private;
}
/** The code of an entry of unknown outcome that is too old to be sent again. */
export const UNKNOWN: -1;
export const QUEUED: "waiting";
export const SENDING: "sending";
export const FAILED: "failed";
/**
 * @typedef {object} Entry
 * @property {"send" | "edit" | "delete"} kind
 * @property {string} channel
 * @property {string} [text]
 * @property {string} [id]
 * @property {Json} [more] further fields of message.send
 * @property {string} cmid
 * @property {number} made Unix milliseconds
 * @property {string} status
 * @property {number} tries
 * @property {string} [error]
 * @property {number} [code]
 * @property {string} [reason]
 * @property {Record<string, any>} [details]
 */
/** Forgets with the program; what Outbox needs of localStorage. */
export class MemoryStorage {
    /** @type {Map<string, string>} */
    values: Map<string, string>;
    get length(): number;
    /** @param {number} place */
    key(place: number): string;
    /** @param {string} name */
    getItem(name: string): string | null;
    /**
     * @param {string} name
     * @param {string} value
     */
    setItem(name: string, value: string): void;
    /** @param {string} name */
    removeItem(name: string): void;
}
/**
 * The unsent of one user. `rpc(method, data)`: as Client.rpc. `storage`: as localStorage.
 * `changed(entry, answer)`: an entry changed; with an answer it is confirmed and gone.
 */
export class Outbox {
    /** @param {{user: string, rpc: (method: string, data: Json) => Promise<Json>, changed: (entry: Entry, answer?: Json) => void, storage: Storage, now: () => number, entropy: (bytes: number) => Uint8Array, timers?: Timers}} parts */
    constructor({ user, rpc, changed, storage, now, entropy, timers }: {
        user: string;
        rpc: (method: string, data: Json) => Promise<Json>;
        changed: (entry: Entry, answer?: Json) => void;
        storage: Storage;
        now: () => number;
        entropy: (bytes: number) => Uint8Array;
        timers?: Timers;
    });
    rpc: (method: string, data: Json) => Promise<Json>;
    changed: (entry: Entry, answer?: Json) => void;
    storage: Storage;
    now: () => number;
    entropy: (bytes: number) => Uint8Array;
    timers: Timers;
    prefix: string;
    /** @type {Map<string, Entry>} */
    entries: Map<string, Entry>;
    /** @type {Set<string>} */
    kept: Set<string>;
    /** @type {Set<string>} */
    busy: Set<string>;
    /** @type {Map<string, any>} */
    pauses: Map<string, any>;
    isOnline: boolean;
    last: number;
    aheadMs: number;
    /**
     * Entries of one channel, oldest first.
     * @param {string} channel
     */
    of(channel: string): Entry[];
    get waitingCount(): number;
    /** Nothing more is taken, until something is confirmed or discarded. */
    get isFull(): boolean;
    /**
     * Takes {kind: send | edit | delete, channel, text?, id?, more?} and sends it when it can. Throws OutboxFull.
     * @param {Pick<Entry, "kind" | "channel" | "text" | "id" | "more">} request
     */
    add(request: Pick<Entry, "kind" | "channel" | "text" | "id" | "more">): Entry;
    /** @param {string} cmid */
    retry(cmid: string): void;
    /** @param {string} cmid */
    discard(cmid: string): void;
    /**
     * Another page of this user confirmed or discarded an entry: it has removed it from the storage that both have.
     * To be called by whoever hears of it (the browser's "storage" event).
     * @param {string | null} name the storage's
     */
    removed(name: string | null): void;
    /**
     * The connection came or went.
     * @param {boolean} isOnline
     */
    online(isOnline: boolean): void;
    #private;
}
/** Made by `connect`. */
export class Chat {
    /** @param {Parameters<typeof connect>[0]} options */
    constructor({ url, token, user, name, acks, storage, onState, ...parts }: Parameters<typeof connect>[0]);
    now: () => number;
    random: () => number;
    timers: typeof globalThis | Timers;
    entropy: (bytes: number) => Uint8Array;
    /** @type {Map<string, Set<Listener<Json>>>} */
    listeners: Map<string, Set<Listener<Json>>>;
    /** @type {Map<Entry, {resolve: (answer: Json) => void, reject: (error: Error) => void}>} */
    settled: Map<Entry, {
        resolve: (answer: Json) => void;
        reject: (error: Error) => void;
    }>;
    /** @type {Set<() => void>} */
    wakers: Set<() => void>;
    /** @type {Connected | null} */
    hello: Connected | null;
    onState: ((state: State, reason: string) => void) | undefined;
    client: Client;
    acks: Acks;
    outbox: Outbox;
    /** Ends everything. What is unsent stays in the storage. */
    close(): void;
    /**
     * A handle; nothing is asked for yet.
     * @param {string} name
     */
    channel(name: string): Channel;
    /**
     * Any verb. Both wait for the connection; a command is repeated under one cmid, for 15 s, a question is asked
     * once, within 5 s. Rejects with Refused or NoAnswer.
     * @template {string} V
     * @param {V} verb
     * @param {Asked<V>} [given]
     * @returns {Promise<Answered<V>>}
     */
    call<V extends string>(verb: V, given?: Asked<V>): Promise<Answered<V>>;
    /**
     * Every row of a list, page by page. Rejects as `call`; with a RangeError for what is no list.
     * @template {string} V
     * @param {V} verb
     * @param {Asked<V>} [given]
     * @returns {AsyncGenerator<V extends keyof Lists ? Lists[V] : Json>}
     */
    rows<V extends string>(verb: V, given?: Asked<V>): AsyncGenerator<V extends keyof Lists ? Lists[V] : Json>;
    /** A UUIDv7, by the server's clock where ours was wrong. */
    newCmid(): string;
    /**
     * All changes since the store's positions, after weeks too. The program keeps the state, the store positions
     * only: they are saved when all changes of an answer were taken.
     * @param {{load(): Json | Promise<Json>, save(positions: Json): void | Promise<void>}} store
     * @returns {AsyncGenerator<Change>}
     */
    sync(store: {
        load(): Json | Promise<Json>;
        save(positions: Json): void | Promise<void>;
    }): AsyncGenerator<Change>;
    /**
     * @param {string} channel
     * @param {Listener<Json>} listener
     */
    listen(channel: string, listener: Listener<Json>): () => void;
    /**
     * Into the outbox; the outcome: the answer, or Refused, or NoAnswer (too old to be sent again).
     * @param {Parameters<Outbox["add"]>[0]} request
     * @returns {Promise<Json>}
     */
    post(request: Parameters<Outbox["add"]>[0]): Promise<Json>;
    /**
     * Into the outbox; nobody waits for it. Throws OutboxFull, NoAnswer (closed).
     * @param {Parameters<Outbox["add"]>[0]} request
     */
    leave(request: Parameters<Outbox["add"]>[0]): void;
    #private;
}
/**
 * What a listener gets; `D`: what a channel of a raw namespace carries.
 * @template {Json} [D=Heard]
 * @typedef {object} Listener
 * @property {(data: D, pub: Publication) => void} event in order, each once
 * @property {(result: Subscribed, resumed: boolean) => void} [subscribed] not resumed: load what is missing
 * @property {(error: Refused) => void} [ended] the server ended it
 *
 * @typedef {object} Change what happened in one stream
 * @property {string} channel empty for the own stream
 * @property {"delta" | "head" | "reset" | "gone"} state
 * @property {Event[]} events
 * @property {[number, number]} [gap] first and last seq that are to be read with `history`
 * @property {import("./verbs.d.ts").Figures} [figures]
 * @property {Json} [snapshot] of a channel ChannelSnapshot, of the own stream UserSnapshot
 *
 * @typedef {{seq: number, id: string, ts: string, dup: boolean, rev?: number}} Sent
 * @typedef {Partial<Omit<Verbs["message.send"]["request"], "channel" | "text" | "cmid">>} More
 */
/** One channel's verbs. `more`: further fields of the verb. */
export class Channel {
    /**
     * @param {Chat} chat
     * @param {string} name
     */
    constructor(chat: Chat, name: string);
    chat: Chat;
    name: string;
    /**
     * Any verb with this channel.
     * @template {string} V
     * @param {V} verb
     * @param {V extends keyof Verbs ? Omit<Verbs[V]["request"], "channel"> : Record<string, Json>} [data]
     * @returns {Promise<Answered<V>>}
     */
    call<V extends string>(verb: V, data?: V extends keyof Verbs ? Omit<Verbs[V]["request"], "channel"> : Record<string, Json>): Promise<Answered<V>>;
    /**
     * Through the outbox: offline it waits.
     * @param {string} text
     * @param {More} [more]
     * @returns {Promise<Sent>}
     */
    send(text: string, more?: More): Promise<Sent>;
    /**
     * The same, and nobody waits for it. Throws OutboxFull, NoAnswer (closed).
     * @param {string} text
     * @param {More} [more]
     */
    post(text: string, more?: More): void;
    /**
     * @param {string} id
     * @param {string} text
     * @returns {Promise<Sent>}
     */
    edit(id: string, text: string): Promise<Sent>;
    /**
     * @param {string} id
     * @returns {Promise<Sent>}
     */
    delete(id: string): Promise<Sent>;
    /**
     * @param {string} id
     * @param {string} emoji
     * @returns {Promise<Answered<"reaction.add">>}
     */
    react(id: string, emoji: string, { remove }?: {
        remove?: boolean | undefined;
    }): Promise<Answered<"reaction.add">>;
    /**
     * A page: `after_seq`, `before_seq`, `around_seq` or `at`; `limit`.
     * @param {Omit<Verbs["history.get"]["request"], "channel">} [place]
     */
    history(place?: Omit<Verbs["history.get"]["request"], "channel">): Promise<import("./verbs.d.ts").HistoryPage>;
    /**
     * All messages from the newest to the oldest, page by page. `which`: as of `history`.
     * @param {Omit<Verbs["history.get"]["request"], "channel">} [which]
     */
    messages(which?: Omit<Verbs["history.get"]["request"], "channel">): AsyncGenerator<import("./verbs.d.ts").Message, void, unknown>;
    /**
     * Follows the channel over all cuts. Returns a function that ends it.
     * @template {Json} [D=Heard]
     * @param {Listener<D> | Listener<D>["event"]} listener
     * @returns {() => void}
     */
    subscribe<D extends unknown = import("./verbs.d.ts").Heard>(listener: Listener<D> | Listener<D>["event"]): () => void;
    /** @param {number} upto */
    markRead(upto: number): Promise<import("./verbs.d.ts").Marked>;
    /** A sign that passes by itself. Give it as often as you like: what is too often, or has no connection, is left out. */
    typing({ stop }?: {
        stop?: boolean | undefined;
    }): Promise<void>;
    /** All of them, page by page. */
    members(): AsyncGenerator<import("./verbs.d.ts").MemberInfo, any, any>;
}
/**
 * each verb's fields and answer: keep that file beside this one
 */
export type Verbs = import("./verbs.d.ts").Verbs;
export type Lists = import("./verbs.d.ts").Lists;
/**
 * what took a seq, by its `t`
 */
export type Event = import("./verbs.d.ts").Event;
/**
 * the same, and signals
 */
export type Heard = import("./verbs.d.ts").Heard;
/**
 * What a verb takes; any fields where it is not known before.
 */
export type Asked<V extends string> = V extends keyof Verbs ? Verbs[V]["request"] : Record<string, Json>;
export type Answered<V extends string> = V extends keyof Verbs ? Verbs[V]["answer"] : Json;
/**
 * a parsed JSON value; its fields are the ones of the API's documents
 */
export type Json = any;
export type Position = {
    epoch: string;
    offset: number;
};
export type Publication = {
    data: Json;
    offset?: number;
    info?: Json;
};
export type Subscribed = {
    epoch?: string;
    offset?: number;
    recovered?: boolean;
    data?: Json;
    publications?: Publication[];
};
export type Connected = {
    client: string;
    ping?: number;
    pong?: boolean;
    expires?: boolean;
    ttl?: number;
    data?: Json;
    subs?: Record<string, Subscribed>;
};
export type State = "connecting" | "online" | "waiting" | "ended";
export type Timers = {
    setTimeout(fn: () => void, ms: number): any;
    clearTimeout(timer: any): void;
};
/**
 * as localStorage
 */
export type Storage = {
    readonly length: number;
    key(place: number): string | null;
    getItem(name: string): string | null;
    setItem(name: string, value: string): void;
    removeItem(name: string): void;
};
/**
 * gives a token; `fresh`: the last one was refused
 */
export type Token = (fresh: boolean) => Promise<string>;
export type Socket = {
    url: string;
    readyState: number;
    send(text: string): void;
    close(): void;
    onopen: any;
    onmessage: any;
    onclose: any;
    onerror: any;
};
export type Sub = Position & {
    known: boolean;
    phase: string;
    attempt: number;
    timer: any;
};
export type Handlers = {
    state: (state: State, reason: string) => void;
    connected: (result: Connected) => void;
    subscribed: (channel: string, result: Subscribed, resumed: boolean) => void;
    failed: (channel: string, error: Refused) => void;
    unsubscribed: (channel: string, code: number) => void;
    publication: (channel: string, data: Json, pub: Publication) => void;
};
export type Entry = {
    kind: "send" | "edit" | "delete";
    channel: string;
    text?: string | undefined;
    id?: string | undefined;
    /**
     * further fields of message.send
     */
    more?: Json;
    cmid: string;
    /**
     * Unix milliseconds
     */
    made: number;
    status: string;
    tries: number;
    error?: string | undefined;
    code?: number | undefined;
    reason?: string | undefined;
    details?: Record<string, any> | undefined;
};
/**
 * What a listener gets; `D`: what a channel of a raw namespace carries.
 */
export type Listener<D extends unknown = import("./verbs.d.ts").Heard> = {
    /**
     * in order, each once
     */
    event: (data: D, pub: Publication) => void;
    /**
     * not resumed: load what is missing
     */
    subscribed?: ((result: Subscribed, resumed: boolean) => void) | undefined;
    /**
     * the server ended it
     */
    ended?: ((error: Refused) => void) | undefined;
};
/**
 * what happened in one stream
 */
export type Change<D extends unknown = import("./verbs.d.ts").Heard> = {
    /**
     * empty for the own stream
     */
    channel: string;
    state: "delta" | "head" | "reset" | "gone";
    events: Event[];
    /**
     * first and last seq that are to be read with `history`
     */
    gap?: [number, number] | undefined;
    figures?: import("./verbs.d.ts").Figures | undefined;
    /**
     * of a channel ChannelSnapshot, of the own stream UserSnapshot
     */
    snapshot?: Json;
};
/**
 * What a listener gets; `D`: what a channel of a raw namespace carries.
 */
export type Sent<D extends unknown = import("./verbs.d.ts").Heard> = {
    seq: number;
    id: string;
    ts: string;
    dup: boolean;
    rev?: number;
};
/**
 * What a listener gets; `D`: what a channel of a raw namespace carries.
 */
export type More<D extends unknown = import("./verbs.d.ts").Heard> = Partial<Omit<Verbs["message.send"]["request"], "channel" | "text" | "cmid">>;
/**
 * What this device got, acknowledged in few `mark.delivered`: the last seq of each channel, one request at a time.
 * Only messages of others, in channels with members. A channel that is refused is left alone.
 */
declare class Acks {
    /**
     * @param {(data: Json) => Promise<Json>} tell
     * @param {Timers} timers
     * @param {boolean} isOff
     */
    constructor(tell: (data: Json) => Promise<Json>, timers: Timers, isOff: boolean);
    /** @type {Map<string, number>} */
    seqs: Map<string, number>;
    /** @type {Set<string>} */
    refused: Set<string>;
    count: number;
    isAsking: boolean;
    /** @type {any} */
    timer: any;
    tell: (data: Json) => Promise<Json>;
    timers: Timers;
    isOff: boolean;
    /**
     * @param {string} channel
     * @param {number} seq
     */
    got(channel: string, seq: number): void;
    #private;
}
export {};
