/**
 * Where a picked file is on its way, in the words of the panel.
 *
 * waiting → sending → sealing → safe, with failed (somebody must act) and interrupted (the page was closed:
 * the file must be chosen again) at the side. Safe only ever follows the server's own answer.
 */
import type { UnsentPhase, UnsentRecording } from '@reelkeep/client';

export type Phase = 'waiting' | 'sending' | 'sealing' | 'safe' | 'failed' | 'interrupted';

export interface Problem {
  readonly message: string;
  readonly code: string;
}

export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly phase: Phase;
  /** What the server has. */
  readonly sent: number;
  /** Bytes a second; null until it is known. */
  readonly speed: number | null;
  /** Milliseconds since 1970; 0 when it does not wait for the clock. */
  readonly retryAt: number;
  readonly recordingId: string | null;
  readonly problem: Problem | null;
  /** The page itself did not take it; trying again cannot help. */
  readonly hopeless: boolean;
}

const PHASES: Record<UnsentPhase, Phase> = {
  recording: 'waiting',
  'on-device': 'waiting',
  waiting: 'waiting',
  'needs-sign-in': 'waiting',
  sending: 'sending',
  'needs-file': 'interrupted',
  refused: 'failed',
  safe: 'safe',
};

export function uploadOf(held: UnsentRecording): Upload {
  const phase = PHASES[held.phase];
  return {
    id: held.id,
    name: held.filename,
    size: held.bytes,
    phase: phase === 'sending' && held.sentBytes >= held.bytes ? 'sealing' : phase,
    sent: held.sentBytes,
    speed: held.speed,
    retryAt: held.retryAt ?? 0,
    recordingId: held.recordingIds[0] ?? null,
    problem: held.problem,
    hopeless: false,
  };
}

/** A file that is not even begun to be sent. */
export function notTaken(id: string, file: { name: string; size: number }, problem: Problem): Upload {
  const { name, size } = file;
  return { id, name, size, phase: 'failed', sent: 0, speed: null, retryAt: 0, recordingId: null, problem, hopeless: true };
}

export const isBusy = (upload: Upload) => upload.phase === 'sending' || upload.phase === 'sealing';

/** Whether closing the page would stop it. */
export const isUnsafe = (upload: Upload) => isBusy(upload) || upload.phase === 'waiting';

export const needsYou = (upload: Upload) => upload.phase === 'failed' || upload.phase === 'interrupted';

export const percentSent = ({ sent, size }: Upload) => Math.floor((100 * sent) / Math.max(1, size));
