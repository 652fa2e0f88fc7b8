import { describe, expect, it } from 'vitest';

import type { RecorderSnapshot, RecorderState, UnsentRecording } from '../types';
import { initial, reduce, type RecorderEvent } from './state';

const STATES: readonly RecorderState[] = ['idle', 'asking', 'ready', 'recording', 'paused', 'stopping', 'unsent', 'sending', 'safe'];

const entry = (phase: UnsentRecording['phase'], id = 'a'): UnsentRecording => ({
  id, kind: 'recording', title: null, startedAt: 1, seconds: 10, bytes: 100, sentBytes: 50, progress: 0.5, speed: null,
  mimeType: 'audio/webm', filename: 'a.webm', parts: 1, marks: [], gaps: [], owner: null, mine: true, foundAfterClose: false,
  keptIn: 'disk', encrypted: false, phase, problem: null, retryAt: null, recordingIds: [],
});

const began: RecorderEvent = { kind: 'began', id: 'a', at: 1, keptIn: 'disk', encrypted: false };
const PATHS: Record<RecorderState, readonly RecorderEvent[]> = {
  idle: [],
  asking: [{ kind: 'asked' }],
  ready: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }],
  recording: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began],
  paused: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began, { kind: 'paused', at: 2 }],
  stopping: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began, { kind: 'stopping' }],
  unsent: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began, { kind: 'stopping' }, { kind: 'stopped' }],
  sending: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began, { kind: 'stopping' }, { kind: 'stopped' }, { kind: 'entry', entry: entry('sending') }],
  safe: [{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }, began, { kind: 'stopping' }, { kind: 'stopped' }, { kind: 'entry', entry: entry('safe') }],
};

const run = (events: readonly RecorderEvent[], from = initial('speech', false, null)) => events.reduce(reduce, from);
const at = (state: RecorderState): RecorderSnapshot => run(PATHS[state]);

it.each(STATES)('gets to %s by what happens', (state) => expect(at(state).state).toBe(state));

/** Where each event leads from each state; a state that is not named stays as it is. */
const MOVES: readonly [RecorderEvent, Partial<Record<RecorderState, RecorderState>>][] = [
  [{ kind: 'asked' }, { idle: 'asking' }],
  [{ kind: 'opened', microphone: 'Desk' }, { idle: 'ready', asking: 'ready' }],
  [{ kind: 'refused', why: { kind: 'denied', where: 'browser' } }, { asking: 'idle', ready: 'idle' }],
  [{ kind: 'refused', why: { kind: 'no-device' } }, { asking: 'idle', ready: 'idle' }],
  [{ kind: 'refused', why: { kind: 'insecure-context' } }, { asking: 'idle', ready: 'idle' }],
  [{ kind: 'refused', why: { kind: 'unsupported' } }, { asking: 'idle', ready: 'idle' }],
  [{ kind: 'refused', why: { kind: 'failed', message: 'in use' } }, { asking: 'idle', ready: 'idle' }],
  [began, { ready: 'recording' }],
  [{ kind: 'went-on' }, { recording: 'recording', paused: 'recording', unsent: 'recording', sending: 'recording', safe: 'recording' }],
  [{ kind: 'paused', at: 5 }, { recording: 'paused' }],
  [{ kind: 'resumed' }, { paused: 'recording' }],
  [{ kind: 'stopping' }, { recording: 'stopping', paused: 'stopping' }],
  [{ kind: 'stopped' }, { stopping: 'unsent' }],
  [{ kind: 'emptied' }, { recording: 'ready', paused: 'ready', stopping: 'ready', unsent: 'ready', sending: 'ready', safe: 'ready' }],
  [{ kind: 'again', open: true }, { idle: 'ready', unsent: 'ready', sending: 'ready', safe: 'ready' }],
  [{ kind: 'again', open: false }, { unsent: 'idle', sending: 'idle', safe: 'idle' }],
  [{ kind: 'released' }, { asking: 'idle', ready: 'idle' }],
  [{ kind: 'entry', entry: entry('sending') }, { unsent: 'sending', safe: 'sending' }],
  [{ kind: 'entry', entry: entry('safe') }, { unsent: 'safe', sending: 'safe' }],
  [{ kind: 'entry', entry: entry('waiting') }, { sending: 'unsent', safe: 'unsent' }],
  [{ kind: 'entry', entry: entry('refused') }, { sending: 'unsent', safe: 'unsent' }],
  [{ kind: 'entry', entry: entry('safe', 'another') }, {}],
];

describe.each(MOVES)('%j', (event, leads) => {
  it.each(STATES)('from %s', (state) => {
    expect(reduce(at(state), event).state).toBe(leads[state] ?? state);
  });
});

/** Events that describe the world never move the recorder. */
const NOTES: readonly RecorderEvent[] = [
  { kind: 'written', seconds: 2, bytes: 9, mimeType: 'audio/webm', keptIn: 'disk' },
  { kind: 'sent', seconds: 1, bytes: 5 },
  { kind: 'marked', mark: { id: 'm', at: 1, name: 'x' } },
  { kind: 'unmarked', id: 'm' },
  { kind: 'gap', gap: { at: 1, seconds: 9, from: 1, to: 2 } },
  { kind: 'seam', seam: { at: 1, part: 2, reason: 'stalled', when: 1 } },
  { kind: 'moved', from: 'a', to: 'b' },
  { kind: 'acknowledged', side: 'moved' },
  { kind: 'microphones', list: [] },
  { kind: 'muted', on: true },
  { kind: 'permitted' },
  { kind: 'heard', hearing: 'nothing' },
  { kind: 'quality', quality: 'high' },
  { kind: 'clean-up', on: true },
  { kind: 'blocked', reason: 'no consent' },
  { kind: 'other-tab', on: true },
  { kind: 'offline', on: true },
  { kind: 'room', minutesLeft: 3 },
  { kind: 'screen', screen: 'kept-on' },
  { kind: 'failed', message: 'x' },
];

