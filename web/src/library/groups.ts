/** A list of recordings as days, with totals. */
import type { Recording } from '@/api/types';
import { localDay, timeOfDay } from '@/format/time';
import { locale, t } from '@/messages';

export interface Day {
  key: string;
  label: string;
  recordings: Recording[];
  /** Seconds; null while no recording of the day has a known length. */
  duration: number | null;
}

export function groupByDay(recordings: readonly Recording[], now: Date): Day[] {
  const days = new Map<string, Recording[]>();
  for (const recording of recordings) {
    const key = localDay(new Date(recording.created_at));
    const day = days.get(key);
    if (day) day.push(recording);
    else days.set(key, [recording]);
  }
  return [...days].map(([key, list]) => ({
    key,
    label: dayLabel(key, list[0]?.created_at ?? key, now),
    recordings: list,
    duration: total(list),
  }));
}

function total(list: readonly Recording[]): number | null {
  const known = list.map((recording) => recording.duration_seconds).filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) : null;
}

function dayLabel(key: string, iso: string, now: Date): string {
  const when = new Date(iso);
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  const date = new Intl.DateTimeFormat(locale, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    ...(when.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }),
  }).format(when);
  if (key === localDay(now)) return `${t.library.today} · ${date}`;
  if (key === localDay(yesterday)) return `${t.library.yesterday} · ${date}`;
  return date;
}

const NAMELESS = /^([0-9a-f]{8,}|[0-9a-f-]{32,}|audio|recording|voice|blob|file)$/i;

/** What a recording is called: its title, else its file's name without the ending, never a hash. */
export function titleOf(recording: Pick<Recording, 'title' | 'original_filename' | 'created_at'>): string {
  if (recording.title) return recording.title;
  const stem = recording.original_filename.replace(/\.[A-Za-z0-9]{1,5}$/, '').trim();
  return stem === '' || NAMELESS.test(stem) ? t.library.untitled(timeOfDay(recording.created_at)) : stem;
}
