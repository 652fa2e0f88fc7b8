import { expect, test } from 'vitest';

import { t } from '@/messages';

import { awayOf } from './away';

const here = { media_state: 'available', original_state: 'available', original_removed: false, client_encrypted: false, media_kept: true } as const;

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

test('of what is encrypted no sound is spoken of', () => {
  const encrypted = { ...here, media_state: null, client_encrypted: true };
  expect(awayOf(encrypted)).toBeNull();
  expect(awayOf({ ...encrypted, original_state: 'archived' })).toBe(t.recording.away.encrypted.archived);
});

test('what is not kept is not called missing, nor removed by a rule', () => {
  expect(awayOf({ ...here, media_kept: false, media_state: 'missing', original_removed: true })).toBeNull();
});
