/** When a signed link to the sound should be renewed. Times in milliseconds since the epoch. */
export interface SoundLink {
  url: string;
  takenAt: number;
  expiresAt: number;
}

const LONG_PAUSE_MS = 5 * 60_000;
const LEAST_LIFE_LEFT = 0.2;

/** Safari gives no error when it seeks by a link that ran out, so a link is renewed before it does. */
export function shouldRenew(link: SoundLink, now: number, pausedSince: number | null): boolean {
  const life = link.expiresAt - link.takenAt;
  const left = link.expiresAt - now;
  return left < life * LEAST_LIFE_LEFT || (pausedSince !== null && now - pausedSince > LONG_PAUSE_MS);
}
