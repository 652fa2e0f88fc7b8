/** Whether the worker still answers. Pure: told of ticks, since a page that slept had a worker that slept too. */

export const TICK_MS = 1000;
/** Ticks without a word, while something is waited for, until it is asked; and until it is given up. */
export const ASKED_TICKS = 5;
export const DEAD_TICKS = 15;
/** A worker that dies again and again is not started for ever. */
export const RESTARTS_MAX = 3;
export const RESTARTS_WITHIN_MS = 600_000;

export class Pulse {
  private ticks = 0;
  private readonly restarts: number[] = [];

  heard(): void {
    this.ticks = 0;
  }

  tick(waiting: boolean): 'ask' | 'dead' | null {
    if (!waiting) {
      this.ticks = 0;
      return null;
    }
    this.ticks += 1;
    if (this.ticks === ASKED_TICKS) return 'ask';
    return this.ticks >= DEAD_TICKS ? 'dead' : null;
  }

  /** False: it has been started again too often. */
  mayRestart(now: number): boolean {
    while ((this.restarts[0] ?? Infinity) <= now - RESTARTS_WITHIN_MS) this.restarts.shift();
    if (this.restarts.length >= RESTARTS_MAX) return false;
    this.restarts.push(now);
    this.ticks = 0;
    return true;
  }
}
