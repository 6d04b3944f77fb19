// The probe in each context that a browser has, one after another; reports the results to the server of the test.
/* global window, document, Worker, SharedWorker */
import { probe } from './probe.js';

const kWorker = new URL('worker.js', import.meta.url);
const kOptions = { type: 'module' };

// Resolves with the first message.
const answerOf = (port, worker = port) => new Promise((resolve) => {
  port.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => resolve({ error: `worker: ${message}` });
});

async function inServiceWorker() {
  const registration = await window.navigator.serviceWorker.register(kWorker, kOptions);
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  while (worker.state !== 'activated') await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
  const { port1, port2 } = new MessageChannel();
  worker.postMessage('probe', [port2]);
  return answerOf(port1, worker);
}

const kContexts = {
  page: () => probe(window.location.origin),
  'dedicated worker': () => answerOf(new Worker(kWorker, kOptions)),
  'shared worker': () => {
    const worker = new SharedWorker(kWorker, kOptions);
    return answerOf(worker.port, worker);
  },
  'service worker': inServiceWorker,
};

for (const [context, run] of Object.entries(kContexts)) {
  const result = await run().catch((error) => ({ error: `${error}` }));
  await fetch('/control/report', { method: 'POST', body: JSON.stringify([context, result]) });
}
document.title = 'done';
