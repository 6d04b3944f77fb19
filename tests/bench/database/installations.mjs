// What is measured: pgevents of this repository, and with `--beside DIR` that of another one (built, too) in the same
// rounds, so that two versions can be compared though the machine is noisy.
import path from 'node:path';

import { kModule } from '../../lib/nginx.mjs';
import { kRoot } from '../../lib/scratch.mjs';
import { versionIn } from '../report.mjs';

export const kHere = { name: undefined, install: path.join(kRoot, 'sql/install.sql'), module: kModule };

export const installationIn = (directory) => ({
  name: path.basename(path.resolve(directory)),
  install: path.resolve(directory, 'sql/install.sql'),
  module: path.resolve(directory, 'build/release/ngx_http_pgevents_module.so'),
  version: () => versionIn(directory),
});

// The columns of a section, each for all installations. Those in `section.alone` have nothing of pgevents.
export function columnsFor(section, installations) {
  const all = Object.entries(section.columns).flatMap(([title, measure]) => {
    const taken = section.alone?.includes(title) ? installations.slice(0, 1) : installations;
    return taken.map((one) => [one.name ? `${title} (${one.name})` : title, (cluster) => measure(cluster, one)]);
  });
  return Object.fromEntries(all);
}
