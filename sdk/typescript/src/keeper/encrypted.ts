/**
 * A part's bytes, encrypted segment by segment as they are appended. Outside it is a file like any other: sizes
 * and offsets are those of the bytes themselves, and any stretch of them is read without the rest.
 *
 * A segment is the length of its bytes (4, big-endian), then they, encrypted for the file's name, the segment's
 * number and its offset: none can be changed, moved, left out or taken from another file.
 */
import type { PartFile } from './disk';
import { type Cipher, CIPHER_BYTES } from './cipher';

const LENGTH_BYTES = 4;
const OVERHEAD_BYTES = LENGTH_BYTES + CIPHER_BYTES;
/** What is opened to read one byte. */
export const SEGMENT_BYTES_MAX = 256 * 1024;
const WINDOW_BYTES = 1 << 20;
const BLOB_BYTES = 4 << 20;

interface Segment {
  /** Where it lies in the file. */
  readonly at: number;
  /** Where its bytes belong. */
  readonly offset: number;
  readonly length: number;
}

export class EncryptedFile implements PartFile {
  private constructor(
    private readonly file: PartFile,
    private readonly cipher: Cipher,
    private readonly name: string,
    private readonly segments: Segment[],
    private readonly promised: number,
  ) {}

  /**
   * `promised`: so many bytes were durable once. A segment after them that cannot be decrypted was being written
   * when the power went; it is cut off when more is appended. One before them is a damage: its reader is told.
   */
  static async open(file: PartFile, cipher: Cipher, name: string, promised: number): Promise<EncryptedFile> {
    const segments = await segmentsOf(file);
    const opened = new EncryptedFile(file, cipher, name, segments, promised);
    for (let last = segments.at(-1); last !== undefined && last.offset >= promised; last = segments.at(-1)) {
      if (await opened.opens(segments.length - 1)) break;
      segments.pop();
    }
    return opened;
  }

  get keptIn() {
    return this.file.keptIn;
  }

  /** Also what was there once and is gone: it is not to be taken for the end. */
  get size(): number {
    return Math.max(this.there, this.promised);
  }

  get durable(): number {
    return this.keptIn === 'memory' ? 0 : this.there;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.there < this.promised) throw this.shortened();
    const whole = endIn(this.segments);
    if (this.file.size > whole) await this.file.cut(whole);
    const added: Segment[] = [];
    const pieces: Uint8Array[] = [];
    let at = whole;
    for (let start = 0; start < bytes.length; start += SEGMENT_BYTES_MAX) {
      const piece = bytes.subarray(start, start + SEGMENT_BYTES_MAX);
      const offset = this.there + start;
      const place = this.place(this.segments.length + added.length, offset);
      pieces.push(lengthOf(piece), await this.cipher.encrypt(piece, place));
      added.push({ at, offset, length: piece.length });
      at += OVERHEAD_BYTES + piece.length;
    }
    // All or nothing, as the file takes it.
    await this.file.append(joined(pieces));
    this.segments.push(...added);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.there);
    if (offset >= end) {
      if (length > 0 && offset < this.promised) throw this.shortened();
      return new Uint8Array(0);
    }
    const [first, last] = [this.segmentAt(offset), this.segmentAt(end - 1)];
    const before = offset - (this.segments[first]?.offset ?? 0);
    return joined(await this.opened(first, last)).subarray(before, before + end - offset);
  }

  /** Opened into memory; what was cut off is missing in it, and told by whoever reads there. */
  async blob(mimeType: string): Promise<Blob> {
    const pieces: BlobPart[] = [];
    for (let offset = 0; offset < this.there; ) {
      const piece = (await this.read(offset, BLOB_BYTES)) as Uint8Array<ArrayBuffer>;
      pieces.push(piece);
      offset += piece.length;
    }
    return new Blob(pieces, { type: mimeType });
  }

  cut(): Promise<void> {
    return Promise.reject(new Error('What is encrypted is only ever added to.'));
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** Bytes that are there. */
  private get there(): number {
    const last = this.segments.at(-1);
    return last === undefined ? 0 : last.offset + last.length;
  }

  /** The bytes of these segments, read at once. */
  private async opened(first: number, last: number): Promise<Uint8Array[]> {
    const wanted = this.segments.slice(first, last + 1);
    const from = wanted[0]?.at ?? 0;
    const lying = await this.file.read(from, endIn(wanted) - from);
    return Promise.all(
      wanted.map(({ at, offset, length }, count) => {
        const start = at - from + LENGTH_BYTES;
        const hidden = lying.subarray(start, start + length + CIPHER_BYTES);
        return this.cipher.decrypt(hidden, this.place(first + count, offset)).catch(() => {
          throw new Error(`The bytes from ${offset} on are damaged.`);
        });
      }),
    );
  }

  private async opens(number: number): Promise<boolean> {
    try {
      await this.opened(number, number);
      return true;
    } catch {
      return false;
    }
  }

  private place(number: number, offset: number): string {
    return `${this.name} ${number} ${offset}`;
  }

  /** The segment that has this byte, by halving. */
  private segmentAt(offset: number): number {
    let [low, high] = [0, this.segments.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.segments[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private shortened(): Error {
    return new Error(`Only ${this.there} of ${this.promised} bytes are there.`);
  }
}

/** All whole segments, by their lengths alone. */
async function segmentsOf(file: PartFile): Promise<Segment[]> {
  const segments: Segment[] = [];
  let window = { at: 0, bytes: new Uint8Array(0) as Uint8Array };
  for (let at = 0, offset = 0; at + OVERHEAD_BYTES <= file.size; ) {
    const inWindow = at + LENGTH_BYTES <= window.at + window.bytes.length;
    if (!inWindow) window = { at, bytes: await file.read(at, WINDOW_BYTES) };
    const head = window.bytes.subarray(at - window.at, at - window.at + LENGTH_BYTES);
    if (head.length < LENGTH_BYTES) break;
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
    const end = at + OVERHEAD_BYTES + length;
    if (length === 0 || length > SEGMENT_BYTES_MAX || end > file.size) break;
    segments.push({ at, offset, length });
    [at, offset] = [end, offset + length];
  }
  return segments;
}

function endIn(segments: readonly Segment[]): number {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.at + OVERHEAD_BYTES + last.length;
}

function lengthOf(piece: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  new DataView(bytes.buffer).setUint32(0, piece.length);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
