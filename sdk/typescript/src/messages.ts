/** What the page and its worker say to each other. */
import type {
  Gap,
  KeptIn,
  Mark,
  Owner,
  RecordingDetails,
  RequestHeaders,
  Seam,
  UnsentRecording,
} from './types';

/** Asked by the page, answered by the worker. */
export interface Calls {
  hello(settings: Hello): void;
  owner(owner: Owner | null): void;
  /** Also another part of one that had stopped. */
  begin(begin: BeginRecording): Begun;
  /** Durable when answered. */
  chunk(chunk: Chunk): Written;
  /** What the worker before this one had in hand when it died. */
  rescue(rescue: Rescue): void;
  part(id: string, part: number, seam: Seam['reason'], mimeType: string): Seam;
  pause(id: string): void;
  resume(id: string): void;
  /** Null: there was no sound at all, and nothing is kept. */
  stop(id: string): UnsentRecording | null;
  describe(id: string, details: RecordingDetails): void;
  marks(id: string, marks: readonly Mark[]): void;
  list(): readonly UnsentRecording[];
  send(id: string | null): void;
  open(id: string): readonly Blob[];
  discard(id: string): void;
  dismiss(id: string): void;
  upload(file: File, details: RecordingDetails): { readonly id: string; readonly resumedAt: number };
  /** The network or the page is back. */
  wake(): void;
  callOther(): void;
}

export interface Hello {
  /** Absolute, without a slash at the end. */
  readonly base: string;
  readonly owner: Owner | null;
  readonly sendUnsent: boolean;
}

export interface BeginRecording {
  readonly id: string;
  readonly startedAt: number;
  readonly mimeType: string;
  readonly details: RecordingDetails;
  readonly owner: Owner | null;
  readonly bitsPerSecond: number;
  /** Of what is gone on with: what there is already, which may have left this device. */
  readonly partsBefore: number;
  readonly secondsBefore: number;
  /** Why this part begins, if it is not the first. */
  readonly reason: Seam['reason'];
}

export type Begun =
  | { readonly kind: 'begun'; readonly keptIn: KeptIn; readonly minutesLeft: number | null; readonly part: number; readonly encrypted: boolean }
  | { readonly kind: 'other-tab' };

export interface Chunk {
  readonly id: string;
  readonly part: number;
  readonly bytes: ArrayBuffer;
  readonly mimeType: string;
}

/** A chunk that was given and not answered, and where in its part it belongs. */
export interface Unanswered extends Omit<Chunk, 'id'> {
  readonly at: number;
}

export interface Rescue {
  readonly id: string;
  /** Whose it is, who may have signed out since. */
  readonly owner: Owner | null;
  readonly chunks: readonly Unanswered[];
}

export interface Written {
  readonly seconds: number;
  readonly bytes: number;
  readonly keptIn: KeptIn;
  readonly gap: Gap | null;
}

/** Told by the worker unasked. */
export type News =
  | { readonly news: 'unsent'; readonly list: readonly UnsentRecording[] }
  | { readonly news: 'sent'; readonly id: string; readonly seconds: number; readonly bytes: number }
  | { readonly news: 'alarm'; readonly id: string; readonly alarm: 'request-data' | 'restart' }
  | { readonly news: 'room'; readonly id: string; readonly minutesLeft: number | null }
  | { readonly news: 'safe' | 'refused' | 'found'; readonly entry: UnsentRecording }
  | { readonly news: 'discarded'; readonly id: string }
  | { readonly news: 'other-tab'; readonly on: boolean }
  | { readonly news: 'called' }
  | { readonly news: 'authorize'; readonly id: number };

export type ToWorker =
  | { readonly call: keyof Calls; readonly id: number; readonly args: readonly unknown[] }
  | { readonly authorized: number; readonly headers: RequestHeaders | null }
  | { readonly ping: true };

export type FromWorker =
  | News
  | { readonly pong: true }
  | { readonly answer: number; readonly result: unknown }
  | { readonly answer: number; readonly error: { readonly name: string; readonly message: string } };

/** Between the tabs' workers. */
export type TabNews =
  | { readonly kind: 'changed' }
  | { readonly kind: 'recording' }
  | { readonly kind: 'call' }
  | { readonly kind: 'do'; readonly id: string; readonly what: 'send' | 'discard' | 'dismiss' | 'release' }
  | { readonly kind: 'describe'; readonly id: string; readonly details: RecordingDetails };
