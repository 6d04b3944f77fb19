// What ends with a test file: servers register here how they are stopped and checked. A test file runs the list after its
// last test (a failing stop fails the file); a program that is no test calls endAll() itself.
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

// No file takes nearly as long; one that hangs is to fail by itself.
const kFileLimit = (process.env.PGEVENTS_TRIAL ? 60 : 25) * 60_000;

function giveUp() {
  console.error(`${process.argv[1]}: not done after ${kFileLimit / 1000} s`);
  process.exit(1);
}

// Registered while modules load, that is for the whole file; inside a hook it would belong to that hook. The runner takes a file
// for done as soon as no test is left that it knows: it would end the servers while the file still starts some for tests below.
// So no test begins before the file has loaded.
if (/\.test\.m?js$/.test(process.argv[1] ?? '')) {
  const loaded = import(pathToFileURL(process.argv[1]));
  loaded.catch(() => {}); // the runner reports it; the hook fails the tests
  before(() => loaded);
  after(endAll);
  setTimeout(giveUp, kFileLimit).unref();
}
