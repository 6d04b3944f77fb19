// A certificate for 127.0.0.1 that nobody trusts, for tests over TLS.
import path from 'node:path';

import { run } from './processes.mjs';
import { tempDir } from './scratch.mjs';

// It is good for two days from now, or from the day `at`.
export async function selfSignedCertificate({ at } = {}) {
  const dir = tempDir('tls');
  const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  const what = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2', '-nodes'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const command = ['openssl', 'req', '-x509', ...kind, '-keyout', key, '-out', cert, ...what];
  const [program, ...args] = at ? ['faketime', at, ...command] : command;
  await run(program, args);
  return { dir, cert, key };
}
