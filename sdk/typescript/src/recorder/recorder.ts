/** The recorder: what the person asks for, done with a microphone, a MediaRecorder and the worker. */
import type { Client, RecorderNews } from '../client';
import { newId } from '../keeper/ids';
import type { Chunk } from '../messages';
import type { DeviceChoice, Level, Quality, Recorder, RecorderOptions, RecordingDetails, Seam } from '../types';
import { Capture } from './capture';
import { chooseMimeType, isWebKit } from './formats';
import { Input, stop } from './input';
import { Meter } from './meter';
import { initial, isLive, isOver, reduce, type RecorderEvent } from './state';
import { WakeLock } from './wakelock';

const TEST_MS = 3000;

export class MicrophoneRecorder implements Recorder {
  private now;
  private readonly listeners = new Set<() => void>();
  private readonly input: Input;
  private readonly meter: Meter;
  private readonly wake: WakeLock;
  private capture: Capture | null = null;
  private details: RecordingDetails;
  /** What changes the capture is done one after the other. */
  private last: Promise<unknown> = Promise.resolve();
  private busy = false;
  /** Chunks that are not on disk yet. */
  private unwritten = 0;
  private writtenAt = 0;
  /** The microphone is gone and none took its place: recording goes on with the next that comes. */
  private deaf = false;
  private readonly unlisten = new AbortController();
  private readonly offs: (() => void)[] = [];

  constructor(
    private readonly client: Client,
    options: RecorderOptions,
  ) {
    this.details = options.details ?? {};
    const cleanUp = options.cleanUp ?? false;
    this.meter = new Meter((hearing) => this.dispatch({ kind: 'heard', hearing }));
    this.wake = new WakeLock((screen) => this.dispatch({ kind: 'screen', screen }));
    this.now = initial(options.quality ?? 'speech', cleanUp, options.device ?? null);
    this.input = new Input(
      {
        dispatch: (event) => this.dispatch(event),
        onLost: (reason, instead) => void this.replace(reason, instead),
        onStream: (stream) => this.meter.open(stream),
        onBack: () => void this.back(),
      },
      options.stream ?? null,
      options.device ?? null,
      cleanUp,
    );
    this.listen();
    this.lookAround();
  }

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly getSnapshot = () => this.now;

  async prepare(): Promise<void> {
    if (this.now.state !== 'idle' || !this.lookAround()) return;
    this.dispatch({ kind: 'asked' });
    await this.input.open();
  }

  async start(): Promise<void> {
    if (this.busy || !this.now.canRecord) return;
    if (isOver(this.now.state)) this.again();
    if (this.now.state === 'idle') await this.prepare();
    if (this.now.state === 'ready') await this.begin(newId(), Date.now());
  }

  pause(): void {
    const { id } = this.now;
    if (this.now.state !== 'recording' || id === null) return;
    this.dispatch({ kind: 'paused', at: Date.now() });
    void this.inOrder(() => this.capture?.pause());
    this.tell(this.client.link.call('pause', [id]));
  }

  resume(): void {
    const { id } = this.now;
    if (this.now.state !== 'paused' || id === null) return;
    this.meter.wake();
    this.dispatch({ kind: 'resumed' });
    void this.inOrder(() => this.capture?.resume());
    this.tell(this.client.link.call('resume', [id]));
    void this.back();
  }

  async stop(): Promise<void> {
    const { id } = this.now;
    if (id === null || (this.now.state !== 'recording' && this.now.state !== 'paused')) return;
    this.dispatch({ kind: 'stopping' });
    this.wake.unwant();
    await this.inOrder(async () => {
      await this.capture?.stop();
      this.capture = null;
      this.letGo();
      const kept = await this.client.link.call('stop', [id]);
      if (kept === null) return this.dispatch({ kind: 'emptied' });
      this.dispatch({ kind: 'stopped' });
      this.dispatch({ kind: 'entry', entry: kept });
    }).catch((error: unknown) => this.fail(error));
    void keepForGood();
  }

  async goOn(): Promise<void> {
    const { id, state } = this.now;
    if (id === null || this.busy) return;
    if (state === 'recording' || state === 'paused') {
      await this.replace('went-on', null);
      if (this.now.state === 'paused') this.resume();
      return;
    }
    if (isOver(state) && (await this.input.open()) !== null) await this.begin(id, this.now.startedAt ?? Date.now());
  }

  again(): void {
    this.details = {};
    this.dispatch({ kind: 'again', open: this.input.usable });
  }

  release(): void {
    if (isLive(this.now.state)) return;
    this.letGo();
    this.dispatch({ kind: 'released' });
  }

  async choose(device: DeviceChoice): Promise<void> {
    this.input.choose(device);
    if (this.input.stream === null) return;
    await this.replace('device-chosen', device);
  }

  setQuality(quality: Quality): void {
    this.dispatch({ kind: 'quality', quality });
  }

