/** How much is sent at once, and how long to wait after a failure. Pure. */

export const KIB = 1024;
/** While recording: this much, or this long, whichever comes first. */
export const BATCH_BYTES = 256 * KIB;
export const BATCH_MS = 4000;

export const PIECE_BYTES_MIN = 64 * KIB;
const PIECE_BYTES_FIRST = 1024 * KIB;
const PIECE_BYTES_MAX = 32 * 1024 * KIB;
/** Bytes that lie in the journal are read into memory to be sent. */
export const READ_BYTES_MAX = 4 * 1024 * KIB;
const QUICK_MS = 1500;
const SLOW_MS = 6000;

/** Grows on a quick line, shrinks on a slow one: progress shows, and little is sent twice. */
export class Pace {
  private bytes = PIECE_BYTES_FIRST;
  private ceiling = PIECE_BYTES_MAX;
  /** Bytes a second, smoothed; null before the first piece. */
  speed: number | null = null;

  get pieceBytes(): number {
    return this.bytes;
  }

  sent(bytes: number, tookMs: number): void {
    const now = (bytes / Math.max(1, tookMs)) * 1000;
    this.speed = this.speed === null ? now : this.speed * 0.7 + now * 0.3;
    if (tookMs > SLOW_MS) this.shrink();
    else if (tookMs < QUICK_MS && bytes >= this.bytes) this.bytes = Math.min(this.bytes * 2, this.ceiling);
  }

  failed(): void {
    this.speed = null;
    this.shrink();
  }

  /** What lies between has a limit of its own; false when it takes not even the least. */
  tooLarge(): boolean {
    if (this.bytes <= PIECE_BYTES_MIN) return false;
    this.shrink();
    this.ceiling = this.bytes;
    return true;
  }

  private shrink(): void {
    this.bytes = Math.max(PIECE_BYTES_MIN, Math.floor(this.bytes / 2));
  }
}

const WAITS_MS = [1000, 2000, 5000, 10_000, 30_000, 60_000];

/** For ever, but never longer than a minute apart; spread, so that a server coming back is not run over. */
export function backOff(failures: number, random: number = Math.random()): number {
  const wait = WAITS_MS[Math.min(Math.max(failures, 1), WAITS_MS.length) - 1] ?? 0;
  return wait * (0.75 + random / 2);
}
