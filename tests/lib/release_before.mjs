// The release before this one, as a package (tests/upgrade): its sources and its schema. A new release puts its own
// sources there when it begins:
//   git archive --format=tar TAG ngx_module core postgres fcgi_fallback sql packaging config config.make \
//     CMakeLists.txt | xz -9e
import path from 'node:path';

import { run } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

export const kPackage = path.join(kRoot, 'tests', 'upgrade', 'release-before.tar.xz');

// Its programs, if `./run upgrade` has built them: { module, fallback }.
const built = process.env.PGEVENTS_RELEASE_BEFORE;
export const kProgramsBefore = built && {
  module: path.join(built, 'out', 'ngx_http_pgevents_module.so'), fallback: path.join(built, 'out', 'pgevents-fcgi'),
};

// Unpacks it. Gives its directory.
export async function unpackReleaseBefore() {
  const dir = tempDir('before');
  await run('tar', ['-xJf', kPackage, '-C', dir]);
  return dir;
}
