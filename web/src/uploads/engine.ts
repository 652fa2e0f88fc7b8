/** Carries files to the server: lives above the router, so that going to another page stops nothing. */
import { api, bodyOf } from '@/api/client';
import { trashRecording } from '@/api/changes';
import { ApiError, isTransient } from '@/api/errors';
import type { Ticket } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { t } from '@/messages';

import { readJournal, writeJournal } from './journal';
import {
  backOff,
  due,
  isUnsafe,
  newUpload,
  nextDue,
  reduce,
  smoothSpeed,
  TRIES_MAX,
  type Event,
  type Problem,
  type Upload,
} from './state';
import { send, TransportError } from './transport';

const PROGRESS_EVERY_MS = 200;

/** A browser leaves the type empty for endings it does not know; the server looks at the bytes anyway. */
const contentType = (type: string) => (type.includes('/') ? type : 'application/octet-stream');

export class UploadEngine {
  private uploads: readonly Upload[] = readJournal();
  private readonly files = new Map<string, File>();
  private readonly stops = new Map<string, AbortController>();
  private readonly listeners = new Set<() => void>();
  private timer: number | undefined;
  maxFileSize: number | null = null;
  onSafe: (upload: Upload) => void = () => undefined;
  onFailed: (upload: Upload) => void = () => undefined;

  constructor() {
    window.addEventListener('online', () => this.wakeAll());
    window.addEventListener('beforeunload', (event) => {
      if (this.uploads.some(isUnsafe)) event.preventDefault();
    });
  }

