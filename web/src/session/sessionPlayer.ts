/**
 * Plays the parts of a session as one sound: two media elements in turn, the second made ready with the next part
 * while the first plays, so that hardly a moment is silent between two parts.
 *
 * Times are seconds on the session's one timeline. The running time goes to `onTick` listeners only.
 */
import { nextPlayable, placeOf, wholeDuration, type Playable } from './timeline';

export interface SessionPlayerState {
  playing: boolean;
  waiting: boolean;
  /** Index of the part that is heard; -1 before any. */
  part: number;
  failed: boolean;
}

type Listener = () => void;

export class SessionPlayer {
  private state: SessionPlayerState = { playing: false, waiting: false, part: -1, failed: false };
  private readonly listeners = new Set<Listener>();
  private readonly tickers = new Set<(seconds: number) => void>();
  private readonly media: [HTMLAudioElement, HTMLAudioElement];
  /** Which part each of the two has, and by which link. */
  private readonly loaded: ({ part: number; url: string } | null)[] = [null, null];
  private active: 0 | 1 = 0;
  private parts: readonly Playable[] = [];
  private wanted = 0;
  private intent = false;
  private renewing = false;
  private frame = 0;

  /** `renew` asks for new links when one no longer works; null when none can be had. */
  constructor(private readonly renew: () => Promise<readonly Playable[] | null>) {
    this.media = [this.element(0), this.element(1)];
  }

  subscribe = (listener: Listener) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  snapshot = () => this.state;

  onTick = (listener: (seconds: number) => void) => {
    this.tickers.add(listener);
    return () => {
      this.tickers.delete(listener);
    };
  };

  get time(): number {
    const part = this.parts[this.state.part];
    const media = this.media[this.active];
    if (!part || media.readyState === 0 || this.loaded[this.active]?.part !== this.state.part) return this.wanted;
    return part.start + Math.min(media.currentTime, part.duration);
  }

  /** The parts as they are now; what plays goes on, wherever the timeline has moved. */
  setParts(parts: readonly Playable[]): void {
    const before = this.parts[this.state.part];
    const offset = before ? this.time - before.start : 0;
    this.parts = parts;
    if (before) {
      const now = parts.findIndex((part) => part.number === before.number);
      this.loaded.forEach((one, index) => {
        // What was made ready may be another part's by now.
        if (one && (index !== this.active || now < 0)) this.loaded[index] = null;
        else if (one) one.part = now;
      });
      this.set({ part: now });
      this.wanted = (parts[now]?.start ?? 0) + offset;
    } else if (this.state.part < 0 && nextPlayable(parts, 0) >= 0) {
      this.goTo(this.wanted);
    }
    this.prepare();
  }

  setRate(rate: number): void {
    this.media.forEach((media) => {
      media.defaultPlaybackRate = rate;
      media.playbackRate = rate;
    });
  }

  play(): void {
    this.intent = true;
    if (this.state.failed) this.set({ failed: false });
    if (this.wanted >= wholeDuration(this.parts) - 0.1 && this.time >= wholeDuration(this.parts) - 0.1) this.goTo(0);
    else if (this.loaded[this.active]?.part !== this.state.part || this.state.part < 0) this.goTo(this.wanted);
    void this.start();
  }

  pause(): void {
    this.intent = false;
    this.media[this.active].pause();
  }

  toggle(): void {
    if (this.intent) this.pause();
    else this.play();
  }

  seek(seconds: number): void {
    if (this.parts.length === 0) {
      this.wanted = Math.max(0, seconds);
      return;
    }
    this.goTo(Math.min(Math.max(0, seconds), wholeDuration(this.parts)));
    if (this.intent) void this.start();
  }

  /** Silent for good; its elements are given back. */
  close(): void {
    this.intent = false;
    cancelAnimationFrame(this.frame);
    this.media.forEach((media, index) => {
      media.pause();
      media.removeAttribute('src');
      this.loaded[index] = null;
    });
  }

