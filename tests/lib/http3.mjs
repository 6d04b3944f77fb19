// HTTP/3 for tests: whether the tested nginx has it (Debian's from 1.26 on), and a Chromium that speaks it with certain
// servers.
import { createHash, X509Certificate } from 'node:crypto';
import fs from 'node:fs';

import { startBrowser } from './browser.mjs';
import { run } from './processes.mjs';

// The reason to skip a test of HTTP/3, or false.
export async function noHttp3() {
  const { stderr } = await run(process.env.PGEVENTS_NGINX ?? '/usr/sbin/nginx', ['-V']);
  return stderr.includes('--with-http_v3_module') ? false : `${stderr.split('\n')[0]} has no HTTP/3`;
}

// Chromium uses HTTP/3 with these ports of 127.0.0.1 from the first request on. For QUIC it accepts a certificate that
// no authority has signed only by the hash of its key.
export function startQuicBrowser(ports, certificate) {
  const { publicKey } = new X509Certificate(fs.readFileSync(certificate.cert));
  const hash = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  return startBrowser({ flags: [`--origin-to-force-quic-on=${ports.map((port) => `127.0.0.1:${port}`).join(',')}`,
    `--ignore-certificate-errors-spki-list=${hash}`] });
}

// The protocol of a page's last request to a path, as the browser names it: `h3`.
export const protocolOf = (page, path) => page.evaluate((wanted) =>
  performance.getEntriesByType('resource').findLast(({ name }) => name.includes(wanted))?.nextHopProtocol, path);
