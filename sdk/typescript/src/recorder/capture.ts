/** One part: a MediaRecorder on a stream, its chunks in their order. */

export const TIMESLICE_MS = 2000;
/** A recorder that does not say that it stopped is left behind. */
const STOP_MS = 4000;

export interface CaptureEvents {
  /** In order; the next one waits for this one. */
  onChunk(bytes: ArrayBuffer, mimeType: string): Promise<void>;
  onError(): void;
}

export class Capture {
  private readonly recorder: MediaRecorder;
  /** Until all chunks that came are dealt with. */
  private chunks: Promise<void> = Promise.resolve();
  private ended = false;
  private onEnded: () => void = () => undefined;

  constructor(
    readonly stream: MediaStream,
    readonly part: number,
    mimeType: string,
    bitsPerSecond: number,
    events: CaptureEvents,
  ) {
    const asked = mimeType === '' ? {} : { mimeType };
    this.recorder = new MediaRecorder(stream, { ...asked, audioBitsPerSecond: bitsPerSecond });
    this.recorder.ondataavailable = ({ data }) => {
      this.chunks = this.chunks.then(async () => {
        await events.onChunk(await data.arrayBuffer(), this.recorder.mimeType || data.type);
      });
    };
    this.recorder.onerror = () => events.onError();
    this.recorder.onstop = () => {
      this.ended = true;
      this.onEnded();
    };
  }

  start(): void {
    this.recorder.start(TIMESLICE_MS);
  }

  /** What was said so far goes to disk before the pause. */
  pause(): void {
    if (this.recorder.state !== 'recording') return;
    this.recorder.requestData();
    this.recorder.pause();
  }

  resume(): void {
    if (this.recorder.state === 'paused') this.recorder.resume();
  }

  requestData(): void {
    if (this.recorder.state !== 'inactive') this.recorder.requestData();
  }

  /** Its last bytes are dealt with when this is done. */
  async stop(): Promise<void> {
    if (this.recorder.state !== 'inactive') {
      const stopped = new Promise<void>((resolve) => {
        this.onEnded = resolve;
        setTimeout(resolve, STOP_MS);
      });
      this.recorder.stop();
      await stopped;
    } else if (!this.ended) {
      // It ended by itself, with its track: the events are on their way.
      await new Promise<void>((resolve) => {
        this.onEnded = resolve;
        setTimeout(resolve, STOP_MS);
      });
    }
    await this.chunks;
  }
}
