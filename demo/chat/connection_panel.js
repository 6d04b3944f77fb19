// The panel about the connection: the transport, the cursor, the delay from commit to this page, and a plot of the
// delays.
const kShown = 60;
const kWidth = 240;
const kHeight = 90;
const kLeast = 1;      // milliseconds: the bottom of the plot
const kMost = 10_000;  // and its top
const kNames = {
  stream: 'stream (fetch)', 'event-source': 'EventSource', 'long-poll': 'long poll', poll: 'short poll',
};
const element = (id) => document.getElementById(id);
const svg = (name, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

export class ConnectionPanel {
  #session;
  #delays = [];
  #count = 0;

  constructor(session) {
    this.#session = session;
    session.channel.onevent = (event) => this.#arrived(event);
    session.channel.onopen = () => this.#showState();
    session.channel.onerror = () => this.#showState();
    setInterval(() => this.#showState(), 500);
    this.#plot();
    this.#showState();
  }

  showModule(on) {
    element('explain').textContent = on
      ? 'nginx keeps the connection open and writes each event to it as it is committed.'
      : 'The module is off: the fallback answers, and the page polls it every few seconds. Nothing else changes.';
  }

  #arrived({ ts }) {
    this.#count += 1;
    const delay = Math.max(0, Date.now() - ts * 1000); // the database's clock is this machine's
    this.#delays = [...this.#delays, delay].slice(-kShown);
    element('delay').textContent = delay < 10_000 ? `${Math.round(delay)} ms` : `${(delay / 1000).toFixed(1)} s`;
    element('count').textContent = this.#count;
    this.#plot();
  }

  #showState() {
    const { channel } = this.#session;
    const open = channel.readyState === 1;
    const state = element('state');
    state.dataset.state = open ? 'open' : channel.readyState === 2 ? 'error' : 'connecting';
    state.querySelector('.text').textContent = open ? 'connected' : channel.readyState === 2 ? 'closed' : 'connecting';
    const shared = channel.leading ? '' : ', by another tab';
    element('transport').textContent = (kNames[channel.transport] ?? '–') + shared;
    element('cursor').textContent = channel.lastEventId ?? '–';
  }

  // Logarithmic, so that both a stream's milliseconds and a poll's seconds are visible.
  #y(delay) {
    const share = Math.log(Math.min(kMost, Math.max(kLeast, delay)) / kLeast) / Math.log(kMost / kLeast);
    return kHeight - 12 - share * (kHeight - 20);
  }

  #plot() {
    const plot = element('plot');
    const lines = [1, 10, 100, 1000, 10_000].map((delay) => {
      const label = svg('text', { x: 2, y: this.#y(delay) - 2, class: 'label' });
      label.textContent = delay < 1000 ? `${delay} ms` : `${delay / 1000} s`;
      return [svg('line', { x1: 0, x2: kWidth, y1: this.#y(delay), y2: this.#y(delay), class: 'grid' }), label];
    });
    const step = (kWidth - 44) / kShown;
    const dots = this.#delays.map((delay, i) =>
      svg('circle', { cx: 42 + i * step, cy: this.#y(delay), r: 2, class: 'mark' }));
    plot.replaceChildren(...lines.flat(), ...dots);
  }
}
