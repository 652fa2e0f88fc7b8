/** The recording under way: its MediaRecorder, its parts, its bytes on their way to the worker. */
import type { Link } from '../link';
import type { Owner, RecorderSnapshot, RecordingDetails, Seam } from '../types';
import { Capture } from './capture';
import { chooseMimeType, isWebKit } from './formats';
import { isLive, isOver, type RecorderEvent } from './state';

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
  /** Chunks that are not on disk yet. */
  unwritten = 0;
  writtenAt = 0;

  constructor(private readonly world: TakeWorld) {}

  /** A first part, or a further one of what had stopped. False when it did not begin. */
  async begin(id: string, startedAt: number, stream: MediaStream, details: RecordingDetails, owner: Owner | null): Promise<boolean> {
    const { link, dispatch } = this.world;
    const { bitsPerSecond, parts, seconds, state } = this.world.now();
    const further = isOver(state);
    const before = { partsBefore: further ? parts : 0, secondsBefore: further ? seconds : 0 };
    const begun = await link.call('begin', [{ id, startedAt, mimeType: mimeType(), details, owner, bitsPerSecond, ...before }]);
    if (begun.kind === 'other-tab') {
      dispatch({ kind: 'other-tab', on: true });
      return false;
    }
    try {
      this.capture = this.captureOf(stream, begun.part, Promise.resolve());
      this.capture.start();
    } catch (error) {
      // What began with nothing in it leaves nothing behind.
      await link.call('stop', [id]);
      throw error;
    }
    this.writtenAt = Date.now();
    if (further) {
      dispatch({ kind: 'went-on' });
      dispatch({ kind: 'seam', seam: { at: seconds, part: begun.part, reason: 'went-on', when: Date.now() } });
    } else dispatch({ kind: 'began', id, at: startedAt, keptIn: begun.keptIn });
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
      const kept = await link.call('stop', [id]);
      if (kept === null) return dispatch({ kind: 'emptied' });
      dispatch({ kind: 'stopped' });
      dispatch({ kind: 'entry', entry: kept });
    }).catch((error: unknown) => {
      // What was written is on this device all the same; the next page finds it.
      letGo();
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

  /** Chunks wait until the worker knows of their part. */
  private captureOf(stream: MediaStream, part: number, known: Promise<unknown>): Capture {
    return new Capture(stream, part, mimeType(), this.world.now().bitsPerSecond, {
      onChunk: async (bytes, made) => {
        this.unwritten += 1;
        await known;
        await this.write(part, bytes, made);
        this.unwritten -= 1;
      },
      onError: () => void this.nextPart('recorder-error', stream),
    });
  }

  private async write(part: number, bytes: ArrayBuffer, made: string): Promise<void> {
    const { link, now, dispatch, fail } = this.world;
    try {
      const { gap, ...written } = await link.call('chunk', [{ id: now().id ?? '', part, bytes, mimeType: made }]);
      this.writtenAt = Date.now();
      dispatch({ kind: 'written', ...written, mimeType: made });
      if (gap !== null) dispatch({ kind: 'gap', gap });
    } catch (error) {
      fail(error);
    }
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
