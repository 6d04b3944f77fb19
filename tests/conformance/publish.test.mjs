// POST publishes an event: it is checked, and the log contains it exactly as it was sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { parseAnswers, rawExchange } from '../lib/http.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const rowsOf = (channel) => database.log({ channels: [channel] });
const kForm = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };

forEach(backends, (backend) => {
  // Publishes an event that must be accepted. Gives its row of the log.
  async function published(body, options) {
    const channel = newChannel();
    const answer = await backend.publish(channel, body, options);
    assert.equal(answer.status, 201, answer.body);
    const rows = await rowsOf(channel);
    assert.equal(rows.length, 1);
    assert.equal(answer.body, `{"result":"success","id":${rows[0].id}}`);
    return { ...rows[0], answer };
  }

  async function rejected(body, status, code, msg, options) {
    const channel = newChannel();
    assertError(await backend.publish(channel, body, options), status, code, msg);
    assert.deepEqual(await rowsOf(channel), []);
  }

  const bad = (body, msg, options) => rejected(body, 400, 'BAD_REQUEST', msg, options);

  test('stores an event and answers with its id', async () => {
    const { type, data, answer } = await published({ type: 'cheese_created', data: { pieces: 92 } });
    assert.deepEqual([type, data], ['cheese_created', '{"pieces":92}']);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.headers['cache-control'], 'no-store');
  });

  test('keeps the data unchanged', async () => {
    const data = '{ "b" : 1.50, "a" : [1e2 , 12345678901234567890], "b" : "\\u0000\\ud83d\\ude00é" }';
    assert.equal((await published(`{"ttl":null, "data":${data},"type":"made"}`)).data, data);
  });

  test('stores null if there is no data', async () => {
    assert.equal((await published('{"type":"made"}')).data, 'null');
    assert.equal((await published('{"type":"made","data":null}')).data, 'null');
  });

  test('rejects an unknown member, and names it', async () => {
    const unknown = (what, name) => `${what} '${name}' is unknown: a publication has type, data and ttl`;
    await bad('{"type":"t","pieces":92}', unknown('Member', 'pieces'));
    await bad('{"type":"made","data":1,"user":"root","channel":"x"}', unknown('Member', 'user'));
    await bad('{"Type":"made"}', unknown('Member', 'Type'));
    await bad('type=made&dta=1', unknown('Field', 'dta'), kForm);
  });

  test('rejects types that an EventSource uses for its own events', async () => {
    const reserved = (type) => `Event type '${type}' is reserved: an EventSource would take it for its own event`;
    for (const type of ['error', 'open']) {
      await bad({ type }, reserved(type));
      await bad(`type=${type}`, reserved(type), kForm);
    }
    assert.equal((await published({ type: 'message' })).type, 'message');
  });

  test('accepts at most 64 form fields, and does not read the others', async () => {
    await bad('a&'.repeat(64), "Field 'a' is unknown: a publication has type, data and ttl", kForm);
    await bad('a&'.repeat(100_000), 'Too many parameters in the form (at most 64)', kForm);
  });

  test('reads a body without a content type as JSON; parameters and case of the type have no effect', async () => {
    const channel = newChannel();
    const plain = await backend.send(`/events/${channel}`, { method: 'POST', body: '{"type":"made"}' });
    assert.equal(plain.status, 201);
    for (const type of ['application/json; charset=utf-8', 'Application/JSON']) {
      await published('{"type":"made"}', { headers: { 'Content-Type': type } });
    }
  });

  test('accepts a form', async () => {
    const form = new URLSearchParams({ type: 'made', data: '{"a": "ä & ö = ü+"}' }).toString();
    const { type, data } = await published(form, kForm);
    assert.deepEqual([type, data], ['made', '{"a": "ä & ö = ü+"}']);
    assert.equal((await published('type=made', kForm)).data, 'null');
  });

  test('gives the event a higher id than every earlier event', async () => {
    const before = await database.head();
    assert.ok((await published({ type: 'made' })).id > before);
  });

  test('delivers the event from every back-end as soon as it is answered', async () => {
    const channel = newChannel();
    const { cursor } = await backend.poll(channel);
    await backend.publish(channel, { type: 'made', data: 7 });
    for (const other of backends) assert.equal((await other.poll(channel, { cursor })).events[0].data, '7');
  });

  test('deletes an event with a ttl when it has expired', async () => {
    const channel = newChannel();
    assert.equal((await backend.publish(channel, { type: 'typing', data: 1, ttl: 1.5 })).status, 201);
    assert.equal((await backend.poll(channel, { cursor: 0 })).events.length, 1);
    await waitFor(async () => (await backend.poll(channel, { cursor: 0 })).body === '[]',
      { what: 'expiry', interval: 50 });
  });

  test('accepts a ttl in a form', async () => {
    const channel = newChannel();
    await backend.publish(channel, 'type=typing&ttl=0.3', kForm);
    await waitFor(async () => (await backend.poll(channel, { cursor: 0 })).body === '[]',
      { what: 'expiry', interval: 50 });
  });

  test('answers a repeated Idempotency-Key with the same id, and stores no second event', async () => {
    const channel = newChannel();
    const options = { headers: { 'Idempotency-Key': `key-${channel}` } };
    const first = await backend.publish(channel, { type: 'made', data: 1 }, options);
    assert.equal(first.status, 201);
    for (const other of backends) {
      const again = await other.publish(channel, { type: 'made', data: 1 }, options);
      assert.deepEqual([again.status, again.body], [201, first.body]);
    }
    assert.equal((await rowsOf(channel)).length, 1);
  });

  test('stores one event for concurrent requests with the same key', async () => {
    const channel = newChannel();
    const options = { headers: { 'Idempotency-Key': 'at-once' } };
    const publish = () => backend.publish(channel, { type: 'made' }, options);
    const answers = await Promise.all(Array.from({ length: 4 }, publish));
    assert.deepEqual(answers.map(({ status }) => status), [201, 201, 201, 201]);
    assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
    assert.equal((await rowsOf(channel)).length, 1);
  });

  test('rejects the same key with another body', async () => {
    const channel = newChannel();
    const options = { headers: { 'Idempotency-Key': 'k' } };
    await backend.publish(channel, { type: 'made', data: 1 }, options);
    const answer = await backend.publish(channel, { type: 'made', data: 2 }, options);
    assert.deepEqual([answer.status, answer.json().code], [422, 'UNPROCESSABLE']);
    assert.equal((await rowsOf(channel)).length, 1);
  });

  test('a key is valid for one channel', async () => {
    const options = { headers: { 'Idempotency-Key': `shared-${newChannel()}` } };
    const [a, b] = [await published({ type: 'made' }, options), await published({ type: 'made' }, options)];
    assert.notEqual(a.id, b.id);
  });

  test('accepts a key of 255 bytes, and rejects one of 256 or with invalid bytes', async () => {
    const withKey = (key) => ({ headers: { 'Idempotency-Key': key } });
    await published({ type: 'made' }, withKey('k'.repeat(255)));
    await bad({ type: 'made' }, 'Invalid Idempotency-Key', withKey('k'.repeat(256)));
    await bad({ type: 'made' }, 'Invalid Idempotency-Key', withKey('a\tb'));
    await bad({ type: 'made' }, 'Invalid Idempotency-Key', withKey('\xff\xfe'));
  });

  const types = [
    ['missing', '{"data":1}'], ['null', '{"type":null}'], ['a number', '{"type":1}'], ['an object', '{"type":{}}'],
    ['empty', '{"type":""}'], ['256 bytes long', JSON.stringify({ type: 'x'.repeat(256) })],
    ['with a line feed', '{"type":"a\\nb"}'], ['with a carriage return', '{"type":"a\\rb"}'],
    ['with a NUL', '{"type":"a\\u0000b"}'],
    ['with a space', '{"type":"a b"}'], ['with a letter outside the pattern', '{"type":"käse"}'],
    ['with half a surrogate pair', '{"type":"\\ud800"}'], ['an injected line', '{"type":"a\\ndata: x\\n\\nid: 99"}'],
  ];
  for (const [what, body] of types) test(`rejects a type that is ${what}`, () => bad(body, 'Invalid event type'));

  test('accepts a type of 255 bytes', async () => {
    assert.equal((await published({ type: 'x'.repeat(255) })).type.length, 255);
  });

  test('rejects the reserved types of pgevents', async () => {
    await bad({ type: 'pgevents.reset' }, "Event types that start with 'pgevents.' are reserved");
  });

  const invalid = [
    '', '{', 'nonsense', '{"type":"made",}', '{"type":"made"} x', '{"type":\'made\'}', '{"type":"a\tb"}',
    '{"type":"made","data":01}', '{"type":"made","data":NaN}', '\ufeff{"type":"made"}',
  ];
  for (const body of invalid) {
    test(`rejects ${JSON.stringify(body)}, which is not JSON`, () => bad(body, 'The body is not valid JSON'));
  }

  test('rejects bytes that are not UTF-8', async () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
      const body = Buffer.concat([Buffer.from('{"type":"made","data":"'), Buffer.from(bytes), Buffer.from('"}')]);
      await bad(body, 'The body is not valid JSON');
    }
  });

  for (const body of ['[]', '"made"', '1', 'null']) {
    test(`rejects ${body}, which is not an object`, () => bad(body, 'The body must be a JSON object'));
  }

  test('rejects unclosed brackets, and goes on', async () => {
    const deep = `{"type":"made","data":${'['.repeat(200_000)}`;
    const answer = await backend.publish(newChannel(), deep);
    assert.equal(answer.status, 400);
    await published({ type: 'made' });
  });

  test('rejects a member that is given twice', async () => {
    await bad('{"type":"made","type":"sold"}', "Member 'type' is given twice");
    await bad('{"type":"made","data":1,"data":2}', "Member 'data' is given twice");
    await bad('type=made&type=sold', "Field 'type' is given twice", kForm);
  });

  for (const ttl of ['"5"', 'true', '[]', '{}']) {
    test(`rejects the ttl ${ttl}`, () => bad(`{"type":"made","ttl":${ttl}}`, 'Invalid ttl'));
  }

  for (const ttl of ['-1', '1e300', '-1e300']) {
    test(`rejects the ttl ${ttl}`, async () => {
      const answer = await backend.publish(newChannel(), `{"type":"made","ttl":${ttl}}`);
      assert.deepEqual([answer.status, answer.json().code], [400, 'BAD_REQUEST']);
    });
  }

  test('rejects a form with invalid JSON, ttl or encoding', async () => {
    await bad('type=made&data=nonsense', "Field 'data' is not valid JSON", kForm);
    await bad('type=made&data=1,%22ttl%22:5', "Field 'data' is not valid JSON", kForm);
    await bad('type=made&ttl=soon', 'Invalid ttl', kForm);
    await bad('type=made&data=%zz', 'Invalid encoding in the form', kForm);
    await bad('data=1', 'Invalid event type', kForm);
    await bad('type=a%0Ab', 'Invalid event type', kForm);
  });

  for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/xml']) {
    test(`rejects the content type ${type}`, async () => {
      const msg = 'Publish application/json or application/x-www-form-urlencoded';
      await rejected('{"type":"made"}', 415, 'UNSUPPORTED_MEDIA_TYPE', msg, { headers: { 'Content-Type': type } });
    });
  }

  test('rejects a compressed body', async () => {
    const headers = (encoding) => ({ headers: { 'Content-Encoding': encoding } });
    const msg = "Send the body without Content-Encoding 'gzip'";
    await rejected(zlib.gzipSync('{"type":"made"}'), 415, 'UNSUPPORTED_MEDIA_TYPE', msg, headers('gzip'));
    await rejected('{"type":"made"}', 415, 'UNSUPPORTED_MEDIA_TYPE', msg, headers('gzip'));
    assert.equal((await backend.publish(newChannel(), { type: 'made' }, headers('identity'))).status, 201);
  });

  test('accepts a megabyte of data, and rejects a body of more than two', async () => {
    const text = 'x'.repeat(1 << 20);
    assert.equal((await published({ type: 'made', data: text })).data, JSON.stringify(text));
    const max = 2 * 1024 * 1024;
    const body = (size) => `{"type":"made","data":"${'x'.repeat(size - 25)}"}`;
    assert.equal(body(max).length, max);
    assert.equal((await published(body(max))).data.length, max - 23);
    await rejected(body(max + 1), 413, 'PAYLOAD_TOO_LARGE', `The body is larger than ${max} bytes`);
  });

  test('accepts a chunked body', async () => {
    const channel = newChannel();
    const head = `POST /rt/events/${channel} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close`;
    const text = `${head}\r\n\r\n` +
      '8\r\n{"type":\r\n7\r\n"made"}\r\n0\r\n\r\n';
    const [answer] = parseAnswers(await rawExchange({ port: backend.port }, text));
    assert.equal(answer.status, 201, answer.raw.toString());
    assert.equal((await rowsOf(channel)).length, 1);
  });

  test('rejects a chunked body that is too large', async () => {
    const channel = newChannel();
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const head = `POST /rt/events/${channel} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close`;
    const text = `${head}\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`;
    const [answer] = parseAnswers(await rawExchange({ port: backend.port }, text));
    assert.equal(answer.status, 413, answer.raw.toString());
  });

  test('answers Expect: 100-continue', async () => {
    const channel = newChannel();
    const body = '{"type":"made"}';
    const fields = `Host: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\nConnection: close`;
    const text = `POST /rt/events/${channel} HTTP/1.1\r\n${fields}\r\n\r\n`;
    const bytes = (await rawExchange({ port: backend.port }, text + body)).toString();
    assert.match(bytes, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /);
  });

  test('requires exactly one channel, and no wait id', async () => {
    const body = { type: 'made' };
    assertError(await backend.publish('a,b', body), 400, 'BAD_REQUEST', 'Publish to exactly one channel');
    assertError(await backend.publish('', body), 400, 'BAD_REQUEST', 'No channel given');
    assertError(await backend.publish('a%20b', body), 400, 'BAD_REQUEST', "Invalid channel name 'a b'");
    assertError(await backend.publish('a/k', body), 400, 'BAD_REQUEST', 'A wait id makes no sense when publishing');
  });
});
