// Node's own EventSource (--experimental-eventsource) on an address; writes its events, one object per line.
import { renewed } from '../lib/foreign_clients.mjs';

const [url, ...types] = process.argv.slice(2);
const write = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
renewed(globalThis.EventSource)(url, { types, onOpen: () => write({ open: true }), onEvent: write });
setInterval(() => {}, 1e6); // a connection that waits to reconnect does not keep the program alive
