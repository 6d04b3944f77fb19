// The probe in a dedicated, shared or service worker.
/* global self */
import { probe } from './probe.js';

const report = async (port) => port.postMessage(await probe(self.location.origin).catch((error) => ({ error: `${error}` })));

if ('clients' in self) self.onmessage = (event) => event.waitUntil(report(event.ports[0]));
else if ('onconnect' in self) self.onconnect = ({ ports: [port] }) => report(port);
else report(self);
