/** Storage in every state, for the gallery alone. */
import type { Backups, CopyStates, StorageInfo, StorageUsage } from '@/api/types';

const GB = 1_000_000_000;
const NOW = new Date(Date.now() - 3 * 3_600_000).toISOString();

const usage: StorageUsage = {
  stores: [
    { store: 'archive', storage_class: 'GLACIER_IR', bytes: 212 * GB, copies: 30_412, cost_per_month: '0.8480' },
    { store: 'archive', storage_class: 'DEEP_ARCHIVE', bytes: 96 * GB, copies: 9_120, cost_per_month: '0.0950' },
    { store: 'local', storage_class: '', bytes: 41.2 * GB, copies: 14_201, cost_per_month: null },
    { store: 's3-eu', storage_class: '', bytes: 39.8 * GB, copies: 14_190, cost_per_month: '0.9154' },
  ],
  bytes_stored: 389 * GB,
  copies: 67_923,
  currency: 'EUR',
  cost_per_month: '1.8584',
  stores_without_prices: ['local'],
  bytes_used: 252 * GB,
  bytes_reserved: 0.4 * GB,
  quota_bytes: 500 * GB,
};

const copies: CopyStates = {
  unsettled: [],
  all_counted: true,
  verified_last: NOW,
  verified_longest_ago: '2026-10-28T02:40:00Z',
  has_unverified: false,
  found_bad: { since: '2026-10-21T02:40:00Z', copies: 0, last_at: null },
  reading_days: 30,
  moves: [],
};

const spec = {
  kind: 's3',
  service: 'aws',
  bucket: 'hill-street-recordings',
  region: 'eu-central-1',
  endpoint_url: null,
  prefix: '',
  shared: true,
  encryption: 'AES256',
  storage_classes: ['STANDARD', 'GLACIER_IR'],
  cold_classes: [],
  takes_forms: true,
  cdn: false,
};
const folder = { ...spec, name: 'local', kind: 'local', service: null, bucket: 'local', region: null, encryption: 'none' };

/** `archive` holds bytes and is not among them. */
export const INFO: StorageInfo = {
  primary: 's3-eu',
  fallback: 'local',
  stores: [folder, { ...spec, name: 's3-eu' }, { ...spec, name: 'second', bucket: 'second' }],
};

export const STORAGE: readonly [string, StorageUsage, CopyStates][] = [
  ['in order', usage, copies],
  [
    'copies lost and on their way',
    usage,
    {
      ...copies,
      unsettled: [
        { store: 's3-eu', state: 'missing', copies: 11 },
        { store: 'local', state: 'damaged', copies: 1 },
        { store: 'r2', state: 'making', copies: 10_000 },
        { store: 'local', state: 'deleting', copies: 3 },
      ],
      all_counted: false,
      has_unverified: true,
      found_bad: { since: '2026-10-21T02:40:00Z', copies: 12, last_at: NOW },
      moves: [{ source: 'local', target: 's3-eu', state: 'running' }],
    },
  ],
  [
    'one store, no prices, no quota, never checked',
    {
      ...usage,
      stores: [{ store: 'local', storage_class: '', bytes: 41.2 * GB, copies: 14_201, cost_per_month: null }],
      bytes_stored: 41.2 * GB,
      bytes_used: 41.2 * GB,
      bytes_reserved: 0,
      quota_bytes: null,
      currency: null,
      cost_per_month: null,
    },
    { ...copies, verified_last: null, verified_longest_ago: null, has_unverified: true, reading_days: null },
  ],
  ['not checked lately', usage, { ...copies, verified_last: '2026-10-29T02:40:00Z' }],
  ['nearly full', { ...usage, bytes_used: 470 * GB }, copies],
  ['full', { ...usage, bytes_used: 500 * GB }, copies],
  [
    'empty',
    {
      ...usage,
      stores: [],
      bytes_stored: 0,
      copies: 0,
      bytes_used: 0,
      bytes_reserved: 0,
      cost_per_month: '0.0000',
      stores_without_prices: [],
    },
    { ...copies, verified_last: null, verified_longest_ago: null },
  ],
];

const backup: Backups['items'][number] = {
  id: '1',
  state: 'whole',
  with_blobs: true,
  started_at: NOW,
  finished_at: NOW,
  size_bytes: 48_000_000,
  blobs: 14_201,
  blobs_missing: 0,
  error_code: null,
  error_message: null,
  drilled_at: null,
  drill: null,
};
const full = 'Folder /mnt/backups: No space left on device.';

export const BACKUPS: readonly [string, Backups][] = [
  ['none', { is_scheduled: false, problem: null, fix: null, last_whole_at: null, last_drilled_at: null, items: [] }],
  [
    'whole, by a schedule, and proved',
    { is_scheduled: true, problem: null, fix: null, last_whole_at: NOW, last_drilled_at: NOW, items: [backup] },
  ],
  [
    'failed',
    {
      is_scheduled: true,
      problem: `The last backup failed: ${full}`,
      fix: 'Do what it says, then run `reelkeep backup`; docs/backup.md says more.',
      last_whole_at: '2026-10-29T02:40:00Z',
      last_drilled_at: null,
      items: [{ ...backup, id: '2', state: 'failed', size_bytes: null, error_code: 'STORE_FULL', error_message: full }, backup],
    },
  ],
];