  async setCleanUp(on: boolean): Promise<void> {
    this.input.cleanUp = on;
    this.dispatch({ kind: 'clean-up', on });
    if (this.input.stream !== null) await this.replace('device-chosen', this.input.chosen);
  }

  async recheck(): Promise<void> {
    this.lookAround();
    await this.input.list();
    await this.back();
  }

  async test(): Promise<Blob> {
    await this.prepare();
    const { stream } = this.input;
    if (stream === null) throw new Error('There is no microphone to test.');
    const chunks: ArrayBuffer[] = [];
    let type = '';
    const capture = new Capture(stream, 0, mimeType(), this.now.bitsPerSecond, {
      onChunk: (bytes, made) => {
        chunks.push(bytes);
        type = made;
        return Promise.resolve();
      },
      onError: () => undefined,
    });
    capture.start();
    await new Promise((resolve) => setTimeout(resolve, TEST_MS));
    await capture.stop();
    return new Blob(chunks, { type });
  }

  mark(name?: string): void {
    if (!isLive(this.now.state)) return;
    const since = this.now.state === 'recording' ? Math.min(2, (Date.now() - this.writtenAt) / 1000) : 0;
    const at = this.now.seconds + since;
    this.dispatch({ kind: 'marked', mark: { id: newId(), at, name: name ?? `Mark ${this.now.marks.length + 1}` } });
    this.saveMarks();
  }

  removeMark(id: string): void {
    this.dispatch({ kind: 'unmarked', id });
    this.saveMarks();
  }

  describe(details: RecordingDetails): void {
    this.details = { ...this.details, ...details };
    if (this.now.id !== null) this.tell(this.client.describe(this.now.id, details));
  }

  setBlocked(reason: string | null): void {
    this.dispatch({ kind: 'blocked', reason });
  }

  acknowledge(side: 'interrupted' | 'stalled' | 'moved'): void {
    this.dispatch({ kind: 'acknowledged', side });
  }

  callOtherTab(): void {
    this.tell(this.client.link.call('callOther', []));
  }

  onLevel(listener: (level: Level) => void): () => void {
    this.meter.listeners.add(listener);
    return () => void this.meter.listeners.delete(listener);
  }

  async dispose(): Promise<void> {
    await this.stop();
    this.unlisten.abort();
    this.offs.forEach((off) => off());
    this.input.end();
    this.meter.end();
    this.wake.end();
    this.listeners.clear();
  }

  private listen(): void {
    const { signal } = this.unlisten;
    const line = () => this.dispatch({ kind: 'offline', on: !navigator.onLine });
    window.addEventListener('online', line, { signal });
    window.addEventListener('offline', line, { signal });
    window.addEventListener('beforeunload', (event) => this.guard(event), { signal });
    // The page may be frozen or closed next: what there is goes to disk now.
    document.addEventListener('visibilitychange', () => this.capture?.requestData(), { signal });
    line();
    this.dispatch({ kind: 'other-tab', on: this.client.otherTab });
    const hear = (news: RecorderNews) => this.hear(news);
    this.client.recorders.add(hear);
    this.offs.push(
      () => void this.client.recorders.delete(hear),
      this.client.subscribe(() => this.followEntry()),
    );
  }

  private guard(event: BeforeUnloadEvent): void {
    if (isLive(this.now.state) || this.unwritten > 0) event.preventDefault();
  }

  /** False, and said why, where nothing can be recorded at all. */
  private lookAround(): boolean {
    if (!window.isSecureContext) this.dispatch({ kind: 'refused', why: { kind: 'insecure-context' } });
    else if (typeof MediaRecorder === 'undefined' || !('mediaDevices' in navigator)) {
      this.dispatch({ kind: 'refused', why: { kind: 'unsupported' } });
    } else return true;
    return false;
  }

  /** A first part, or a further one of what had stopped. */
  private async begin(id: string, startedAt: number): Promise<void> {
    const { stream } = this.input;
    if (stream === null) return;
    this.busy = true;
    try {
      const { bitsPerSecond, parts, seconds, state } = this.now;
      const further = isOver(state);
      const begun = await this.client.link.call('begin', [
        { id, startedAt, mimeType: mimeType(), details: this.details, owner: this.client.owner, bitsPerSecond,
          partsBefore: further ? parts : 0, secondsBefore: further ? seconds : 0 },
      ]);
      if (begun.kind === 'other-tab') return this.dispatch({ kind: 'other-tab', on: true });
      this.capture = this.captureOf(stream, begun.part, Promise.resolve());
      this.capture.start();
      this.writtenAt = Date.now();
      if (further) {
        this.dispatch({ kind: 'went-on' });
        this.dispatch({ kind: 'seam', seam: { at: seconds, part: begun.part, reason: 'went-on', when: Date.now() } });
      } else this.dispatch({ kind: 'began', id, at: startedAt, keptIn: begun.keptIn });
      this.dispatch({ kind: 'room', minutesLeft: begun.minutesLeft });
      this.meter.wake();
      this.wake.want();
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
    }
  }

