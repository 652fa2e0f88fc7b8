/** Times in words and figures; all durations in seconds. */
import { locale } from '@/messages';

/** `4:07`, `1:02:09`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const tail = `${String(minutes).padStart(hours > 0 ? 2 : 1, '0')}:${String(rest).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}

const unit = (value: number, name: 'hour' | 'minute' | 'second', display: 'long' | 'short') =>
  new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: display }).format(value);

/** `1 hour 2 minutes`, for ears. */
export function spokenDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const parts = [
    [Math.floor(whole / 3600), 'hour'],
    [Math.floor((whole % 3600) / 60), 'minute'],
    [whole % 60, 'second'],
  ] as const;
  const said = parts.filter(([value]) => value > 0).map(([value, name]) => unit(value, name, 'long'));
  return said.length > 0 ? said.join(' ') : unit(0, 'second', 'long');
}

/** `1 hr 42 min`, `9 min`, `40 sec`: a total, to the nearest unit that matters. */
export function roughDuration(seconds: number): string {
  if (seconds < 60) return unit(Math.round(seconds), 'second', 'short');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, 'minute', 'short');
  const rest = minutes % 60;
  const hours = unit(Math.floor(minutes / 60), 'hour', 'short');
  return rest > 0 ? `${hours} ${unit(rest, 'minute', 'short')}` : hours;
}

export function timeOfDay(iso: string): string {
  return new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' }).format(new Date(iso));
}

export function dateAndTime(iso: string): string {
  return new Intl.DateTimeFormat(locale, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
  }).format(new Date(iso));
}

/** A day's own date in the reader's time zone, as a sortable key: `2026-11-20`. */
export function localDay(when: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
}
