/** Seconds of sound in a growing fragmented MP4 (ISO 14496-12): the sum of its samples' durations. */
import { Backlog, type MediaClock } from './clock';

/** Boxes with a description in them are small; one larger than this is not what we think. */
const DESCRIPTION_BYTES_MAX = 16 * 1024 * 1024;
const HEAD_BYTES = 8;
const INSIDE = new Set(['trak', 'mdia', 'mvex', 'traf']);

export class Mp4Clock implements MediaClock {
  private readonly backlog = new Backlog();
  private timescale = 0;
  private trackDefault = 0;
  private fragmentDefault = 0;
  private units = 0;
  private lost = false;

  get seconds(): number | null {
    if (this.lost) return null;
    return this.timescale === 0 ? 0 : this.units / this.timescale;
  }

  feed(bytes: Uint8Array): void {
    if (this.lost) return;
    this.backlog.push(bytes);
    while (this.readTopBox());
  }

  private readTopBox(): boolean {
    const { view } = this.backlog;
    const box = boxAt(view, 0);
    if (box === null) return false;
    if (box.type === 'moov' || box.type === 'moof') {
      if (box.size > DESCRIPTION_BYTES_MAX) this.lost = true;
      if (this.lost || view.length < box.size) return false;
      this.readInside(view.subarray(box.head, box.size));
    }
    // A box without an end cannot be stepped over.
    if (box.size < box.head) {
      this.lost = true;
      return false;
    }
    this.backlog.drop(box.size);
    return this.backlog.view.length > 0;
  }

  private readInside(bytes: Uint8Array): void {
    for (let at = 0; ; ) {
      const box = boxAt(bytes, at);
      if (box === null || box.size < box.head || at + box.size > bytes.length) return;
      const body = bytes.subarray(at + box.head, at + box.size);
      if (INSIDE.has(box.type)) this.readInside(body);
      else this.readBox(box.type, new DataView(body.buffer, body.byteOffset, body.length));
      at += box.size;
    }
  }

  private readBox(type: string, body: DataView): void {
    try {
      if (type === 'mdhd') this.timescale = body.getUint32(body.getUint8(0) === 1 ? 20 : 12);
      else if (type === 'trex') this.trackDefault = body.getUint32(12);
      else if (type === 'tfhd') this.fragmentDefault = defaultDuration(body) ?? this.trackDefault;
      else if (type === 'trun') this.units += runDuration(body, this.fragmentDefault);
    } catch (error) {
      // RangeError: the box is shorter than its own flags say.
      if (!(error instanceof RangeError)) throw error;
      this.lost = true;
    }
  }
}

function boxAt(bytes: Uint8Array, at: number) {
  if (bytes.length < at + HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
  const type = String.fromCharCode(...bytes.subarray(at + 4, at + HEAD_BYTES));
  const size = view.getUint32(0);
  if (size !== 1) return { type, size, head: HEAD_BYTES };
  if (view.byteLength < 2 * HEAD_BYTES) return null;
  return { type, size: Number(view.getBigUint64(HEAD_BYTES)), head: 2 * HEAD_BYTES };
}

const flagsOf = (body: DataView) => body.getUint32(0) & 0xffffff;

function defaultDuration(tfhd: DataView): number | null {
  const flags = flagsOf(tfhd);
  if (!(flags & 0x08)) return null;
  return tfhd.getUint32(8 + (flags & 0x01 ? 8 : 0) + (flags & 0x02 ? 4 : 0));
}

function runDuration(trun: DataView, fallback: number): number {
  const flags = flagsOf(trun);
  const count = trun.getUint32(4);
  if (!(flags & 0x100)) return count * fallback;
  const start = 8 + (flags & 0x01 ? 4 : 0) + (flags & 0x04 ? 4 : 0);
  const step = 4 * [0x100, 0x200, 0x400, 0x800].filter((flag) => flags & flag).length;
  let sum = 0;
  for (let sample = 0; sample < count; sample += 1) sum += trun.getUint32(start + sample * step);
  return sum;
}
