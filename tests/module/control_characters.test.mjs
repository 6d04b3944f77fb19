// Names with control characters of Unicode's second block (U+0080 to U+009F; a terminal takes some for commands): all
// formats of the protocol have them unchanged, and what a terminal may show has them escaped.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const keyFile = path.join(tempDir('control'), 'key');
fs.writeFileSync(keyFile, key.text);
const log = path.join(tempDir('control'), 'access.log');
const server = await startModuleServer({
  database,
  http: `log_format names '$request_method $pgevents_user';
    log_format names_json escape=json '{"user":"$pgevents_user","channels":"$pgevents_channels"}';`,
  server: `
    access_log ${log} names;
    access_log ${log}.json names_json;
    location = /status { pgevents_status channels=on; }
    location /none/ { pgevents main; pgevents_channel_pattern ".*"; pgevents_subscribe "none"; }
    location /key/ { pgevents main; pgevents_channel_pattern ".*"; pgevents_jwt_key ${keyFile}; pgevents_subscribe "*"; }`,
  location: 'pgevents_channel_pattern ".*";',
});
const get = (where, options) => request({ port: server.port, path: where, ...options });
const tokenOf = (sub) => signToken({ sub, exp: inSeconds(60) }, { key });
const kBytes = /\xc2[\x80-\x9f]/; // in a text of bytes

for (const [what, code] of [['the first', 0x80], ['NEL, a line end of some', 0x85], ['CSI, which begins a command', 0x9b],
  ['OSC', 0x9d], ['the last', 0x9f]]) {
  describe(`names with U+00${code.toString(16)}, ${what}`, () => {
    const character = String.fromCodePoint(code);
    const name = `a${character}31m`;
    const inPath = encodeURIComponent(name);
    const escaped = `a\\xc2\\x${code.toString(16)}31m`;

    before(async () => {
      const { status } = await get(`/rt/events/${inPath}`, { method: 'POST', body: JSON.stringify({ type: name, data: name }) });
      assert.equal(status, 201);
    });

    test('polls have channel and type unchanged', async () => {
      const [event] = (await get(`/rt/events/${inPath}?flavor=poll&last_event_id=0`)).json();
      assert.deepEqual([event.channel_id, event.data.type, event.data.data], [name, name, name]);
    });

    test('a stream has them on one line each', async () => {
      const stream = server.stream(inPath, { query: { last_event_id: 0, envelope: 1 } });
      await waitFor(() => stream.events.length > 0, { what: 'the event' });
      const [event] = stream.events;
      const { channel_id: channel, data } = JSON.parse(event.data);
      assert.deepEqual([event.type, channel, data.type, data.data], [name, name, name, name]);
      await stream.close();
    });

    test('the status has the channel unchanged in JSON, and replaced on the page', async () => {
      const where = `/status?channel=${inPath}`;
      const json = (await get(where, { headers: { Accept: 'application/json' } })).json();
      assert.equal(json.databases[0].channel.name, name);
      const page = await get(where, { headers: { Accept: 'text/html' } });
      assert.ok(page.body.includes('a\ufffd31m') && !page.body.includes(character), page.body);
      const metrics = await get(where, { headers: { Accept: 'text/plain' } });
      assert.ok(!metrics.body.includes(character));
    });

    test('the error log has a rejected channel escaped, and the access log a user', async () => {
      const rejected = await get(`/none/events/${inPath}?flavor=poll`);
      assert.equal(rejected.json().msg, `Not authorized for channel '${name}'`);
      const errors = () => fs.readFileSync(server.nginx.errorLog, 'latin1');
      await waitFor(() => errors().includes(`Not authorized for channel '${escaped}'`), { what: errors });
      const answer = await get(`/key/events/${inPath}?flavor=poll`, { headers: { Authorization: `Bearer ${tokenOf(name)}` } });
      assert.equal(answer.status, 200, answer.body);
      const line = `GET a\\xC2\\x${code.toString(16).toUpperCase()}31m\n`; // by nginx
      await waitFor(() => fs.readFileSync(log, 'latin1').includes(line), { what: () => fs.readFileSync(log, 'latin1') });
      const json = fs.readFileSync(`${log}.json`, 'utf8').trim().split('\n').map((text) => JSON.parse(text));
      assert.ok(json.some(({ user, channels }) => user === name && channels === name), JSON.stringify(json));
      assert.doesNotMatch(fs.readFileSync(log, 'latin1'), kBytes);
      assert.doesNotMatch(errors(), kBytes);
    });
  });
}
