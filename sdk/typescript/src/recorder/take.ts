/** The recording under way: its MediaRecorder, its parts, its bytes on their way to the worker. */
import { pageLock, type Release, waitForLock } from '../keeper/locks';
import { isWorkerEnded, type Link } from '../link';
import type { Unanswered } from '../messages';
import type { Owner, RecorderSnapshot, RecordingDetails, Seam } from '../types';
import { Capture } from './capture';
import { chooseMimeType, isWebKit } from './formats';
import { isLive, isOver, type RecorderEvent } from './state';

const BEGIN_TRIES_MAX = 20;
const BEGIN_TRY_MS = 250;

export interface TakeWorld {
  readonly link: Link;
  readonly now: () => RecorderSnapshot;
  readonly dispatch: (event: RecorderEvent) => void;
  readonly fail: (error: unknown) => void;
}

export class Take {
  private capture: Capture | null = null;
  /** What changes the capture is done one after the other. */
  private last: Promise<unknown> = Promise.resolve();
  /** Chunks that are not on disk yet, in their order. */
  private pending: readonly Unanswered[] = [];
  /** The worker died: chunks are kept here until another one has taken the recording up. */
  private down = false;
  private begunWith: { details: RecordingDetails; owner: Owner | null } = { details: {}, owner: null };
  writtenAt = 0;
  /** Nobody but this page takes the recording in hand. */
  private page: Release | null = null;

  constructor(private readonly world: TakeWorld) {}

  /** A first part, or a further one of what had stopped. False when it did not begin. */
  async begin(id: string, startedAt: number, stream: MediaStream, details: RecordingDetails, owner: Owner | null): Promise<boolean> {
    const { link, dispatch } = this.world;
    const { bitsPerSecond, parts, seconds, state } = this.world.now();
    const further = isOver(state);
    const before = { partsBefore: further ? parts : 0, secondsBefore: further ? seconds : 0, reason: 'went-on' as const };
    this.begunWith = { details, owner };
    this.page ??= await waitForLock(pageLock(id));
    const asked = { id, startedAt, mimeType: mimeType(), details, owner, bitsPerSecond, ...before };
    const begun = await link.call('begin', [asked]).catch((error: unknown) => {
      this.leave();
      throw error;
    });
    if (begun.kind === 'other-tab') {
      dispatch({ kind: 'other-tab', on: true });
      this.leave();
      return false;
    }
    try {
      this.capture = this.captureOf(stream, begun.part, Promise.resolve());
      this.capture.start();
    } catch (error) {
      // What began with nothing in it leaves nothing behind.
      await link.call('stop', [id]).finally(() => this.leave());
      throw error;
    }
    this.writtenAt = Date.now();
    if (further) {
      dispatch({ kind: 'went-on' });
      dispatch({ kind: 'seam', seam: { at: seconds, part: begun.part, reason: 'went-on', when: Date.now() } });
    } else dispatch({ kind: 'began', id, at: startedAt, keptIn: begun.keptIn, encrypted: begun.encrypted });
    dispatch({ kind: 'room', minutesLeft: begun.minutesLeft });
    return true;
  }

  pause(id: string): void {
    this.inOrder(() => this.capture?.pause()).catch(this.world.fail);
    this.world.link.call('pause', [id]).catch(this.world.fail);
  }

  resume(id: string): void {
    this.inOrder(() => this.capture?.resume()).catch(this.world.fail);
    this.world.link.call('resume', [id]).catch(this.world.fail);
  }

  /** Chunks that are not on disk yet. */
  get unwritten(): number {
    return this.pending.length;
  }

  requestData(): void {
    this.capture?.requestData();
  }

  /** All its bytes are on disk, and the microphone let go of, when this is done. */
  async stop(id: string, letGo: () => void): Promise<void> {
    const { link, dispatch, fail } = this.world;
    await this.inOrder(async () => {
      await this.capture?.stop();
      this.capture = null;
      letGo();
      if (this.down) return dispatch({ kind: 'stopped' });
      const kept = await link.call('stop', [id]);
      this.leave();
      if (kept === null) return dispatch({ kind: 'emptied' });
      dispatch({ kind: 'stopped' });
      dispatch({ kind: 'entry', entry: kept });
    }).catch((error: unknown) => {
      // What was written is on this device all the same; the next page finds it.
      letGo();
      if (!this.down) this.leave();
      fail(error);
      dispatch({ kind: 'stopped' });
    });
  }

