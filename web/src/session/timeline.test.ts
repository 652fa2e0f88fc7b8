import { describe, expect, it } from 'vitest';

import { nextPlayable, placeOf, wholeDuration, type Playable } from './timeline';

const part = (number: number, start: number, duration: number, playable = true): Playable => ({
  number,
  start,
  duration,
  url: playable ? `part-${number}` : null,
});

describe('the timeline of a session', () => {
  const parts = [part(1, 0, 10), part(2, 10, 5, false), part(4, 15, 20)];

  it('is as long as its parts together', () => {
    expect(wholeDuration(parts)).toBe(35);
    expect(wholeDuration([])).toBe(0);
  });

  it('finds the part that is heard, and how far into it', () => {
    expect(placeOf(parts, 0)).toEqual({ part: 0, offset: 0 });
    expect(placeOf(parts, 9.5)).toEqual({ part: 0, offset: 9.5 });
    expect(placeOf(parts, 15)).toEqual({ part: 2, offset: 0 });
    expect(placeOf(parts, 34)).toEqual({ part: 2, offset: 19 });
  });

  it('goes over what cannot be played', () => {
    expect(placeOf(parts, 12)).toEqual({ part: 2, offset: 0 });
    expect(nextPlayable(parts, 1)).toBe(2);
    expect(nextPlayable(parts, 3)).toBe(-1);
  });

  it('stays at the end of the last part, and nowhere when nothing plays', () => {
    expect(placeOf(parts, 99)?.part).toBe(2);
    expect(placeOf([part(1, 0, 10), part(2, 10, 5, false)], 14)).toEqual({ part: 0, offset: 9.95 });
    expect(placeOf([part(1, 0, 10, false)], 3)).toBeNull();
    expect(placeOf([], 3)).toBeNull();
  });
});
