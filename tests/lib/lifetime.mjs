// Everything that ends with a test file: servers register how they are stopped and checked. A test file runs the list
// after its last test (a failing stop fails the file); a program that is not a test calls endAll() itself.
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';

const endings = [];

// `end` runs once, latest registered first.
export function atEnd(end) {
  endings.push(end);
}

export async function endAll() {
  const errors = [];
  while (endings.length > 0) {
    try {
      await endings.pop()();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => error.message).join('\n'));
  if (errors.length === 1) throw errors[0];
}

// No file takes nearly as long; a hanging one must fail by itself.
const kStress = 2000 * Number(process.env.PGEVENTS_STRESS_SECONDS ?? 0);
const kCluster = 25 * 60_000 * Number(process.env.PGEVENTS_CLUSTER_ROUNDS ?? 0);
const kFileLimit = (process.env.PGEVENTS_TRIAL ? 60 : 25) * 60_000 + kStress + kCluster;

function giveUp() {
  console.error(`${process.argv[1]}: not done after ${kFileLimit / 1000} s`);
  process.exit(1);
}

// Hooks are registered while modules load, that is for the whole file; inside a hook they would belong to that hook.
// The runner considers a file done as soon as no known test is left, and would end the servers while the file still
// starts some for later tests. Therefore no test begins before the file has loaded.
if (/\.test\.m?js$/.test(process.argv[1] ?? '')) {
  const loaded = import(pathToFileURL(process.argv[1]));
  loaded.catch(() => {}); // the runner reports it; the hook fails the tests
  before(() => loaded);
  after(endAll);
  setTimeout(giveUp, kFileLimit).unref();
}
