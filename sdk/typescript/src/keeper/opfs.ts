/** The browser's private file system, written through the synchronous handle that only workers have. */
import type { Disk, PartFile } from './disk';
import { newId } from './ids';

/** What TypeScript's page library leaves out. */
interface SyncHandle {
  write(bytes: Uint8Array, options: { at: number }): number;
  read(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle?: () => Promise<SyncHandle> };

const FOLDER = 'reelkeep';

/** Null where this browser has none. */
export async function openFileSystem(): Promise<Disk | null> {
  try {
    const root = await navigator.storage.getDirectory();
    return new FileSystemDisk(await root.getDirectoryHandle(FOLDER, { create: true }));
  } catch {
    return null;
  }
}

/** Tried out, since some browsers have the names and fail, and a full disk can still be read. */
export async function canWrite(disk: Disk): Promise<boolean> {
  const name = `probe-${newId()}`;
  try {
    const probe = await disk.open(name);
    await probe.append(new Uint8Array([1]));
    await probe.close();
    return true;
  } catch {
    return false;
  } finally {
    await disk.remove(name).catch(() => undefined);
  }
}

class FileSystemDisk implements Disk {
  readonly keptIn = 'disk';

  constructor(private readonly folder: FileSystemDirectoryHandle) {}

  async open(name: string): Promise<PartFile> {
    const handle: WorkerFileHandle = await this.folder.getFileHandle(name, { create: true });
    return new OpfsFile(handle, (await handle.getFile()).size);
  }

  async remove(name: string): Promise<void> {
    try {
      await this.folder.removeEntry(name);
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotFoundError') throw error;
    }
  }
}

class OpfsFile implements PartFile {
  readonly keptIn = 'disk';
  private sync: SyncHandle | null = null;

  constructor(
    private readonly handle: WorkerFileHandle,
    public size: number,
  ) {}

  get durable(): number {
    return this.size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    const sync = await this.opened();
    const end = this.size + bytes.length;
    try {
      // Not by what `write` says it wrote: on a full disk Chromium answers with 2^32 minus an error's number.
      sync.write(bytes, { at: this.size });
      sync.flush();
      if (sync.getSize() !== end) throw new DOMException('The disk took no more bytes.', 'QuotaExceededError');
    } catch (error) {
      // Half a chunk would be followed by the same chunk again.
      sync.truncate(this.size);
      throw error;
    }
    this.size = end;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - offset));
    if (this.sync === null) {
      const file = await this.handle.getFile();
      return new Uint8Array(await file.slice(offset, offset + wanted).arrayBuffer());
    }
    const bytes = new Uint8Array(wanted);
    return bytes.subarray(0, this.sync.read(bytes, { at: offset }));
  }

  async blob(mimeType: string): Promise<Blob> {
    if (this.sync !== null) return new Blob([(await this.read(0, this.size)).slice()], { type: mimeType });
    const file = await this.handle.getFile();
    return file.slice(0, this.size, mimeType);
  }

  async cut(size: number): Promise<void> {
    const sync = await this.opened();
    sync.truncate(size);
    sync.flush();
    this.size = size;
  }

  close(): Promise<void> {
    this.sync?.close();
    this.sync = null;
    return Promise.resolve();
  }

  private async opened(): Promise<SyncHandle> {
    if (this.sync !== null) return this.sync;
    if (this.handle.createSyncAccessHandle === undefined) {
      throw new DOMException('This browser has no synchronous file access.', 'NotSupportedError');
    }
    this.sync = await this.handle.createSyncAccessHandle();
    this.size = this.sync.getSize();
    return this.sync;
  }
}
