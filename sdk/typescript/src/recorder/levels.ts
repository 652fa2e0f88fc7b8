/** What the level says in words: good, quiet, too loud, nothing heard. Pure. */
import type { Hearing, Level } from '../types';

export const FLOOR_DB = -100;
export const NOTHING_BELOW_DB = -60;
export const NOTHING_AFTER_MS = 8000;
export const QUIET_BELOW_DB = -42;
export const QUIET_AFTER_MS = 4000;
export const CLIPPED_ABOVE_DB = -1;
export const CLIPPED_TIMES = 5;
export const CLIPPED_WITHIN_MS = 3000;
const PEAK_FALLS_DB_PER_S = 18;

export const decibels = (amplitude: number) =>
  amplitude <= 0 ? FLOOR_DB : Math.max(FLOOR_DB, 20 * Math.log10(amplitude));

export function measure(samples: Float32Array): Level {
  let sum = 0;
  let peak = 0;
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: decibels(Math.sqrt(sum / Math.max(1, samples.length))), peak: decibels(peak) };
}

/** Listens on, a level at a time; `now` in milliseconds, always growing. */
export class Ears {
  private loudAt: number | null = null;
  private audibleAt: number | null = null;
  private clips: number[] = [];
  private wasClipped = false;
  private held: number = FLOOR_DB;
  private last: number | null = null;
  hearing: Hearing = 'unknown';

  /** The level with its peak held, and what is heard. */
  hear(level: Level, now: number): Level {
    this.loudAt ??= now;
    this.audibleAt ??= now;
    if (level.rms >= NOTHING_BELOW_DB) this.audibleAt = now;
    if (level.rms >= QUIET_BELOW_DB) this.loudAt = now;
    this.countClips(level.peak, now);
    this.held = Math.max(level.peak, this.held - (PEAK_FALLS_DB_PER_S * (now - (this.last ?? now))) / 1000);
    this.last = now;
    this.hearing = this.judge(now);
    return { rms: level.rms, peak: this.held };
  }

  /** Another microphone, or a pause: what was heard before says nothing any more. */
  forget(): void {
    this.loudAt = this.audibleAt = this.last = null;
    this.clips = [];
    this.held = FLOOR_DB;
    this.hearing = 'unknown';
  }

  /** One clip is one excursion, however many looks it lasts. */
  private countClips(peak: number, now: number): void {
    const clipped = peak > CLIPPED_ABOVE_DB;
    if (clipped && !this.wasClipped) this.clips.push(now);
    this.wasClipped = clipped;
    this.clips = this.clips.filter((at) => now - at < CLIPPED_WITHIN_MS);
  }

  private judge(now: number): Hearing {
    if (this.clips.length >= CLIPPED_TIMES) return 'too-loud';
    if (now - (this.audibleAt ?? now) >= NOTHING_AFTER_MS) return 'nothing';
    if (now - (this.loudAt ?? now) >= QUIET_AFTER_MS) return 'quiet';
    return 'good';
  }
}