describe.each(NOTES)('$kind', (event) => {
  it.each(STATES)('leaves %s alone', (state) => expect(reduce(at(state), event).state).toBe(state));
});

it('gives the same snapshot back when nothing changes, so that nothing is drawn again', () => {
  const now = at('recording');
  expect(reduce(now, { kind: 'stopped' })).toBe(now);
  expect(reduce(now, { kind: 'muted', on: false })).toBe(now);
  expect(reduce(now, { kind: 'heard', hearing: 'unknown' })).toBe(now);
  expect(reduce(now, { kind: 'quality', quality: 'high' })).toBe(now);
});

it('says which microphone is not heard, but not in a pause', () => {
  const silent = reduce(at('recording'), { kind: 'heard', hearing: 'nothing' });
  expect(silent.sides.silent).toEqual({ microphone: 'Desk' });
  expect(reduce(silent, { kind: 'paused', at: 3 }).sides.silent).toBeNull();
});

it('warns of memory alone until the recording is safe', () => {
  const written = reduce(at('recording'), { kind: 'written', seconds: 2, bytes: 9, mimeType: '', keptIn: 'memory' });
  expect(written.sides.memoryOnly).toBe(true);
  const over = run([{ kind: 'stopping' }, { kind: 'stopped' }, { kind: 'entry', entry: entry('safe') }], written);
  expect(over.sides.memoryOnly).toBe(false);
});

it.each<[RecorderEvent]>([
  [{ kind: 'blocked', reason: 'Consent is missing.' }],
  [{ kind: 'other-tab', on: true }],
  [{ kind: 'refused', why: { kind: 'insecure-context' } }],
  [{ kind: 'refused', why: { kind: 'unsupported' } }],
])('cannot record after %j', (event) => expect(reduce(at('idle'), event).canRecord).toBe(false));

it('can ask again after a refusal, and forgets it when the microphone opens', () => {
  const denied = reduce(at('asking'), { kind: 'refused', why: { kind: 'denied', where: 'system' } });
  expect(denied.sides.denied).toEqual({ where: 'system' });
  expect(denied.canRecord).toBe(true);
  expect(reduce(denied, { kind: 'permitted' }).sides.denied).toBeNull();
  expect(run([{ kind: 'asked' }, { kind: 'opened', microphone: 'Desk' }], denied).sides.denied).toBeNull();
});

it('finds a microphone again when one is plugged in', () => {
  const none = reduce(at('asking'), { kind: 'refused', why: { kind: 'no-device' } });
  const one = { deviceId: 'd', label: 'Desk', isDefault: false, chosen: false, active: false };
  expect(reduce(none, { kind: 'microphones', list: [] }).sides.noDevice).toBe(true);
  expect(reduce(none, { kind: 'microphones', list: [one] }).sides.noDevice).toBe(false);
});

it('keeps gaps, seams and marks in their order, and notices until they are read', () => {
  const gap = { at: 7, seconds: 60, from: 1, to: 2 };
  const seam = { at: 9, part: 2, reason: 'stalled', when: 5 } as const;
  const now = run(
    [{ kind: 'gap', gap }, { kind: 'seam', seam }, { kind: 'marked', mark: { id: 'b', at: 8, name: 'b' } }, { kind: 'marked', mark: { id: 'a', at: 2, name: 'a' } }],
    at('recording'),
  );
  expect(now.gaps).toEqual([gap]);
  expect(now.seams).toEqual([seam]);
  expect(now.parts).toBe(2);
  expect(now.marks.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(now.sides).toMatchObject({ interrupted: gap, stalled: seam });
  const read = run([{ kind: 'acknowledged', side: 'interrupted' }, { kind: 'acknowledged', side: 'stalled' }], now);
  expect(read.sides).toMatchObject({ interrupted: null, stalled: null });
  expect(read.gaps).toEqual([gap]);
});

it('warns of little room only', () => {
  expect(reduce(at('recording'), { kind: 'room', minutesLeft: 29 }).sides.diskLow).toEqual({ minutesLeft: 29 });
  expect(reduce(at('recording'), { kind: 'room', minutesLeft: 30 }).sides.diskLow).toBeNull();
  expect(reduce(at('recording'), { kind: 'room', minutesLeft: null }).sides.diskLow).toBeNull();
});

it('begins the next recording with nothing of the last', () => {
  const next = run([{ kind: 'again', open: true }], run([{ kind: 'marked', mark: { id: 'm', at: 1, name: '' } }], at('safe')));
  expect(next).toMatchObject({ id: null, seconds: 0, bytes: 0, marks: [], unsent: null, keptIn: null });
});

it('tells what each quality costs', () => {
  expect(at('idle')).toMatchObject({ quality: 'speech', bitsPerSecond: 32_000, megabytesPerHour: 14.8 });
  expect(reduce(at('idle'), { kind: 'quality', quality: 'high' })).toMatchObject({ bitsPerSecond: 128_000, megabytesPerHour: 59.3 });
});
