import { expect, it } from 'vitest';

import { BAR_MS, BARS, Trail } from './trail';

it('keeps the loudest of each fifth of a second', () => {
  const trail = new Trail();
  trail.hear(-40, 0);
  trail.hear(-12, 60);
  trail.hear(-30, 120);
  trail.hear(-50, BAR_MS);
  expect(trail.bars()).toEqual([-12, -50]);
});

it('forgets what is older than twenty seconds', () => {
  const trail = new Trail();
  for (let bar = 0; bar < BARS + 7; bar += 1) trail.hear(-bar, bar * BAR_MS);
  expect(trail.bars()).toHaveLength(BARS);
  expect(trail.bars().at(-1)).toBe(-(BARS + 6));
});

it('does not stretch over a pause, and does over a page that was not looked at', () => {
  const trail = new Trail();
  trail.hear(-10, 0);
  trail.rest();
  trail.hear(-20, 60_000);
  expect(trail.bars()).toEqual([-10, -20]);
  trail.hear(-30, 61_000);
  expect(trail.bars()).toHaveLength(7);
});

it('is never longer than twenty seconds, however long it heard nothing', () => {
  const trail = new Trail();
  trail.hear(-10, 0);
  trail.hear(-20, 3_600_000);
  trail.hear(-30, 3_600_000 + BAR_MS);
  expect(trail.bars()).toHaveLength(BARS);
  expect(trail.bars().at(-2)).toBe(-20);
});
