/** Microphones: which there are, which one was chosen on this device, and opening it. */
import type { DeviceChoice, Microphone } from '../types';
import type { Refusal } from './state';

const KEY = 'reelkeep:microphone';
/** Chrome's own entries for what the system uses. */
const SYSTEM = new Set(['default', 'communications', '']);
export const SYSTEM_DEFAULT: DeviceChoice = { deviceId: '', label: '' };

export function remembered(): DeviceChoice | null {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return isChoice(value) ? value : null;
  } catch {
    return null;
  }
}

export function remember({ deviceId, label }: DeviceChoice): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ deviceId, label }));
  } catch {
    // Not remembered: only that.
  }
}

function isChoice(value: unknown): value is DeviceChoice {
  const { deviceId, label } = (value ?? {}) as Partial<DeviceChoice>;
  return typeof deviceId === 'string' && typeof label === 'string';
}

/** Exact, since some browsers take a wish for nothing; a microphone that is gone is asked for again without. */
export function constraintsFor(device: DeviceChoice | null, cleanUp: boolean): MediaStreamConstraints {
  const wanted = device === null || SYSTEM.has(device.deviceId) ? {} : { deviceId: { exact: device.deviceId } };
  return {
    audio: {
      ...wanted,
      channelCount: { ideal: 1 },
      sampleRate: { ideal: 48_000 },
      echoCancellation: cleanUp,
      noiseSuppression: cleanUp,
      autoGainControl: cleanUp,
    },
  };
}

interface Listed {
  readonly kind: string;
  readonly deviceId: string;
  readonly label: string;
}

/** As the person sees them; before permission browsers give neither labels nor ids. Pure. */
export function microphonesFrom(
  devices: readonly Listed[],
  chosen: DeviceChoice | null,
  active: DeviceChoice | null,
): readonly Microphone[] {
  const inputs = devices.filter(({ kind }) => kind === 'audioinput');
  if (inputs.length === 0) return [];
  const real = inputs.filter(({ deviceId, label }) => !SYSTEM.has(deviceId) && label !== '');
  const found = find(real, chosen);
  const open = find(real, active);
  const system = { ...SYSTEM_DEFAULT, isDefault: true, chosen: found === undefined, active: active !== null && open === undefined };
  const named = real.map((device) => ({
    deviceId: device.deviceId,
    label: device.label,
    isDefault: false,
    chosen: device === found,
    active: device === open,
  }));
  return [system, ...named];
}

/** By id; or by name, since ids change when the browser's data is cleared. */
function find<T extends DeviceChoice>(list: readonly T[], wanted: DeviceChoice | null): T | undefined {
  if (wanted === null || SYSTEM.has(wanted.deviceId)) return undefined;
  return list.find((one) => one.deviceId === wanted.deviceId) ?? list.find((one) => one.label === wanted.label);
}

/** Another microphone than the one that fell silent. */
export const another = (list: readonly Microphone[], than: DeviceChoice): Microphone | undefined =>
  list.find((one) => !one.isDefault && one.deviceId !== than.deviceId && one.label !== than.label);

/** The chosen one under the id that it has now. */
export function sameNamed(devices: readonly Listed[], wanted: DeviceChoice): DeviceChoice | null {
  const found = devices.find(({ kind, label }) => kind === 'audioinput' && label !== '' && label === wanted.label);
  return found === undefined ? null : { deviceId: found.deviceId, label: found.label };
}

/** There is no such device, which another choice may mend. */
export const isGone = (error: unknown) =>
  error instanceof Error && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError');

export function refusalOf(error: unknown): Refusal {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return { kind: 'denied', where: /system/i.test(message) ? 'system' : 'browser' };
    case 'NotFoundError':
    case 'OverconstrainedError':
      return { kind: 'no-device' };
    case 'NotReadableError':
    case 'AbortError':
      return { kind: 'failed', message: 'The microphone is there and does not open. Another program may be using it: close that, or choose another microphone.' };
    default:
      return { kind: 'failed', message: `The microphone could not be opened: ${message}` };
  }
}