  async nextPart(reason: Seam['reason'], stream: MediaStream): Promise<void> {
    const { link, now, dispatch, fail } = this.world;
    await this.inOrder(async () => {
      const { id } = now();
      const before = this.capture;
      if (id === null || before === null || !isLive(now().state)) return;
      let tell: () => void = () => undefined;
      const known = new Promise<void>((resolve) => (tell = resolve));
      try {
        const next = this.captureOf(stream, before.part + 1, known);
        // First, so that as little as can be is missed.
        next.start();
        if (now().state === 'paused') next.pause();
        this.capture = next;
        await before.stop();
        dispatch({ kind: 'seam', seam: await link.call('part', [id, next.part, reason, mimeType()]) });
      } finally {
        tell();
      }
    }).catch(fail);
  }

  workerDied(): void {
    this.down = true;
  }

  /** With another worker: what the old one had not answered goes to its part, and a further part is begun. */
  async takeUp(): Promise<void> {
    const { link, now, dispatch, fail } = this.world;
    await this.inOrder(async () => {
      const { id } = now();
      const before = isLive(now().state) ? this.capture : null;
      if (id === null) return;
      let tell: () => void = () => undefined;
      const known = new Promise<void>((resolve) => (tell = resolve));
      try {
        const next = before && this.captureOf(before.stream, before.part + 1, known);
        // First, so that as little as can be is missed.
        next?.start();
        if (now().state === 'paused') next?.pause();
        this.capture = next;
        await before?.stop();
        const chunks = this.pending;
        await link.call('rescue', [{ id, owner: this.begunWith.owner, chunks }]);
        this.pending = this.pending.filter((chunk) => !chunks.includes(chunk));
        if (next !== null) await this.beginAgain(id, next.part);
        this.down = false;
        if (!isLive(now().state)) this.leave();
        if (next !== null) dispatch({ kind: 'seam', seam: { at: now().seconds, part: next.part, reason: 'worker-ended', when: Date.now() } });
        if (now().state === 'paused') await link.call('pause', [id]);
      } finally {
        tell();
      }
    }).catch((error: unknown) => {
      // Else it died once more, and this is done once more.
      if (isWorkerEnded(error)) return;
      this.down = false;
      if (!isLive(now().state)) this.leave();
      fail(error);
    });
  }

  private leave(): void {
    this.page?.();
    this.page = null;
  }

  /** The lock of the tab that records may be the dead worker's for a moment yet. */
  private async beginAgain(id: string, part: number): Promise<void> {
    const { link, now } = this.world;
    const { bitsPerSecond, seconds, startedAt } = now();
    const before = { partsBefore: part - 1, secondsBefore: seconds, reason: 'worker-ended' as const };
    for (let tries = 0; tries < BEGIN_TRIES_MAX; tries += 1) {
      const asked = { id, startedAt: startedAt ?? Date.now(), mimeType: mimeType(), bitsPerSecond, ...this.begunWith, ...before };
      if ((await link.call('begin', [asked])).kind === 'begun') return;
      await new Promise((resolve) => setTimeout(resolve, BEGIN_TRY_MS));
    }
    throw new Error('Another tab has begun to record. What was recorded here is kept.');
  }

  /** Chunks wait until the worker knows of their part. */
  private captureOf(stream: MediaStream, part: number, known: Promise<unknown>): Capture {
    let at = 0;
    return new Capture(stream, part, mimeType(), this.world.now().bitsPerSecond, {
      onChunk: async (bytes, made) => {
        const chunk = { part, at, bytes, mimeType: made };
        at += bytes.byteLength;
        this.pending = [...this.pending, chunk];
        await known;
        await this.write(chunk);
      },
      onError: () => void this.nextPart('recorder-error', stream),
    });
  }

  private async write(chunk: Unanswered): Promise<void> {
    const { link, now, dispatch, fail } = this.world;
    if (this.down || !this.pending.includes(chunk)) return;
    const { part, bytes, mimeType: made } = chunk;
    try {
      const { gap, ...written } = await link.call('chunk', [{ id: now().id ?? '', part, bytes, mimeType: made }]);
      this.writtenAt = Date.now();
      dispatch({ kind: 'written', ...written, mimeType: made });
      if (gap !== null) dispatch({ kind: 'gap', gap });
    } catch (error) {
      // Kept, for the next worker.
      if (isWorkerEnded(error)) return;
      fail(error);
    }
    this.pending = this.pending.filter((one) => one !== chunk);
  }

  private inOrder<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

export const mimeType = () =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else tells WebKit from the rest
  chooseMimeType((type) => MediaRecorder.isTypeSupported(type), isWebKit(navigator.vendor));
