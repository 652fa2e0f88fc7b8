/** Notices that the recorder has stopped giving data. Pure; runs in the worker, whose clock no busy page holds up. */

export const QUIET_MS = 8000;

export type Alarm = 'request-data' | 'restart';

export class Watchdog {
  private lastAt: number;
  private lookedAt: number;
  private asked = false;

  constructor(now: number) {
    this.lastAt = this.lookedAt = now;
  }

  /** A chunk came, or recording went on after a pause. */
  calm(now: number): void {
    this.lastAt = now;
    this.asked = false;
  }

  look(now: number): Alarm | null {
    // The machine slept, and this clock with it: what was not asked for cannot be late.
    if (now - this.lookedAt > QUIET_MS && !this.asked) this.lastAt = now - QUIET_MS;
    this.lookedAt = now;
    const quiet = now - this.lastAt;
    if (quiet < QUIET_MS) return null;
    if (!this.asked) {
      this.asked = true;
      this.lastAt = now - QUIET_MS;
      return 'request-data';
    }
    if (quiet < 2 * QUIET_MS) return null;
    this.calm(now);
    return 'restart';
  }
}
