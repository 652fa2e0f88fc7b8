/** How much sound is in a stream that grows, told from its own packets rather than from the clock on the wall. */
import { bareType } from '../recorder/formats';
import { Mp4Clock } from './mp4';
import { WebmClock } from './webm';

export interface MediaClock {
  /** Seconds of sound in what was fed so far; null when the format is not understood. */
  readonly seconds: number | null;
  /** The next bytes of the stream, cut anywhere. */
  feed(bytes: Uint8Array): void;
}

const UNKNOWN: MediaClock = { seconds: null, feed: () => undefined };

export function mediaClock(mimeType: string): MediaClock {
  const type = bareType(mimeType);
  if (type.endsWith('/webm')) return new WebmClock();
  if (type.endsWith('/mp4')) return new Mp4Clock();
  return UNKNOWN;
}

/** What of a stream is not understood yet: the unread end of the last chunk, and how much to step over. */
export class Backlog {
  private bytes = new Uint8Array(0);
  private ahead = 0;

  push(bytes: Uint8Array): void {
    const skipped = Math.min(this.ahead, bytes.length);
    this.ahead -= skipped;
    const rest = bytes.subarray(skipped);
    if (this.bytes.length === 0) {
      this.bytes = rest.slice();
      return;
    }
    const joined = new Uint8Array(this.bytes.length + rest.length);
    joined.set(this.bytes);
    joined.set(rest, this.bytes.length);
    this.bytes = joined;
  }

  get view(): Uint8Array {
    return this.bytes;
  }

  /** Step over `count` bytes, also those that have not come yet. */
  drop(count: number): void {
    this.ahead += Math.max(0, count - this.bytes.length);
    this.bytes = this.bytes.subarray(Math.min(count, this.bytes.length));
  }
}
