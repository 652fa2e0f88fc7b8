/** Notices that the recorder has stopped giving data. Pure; runs in the worker, whose clock no busy page holds up. */

export const QUIET_MS = 8000;

export type Alarm = 'request-data' | 'restart';

export class Watchdog {
  private lastAt: number;
  private asked = false;

  constructor(now: number) {
    this.lastAt = now;
  }

  /** A chunk came, or recording went on after a pause. */
  calm(now: number): void {
    this.lastAt = now;
    this.asked = false;
  }

  look(now: number): Alarm | null {
    const quiet = now - this.lastAt;
    if (quiet < QUIET_MS) return null;
    if (!this.asked) {
      this.asked = true;
      // Counted from the asking: the machine may have slept, and this clock with it.
      this.lastAt = now - QUIET_MS;
      return 'request-data';
    }
    if (quiet < 2 * QUIET_MS) return null;
    this.calm(now);
    return 'restart';
  }
}
