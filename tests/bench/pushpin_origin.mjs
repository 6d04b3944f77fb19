// The application behind Pushpin: answers each subscription, /events/CHANNEL, with the instruction to hold it as a
// stream, and everything else at once.
//   node pushpin_origin.mjs PORT DIRECTORY
import http from 'node:http';

const server = http.createServer((request, response) => {
  const [, channel] = /^\/events\/(.+)$/.exec(request.url) ?? [];
  const hold = channel ? { 'Grip-Hold': 'stream', 'Grip-Channel': channel } : {};
  response.writeHead(200, { 'Content-Type': 'text/event-stream', ...hold }).end();
});
server.listen({ port: process.argv[2], host: '127.0.0.1', backlog: 4096 });
