// The panel about the connection: the transport, the cursor, the delay from commit to this page, and a plot of the
// delays.
import { serverNow } from '../clock.js';

const kShown = 60;
const kWidth = 220; // about the width of the panel, so that a label's font size is in pixels of the page
const kHeight = 130;
const kLeast = 1;      // milliseconds: the bottom of the plot
const kMost = 10_000;  // and its top
const kNames = {
  websocket: 'WebSocket', stream: 'stream (fetch)', 'event-source': 'EventSource', 'long-poll': 'long poll', poll: 'short poll',
};
const element = (id) => document.getElementById(id);
const svg = (name, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

export class ConnectionPanel {
  #session;
  #credentials;
  #delays = [];
  #count = 0;

  constructor(session, credentials) {
    this.#session = session;
    this.#credentials = credentials;
    session.channel.onevent = (event) => this.#arrived(event);
    session.channel.onstate = () => this.#showState();
    setInterval(() => this.#showState(), 500);
    credentials.addEventListener('change', () => this.#showToken());
    this.#showToken();
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
    const delay = Math.max(0, serverNow() - ts * 1000);
    this.#delays = [...this.#delays, delay].slice(-kShown);
    element('delay').textContent = delay < 10_000 ? `${Math.round(delay)} ms` : `${(delay / 1000).toFixed(1)} s`;
    element('count').textContent = this.#count;
    this.#plot();
  }

  #showState() {
    const { channel } = this.#session;
    const state = element('state');
    state.dataset.state = channel.state;
    const interval = channel.interval ? `, every ${Math.round(channel.interval / 1000)} s` : '';
    state.querySelector('.text').textContent = channel.state + interval;
    const shared = channel.leading ? '' : ', by another tab';
    element('transport').textContent = (kNames[channel.transport] ?? '–') + shared;
    element('cursor').textContent = channel.lastEventId ?? '–';
  }

  #showToken() {
    const { expires, renewals } = this.#credentials;
    element('expires').textContent = new Date(expires).toLocaleTimeString('en-GB');
    element('renewals').textContent = renewals;
  }

  // Logarithmic, so that both a stream's milliseconds and a poll's seconds are visible.
  #y(delay) {
    const share = Math.log(Math.min(kMost, Math.max(kLeast, delay)) / kLeast) / Math.log(kMost / kLeast);
    return kHeight - 6 - share * (kHeight - 24);
  }

  #plot() {
    const plot = element('plot');
    const lines = [1, 10, 100, 1000, 10_000].map((delay) => {
      const label = svg('text', { x: 2, y: this.#y(delay) - 3, class: 'label' });
      label.textContent = delay < 1000 ? `${delay} ms` : `${delay / 1000} s`;
      return [svg('line', { x1: 0, x2: kWidth, y1: this.#y(delay), y2: this.#y(delay), class: 'grid' }), label];
    });
    const step = (kWidth - 56) / kShown;
    const dots = this.#delays.map((delay, i) =>
      svg('circle', { cx: 54 + i * step, cy: this.#y(delay), r: 2, class: 'mark' }));
    plot.replaceChildren(...lines.flat(), ...dots);
  }
}
