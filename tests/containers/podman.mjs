// Containers for tests, run by podman on the host's network: their ports are free ones of this machine.
import { randomBytes } from 'node:crypto';

import { atEnd } from '../lib/lifetime.mjs';
import { run } from '../lib/processes.mjs';

// A machine may allow a process less than podman's own limits, and has the one runtime or the other.
const kLimits = ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=1000:1000', '--network', 'host'];
const kRuntimes = [[], ['--runtime', 'crun'], ['--runtime', 'runc']];

let runtime;
async function podman(...args) {
  return run('podman', [...await usable(), ...args], { expect: null });
}

async function usable() {
  for (const candidate of runtime ? [] : kRuntimes) {
    const tried = await run('podman', [...candidate, 'run', '--rm', ...kLimits, '--entrypoint', 'true',
      'localhost/pgevents'], { expect: null });
    if (tried.status === 0) runtime = candidate;
    else problem = tried.stderr;
    if (runtime) break;
  }
  if (!runtime) throw new Error(`podman cannot run containers here: ${problem}`);
  return runtime;
}
let problem;

// Runs a container to its end. Gives { status, stdout, stderr }.
export const runContainer = ({ image, args = [], options = [] }) =>
  podman('run', '--rm', ...kLimits, ...options, image, ...args);

export class Container {
  constructor(name) {
    this.name = name;
  }

  async inspect(format) {
    return (await podman('inspect', '--format', format, this.name)).stdout.trim();
  }

  // The result of the image's health check.
  async healthy() {
    return (await podman('healthcheck', 'run', this.name)).status === 0;
  }

  async execute(...command) {
    return podman('exec', this.name, ...command);
  }

  async logs() {
    const { stdout, stderr } = await podman('logs', this.name);
    return stdout + stderr;
  }

  // Stops it as an orchestrator does: with the image's signal, and kills it after some seconds. Gives its exit status.
  async stop(seconds = 30) {
    await podman('stop', '--time', String(seconds), this.name);
    return Number(await this.inspect('{{.State.ExitCode}}'));
  }

  async remove() {
    await podman('rm', '--force', '--time', '1', '--volumes', this.name);
  }
}

// Starts a container in the background: unprivileged, its root read-only. It is removed after the test file.
export async function startContainer({ image = 'localhost/pgevents', args = [], env = {}, mounts = [], more = [] }) {
  const name = `pgevents-test-${randomBytes(4).toString('hex')}`;
  const options = [...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...mounts.flatMap((mount) => ['--volume', mount]), ...more];
  const container = new Container(name);
  atEnd(() => container.remove());
  const started = await podman('run', '--detach', '--name', name, ...kLimits, '--read-only', '--cap-drop', 'ALL',
    '--security-opt', 'no-new-privileges', ...options, image, ...args);
  if (started.status !== 0) throw new Error(started.stderr);
  return container;
}

export const createVolume = async () => {
  const name = `pgevents-test-${randomBytes(4).toString('hex')}`;
  await podman('volume', 'create', name);
  atEnd(() => podman('volume', 'rm', '--force', name));
  return name;
};