  private element(index: 0 | 1): HTMLAudioElement {
    const media = new Audio();
    media.preload = 'auto';
    media.preservesPitch = true;
    const on = (name: keyof HTMLMediaElementEventMap, act: () => void) =>
      media.addEventListener(name, () => index === this.active && act());
    on('play', () => this.run());
    on('playing', () => this.set({ playing: true, waiting: false }));
    on('waiting', () => this.set({ waiting: true }));
    on('pause', () => this.halt());
    on('ended', () => this.goOn());
    on('timeupdate', () => this.tick());
    on('seeked', () => this.tick());
    on('loadedmetadata', () => this.arrive());
    on('error', () => void this.stumble());
    return media;
  }

  private goTo(seconds: number): void {
    const place = placeOf(this.parts, seconds);
    if (!place) {
      this.wanted = seconds;
      this.tell(seconds);
      return;
    }
    this.show(place.part, place.offset);
    this.tell(this.wanted);
  }

  /** Makes a part the one that is heard: the element that has it already, if one has. */
  private show(index: number, offset: number): void {
    const part = this.parts[index];
    if (!part?.url) return;
    this.wanted = part.start + offset;
    const other = this.active === 0 ? 1 : 0;
    if (this.loaded[this.active]?.part !== index && this.loaded[other]?.part === index) {
      this.media[this.active].pause();
      this.active = other;
    }
    this.set({ part: index });
    if (this.loaded[this.active]?.part !== index) {
      this.load(this.active, index, part.url);
    } else if (this.media[this.active].readyState > 0) {
      this.media[this.active].currentTime = offset;
    }
    this.prepare();
  }

  private load(slot: 0 | 1, part: number, url: string): void {
    const media = this.media[slot];
    this.loaded[slot] = { part, url };
    media.src = url;
    media.load();
  }

  /** The element that is not heard gets the next part. */
  private prepare(): void {
    const next = nextPlayable(this.parts, this.state.part + 1);
    const idle = this.active === 0 ? 1 : 0;
    const url = this.parts[next]?.url;
    if (this.state.part < 0 || next < 0 || !url || this.loaded[idle]?.part === next) return;
    this.load(idle, next, url);
  }

  private arrive(): void {
    const part = this.parts[this.state.part];
    const media = this.media[this.active];
    const offset = part ? this.wanted - part.start : 0;
    if (offset > 0) media.currentTime = offset;
    this.renewing = false;
    this.tick();
  }

  private async start(): Promise<void> {
    try {
      await this.media[this.active].play();
    } catch (error) {
      // AbortError: paused or changed meanwhile. NotAllowedError: the browser wants a press first.
      if (!(error instanceof DOMException)) throw error;
      if (error.name === 'NotAllowedError') this.intent = false;
    }
  }

  private goOn(): void {
    const next = nextPlayable(this.parts, this.state.part + 1);
    if (next < 0) {
      this.intent = false;
      this.wanted = wholeDuration(this.parts);
      this.halt();
      return;
    }
    this.show(next, 0);
    void this.start();
  }

  private async stumble(): Promise<void> {
    if (!this.media[this.active].getAttribute('src')) return;
    const at = this.wanted;
    if (this.renewing) {
      this.intent = false;
      this.set({ failed: true, playing: false });
      return;
    }
    this.renewing = true;
    this.loaded[0] = null;
    this.loaded[1] = null;
    const fresh = await this.renew();
    if (fresh) this.setParts(fresh);
    this.goTo(at);
    if (this.intent) await this.start();
  }

  private run(): void {
    this.set({ playing: true });
    const step = () => {
      this.tick();
      this.frame = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(step);
  }

  private halt(): void {
    // Between two parts the first pauses at its end: what is meant to play still does.
    if (this.intent && this.media[this.active].ended) return;
    cancelAnimationFrame(this.frame);
    this.set({ playing: false, waiting: false });
    this.tick();
  }

  private tick(): void {
    const media = this.media[this.active];
    if (media.readyState === 0 || media.seeking) return;
    this.wanted = this.time;
    this.tell(this.wanted);
  }

  private tell(seconds: number): void {
    this.tickers.forEach((listener) => listener(seconds));
  }

  private set(change: Partial<SessionPlayerState>): void {
    const same = Object.entries(change).every(([name, value]) => this.state[name as keyof SessionPlayerState] === value);
    if (same) return;
    this.state = { ...this.state, ...change };
    this.listeners.forEach((listener) => listener());
  }
}
