import { describe, expect, it } from 'vitest';

import { onlyPartOf, type SessionPart } from './queries';

const part = (part_number: number) => ({ recording_id: `recording ${part_number}`, part_number }) as SessionPart;

describe('a session of one', () => {
  it('is known by its only part', () => {
    expect(onlyPartOf({ parts: [part(1)], missing_part_numbers: [] })?.recording_id).toBe('recording 1');
  });

  it('is not one whose other parts are missing, nor one of several, nor of none', () => {
    expect(onlyPartOf({ parts: [part(2)], missing_part_numbers: [1] })).toBeNull();
    expect(onlyPartOf({ parts: [part(1), part(2)], missing_part_numbers: [] })).toBeNull();
    expect(onlyPartOf({ parts: [], missing_part_numbers: [] })).toBeNull();
  });
});
