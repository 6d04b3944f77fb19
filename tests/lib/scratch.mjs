// Temporary directories of a test process. They are removed when it exits; after a failed test their logs and
// configurations are first copied to tests/out/<test file>/. watchdog.sh ends servers that still run when the process
// exits.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const kRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const kOut = path.join(kRoot, 'tests', 'out');
const kKeptFile = /(\.log|\.conf|\.txt|sanitizer\.[0-9]+|stderr)$/;
const kKeptBytes = 4 << 20;

const directories = new Set();

// Creates a directory with a short path (a Unix socket's path has at most 107 bytes).
export function tempDir(name = 't') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `pgev-${name}-`));
  fs.chmodSync(dir, 0o755);
  directories.add(dir);
  watchdog ??= startWatchdog();
  watchdog.stdin.write(`${dir}\n`);
  return dir;
}

let watchdog;
function startWatchdog() {
  const script = path.join(kRoot, 'tests', 'lib', 'watchdog.sh');
  const child = spawn('/bin/sh', [script], { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  child.stdin.unref();
  return child;
}

function keepLogs(dir) {
  const target = path.join(kOut, path.basename(process.argv[1] ?? 'node', '.mjs'), path.basename(dir));
  const visit = (from, to) => {
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
      const source = path.join(from, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'base' && entry.name !== 'pg_wal') visit(source, path.join(to, entry.name));
      } else if (entry.isFile() && kKeptFile.test(entry.name)) {
        fs.mkdirSync(to, { recursive: true });
        const text = fs.readFileSync(source);
        fs.writeFileSync(path.join(to, entry.name), text.subarray(Math.max(0, text.length - kKeptBytes)));
      }
    }
  };
  visit(dir, target);
}

// A directory with a pid file belongs to a running server, one with namespaces to a network: the watchdog removes it.
function cleanUp(exit_code) {
  for (const dir of directories) {
    try {
      if (exit_code !== 0) keepLogs(dir);
      if (fs.readdirSync(dir).some((name) => name.endsWith('.pid') || name === 'namespaces')) continue;
      fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    } catch (error) {
      console.error(`removing ${dir}: ${error.message}`);
    }
  }
}

process.on('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
