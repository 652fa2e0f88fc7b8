/** Finds time that passed and was not recorded: the clock on the wall against the media's own. Pure. */
import type { Gap } from '../types';

export const GAP_SECONDS_MIN = 3;

/**
 * Fed after each chunk. A late chunk looks like a gap until the next one has caught up, so only what two
 * looks in a row miss is called one.
 */
export class GapFinder {
  private activeMs = 0;
  private since: number | null = null;
  private known = 0;
  private missedBefore = 0;
  /** The last look at which nothing was missing. */
  private whole: { media: number; now: number } | null = null;

  /** `mediaBefore` seconds are there already, when a recording is gone on with. */
  constructor(private readonly mediaBefore = 0) {}

  start(now: number): void {
    this.since ??= now;
    this.whole ??= { media: this.mediaBefore, now };
  }

  pause(now: number): void {
    this.activeMs += now - (this.since ?? now);
    this.since = null;
    this.missedBefore = 0;
  }

  /** After `media` seconds over all parts; a gap when one is now certain, which it is at once at the end. */
  look(media: number, now: number, atEnd = false): Gap | null {
    const active = (this.activeMs + now - (this.since ?? now)) / 1000;
    const missing = active - (media - this.mediaBefore) - this.known;
    const certain = atEnd ? missing : Math.min(missing, this.missedBefore);
    const from = this.whole ?? { media, now };
    this.missedBefore = missing;
    if (missing < GAP_SECONDS_MIN) this.whole = { media, now };
    if (certain < GAP_SECONDS_MIN) return null;
    this.known += certain;
    this.missedBefore = 0;
    this.whole = { media, now };
    return { at: from.media, seconds: certain, from: from.now, to: from.now + certain * 1000 };
  }
}
