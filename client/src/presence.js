// Who is here: tells the server how this user is, keeps what is known of the others, and says how they are now. The
// server stores two times for each user; what they mean is computed here, by the server's clock, so that late data
// does no harm.
import { environment, eventOf, Timer } from './environment.js';
import { kForms, Warnings } from './payloads.js';

/** @typedef {import('./types.js').UserPresence} UserPresence */
/** @typedef {'active' | 'idle' | 'offline'} Status */

/**
 * What the server says: in an event, in the answer to a report, or at the start.
 * @typedef {import('./types.js').PresenceData & Partial<import('./types.js').PresenceAnswer>} PresenceNews
 */

/**
 * @typedef {object} PresenceOptions  the timings are those of the answer to register
 * @property {number} [server_presence_ping_interval_seconds]  between reports
 * @property {number} [server_presence_offline_threshold_seconds]  without contact for longer a user is offline
 * @property {boolean} [follows]  the events of the presence channel are given to apply() and connect(): they tell all there is to
 *   know, and reports ask for nothing
 * @property {number} [idleAfter]  milliseconds without input after which this user is idle
 * @property {Partial<import('./environment.js').Environment>} [environment]
 */

/**
 * Dispatched as "change": the status of these users is another one, by news or as time passes; or their connection.
 * @typedef {Event & { users: string[] }} PresenceChange
 */

const kInput = ['pointerdown', 'pointermove', 'keydown', 'wheel'];

export class Presence extends EventTarget {
  #world;
  #send;
  #idle_after;
  #threshold;
  /** @type {Map<string, UserPresence & { told_at: number, status: Status }>} */
  #users = new Map();
  /** @type {Set<string>} */
  #connected = new Set();
  #last_update_id = -1;
  #clock_ahead = 0;
  #input_at;
  #telling = false;
  #report;
  #change;
  #warnings;
  #running = new AbortController();

  /**
   * Reports from now on; after a failure again at its time.
   * @param {(params: object) => Promise<any>} send  POST users/me/presence
   * @param {PresenceOptions} [options]
   */
  constructor(send, options = {}) {
    super();
    this.#world = environment(options.environment);
    this.#warnings = new Warnings(this.#world);
    this.#send = send;
    this.#idle_after = options.idleAfter ?? 300_000;
    this.#threshold = options.server_presence_offline_threshold_seconds ?? 200;
    // The next report is due whatever becomes of this one.
    this.#report = new Timer(this.#world, () => {
      this.#report.set(1000 * (options.server_presence_ping_interval_seconds ?? 60));
      this.#tell(options.follows);
    });
    this.#change = new Timer(this.#world, () => this.#look());
    this.#input_at = this.#world.now();
    const how = { signal: this.#running.signal, capture: true };
    for (const type of kInput) this.#world.document?.addEventListener(type, () => this.input(), how);
    this.#report.set(0);
  }

  stop() {
    this.#running.abort();
    this.#report.set();
    this.#change.set();
  }

  /** The user did something. */
  input() {
    const idle = this.#isIdle();
    this.#input_at = this.#world.now();
    if (idle) this.#tell(true);
  }

  // --- what is known of users ---

  /** All users of whom something is known. */
  get users() {
    return [...this.#users.keys()];
  }

  /** The server's time, in seconds since 1970. */
  get serverTime() {
    return this.#world.now() / 1000 + this.#clock_ahead;
  }

  /**
   * How a user is, when he was last seen (in seconds since 1970), and whether he has a connection at this moment.
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
   * News of some users. Older news than what is known already changes nothing; malformed news are ignored.
   * @param {PresenceNews} news
   * @param {string[]} [users]  of whom something else has changed
   */
  apply(news, users) {
    if (!kForms.presence(news)) {
      this.#warnings.ignored('malformed presence data');
      return this.#look(users);
    }
    const { presences, server_timestamp, presence_last_update_id } = news;
    // Answers say how the clocks differ now; events may come late.
    if (presence_last_update_id) {
      this.#clock_ahead = server_timestamp - this.#world.now() / 1000;
      this.#last_update_id = presence_last_update_id;
    }
    for (const [user, { active_timestamp, idle_timestamp }] of Object.entries(presences)) {
      const { told_at = 0, status = /** @type {Status} */ ('offline') } = this.#users.get(user) ?? {};
      if (told_at > server_timestamp) continue;
      this.#users.set(user, { active_timestamp, idle_timestamp, told_at: server_timestamp, status });
    }
    this.#look(users);
  }

  /**
   * Everything there is, at the start: who is not in it is forgotten.
   * @param {PresenceNews & { presence_connected?: string[] }} news
   */
  replace(news) {
    const before = [...this.users, ...this.#connected];
    this.#users.clear();
    const { presence_connected } = news;
    this.#connected = new Set(kForms.texts(presence_connected) ? presence_connected : []);
    this.apply(news, [...before, ...this.#connected]);
  }

  /**
   * These users have a connection now, or have none any more. Who has one is in contact, whatever his times.
   * @param {import('./types.js').ConnectionData} news
   * @param {boolean} connected
   */
  connect(news, connected) {
    if (!kForms.connection(news)) return this.#warnings.ignored('malformed connection data');
    for (const user of news.users) this.#connected[connected ? 'add' : 'delete'](user);
    this.apply({ presences: {}, ...news }, news.users);
  }

  // Says whose status has changed, beside those given, and looks again when the next one will.
  /** @param {string[]} [given] */
  #look(given) {
    const changed = new Set(given);
    let next = Infinity;
    for (const [user, known] of this.#users) {
      const { status, connected } = this.of(user);
      if (status !== known.status) changed.add(user);
      known.status = status;
      if (status === 'active') next = Math.min(next, known.active_timestamp);
      if (status === 'idle' && !connected) next = Math.min(next, known.idle_timestamp);
    }
    this.#change.set(Math.max(1, (next + this.#threshold - this.serverTime) * 1000));
    if (changed.size) this.dispatchEvent(eventOf('change', { users: [...changed] }));
  }

  // --- what this user's page reports ---

  #isIdle() {
    return this.#world.now() - this.#input_at >= this.#idle_after;
  }

  // Only one at a time is on its way, perhaps waiting for a token.
  /** @param {boolean} [ping_only]  no more than a sign of life */
  async #tell(ping_only) {
    const { signal } = this.#running;
    if (signal.aborted || this.#telling) return;
    this.#telling = true;
    const status = this.#isIdle() ? 'idle' : 'active';
    const more = ping_only ? { ping_only } : { last_update_id: this.#last_update_id };
    const news = await this.#send({ status, ...more }).catch(() => {});
    this.#telling = false;
    if (news?.presences && !signal.aborted) this.apply(news);
  }
}
