// The list of the demo's people: their status, and when those who are offline were last seen.
const element = (id) => document.getElementById(id);
const kRedraw = 30_000;
const kWords = { active: 'active', idle: 'idle', offline: 'offline' };

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

function ago(seconds) {
  if (seconds < 90) return 'a minute ago';
  if (seconds < 5400) return relative.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 129_600) return relative.format(-Math.round(seconds / 3600), 'hour');
  return relative.format(-Math.round(seconds / 86_400), 'day');
}

export class People {
  #people;
  #me;
  #presence;

  constructor({ people, me, session }) {
    this.#people = people;
    this.#me = me;
    this.#presence = session.presence;
    this.#presence.addEventListener('change', () => this.#draw());
    setInterval(() => this.#draw(), kRedraw);
    this.#draw();
  }

  #draw() {
    const list = this.#people.map(({ id, name }) => ({ id, name, ...this.#presence.of(id) }));
    const order = ['active', 'idle', 'offline'];
    list.sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status) || a.name.localeCompare(b.name));
    element('people').replaceChildren(...list.map((person) => this.#item(person)));
  }

  #item({ id, name, status, lastSeen, connected }) {
    const item = document.createElement('li');
    item.dataset.person = id;
    item.dataset.status = status;
    item.dataset.connected = connected;
    const dot = document.createElement('span');
    dot.className = 'dot';
    const who = document.createElement('span');
    who.className = 'who';
    who.textContent = id === this.#me.id ? `${name} (you)` : name;
    const how = document.createElement('span');
    how.className = 'quiet how';
    const away = lastSeen > 0 ? `seen ${ago(this.#presence.serverTime - lastSeen)}` : 'not seen yet';
    how.textContent = status === 'offline' ? away : kWords[status];
    item.append(dot, who, how);
    return item;
  }
}
