// The messages of the open room, as a log: new ones are added and all others stay in place, so that a screen reader
// reads only what is new, and the list does not move under a reader.
const kShown = 200;
const kTogether = 300; // seconds
const kAtEnd = 40; // pixels

// Consecutive messages of one person within five minutes share one heading.
const continues = (before, { author, ts }) => before?.author === author && ts - before.ts <= kTogether;

export class MessageList {
  #me;
  #names;
  #room;
  #scroller = document.getElementById('messages');
  #list = document.querySelector('#messages ol');

  constructor({ me, names }) {
    this.#me = me;
    this.#names = names;
  }

  // messages: event ids to messages, in any order.
  draw(room, messages) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const at_end = room !== this.#room || scrollHeight - scrollTop - clientHeight < kAtEnd;
    if (room !== this.#room) this.#clear(room);
    const sorted = [...messages].sort(([a], [b]) => Number(a) - Number(b)).slice(-kShown);
    const shown = new Set(sorted.map(([id]) => id));
    for (const item of [...this.#list.children]) if (!shown.has(item.dataset.id)) item.remove();
    let next = this.#list.firstElementChild;
    sorted.forEach(([id, message], i) => {
      const item = next?.dataset.id === id ? next : this.#list.insertBefore(this.#item(id, message), next);
      next = item.nextElementSibling;
      // Only its looks: to a screen reader each message has its author.
      item.firstElementChild.classList.toggle('unseen', continues(sorted[i - 1]?.[1], message));
    });
    if (at_end) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // A screen reader does not read a list that is busy: the messages of another room are not new.
  #clear(room) {
    this.#room = room;
    this.#list.replaceChildren();
    this.#scroller.setAttribute('aria-busy', 'true');
    setTimeout(() => this.#scroller.removeAttribute('aria-busy'), 500);
  }

  #item(id, { author, body, ts }) {
    const item = document.createElement('li');
    item.dataset.id = id;
    item.dataset.author = author;
    item.classList.toggle('mine', author === this.#me.id);
    const head = document.createElement('p');
    head.className = 'head';
    const name = document.createElement('b');
    name.textContent = this.#names.get(author) ?? author;
    const time = document.createElement('time');
    time.textContent = new Date(ts * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
    head.append(name, time);
    const text = document.createElement('p');
    text.className = 'text';
    text.textContent = body;
    item.append(head, text);
    return item;
  }
}
