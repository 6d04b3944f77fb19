// The strict reader accepts exactly the protocol, wherever the bytes are cut, and reports everything else.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { StreamParser } from './stream_parser.mjs';
import {
  eventObject, formatTs, parseEventObject, parsePollBody, pollBody, streamCursor, streamOpening,
} from './wire.mjs';

const opening = streamOpening(2000, 5);
const event = 'event: cheese_created\ndata: {"name":"Gruyère\u2028"}\nid: 7\n\n';

function parse(text, { cut = Infinity, ...options } = {}) {
  const blocks = [];
  const parser = new StreamParser({ onBlock: (block) => blocks.push(block), ...options });
  const bytes = Buffer.from(text);
  const step = Math.min(cut, bytes.length);
  for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step));
  parser.end();
  return { blocks, violations: parser.violations };
}

describe('the strict stream reader', () => {
  test('reads every kind of block', () => {
    const { blocks, violations } = parse(`${opening}${event}:\n\n:\n${streamCursor(8)}${streamCursor(9)}retry: 40\n\n`);
    assert.deepEqual(violations, []);
    const kinds = ['opening', 'event', 'heartbeat', 'heartbeat', 'cursor', 'closing'];
    assert.deepEqual(blocks.map(({ kind }) => kind), kinds);
    assert.deepEqual(blocks.map(({ id }) => id), [5, 7, undefined, 8, 9, undefined]);
    assert.equal(blocks[1].data, '{"name":"Gruyère\u2028"}');
    assert.equal(blocks[5].retry, 40);
  });

  test('reads a later retry as the closing block, with or without the cursor', () => {
    for (const closing of ['retry: 40\n\n', streamOpening(40, 8)]) {
      const { blocks, violations } = parse(opening + event + closing);
      assert.deepEqual(violations, []);
      assert.deepEqual([blocks[2].kind, blocks[2].retry], ['closing', 40]);
    }
    assert.match(parse(opening + streamOpening(40, 4)).violations[0], /id after 5/);
  });

  test('reads a stream that waits, and then opens or ends', () => {
    const waiting = ': waiting for the database\nretry: 4711\nevent: pgevents.cursor\ndata:\nid: rt-1406125522\n\n';
    const { blocks, violations } = parse(`${waiting}:\n\n${opening}${event}`);
    assert.deepEqual(violations, []);
    assert.deepEqual(blocks.map(({ kind, id }) => [kind, id]),
      [['waiting', 'rt-1406125522'], ['heartbeat', undefined], ['opening', 5], ['event', 7]]);
    const end = 'event: pgevents.expired\ndata: {"reason":"revoked"}\nid: rt-1406125522\n\n';
    for (const rest of ['', ':\n\n', end, 'event: pgevents.cursor\ndata:\nid: rt-1406125522\n\nretry: 40\n\n']) {
      assert.deepEqual(parse(waiting + rest).violations, []);
    }
  });

  test('reads the same blocks wherever the bytes are cut', () => {
    const whole = parse(opening + event);
    for (let cut = 1; cut < opening.length + event.length; cut++) {
      const { blocks, violations } = parse(opening + event, { cut });
      assert.deepEqual(violations, []);
      assert.deepEqual(blocks.map(({ raw }) => raw.toString()), whole.blocks.map(({ raw }) => raw.toString()));
    }
  });

  const waiting = ': waiting for the database\nretry: 40\nevent: pgevents.cursor\ndata:\nid: 5\n\n';
  const faults = {
    'a missing opening': event,
    'two openings': opening + opening + event,
    'waiting behind the opening': `${opening}${waiting}`,
    'an event while it waits': `${waiting}${event}`,
    'two data lines': `${opening}event: a\ndata: 1\ndata: 2\nid: 6\n\n`,
    'a missing id': `${opening}event: a\ndata: 1\n\n`,
    'a foreign field': `${opening}event: a\nfoo: b\ndata: 1\nid: 6\n\n`,
    'a comment with text': `${opening}: hello\n\n`,
    'carriage returns': `${opening}event: a\r\ndata: 1\r\nid: 6\n\n`,
    'data that is not JSON': `${opening}event: a\ndata: {\nid: 6\n\n`,
    'a repeated id': `${opening}${event}${event}`,
    'a descending id': `${opening}event: a\ndata: 1\nid: 4\n\n`,
    'a descending cursor': opening + streamCursor(4),
    'a bare id, which many clients ignore because it is not an event': `${opening}id: 6\n\n`,
    'a cursor with data': `${opening}event: pgevents.cursor\ndata: \nid: 6\n\n`,
    'an event after the closing block': `${opening}retry: 1\n\n${event}`,
    'an end in the middle': `${opening}event: a\ndata: 1\n`,
    'an end after two thirds of a block': `${opening}event: a\nda`,
  };
  for (const [name, text] of Object.entries(faults)) {
    test(`reports ${name}`, () => assert.notDeepEqual(parse(text).violations, []));
  }

  test('reports invalid UTF-8', () => {
    const parser = new StreamParser();
    parser.push(Buffer.from(opening));
    parser.push(Buffer.from([...Buffer.from('event: a\ndata: "'), 0xff, ...Buffer.from('"\nid: 6\n\n')]));
    assert.match(parser.violations[0], /UTF-8/);
  });

  test('lets a reset lead to an earlier id', () => {
    const reset = 'event: pgevents.reset\ndata: {"reason":"ahead","oldest":2,"head":3}\nid: 1\n\n';
    assert.deepEqual(parse(opening + reset).violations, []);
  });

  test('checks the event inside an envelope', () => {
    const row = { id: 7, channel_id: 'c', ts_us: 1, type: 'a', data: '[1]' };
    const frame = (object) => `${opening}event: a\ndata: ${object}\nid: 7\n\n`;
    const { blocks, violations } = parse(frame(eventObject(row)), { envelope: true });
    assert.deepEqual(violations, []);
    assert.equal(blocks[1].object.data, '[1]');
    assert.match(parse(frame(eventObject({ ...row, id: 8 })), { envelope: true }).violations[0], /another id/);
    assert.match(parse(frame('{"id":7}'), { envelope: true }).violations[0], /not an event object/);
  });
});

