// A small disk that can be filled: a tmpfs. Mounting it requires root.
import fs from 'node:fs';
import path from 'node:path';

import { atEnd } from './lifetime.mjs';
import { run } from './processes.mjs';
import { tempDir } from './scratch.mjs';

const kBlock = Buffer.alloc(64 * 1024);

class SmallDisk {
  constructor(dir) {
    this.dir = dir;
    this.filler_ = path.join(dir, 'filler');
  }

  // Writes until the disk is full.
  fill() {
    const file = fs.openSync(this.filler_, 'a');
    try {
      for (;;) fs.writeSync(file, kBlock);
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    } finally {
      fs.closeSync(file);
    }
  }

  clear() {
    fs.rmSync(this.filler_, { force: true });
  }
}

// Mounts a disk that ends with the test file. Gives undefined if this process may not mount.
export async function mountSmallDisk(megabytes) {
  const dir = tempDir('disk');
  const options = `size=${megabytes}m,mode=0755`;
  const { status } = await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { expect: null });
  if (status !== 0) return undefined;
  atEnd(() => run('umount', ['--lazy', dir]));
  return new SmallDisk(dir);
}
