// `error_log … debug` tells the story of a request, as docs/architecture.md shows it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { run } from '../lib/processes.mjs';

const { stderr: version } = await run(process.env.PGEVENTS_NGINX ?? '/usr/sbin/nginx', ['-V']);
const skip = !version.includes('--with-debug') && 'this nginx has no debug log';
const database = await (await sharedCluster()).createDatabase();

// The module's lines of one connection, without numbers that differ from run to run.
function linesOf(log, connection) {
  const text = fs.readFileSync(log, 'utf8');
  return text.split('\n').filter((line) => line.includes(`: *${connection} pgevents: `))
    .map((line) => line.replace(/^.* pgevents: /, '').replace(/(cursor|floor|bytes)(:?) "?[0-9]+"?/g, '$1$2 N'));
}

test('the debug log tells the story of a stream', { skip }, async () => {
  const server = await startModuleServer({ database, workers: 1, main: 'error_log debug.log debug;',
    location: 'pgevents_release_request on;' });
  const log = path.join(server.nginx.dir, 'debug.log');
  const channel = newChannel();
  const stream = await server.stream(channel).opened();
  await database.publish(channel, 'made', {});
  await stream.waitForEvents(1);
  await stream.close();
  await waitFor(() => fs.readFileSync(log, 'utf8').includes('subscriber: ended'));
  const [, connection] = fs.readFileSync(log, 'utf8').match(/: \*([0-9]+) pgevents: stream of 1 channels/);
  assert.deepEqual(linesOf(log, connection), [
    `stream of 1 channels, the first is "${channel}", behind cursor ""`,
    'log asked for a page behind cursor "", ring\'s floor N',
    'subscriber: locating, was new',
    'page arrived, events: 0, cursor: N, more: 0',
    'subscriber: live, was locating',
    'block sent, bytes: N, cursor: N',
    'request released',
    'block sent, bytes: N, cursor: N',
    'request finished: 499',
    'subscriber ends: client_left',
    'subscriber: ended, was live',
  ]);
  assert.match(fs.readFileSync(log, 'utf8'), /[0-9]: pgevents: ring read, from id [0-9]+ to [0-9]+\n/);
  assert.match(fs.readFileSync(log, 'utf8'), /[0-9]: pgevents: slice, turns of channels: 1, more: 0\n/);
  await server.nginx.stop();
});
