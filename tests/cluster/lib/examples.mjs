// The configurations of conf/cluster, which docs/cluster.md explains, with the few places that differ in a test.
import fs from 'node:fs';
import path from 'node:path';

import { kRoot } from '../../lib/scratch.mjs';

// The text of a file, with `changes` ([old, new] or [pattern, new]). Each must occur.
export function example(name, changes = []) {
  let text = fs.readFileSync(path.join(kRoot, 'conf', 'cluster', name), 'utf8');
  for (const [old, fresh] of changes) {
    if (text.split(old).length === 1) throw new Error(`conf/cluster/${name} does not contain ${old}`);
    text = text.replaceAll(old, fresh);
  }
  return text;
}
