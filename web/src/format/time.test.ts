import { expect, it } from 'vitest';

import { fileSize } from './bytes';
import { clock, roughDuration, spokenDuration } from './time';

it('clocks show hours only when there are any', () => {
  expect([0, 7.9, 67, 3729].map(clock)).toEqual(['0:00', '0:07', '1:07', '1:02:09']);
});

it('durations are spoken in full words', () => {
  expect(spokenDuration(724)).toBe('12 minutes 4 seconds');
  expect(spokenDuration(0)).toBe('0 seconds');
});

it('totals keep only what matters', () => {
  expect(roughDuration(6120)).toBe('1 hr 42 min');
  expect(roughDuration(40)).toBe('40 sec');
});

it('sizes are counted as phones count them', () => {
  expect(fileSize(4_200_000)).toBe('4.2 MB');
  expect(fileSize(999)).toBe('999 bytes');
});
