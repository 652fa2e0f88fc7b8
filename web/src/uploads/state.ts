/**
 * What happens to a file between this device and the server, as a pure reducer.
 *
 * waiting → sending → sealing → safe, with failed (somebody must act) and interrupted (the page was
 * closed: the file must be chosen again) at the side. Safe only ever follows the server's own answer.
 */
export type Phase = 'waiting' | 'sending' | 'sealing' | 'safe' | 'failed' | 'interrupted';

export interface Problem {
  message: string;
  code: string;
}

/** The page itself will not send such a file; trying again cannot help. */
export const isHopeless = ({ problem }: { problem: Problem | null }) =>
  problem?.code === 'UPLOAD_EMPTY' || problem?.code === 'UPLOAD_TOO_LARGE';

export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly phase: Phase;
  readonly sent: number;
  /** Bytes a second, smoothed; null until it is known. */
  readonly speed: number | null;
  /** Failed tries in a row. */
  readonly tries: number;
  /** Milliseconds since the epoch before which it is not tried again. */
  readonly notBefore: number;
  readonly recordingId: string | null;
  /** All bytes are at the store, and only the server's word is missing: the file itself is not needed again. */
  readonly delivered: boolean;
  readonly problem: Problem | null;
}

export type Event =
  | { kind: 'added'; upload: Upload }
  | { kind: 'started'; id: string }
  | { kind: 'ticket'; id: string; recordingId: string }
  | { kind: 'progress'; id: string; sent: number; speed: number | null }
  | { kind: 'sent'; id: string }
  | { kind: 'safe'; id: string }
  | { kind: 'postponed'; id: string; notBefore: number; problem: Problem }
  | { kind: 'failed'; id: string; problem: Problem }
  | { kind: 'retried'; id: string }
  | { kind: 'removed'; id: string };

export function newUpload(id: string, file: { name: string; size: number; type: string }): Upload {
  return {
    id,
    name: file.name,
    size: file.size,
    type: file.type,
    phase: 'waiting',
    sent: 0,
    speed: null,
    tries: 0,
    notBefore: 0,
    recordingId: null,
    delivered: false,
    problem: null,
  };
}

export function reduce(uploads: readonly Upload[], event: Event): readonly Upload[] {
  if (event.kind === 'added') return [...uploads, event.upload];
  if (event.kind === 'removed') return uploads.filter((upload) => upload.id !== event.id);
  return uploads.map((upload) => (upload.id === event.id ? step(upload, event) : upload));
}

function step(upload: Upload, event: Exclude<Event, { kind: 'added' | 'removed' }>): Upload {
  switch (event.kind) {
    case 'started':
      return { ...upload, phase: upload.delivered ? 'sealing' : 'sending', sent: 0, speed: null, problem: null };
    case 'ticket':
      return { ...upload, phase: 'sending', recordingId: event.recordingId, delivered: false };
    case 'progress':
      // The form's own fields count in what a browser reports as sent.
      return { ...upload, sent: Math.min(event.sent, upload.size), speed: event.speed };
    case 'sent':
      return { ...upload, phase: 'sealing', sent: upload.size, speed: null, delivered: true };
    case 'safe':
      return { ...upload, phase: 'safe', sent: upload.size, speed: null, problem: null };
    case 'postponed':
      return back(upload, { tries: upload.tries + 1, notBefore: event.notBefore, problem: event.problem });
    case 'failed':
      return { ...upload, phase: 'failed', speed: null, problem: event.problem };
    case 'retried':
      return back(upload, { tries: 0, notBefore: 0, problem: null });
  }
}

function back(upload: Upload, change: Pick<Upload, 'tries' | 'notBefore' | 'problem'>): Upload {
  return { ...upload, phase: 'waiting', sent: 0, speed: null, ...change };
}

const AT_ONCE = 3;

/** Which uploads may start now: in the order they were added, three at once. */
export function due(uploads: readonly Upload[], now: number): Upload[] {
  const busy = uploads.filter(isBusy).length;
  return uploads
    .filter((upload) => upload.phase === 'waiting' && upload.notBefore <= now)
    .slice(0, Math.max(0, AT_ONCE - busy));
}

/** Milliseconds until the next postponed upload is due; null when none waits for the clock. */
export function nextDue(uploads: readonly Upload[], now: number): number | null {
  const times = uploads
    .filter((upload) => upload.phase === 'waiting' && upload.notBefore > now)
    .map((upload) => upload.notBefore - now);
  return times.length > 0 ? Math.min(...times) : null;
}

export const isBusy = (upload: Upload) => upload.phase === 'sending' || upload.phase === 'sealing';

/** Whether closing the page would stop it. */
export const isUnsafe = (upload: Upload) => isBusy(upload) || upload.phase === 'waiting';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
export const TRIES_MAX = 8;

/** Doubling from one second to a minute, spread by up to a quarter so that many clients do not come at once. */
export function backOff(tries: number, random: number = Math.random()): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries) * (0.875 + random / 4);
}

/** Bytes a second, following change within a few samples. */
export function smoothSpeed(previous: number | null, bytes: number, milliseconds: number): number | null {
  if (milliseconds <= 0) return previous;
  const now = (bytes / milliseconds) * 1000;
  return previous === null ? now : previous * 0.8 + now * 0.2;
}
