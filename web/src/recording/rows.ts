/**
 * A transcript as it is read: rows of about a paragraph, each one text, with the time of every word.
 *
 * Words of all rows lie in flat arrays, so that following the sound is one binary search and no objects.
 */
import type { Segment } from '@/api/types';

export interface Row {
  readonly start: number;
  readonly end: number;
  readonly speaker: string | null;
  readonly text: string;
  /** Index of the row's first word in the flat arrays, and one past its last. */
  readonly firstWord: number;
  readonly lastWord: number;
}

export interface Rows {
  readonly rows: readonly Row[];
  /** Seconds at which each word starts and ends, rising. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Where each word begins and ends in its row's text. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly rowOf: Uint32Array;
}

const ROW_WORDS_MAX = 60;
const ROW_PAUSE_SECONDS = 2;

interface Timed {
  start: number;
  end: number;
  from: number;
  to: number;
}

/** A segment of a session's text says which part it is of; a paragraph is of one part. */
type Said = Segment & { part_number?: number };

export function buildRows(transcript: { segments: readonly Said[] }): Rows {
  const rows: Row[] = [];
  const words: (Timed & { row: number })[] = [];
  for (const group of paragraphs(transcript.segments)) {
    const [first, last] = [group[0], group.at(-1)];
    if (!first || !last) continue;
    let text = '';
    const firstWord = words.length;
    for (const segment of group) {
      const piece = segment.text.trim();
      if (text !== '' && piece !== '') text += ' ';
      const offset = text.length;
      for (const word of place(segment, piece)) {
        words.push({ ...word, from: word.from + offset, to: word.to + offset, row: rows.length });
      }
      text += piece;
    }
    rows.push({ start: first.start, end: last.end, speaker: first.speaker, text, firstWord, lastWord: words.length });
  }
  return {
    rows,
    starts: Float64Array.from(words, (word) => word.start),
    ends: Float64Array.from(words, (word) => word.end),
    from: Uint32Array.from(words, (word) => word.from),
    to: Uint32Array.from(words, (word) => word.to),
    rowOf: Uint32Array.from(words, (word) => word.row),
  };
}

/** Segments of one speaker without a long pause between them, up to about sixty words. */
function paragraphs(segments: readonly Said[]): Said[][] {
  const groups: Said[][] = [];
  let size = 0;
  for (const segment of segments) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    const count = segment.words.length || segment.text.split(/\s+/).length;
    const joins =
      before?.speaker === segment.speaker &&
      before.part_number === segment.part_number &&
      segment.start - before.end < ROW_PAUSE_SECONDS &&
      size + count <= ROW_WORDS_MAX;
    if (group && joins) group.push(segment);
    else groups.push([segment]);
    size = joins ? size + count : count;
  }
  return groups;
}

/** Finds each word in the segment's text; a segment without word times is one long word. */
function place(segment: Segment, text: string): Timed[] {
  const placed: Timed[] = [];
  let cursor = 0;
  for (const word of segment.words) {
    const wanted = word.text.trim();
    const from = wanted === '' ? -1 : text.indexOf(wanted, cursor);
    if (from < 0) continue;
    cursor = from + wanted.length;
    placed.push({ start: word.start, end: word.end, from, to: cursor });
  }
  if (placed.length > 0 || text === '') return placed;
  return [{ start: segment.start, end: segment.end, from: 0, to: text.length }];
}

/** Index of the last word that has started by then; -1 before the first. `hint` is the last answer. */
export function wordAt(starts: Float64Array, seconds: number, hint = -1): number {
  const started = (index: number) => index < 0 || (starts[index] ?? Infinity) <= seconds;
  if (started(hint) && !started(hint + 1)) return hint;
  if (started(hint + 1) && !started(hint + 2)) return Math.min(hint + 1, starts.length - 1);
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (started(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The word at a place in a row's text, or the one before it when the place is between two. */
export function wordAtOffset(rows: Rows, row: Row, offset: number): number {
  let found = row.firstWord;
  for (let index = row.firstWord; index < row.lastWord; index += 1) {
    if ((rows.from[index] ?? 0) > offset) break;
    found = index;
  }
  return row.firstWord < row.lastWord ? found : -1;
}

/** The row that is heard at a time: the last one that has started. */
export function rowAt(rows: readonly Row[], seconds: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.start ?? Infinity) <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
