import { expect, test } from 'vitest';

import { t } from '@/messages';

import { awayOf } from './away';

const here = { media_state: 'available', original_state: 'available', original_removed: false } as const;

test('nothing is said where all can be read, or nothing was uploaded yet', () => {
  expect(awayOf(here)).toBeNull();
  expect(awayOf({ ...here, media_state: null, original_state: null })).toBeNull();
});

test('the sound comes first, then the original', () => {
  expect(awayOf({ ...here, media_state: 'restoring', original_state: 'archived' })).toBe(t.recording.away.sound.restoring);
  expect(awayOf({ ...here, original_state: 'archived' })).toBe(t.recording.away.original.archived);
});

test('an original that a rule has removed is told of', () => {
  expect(awayOf({ ...here, original_state: null, original_removed: true })).toBe(t.recording.away.originalRemoved);
});
