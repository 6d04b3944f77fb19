// Proxies in front of a server, as operators put them there: nginx, HAProxy and Varnish, each with connections that it
// keeps to the server, and the lines that docs/clients.md names. Each sends its name in the header X-Through.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { waitFor } from './conditions.mjs';
import { request } from './http.mjs';
import { atEnd } from './lifetime.mjs';
import { startNginx } from './nginx.mjs';
import { freePort } from './ports.mjs';
import { tempDir } from './scratch.mjs';

async function nginxBefore(port) {
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `
      upstream origin { server 127.0.0.1:${port}; keepalive 8; }
      server {
        listen ${n.listen()};
        location / {
          proxy_pass http://origin;
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection "upgrade";
          proxy_set_header X-Through nginx;
        }
      }`,
  });
  return nginx.port;
}

// A program that listens on a port of its own, until the test ends.
async function startProgram(command, args, port) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  atEnd(() => (child.kill(), ended));
  const answers = () => request({ port, path: '/page' }).then(({ status }) => status === 200, () => false);
  await waitFor(answers, { what: () => `${command}: ${errors}` });
  return port;
}

async function haproxyBefore(port) {
  const own = await freePort();
  const file = path.join(tempDir('haproxy'), 'haproxy.cfg');
  fs.writeFileSync(file, `
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
    option http-no-delay
frontend all
    bind 127.0.0.1:${own}
    default_backend origin
backend origin
    http-reuse always
    http-request set-header X-Through haproxy
    server one 127.0.0.1:${port}
`);
  return startProgram('haproxy', ['-db', '-f', file], own);
}

async function varnishBefore(port) {
  const own = await freePort();
  const dir = tempDir('varnish');
  const file = path.join(dir, 'default.vcl');
  fs.writeFileSync(file, `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${port}"; }
sub vcl_recv {
    set req.http.X-Through = "varnish";
    if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }
    return (pass);
}
sub vcl_pipe {
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}
`);
  return startProgram('varnishd', ['-F', '-n', dir, '-a', `127.0.0.1:${own}`, '-f', file, '-s', 'malloc,32m'], own);
}

// { name: port }
export async function startProxies(port) {
  return { nginx: await nginxBefore(port), HAProxy: await haproxyBefore(port), Varnish: await varnishBefore(port) };
}
