import { expect, it } from 'vitest';

import { journalOf, parseJournal } from './journal';
import { newUpload } from './state';

const file = { name: 'visit.m4a', size: 1000, type: 'audio/mp4' };

it('asks for the file again after a reload, and only for what is not safe', () => {
  const safe = { ...newUpload('a', file), phase: 'safe' as const };
  const sending = { ...newUpload('b', file), phase: 'sending' as const, sent: 400, recordingId: 'r' };
  const found = parseJournal(journalOf([safe, sending]));
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ id: 'b', phase: 'interrupted', sent: 0, recordingId: 'r' });
});

it('starts with nothing when what was kept cannot be read', () => {
  expect(parseJournal('{')).toEqual([]);
  expect(parseJournal('{"a":1}')).toEqual([]);
  expect(parseJournal('[null, 3, {"id": 7}]')).toEqual([]);
  expect(parseJournal(null)).toEqual([]);
});

it('needs no file for what the store already has: only the server is asked again', () => {
  const sealing = { ...newUpload('c', file), phase: 'sealing' as const, delivered: true, recordingId: 'r' };
  expect(parseJournal(journalOf([sealing]))[0]).toMatchObject({ phase: 'waiting', delivered: true, recordingId: 'r' });
});
