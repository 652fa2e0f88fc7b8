/** Where this person stopped listening, on this device. */
const KEY = 'reelkeep.positions';
const KEPT = 200;
const END_MARGIN_SECONDS = 5;
const START_SECONDS = 3;

type Positions = Record<string, { at: number; saved: number }>;

function read(): Positions {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Positions) : {};
  } catch {
    return {};
  }
}

/** Seconds to go on at; null when it was not begun or was heard to the end. */
export function savedPosition(id: string): number | null {
  const at = read()[id]?.at;
  return typeof at === 'number' ? at : null;
}

export function savePosition(id: string, at: number, duration: number): void {
  const all = read();
  const begun = at > START_SECONDS && at < duration - END_MARGIN_SECONDS;
  if (begun) all[id] = { at, saved: Date.now() };
  else if (at >= duration - END_MARGIN_SECONDS) Reflect.deleteProperty(all, id);
  const newest = Object.entries(all).sort(([, a], [, b]) => b.saved - a.saved);
  localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(newest.slice(0, KEPT))));
}

export function forgetPositions(): void {
  localStorage.removeItem(KEY);
}
