// Writes client/api.md from the declarations of the client and their comments (client/index.d.ts).
// node tools/client-api.mjs: prints the page; with --write: writes the file.
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const root = path.dirname(import.meta.dirname);
const file = path.join(root, 'client/index.d.ts');
const source = ts.createSourceFile(file, fs.readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);

const kHead = `# The JavaScript client: all functions

Made by \`node tools/client-api.mjs --write\` from \`client/index.d.ts\`. An introduction is in
[README.md](README.md), how-tos in [howto.md](howto.md).
`;

const oneLine = (text) => text.replace(/\s+/g, ' ').replace(/^ ?/, '').trim();

// The comment of a declaration, with its parameters.
function comment(node) {
  const [doc] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const own = oneLine(ts.getTextOfJSDocComment(doc?.comment) ?? '');
  const parameters = (doc?.tags ?? []).filter(ts.isJSDocParameterTag).map((tag) =>
    `\`${tag.name.getText(source)}\`: ${oneLine(ts.getTextOfJSDocComment(tag.comment) ?? '')}.`);
  return [own, ...parameters].filter(Boolean).join(' ');
}

// Angle brackets outside of code would be HTML.
const prose = (text) => text.split('`').map((part, n) => (n % 2 ? part : part.replace(/</g, '&lt;'))).join('`');
const cell = (text) => text.replace(/\|/g, '\\|');
const code = (node) => oneLine(node.getText(source)).replace(/;$/, '').replace(/^(export|declare) /, '');

function memberRows(node) {
  return node.members.map((member) => `| \`${cell(code(member))}\` | ${cell(prose(comment(member)))} |`);
}

// Lines of prose with at most 120 columns.
function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last.length + word.length < 120) lines[lines.length - 1] = last ? `${last} ${word}` : word;
    else lines.push(word);
  }
  return lines.join('\n');
}

function section(node) {
  const name = (node.name ?? node.declarationList.declarations[0].name).getText(source);
  const about = comment(node);
  const parts = [`## ${name}`];
  if (about) parts.push(wrapped(prose(about)));
  if (!node.members) parts.push(`    ${code(node)}`);
  if (node.heritageClauses?.length) parts.push(`\`${node.heritageClauses.map(code).join(' ')}\``);
  if (node.members?.length) parts.push(['| member | |', '|---|---|', ...memberRows(node)].join('\n'));
  return parts.join('\n\n');
}

// The interface that gives a class its listeners has no members, and belongs to the class.
const isShown = (node) => node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) &&
  !(ts.isInterfaceDeclaration(node) && node.members.length === 0);

const nodes = source.statements.filter(isShown);
const kFunctions = [ts.isClassDeclaration, ts.isFunctionDeclaration, ts.isVariableStatement];
const functions = nodes.filter((node) => kFunctions.some((is) => is(node)));
const types = nodes.filter((node) => !functions.includes(node));
const page = `${[kHead.trimEnd(), ...functions.map(section), ...types.map(section)].join('\n\n')}\n`;

if (process.argv[2] === '--write') fs.writeFileSync(path.join(root, 'client/api.md'), page);
else process.stdout.write(page);
