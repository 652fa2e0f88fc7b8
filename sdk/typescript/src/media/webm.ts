/**
 * Seconds of sound in a growing WebM stream (RFC 8794, RFC 9559), as MediaRecorder writes it.
 *
 * Opus packets tell their own length (RFC 6716, 3.1), so that a hole in the timestamps is not counted as sound.
 * With another codec the last timestamp is all there is.
 */
import { Backlog, type MediaClock } from './clock';

const SEGMENT = 0x18538067;
const CLUSTER = 0x1f43b675;
const TRACKS = 0x1654ae6b;
const TRACK_ENTRY = 0xae;
const BLOCK_GROUP = 0xa0;
const CODEC_ID = 0x86;
const TIMESTAMP = 0xe7;
const SIMPLE_BLOCK = 0xa3;
const BLOCK = 0xa1;
const ENTERED = new Set([SEGMENT, CLUSTER, TRACKS, TRACK_ENTRY, BLOCK_GROUP]);
const READ = new Set([CODEC_ID, TIMESTAMP, SIMPLE_BLOCK, BLOCK]);
/** Track number (1), timestamp (2), flags (1), then a packet of which two bytes are looked at. */
const BLOCK_HEAD_BYTES = 4;

export class WebmClock implements MediaClock {
  private readonly backlog = new Backlog();
  private opusMs = 0;
  private clusterMs = 0;
  private lastMs = 0;
  private opus = true;
  private lost = false;

  get seconds(): number | null {
    if (this.lost) return null;
    return (this.opus ? this.opusMs : this.lastMs) / 1000;
  }

  feed(bytes: Uint8Array): void {
    if (this.lost) return;
    this.backlog.push(bytes);
    while (this.readElement());
  }

  /** False when more bytes are needed. */
  private readElement(): boolean {
    const { view } = this.backlog;
    const id = variableInt(view, 0, false);
    if (id === null) return this.waitOrGiveUp(view);
    const size = variableInt(view, id.length, true);
    if (size === null) return this.waitOrGiveUp(view);
    const head = id.length + size.length;
    if (ENTERED.has(id.value)) {
      this.backlog.drop(head);
      return true;
    }
    if (size.unknown) {
      this.lost = true;
      return false;
    }
    if (READ.has(id.value)) {
      if (view.length < head + size.value) return false;
      this.read(id.value, view.subarray(head, head + size.value));
    }
    this.backlog.drop(head + size.value);
    return this.backlog.view.length > 0;
  }

  private waitOrGiveUp(view: Uint8Array): boolean {
    this.lost = view.length > 0 && view[0] === 0;
    return false;
  }

  private read(id: number, body: Uint8Array): void {
    if (id === CODEC_ID) this.opus = new TextDecoder().decode(body).startsWith('A_OPUS');
    else if (id === TIMESTAMP) this.clusterMs = body.reduce((value, byte) => value * 256 + byte, 0);
    else this.readBlock(body);
  }

  private readBlock(body: Uint8Array): void {
    if (body.length <= BLOCK_HEAD_BYTES) return;
    const relative = new DataView(body.buffer, body.byteOffset).getInt16(1);
    this.lastMs = Math.max(this.lastMs, this.clusterMs + relative);
    this.opusMs += opusMilliseconds(body.subarray(BLOCK_HEAD_BYTES));
  }
}

/** How long an Opus packet sounds, from its first byte or two. */
export function opusMilliseconds(packet: Uint8Array): number {
  const toc = packet[0] ?? 0;
  const config = toc >> 3;
  const frames = [1, 2, 2, (packet[1] ?? 0) & 0x3f][toc & 3] ?? 0;
  return frames * frameMilliseconds(config);
}

function frameMilliseconds(config: number): number {
  if (config < 12) return [10, 20, 40, 60][config % 4] ?? 0;
  if (config < 16) return [10, 20][config % 2] ?? 0;
  return [2.5, 5, 10, 20][config % 4] ?? 0;
}

/** An EBML variable-length integer; ids keep their marker, sizes do not. Null: not all of it is here. */
function variableInt(view: Uint8Array, at: number, isSize: boolean) {
  const first = view[at];
  if (first === undefined || first === 0) return null;
  const length = Math.clz32(first) - 23;
  if (view.length < at + length) return null;
  let value = isSize ? first & (0xff >> length) : first;
  let unknown = isSize && value === 0xff >> length;
  for (let index = 1; index < length; index += 1) {
    const byte = view[at + index] ?? 0;
    unknown &&= byte === 0xff;
    value = value * 256 + byte;
  }
  return { value, length, unknown };
}
