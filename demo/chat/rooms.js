// Rooms and their messages. The history is the log of events: short polls read it, and later messages arrive as events.
// A message that arrives both ways is shown once.
const kHistorySeconds = 7 * 86_400;
const kShown = 200;
const kTopic = 'chat';
const kNamed = 3;
const kPrefix = 'stream:';
const isMessage = (data) => typeof data?.author === 'string' && typeof data.body === 'string';
const element = (id) => document.getElementById(id);

function describeTypists(names) {
  if (names.length === 0) return '';
  if (names.length > kNamed) return 'Several people are typing…';
  return `${new Intl.ListFormat('en').format(names)} ${names.length > 1 ? 'are' : 'is'} typing…`;
}

export class Rooms {
  #rooms;
  #me;
  #names;
  #session;
  #base;
  #messages = new Map(); // by room: event ids to messages, in order
  #unread = new Map();
  #open;

  constructor({ rooms, me, names, session, base }) {
    this.#rooms = rooms;
    this.#me = me;
    this.#names = names;
    this.#session = session;
    this.#base = base;
    for (const [id] of rooms) this.#messages.set(id, new Map());
    session.channel.addEventListener('message', ({ lastEventId, channel, ts, data }) =>
      this.#receive(lastEventId, channel, ts, data));
    session.typists.addEventListener('change', () => this.#showTypists());
    this.#setUpComposer();
  }

  async start() {
    this.#show(sessionStorage.getItem('room') ?? this.#rooms[0][0]);
    await this.#readHistory();
    this.#draw();
  }

  // --- messages ---

  // Reads the history page by page. `X-PS-Reconnect-In: 0` means that the answer is only a part and more follows.
  async #readHistory() {
    const channels = this.#rooms.map(([id]) => kPrefix + id).join(',');
    let cursor = `rt-${Math.floor(Date.now() / 1000) - kHistorySeconds}`;
    for (let more = true; more;) {
      const query = new URLSearchParams({ flavor: 'poll', types: 'message', last_event_id: cursor });
      const headers = { Authorization: `Bearer ${this.#me.token}` };
      const response = await fetch(`${this.#base}/events/${channels}?${query}`, { headers, cache: 'no-store' });
      if (!response.ok) return this.#trouble(`Cannot read the history (status ${response.status}).`);
      const events = (await response.json()).filter(({ data }) => data.type === 'message');
      for (const { id, channel_id, ts, data } of events) this.#keep(String(id), channel_id, ts, data.data);
      more = events.length > 0 && response.headers.get('X-PS-Reconnect-In') === '0';
      cursor = response.headers.get('Last-Event-ID');
    }
  }

  // Stores a message. Returns false if it is already stored or is not a valid message of a room: any data can be
  // published.
  #keep(event_id, channel, ts, data) {
    const messages = channel.startsWith(kPrefix) && this.#messages.get(channel.slice(kPrefix.length));
    if (!messages || messages.has(event_id) || !isMessage(data)) return false;
    messages.set(event_id, { ...data, ts });
    return true;
  }

  #receive(event_id, channel, ts, data) {
    if (!this.#keep(event_id, channel, ts, data)) return;
    const room = channel.slice(kPrefix.length);
    if (room === this.#open && !document.hidden) return this.#draw();
    this.#unread.set(room, (this.#unread.get(room) ?? 0) + (data.author === this.#me.id ? 0 : 1));
    this.#draw();
  }

  // --- what the page shows ---

  #show(room) {
    this.#open = this.#messages.has(room) ? room : this.#rooms[0][0];
    sessionStorage.setItem('room', this.#open);
    this.#session.typing.stop();
    this.#draw();
    this.#showTypists();
  }

  #draw() {
    if (!document.hidden) this.#unread.delete(this.#open);
    element('rooms').replaceChildren(...this.#rooms.map(([id, name]) => this.#roomItem(id, name)));
    element('room-name').textContent = this.#rooms.find(([id]) => id === this.#open)[1];
    const list = element('messages');
    const at_end = list.scrollHeight - list.scrollTop - list.clientHeight < 40 || list.dataset.room !== this.#open;
    const sorted = [...this.#messages.get(this.#open)].sort(([a], [b]) => Number(a) - Number(b)).slice(-kShown);
    list.replaceChildren(...sorted.map(([id, message], i) => this.#messageItem(id, message, sorted[i - 1]?.[1])));
    list.dataset.room = this.#open;
    if (at_end) list.scrollTop = list.scrollHeight;
  }

  #roomItem(id, name) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'plain';
    button.dataset.room = id;
    button.append(`# ${name}`);
    if (id === this.#open) button.setAttribute('aria-current', 'true');
    const unread = this.#unread.get(id) ?? 0;
    if (unread > 0) {
      const badge = document.createElement('span');
      badge.className = 'badge';
      badge.textContent = unread;
      badge.setAttribute('aria-label', `${unread} new`);
      button.append(' ', badge);
    }
    button.addEventListener('click', () => {
      this.#show(id);
      element('body').focus();
    });
    item.append(button);
    return item;
  }

  // Consecutive messages of one person within five minutes share one heading.
  #messageItem(id, { author, body, ts }, before) {
    const item = document.createElement('li');
    item.dataset.id = id;
    item.dataset.author = author;
    item.classList.toggle('mine', author === this.#me.id);
    if (before?.author !== author || ts - before.ts > 300) {
      const head = document.createElement('p');
      head.className = 'head';
      const name = document.createElement('b');
      name.textContent = this.#names.get(author) ?? author;
      const time = document.createElement('time');
      time.textContent = new Date(ts * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
      head.append(name, time);
      item.append(head);
    }
    const text = document.createElement('p');
    text.className = 'text';
    text.textContent = body;
    item.append(text);
    return item;
  }

  #showTypists() {
    const users = this.#session.typists.typists({ streamId: this.#open, topic: kTopic });
    element('typists').textContent = describeTypists(users.map((user) => this.#names.get(user) ?? user));
  }

  // --- writing ---

  #setUpComposer() {
    const body = element('body');
    body.addEventListener('input', () => {
      body.style.height = 'auto';
      body.style.height = `${Math.min(body.scrollHeight + 2, 160)}px`;
      this.#session.typing.update(body.value.trim() ? { streamId: this.#open, topic: kTopic } : null);
    });
    body.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      element('compose').requestSubmit();
    });
    element('compose').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say(body.value.trim());
    });
    document.addEventListener('visibilitychange', () => !document.hidden && this.#draw());
  }

  async #say(text) {
    const body = element('body');
    if (!text) return;
    body.value = '';
    body.dispatchEvent(new Event('input'));
    this.#trouble('');
    try {
      await this.#publish({ type: 'say', data: { room: this.#open, body: text }, ttl: 60 }, crypto.randomUUID());
    } catch (error) {
      body.value = text;
      this.#trouble(`Not sent: ${error.message}`);
    }
  }

  // The Idempotency-Key makes it safe to send the request again if the answer was lost.
  async #publish(event, key, tries = 3) {
    const headers = {
      Authorization: `Bearer ${this.#me.token}`,
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
    };
    const url = `${this.#base}/events/chat.in:${this.#me.id}`;
    let response;
    try {
      response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(event) });
    } catch (error) {
      if (tries > 1) return this.#publish(event, key, tries - 1);
      throw error;
    }
    if (!response.ok) throw new Error((await response.json()).msg);
  }

  #trouble(text) {
    element('trouble').textContent = text;
  }
}
