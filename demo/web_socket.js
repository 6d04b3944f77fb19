// The demo's fourth transport, beside those of transports.js: a WebSocket in the dialect pgevents.v1, and long polls
// while no server accepts one.
import { Polling } from './transports.js';

// Tries a WebSocket again after so many seconds of polling.
const kPollingSeconds = 10;
// Pages whose connections end together, at a reload of nginx, reconnect at different times.
const kLongestPause = 1000; // ms

export class Socket {
  #path;
  #report;
  #cursor;
  #socket;
  #polling;
  #timer;

  constructor(path, cursor, report) {
    this.#path = path;
    this.#cursor = cursor;
    this.#report = report;
  }

  open() {
    this.#report.cursor(this.#cursor);
    const url = new URL(`${this.#path}?${new URLSearchParams({ last_event_id: this.#cursor })}`, location.href);
    url.protocol = location.protocol.replace('http', 'ws');
    const socket = new WebSocket(url, 'pgevents.v1');
    let accepted = false;
    socket.onopen = () => {
      accepted = true;
      this.#report.state('live', 'connected');
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => (accepted ? this.#reconnect() : this.#poll());
    this.#socket = socket;
  }

  // Reconnects at once, when the page knows that another server answers now.
  reopen() {
    clearTimeout(this.#timer);
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#polling?.close();
    this.open();
  }

  // A message is an event, or the cursor alone.
  #receive(message) {
    this.#move(message.cursor ?? String(message.id));
    if (message.id !== undefined) this.#report.event(message);
  }

  #move(cursor) {
    this.#cursor = cursor;
    this.#report.cursor(cursor);
  }

  #reconnect() {
    this.#report.state('polling', 'reconnecting');
    this.#timer = setTimeout(() => this.open(), Math.random() * kLongestPause);
  }

  // A script is not told why a handshake failed: the fallback serves no WebSockets (426), a proxy drops `Upgrade`, or
  // no server answers. In each case polls are the way to receive events.
  #poll() {
    this.#polling = new Polling(this.#path, 'long-poll', this.#cursor,
      { ...this.#report, cursor: (cursor) => this.#move(cursor) });
    this.#polling.open();
    this.#timer = setTimeout(() => this.reopen(), kPollingSeconds * 1000);
  }
}
