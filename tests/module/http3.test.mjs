// HTTP/3, asked by Chromium: streams, long polls, publications, many streams on a connection, resets, a reload; and the
// warning about an idle timeout that would cut waiting requests off. Skipped where nginx has no HTTP/3, apart from the
// example, which is then started without it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { checkExample, firstAnswer, startExample, tlsPlaces } from '../lib/conf_examples.mjs';
import { request } from '../lib/http.mjs';
import { noHttp3, protocolOf, startQuicBrowser } from '../lib/http3.mjs';
import { locationText } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { childrenOf, waitGone } from '../lib/processes.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';

const skip = await noHttp3();

describe('over HTTP/3', () => {
  let database, certificate, nginx, page;

  const http = (keepalive, location = '') => (n) => `
    pgevents_database main "${database.conninfo()}" ring=4m;
    server {
      listen ${n.listen()} quic reuseport;
      listen ${n.listen()} ssl;
      ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key}; ssl_protocols TLSv1.3;
      keepalive_timeout ${keepalive};
      location = /page { default_type text/html; return 200 "<!doctype html><title>HTTP/3</title>"; }
      ${locationText({ location: `pgevents_retry 100ms; ${location}` })}
    }`;

  before(async () => {
    if (skip) return;
    database = await (await sharedCluster()).createDatabase();
    certificate = await selfSignedCertificate();
    nginx = await startNginx({ http: http('5s', 'pgevents_heartbeat 2s; pgevents_timeout 4s;') });
    await nginx.waitListening();
    const browser = await startQuicBrowser([nginx.port], certificate);
    page = await browser.newPage();
    await page.goto(`https://127.0.0.1:${nginx.port}/page`);
    await page.evaluate(() => {
      globalThis.streams = {};
      globalThis.listen = (channel) => {
        const stream = globalThis.streams[channel] = { opened: 0, got: [] };
        const source = new globalThis.EventSource(`/rt/events/${channel}`);
        source.onopen = () => (stream.opened += 1);
        source.addEventListener('made', ({ data }) => stream.got.push(JSON.parse(data)));
        stream.close = () => source.close();
      };
    });
  });

  // A browser that is closed does not close its connections: workers that end gracefully would wait for their timeout.
  after(() => nginx?.stop({ signal: 'SIGTERM' }));

  const stream = (channel) => page.evaluate((name) => {
    const { opened, got } = globalThis.streams[name];
    return { opened, got };
  }, channel);
  const open = async (...channels) => {
    await page.evaluate((names) => names.forEach(globalThis.listen), channels);
    for (const channel of channels) {
      await waitFor(async () => (await stream(channel)).opened, { what: `the stream of ${channel}` });
    }
  };
  const close = (...channels) =>
    page.evaluate((names) => names.forEach((name) => globalThis.streams[name].close()), channels);
  const received = (channel, wanted) => waitFor(async () => {
    const { got } = await stream(channel);
    return got.length >= wanted.length && (assert.deepEqual(got, wanted), true);
  }, { what: async () => JSON.stringify(await stream(channel)) });
  const ask = (where, options = {}) => page.evaluate(async ([path, init]) => {
    const answer = await fetch(path, init);
    return { status: answer.status, body: await answer.text() };
  }, [where, options]);

  test('a stream, a long poll and a publication share a connection', { skip }, async () => {
    const channel = newChannel();
    await open(channel);
    const waiting = ask(`/rt/events/${channel}?last_event_id=${await database.head()}`);
    const published = await ask(`/rt/events/${channel}`, { method: 'POST', body: '{"type":"made","data":5}',
      headers: { 'Content-Type': 'application/json' } });
    assert.equal(published.status, 201, published.body);
    assert.equal(JSON.parse((await waiting).body)[0].data.data, 5);
    await received(channel, [5]);
    assert.equal(await protocolOf(page, channel), 'h3');
    await close(channel);
  });

  test('HEAD has no body, errors have theirs, and a large event arrives completely', { skip }, async () => {
    const channel = newChannel();
    const head = await ask(`/rt/events/${channel}?flavor=poll`, { method: 'HEAD' });
    assert.deepEqual(head, { status: 200, body: '' });
    assert.equal(JSON.parse((await ask('/rt/events/a%20b')).body).code, 'BAD_REQUEST');
    await database.publish(channel, 'made', 'x'.repeat(2 << 20));
    const poll = await ask(`/rt/events/${channel}?flavor=poll&last_event_id=0`);
    assert.equal(JSON.parse(poll.body)[0].data.data.length, 2 << 20);
  });

  test('a hundred streams each receive their events, and can be reset', { skip }, async () => {
    const channels = range(1, 100).map(() => newChannel());
    await open(...channels);
    await Promise.all(channels.map((channel) => database.publish(channel, 'made', channel)));
    for (const channel of channels) await received(channel, [channel]);
    await close(...channels);
    assert.equal((await ask(`/rt/events/${channels[0]}?flavor=poll`)).status, 200);
  });

  // Without quic_bpf a new worker reads the socket of an old one too. If it takes the client's acknowledgements, the
  // old worker waits for the idle timeout, which is why keepalive_timeout is short here.
  test('a stream goes on after a reload, and the old workers leave', { skip }, async () => {
    const channel = newChannel();
    await open(channel);
    await database.publish(channel, 'made', 1);
    await received(channel, [1]);
    const old = await nginx.reload();
    await database.publish(channel, 'made', 2);
    await received(channel, [1, 2]);
    await nginx.waitGone(old);
    await database.publish(channel, 'made', 3);
    await received(channel, [1, 2, 3]);
    // An attempt to reconnect that failed has no protocol: only a new request shows it.
    assert.equal((await ask(`/rt/events/${channel}?flavor=poll`)).status, 200);
    assert.equal(await protocolOf(page, channel), 'h3');
    await close(channel);
  });

  test('nginx warns about an idle timeout that is not above heartbeat and timeout', { skip }, async () => {
    const warning = /\[warn\] .*keepalive_timeout is 5000 ms .* quic" in .*nginx\.conf:\d+: .* 20000 ms/;
    const other = await startNginx({ http: http('65s') });
    const check = async (...args) => {
      await other.configure(http(...args));
      const [valid, text] = await other.test();
      assert.ok(valid, text);
      return text;
    };
    assert.match(await check('5s', 'pgevents_heartbeat 20s; pgevents_timeout 10s;'), warning);
    assert.match(await check('5s', 'pgevents_heartbeat 2s; pgevents_timeout 20s;'), warning);
    for (const args of [['65s'], ['5s', 'pgevents_heartbeat 2s; pgevents_timeout 4s;']]) {
      assert.doesNotMatch(await check(...args), /warn/);
    }
    await other.configure((n) => http('5s')(n).replace(/listen \S+ quic reuseport;/, ''));
    assert.doesNotMatch((await other.test())[1], /warn/);
  });
});

