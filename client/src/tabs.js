// Shares one connection among all tabs of an origin. The tab that has a lock leads: it makes the requests and sends the
// events to the other tabs. Each tab has its own cursor and takes only events that continue it. A tab closes any gap by
// a request of its own: this handles a new tab, a leader that closes, crashes or freezes, and a lost message alike.
import { NetworkError } from './errors.js';
import { pause, Timer } from './environment.js';

/** @typedef {import('./types.js').EventObject} EventObject */

/**
 * What a leader sends: the events behind the cursor `from` up to the cursor `to`, and its state.
 * @typedef {object} Update
 * @property {string} [from]
 * @property {string | number} [to]
 * @property {EventObject[]} [events]
 * @property {boolean} [gap]  the log has lost events: each tab asks the server itself
 * @property {string} [problem]  the message of an error
 * @property {number} [state]
 * @property {import('./connection.js').Transport} [transport]
 */

// Milliseconds for getting a free lock, and for a server to catch up with the cursor that the leader has sent.
const kLag = 200;
// A leader forwards its heartbeats. If none arrives for this much longer (ms), the leader is frozen or hangs.
const kPatience = 10_000;

export class Tabs {
  leading = false;
  #world;
  #name;
  #quiet;
  #channel;
  /** @type {BroadcastChannel | undefined} */
  #bus;
  #leaving = new AbortController();
  #joined = false;
  #timer;
  #last = Promise.resolve();

  /**
   * @param {import('./channel_state.js').ChannelState} channel
   * @param {import('./environment.js').Environment} world
   * @param {string} name  the same in all tabs that share
   * @param {number} quiet  milliseconds in which the leader must receive a sign of life from the server
   */
  constructor(channel, world, name, quiet) {
    this.#world = world;
    this.#name = name;
    this.#quiet = quiet;
    this.#channel = channel;
    this.#timer = new Timer(world, () => this.#compete({ steal: true }));
  }

  join() {
    const Bus = /** @type {typeof BroadcastChannel} */ (this.#world.BroadcastChannel);
    this.#bus = new Bus(this.#name);
    this.#bus.onmessage = ({ data }) => {
      if (data.renewed) this.#channel.setToken(data.token);
      else if (!this.leading) this.#receive(data);
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

  /** Sends an update to the other tabs, if this tab leads. @param {Update} update */
  post(update) {
    const { readyState: state, transport } = this.#channel;
    if (this.leading) this.#bus?.postMessage({ ...update, state, transport });
  }

  /** Sends a new token to all tabs. @param {string} [token] */
  renew(token) {
    this.#bus?.postMessage({ renewed: true, token });
  }

  // --- choosing the leader ---

  /** Waits for the lock, or takes it from a leader that is silent. @param {LockOptions} [how] */
  #compete(how) {
    this.#leaving.abort();
    const { signal } = (this.#leaving = new AbortController());
    const { locks } = /** @type {{ locks: LockManager }} */ (this.#world);
    this.#joined = false;
    const lead = () => {
      this.#timer.set();
      this.leading = true;
      this.#channel.connection.live();
    };
    const hold = () => signal.aborted || new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
      lead();
    });
    locks.request(this.#name, how ?? { signal }, hold).catch(() => {
      if (signal.aborted) return;
      if (!this.leading) return lead(); // this page cannot use locks: it works alone
      // Another tab took the lock because this one was silent.
      this.leading = false;
      this.#channel.connection.off();
      this.#compete();
    });
    this.#timer.set(this.#quiet + kPatience);
    // Unless this tab leads, get the events that it has missed so far.
    this.#last = pause(this.#world, kLag, signal).then(() => this.#follow({}));
  }

  // --- following the leader ---

  /** @param {Update} update */
  #receive(update) {
    const { state = 0, transport, problem } = update;
    this.#timer.set(this.#quiet + kPatience);
    this.#channel.show(state, transport, problem ? new NetworkError(problem) : undefined);
    this.#last = this.#last.then(() => this.#follow(update)).catch(() => {});
  }

  /** @param {Update} update */
  async #follow({ from, to, events = [], gap }) {
    const { signal } = this.#leaving;
    const channel = this.#channel;
    if (this.leading || signal.aborted) return;
    if (gap) this.#joined = false;
    while (!this.#joined || Number(from) > Number(channel.cursor)) {
      if (this.#joined) await pause(this.#world, kLag, signal);
      this.#joined = true;
      await channel.connection.catchUp();
      if (signal.aborted || this.leading) return;
    }
    await channel.receive(events, to);
  }
}
