// The token of this page's person. It is valid for a few minutes; when the server rejects it, the page reads a new one
// and repeats the request. The demo signs tokens every five minutes (tools/people.sh); a real application signs one
// when a user logs in, and another one when the page asks for it with the user's session.
const kPeople = 'demo/people.json';

export async function readPeople() {
  const response = await fetch(kPeople, { cache: 'no-store' });
  if (!response.ok) throw new Error(`Cannot read the demo's people (status ${response.status}).`);
  return response.json();
}

export class Credentials extends EventTarget {
  renewals = 0;
  #id;
  #token;
  #renewing;

  constructor({ id, token }) {
    super();
    this.#id = id;
    this.#token = token;
  }

  get token() {
    return this.#token;
  }

  // When the token expires, in milliseconds since 1970. The second of its three parts is JSON in base64url.
  get expires() {
    const claims = this.#token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(atob(claims)).exp * 1000;
  }

  // Requests that are rejected at the same time share one new token.
  renew() {
    return (this.#renewing ??= this.#read().finally(() => (this.#renewing = undefined)));
  }

  async fetch(url, init = {}) {
    const used = this.#token;
    const send = () => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${this.#token}` } });
    const response = await send();
    if (response.status !== 401) return response;
    if (used === this.#token) await this.renew();
    return send();
  }

  async #read() {
    const people = await readPeople();
    const { token } = people.find(({ id }) => id === this.#id);
    if (token !== this.#token) this.renewals += 1;
    this.#token = token;
    this.dispatchEvent(new Event('change'));
    return token;
  }
}
