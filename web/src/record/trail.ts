/** How loud the last twenty seconds of the recording were: what the wave is drawn from. */
export const BARS = 100;
export const BAR_MS = 200;

export class Trail {
  private readonly loudest: number[] = [];
  private since: number | null = null;
  /** Grows with every change, so that only what changed is drawn. */
  version = 0;

  /** The loudest of each fifth of a second; `now` in milliseconds, always growing. */
  hear(decibels: number, now: number): void {
    this.since ??= now - BAR_MS;
    // A page that is not looked at hears only now and then: what it missed looks as it last was.
    for (let missed = 0; now - this.since >= BAR_MS && missed < BARS; missed += 1) {
      this.since = missed === BARS - 1 ? now : this.since + BAR_MS;
      this.loudest.push(decibels);
    }
    this.loudest.splice(0, this.loudest.length - BARS);
    const last = this.loudest.length - 1;
    this.loudest[last] = Math.max(this.loudest[last] ?? decibels, decibels);
    this.version += 1;
  }

  /** Nothing is recorded: the time until it is leaves no bars. */
  rest(): void {
    this.since = null;
  }

  clear(): void {
    this.loudest.length = 0;
    this.since = null;
    this.version += 1;
  }

  /** In dBFS, the oldest first. */
  bars(): readonly number[] {
    return this.loudest;
  }
}
