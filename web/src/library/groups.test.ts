import { expect, it } from 'vitest';

import type { Recording } from '@/api/types';

import { groupByDay, titleOf } from './groups';

const at = (iso: string, duration: number | null = null) =>
  ({ created_at: iso, duration_seconds: duration, title: null, original_filename: 'x.wav' }) as Recording;

it('recordings are grouped by the reader’s own day, with the known lengths added up', () => {
  const now = new Date(2026, 10, 20, 12);
  const iso = (day: number, hour: number) => new Date(2026, 10, day, hour).toISOString();
  const days = groupByDay([at(iso(20, 9), 60), at(iso(20, 1)), at(iso(19, 23), 30), at(iso(3, 8))], now);
  expect(days.map((day) => [day.recordings.length, day.duration])).toEqual([
    [2, 60],
    [1, 30],
    [1, null],
  ]);
  expect(days[0]?.label).toMatch(/^Today/);
  expect(days[1]?.label).toMatch(/^Yesterday/);
});

it('a recording without a title is called by its file, but never by a hash', () => {
  const named = (original_filename: string) => titleOf({ ...at('2026-11-20T09:00:00Z'), original_filename });
  expect(named('Rex check-up.m4a')).toBe('Rex check-up');
  expect(named('3f2a9c1d8e7b6a50.webm')).toMatch(/^Recording of /);
  expect(named('9b2f7c1e-0d2b-7c33-9a64-1c2f3a4b5c6d.m4a')).toMatch(/^Recording of /);
});
