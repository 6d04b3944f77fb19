// Failover by Patroni: three hosts with PostgreSQL, Patroni and etcd, synchronous replication. One nginx finds the
// primary by a connection string with all hosts, another one through HAProxy. Only a host without a watchdog may take
// acknowledged events back; their receivers then get a reset.
import { kServerUser } from '../lib/database.mjs';
import { binDirectory } from '../lib/cluster.mjs';
import { startNetwork } from '../lib/network.mjs';
import { signalIfAlive } from '../lib/processes.mjs';
import { example } from './lib/examples.mjs';
import { startHaproxy } from './lib/haproxy.mjs';
import { kSecondsToLive, PatroniCluster } from './lib/patroni.mjs';
import { flows, pause, scenario } from './lib/play.mjs';
import { startWeb } from './lib/web.mjs';

const kReconnects = /host=db1,db2,db3 dbname=app user=pgevents passfile=\S+\s+([^"]*)" ring/;

let started;
const service = () => (started ??= start());

async function start() {
  const network = await startNetwork();
  const names = ['db1', 'db2', 'db3', 'balancer', 'several', 'proxied'];
  const [db1, db2, db3, balancer, several, proxied] = names.map((name) => network.host(name));
  network.shareNames();
  const cluster = new PatroniCluster([db1, db2, db3], binDirectory());
  await cluster.start();
  const database = await cluster.createDatabase();
  await startHaproxy(balancer, example('haproxy-postgres.cfg'), 5000);
  const options = kReconnects.exec(example('web.conf'))[1];
  const webs = [
    await startWeb(several, `host=db1,db2,db3 dbname=app user=${kServerUser} ${options}`),
    await startWeb(proxied, `host=balancer port=5000 dbname=app user=${kServerUser} ${options}`),
  ];
  return { cluster, database, webs, entrances: webs.map(({ entrance }) => entrance) };
}

// The fault begins in a whole cluster and ends in one, with both nginx hosts served by it.
const strike = (fault) => async ({ flow, t }) => {
  const { cluster, webs } = await service();
  await cluster.whole();
  const { repairs } = cluster;
  await fault(cluster, await cluster.primary(), flow);
  await cluster.whole();
  if (cluster.repairs > repairs) t.diagnostic('Patroni assigned no synchronous standby until synchronous_mode was renewed');
  for (const web of webs) await web.serves();
};

const play = (sentence, fault, options) => scenario(sentence, service, strike(fault), options);

// Waits until another host is primary and events flow there.
async function replaced(cluster, old, flow) {
  await cluster.primary({ except: [old] });
  await flows(flow);
}

play('a planned switchover', async (cluster, old, flow) => {
  await cluster.switchover();
  await replaced(cluster, old, flow);
}, { representative: true });

play('the postmaster of the primary is killed', async (cluster, old, flow) => {
  old.killPostmaster();
  await flows(flow);
});

play('the whole host of the primary loses its power', async (cluster, old, flow) => {
  await old.host.crash();
  await replaced(cluster, old, flow);
  old.boot();
});

play('the primary is cut off silently', async (cluster, old, flow) => {
  old.host.cutOff();
  await replaced(cluster, old, flow);
  old.host.heal();
});

play('the leader of etcd is killed', async (cluster, old, flow) => {
  const leader = await cluster.etcdLeader();
  leader.etcd.kill('SIGKILL');
  await cluster.etcdLeader();
  await pause(kSecondsToLive); // long enough that Patroni would notice a lock that it could not renew
  await flows(flow);
  leader.startEtcd();
});

play('etcd has no quorum for a minute', async (cluster, old, flow) => {
  const killed = cluster.nodes.slice(0, 2);
  for (const { etcd } of killed) etcd.kill('SIGKILL');
  await pause(60);
  for (const node of killed) node.startEtcd();
  await flows(flow);
});

// Its watchdog fires before another host is promoted.
play('the machine of the primary stops, and its watchdog resets it', async (cluster, old, flow) => {
  old.host.signal('SIGSTOP');
  await pause(kSecondsToLive - 5);
  await old.host.crash();
  await replaced(cluster, old, flow);
  old.boot();
});

// Two primaries: PostgreSQL goes on while Patroni does not.
play('Patroni hangs on the primary, which has no watchdog, and goes on later', async (cluster, old, flow) => {
  signalIfAlive(old.patroni.pid, 'SIGSTOP');
  await replaced(cluster, old, flow);
  await pause(5);
  signalIfAlive(old.patroni.pid, 'SIGCONT');
});

// Patroni waits for an answer of PostgreSQL before it renews its lock. When it gets the answer, another host has been
// promoted. With `etcd3` Patroni 3.0.2 takes the lock back then, and what was committed there is lost.
play('PostgreSQL hangs on the primary, which has no watchdog, and goes on later', async (cluster, old, flow) => {
  old.signalPostgres('SIGSTOP');
  await replaced(cluster, old, flow);
  await pause(5);
  old.signalPostgres('SIGCONT');
  await pause(kSecondsToLive);
}, { mayTakeBack: true });