describe('conf/http3.conf', () => {
  const kQuic = 'listen 443 quic reuseport;';
  const kBpf = 'quic_bpf on;'; // needs CAP_BPF when nginx starts, not when it checks
  const places = (certificate, bpf) => (_, port) => ({
    ...(bpf ? {} : { [kBpf]: '' }),
    ...tlsPlaces(port, certificate),
    ...(skip ? { [kQuic]: '', 'http2 on;': '' } : { [kQuic]: kQuic.replace('443', `127.0.0.1:${port}`) }),
  });
  let certificate, database;

  before(async () => {
    database = await (await sharedCluster()).createDatabase();
    certificate = await selfSignedCertificate();
  });

  test('is valid, without a warning', { skip }, async () => {
    const said = await checkExample('http3.conf', { database, places: places(certificate, true) });
    assert.match(said, /test is successful/);
    assert.doesNotMatch(said, /warn/);
  });

  test('serves clients without HTTP/3, and offers it', async () => {
    const { port } = await startExample('http3.conf', { database, places: places(certificate, false) });
    const answer = await firstAnswer(port, '/rt/events/news?flavor=poll', { tls: true });
    assert.deepEqual([answer.status, answer.headers['alt-svc']], [200, 'h3=":443"; ma=86400']);
    assert.equal((await request({ port, path: '/rt/events/secret?flavor=poll', tls: true })).status, 403);
  });
});

describe('conf/http3.conf over HTTP/3', () => {
  const privileged = process.getuid() === 0;
  let database, certificate, example, answer, page;

  before(async () => {
    if (skip) return;
    database = await (await sharedCluster()).createDatabase();
    certificate = await selfSignedCertificate();
    example = await startExample('http3.conf', { database, places: (dir, port) => ({
      ...tlsPlaces(port, certificate),
      'listen 443 quic': `listen 127.0.0.1:${port} quic`,
      'h3=":443"': `h3=":${port}"`,
      'pgevents main;': 'pgevents main; pgevents_retry 100ms;',
      ...(privileged ? {} : { 'quic_bpf on;': '' }),
    }) });
    answer = await firstAnswer(example.port, '/rt/events/news?flavor=poll', { tls: true });
    page = await (await startQuicBrowser([example.port], certificate)).newPage();
    await page.goto(`https://127.0.0.1:${example.port}/rt/events/news?flavor=poll`);
  });

  const opened = () => page.evaluate(() => globalThis.opened);
  const received = (texts) => waitFor(async () => {
    const got = await page.evaluate(() => globalThis.got);
    return got.length >= texts.length && (assert.deepEqual(got, texts.map((text) => `{"text":"${text}"}`)), true);
  }, { what: `the events ${texts}` });
  const open = async () => {
    await page.evaluate(() => {
      Object.assign(globalThis, { opened: 0, got: [], source: new globalThis.EventSource('/rt/events/news') });
      globalThis.source.addEventListener('open', () => (globalThis.opened += 1));
      globalThis.source.addEventListener('headline', ({ data }) => globalThis.got.push(data));
    });
    await waitFor(opened, { what: 'the open stream' });
  };
  const close = () => page.evaluate(() => globalThis.source.close());

  test('delivers events over HTTP/3, which answers over TCP offer', { skip }, async () => {
    assert.equal(answer.headers['alt-svc'], `h3=":${example.port}"; ma=86400`);
    await open();
    await database.publish('news', 'headline', { text: 'one' });
    await received(['one']);
    await close();
    const protocol = () => protocolOf(page, '/rt/events/news');
    assert.equal(await waitFor(protocol, { what: 'the end of the stream' }), 'h3');
  });

  // Ten reloads, because without quic_bpf an old worker stays after some of them only.
  test('after a reload the old workers do not wait for the idle timeout',
    { skip: skip || (!privileged && 'quic_bpf needs root') }, async () => {
      await open();
      for (const round of range(1, 10)) {
        const before_reload = await opened();
        const old = childrenOf(example.pid);
        example.reload({});
        await waitGone(old, 'the old workers', 15_000); // Chromium's idle timeout is 30 s
        await waitFor(async () => await opened() > before_reload, { what: `the stream after reload ${round}` });
      }
      await database.publish('news', 'headline', { text: 'two' });
      await received(['two']);
      await close();
    });
});
