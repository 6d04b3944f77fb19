// Presence: reports this user's status to the server, stores the data of the other users, and computes their status.
// The server stores two times for each user; the status is computed here from the server's clock, so that late data is
// harmless.
import { environment, timerOf, whenAborted } from './environment.js';
import { kForms, warningsIn } from './payloads.js';
import { Target } from './target.js';

/** @typedef {import('./types.js').UserPresence} UserPresence */
/** @typedef {'active' | 'idle' | 'offline'} Status */

/**
 * Presence data from the server: in an event, in the answer to a report, or at the start.
 * @typedef {import('./types.js').PresenceData & Partial<import('./types.js').PresenceAnswer>} PresenceUpdate
 */

/**
 * @typedef {object} PresenceOptions  the timings are in the answer to register
 * @property {number} [server_presence_ping_interval_seconds]  between reports
 * @property {number} [server_presence_offline_threshold_seconds]  a user without contact for this long is offline
 * @property {boolean} [follows]  the page passes the events of the presence channel to apply() and connect(), so that
 *   reports need not request data about others
 * @property {number} [idleAfter]  milliseconds without input after which this user is idle
 * @property {import('./environment.js').Signal} [signal]  stops it
 * @property {Partial<import('./environment.js').Environment>} [environment]
 */

/**
 * Dispatched as "change": the status or connection of these users has changed, by new data or as time passed.
 * @typedef {Event & { users: string[] }} PresenceChange
 */

const kInput = ['pointerdown', 'pointermove', 'keydown', 'wheel'];

export class Presence extends Target {
  #world;
  #send;
  #idle_after;
  #threshold;
  /** @type {Map<string, UserPresence & { updated_at: number, status: Status }>} */
  #users = new Map();
  /** @type {Set<string>} */
  #connected = new Set();
  #last_update_id = -1;
  #clock_ahead = 0;
  #input_at;
  #reporting = false;
  #report;
  #change;
  #ignored;
  #running = new AbortController();

  /**
   * Starts to report. After a failure the next report is sent at its usual time.
   * @param {(params: object) => Promise<any>} send  POST users/me/presence
   * @param {PresenceOptions} [options]
   */
  constructor(send, options = {}) {
    super();
    this.#world = environment(options.environment);
    this.#ignored = warningsIn(this.#world);
    this.#send = send;
    this.#idle_after = options.idleAfter ?? 300_000;
    this.#threshold = options.server_presence_offline_threshold_seconds ?? 200;
    // Schedule the next report first, so that it does not depend on the outcome of this one.
    this.#report = timerOf(this.#world, () => {
      this.#report(1000 * (options.server_presence_ping_interval_seconds ?? 60));
      this.#sendReport(options.follows);
    });
    this.#change = timerOf(this.#world, () => this.#update());
    this.#input_at = this.#world.now();
    const how = { signal: this.#running.signal, capture: true };
    for (const type of kInput) this.#world.document?.addEventListener(type, () => this.input(), how);
    this.#report(0);
    whenAborted(options.signal, () => this.stop());
  }

  stop() {
    this.#running.abort();
    this.#report();
    this.#change();
  }

  /** The user did something. */
  input() {
    const idle = this.#isIdle();
    this.#input_at = this.#world.now();
    if (idle) this.#sendReport(true);
  }

  // --- data about users ---

  /** All users with presence data. */
  get users() {
    return [...this.#users.keys()];
  }

  /** The server's time, in seconds since 1970. */
  get serverTime() {
    return this.#world.now() / 1000 + this.#clock_ahead;
  }

  /**
   * A user's status, when the user was last seen (in seconds since 1970), and whether the user is connected now.
   * @param {string} user
   */
  of(user) {
    const { active_timestamp = 0, idle_timestamp = 0 } = this.#users.get(user) ?? {};
    const since = this.serverTime - this.#threshold;
    const connected = this.#connected.has(user);
    /** @type {Status} */
    const status = active_timestamp > since ? 'active' : connected || idle_timestamp > since ? 'idle' : 'offline';
    return { status, lastSeen: Math.max(active_timestamp, idle_timestamp), connected };
  }

  /**
   * Takes new data about some users. Data older than the stored data has no effect; malformed data is ignored.
   * @param {PresenceUpdate} update
   * @param {string[]} [users]  users with some other change
   */
  apply(update, users) {
    if (!kForms.presence(update)) {
      this.#ignored('malformed presence data');
      return this.#update(users);
    }
    const { presences, server_timestamp, presence_last_update_id } = update;
    // Only answers show the current difference of the clocks: events may arrive late.
    if (presence_last_update_id) {
      this.#clock_ahead = server_timestamp - this.#world.now() / 1000;
      this.#last_update_id = presence_last_update_id;
    }
    for (const [user, { active_timestamp, idle_timestamp }] of Object.entries(presences)) {
      const { updated_at = 0, status = /** @type {Status} */ ('offline') } = this.#users.get(user) ?? {};
      if (updated_at > server_timestamp) continue;
      this.#users.set(user, { active_timestamp, idle_timestamp, updated_at: server_timestamp, status });
    }
    this.#update(users);
  }

  /**
   * Takes the complete state, at the start: users who are not in it are removed.
   * @param {PresenceUpdate & { presence_connected?: string[] }} update
   */
  replace(update) {
    const before = [...this.users, ...this.#connected];
    this.#users.clear();
    this.#connected = new Set(update.presence_connected);
    this.apply(update, [...before, ...this.#connected]);
  }

  /**
   * These users have connected, or have disconnected. A connected user is in contact, whatever the two times are.
   * @param {import('./types.js').ConnectionData} update
   * @param {boolean} connected
   */
  connect(update, connected) {
    const data = { presences: {}, ...update };
    if (!kForms.connection(update) || !kForms.presence(data)) return this.#ignored('malformed connection data');
    for (const user of update.users) this.#connected[connected ? 'add' : 'delete'](user);
    this.apply(data, update.users);
  }

  // Reports the given users and those whose status has changed, and sets the timer to the next change.
  /** @param {string[]} [given] */
  #update(given) {
    const changed = new Set(given);
    let next = Infinity;
    for (const [user, known] of this.#users) {
      const { status, connected } = this.of(user);
      if (status !== known.status) changed.add(user);
      known.status = status;
      if (status === 'active') next = Math.min(next, known.active_timestamp);
      if (status === 'idle' && !connected) next = Math.min(next, known.idle_timestamp);
    }
    this.#change(Math.max(1, (next + this.#threshold - this.serverTime) * 1000));
    if (changed.size) this.emit('change', { users: [...changed] });
  }

  // --- this user's reports ---

  #isIdle() {
    return this.#world.now() - this.#input_at >= this.#idle_after;
  }

  // Sends at most one report at a time: one may be waiting for a token.
  /** @param {boolean} [ping_only]  request no data about others */
  async #sendReport(ping_only) {
    const { signal } = this.#running;
    if (signal.aborted || this.#reporting) return;
    this.#reporting = true;
    const status = this.#isIdle() ? 'idle' : 'active';
    const more = ping_only ? { ping_only } : { last_update_id: this.#last_update_id };
    const answer = await this.#send({ status, ...more }).catch(() => {});
    this.#reporting = false;
    if (answer?.presences && !signal.aborted) this.apply(answer);
  }
}
