/** What is told of each store, put together. */
import type { CopyStates, StorageInfo, StorageUsage } from '@/api/types';

export interface StoreTold {
  name: string;
  bytes: number;
  copies: number;
  /** Of all bytes that are kept, 0 to 1. */
  share: number;
  /** In the installation's currency; null where some of it has no price. */
  costPerMonth: number | null;
  classes: StorageUsage['stores'];
  missing: number;
  damaged: number;
  making: number;
  deleting: number;
  /** How it is configured; undefined where that is not known. */
  spec: StorageInfo['stores'][number] | undefined;
  /** It holds bytes, and nothing says any more how to reach them. */
  forgotten: boolean;
  isPrimary: boolean;
  isFallback: boolean;
  /** Where its copies go, if it is being left. */
  move: CopyStates['moves'][number] | undefined;
}

export type StateName = 'missing' | 'damaged' | 'making' | 'deleting';

const inState = (states: CopyStates | undefined, store: string, state: StateName) =>
  states?.unsettled
    .filter((one) => one.store === store && one.state === state)
    .reduce((sum, one) => sum + one.copies, 0) ?? 0;

/** One entry a store, the fullest first; a store that only lacks copies, or holds none yet, is told too. */
export function storesOf(
  usage: StorageUsage,
  states: CopyStates | undefined,
  info: StorageInfo | undefined,
): StoreTold[] {
  const names = new Set([
    ...[...usage.stores, ...(states?.unsettled ?? [])].map((one) => one.store),
    ...(info?.stores ?? []).map((one) => one.name),
  ]);
  const told = [...names].map((name) => {
    const classes = usage.stores.filter((one) => one.store === name);
    const bytes = classes.reduce((sum, one) => sum + one.bytes, 0);
    const costs = classes.map((one) => one.cost_per_month);
    return {
      name,
      bytes,
      copies: classes.reduce((sum, one) => sum + one.copies, 0),
      share: usage.bytes_stored > 0 ? bytes / usage.bytes_stored : 0,
      costPerMonth:
        costs.length === 0 || costs.includes(null) ? null : costs.reduce((sum, cost) => sum + Number(cost), 0),
      classes,
      missing: inState(states, name, 'missing'),
      damaged: inState(states, name, 'damaged'),
      making: inState(states, name, 'making'),
      deleting: inState(states, name, 'deleting'),
      spec: info?.stores.find((one) => one.name === name),
      forgotten: info !== undefined && !info.stores.some((one) => one.name === name),
      isPrimary: info?.primary === name,
      isFallback: info?.fallback === name,
      move: states?.moves.find((one) => one.source === name),
    };
  });
  return told.sort((one, other) => other.bytes - one.bytes || one.name.localeCompare(other.name));
}

/** How full it is, 0 to 1 and over; null without a quota. */
export const fullness = (usage: StorageUsage) =>
  usage.quota_bytes === null ? null : usage.quota_bytes > 0 ? (usage.bytes_used + usage.bytes_reserved) / usage.quota_bytes : 1;
