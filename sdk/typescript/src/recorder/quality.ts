/** What the two qualities cost. */
import type { Quality } from '../types';

export const BITS_PER_SECOND: Readonly<Record<Quality, number>> = { speech: 32_000, high: 128_000 };

/** Containers add a little: about 3 % at 32 kbit/s, less above. */
export const megabytesPerHour = (bitsPerSecond: number) => Math.round((bitsPerSecond / 8) * 3600 * 1.03 * 1e-5) / 10;

export const minutesIn = (bytes: number, bitsPerSecond: number) => Math.floor(bytes / (bitsPerSecond / 8) / 60);

/** Below this much room the person is warned. */
export const MINUTES_LOW = 30;
