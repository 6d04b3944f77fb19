// The demo's three transports, without any library: EventSource, and a polling loop for long and short polls. Each
// keeps a cursor and reports event(object), cursor(text) and state(name, text).

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
    source.onopen = () => this.#report.state('open', 'streaming');
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
      this.#report.state('pause', 'reconnecting');
      return;
    }
    this.#report.state('error', 'rejected, retry in 5 s');
    setTimeout(() => source === this.#source && this.open(), 5000);
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

  reopen() {
    this.#abort.abort();
    this.open();
  }

  async #loop(signal) {
    while (!signal.aborted) {
      let seconds = 5;
      try {
        seconds = await this.#request(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#report.state('error', error.message);
      }
      await this.#pause(seconds, signal);
    }
  }

  async #request(signal) {
    this.#report.state('open', this.#flavor === 'poll' ? 'requesting' : 'waiting');
    const headers = { 'Last-Event-ID': this.#cursor, Flavor: this.#flavor };
    const response = await fetch(this.#url, { headers, signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`rejected (${response.status}), retry in 5 s`);
    const events = await response.json();
    this.#cursor = response.headers.get('Last-Event-ID');
    events.forEach((event) => this.#report.event(event));
    this.#report.cursor(this.#cursor);
    const seconds = Number(response.headers.get('X-PS-Reconnect-In'));
    if (seconds > 0) this.#report.state('pause', `next request in ${seconds} s`);
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
