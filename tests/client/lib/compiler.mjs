// The TypeScript compiler on files of the tests.
import path from 'node:path';
import ts from 'typescript';

import { kRoot } from '../../lib/scratch.mjs';

export const kDom = ['lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'];

// The compiler's complaints about a file, as "file:line: message".
export function complaints(file, { lib = ['lib.es2022.d.ts'], ...options } = {}) {
  const program = ts.createProgram([path.resolve(kRoot, file)], {
    strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: false, noEmit: true, skipLibCheck: false, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
    paths: { pgevents: [path.join(kRoot, 'client/index.d.ts')] }, lib, ...options,
  });
  return ts.getPreEmitDiagnostics(program).map(({ file: its, start, messageText }) =>
    `${its && path.relative(kRoot, its.fileName)}:${its && ts.getLineAndCharacterOfPosition(its, start).line + 1}: ` +
    ts.flattenDiagnosticMessageText(messageText, '\n'));
}
