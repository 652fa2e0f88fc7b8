/** The recorder's states as one pure reducer; everything that happens is an event. */
import type {
  DeviceChoice,
  Gap,
  Hearing,
  KeptIn,
  Mark,
  Microphone,
  Quality,
  RecorderSnapshot,
  RecorderState,
  ScreenLock,
  Seam,
  SideStates,
  UnsentRecording,
} from '../types';
import { BITS_PER_SECOND, megabytesPerHour, MINUTES_LOW } from './quality';

export const DEFAULT_LABEL = 'Default microphone';

export type RecorderEvent =
  | { readonly kind: 'asked' }
  | { readonly kind: 'opened'; readonly microphone: string }
  | { readonly kind: 'refused'; readonly why: Refusal }
  | { readonly kind: 'began'; readonly id: string; readonly at: number; readonly keptIn: KeptIn; readonly encrypted: boolean }
  | { readonly kind: 'went-on' }
  | { readonly kind: 'paused'; readonly at: number }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'emptied' }
  | { readonly kind: 'again'; readonly open: boolean }
  | { readonly kind: 'released' }
  | { readonly kind: 'written'; readonly seconds: number; readonly bytes: number; readonly mimeType: string; readonly keptIn: KeptIn }
  | { readonly kind: 'sent'; readonly seconds: number; readonly bytes: number }
  | { readonly kind: 'entry'; readonly entry: UnsentRecording }
  | { readonly kind: 'marked'; readonly mark: Mark }
  | { readonly kind: 'unmarked'; readonly id: string }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'seam'; readonly seam: Seam }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | { readonly kind: 'acknowledged'; readonly side: 'interrupted' | 'stalled' | 'moved' }
  | { readonly kind: 'microphones'; readonly list: readonly Microphone[] }
  | { readonly kind: 'muted'; readonly on: boolean }
  | { readonly kind: 'permitted' }
  | { readonly kind: 'heard'; readonly hearing: Hearing }
  | { readonly kind: 'quality'; readonly quality: Quality }
  | { readonly kind: 'clean-up'; readonly on: boolean }
  | { readonly kind: 'blocked'; readonly reason: string | null }
  | { readonly kind: 'other-tab'; readonly on: boolean }
  | { readonly kind: 'offline'; readonly on: boolean }
  | { readonly kind: 'room'; readonly minutesLeft: number | null }
  | { readonly kind: 'screen'; readonly screen: ScreenLock }
  | { readonly kind: 'failed'; readonly message: string };

export type Refusal =
  | { readonly kind: 'denied'; readonly where: 'browser' | 'system' | 'unknown' }
  | { readonly kind: 'no-device' }
  | { readonly kind: 'insecure-context' }
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'failed'; readonly message: string };

const NO_SIDES: SideStates = {
  denied: null,
  noDevice: false,
  blocked: null,
  insecureContext: false,
  unsupported: false,
  interrupted: null,
  mutedBySystem: false,
  silent: null,
  stalled: null,
  moved: null,
  diskLow: null,
  memoryOnly: false,
  otherTab: false,
  offline: false,
};

const NOTHING_RECORDED = {
  id: null,
  startedAt: null,
  seconds: 0,
  bytes: 0,
  sentSeconds: 0,
  sentBytes: 0,
  pausedAt: null,
  marks: [],
  gaps: [],
  seams: [],
  parts: 0,
  mimeType: '',
  keptIn: null,
  encrypted: false,
  unsent: null,
  failure: null,
} satisfies Partial<RecorderSnapshot>;

export function initial(quality: Quality, cleanUp: boolean, chosen: DeviceChoice | null): RecorderSnapshot {
  const microphones = chosen === null ? [] : [{ ...chosen, isDefault: false, chosen: true, active: false }];
  return settle({
    ...NOTHING_RECORDED,
    state: 'idle',
    sides: NO_SIDES,
    ...costOf(quality),
    cleanUp,
    microphones,
    microphone: chosen?.label ?? DEFAULT_LABEL,
    hearing: 'unknown',
    screen: 'off',
    canRecord: true,
  });
}

/** States in which sound is being kept, or was a moment ago. */
export const isLive = (state: RecorderState) => state === 'recording' || state === 'paused' || state === 'stopping';
export const isOver = (state: RecorderState) => state === 'unsent' || state === 'sending' || state === 'safe';

