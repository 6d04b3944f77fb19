// Rooms and their messages. The history is the log of events: short polls read it, and later messages arrive as events.
// A message that arrives both ways is shown once.
import { serverNow } from '../clock.js';
import { MessageList } from './message_list.js';

const kHistorySeconds = 7 * 86_400;
const kTopic = 'chat';
const kNamed = 3;
const kPrefix = 'stream:';
// The conversation of a room's channel, as typing indicators name it.
export const whereOf = (channel) => ({ streamId: channel.slice(kPrefix.length), topic: kTopic });
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
  #credentials;
  #base;
  #list;
  #messages = new Map(); // by room: event ids to messages
  #unread = new Map();
  #open;

  constructor({ rooms, me, names, session, credentials, base }) {
    this.#rooms = rooms;
    this.#me = me;
    this.#names = names;
    this.#session = session;
    this.#credentials = credentials;
    this.#base = base;
    this.#list = new MessageList({ me, names });
    for (const [id] of rooms) this.#messages.set(id, new Map());
    element('rooms').append(...rooms.map(([id, name]) => this.#roomItem(id, name)));
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
    let cursor = `rt-${Math.floor(serverNow() / 1000) - kHistorySeconds}`;
    for (let more = true; more;) {
      const query = new URLSearchParams({ flavor: 'poll', types: 'message', last_event_id: cursor });
      const url = `${this.#base}/events/${channels}?${query}`;
      const response = await this.#credentials.fetch(url, { cache: 'no-store' });
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
    for (const item of element('rooms').children) this.#markRoom(item.firstElementChild);
    element('room-name').textContent = this.#rooms.find(([id]) => id === this.#open)[1];
    this.#list.draw(this.#open, this.#messages.get(this.#open));
  }

  #roomItem(id, name) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'plain';
    button.dataset.room = id;
    const badge = document.createElement('span');
    badge.className = 'badge';
    const meaning = document.createElement('span');
    meaning.className = 'unseen';
    meaning.textContent = 'new messages';
    badge.append(document.createElement('b'), ' ', meaning);
    button.append(`# ${name} `, badge);
    button.addEventListener('click', () => {
      this.#show(id);
      element('body').focus();
    });
    item.append(button);
    return item;
  }

  // Changes the button in place: a new one would lose the keyboard's focus.
  #markRoom(button) {
    const { room } = button.dataset;
    const unread = this.#unread.get(room) ?? 0;
    if (room === this.#open) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    button.querySelector('.badge').hidden = unread === 0;
    button.querySelector('.badge b').textContent = unread;
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
      await this.#session.channel.publish(`chat.in:${this.#me.id}`, 'say', { room: this.#open, body: text }, { ttl: 60 });
    } catch (error) {
      body.value = text;
      this.#trouble(`Not sent: ${error.message}`);
    }
  }

  #trouble(text) {
    element('trouble').textContent = text;
  }
}
