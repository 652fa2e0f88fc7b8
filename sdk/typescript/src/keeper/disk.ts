/** Where the bytes of parts are kept on this device: on disk, else in a database, else in memory. */
import type { KeptIn } from '../types';

/** One part's bytes. Only one tab has it open, which the recording's lock sees to. */
export interface PartFile {
  readonly keptIn: KeptIn;
  readonly size: number;
  /** So many of them outlive this page. */
  readonly durable: number;
  /** The bytes are durable when this is done (in memory: as durable as that is). */
  append(bytes: Uint8Array): Promise<void>;
  read(offset: number, length: number): Promise<Uint8Array>;
  blob(mimeType: string): Promise<Blob>;
  /** Drops all bytes after the first `size`: a write that a crash left half done. */
  cut(size: number): Promise<void>;
  /** Nothing will be added; it can still be read. */
  close(): Promise<void>;
}

export interface Disk {
  readonly keptIn: KeptIn;
  /** The file of this name, made if it is not there. Names: letters, digits, `-` and `.`. */
  open(name: string): Promise<PartFile>;
  /** Running twice is harmless. */
  remove(name: string): Promise<void>;
}

export class MemoryDisk implements Disk {
  readonly keptIn = 'memory';
  private readonly files = new Map<string, MemoryFile>();

  open(name: string): Promise<MemoryFile> {
    const file = this.files.get(name) ?? new MemoryFile();
    this.files.set(name, file);
    return Promise.resolve(file);
  }

  remove(name: string): Promise<void> {
    this.files.delete(name);
    return Promise.resolve();
  }
}

export class MemoryFile implements PartFile {
  readonly keptIn = 'memory';
  readonly durable = 0;
  private chunks: Uint8Array<ArrayBuffer>[] = [];
  size = 0;

  append(bytes: Uint8Array): Promise<void> {
    this.chunks.push(bytes.slice());
    this.size += bytes.length;
    return Promise.resolve();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const blob = await this.blob('');
    return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
  }

  blob(mimeType: string): Promise<Blob> {
    return Promise.resolve(new Blob(this.chunks, { type: mimeType }));
  }

  async cut(size: number): Promise<void> {
    this.chunks = [(await this.read(0, size)) as Uint8Array<ArrayBuffer>];
    this.size = size;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A file whose disk filled up or failed: what was written stays there, the rest goes on in memory. */
export class SpillingFile implements PartFile {
  private tail: MemoryFile | null = null;
  onSpill: (error: unknown) => void = () => undefined;

  constructor(private readonly head: PartFile) {}

  get keptIn(): KeptIn {
    return this.tail === null ? this.head.keptIn : 'memory';
  }

  get size(): number {
    return this.head.size + (this.tail?.size ?? 0);
  }

  get durable(): number {
    return this.head.durable;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.tail === null) {
      try {
        return await this.head.append(bytes);
      } catch (error) {
        this.tail = new MemoryFile();
        this.onSpill(error);
      }
    }
    await this.tail.append(bytes);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const first = this.head.size;
    if (offset >= first) return this.tail?.read(offset - first, length) ?? new Uint8Array(0);
    // What is short at the seam is read by the next request.
    return this.head.read(offset, Math.min(length, first - offset));
  }

  async blob(mimeType: string): Promise<Blob> {
    const parts = [await this.head.blob(mimeType)];
    if (this.tail !== null) parts.push(await this.tail.blob(mimeType));
    return new Blob(parts, { type: mimeType });
  }

  cut(size: number): Promise<void> {
    return this.head.cut(size);
  }

  close(): Promise<void> {
    return this.head.close();
  }
}
