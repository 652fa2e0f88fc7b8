/** IndexedDB: the journal, and the chunks of recordings where there is no file system. */
import type { Disk, PartFile } from './disk';

const NAME = 'reelkeep';
const VERSION = 1;
export const JOURNAL = 'journal';
const CHUNKS = 'chunks';

/** Null where this browser has none to give (some private windows). */
export async function openDatabase(): Promise<IDBDatabase | null> {
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(JOURNAL, { keyPath: 'id' });
      request.result.createObjectStore(CHUNKS);
    };
    const database = await resultOf(request);
    // A later version of this module in another tab may change the tables.
    database.onversionchange = () => database.close();
    return database;
  } catch {
    return null;
  }
}

export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('The database failed.'));
  });
}

/** Durable when done: "strict" waits for the disk, not for the system's cache. */
export function change(
  database: IDBDatabase,
  table: string,
  work: (store: IDBObjectStore) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(table, 'readwrite', { durability: 'strict' });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('The database refused.'));
    work(transaction.objectStore(table));
  });
}

const looks = (database: IDBDatabase, table: string) => database.transaction(table).objectStore(table);

/** One record a chunk, under [file, offset]. */
export class DatabaseDisk implements Disk {
  readonly keptIn = 'database';

  constructor(private readonly database: IDBDatabase) {}

  async open(name: string): Promise<PartFile> {
    const last = await chunkAt(this.database, name, Number.MAX_SAFE_INTEGER);
    return new DatabaseFile(this.database, name, last === null ? 0 : last.offset + last.bytes.length);
  }

  remove(name: string): Promise<void> {
    return change(this.database, CHUNKS, (store) => store.delete(rangeOf(name)));
  }
}

class DatabaseFile implements PartFile {
  readonly keptIn = 'database';

  constructor(
    private readonly database: IDBDatabase,
    private readonly name: string,
    public size: number,
  ) {}

  get durable(): number {
    return this.size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await change(this.database, CHUNKS, (store) => store.add(bytes.slice(), [this.name, this.size]));
    this.size += bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    const result = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const chunk = await chunkAt(this.database, this.name, at);
      if (chunk === null) throw new Error(`The bytes at ${at} of ${this.name} are gone.`);
      const piece = chunk.bytes.subarray(at - chunk.offset, end - chunk.offset);
      if (piece.length === 0) throw new Error(`The bytes at ${at} of ${this.name} are gone.`);
      result.set(piece, at - offset);
      at += piece.length;
    }
    return result;
  }

  async blob(mimeType: string): Promise<Blob> {
    const chunks: Uint8Array<ArrayBuffer>[] = await resultOf(
      looks(this.database, CHUNKS).getAll(rangeOf(this.name)) as IDBRequest<Uint8Array<ArrayBuffer>[]>,
    );
    return new Blob(chunks, { type: mimeType });
  }

  async cut(size: number): Promise<void> {
    const last = size === 0 ? null : await chunkAt(this.database, this.name, size - 1);
    await change(this.database, CHUNKS, (store) => {
      store.delete(IDBKeyRange.bound([this.name, size], [this.name, Number.MAX_SAFE_INTEGER]));
      if (last !== null) store.put(last.bytes.slice(0, size - last.offset), [this.name, last.offset]);
    });
    this.size = size;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const rangeOf = (name: string) => IDBKeyRange.bound([name, 0], [name, Number.MAX_SAFE_INTEGER]);

/** The last chunk that begins at `offset` or before. */
async function chunkAt(database: IDBDatabase, name: string, offset: number) {
  const cursor = await resultOf(
    looks(database, CHUNKS).openCursor(IDBKeyRange.bound([name, 0], [name, offset]), 'prev'),
  );
  if (cursor === null) return null;
  const [, at] = cursor.key as [string, number];
  return { offset: at, bytes: cursor.value as Uint8Array };
}
