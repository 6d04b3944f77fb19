// Several equal nginx hosts behind HAProxy (conf/cluster/haproxy-web.cfg), one database: a host dies, falls silent, or
// all are restarted one after the other.
import { startCluster } from '../lib/cluster.mjs';
import { startNetwork } from '../lib/network.mjs';
import { example } from './lib/examples.mjs';
import { startHaproxy } from './lib/haproxy.mjs';
import { flows, pause, playsAll, scenario } from './lib/play.mjs';
import { startWeb } from './lib/web.mjs';

const kAway = playsAll ? 10 : 5; // seconds that a host is away
const options = { clients: playsAll ? 100 : 24 };

let started;
const tier = () => (started ??= start());

async function start() {
  const network = await startNetwork();
  const [db, balancer, ...hosts] = ['db', 'balancer', 'web1', 'web2', 'web3'].map((name) => network.host(name));
  network.shareNames();
  const cluster = await startCluster({ host: db });
  const database = await cluster.createDatabase();
  const webs = [];
  for (const host of hosts) webs.push(await startWeb(host, database.conninfo({ tcp: true })));
  await startHaproxy(balancer, example('haproxy-web.cfg'), 80);
  return { database, webs, entrances: [{ name: 'balancer', host: balancer.address, port: 80 }] };
}

const strike = (fault) => async ({ flow }) => fault((await tier()).webs, flow);

scenario('an nginx host is killed, and comes back', tier, strike(async ([web], flow) => {
  await web.kill();
  await flows(flow);
  await pause(kAway);
  await web.boot();
  await web.serves();
}), { ...options, representative: true });

scenario('an nginx host loses its power, and comes back', tier, strike(async ([web], flow) => {
  await web.kill({ silent: true });
  await flows(flow);
  await pause(kAway);
  await web.boot();
  await web.serves();
}), options);

scenario('an nginx host is cut off silently, and comes back', tier, strike(async ([, web], flow) => {
  web.host.cutOff();
  await flows(flow);
  await pause(kAway);
  web.host.heal();
  await web.serves();
}), options);

scenario('an nginx host is drained, restarted, and put back', tier, strike(async ([web], flow) => {
  await web.drain();
  await web.restart();
  web.undrain();
  await web.serves();
  await flows(flow);
}), options);

scenario('all nginx hosts are restarted, one after the other', tier, strike(async (webs, flow) => {
  for (const web of webs) {
    await web.restart();
    await web.serves();
    await flows(flow);
    await pause(3); // for HAProxy's `rise`
  }
}), options);
