// A small name server on 127.0.0.1 for nginx's `resolver` (RFC 1035): A and AAAA records of names that the test gives.
//
//   const dns = await startDns({ 'db.test': ['127.0.0.2'] });
//   … resolver 127.0.0.1:${dns.port} valid=1s; …
//   dns.set({ 'db.test': ['127.0.0.3'] });
import dgram from 'node:dgram';
import net from 'node:net';

import { atEnd } from './lifetime.mjs';

const kTypes = { 1: 4, 28: 6 }; // A and AAAA
const kNoSuchName = 3;

// The name of the question, and where it ends.
function readQuestion(query) {
  const labels = [];
  let at = 12;
  while (query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    at += 1 + query[at];
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 };
}

// IPv6 addresses are written out in full, as `::1` or with eight groups.
function bytesOf(address) {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [before, after] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = after === undefined ? [] : Array(8 - before.length - after.length).fill('0');
  return Buffer.from([...before, ...zeros, ...(after ?? [])].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function record(address) {
  const data = bytesOf(address);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the question's name
  head.writeUInt16BE(net.isIPv4(address) ? 1 : 28, 2);
  head.writeUInt16BE(1, 4); // class IN
  head.writeUInt32BE(1, 6); // valid for a second
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

export class Dns {
  constructor(names) {
    this.names_ = names;
    this.silent = false; // answers nothing from now on
    this.asked = 0;
    this.socket_ = dgram.createSocket('udp4');
    this.socket_.on('message', (query, { port, address }) => {
      this.asked++;
      if (!this.silent) this.socket_.send(this.answer_(query), port, address);
    });
  }

  async listen() {
    await new Promise((resolve) => this.socket_.bind(0, '127.0.0.1', resolve));
    this.port = this.socket_.address().port;
  }

  set(names) {
    this.names_ = names;
  }

  answer_(query) {
    const { name, type, end } = readQuestion(query);
    const addresses = this.names_[name];
    const records = (addresses ?? []).filter((address) => net.isIP(address) === kTypes[type]).map(record);
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180 | (addresses === undefined ? kNoSuchName : 0), 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    return Buffer.concat([head, query.subarray(12, end), ...records]);
  }

  close() {
    this.socket_.close();
  }
}

// It ends with the test file.
export async function startDns(names) {
  const dns = new Dns(names);
  await dns.listen();
  atEnd(() => dns.close());
  return dns;
}
