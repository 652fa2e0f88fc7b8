/** Brings one part's bytes to the server, one request at a time, until the server has sealed them. */
import { newId } from '../keeper/ids';
import type { JournalPart, RequestHeaders } from '../types';
import { Answer } from './answers';
import { append, begin, look } from './tus';
import { KIB, type Pace } from './pace';

/** The bytes of a part, on this device. */
export interface Source {
  readonly size: number;
  /** Nothing will be added. */
  readonly closed: boolean;
  read(offset: number, length: number): Promise<Blob | Uint8Array<ArrayBuffer>>;
}

/** What is remembered of a part's upload; each change is durable before the next request relies on it. */
export interface Place {
  /** The name under which the server was asked for this upload; null before it ever was. */
  readonly uploadKey: string | null;
  readonly uploadUrl: string | null;
  readonly ackedBytes: number;
  readonly safe: boolean;
  remember(changes: Partial<Pick<JournalPart, 'uploadKey' | 'uploadUrl' | 'recordingId' | 'ackedBytes' | 'safe'>>): Promise<void>;
}

export interface Server {
  readonly endpoint: string;
  authorize(): Promise<RequestHeaders>;
}

export type Progress = 'begun' | 'moved' | 'caught-up' | 'safe';

/** Thrown when the server must be asked again what it has, for a reason that is no answer of its own. */
export class Unsure extends Error {}

export class PartSender {
  /** What the server is known to have; null: ask it first. */
  private known: { offset: number; length: number | null } | null = null;

  constructor(
    private readonly source: Source,
    private readonly place: Place,
    private readonly server: Server,
    private readonly metadata: (uploadKey: string) => Readonly<Record<string, string>>,
    private readonly pace: Pace,
  ) {}

  /** After any failure: what this device believes about the server may be wrong. */
  forget(): void {
    this.known = null;
  }

  /** The upload is gone: the next step begins another, from the first byte. */
  async anew(): Promise<void> {
    this.known = null;
    await this.place.remember({ uploadKey: null, uploadUrl: null, recordingId: null, ackedBytes: 0 });
  }

  /** Bytes that the server does not have yet. */
  get waiting(): number {
    return this.source.size - (this.known?.offset ?? this.place.ackedBytes);
  }

  async step(signal: AbortSignal): Promise<Progress> {
    const url = this.place.uploadUrl;
    if (url === null) return this.begin(signal);
    const known = this.known ?? (await this.look(url, signal));
    const { size, closed } = this.source;
    if (known.length !== null && known.offset === known.length) return this.safe();
    if (known.offset >= size && !closed) return 'caught-up';
    return this.append(url, known, signal);
  }

  private async begin(signal: AbortSignal): Promise<Progress> {
    const length = this.source.closed ? this.source.size : null;
    const headers = await this.server.authorize();
    const before = this.place.uploadKey;
    const uploadKey = before ?? (await this.nameIt());
    const asked = { endpoint: this.server.endpoint, headers, length, metadata: this.metadata(uploadKey) };
    const begun = await begin(asked, signal);
    await this.place.remember({ uploadUrl: begun.url, recordingId: begun.recordingId, ackedBytes: 0 });
    // Asked for before, it may be the one that was begun then: what it has, and was told, the server knows.
    this.known = before === null ? { offset: 0, length } : null;
    return 'begun';
  }

  /** Durable before the server hears it: whoever dies while it answers asks again for the same upload. */
  private async nameIt(): Promise<string> {
    const uploadKey = newId();
    await this.place.remember({ uploadKey });
    return uploadKey;
  }

  private async look(url: string, signal: AbortSignal) {
    const standing = await this.ask(url, signal);
    // A declared length that the bytes here can never reach: what came there was not this.
    if (standing.length !== null && standing.offset < standing.length && this.source.closed && standing.length !== this.source.size) {
      await this.anew();
      throw new Unsure('The server was told another length than the bytes here have.');
    }
    this.known = standing;
    if (standing.offset !== this.place.ackedBytes) await this.place.remember({ ackedBytes: standing.offset });
    return standing;
  }

  /** An answer to HEAD has no words: why an upload is gone is told to a PATCH. */
  private async ask(url: string, signal: AbortSignal) {
    try {
      return await look(url, signal);
    } catch (error) {
      if (error instanceof Answer && error.status === 410 && error.code === null) {
        await append(url, this.place.ackedBytes, new Uint8Array(0), null, signal);
      }
      throw error;
    }
  }

  private async append(url: string, known: { offset: number; length: number | null }, signal: AbortSignal): Promise<Progress> {
    const { size, closed } = this.source;
    const body = await this.source.read(known.offset, Math.max(0, Math.min(this.pace.pieceBytes, size - known.offset)));
    const bytes = body instanceof Blob ? body.size : body.length;
    const declare = closed && known.length === null ? Math.max(size, known.offset) : null;
    const started = performance.now();
    // Not trusted again until the answer is here.
    this.known = null;
    const offset = await append(url, known.offset, body, declare, signal);
    if (bytes >= KIB) this.pace.sent(bytes, performance.now() - started);
    const length = known.length ?? declare;
    this.known = { offset, length };
    await this.place.remember({ ackedBytes: offset });
    return length !== null && offset === length ? this.safe() : 'moved';
  }

  private async safe(): Promise<Progress> {
    await this.place.remember({ safe: true });
    return 'safe';
  }
}
