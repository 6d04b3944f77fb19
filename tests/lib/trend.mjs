// Does a series of samples grow? A straight line by least squares, with the bounds of its slope, and what they say.
//
// Neighbouring samples resemble each other (memory grows in steps, crowds come and go), so a line through all of them would look
// surer than it is. The line therefore goes through the means of a few long blocks, which are as good as independent: the method
// of batch means (Law and Kelton, Simulation Modeling and Analysis).

const kBlocks = 10;
const kFewest = 6; // with less no bound is worth anything
export const kEnough = 14; // for a verdict: below, one sample beside the others can make it

// Student's t for a two-sided confidence of 95 %, so one-sided 97.5 %, by degrees of freedom.
const kStudent = { 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306 };

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Means of `kBlocks` runs of neighbours, as { at, value }; shorter series stay as they are.
function inBlocks(points) {
  if (points.length <= kBlocks) return points;
  const edge = (n) => Math.round((n * points.length) / kBlocks);
  return Array.from({ length: kBlocks }, (_, n) => {
    const block = points.slice(edge(n), edge(n + 1));
    return { at: mean(block.map(({ at }) => at)), value: mean(block.map(({ value }) => value)) };
  });
}

// points: [{ at (any unit of time), value }], in order of time. Gives { first, last (means of the outer blocks), slope, bound
// (half the width of the interval that holds the slope with 95 %), span (of time) }, or undefined for too few points.
export function fitLine(points) {
  const blocks = inBlocks(points);
  if (blocks.length < kFewest) return undefined;
  const [at, value] = [mean(blocks.map((block) => block.at)), mean(blocks.map((block) => block.value))];
  const sum = (term) => blocks.reduce((total, block) => total + term(block.at - at, block.value - value), 0);
  const sxx = sum((x) => x * x);
  const slope = sum((x, y) => x * y) / sxx;
  const rest = sum((x, y) => (y - slope * x) ** 2);
  const freedom = blocks.length - 2;
  const bound = kStudent[freedom] * Math.sqrt(rest / freedom / sxx);
  return { first: blocks[0].value, last: blocks.at(-1).value, slope, bound, span: points.at(-1).at - points[0].at };
}

// Is it shown that the series grows by less than `perTime`, `allowance` aside? The allowance is what it may move by, within any
// span, without meaning anything: a page of the allocator, a client more. A short span allows a steep slope for it, a long one
// hardly any. The upper bound of the slope counts, not the slope: what is too noisy to tell is not shown to be flat.
// Gives the line with { limit, verdict: 'flat', 'grows' (beyond doubt) or 'unclear' }; 'too short' below kEnough samples.
export function judgeTrend(points, { perTime, allowance }) {
  if (points.length < kEnough) return { verdict: 'too short' };
  const line = fitLine(points);
  const limit = perTime + allowance / line.span;
  const [low, high] = [line.slope - line.bound, line.slope + line.bound];
  const verdict = high <= limit ? 'flat' : low > perTime ? 'grows' : 'unclear';
  return { ...line, limit, verdict };
}
