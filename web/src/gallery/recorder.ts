/** The recorder in every state, and with everything that can stand in its way, for the gallery alone. */
import type { Level, Recorder, RecorderSnapshot, RecorderState, SideStates, UnsentPhase, UnsentRecording } from '@reelkeep/client';

import { trail } from '@/record/device';

// A minute of speech, of which the wave shows the last twenty seconds.
for (let at = 0; at < 60_000; at += 200) trail.hear(-14 - 34 * Math.abs(Math.sin(at / 1900) * Math.cos(at / 430)), at);

const NINE = Date.parse('2026-11-20T09:12:00Z');
const WEBCAM = { deviceId: 'a', label: 'MacBook microphone' };

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

export function held(phase: UnsentPhase, change: Partial<UnsentRecording> = {}): UnsentRecording {
  return {
    id: phase,
    kind: 'recording',
    title: null,
    startedAt: NINE,
    seconds: 1864,
    bytes: 7_456_000,
    sentBytes: 5_815_680,
    progress: 0.78,
    speed: 120_000,
    mimeType: 'audio/webm;codecs=opus',
    filename: 'recording.webm',
    parts: 1,
    marks: [],
    gaps: [],
    owner: { userId: 'u1', organizationId: 'o1', userName: 'M. Lee' },
    mine: true,
    foundAfterClose: false,
    keptIn: 'disk',
    encrypted: false,
    phase,
    problem: null,
    retryAt: null,
    recordingIds: ['done'],
    ...change,
  };
}

const problem = (code: string, message: string, status: number | null) => ({ problem: { code, message, status } });
const unreachable = problem('UNREACHABLE', 'The server cannot be reached. Kept here; it is tried again by itself.', null);
const quota = problem('QUOTA_EXCEEDED', 'The organization has used its 50 GB. Remove recordings, or ask for more.', 403);
const lost = problem('LOCAL_KEY_LOST', 'It was kept encrypted, and its key is not in this browser any more: it cannot be read. What had been sent by then is on the server.', null);
const gap = { at: 700, seconds: 133, from: NINE + 700_000, to: NINE + 833_000 };

export const HELD: readonly UnsentRecording[] = [
  held('on-device', { title: 'Rex, check-up', foundAfterClose: true }),
  held('recording', { seconds: 61 }),
  held('sending', { title: 'A name that is so long that it has to go on in a second line on a phone, and longer still' }),
  held('waiting', unreachable),
  held('needs-sign-in'),
  held('needs-sign-in', { id: 'theirs', mine: false, foundAfterClose: true }),
  held('refused', { ...quota, gaps: [gap] }),
  held('on-device', { id: 'private', title: 'Rex, check-up', encrypted: true }),
  held('refused', { id: 'lost', encrypted: true, ...lost }),
  held('safe', { title: 'Rex, check-up' }),
];

export const FOUND: readonly UnsentRecording[] = HELD.filter((one) => one.foundAfterClose);

function snapshot(state: RecorderState, change: Partial<RecorderSnapshot> = {}, sides: Partial<SideStates> = {}): RecorderSnapshot {
  const open = !['idle', 'asking'].includes(state);
  const begun = open && state !== 'ready';
  return {
    state,
    sides: { ...NO_SIDES, ...sides },
    id: begun ? state : null,
    startedAt: begun ? NINE : null,
    seconds: begun ? 761 : 0,
    bytes: begun ? 3_044_000 : 0,
    sentSeconds: begun ? 750 : 0,
    sentBytes: begun ? 3_000_000 : 0,
    pausedAt: state === 'paused' ? Date.now() - 75_000 : null,
    marks: begun ? [{ id: 'm1', at: 312, name: 'Mark 1' }, { id: 'm2', at: 640, name: 'Mark 2' }] : [],
    gaps: [],
    seams: [],
    parts: begun ? 1 : 0,
    mimeType: begun ? 'audio/webm;codecs=opus' : '',
    quality: 'speech',
    bitsPerSecond: 32_000,
    megabytesPerHour: 14.4,
    cleanUp: false,
    microphones: open ? [{ deviceId: '', label: '', isDefault: true, chosen: false, active: false }, { ...WEBCAM, isDefault: false, chosen: true, active: true }] : [],
    microphone: open ? WEBCAM.label : 'Default microphone',
    hearing: open ? 'good' : 'unknown',
    keptIn: begun ? 'disk' : null,
    encrypted: false,
    screen: begun ? 'kept-on' : 'off',
    canRecord: true,
    unsent: null,
    failure: null,
    ...change,
  };
}

