import { describe, expect, it } from 'vitest';

import type { Segment } from '@/api/types';

import { buildRows, rowAt, wordAt, wordAtOffset } from './rows';

function segment(start: number, text: string, speaker: string | null = null): Segment {
  const words = text.split(' ').map((word, index) => ({
    text: ` ${word}`,
    start: start + index * 0.5,
    end: start + index * 0.5 + 0.4,
    confidence: null,
  }));
  return { start, end: start + words.length * 0.5, speaker, text: ` ${text}`, confidence: null, words };
}

function firstRow({ rows }: ReturnType<typeof buildRows>) {
  const [row] = rows;
  if (!row) throw new Error('no rows');
  return row;
}

describe('rows', () => {
  it('join segments of one speaker and break at pauses and at another speaker', () => {
    const { rows } = buildRows({
      segments: [segment(0, 'one two'), segment(1.2, 'three'), segment(9, 'four'), segment(9.6, 'five', 'B')],
    });
    expect(rows.map((row) => row.text)).toEqual(['one two three', 'four', 'five']);
  });

  it('never join two parts of a session', () => {
    const part = (number: number, start: number, text: string) => ({ ...segment(start, text), part_number: number });
    const { rows } = buildRows({ segments: [part(1, 0, 'one two'), part(2, 1.2, 'three'), part(2, 2, 'four')] });
    expect(rows.map((row) => row.text)).toEqual(['one two', 'three four']);
  });

  it('stay short enough to scroll', () => {
    const { rows } = buildRows({ segments: Array.from({ length: 20 }, (_, n) => segment(n * 5, 'a b c d e f g h i j')) });
    expect(rows.every((row) => row.text.split(' ').length <= 60)).toBe(true);
    expect(rows).toHaveLength(4);
  });

  it('know where every word stands in their text', () => {
    const all = buildRows({ segments: [segment(0, 'one two'), segment(1.2, 'three')] });
    const texts = Array.from(all.from, (from, index) => all.rows[0]?.text.slice(from, all.to[index]));
    expect(texts).toEqual(['one', 'two', 'three']);
  });

  it('can be played where the engine gave no word times', () => {
    const all = buildRows({ segments: [{ ...segment(3, 'no word times'), words: [] }] });
    expect(Array.from(all.starts)).toEqual([3]);
    expect(wordAtOffset(all, firstRow(all), 8)).toBe(0);
  });

  it('of silence are none', () => {
    expect(buildRows({ segments: [] }).rows).toEqual([]);
    expect(rowAt([], 4)).toBe(-1);
  });
});

describe('the word at a time', () => {
  const starts = Float64Array.from([1, 2, 3, 7, 8]);
  it('is the last that has started', () => {
    expect([0, 1, 1.5, 3, 6.9, 7, 99].map((at) => wordAt(starts, at))).toEqual([-1, 0, 0, 2, 2, 3, 4]);
  });
  it('is the same whatever the hint', () => {
    for (let hint = -1; hint < 5; hint += 1) {
      for (let at = 0; at < 10; at += 0.25) expect(wordAt(starts, at, hint)).toBe(wordAt(starts, at));
    }
  });
});

it('a place in the text gives the word that is there', () => {
  const all = buildRows({ segments: [segment(0, 'one two three')] });
  const row = firstRow(all);
  expect([0, 2, 3, 4, 8, 99].map((offset) => wordAtOffset(all, row, offset))).toEqual([0, 0, 0, 1, 2, 2]);
});
