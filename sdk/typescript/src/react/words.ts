/** What the plain recorder says; give your own for another language. */
import type { RecorderSnapshot, UnsentRecording } from '../types';

export interface Words {
  readonly start: string;
  readonly pause: string;
  readonly resume: string;
  readonly stop: string;
  readonly mark: string;
  readonly again: string;
  readonly goOn: string;
  readonly microphone: string;
  readonly systemDefault: string;
  readonly level: string;
  readonly send: string;
  readonly saveAs: string;
  readonly state: (snapshot: RecorderSnapshot) => string;
  readonly kept: (snapshot: RecorderSnapshot) => string;
  readonly warnings: (snapshot: RecorderSnapshot) => readonly string[];
  readonly phase: (recording: UnsentRecording) => string;
}

export const english: Words = {
  start: 'Record',
  pause: 'Pause',
  resume: 'Go on',
  stop: 'Stop',
  mark: 'Mark',
  again: 'Record another',
  goOn: 'Go on with this recording',
  microphone: 'Microphone',
  systemDefault: 'System default',
  level: 'Level',
  send: 'Send now',
  saveAs: 'Save as file',
  state: ({ state }) => STATES[state],
  kept: ({ keptIn, sentSeconds }) =>
    `${keptIn === 'memory' ? 'Not kept on disk: keep this page open.' : 'On this device.'}${sentSeconds > 0 ? ` Sent to ${clock(sentSeconds)}.` : ''}`,
  warnings,
  phase: (recording) => recording.problem?.message ?? PHASES[recording.phase],
};

const STATES: Readonly<Record<RecorderSnapshot['state'], string>> = {
  idle: 'Not recording',
  asking: 'The browser asks for the microphone',
  ready: 'Ready',
  recording: 'Recording',
  paused: 'Paused',
  stopping: 'Writing the last seconds',
  unsent: 'On this device',
  sending: 'Sending',
  safe: 'Safe on the server',
};

const PHASES: Readonly<Record<UnsentRecording['phase'], string>> = {
  recording: 'Being recorded',
  'on-device': 'On this device',
  sending: 'Sending',
  waiting: 'On this device; tried again by itself',
  'needs-sign-in': 'On this device; sign in to send it',
  'needs-file': 'Choose the file again to go on',
  refused: 'On this device; the server refused it',
  safe: 'Safe on the server',
};

function warnings({ sides, failure }: RecorderSnapshot): readonly string[] {
  const { denied, blocked, interrupted, silent, stalled, moved, diskLow } = sides;
  const said: readonly (string | null)[] = [
    denied && 'The browser blocks the microphone. Allow it in the browser’s settings for this page.',
    sides.noDevice ? 'No microphone was found.' : null,
    blocked && blocked.reason,
    sides.insecureContext ? 'Recording needs https, or localhost.' : null,
    sides.unsupported ? 'This browser cannot record.' : null,
    sides.otherTab ? 'Another tab is recording.' : null,
    sides.mutedBySystem ? 'The system has muted the microphone.' : null,
    interrupted && `${clock(interrupted.seconds)} were not heard, at ${clock(interrupted.at)}.`,
    silent && `Nothing is heard from ${silent.microphone}.`,
    stalled && `The recorder was restarted at ${clock(stalled.at)}.`,
    moved && `Now recording from ${moved.to}.`,
    diskLow && `Room for ${diskLow.minutesLeft} more minutes on this device.`,
    sides.memoryOnly ? 'Not kept on disk: keep this page open.' : null,
    sides.offline ? 'Offline: kept here, sent when the network is back.' : null,
    failure,
  ];
  return said.filter((one) => one !== null);
}

export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (number: number) => String(number).padStart(2, '0');
  const minutes = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${minutes}` : minutes;
}
