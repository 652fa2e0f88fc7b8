import { describe, expect, it } from 'vitest';

import type { CopyStates, StorageUsage } from '@/api/types';

import { fullness, storesOf } from './stores';

const usage: StorageUsage = {
  stores: [
    { store: 'local', storage_class: '', bytes: 100, copies: 2, cost_per_month: null },
    { store: 's3', storage_class: '', bytes: 200, copies: 1, cost_per_month: '1.2000' },
    { store: 's3', storage_class: 'GLACIER', bytes: 100, copies: 5, cost_per_month: '0.3000' },
  ],
  bytes_stored: 400,
  copies: 8,
  currency: 'EUR',
  cost_per_month: '1.5000',
  stores_without_prices: ['local'],
  bytes_used: 300,
  bytes_reserved: 50,
  quota_bytes: 700,
};
const states: CopyStates = {
  unsettled: [
    { store: 's3', state: 'missing', copies: 3 },
    { store: 'r2', state: 'making', copies: 4 },
  ],
  all_counted: true,
  verified_last: null,
  verified_longest_ago: null,
  has_unverified: true,
  found_bad: { since: '2026-10-21T02:40:00Z', copies: 0, last_at: null },
  reading_days: 30,
  moves: [{ source: 'local', target: 's3', state: 'running' }],
};

describe('storesOf', () => {
  it('adds up the classes of a store, the fullest first', () => {
    const [first, second] = storesOf(usage, undefined, undefined);
    expect(first).toMatchObject({ name: 's3', bytes: 300, copies: 6, share: 0.75, costPerMonth: 1.5 });
    expect(second).toMatchObject({ name: 'local', costPerMonth: null });
  });

  it('tells of a store that only has copies on their way', () => {
    const told = storesOf(usage, states, undefined);
    expect(told.map((one) => [one.name, one.missing, one.making])).toEqual([
      ['s3', 3, 0],
      ['local', 0, 0],
      ['r2', 0, 4],
    ]);
  });
});

describe('what is configured', () => {
  it('is told of a store that holds nothing yet, and missed where bytes lie in one that is gone', () => {
    const spec = {
      kind: 's3',
      service: 'ceph',
      bucket: 'b',
      region: 'eu',
      endpoint_url: null,
      prefix: '',
      shared: true,
      encryption: 'none',
      storage_classes: [],
      cold_classes: [],
      takes_forms: true,
      cdn: false,
    };
    const stores = ['s3', 'new'].map((name) => ({ ...spec, name }));
    const told = storesOf(usage, undefined, { primary: 'new', fallback: 's3', stores });
    expect(told.map((one) => [one.name, one.isPrimary, one.isFallback, one.forgotten])).toEqual([
      ['s3', false, true, false],
      ['local', false, false, true],
      ['new', true, false, false],
    ]);
  });
});

describe('a move', () => {
  it('is told at the store that is being left', () => {
    const told = storesOf(usage, states, undefined);
    expect(told.map((one) => [one.name, one.move?.target])).toEqual([
      ['s3', undefined],
      ['local', 's3'],
      ['r2', undefined],
    ]);
  });
});

describe('fullness', () => {
  it('counts what is held too, and is unknown without a quota', () => {
    expect(fullness(usage)).toBe(0.5);
    expect(fullness({ ...usage, quota_bytes: null })).toBeNull();
    expect(fullness({ ...usage, quota_bytes: 0 })).toBe(1);
  });
});
