// A database whose server cannot be used, however it behaves: requests are answered with 503, the worker goes on
// serving others, and leaves when it has to. Module and fallback.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { kUselessServers } from '../lib/bad_servers.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';

const kLimit = 'connect_timeout=2';
// libpq makes once in a process what it needs for TLS, and forgets it at the end: 109 bytes. LeakSanitizer reports
// them, often with a stack that is too short for a suppression.
const rows = Object.entries(kUselessServers).filter(([how]) => !process.env.LSAN_OPTIONS || !/TLS/.test(how));
const publish = (port, base) => request({
  port, path: `${base}/events/any`, method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: '{"type":"made","data":1}',
});

for (const [how, startServer] of rows) {
  test(`a server that ${how}`, async () => {
    const conninfo = `host=127.0.0.1 port=${await startServer()} dbname=app user=app password=x ${kLimit}`;
    const fallback = await startFallback({ conninfo, processes: 1 });
    const nginx = await startNginx({
      workers: 1,
      http: (n) => `
        pgevents_database main "${conninfo}" ring=64k;
        server {
          listen ${n.listen()};
          location / { return 200; }
          location /rt/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; }
          location /fb/ { ${fallback.nginxLines({ base: '/fb' })} }
        }`,
    });
    const answers = await Promise.all(['/rt', '/rt', '/fb'].map((base) => publish(nginx.port, base)));
    assert.deepEqual(answers.map(({ status }) => status), [503, 503, 503]);
    assert.equal((await request({ port: nginx.port, path: '/' })).status, 200);
    await nginx.stop();
    await fallback.stop();
  });
}
