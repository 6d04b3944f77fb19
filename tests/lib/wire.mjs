// The wire format, written a second time from docs/protocol.md, independently of the C++ code: how a row of the log
// appears in a poll and on an event stream, and strict readers that accept nothing else.

export function formatTs(ts_us) {
  const digits = String(ts_us).padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

// JSON allows CR and LF only as white space between tokens; on the wire they are spaces.
const oneLine = (text) => text.replace(/[\r\n]/g, ' ');

// Rows are { id, channel_id, ts_us, type, data (JSON text) }.
export function eventObject(row) {
  const outer = `"id":${row.id},"channel_id":${JSON.stringify(row.channel_id)},"ts":${formatTs(row.ts_us)}`;
  return `{${outer},"data":{"type":${JSON.stringify(row.type)},"data":${oneLine(row.data)}}}`;
}

export const pollBody = (rows) => `[${rows.map(eventObject).join(',')}]`;

export function streamFrame(row, { envelope = false } = {}) {
  return `event: ${row.type}\ndata: ${envelope ? eventObject(row) : oneLine(row.data)}\nid: ${row.id}\n\n`;
}

export const streamCursor = (cursor) => `event: pgevents.cursor\ndata:\nid: ${cursor}\n\n`;

export const streamOpening = (retry, cursor) => `retry: ${retry}\n${streamCursor(cursor)}`;

// The first block of a stream while the database is away. Gives retry and cursor.
const kWaiting = /^: waiting for the database\nretry: ([0-9]+)\nevent: pgevents\.cursor\ndata:\nid: ([^\n]+)\n\n$/;
export const streamWaiting = (text) => {
  const [, retry, cursor] = kWaiting.exec(text) ?? [];
  return { retry: Number(retry), cursor };
};

// The end of the JSON value that starts at `from`: skips strings, counts brackets.
function valueEnd(text, from) {
  let depth = 0;
  let in_string = false;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (in_string) {
      if (c === '\\') i++;
      else if (c === '"') in_string = false;
    } else if (c === '"') in_string = true;
    else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') {
      if (depth === 0) return i;
      depth--;
    } else if (c === ',' && depth === 0) return i;
  }
  return text.length;
}

const kObject = new RegExp(
  '^\\{"id":([0-9]+|"rt-[0-9.]+"),"channel_id":("(?:[^"\\\\]|\\\\.)*"),"ts":([0-9]+\\.[0-9]{6}),' +
    '"data":\\{"type":("(?:[^"\\\\]|\\\\.)*"),"data":',
);

// Parses one event object, as { id, channel_id, ts (text), type, data (JSON text) }; throws at any deviation.
export function parseEventObject(text) {
  const match = kObject.exec(text);
  if (!match) throw new Error(`not an event object: ${text.slice(0, 300)}`);
  const end = valueEnd(text, match[0].length);
  if (text.slice(end) !== '}}') throw new Error(`invalid end of an event object: ${text.slice(end, end + 100)}`);
  const data = text.slice(match[0].length, end);
  JSON.parse(data);
  const [, id, channel, ts, type] = match;
  return { id: JSON.parse(id), channel_id: JSON.parse(channel), ts, type: JSON.parse(type), data };
}

// Parses the body of a poll; throws at any deviation.
export function parsePollBody(text) {
  if (text === '[]') return [];
  if (text[0] !== '[' || text.at(-1) !== ']') throw new Error(`not an array: ${text.slice(0, 200)}`);
  const events = [];
  for (let at = 1; at < text.length;) {
    const end = valueEnd(text, at);
    events.push(parseEventObject(text.slice(at, end)));
    at = end + 1;
  }
  return events;
}
