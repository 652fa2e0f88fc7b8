/** The live level of a stream, by Web Audio; the encoder does not know of it and never waits for it. */
import type { Hearing, Level } from '../types';
import { Ears, measure } from './levels';

const LOOK_MS = 33;
const SAMPLES = 2048;

export class Meter {
  private context: AudioContext | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private analyser: AnalyserNode | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly ears = new Ears();
  private readonly samples = new Float32Array(SAMPLES);
  readonly listeners = new Set<(level: Level) => void>();

  constructor(private readonly onHearing: (hearing: Hearing) => void) {}

  /** Without Web Audio there is no level, and nothing else is missing. */
  open(stream: MediaStream): void {
    this.close();
    try {
      this.context ??= new AudioContext({ latencyHint: 'interactive' });
      this.analyser = this.context.createAnalyser();
      this.analyser.fftSize = SAMPLES;
      this.source = this.context.createMediaStreamSource(stream);
      this.source.connect(this.analyser);
    } catch {
      return;
    }
    this.wake();
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Browsers put it to sleep with the page, or until a press. */
  wake(): void {
    if (this.context !== null && this.context.state !== 'running') this.context.resume().catch(() => undefined);
  }

  close(): void {
    clearInterval(this.timer);
    this.source?.disconnect();
    this.source = this.analyser = null;
    this.ears.forget();
  }

  end(): void {
    this.close();
    this.context?.close().catch(() => undefined);
    this.context = null;
  }

  private look(): void {
    // A sleeping context hears nothing, which says nothing about the microphone.
    if (this.analyser === null || this.context?.state !== 'running') return this.ears.forget();
    this.analyser.getFloatTimeDomainData(this.samples);
    const level = this.ears.hear(measure(this.samples), performance.now());
    this.onHearing(this.ears.hearing);
    this.listeners.forEach((listener) => listener(level));
  }
}
