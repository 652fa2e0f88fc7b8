/** The one timeline of a session: which part is heard at a time, and what comes after it. Pure. */

export interface Playable {
  readonly number: number;
  readonly start: number;
  readonly duration: number;
  /** Null while it cannot be played. */
  readonly url: string | null;
}

export interface Place {
  /** Index of the part. */
  readonly part: number;
  /** Seconds into it. */
  readonly offset: number;
}

const END_MARGIN_SECONDS = 0.05;

export const wholeDuration = (parts: readonly Playable[]): number =>
  parts.reduce((end, part) => Math.max(end, part.start + part.duration), 0);

/** The next part that can be played, from an index on; -1 without one. */
export function nextPlayable(parts: readonly Playable[], from: number): number {
  return parts.findIndex((part, index) => index >= from && part.url !== null);
}

/**
 * Where a time of the whole is. A time in a part that cannot be played is moved to the beginning of the next that
 * can, and past the last of them to its end; null when there is none at all.
 */
export function placeOf(parts: readonly Playable[], seconds: number): Place | null {
  const at = parts.findIndex((part) => seconds < part.start + part.duration);
  const from = at < 0 ? parts.length : at;
  const part = parts[from];
  if (part && part.url !== null) return { part: from, offset: Math.max(0, seconds - part.start) };
  const later = nextPlayable(parts, from);
  if (later >= 0) return { part: later, offset: 0 };
  const last = parts.findLastIndex((one) => one.url !== null);
  const end = parts[last];
  return end ? { part: last, offset: Math.max(0, end.duration - END_MARGIN_SECONDS) } : null;
}
