// Two shards, each a cluster of its own with a fallback, behind one nginx that is configured by
// conf/cluster/shards.conf or shards-by-host.conf, as a server with the module (`port`) and as one in which it is off
// (`offPort`).
import fs from 'node:fs';
import path from 'node:path';

import { startCluster } from '../../lib/cluster.mjs';
import { startFallback } from '../../lib/fallback.mjs';
import { startNginx } from '../../lib/nginx.mjs';
import { tempDir } from '../../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../../lib/tokens.mjs';
import { example } from './examples.mjs';

const kQuick = 'pgevents_retry 100ms; pgevents_timeout 2s; pgevents_poll_interval 1s;';

export class Shards {
  async start() {
    this.dir = tempDir('shards');
    fs.chmodSync(this.dir, 0o755);
    this.key = this.addKey_('key');
    this.nextKey = this.addKey_('next'); // which only the fallbacks have yet
    [this.eu, this.us] = await Promise.all([1, 2].map(async () => (await startCluster()).createDatabase({ name: 'app' })));
    await this.us.query('SELECT pgevents.become_shard(1)');
    this.fallbacks = {};
    for (const name of ['eu', 'us']) {
      const args = ['key', 'next'].flatMap((file) => ['--jwt-key', `${this.file(file)} kid=${file}`]);
      const fallback = await startFallback({ conninfo: this[name].conninfo(), args: [...args, '--poll-interval', '1'] });
      fs.symlinkSync(fallback.socket, this.file(`${name}.sock`));
      this.fallbacks[name] = fallback;
    }
    this.nginx = await startNginx({ http: (nginx) => this.http(nginx) });
    [this.port, this.offPort] = this.nginx.ports;
    await this.nginx.waitListening('eu', 'us');
    return this;
  }

  file(name) {
    return path.join(this.dir, name);
  }

  addKey_(kid) {
    const key = { ...secretKey(), kid };
    fs.writeFileSync(this.file(kid), key.text);
    return key;
  }

  // changes: further ones of the configuration.
  http(nginx, changes = []) {
    return this.example('shards.conf', nginx, changes);
  }

  example(name, nginx, changes = []) {
    const text = example(name, [
      ['host=db-eu dbname=app user=pgevents', this.eu.conninfo()],
      ['host=db-us dbname=app user=pgevents', this.us.conninfo()],
      ['/etc/pgevents/jwt.key', `${this.file('key')} kid=key`],
      ['/run/pgevents/', `${this.dir}/`],
      ['pgevents $shard;', `pgevents $shard; ${kQuick}`],
      ...changes,
    ]);
    const [first, second] = [nginx.listen(0), nginx.listen(1)];
    const server = text.slice(text.indexOf('server {'));
    const off = server.replace('pgevents $shard;', 'pgevents off;').replace('listen 80;', `listen ${second};`);
    return text.replace('listen 80;', `listen ${first};`) + off;
  }

  // Headers with a token of a user of a realm.
  as(realm, { user = '10', key = this.key, ...claims } = {}) {
    const all = { sub: user, iat: inSeconds(-10), exp: inSeconds(600), ...(realm && { realm }), ...claims };
    return { Authorization: `Bearer ${signToken(all, { key, kid: key.kid })}` };
  }
}
