import { describe, expect, it } from 'vitest';

import { backOff, due, newUpload, nextDue, reduce, smoothSpeed, type Upload } from './state';

const file = { name: 'visit.m4a', size: 1000, type: 'audio/mp4' };
const add = (...ids: string[]) =>
  ids.reduce<readonly Upload[]>((all, id) => reduce(all, { kind: 'added', upload: newUpload(id, file) }), []);
const only = (uploads: readonly Upload[]) => {
  const [first] = uploads;
  if (!first) throw new Error('no upload');
  return first;
};

describe('an upload', () => {
  it('is safe only after the server said so', () => {
    let all = add('a');
    all = reduce(all, { kind: 'started', id: 'a' });
    all = reduce(all, { kind: 'progress', id: 'a', sent: 1000, speed: 1 });
    all = reduce(all, { kind: 'sent', id: 'a' });
    expect(only(all).phase).toBe('sealing');
    expect(only(reduce(all, { kind: 'safe', id: 'a' })).phase).toBe('safe');
  });

  it('is not sent a second time when only the answer was lost', () => {
    let all = reduce(add('a'), { kind: 'ticket', id: 'a', recordingId: 'r' });
    all = reduce(all, { kind: 'sent', id: 'a' });
    all = reduce(all, { kind: 'postponed', id: 'a', notBefore: 5, problem: { message: '', code: 'OFFLINE' } });
    expect(only(reduce(all, { kind: 'started', id: 'a' }))).toMatchObject({ phase: 'sealing', delivered: true });
  });

  it('never shows more sent than the file has', () => {
    const all = reduce(reduce(add('a'), { kind: 'started', id: 'a' }), {
      kind: 'progress',
      id: 'a',
      sent: 1600,
      speed: null,
    });
    expect(only(all).sent).toBe(1000);
  });

  it('goes back to waiting with its reason when it is postponed', () => {
    const all = reduce(reduce(add('a'), { kind: 'started', id: 'a' }), {
      kind: 'postponed',
      id: 'a',
      notBefore: 5000,
      problem: { message: 'away', code: 'OFFLINE' },
    });
    expect(only(all)).toMatchObject({ phase: 'waiting', tries: 1, sent: 0, problem: { code: 'OFFLINE' } });
  });

  it('forgets its failed tries when a person tries again', () => {
    let all = reduce(add('a'), { kind: 'postponed', id: 'a', notBefore: 5, problem: { message: '', code: '' } });
    all = reduce(all, { kind: 'retried', id: 'a' });
    expect(only(all)).toMatchObject({ tries: 0, notBefore: 0, problem: null });
  });
});

describe('the queue', () => {
  it('starts three at once, oldest first', () => {
    const all = add('a', 'b', 'c', 'd');
    expect(due(all, 0).map((upload) => upload.id)).toEqual(['a', 'b', 'c']);
    const busy = reduce(reduce(all, { kind: 'started', id: 'a' }), { kind: 'started', id: 'b' });
    expect(due(busy, 0).map((upload) => upload.id)).toEqual(['c']);
  });

  it('leaves a postponed upload until its time', () => {
    const all = reduce(add('a'), { kind: 'postponed', id: 'a', notBefore: 5000, problem: { message: '', code: '' } });
    expect(due(all, 4000)).toEqual([]);
    expect(nextDue(all, 4000)).toBe(1000);
    expect(due(all, 5000)).toHaveLength(1);
    expect(nextDue(all, 5000)).toBeNull();
  });

  it('waits longer each time, up to about a minute', () => {
    expect(backOff(0, 0.5)).toBe(1000);
    expect(backOff(3, 0.5)).toBe(8000);
    expect(backOff(20, 1)).toBeLessThanOrEqual(67_500);
  });

  it('smooths the speed', () => {
    expect(smoothSpeed(null, 500, 1000)).toBe(500);
    expect(smoothSpeed(500, 1000, 1000)).toBe(600);
    expect(smoothSpeed(500, 1, 0)).toBe(500);
  });
});
