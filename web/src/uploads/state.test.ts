import type { UnsentPhase, UnsentRecording } from '@reelkeep/client';
import { expect, it } from 'vitest';

import { isUnsafe, needsYou, notTaken, percentSent, uploadOf } from './state';

const held = (phase: UnsentPhase, change: Partial<UnsentRecording> = {}): UnsentRecording => ({
  id: 'a',
  kind: 'file',
  title: null,
  startedAt: 0,
  seconds: null,
  bytes: 1000,
  sentBytes: 0,
  progress: 0,
  speed: null,
  mimeType: 'audio/mp4',
  filename: 'visit.m4a',
  parts: 1,
  marks: [],
  gaps: [],
  owner: null,
  mine: true,
  foundAfterClose: false,
  keptIn: 'memory',
  encrypted: false,
  phase,
  problem: null,
  retryAt: null,
  recordingIds: [],
  ...change,
});

it('is safe only after the server said so, however much it has', () => {
  expect(uploadOf(held('sending', { sentBytes: 999 })).phase).toBe('sending');
  expect(uploadOf(held('sending', { sentBytes: 1000 })).phase).toBe('sealing');
  expect(uploadOf(held('safe', { sentBytes: 1000 })).phase).toBe('safe');
});

it('waits for its person when the file is lost or refused, and by itself otherwise', () => {
  const waits = (phase: UnsentPhase) => needsYou(uploadOf(held(phase)));
  expect((['needs-file', 'refused'] as const).map(waits)).toEqual([true, true]);
  expect((['waiting', 'sending', 'needs-sign-in', 'safe'] as const).map(waits)).toEqual([false, false, false, false]);
});

it('knows how far a file is that has to be chosen again', () => {
  expect(percentSent(uploadOf(held('needs-file', { sentBytes: 629 })))).toBe(62);
  expect(percentSent(uploadOf(held('needs-file', { bytes: 0 })))).toBe(0);
});

it('says what the server said, and when it is tried again', () => {
  const problem = { code: 'RATE_LIMITED', message: 'Too many uploads were begun. Wait 20 s.', status: 429 };
  const upload = uploadOf(held('waiting', { problem, retryAt: 5000 }));
  expect(upload).toMatchObject({ phase: 'waiting', problem: { code: 'RATE_LIMITED' }, retryAt: 5000 });
  expect(isUnsafe(upload)).toBe(true);
});

it('does not try again what the page itself would not take', () => {
  const upload = notTaken('x', { name: 'nothing.wav', size: 0 }, { message: 'The file is empty.', code: 'UPLOAD_EMPTY' });
  expect(upload).toMatchObject({ phase: 'failed', hopeless: true });
  expect(isUnsafe(upload)).toBe(false);
});
