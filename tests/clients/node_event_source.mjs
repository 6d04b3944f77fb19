// Node's own EventSource (--experimental-eventsource) on an address; writes what it dispatches, an object per line.
/* global EventSource */
const [url, ...types] = process.argv.slice(2);
const source = new EventSource(url);
setInterval(() => {}, 1e6); // a connection that waits to come back does not keep the program alive
const write = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
source.onopen = () => write({ open: true });
for (const type of [...types, 'message']) {
  source.addEventListener(type, ({ data, lastEventId: id }) => write({ type, data, id }));
}
