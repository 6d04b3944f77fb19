// A self-signed certificate for 127.0.0.1, for tests over TLS.
import path from 'node:path';

import { run } from './processes.mjs';
import { tempDir } from './scratch.mjs';

// The certificate is valid for two days from now, or from the day `at`.
export async function selfSignedCertificate({ at } = {}) {
  const dir = tempDir('tls');
  const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const what = [...names, '-days', '2', '-nodes'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const command = ['openssl', 'req', '-x509', ...kind, '-keyout', key, '-out', cert, ...what];
  const [program, ...args] = at ? ['faketime', at, ...command] : command;
  await run(program, args);
  return { dir, cert, key };
}
