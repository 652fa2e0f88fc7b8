/** Locks over all tabs of this browser; they go by themselves when a tab dies. */

export const RECORDING = 'reelkeep:recording';
export const SENDER = 'reelkeep:sender';
export const entryLock = (id: string) => `reelkeep:entry:${id}`;
/** Held by the page itself while it records: its worker may die, and another one of its take over. */
export const pageLock = (id: string) => `reelkeep:page:${id}`;

export type Release = () => void;

/** Very old browsers have no locks; their tabs are each alone. */
const manager = () => (navigator as { locks?: LockManager }).locks;

/** The way to give it back, or null when another has it. */
export function tryLock(name: string): Promise<Release | null> {
  return take(name, { ifAvailable: true });
}

/** Waits until it is free. */
export async function waitForLock(name: string, mode: LockMode = 'exclusive'): Promise<Release> {
  return (await take(name, { mode })) ?? (() => undefined);
}

function take(name: string, options: LockOptions): Promise<Release | null> {
  const locks = manager();
  if (locks === undefined) return Promise.resolve(() => undefined);
  return new Promise((resolve, reject) => {
    locks
      .request(name, options, (lock) => {
        if (lock === null) return resolve(null);
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

export async function heldNames(): Promise<ReadonlySet<string>> {
  const state = await manager()?.query();
  return new Set((state?.held ?? []).flatMap(({ name }) => (name === undefined ? [] : [name])));
}
