// Decides whether a series of samples grows: fits a straight line by least squares, with bounds of its slope.
//
// Neighbouring samples resemble each other (memory grows in steps, clients come and go), so a line through all of them
// would look surer than it is. The line therefore goes through the means of a few long blocks, which are nearly
// independent: the method of batch means (Law and Kelton, Simulation Modeling and Analysis).

const kBlocks = 10;
const kFewest = 6; // with fewer blocks the bound is meaningless
export const kEnough = 14; // samples for a verdict: with fewer, a single sample could decide it

// Student's t for a two-sided confidence of 95 %, that is one-sided 97.5 %, by degrees of freedom.
const kStudent = { 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306 };

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Means of `kBlocks` runs of neighbours, as { at, value }; shorter series are returned unchanged.
function inBlocks(points) {
  if (points.length <= kBlocks) return points;
  const edge = (n) => Math.round((n * points.length) / kBlocks);
  return Array.from({ length: kBlocks }, (_, n) => {
    const block = points.slice(edge(n), edge(n + 1));
    return { at: mean(block.map(({ at }) => at)), value: mean(block.map(({ value }) => value)) };
  });
}

// points: [{ at (any unit of time), value }], in order of time. Gives { first, last (means of the outer blocks), slope,
// bound (half the width of the 95 % confidence interval of the slope), span (of time) }, or undefined for too few
// points.
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

// Decides whether the series is shown to grow by less than `perTime`, apart from `allowance`. The allowance is the
// change within any span that means nothing: a page of the allocator, one client more. It permits a steep slope over a
// short span, and hardly any over a long one. The upper bound of the slope counts, not the slope: a series that is too
// noisy is not shown to be flat. Gives the line with { limit, verdict: 'flat', 'grows' (beyond doubt) or 'unclear' };
// 'too short' below kEnough samples.
export function judgeTrend(points, { perTime, allowance }) {
  if (points.length < kEnough) return { verdict: 'too short' };
  const line = fitLine(points);
  const limit = perTime + allowance / line.span;
  const [low, high] = [line.slope - line.bound, line.slope + line.bound];
  const verdict = high <= limit ? 'flat' : low > perTime ? 'grows' : 'unclear';
  return { ...line, limit, verdict };
}
