/** All that this device holds: what this tab has in hand, and what it only reads of in the journal. */
import type { JournalEntry, Owner, UnsentRecording } from '../types';
import { Held, viewOf } from './held';
import { isSafe } from './journal';
import { entryLock, heldNames, pageLock, type Release, tryLock, waitForLock } from './locks';
import type { Storage } from './storage';

export class Shelf {
  readonly helds = new Map<string, Held>();
  private readonly awaited = new Set<string>();

  constructor(
    readonly storage: Storage,
    private readonly onChange: () => void,
    private readonly onAdopted: (held: Held) => void,
  ) {}

  hold(entry: JournalEntry, release: Release, journaled = true): Held {
    const held = new Held(entry, this.storage.journal, this.storage, release, this.onChange, journaled);
    this.helds.set(entry.id, held);
    return held;
  }

  async drop(held: Held): Promise<void> {
    this.helds.delete(held.id);
    await held.remove();
    this.onChange();
  }

  /** Leaves it to another tab: nothing is removed. */
  letGo(held: Held): void {
    this.helds.delete(held.id);
    held.halt();
    held.release();
    this.storage.keys.forget(held.id);
  }

  /** Takes in hand whatever no tab has, now or as soon as its tab is gone. */
  async adoptAll(): Promise<void> {
    for (const { id } of await this.storage.journal.all()) {
      if (this.helds.has(id) || this.awaited.has(id)) continue;
      this.awaited.add(id);
      void this.adopt(id).finally(() => this.awaited.delete(id));
    }
  }

  private async adopt(id: string): Promise<void> {
    const release = await whenLeft(id);
    const entry = await this.storage.journal.get(id);
    // Where its bytes cannot be reached now, another visit may reach them: nothing is touched.
    if (entry === null || this.helds.has(id) || this.storage.disks[entry.keptIn] === null) return release();
    // Encrypted, and not for whoever is signed in: it lies here as it is until its owner comes.
    if (entry.locked !== undefined) return release();
    const held = this.hold(entry, release);
    try {
      await held.adopt();
    } catch {
      return this.letGo(held);
    }
    if (held.entry.parts.length === 0) return this.drop(held);
    held.found = entry.kind === 'recording' && !isSafe(entry);
    this.onAdopted(held);
    this.onChange();
  }

  async list(owner: Owner | null): Promise<readonly UnsentRecording[]> {
    const [entries, locked] = [await this.storage.journal.all(), await heldNames()];
    const views = new Map(entries.map((entry) => [entry.id, viewOf(entry, owner, locked.has(entryLock(entry.id)))]));
    for (const held of this.helds.values()) views.set(held.id, held.view(owner));
    return [...views.values()].sort((a, b) => b.startedAt - a.startedAt);
  }
}

/** The entry's lock, once neither a worker has it nor a page that still records. */
async function whenLeft(id: string): Promise<Release> {
  for (;;) {
    const release = await waitForLock(entryLock(id));
    const page = await tryLock(pageLock(id));
    if (page !== null) {
      page();
      return release;
    }
    release();
    (await waitForLock(pageLock(id)))();
  }
}