const moment = { at: 700, part: 2, reason: 'stalled' as const, when: NINE + 700_000 };
const refusing = (sides: Partial<SideStates>) => snapshot('idle', { canRecord: false }, sides);
const during = (sides: Partial<SideStates>, change: Partial<RecorderSnapshot> = {}) => snapshot('recording', change, sides);

export const RECORDER: readonly (readonly [string, RecorderSnapshot])[] = [
  ['idle', snapshot('idle')],
  ['asking', snapshot('asking')],
  ['ready', snapshot('ready')],
  ['recording', snapshot('recording')],
  ['recording, encrypted', during({}, { encrypted: true })],
  ['recording, high quality, too loud', during({}, { quality: 'high', hearing: 'too-loud', screen: 'refused' })],
  ['paused', snapshot('paused')],
  ['paused for long', snapshot('paused', { pausedAt: Date.now() - 700_000 })],
  ['stopping', snapshot('stopping')],
  ['unsent', snapshot('unsent', { unsent: held('on-device') })],
  ['unsent, server away', snapshot('unsent', { unsent: held('waiting', unreachable) }, { offline: true })],
  ['unsent, refused', snapshot('unsent', { unsent: held('refused', quota) })],
  ['sending', snapshot('sending', { unsent: held('sending') })],
  ['safe', snapshot('safe', { unsent: held('safe', { title: 'Rex, check-up' }) })],
  ['denied', snapshot('idle', {}, { denied: { where: 'browser' } })],
  ['denied by the system', snapshot('idle', {}, { denied: { where: 'system' } })],
  ['no device', snapshot('idle', {}, { noDevice: true })],
  ['blocked', refusing({ blocked: { reason: 'Consent of M. Lee is missing.' } })],
  ['insecure context', refusing({ insecureContext: true })],
  ['unsupported', refusing({ unsupported: true })],
  ['other tab', refusing({ otherTab: true })],
  ['interrupted', during({ interrupted: gap, mutedBySystem: true })],
  ['muted by the system', during({ mutedBySystem: true }, { hearing: 'nothing' })],
  ['silent', during({ silent: { microphone: WEBCAM.label } }, { hearing: 'nothing' })],
  ['stalled', during({ stalled: moment })],
  ['moved', during({ moved: { from: 'AirPods', to: WEBCAM.label } })],
  ['disk low', during({ diskLow: { minutesLeft: 12.4 } })],
  ['memory only', during({ memoryOnly: true }, { keptIn: 'memory', sentSeconds: 0 })],
  ['offline', during({ offline: true })],
  ['failed', snapshot('ready', { failure: 'Nothing was recorded: the microphone gave no sound.' })],
];

const nothing = () => undefined;
const later = () => Promise.resolve();

/** Stands still in one state, with a voice that rises and falls once. */
export function still(of: RecorderSnapshot): Recorder {
  return {
    subscribe: () => nothing,
    getSnapshot: () => of,
    prepare: later,
    start: later,
    pause: nothing,
    resume: nothing,
    stop: later,
    goOn: later,
    again: nothing,
    release: nothing,
    choose: later,
    setQuality: nothing,
    setCleanUp: later,
    recheck: later,
    test: () => Promise.reject(new Error('There is no microphone here.')),
    mark: nothing,
    removeMark: nothing,
    describe: nothing,
    setBlocked: nothing,
    acknowledge: nothing,
    callOtherTab: nothing,
    onLevel: (listener: (level: Level) => void) => {
      listener({ rms: -22, peak: -8 });
      return nothing;
    },
    dispose: later,
  };
}
