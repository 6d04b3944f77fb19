// Event streams by the HTML standard: its own examples, byte order marks, line ends, chunks cut at every byte.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { StreamParser } from '../../client/src/stream_parser.js';

const kBom = '\ufeff';
const bytesOf = (text) => (typeof text === 'string' ? Buffer.from(text) : text);

// The events that a browser would dispatch: [type, data, id].
function events(text, size = Infinity) {
  const parser = new StreamParser();
  const bytes = bytesOf(text);
  const blocks = [];
  for (let at = 0; at < bytes.length; at += size) blocks.push(...parser.push(bytes.subarray(at, at + size)));
  return blocks.filter(({ data }) => data !== undefined).map(({ type, data, id }) => [type, data, id]);
}

// The section "Interpreting an event stream" of the HTML standard, in its order; then unusual input for its algorithm.
const kVectors = {
  'the stock example: data over three lines': ['data: YHOO\ndata: +2\ndata: 10\n\n', [['message', 'YHOO\n+2\n10', '']]],
  'four blocks: a comment, data and id, an id that is reset, a space that stays': [
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    [['message', 'first event', '1'], ['message', 'second event', ''], ['message', ' third event', '']],
  ],
  'empty data; two empty lines of data; a block that does not end': [
    'data\n\ndata\ndata\n\ndata:', [['message', '', ''], ['message', '\n', '']],
  ],
  'with or without a space after the colon': ['data:test\n\ndata: test\n\n', [['message', 'test', ''], ['message', 'test', '']]],
  'the example of types: add, remove, add': [
    'event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n',
    [['add', '73857293', ''], ['remove', '2153', ''], ['add', '113411', '']],
  ],
  'the example of comments: lines that keep the connection alive': [
    ': this is a test stream\n\ndata: some text\n\ndata: another message\ndata: with two lines\n\n',
    [['message', 'some text', ''], ['message', 'another message\nwith two lines', '']],
  ],
  'a type without data causes no event and does not affect the next': ['event: a\n\ndata: 1\n\n', [['message', '1', '']]],
  'an empty type is "message"': ['event:\ndata: 1\n\n', [['message', '1', '']]],
  'the last type counts': ['event: a\nevent: b\ndata: 1\n\n', [['b', '1', '']]],
  'an id with NUL is ignored': ['id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n', [['message', 'a', '1'], ['message', 'b', '1']]],
  'an id is kept until the next id': ['id: 1\ndata: a\n\ndata: b\n\n', [['message', 'a', '1'], ['message', 'b', '1']]],
  'an id without data counts for later events': ['id: 7\n\ndata: a\n\n', [['message', 'a', '7']]],
  'unknown fields, and names in capitals': ['foo: 1\nDATA: 2\ndata: 3\n\n', [['message', '3', '']]],
  'colons in values': ['data: a:b: c\n\n', [['message', 'a:b: c', '']]],
  'other separators are text': ['data: a\u2028b\u2029c\u0085d\vx\n\n', [['message', 'a\u2028b\u2029c\u0085d\vx', '']]],
  'tabs are not stripped': ['data:\ta\n\n', [['message', '\ta', '']]],
  'a field name with a space is an unknown field': ['data : 1\ndata: 2\n\n', [['message', '2', '']]],
  'several blank lines': ['\n\n\ndata: a\n\n\n\ndata: b\n\n', [['message', 'a', ''], ['message', 'b', '']]],
  'characters of two, three and four bytes': ['data: Gruyère 🧀 チーズ\n\n', [['message', 'Gruyère 🧀 チーズ', '']]],
  'one byte order mark is removed': [`${kBom}data: a\n\n`, [['message', 'a', '']]],
  'a second byte order mark is not removed': [`${kBom}${kBom}data: a\n\n`, []],
  'a later byte order mark is not removed': [`data: ${kBom}a\n\n`, [['message', `${kBom}a`, '']]],
  'bytes that are not UTF-8': [Buffer.from([...Buffer.from('data: '), 0xff, 0x0a, 0x0a]), [['message', '\ufffd', '']]],
};

describe('the stream parser', () => {
  for (const [name, [text, wanted]] of Object.entries(kVectors)) {
    test(`${name}: with LF, CR, CRLF and a mixture, cut at every byte`, () => {
      // No mixture has an LF after a CR: these two would be one line end.
      for (const ends of [['\n'], ['\r'], ['\r\n'], ['\n', '\r\n'], ['\r', '\r\n']]) {
        let count = 0;
        const other = typeof text === 'string' ? text.replace(/\n/g, () => ends[count++ % ends.length]) : text;
        for (let size = 1; size <= bytesOf(other).length; size++) {
          assert.deepEqual(events(other, size), wanted, `${JSON.stringify(ends)}, pieces of ${size}`);
        }
      }
    });
  }

  test('returns an event at its blank line, without waiting for the next byte', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      const parser = new StreamParser();
      assert.equal(parser.push(Buffer.from(`data: a${end}${end}`)).length, 1, JSON.stringify(end));
    }
  });

  test('treats a CRLF in two chunks as one line end', () => {
    const parser = new StreamParser();
    assert.deepEqual(parser.push(Buffer.from('data: a\r')), []);
    assert.deepEqual(parser.push(Buffer.from('\n')), []);
    assert.deepEqual(parser.push(Buffer.from('\n')).map(({ data }) => data), ['a']);
  });

  test('accepts retry only if it consists of digits', () => {
    const parser = new StreamParser();
    const after = (text) => (parser.push(Buffer.from(text)), parser.retry);
    assert.equal(after('retry: 5000\n'), 5000);
    assert.equal(after('retry: 1s\n'), 5000);
    assert.equal(after('retry:\n'), 5000);
    assert.equal(after('retry: -1\n'), 5000);
    assert.equal(after('retry: 0\n'), 0);
  });

  test('returns a block without data, for its id', () => {
    const [block] = new StreamParser().push(Buffer.from(':\nid: 8\n\n'));
    assert.deepEqual(block, { type: 'message', data: undefined, id: '8' });
  });

  test('parses a megabyte in small chunks in linear time', () => {
    const parser = new StreamParser();
    const piece = Buffer.alloc(1024, 'x');
    const from = performance.now();
    parser.push(Buffer.from('data: '));
    for (let n = 0; n < 8192; n++) parser.push(piece);
    const [{ data }] = parser.push(Buffer.from('\n\n'));
    assert.equal(data.length, 8 * 1024 * 1024);
    assert.ok(performance.now() - from < 5000);
  });
});
