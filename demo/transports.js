// Three of the demo's transports, without any library: EventSource, and a polling loop for long and short polls. The
// fourth is in web_socket.js. Each keeps a cursor and reports event(object), cursor(text) and state(name, text). The
// states are those of the client.

// Seconds to wait after an error, and where the server gives no valid number.
const kPause = 10;
// A gateway, or an old browser (WinInet), gave up waiting: ask again at once. But a server that answers so sooner than
// this (milliseconds), and again, has waited for nothing.
const kTimeouts = [504, 12002];
const kShort = 1000;

// X-PS-Reconnect-In is an integer, whatever follows it.
function reconnectIn(text) {
  const seconds = parseInt(text, 10);
  return seconds >= 0 ? seconds : kPause;
}

// nginx keeps the stream open. When it ends, the browser reconnects by itself with the last id that it received.
export class EventStream {
  #url;
  #types;
  #report;
  #cursor;
  #source;

  constructor(url, types, cursor, report) {
    this.#url = url;
    this.#types = types;
    this.#cursor = cursor;
    this.#report = report;
  }

  open() {
    const query = new URLSearchParams({ envelope: '1', last_event_id: this.#cursor });
    const source = new EventSource(`${this.#url}?${query}`);
    source.onopen = () => this.#report.state('live', 'streaming');
    source.onerror = () => this.#retry(source);
    for (const type of this.#types) source.addEventListener(type, (message) => this.#receive(message));
    this.#source = source;
    this.#report.cursor(this.#cursor);
  }

  // Reconnects at once, when the page knows that another server answers now.
  reopen() {
    this.#source.close();
    this.open();
  }

  #receive(message) {
    this.#cursor = message.lastEventId;
    this.#report.cursor(this.#cursor);
    this.#report.event(JSON.parse(message.data));
  }

  // The browser reconnects after a stream that ended, but gives up after an error status such as 503.
  #retry(source) {
    if (source.readyState !== EventSource.CLOSED) {
      this.#report.state('polling', 'reconnecting');
      return;
    }
    this.#report.state('offline', `rejected, retry in ${kPause} s`);
    setTimeout(() => source === this.#source && this.open(), kPause * 1000);
  }
}

// Fetches, waits for the time that the server names, and fetches again from the cursor. In a long poll the server
// waits.
export class Polling {
  #url;
  #flavor;
  #report;
  #cursor;
  #abort;
  #timeouts = 0; // in a row

  constructor(url, flavor, cursor, report) {
    this.#url = url;
    this.#flavor = flavor;
    this.#cursor = cursor;
    this.#report = report;
  }

  open() {
    this.#abort = new AbortController();
    this.#report.cursor(this.#cursor);
    this.#loop(this.#abort.signal);
  }

  close() {
    this.#abort.abort();
  }

  reopen() {
    this.close();
    this.open();
  }

  async #loop(signal) {
    while (!signal.aborted) {
      let seconds = kPause;
      try {
        seconds = await this.#request(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#report.state('offline', error.message);
      }
      await this.#pause(seconds, signal);
    }
  }

  async #request(signal) {
    this.#report.state('live', this.#flavor === 'poll' ? 'requesting' : 'waiting');
    const headers = { 'Last-Event-ID': this.#cursor, Flavor: this.#flavor };
    const asked = performance.now();
    const response = await fetch(this.#url, { headers, signal, cache: 'no-store' });
    const waited = performance.now() - asked > kShort;
    if (kTimeouts.includes(response.status) && (waited || !this.#timeouts++)) return 0;
    if (!response.ok) throw new Error(`rejected (${response.status}), retry in ${kPause} s`);
    this.#timeouts = 0;
    const events = await response.json();
    this.#cursor = response.headers.get('Last-Event-ID');
    events.forEach((event) => this.#report.event(event));
    this.#report.cursor(this.#cursor);
    const seconds = reconnectIn(response.headers.get('X-PS-Reconnect-In'));
    if (seconds > 0) this.#report.state('polling', `next request in ${seconds} s`);
    return seconds;
  }

  #pause(seconds, signal) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
