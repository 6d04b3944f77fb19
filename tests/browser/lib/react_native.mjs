// Gives this process the globals of React Native (0.86: Libraries/Core): no document, no location, no BroadcastChannel,
// no EventSource, no Web Locks, no crypto; a fetch that answers when the whole body is there and has no stream of it;
// an AbortController that keeps no reason. All that this file removes is missing there.
import http from 'node:http';

const kMissing = ['BroadcastChannel', 'EventSource', 'crypto', 'navigator', 'ReadableStream', 'structuredClone', 'DOMException'];

class Headers {
  #values;

  constructor(values) {
    this.#values = values;
  }

  get(name) {
    return this.#values[name.toLowerCase()] ?? null;
  }
}

// As whatwg-fetch on XMLHttpRequest.
const fetchWhole = (url, { method = 'GET', headers, body, signal } = {}) => new Promise((resolve, reject) => {
  const fail = () => reject(new TypeError('Network request failed'));
  const request = http.request(url, { method, headers }, async (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk)).on('error', fail).on('aborted', fail);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({
        ok: response.statusCode < 300, status: response.statusCode, headers: new Headers(response.headers),
        text: async () => text, json: async () => JSON.parse(text),
      });
    });
  });
  signal?.addEventListener('abort', () => {
    request.destroy();
    reject(new Error('Aborted'));
  });
  request.on('error', fail).end(body);
});

// As abort-controller on npm: neither a reason nor throwIfAborted().
class AbortController {
  signal = Object.assign(new EventTarget(), { aborted: false });

  abort() {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.dispatchEvent(new Event('abort'));
  }
}

export async function becomeReactNative({ socket }) {
  const { WebSocket } = await import('ws');
  for (const name of kMissing) delete globalThis[name];
  const window = globalThis;
  Object.assign(globalThis, { window, fetch: fetchWhole, AbortController, WebSocket: socket ? WebSocket : undefined });
  delete globalThis.AbortSignal;
  Object.defineProperty(globalThis, 'navigator', { value: { product: 'ReactNative' } });
}
