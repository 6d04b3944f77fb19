// Shares one connection among all tabs of an origin. The tab that has a lock leads: it makes the requests, for its own
// channels and those of the other tabs, and sends the events to them. Each tab has its own cursors and takes only
// events that continue them. A tab closes any gap by a request of its own: this handles a new tab, a leader that
// closes, crashes or freezes, and a lost message alike.
import { busLocks } from './bus_locks.js';
import { NetworkError, PgeventsError } from './errors.js';
import { pause, timerOf } from './environment.js';
import { join, joining } from './joining.js';
import { kReset } from './transports.js';

/** @typedef {import('./types.js').EventObject} EventObject */

/**
 * What a leader sends: the events behind the cursors `from` up to the cursor `to`, and its state.
 * @typedef {object} Update
 * @property {[string, string | undefined][]} [from]  by channel
 * @property {string | number} [to]
 * @property {EventObject[]} [events]
 * @property {string} [refused]  a channel that the leader may not subscribe to
 * @property {string} [problem]  the message of an error
 * @property {import('./delivery.js').State} [state]
 * @property {number} [interval]
 * @property {import('./connection.js').Transport} [transport]
 */

// Milliseconds for a server to catch up with the cursor that the leader has sent.
const kLag = 200;
// A leader forwards its heartbeats. If none arrives for this much longer (ms), the leader is frozen or hangs.
const kPatience = 10_000;
// Tabs repeat the names of their channels; a leader keeps those of other tabs for a time (ms).
const kRepeat = 20_000;
const kKept = 180_000;

export class Tabs {
  leading = false;
  following = false;
  #channel;
  #key;
  #name = '';
  #locks;
  /** @type {BroadcastChannel | undefined} */
  #bus;
  #leaving = new AbortController();
  #joined = false;
  #announced_at = 0;
  #setTimer;
  #last = Promise.resolve();