  /** Called when somebody is signed in: goes on with what waits. */
  start(): void {
    this.wakeAll();
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  snapshot = () => this.uploads;

  add(files: readonly File[]): void {
    for (const file of files) {
      const id = newId();
      this.files.set(id, file);
      this.apply({ kind: 'added', upload: newUpload(id, file) });
      const problem = this.refuse(file);
      if (problem) this.fail(id, problem);
    }
    this.pump();
  }

  /** The person chose the file of an interrupted upload again; false when it is another one. */
  resume(id: string, file: File): boolean {
    const upload = this.find(id);
    if (upload?.name !== file.name || upload.size !== file.size) return false;
    this.files.set(id, file);
    this.retry(id);
    return true;
  }

  retry(id: string): void {
    this.apply({ kind: 'retried', id });
    this.pump();
  }

  cancel(id: string): void {
    const upload = this.find(id);
    this.stops.get(id)?.abort();
    this.files.delete(id);
    this.apply({ kind: 'removed', id });
    if (upload) discard(upload);
    this.pump();
  }

  dismiss(id: string): void {
    this.files.delete(id);
    this.apply({ kind: 'removed', id });
  }

  clearSafe(): void {
    this.uploads.filter((upload) => upload.phase === 'safe').forEach((upload) => this.dismiss(upload.id));
  }

  private refuse(file: File): Problem | null {
    if (file.size === 0) return { message: t.uploads.empty, code: 'UPLOAD_EMPTY' };
    if (this.maxFileSize !== null && file.size > this.maxFileSize) {
      const message = t.uploads.tooLarge(fileSize(file.size), fileSize(this.maxFileSize));
      return { message, code: 'UPLOAD_TOO_LARGE' };
    }
    return null;
  }

  private find = (id: string) => this.uploads.find((upload) => upload.id === id);

  private apply(event: Event): void {
    this.uploads = reduce(this.uploads, event);
    if (event.kind !== 'progress') writeJournal(this.uploads);
    this.listeners.forEach((listener) => listener());
  }

  private wakeAll(): void {
    for (const upload of this.uploads) {
      if (upload.phase === 'waiting' && upload.notBefore > 0) this.apply({ kind: 'retried', id: upload.id });
    }
    this.pump();
  }

  private pump(): void {
    window.clearTimeout(this.timer);
    if (!navigator.onLine) return;
    const now = Date.now();
    for (const upload of due(this.uploads, now)) void this.carry(upload.id);
    const wait = nextDue(this.uploads, now);
    if (wait !== null) this.timer = window.setTimeout(() => this.pump(), wait);
  }

  private async carry(id: string): Promise<void> {
    const file = this.files.get(id);
    const upload = this.find(id);
    if (!upload) return;
    const stop = new AbortController();
    this.stops.set(id, stop);
    this.apply({ kind: 'started', id });
    try {
      if (!(await sealedAlready(upload, stop.signal))) await this.bring(upload, file, stop.signal);
      this.apply({ kind: 'safe', id });
      const done = this.find(id);
      if (done) this.onSafe(done);
      this.files.delete(id);
    } catch (error) {
      if (!stop.signal.aborted) await this.stumble(id, file, error);
    } finally {
      this.stops.delete(id);
      this.pump();
    }
  }

  private async bring(upload: Upload, file: File | undefined, signal: AbortSignal): Promise<void> {
    if (!file) throw new TransportError(t.uploads.gone, 'FILE_GONE', false);
    const { id } = upload;
    discard(upload);
    const ticket = await initiate(file, signal);
    this.apply({ kind: 'ticket', id, recordingId: ticket.recording_id });
    await send(ticket, file, this.meter(id), signal);
    this.apply({ kind: 'sent', id });
    await complete(ticket.recording_id, file.size, signal);
  }

  private meter(id: string): (sent: number) => void {
    let [lastAt, lastSent, speed] = [performance.now(), 0, null as number | null];
    return (sent) => {
      const now = performance.now();
      if (now - lastAt < PROGRESS_EVERY_MS) return;
      speed = smoothSpeed(speed, sent - lastSent, now - lastAt);
      [lastAt, lastSent] = [now, sent];
      this.apply({ kind: 'progress', id, sent, speed });
    };
  }

  private async stumble(id: string, file: File | undefined, error: unknown): Promise<void> {
    const upload = this.find(id);
    if (!upload) return;
    const problem = problemOf(error);
    if (file && !(await readable(file))) {
      this.fail(id, { message: t.uploads.gone, code: 'FILE_GONE' });
    } else if (mayHelpLater(error) && (upload.tries < TRIES_MAX || !navigator.onLine)) {
      this.apply({ kind: 'postponed', id, notBefore: Date.now() + backOff(upload.tries), problem });
    } else {
      this.fail(id, problem);
    }
  }

  private fail(id: string, problem: Problem): void {
    this.apply({ kind: 'failed', id, problem });
    const upload = this.find(id);
    if (upload) this.onFailed(upload);
  }
}

const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

/** Whether the server has, or now puts away, the bytes that an earlier attempt delivered. */
async function sealedAlready(upload: Upload, signal: AbortSignal): Promise<boolean> {
  if (!upload.delivered || upload.recordingId === null) return false;
  try {
    await complete(upload.recordingId, upload.size, signal);
    return true;
  } catch (error) {
    if (mayHelpLater(error) || signal.aborted) throw error;
    return false;
  }
}

function initiate(file: File, signal: AbortSignal): Promise<Ticket> {
  return bodyOf(
    api.POST('/api/v1/recordings/upload/initiate', {
      body: {
        filename: file.name.slice(-255),
        content_type: contentType(file.type),
        recording_type: 'recording',
        method: 'post',
        size_bytes: file.size,
        transcribe: true,
        recording_metadata: {},
      },
      signal,
    }),
  );
}

/** Asks until the server has put the bytes away; a long copy says when to ask again. */
async function complete(recordingId: string, size: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await bodyOf(
        api.POST('/api/v1/recordings/upload/complete/{recording_id}', {
          params: { path: { recording_id: recordingId } },
          body: { file_size_bytes: size },
          signal,
        }),
      );
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'SEAL_PENDING') throw error;
      await pause((error.retryAfterSeconds ?? 2) * 1000, signal);
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = window.setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      window.clearTimeout(timer);
      reject(new DOMException('Cancelled', 'AbortError'));
    });
  });
}

/** An attempt that is given up leaves no half recording in the list; if this is lost, the server's sweep does it. */
function discard(upload: Upload): void {
  if (upload.recordingId !== null && upload.phase !== 'safe') {
    trashRecording(upload.recordingId).catch(() => undefined);
  }
}

async function readable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

const mayHelpLater = (error: unknown) =>
  error instanceof TransportError
    ? error.again
    : isTransient(error) || (error instanceof ApiError && error.code === 'UNAUTHENTICATED');

function problemOf(error: unknown): Problem {
  if (error instanceof TransportError || error instanceof ApiError) {
    return { message: error.message, code: error.code };
  }
  return { message: t.unknownError, code: 'PAGE_ERROR' };
}
