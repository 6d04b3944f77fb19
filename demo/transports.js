// The three ways in which the demo receives events, without any library: EventSource, and the polling loop of 2014
// for long and short polls. Each keeps a cursor and reports: event(object), cursor(text), state(name, text).

// nginx holds the stream open; when it ends, the browser comes back by itself with the last id it has seen.
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

  // What a page does when it knows better than the browser that another server is to be asked.
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
    this.#report.state('error', 'refused, again in 5 s');
    setTimeout(() => source === this.#source && this.open(), 5000);
  }
}

// fetch, wait as long as the server says, fetch again with the cursor: a long poll when the server holds the request.
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
    this.#report.state('open', this.#flavor === 'poll' ? 'asking' : 'waiting');
    const headers = { 'Last-Event-ID': this.#cursor, Flavor: this.#flavor };
    const response = await fetch(this.#url, { headers, signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`refused (${response.status}), again in 5 s`);
    const events = await response.json();
    this.#cursor = response.headers.get('Last-Event-ID');
    events.forEach((event) => this.#report.event(event));
    this.#report.cursor(this.#cursor);
    const seconds = Number(response.headers.get('X-PS-Reconnect-In'));
    if (seconds > 0) this.#report.state('pause', `asks again in ${seconds} s`);
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
