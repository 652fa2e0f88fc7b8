/** What this device remembers of each recording, beside its bytes. */
import type { JournalEntry, JournalPart, Owner } from '../types';
import { change, JOURNAL, resultOf } from './database';

export interface Journal {
  all(): Promise<JournalEntry[]>;
  get(id: string): Promise<JournalEntry | null>;
  put(entry: JournalEntry): Promise<void>;
  remove(id: string): Promise<void>;
}

export class DatabaseJournal implements Journal {
  constructor(private readonly database: IDBDatabase) {}

  async all(): Promise<JournalEntry[]> {
    return resultOf(this.database.transaction(JOURNAL).objectStore(JOURNAL).getAll() as IDBRequest<JournalEntry[]>);
  }

  async get(id: string): Promise<JournalEntry | null> {
    const request = this.database.transaction(JOURNAL).objectStore(JOURNAL).get(id);
    return (await resultOf(request as IDBRequest<JournalEntry | undefined>)) ?? null;
  }

  put(entry: JournalEntry): Promise<void> {
    return change(this.database, JOURNAL, (store) => store.put(entry));
  }

  remove(id: string): Promise<void> {
    return change(this.database, JOURNAL, (store) => store.delete(id));
  }
}

export class MemoryJournal implements Journal {
  private readonly entries = new Map<string, JournalEntry>();

  all(): Promise<JournalEntry[]> {
    return Promise.resolve([...this.entries.values()]);
  }

  get(id: string): Promise<JournalEntry | null> {
    return Promise.resolve(this.entries.get(id) ?? null);
  }

  put(entry: JournalEntry): Promise<void> {
    this.entries.set(entry.id, entry);
    return Promise.resolve();
  }

  remove(id: string): Promise<void> {
    this.entries.delete(id);
    return Promise.resolve();
  }
}

/** The owner as the journal has them: their secret is never written. */
export const whoIs = ({ userId, organizationId, userName }: Owner): Owner => ({
  userId,
  organizationId,
  ...(userName === undefined ? {} : { userName }),
});

/** The name of a part's bytes in its `Disk`. */
export const fileOf = (id: string, part: number) => `${id}.${part}`;

export const isSafe = (entry: JournalEntry) => entry.parts.length > 0 && entry.parts.every((part) => part.safe);

export function newPart(number: number, mimeType: string, startedAt: number, encrypted = false): JournalPart {
  return {
    number,
    mimeType,
    startedAt,
    seconds: 0,
    bytes: 0,
    durable: 0,
    encrypted,
    closed: false,
    uploadKey: null,
    uploadUrl: null,
    recordingId: null,
    ackedBytes: 0,
    safe: false,
  };
}

/** The entry with one of its parts changed. */
export function withPart(entry: JournalEntry, number: number, changes: Partial<JournalPart>): JournalEntry {
  const parts = entry.parts.map((part) => (part.number === number ? { ...part, ...changes } : part));
  return { ...entry, parts };
}
