// Programs that tests start: one-shot commands and servers; and what the kernel reports about processes.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

import { waitFor } from './conditions.mjs';

// Runs a command to its end. `expect` is the expected exit status (null: any).
export async function run(command, args, { input, env, cwd, expect = 0, timeout = 120_000 } = {}) {
  const child = spawn(command, args, { env: env ?? process.env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), timeout);
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const collected = { stdout: [], stderr: [] };
  child.stdout.on('data', (chunk) => collected.stdout.push(chunk));
  child.stderr.on('data', (chunk) => collected.stderr.push(chunk));
  const [status, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...how) => resolve(how));
  });
  clearTimeout(limit);
  const result = {
    status,
    signal,
    raw: Buffer.concat(collected.stdout),
    stdout: Buffer.concat(collected.stdout).toString(),
    stderr: Buffer.concat(collected.stderr).toString(),
  };
  if (expect !== null && status !== expect) {
    throw new Error(`${command} ${args.join(' ')}: status ${status ?? signal}\n${result.stdout}${result.stderr}`);
  }
  return result;
}

// { pid, ppid, state } of a process, or undefined when it is gone.
export function processState(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, ppid: Number(ppid), state };
  } catch {
    return undefined;
  }
}

// A zombie has no socket and no memory, so tests count it as gone.
export function isAlive(pid) {
  const process_state = processState(pid);
  return process_state !== undefined && process_state.state !== 'Z';
}

export function childrenOf(pid) {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map((name) => processState(Number(name)))
    .filter((entry) => entry?.ppid === pid && entry.state !== 'Z')
    .map((entry) => entry.pid)
    .sort((a, b) => a - b);
}

export async function waitGone(pids, what, timeout = 30_000) {
  await waitFor(() => pids.every((pid) => !isAlive(pid)), {
    what: () => `${what} gone: ${pids.filter(isAlive)} still there`,
    timeout,
  });
}

// Sends a signal; a process that is already gone is not an error.
export function signalIfAlive(pid, signal) {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}

// Resident memory in KiB: `Rss`, `Pss`, `Private_Dirty` or another field of smaps_rollup.
export function memoryOf(pid, field = 'Rss') {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(new RegExp(`^${field}: +([0-9]+) kB`, 'm').exec(text)[1]);
}

// utime, stime, cutime, cstime of proc(5), in seconds.
export function cpuTimesOf(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).map((ticks) => Number(ticks) / 100);
}

// CPU seconds (user + system) that a process has used.
export function cpuSecondsOf(pid) {
  const [user, system] = cpuTimesOf(pid);
  return user + system;
}

// The same for a server with all its processes, including those that have ended meanwhile.
export function cpuSecondsOfServer(pid) {
  const all = [pid, ...childrenOf(pid)].flatMap((one) => {
    try {
      return cpuTimesOf(one);
    } catch {
      return []; // it has just ended: its parent's times include it from now on
    }
  });
  return all.reduce((sum, seconds) => sum + seconds, 0);
}

// The beginning of a sanitizer's report in a log.
export const kSanitizerReport =
  /==[0-9]+==ERROR|AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer/;
