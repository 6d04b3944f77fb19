// The fit must find planted leaks, and nothing else: in noise, in steps, in short series and in long ones.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { range } from './conditions.mjs';
import { randomSource } from './publishers.mjs';
import { fitLine, judgeTrend } from './trend.mjs';

const kLimits = { perTime: 1, allowance: 2 }; // megabytes, and hours

// `hours` of samples every five seconds, with a leak per hour; `noise` is a function of the sample's number.
const series = (hours, leak, noise = () => 0) => range(0, Math.round(hours * 720) - 1).map((n) => (
  { at: n / 720, value: 20 + (leak * n) / 720 + noise(n) }));

const white = (seed, size) => {
  const random = randomSource(seed);
  return () => size * (random() + random() + random() - 1.5);
};

// Each sample resembles the one before it.
const sluggish = (seed, size) => {
  const random = white(seed, size);
  let state = 0;
  return () => (state = 0.95 * state + random());
};

const verdict = (points) => judgeTrend(points, kLimits).verdict;

describe('the line', () => {
  test('is exact without noise', () => {
    const { slope, bound, first, last, span } = fitLine(range(0, 99).map((n) => ({ at: n, value: 3 + 2 * n })));
    assert.ok(Math.abs(slope - 2) < 1e-9 && bound < 1e-9, `${slope} ± ${bound}`);
    assert.deepEqual([first, last, span], [12, 192, 99]);
  });

  test('has the bounds of the textbook for ten points of y = x, every other one a unit up', () => {
    // By hand: sxx 82.5, sxy 85, syy 91; rest 91 - 85 * 85 / 82.5 = 3.4242…; t(8) = 2.306.
    const points = range(0, 9).map((n) => ({ at: n, value: n + (n % 2) }));
    const { slope, bound } = fitLine(points);
    const [sxx, sxy] = [82.5, 85];
    const syy = points.reduce((sum, { value }) => sum + (value - 5) ** 2, 0);
    assert.ok(Math.abs(slope - sxy / sxx) < 1e-9);
    assert.ok(Math.abs(bound - 2.306 * Math.sqrt((syy - (sxy * sxy) / sxx) / 8 / sxx)) < 1e-9);
  });

  test('contains the true slope in about 95 of 100 noisy series, even if neighbours resemble each other', () => {
    for (const noise of [white, sluggish]) {
      const holds = range(1, 400).filter((seed) => {
        const { slope, bound } = fitLine(series(1, 5, noise(seed, 1)));
        return Math.abs(slope - 5) <= bound;
      });
      assert.ok(holds.length >= 360 && holds.length <= 398, `${holds.length} of 400`);
    }
  });

  test('is not drawn through five points', () => {
    assert.equal(fitLine(range(1, 5).map((n) => ({ at: n, value: n }))), undefined);
  });
});

describe('the verdict', () => {
  test('is "too short" for thirteen samples, whatever they are', () => {
    for (const samples of [[], range(1, 13).map((n) => ({ at: n, value: n * n }))]) {
      assert.equal(verdict(samples), 'too short');
    }
  });

  test('is "flat" for a series that only wavers, over about a minute and over an hour', () => {
    for (const hours of [1 / 50, 0.1, 1]) {
      const wrong = range(1, 200).filter((seed) => verdict(series(hours, 0, sluggish(seed, 0.1))) !== 'flat');
      assert.deepEqual(wrong, [], `${hours} h`);
    }
  });

  test('is "flat" for one step of half a megabyte, wherever it comes', () => {
    for (const hours of [1 / 50, 0.1, 1]) {
      const samples = Math.round(hours * 720);
      for (const step of range(1, samples - 1)) {
        assert.equal(verdict(series(hours, 0, (n) => (n < step ? 0 : 0.5))), 'flat');
      }
    }
  });

  test('is "flat" for a shrinking series', () => {
    assert.equal(verdict(series(1, -50, white(1, 1))), 'flat');
  });

  // A kilobyte for each of 30 requests a second is 105 MB an hour.
  test('is "grows" for a kilobyte per request, in four minutes', () => {
    for (const seed of range(1, 100)) assert.equal(verdict(series(4 / 60, 105, sluggish(seed, 0.1))), 'grows');
  });

  test('is "grows" for 8 MB an hour after half an hour, and never "flat"', () => {
    for (const seed of range(1, 100)) assert.equal(verdict(series(0.5, 8, sluggish(seed, 0.1))), 'grows');
  });

  test('is "grows" for a leak in steps, a few large pieces instead of many small ones', () => {
    assert.equal(verdict(series(0.5, 0, (n) => 2 * Math.floor(n / 60))), 'grows');
  });

  test('is not "flat" for a series that is too noisy', () => {
    const verdicts = range(1, 50).map((seed) => verdict(series(0.5, 0, white(seed, 40))));
    assert.ok(verdicts.filter((one) => one === 'unclear').length > 25, `${verdicts}`);
  });
});