  /** Chunks wait until the worker knows of their part. */
  private captureOf(stream: MediaStream, part: number, known: Promise<unknown>): Capture {
    return new Capture(stream, part, mimeType(), this.now.bitsPerSecond, {
      onChunk: async (bytes, made) => {
        await known;
        await this.write({ id: this.now.id ?? '', part, bytes, mimeType: made });
      },
      onError: () => void this.nextPart('recorder-error', stream),
    });
  }

  private async write(chunk: Chunk): Promise<void> {
    this.unwritten += 1;
    try {
      const { gap, ...written } = await this.client.link.call('chunk', [chunk]);
      this.writtenAt = Date.now();
      this.dispatch({ kind: 'written', ...written, mimeType: chunk.mimeType });
      if (gap !== null) this.dispatch({ kind: 'gap', gap });
    } catch (error) {
      this.fail(error);
    } finally {
      this.unwritten -= 1;
    }
  }

  /** Another microphone in the place of the one that is open, with a new part if something is recorded. */
  private async replace(reason: Seam['reason'], device: DeviceChoice | null): Promise<void> {
    const before = this.input.stream;
    const from = this.now.microphone;
    const stream = await this.input.open(device ?? this.input.chosen);
    if (stream === null) {
      this.deaf = isLive(this.now.state);
      return;
    }
    this.deaf = false;
    if (isLive(this.now.state)) await this.nextPart(reason, stream);
    if (before !== stream) stop(before);
    if (from !== this.now.microphone && reason !== 'device-chosen') {
      this.dispatch({ kind: 'moved', from, to: this.now.microphone });
    }
  }

  private nextPart(reason: Seam['reason'], stream: MediaStream): Promise<void> {
    return this.inOrder(async () => {
      const { id } = this.now;
      const before = this.capture;
      if (id === null || before === null || !isLive(this.now.state)) return;
      let tell: () => void = () => undefined;
      const known = new Promise<void>((resolve) => (tell = resolve));
      const next = this.captureOf(stream, before.part + 1, known);
      // First, so that as little as can be is missed.
      next.start();
      if (this.now.state === 'paused') next.pause();
      this.capture = next;
      await before.stop();
      const seam = await this.client.link.call('part', [id, next.part, reason, mimeType()]);
      tell();
      this.dispatch({ kind: 'seam', seam });
    }).catch((error: unknown) => this.fail(error));
  }

  private hear(news: RecorderNews): void {
    if (news.news === 'other-tab') return this.dispatch({ kind: 'other-tab', on: news.on });
    if (news.id !== this.now.id) return;
    if (news.news === 'sent') this.dispatch({ kind: 'sent', seconds: news.seconds, bytes: news.bytes });
    else if (news.news === 'room') this.dispatch({ kind: 'room', minutesLeft: news.minutesLeft });
    else void this.alarmed(news.alarm);
  }

  /** The recorder gives no data. While the system mutes the track, none can come. */
  private async alarmed(alarm: 'request-data' | 'restart'): Promise<void> {
    if (alarm === 'request-data') return this.capture?.requestData();
    if (this.input.track?.muted) return;
    const { stream } = this.input;
    if (this.input.usable && stream !== null) await this.nextPart('stalled', stream);
    else await this.replace('stalled', null);
  }

  /** A device came back, or the person did. */
  private async back(): Promise<void> {
    this.meter.wake();
    if (this.now.state !== 'recording' || this.input.usable) return;
    if (this.deaf || this.input.track?.readyState === 'ended') await this.replace('device-ended', null);
    else if (this.input.track?.muted && document.visibilityState === 'visible') await this.replace('muted', null);
  }

  private followEntry(): void {
    const entry = this.client.unsent().find(({ id }) => id === this.now.id);
    if (entry !== undefined && entry !== this.now.unsent) this.dispatch({ kind: 'entry', entry });
  }

  private letGo(): void {
    this.meter.close();
    this.input.release();
  }

  private saveMarks(): void {
    if (this.now.id !== null) this.tell(this.client.link.call('marks', [this.now.id, this.now.marks]));
  }

  private inOrder<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  private tell(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    this.dispatch({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }

  private dispatch(event: RecorderEvent): void {
    const next = reduce(this.now, event);
    if (next === this.now) return;
    this.now = next;
    this.listeners.forEach((listener) => listener());
  }
}

const mimeType = () =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else tells WebKit from the rest
  chooseMimeType((type) => MediaRecorder.isTypeSupported(type), isWebKit(navigator.vendor));

/** Asked once: the browser then does not throw recordings away when it needs room. */
async function keepForGood(): Promise<void> {
  try {
    if (!(await navigator.storage.persisted())) await navigator.storage.persist();
  } catch {
    // Not to be had here.
  }
}
