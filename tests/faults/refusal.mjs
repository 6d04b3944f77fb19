// The test's side of refuse_memory.cpp: controls when the processes that preload it are refused memory, and reads at
// which sites. Each program has its own, because its addresses identify a site.
import fs from 'node:fs';
import path from 'node:path';

import { kRoot, tempDir } from '../lib/scratch.mjs';

const kLibrary = path.join(kRoot, 'build', 'release', 'librefuse_memory.so');

// The layout of Control in refuse_memory.cpp.
const kMode = { off: 0, eachSite: 1, all: 2 };
const kMasterAt = 4;
const kWithin = { at: 8, bytes: 56 };
const kSpared = { at: 64, bytes: 960 };
const kSize = 1024 + 8 * (1 << 15);

// Callers that only pass a request for memory on.
const kPassesOn = /^(libc|libstdc\+\+)\.so/;

export class Refusal {
  constructor() {
    const dir = tempDir('refuse');
    this.file_ = path.join(dir, 'control');
    this.log_ = path.join(dir, 'sites.log');
    fs.writeFileSync(this.file_, Buffer.alloc(kSize));
    fs.writeFileSync(this.log_, '');
    this.fd_ = fs.openSync(this.file_, 'r+');
    this.environment = { LD_PRELOAD: kLibrary, REFUSE_MEMORY: this.file_, REFUSE_MEMORY_LOG: this.log_ };
  }

  put_(value, at) {
    const word = Buffer.alloc(4);
    word.writeInt32LE(value);
    fs.writeSync(this.fd_, word, 0, 4, at);
  }

  putText_(text, { at, bytes }) {
    const field = Buffer.alloc(bytes);
    if (field.write(text) >= bytes) throw new Error(`more than ${bytes} bytes: ${text}`);
    fs.writeSync(this.fd_, field, 0, bytes, at);
  }

  // mode: a name in kMode; master: a process that always gets memory; within: only sites with this text in their frames
  // count, see sites(); spared: sites with any of these texts get memory.
  arm(mode, { master, within = '', spared = [] }) {
    this.put_(master, kMasterAt);
    this.putText_(within, kWithin);
    this.putText_(spared.join('\n'), kSpared);
    this.put_(kMode[mode], 0);
  }

  disarm() {
    this.put_(kMode.off, 0);
  }

  // The sites that were refused memory once: { pid, library, frames }, with the innermost caller first in `frames`,
  // each as `file:function+offset`. library: the file that requested the memory.
  sites() {
    return fs.readFileSync(this.log_, 'utf8').split('\n').filter(Boolean).map((line) => {
      const [pid, ...frames] = line.split(' ');
      const caller = frames.find((frame) => !kPassesOn.test(frame)) ?? 'unknown:';
      return { pid: Number(pid), library: caller.split(':')[0].replace(/\.so.*/, ''), frames };
    });
  }

  // One line for the test report.
  describe() {
    const counts = new Map();
    for (const { library } of this.sites()) counts.set(library, (counts.get(library) ?? 0) + 1);
    const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([library, count]) => `${library} ${count}`);
    return `${this.sites().length} sites were refused memory: ${sorted.join(', ')}`;
  }
}
