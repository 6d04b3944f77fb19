// A certificate for 127.0.0.1 that nobody trusts, for tests over TLS.
import path from 'node:path';

import { run } from './processes.mjs';
import { tempDir } from './scratch.mjs';

export async function selfSignedCertificate() {
  const dir = tempDir('tls');
  const [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  const what = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2', '-nodes'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await run('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, ...what]);
  return { dir, cert, key };
}
