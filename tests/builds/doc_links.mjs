// Links of an installed documentation that lead nowhere.
import fs from 'node:fs';
import path from 'node:path';

// The relative links of all pages below `dir`, as { all, broken }: lists of `page: target`.
export function relativeLinks(dir) {
  const all = [];
  const broken = [];
  for (const page of fs.readdirSync(dir, { recursive: true }).filter((name) => name.endsWith('.md'))) {
    const text = fs.readFileSync(path.join(dir, page), 'utf8');
    for (const [, target] of text.matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)) {
      if (target.includes('://')) continue;
      all.push(`${page}: ${target}`);
      if (!fs.existsSync(path.join(dir, path.dirname(page), target))) broken.push(`${page}: ${target}`);
    }
  }
  return { all, broken };
}