/** The next snapshot; the same object when the event means nothing in this state. */
export function reduce(now: RecorderSnapshot, event: RecorderEvent): RecorderSnapshot {
  const next = step(now, event);
  return next === now ? now : settle(next);
}

function step(now: RecorderSnapshot, event: RecorderEvent): RecorderSnapshot {
  switch (event.kind) {
    case 'asked':
    case 'opened':
    case 'refused':
    case 'began':
    case 'went-on':
    case 'paused':
    case 'resumed':
    case 'stopping':
    case 'stopped':
    case 'emptied':
    case 'again':
    case 'released':
      return move(now, event);
    case 'written':
    case 'sent':
    case 'entry':
    case 'marked':
    case 'unmarked':
    case 'gap':
    case 'seam':
      return gain(now, event);
    default:
      return note(now, event);
  }
}

type Move = Extract<
  RecorderEvent,
  { kind: 'asked' | 'opened' | 'refused' | 'began' | 'went-on' | 'paused' | 'resumed' | 'stopping' | 'stopped' | 'emptied' | 'again' | 'released' }
>;

/** What changes the state; an event that does not belong to a state leaves it alone. */
function move(now: RecorderSnapshot, event: Move): RecorderSnapshot {
  const { state, sides } = now;
  switch (event.kind) {
    case 'asked':
      return state === 'idle' ? { ...now, state: 'asking', failure: null } : now;
    case 'opened':
      return opened(now, event.microphone);
    case 'refused':
      return refused(now, event.why);
    case 'began':
      if (state !== 'ready') return now;
      return { ...now, ...NOTHING_RECORDED, state: 'recording', id: event.id, startedAt: event.at, parts: 1,
        keptIn: event.keptIn, encrypted: event.encrypted, sides: { ...sides, interrupted: null, stalled: null, moved: null } };
    case 'went-on':
      return isOver(state) || state === 'paused' || state === 'recording'
        ? { ...now, state: 'recording', pausedAt: null, unsent: null, sides: { ...sides, interrupted: null } }
        : now;
    case 'paused':
      return state === 'recording' ? { ...now, state: 'paused', pausedAt: event.at } : now;
    case 'resumed':
      return state === 'paused' ? { ...now, state: 'recording', pausedAt: null } : now;
    case 'stopping':
      return state === 'recording' || state === 'paused' ? { ...now, state: 'stopping', pausedAt: null } : now;
    case 'stopped':
      return state === 'stopping' ? { ...now, state: 'unsent' } : now;
    case 'emptied':
      return isLive(state) || isOver(state)
        ? { ...now, ...NOTHING_RECORDED, state: 'ready', failure: 'Nothing was recorded: the microphone gave no sound.' }
        : now;
    case 'again':
      return isOver(state) || state === 'idle' ? { ...now, ...NOTHING_RECORDED, state: event.open ? 'ready' : 'idle' } : now;
    case 'released':
      return isLive(state) || isOver(state) ? now : { ...now, state: 'idle', hearing: 'unknown' };
  }
}

function opened(now: RecorderSnapshot, microphone: string): RecorderSnapshot {
  const sides = { ...now.sides, denied: null, noDevice: false, insecureContext: false, mutedBySystem: false };
  const state = now.state === 'asking' || now.state === 'idle' ? 'ready' : now.state;
  return { ...now, state, sides, microphone, hearing: 'unknown', failure: null };
}

function refused(now: RecorderSnapshot, why: Refusal): RecorderSnapshot {
  const state = now.state === 'asking' || now.state === 'ready' ? 'idle' : now.state;
  const { sides } = now;
  switch (why.kind) {
    case 'denied':
      return { ...now, state, sides: { ...sides, denied: { where: why.where } } };
    case 'no-device':
      return { ...now, state, sides: { ...sides, noDevice: true } };
    case 'insecure-context':
      return { ...now, state, sides: { ...sides, insecureContext: true } };
    case 'unsupported':
      return { ...now, state, sides: { ...sides, unsupported: true } };
    case 'failed':
      return { ...now, state, failure: why.message };
  }
}