describe('the wire format', () => {
  const row = {
    id: 434, channel_id: 'cheese', ts_us: 1406125522481000, type: 'cheese_created',
    data: '{"a": "}],",\n"b":[1, {"c":"\\"}"}]}',
  };

  test('is the format of the protocol', () => {
    assert.equal(
      eventObject({ ...row, data: '{"pieces":92}' }),
      '{"id":434,"channel_id":"cheese","ts":1406125522.481000,"data":{"type":"cheese_created","data":{"pieces":92}}}',
    );
    assert.equal(formatTs(5), '0.000005');
  });

  test('is read back as it was written, data verbatim', () => {
    const ts = '1406125522.481000';
    const { ts_us, ...rest } = { ...row, ts, data: row.data.replace('\n', ' ') };
    assert.deepEqual(parseEventObject(eventObject(row)), rest, String(ts_us));
    const others = ['1', '"x"', 'null', '[]', '{}', '-1e5'].map((data) => ({ ...row, data }));
    assert.deepEqual(parsePollBody(pollBody(others)).map(({ data }) => data), others.map(({ data }) => data));
    assert.deepEqual(parsePollBody('[]'), []);
  });

  test('has exactly one spelling', () => {
    const good = eventObject({ ...row, data: '1' });
    for (const bad of [`${good} `, good.replace(':', ': '), good.replace('.481000', '.481'), `${good}}`]) {
      assert.throws(() => parseEventObject(bad), Error, bad);
    }
    for (const bad of ['', '[', `[${good},]`, `${good}`, `[${good}${good}]`]) {
      assert.throws(() => parsePollBody(bad), Error, bad);
    }
  });
});
