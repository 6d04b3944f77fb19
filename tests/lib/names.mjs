// Host names for one program: it sees a file /etc/hosts that the test writes, and no name server. As root only, because
// the program runs in a mount namespace of its own.
//
//   const names = new Names({ db: ['127.0.0.1'] });
//   await startNginx({ binary: names.wrap(kNginxProgram), … });
//   names.set({ db: ['127.0.0.2'] });
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { atEnd } from './lifetime.mjs';
import { run } from './processes.mjs';
import { tempDir } from './scratch.mjs';

export const kMayNameHosts = process.getuid() === 0 && mayMount();
export const kNginxProgram = process.env.PGEVENTS_NGINX ?? '/usr/sbin/nginx';

// Not even root may in some containers.
function mayMount() {
  return spawnSync('unshare', ['--mount', 'mount', '--bind', '/tmp', '/tmp'], { stdio: 'ignore' }).status === 0;
}

// The same database behind a host name that leads to no server: each connection looks the name up first.
export function behindName(conninfo) {
  return conninfo.replace(/host=(\S+) port=(\S+)/, 'host=localhost,$1 port=1,$2');
}

export class Names {
  constructor(hosts = {}) {
    this.dir_ = tempDir('names');
    this.real_ = path.join(this.dir_, 'real'); // the machine's /etc, in the namespace
    this.etc_ = path.join(this.dir_, 'etc');
    this.hosts_ = path.join(this.etc_, 'hosts');
    fs.mkdirSync(this.real_);
    fs.mkdirSync(this.etc_);
    const own = { 'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n', 'resolv.conf': '', hosts: '' };
    for (const name of fs.readdirSync('/etc')) {
      if (!(name in own)) fs.symlinkSync(path.join(this.real_, name), path.join(this.etc_, name));
    }
    for (const [name, text] of Object.entries(own)) this.write_(name, text);
    this.set(hosts);
    atEnd(() => this.release());
  }

  // Replaces a file at once, while programs read it.
  write_(name, text) {
    const fresh = path.join(this.dir_, 'new');
    fs.writeFileSync(fresh, text);
    fs.renameSync(fresh, path.join(this.etc_, name));
  }

  // From now on these names exist: { name: [address, …] }.
  set(hosts) {
    const lines = Object.entries(hosts).flatMap(([name, list]) => list.map((address) => `${address} ${name}\n`));
    this.write_('hosts', lines.join(''));
  }

  // From now on no name server answers: lookups fail at once, and may succeed later.
  setUnreachable() {
    this.write_('hosts', '');
    this.write_('nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
    this.write_('resolv.conf', 'nameserver 127.0.0.153\noptions timeout:1 attempts:1\n');
  }

  // From now on every lookup hangs: the file is a pipe, and opening it waits for a writer. release() ends the lookups
  // that wait; set() lets later ones succeed.
  async hang() {
    this.pipe_ = path.join(this.dir_, 'pipe');
    await run('mkfifo', [this.pipe_]);
    fs.linkSync(this.pipe_, path.join(this.dir_, 'new'));
    fs.renameSync(path.join(this.dir_, 'new'), this.hosts_);
  }

  release() {
    if (this.pipe_ === undefined) return;
    try {
      fs.closeSync(fs.openSync(this.pipe_, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
    } catch (error) {
      if (error.code !== 'ENXIO') throw error; // none waits
    }
    fs.rmSync(this.pipe_);
    this.pipe_ = undefined;
  }

  // Writes a script that runs `program` with these names. Gives its path.
  wrap(program) {
    const file = path.join(this.dir_, `with-names-${path.basename(program)}`);
    const mount = `mount --bind /etc '${this.real_}' && mount --bind '${this.etc_}' /etc && exec '${program}' "$@"`;
    fs.writeFileSync(file, `#!/bin/sh\nexec unshare --mount sh -c '${mount.replaceAll("'", `'\\''`)}' sh "$@"\n`,
      { mode: 0o755 });
    return file;
  }
}
