// Pages and scripts on the server that also speaks pgevents, so that a page's requests and WebSockets go to its own
// origin.
import { SocketServer } from '../../client/lib/socket_server.mjs';

export const html = (body) => new Response(`<!doctype html><title>page</title>${body}`, { headers: { 'Content-Type': 'text/html' } });
export const script = (text) => new Response(text, { headers: { 'Content-Type': 'text/javascript' } });

// Starts a server. `answer(path, request)` returns a Response, or undefined for requests to pgevents.
export async function startPages(answer) {
  const server = await new SocketServer().start();
  server.network.answer = (request) => answer(request.path, request);
  server.origin = new URL(server.base).origin;
  return server;
}

// The open connections of a server: the channels of each, and how to break it.
export function connectionsOf({ peers, network: { streams, polls } }) {
  const failure = new TypeError('cut');
  return [
    ...[...peers].map(({ channels, socket }) => ({ channels: [...channels.keys()], cut: () => socket.terminate() })),
    ...[...streams].map(({ request: { channels }, fail }) => ({ channels, cut: () => fail(failure) })),
    ...[...polls].map(({ channels, fail }) => ({ channels, cut: () => fail(failure) })),
  ];
}
