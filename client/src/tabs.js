// One request for all tabs of an origin. The tab that holds a lock leads: it asks the server and tells the others
// what comes. Every tab has its own cursor and takes only what continues it; a gap, whatever made it, is closed by
// asking the server. So a tab that comes, a leader that closes, crashes or freezes, and a message that was lost are
// all one case.
import { NetworkError } from './errors.js';
import { pause, Timer } from './environment.js';

/** @typedef {import('./types.js').EventObject} EventObject */

/**
 * What a leader tells: the events behind the cursor `from` up to the cursor `to`, and how it stands.
 * @typedef {object} News
 * @property {string} [from]
 * @property {string | number} [to]
 * @property {EventObject[]} [events]
 * @property {boolean} [gap]  the history had a gap: see for yourselves
 * @property {string} [problem]  what has failed
 * @property {number} [state]
 * @property {import('./line.js').Transport} [transport]
 */

// How long it may take to get a lock that is free, and a server to come up to what the leader's has told.
const kLag = 200;
// A leader tells its heartbeats. One of whom nothing was heard for so much longer is frozen, or its page hangs.
const kPatience = 10_000;

export class Tabs {
  leading = false;
  #world;
  #name;
  #quiet;
  #feed;
  /** @type {BroadcastChannel | undefined} */
  #bus;
  #leaving = new AbortController();
  #joined = false;
  #timer;
  #last = Promise.resolve();

  /**
   * @param {import('./feed.js').Feed} feed
   * @param {import('./environment.js').Environment} world
   * @param {string} name  common to the tabs that share
   * @param {number} quiet  milliseconds in which the leader must have heard from the server
   */
  constructor(feed, world, name, quiet) {
    this.#world = world;
    this.#name = name;
    this.#quiet = quiet;
    this.#feed = feed;
    this.#timer = new Timer(world, () => this.#compete({ steal: true }));
  }

  join() {
    const Bus = /** @type {typeof BroadcastChannel} */ (this.#world.BroadcastChannel);
    this.#bus = new Bus(this.#name);
    this.#bus.onmessage = ({ data }) => {
      if (data.renewed) this.#feed.setToken(data.token);
      else if (!this.leading) this.#hear(data);
    };
    this.#compete();
  }

  leave() {
    this.leading = false;
    this.#timer.set();
    this.#leaving.abort();
    this.#bus?.close();
    this.#bus = undefined;
  }

  /** Tells the other tabs, if this one leads. @param {News} news */
  post(news) {
    const { state, transport } = this.#feed;
    if (this.leading) this.#bus?.postMessage({ ...news, state, transport });
  }

  /** Every tab is to use this token. @param {string} [token] */
  renew(token) {
    this.#bus?.postMessage({ renewed: true, token });
  }

  // --- who leads ---

  /** Waits for the lock, or takes it from a leader that does not answer. @param {LockOptions} [how] */
  #compete(how) {
    this.#leaving.abort();
    const { signal } = (this.#leaving = new AbortController());
    const { locks } = /** @type {{ locks: LockManager }} */ (this.#world);
    this.#joined = false;
    const lead = () => {
      this.#timer.set();
      this.leading = true;
      this.#feed.line.live();
    };
    const hold = () => signal.aborted || new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
      lead();
    });
    locks.request(this.#name, how ?? { signal }, hold).catch(() => {
      if (signal.aborted) return;
      if (!this.leading) return lead(); // no locks for this page: it is alone
      // Another tab has taken this one for dead.
      this.leading = false;
      this.#feed.line.off();
      this.#compete();
    });
    this.#timer.set(this.#quiet + kPatience);
    // What this tab has missed so far, unless it leads.
    this.#last = pause(this.#world, kLag, signal).then(() => this.#follow({}));
  }

  // --- what the leader says ---

  /** @param {News} news */
  #hear(news) {
    const { state = 0, transport, problem } = news;
    this.#timer.set(this.#quiet + kPatience);
    this.#feed.show(state, transport, problem ? new NetworkError(problem) : undefined);
    this.#last = this.#last.then(() => this.#follow(news)).catch(() => {});
  }

  /** @param {News} news */
  async #follow({ from, to, events = [], gap }) {
    const { signal } = this.#leaving;
    const feed = this.#feed;
    if (this.leading || signal.aborted) return;
    if (gap) this.#joined = false;
    while (!this.#joined || Number(from) > Number(feed.cursor)) {
      if (this.#joined) await pause(this.#world, kLag, signal);
      this.#joined = true;
      await feed.line.catchUp();
      if (signal.aborted || this.leading) return;
    }
    await feed.receive(events, to);
  }
}