type Gain = Extract<RecorderEvent, { kind: 'written' | 'sent' | 'entry' | 'marked' | 'unmarked' | 'gap' | 'seam' }>;

/** What adds to the recording that there is. */
function gain(now: RecorderSnapshot, event: Gain): RecorderSnapshot {
  if (now.id === null) return now;
  switch (event.kind) {
    case 'written':
      return { ...now, seconds: event.seconds, bytes: event.bytes, mimeType: event.mimeType, keptIn: event.keptIn };
    case 'sent':
      return { ...now, sentSeconds: event.seconds, sentBytes: event.bytes };
    case 'entry':
      return withEntry(now, event.entry);
    case 'marked':
      return { ...now, marks: [...now.marks, event.mark].sort((a, b) => a.at - b.at) };
    case 'unmarked':
      return { ...now, marks: now.marks.filter(({ id }) => id !== event.id) };
    case 'gap':
      return { ...now, gaps: [...now.gaps, event.gap], sides: { ...now.sides, interrupted: event.gap } };
    case 'seam':
      return withSeam(now, event.seam);
  }
}

function withEntry(now: RecorderSnapshot, entry: UnsentRecording): RecorderSnapshot {
  if (entry.id !== now.id || !isOver(now.state)) return now;
  const state = entry.phase === 'safe' || entry.phase === 'sending' ? entry.phase : 'unsent';
  return { ...now, state, unsent: entry };
}

function withSeam(now: RecorderSnapshot, seam: Seam): RecorderSnapshot {
  const stalled = seam.reason === 'stalled' || seam.reason === 'recorder-error' ? seam : now.sides.stalled;
  return { ...now, seams: [...now.seams, seam], parts: Math.max(now.parts, seam.part), sides: { ...now.sides, stalled } };
}

/** What is known about the world around the recording. */
function note(now: RecorderSnapshot, event: Exclude<RecorderEvent, Move | Gain>): RecorderSnapshot {
  const { sides } = now;
  const side = (change: Partial<SideStates>) => ({ ...now, sides: { ...sides, ...change } });
  switch (event.kind) {
    case 'moved':
      return { ...now, microphone: event.to, hearing: 'unknown', sides: { ...sides, moved: { from: event.from, to: event.to } } };
    case 'acknowledged':
      return sides[event.side] === null ? now : side({ [event.side]: null });
    case 'microphones':
      return { ...now, microphones: event.list, sides: { ...sides, noDevice: sides.noDevice && event.list.length === 0 } };
    case 'muted':
      return sides.mutedBySystem === event.on ? now : side({ mutedBySystem: event.on });
    case 'permitted':
      return sides.denied === null ? now : side({ denied: null });
    case 'heard':
      return now.hearing === event.hearing ? now : { ...now, hearing: event.hearing };
    case 'quality':
      return isLive(now.state) ? now : { ...now, ...costOf(event.quality) };
    case 'clean-up':
      return { ...now, cleanUp: event.on };
    case 'blocked':
      return side({ blocked: event.reason === null ? null : { reason: event.reason } });
    case 'other-tab':
      return sides.otherTab === event.on ? now : side({ otherTab: event.on });
    case 'offline':
      return sides.offline === event.on ? now : side({ offline: event.on });
    case 'room':
      return side({ diskLow: event.minutesLeft !== null && event.minutesLeft < MINUTES_LOW ? { minutesLeft: event.minutesLeft } : null });
    case 'screen':
      return now.screen === event.screen ? now : { ...now, screen: event.screen };
    case 'failed':
      return { ...now, failure: event.message };
  }
}

/** What follows from the rest. */
function settle(now: RecorderSnapshot): RecorderSnapshot {
  const { sides } = now;
  const silent = now.hearing === 'nothing' && now.state !== 'paused' ? { microphone: now.microphone } : null;
  const kept = { silent, memoryOnly: now.keptIn === 'memory' && now.state !== 'safe' };
  const impossible = sides.blocked ?? (sides.insecureContext || sides.unsupported || sides.otherTab);
  return { ...now, sides: { ...sides, ...kept }, canRecord: !impossible };
}

function costOf(quality: Quality) {
  const bitsPerSecond = BITS_PER_SECOND[quality];
  return { quality, bitsPerSecond, megabytesPerHour: megabytesPerHour(bitsPerSecond) };
}