  /** @param {import('./base_channel.js').BaseChannel} channel */
  constructor(channel) {
    const { server, world, options: { types, notTypes } } = (this.#channel = channel);
    this.#key = `pgevents ${[server.base, types, notTypes]}`;
    this.#locks = world.locks ?? busLocks(world);
    this.#setTimer = timerOf(world, () => this.#compete({ steal: true }));
  }

  /** Leads, or follows a tab that leads, until off(). */
  async live() {
    const { signal } = (this.#leaving = new AbortController());
    const { options, server } = this.#channel;
    const who = options.share ?? await Promise.resolve(server.token()).then(userOf, (cause) => {
      this.#channel.show('connecting', { error: new PgeventsError(`${cause}`, { cause }) });
    });
    if (signal.aborted) return;
    if (!who) return this.#lead();
    this.#name = `${this.#key} ${who}`;
    const Bus = /** @type {typeof BroadcastChannel} */ (this.#channel.world.BroadcastChannel);
    this.#bus = new Bus(this.#name);
    this.#bus.onmessage = ({ data }) => {
      if (data.renewed) this.#channel.takeToken(data.token);
      else if (data.want) this.#keep(data.want);
      else if (!this.leading) this.#receive(data);
    };
    this.#compete();
  }

  off() {
    this.leading = this.following = false;
    this.#setTimer();
    this.#leaving.abort();
    this.#bus?.close();
    this.#bus = undefined;
  }

  /** Sends an update to the other tabs, if this tab leads. @param {Update} update */
  post(update) {
    const { state, transport, interval } = this.#channel;
    if (this.leading) this.#bus?.postMessage({ ...update, state, transport, interval });
  }

  /** Sends a new token to all tabs. @param {string} [token] */
  renew(token) {
    this.#bus?.postMessage({ renewed: true, token });
  }

  /** Names this page's channels to the leader. */
  announce() {
    if (this.leading || !this.#bus) return;
    this.#announced_at = this.#channel.world.now();
    this.#bus.postMessage({ want: this.#channel.own.map(({ channel }) => channel) });
  }

  // --- choosing the leader ---

  #lead() {
    this.#setTimer();
    this.following = false;
    this.leading = true;
    this.#channel.live();
  }

  /**
   * Takes the lock if it is free, or from a leader that is silent; else follows and waits for it.
   * @param {object} [how]
   */
  #compete(how = { ifAvailable: true }) {
    this.#leaving.abort();
    const { signal } = (this.#leaving = new AbortController());
    this.#joined = false;
    /** @param {object} options */
    const request = (options) => this.#locks.request(this.#name, options, (lock) => lock && !signal.aborted &&
      new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
        this.#lead();
      }));
    request(how).then(() => {
      if (signal.aborted) return;
      this.following = true;
      this.#watch();
      this.#last = this.#follow({}); // the events that this tab has missed so far
      this.announce();
      return request({ signal });
    }).catch(() => {
      if (signal.aborted) return;
      if (!this.leading) return this.#lead(); // this page cannot use locks: it works alone
      // Another tab took the lock because this one was silent.
      this.leading = false;
      this.#channel.off();
      this.#compete();
    });
  }

  /** Keeps channels for other tabs. @param {string[]} names */
  #keep(names) {
    if (!this.leading) return;
    const channel = this.#channel;
    const now = this.#channel.world.now();
    for (const name of names) channel.add(name, undefined, now + kKept);
    for (const its of channel.subscriptions.values()) if (its.wanted_until < now) channel.remove(its);
    this.post({}); // the state
  }

  // --- following the leader ---

  /** @param {Update} update */
  #receive(update) {
    const { state = 'connecting', transport, interval, problem, refused, from = [] } = update;
    const { own } = this.#channel;
    if (own.some(({ channel }) => channel === refused)) {
      this.off();
      return this.#lead(); // this page may have other rights: it works alone
    }
    this.#watch();
    this.#channel.show(state, { transport, interval, error: problem ? new NetworkError(problem) : undefined });
    const names = new Set(from.map(([name]) => name));
    const is_complete = !names.size || own.every(({ channel }) => names.has(channel));
    if (this.#channel.world.now() - this.#announced_at > (is_complete ? kRepeat : kLag)) this.announce();
    this.#last = this.#last.then(() => this.#follow(update)).catch(() => {});
  }

  // Sets the timer after which a leader without a sign of life is replaced.
  #watch() {
    this.#setTimer(this.#channel.options.heartbeatTimeout + kPatience);
  }

  /** @param {Update} update */
  async #follow({ from, to, events = [] }) {
    const { signal } = this.#leaving;
    const channel = this.#channel;
    if (this.leading || signal.aborted) return;
    const is_gap = events[0]?.data.type === kReset; // each tab asks the server itself
    if (is_gap) this.#joined = false;
    const cursors = new Map(is_gap ? [] : from);
    const common = () => channel.own.filter((its) => its.phase === 'joined' && cursors.has(its.channel));
    while (!this.#joined || common().some((its) => Number(cursors.get(its.channel)) > Number(its.lastEventId))) {
      if (this.#joined) await pause(this.#channel.world, kLag, signal);
      this.#joined = true;
      await join(channel, channel.own.filter(({ phase }) => phase !== 'refused'));
      if (signal.aborted || this.leading) return;
    }
    if (!is_gap) await channel.receive(events, to, common());
  }
}

/**
 * Absent where tabs cannot share: no channel between tabs, or an EventSource, which shows no heartbeats, so that
 * other tabs could not see whether the leader is alive. Programs in Node share only if the options say so.
 * @param {import('./base_channel.js').BaseChannel} channel
 */
function tabsOf(channel) {
  const { world, options: { share, transports } } = channel;
  const { BroadcastChannel, document, WorkerGlobalScope } = /** @type {any} */ (world);
  const is_wanted = share ?? (document || WorkerGlobalScope);
  if (is_wanted && BroadcastChannel && transports[0] !== 'event-source') return new Tabs(channel);
}

/**
 * Names the user of a token; without a token, of the cookie, which all tabs have. Undefined if the token does not show
 * it: then tabs of different users could not be distinguished.
 * @param {string} token
 */
function userOf(token) {
  if (!token) return 'cookie';
  try {
    const { iss, realm, sub } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return sub && JSON.stringify([iss, realm, sub]);
  } catch {
    return undefined;
  }
}

export const sharing = { ...joining, tabsOf };
