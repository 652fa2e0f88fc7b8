/** The best place to keep recordings that this browser gives us, and how much room there is. */
import type { JournalEntry, Problem } from '../types';
import { DatabaseDisk, openDatabase } from './database';
import { type Disk, MemoryDisk, type PartFile } from './disk';
import { DatabaseJournal, fileOf, type Journal, MemoryJournal } from './journal';
import { Keyring, openKeyStore } from './keyring';
import { canWrite, openFileSystem } from './opfs';
import { EncryptedFile } from './encrypted';
import { EncryptingJournal } from './words';

export interface Storage {
  readonly disk: Disk;
  readonly journal: Journal;
  /** The places by name, since what is found may have been kept elsewhere. */
  readonly disks: Readonly<Record<Disk['keptIn'], Disk | null>>;
  readonly keys: Keyring;
}

export async function openStorage(): Promise<Storage> {
  const database = await openDatabase();
  const memory = new MemoryDisk();
  // Without a journal nobody would find the files again.
  if (database === null) {
    const disks = { disk: null, database: null, memory };
    return { disk: memory, journal: new MemoryJournal(), disks, keys: new Keyring(null) };
  }
  const files = await openFileSystem();
  const chunks = new DatabaseDisk(database);
  const disk = files !== null && (await canWrite(files)) ? files : chunks;
  const keys = new Keyring(await openKeyStore());
  const journal = new EncryptingJournal(new DatabaseJournal(database), keys);
  return { disk, journal, disks: { disk: files, database: chunks, memory }, keys };
}

/** The bytes of a part where they are kept, in the clear. */
export async function openPart(storage: Storage, entry: JournalEntry, number: number): Promise<PartFile> {
  const disk = storage.disks[entry.keptIn];
  if (disk === null) throw new Error('The place where this recording is kept cannot be opened.');
  const name = fileOf(entry.id, number);
  const part = entry.parts.find((one) => one.number === number);
  const file = await disk.open(name);
  if (part?.encrypted !== true || disk.keptIn === 'memory') return file;
  const cipher = entry.locked ?? (await storage.keys.cipherOf(entry));
  if (cipher === 'other') throw new Error('It belongs to somebody else, and is encrypted: sign in as them.');
  if (cipher === 'lost') throw new Error(KEY_LOST.message);
  return EncryptedFile.open(file, cipher, name, part.durable);
}

/** Told of what can never be read here again. */
export const KEY_LOST: Problem = {
  code: 'LOCAL_KEY_LOST',
  message:
    'It was kept encrypted, and its key is not in this browser any more: it cannot be read. ' +
    'What had been sent by then is on the server.',
  status: null,
};

/** Bytes that may still be written, or null where the browser does not say. */
export async function roomBytes(): Promise<number | null> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? null : Math.max(0, quota - (usage ?? 0));
  } catch {
    return null;
  }
}
