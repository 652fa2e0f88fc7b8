/** The recorder: what the person asks for, done with a microphone, a MediaRecorder and the worker. */
import type { Client, RecorderNews } from '../client';
import { newId } from '../keeper/ids';
import { isWorkerEnded } from '../link';
import type { DeviceChoice, Level, Quality, Recorder, RecorderOptions, RecordingDetails, Seam } from '../types';
import { Input, stop } from './input';
import { Meter } from './meter';
import { initial, isLive, isOver, reduce, type RecorderEvent } from './state';
import { Take } from './take';
import { recordTest } from './trial';
import { WakeLock } from './wakelock';

export class MicrophoneRecorder implements Recorder {
  private now;
  private readonly listeners = new Set<() => void>();
  private readonly input: Input;
  private readonly meter: Meter;
  private readonly wake: WakeLock;
  private readonly take: Take;
  private details: RecordingDetails;
  private busy = false;
  /** The microphone is gone and none took its place: recording goes on with the next that comes. */
  private deaf = false;
  private readonly unlisten = new AbortController();
  private readonly offs: (() => void)[] = [];

  constructor(
    private readonly client: Client,
    private readonly options: RecorderOptions,
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
    this.take = new Take({
      link: client.link,
      now: () => this.now,
      dispatch: (event) => this.dispatch(event),
      fail: (error) => this.fail(error),
    });
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
    this.take.pause(id);
  }

  resume(): void {
    const { id } = this.now;
    if (this.now.state !== 'paused' || id === null) return;
    this.meter.wake();
    this.dispatch({ kind: 'resumed' });
    this.take.resume(id);
    void this.back();
  }

  async stop(): Promise<void> {
    const { id } = this.now;
    if (id === null || (this.now.state !== 'recording' && this.now.state !== 'paused')) return;
    this.dispatch({ kind: 'stopping' });
    this.wake.unwant();
    await this.take.stop(id, () => this.letGo());
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
    this.details = this.options.details ?? {};
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
    return recordTest(stream, this.now.bitsPerSecond);
  }

  mark(name?: string): void {
    if (!isLive(this.now.state)) return;
    const since = this.now.state === 'recording' ? Math.min(2, (Date.now() - this.take.writtenAt) / 1000) : 0;
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
    document.addEventListener('visibilitychange', () => this.take.requestData(), { signal });
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
    if (isLive(this.now.state) || this.take.unwritten > 0) event.preventDefault();
  }

  /** False, and said why, where nothing can be recorded at all. */
  private lookAround(): boolean {
    if (!window.isSecureContext) this.dispatch({ kind: 'refused', why: { kind: 'insecure-context' } });
    else if (typeof MediaRecorder === 'undefined' || !('mediaDevices' in navigator)) {
      this.dispatch({ kind: 'refused', why: { kind: 'unsupported' } });
    } else return true;
    return false;
  }

  private async begin(id: string, startedAt: number): Promise<void> {
    const { stream } = this.input;
    if (stream === null) return;
    this.busy = true;
    try {
      if (!(await this.take.begin(id, startedAt, stream, this.details, this.client.owner))) return;
      this.meter.wake();
      this.wake.want();
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
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
    if (isLive(this.now.state)) await this.take.nextPart(reason, stream);
    if (before !== stream) stop(before);
    if (from !== this.now.microphone && reason !== 'device-chosen') {
      this.dispatch({ kind: 'moved', from, to: this.now.microphone });
    }
  }

  private hear(news: RecorderNews): void {
    if (news.news === 'other-tab') return this.dispatch({ kind: 'other-tab', on: news.on });
    if (news.news === 'restarted') return void this.takeUp();
    if (news.id !== this.now.id) return;
    if (news.news === 'sent') this.dispatch({ kind: 'sent', seconds: news.seconds, bytes: news.bytes });
    else if (news.news === 'room') this.dispatch({ kind: 'room', minutesLeft: news.minutesLeft });
    else void this.alarmed(news.alarm);
  }

  /** The worker died, and another is there. */
  private async takeUp(): Promise<void> {
    const { id } = this.now;
    if (id === null || !isLive(this.now.state)) return;
    this.take.workerDied();
    await this.take.takeUp();
    this.saveMarks();
    this.describe(this.details);
  }

  /** The recorder gives no data. While the system mutes the track, none can come. */
  private async alarmed(alarm: 'request-data' | 'restart'): Promise<void> {
    if (alarm === 'request-data') return this.take.requestData();
    if (this.input.track?.muted) return;
    const { stream } = this.input;
    if (this.input.usable && stream !== null) await this.take.nextPart('stalled', stream);
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

  private tell(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    // What was asked of a worker that died is taken up with the next.
    if (isWorkerEnded(error)) return;
    this.dispatch({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }

  private dispatch(event: RecorderEvent): void {
    const next = reduce(this.now, event);
    if (next === this.now) return;
    this.now = next;
    this.listeners.forEach((listener) => listener());
  }
}

/** Asked once: the browser then does not throw recordings away when it needs room. */
async function keepForGood(): Promise<void> {
  try {
    if (!(await navigator.storage.persisted())) await navigator.storage.persist();
  } catch {
    // Not to be had here.
  }
}
