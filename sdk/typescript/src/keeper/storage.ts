/** The best place to keep recordings that this browser gives us, and how much room there is. */
import { DatabaseDisk, openDatabase } from './database';
import { type Disk, MemoryDisk } from './disk';
import { DatabaseJournal, type Journal, MemoryJournal } from './journal';
import { canWrite, openFileSystem } from './opfs';

export interface Storage {
  readonly disk: Disk;
  readonly journal: Journal;
  /** The places by name, since what is found may have been kept elsewhere. */
  readonly disks: Readonly<Record<Disk['keptIn'], Disk | null>>;
}

export async function openStorage(): Promise<Storage> {
  const database = await openDatabase();
  const memory = new MemoryDisk();
  // Without a journal nobody would find the files again.
  if (database === null) {
    return { disk: memory, journal: new MemoryJournal(), disks: { disk: null, database: null, memory } };
  }
  const files = await openFileSystem();
  const chunks = new DatabaseDisk(database);
  const disk = files !== null && (await canWrite(files)) ? files : chunks;
  return { disk, journal: new DatabaseJournal(database), disks: { disk: files, database: chunks, memory } };
}

/** Bytes that may still be written, or null where the browser does not say. */
export async function roomBytes(): Promise<number | null> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? null : Math.max(0, quota - (usage ?? 0));
  } catch {
    return null;
  }
}
