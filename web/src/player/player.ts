/**
 * The one media element of the page, and what is known of it.
 *
 * React hears of changes of state; the running time goes to `onTick` listeners only, once a frame while it plays.
 */
import { playbackUrl } from '@/api/changes';
import { ApiError } from '@/api/errors';

import { shouldRenew, type SoundLink } from './link';
import { savePosition } from './positions';

export interface Sound {
  id: string;
  title: string;
  duration: number;
}

export interface PlayerState {
  sound: Sound | null;
  phase: 'empty' | 'loading' | 'ready' | 'failed';
  playing: boolean;
  rate: number;
  problem: ApiError | null;
  renewals: number;
}

const RATE_KEY = 'reelkeep.rate';
const SAVE_EVERY_MS = 5_000;
/** A link that ran out is made anew; one that still fails is the server's own. */
const STUMBLES_MAX = 2;
export const RATES = [0.5, 0.75, 1, 1.2, 1.5, 1.75, 2, 2.5, 3] as const;

export class Player {
  private state: PlayerState = {
    sound: null,
    phase: 'empty',
    playing: false,
    rate: savedRate(),
    problem: null,
    renewals: 0,
  };
  private readonly listeners = new Set<() => void>();
  private readonly tickers = new Set<(seconds: number) => void>();
  private media: HTMLAudioElement | null = null;
  private link: SoundLink | null = null;
  private pausedSince: number | null = null;
  private wanted = 0;
  /** Times that the link failed since it last played; each asks for another kind of link, then it is given up. */
  private stumbles = 0;
  private frame = 0;
  private lastSave = 0;
  /** A link that is being asked for: who presses play meanwhile is heard when it is there. */
  private asked: Promise<void> = Promise.resolve();
  /** Counts loads, so that a late answer for another recording changes nothing. */
  private turn = 0;

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  snapshot = () => this.state;

  onTick(listener: (seconds: number) => void): () => void {
    this.tickers.add(listener);
    return () => {
      this.tickers.delete(listener);
    };
  }

  /** The shell gives its element once; returns how to take it back. */
  attach(media: HTMLAudioElement): () => void {
    this.media = media;
    media.preservesPitch = true;
    const on: [keyof HTMLMediaElementEventMap, () => void][] = [
      ['play', () => this.started()],
      ['pause', () => this.paused()],
      ['ended', () => this.paused()],
      ['timeupdate', () => this.tick()],
      ['seeked', () => this.tick()],
      ['loadedmetadata', () => this.loaded()],
      ['error', () => void this.stumbled()],
    ];
    on.forEach(([name, listener]) => media.addEventListener(name, listener));
    const keep = () => this.keepPosition();
    window.addEventListener('pagehide', keep);
    return () => {
      on.forEach(([name, listener]) => media.removeEventListener(name, listener));
      window.removeEventListener('pagehide', keep);
      cancelAnimationFrame(this.frame);
      this.media = null;
    };
  }

  get time(): number {
    return this.media && this.media.readyState > 0 ? this.media.currentTime : this.wanted;
  }

  has = (id: string) => this.state.sound?.id === id;

  /** Makes a recording the one that plays, at a time in seconds; asks for its link. */
  async load(sound: Sound, at = 0): Promise<void> {
    this.keepPosition();
    const turn = ++this.turn;
    this.media?.pause();
    this.stumbles = 0;
    this.wanted = at;
    this.set({ sound, phase: 'loading', playing: false, problem: null });
    await this.fetchLink(turn);
    this.tell(at);
  }

  async play(): Promise<void> {
    if (!this.media || !this.state.sound) return;
    if (this.state.phase === 'failed') {
      this.stumbles = 0;
      this.set({ phase: 'loading', problem: null });
      await this.fetchLink(++this.turn);
    } else if (this.link && shouldRenew(this.link, Date.now(), this.pausedSince)) {
      await this.renew();
    } else {
      await this.asked;
    }
    // The element may still have the sound before.
    if (this.snapshot().phase === 'failed') return;
    try {
      await this.media.play();
    } catch (error) {
      // AbortError: paused or changed meanwhile. NotAllowedError: the browser wants a press first; the button stays.
      if (!(error instanceof DOMException)) throw error;
    }
  }

  pause(): void {
    this.media?.pause();
  }

  toggle(): void {
    if (this.media && !this.media.paused) this.pause();
    else void this.play();
  }

  seek(seconds: number): void {
    const { sound } = this.state;
    if (!sound) return;
    const at = Math.min(Math.max(0, seconds), sound.duration);
    this.wanted = at;
    if (this.link && this.media?.paused && shouldRenew(this.link, Date.now(), this.pausedSince)) {
      void this.renew();
    } else if (this.media && this.media.readyState > 0) {
      this.media.currentTime = at;
    }
    this.tell(at);
  }

  skip(seconds: number): void {
    this.seek(this.time + seconds);
  }

  setRate(rate: number): void {
    localStorage.setItem(RATE_KEY, String(rate));
    if (this.media) this.media.playbackRate = rate;
    this.set({ rate });
  }

  stepRate(direction: 1 | -1): void {
    const at = RATES.findIndex((rate) => rate >= this.state.rate - 1e-6);
    const next = RATES[Math.min(RATES.length - 1, Math.max(0, at + direction))];
    if (next !== undefined) this.setRate(next);
  }

  close(): void {
    this.keepPosition();
    this.turn += 1;
    this.link = null;
    this.media?.pause();
    this.media?.removeAttribute('src');
    this.media?.load();
    this.set({ sound: null, phase: 'empty', playing: false, problem: null });
  }

  private fetchLink(turn: number): Promise<void> {
    this.asked = this.askForLink(turn);
    return this.asked;
  }

  private async askForLink(turn: number): Promise<void> {
    const { sound } = this.state;
    if (!sound) return;
    try {
      // A store that does not serve this browser: the server reads for it, or says what is wrong.
      const answer = await playbackUrl(sound.id, this.stumbles > 1 ? { via: 'reelkeep', check: true } : {});
      if (turn !== this.turn || !this.media) return;
      const now = Date.now();
      this.link = { url: answer.download_url, takenAt: now, expiresAt: now + answer.expires_in * 1000 };
      this.pausedSince = null;
      this.media.src = answer.download_url;
      this.media.load();
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(error instanceof ApiError)) throw error;
      this.set({ phase: 'failed', problem: error, playing: false });
    }
  }

  /** A new link for the same sound, at the same time. */
  private async renew(): Promise<void> {
    this.wanted = this.time;
    await this.fetchLink(++this.turn);
  }

  private async stumbled(): Promise<void> {
    if (!this.media?.getAttribute('src') || !this.state.sound) return;
    const wasPlaying = this.state.playing;
    if (this.stumbles >= STUMBLES_MAX) {
      const reason = this.media.error?.message ?? '';
      this.set({ phase: 'failed', playing: false, problem: new ApiError(reason, 'PLAYBACK_FAILED', 0) });
      return;
    }
    this.stumbles += 1;
    await this.renew();
    if (this.state.phase === 'failed') return;
    this.set({ renewals: this.state.renewals + 1 });
    if (wasPlaying) await this.play();
  }

  private loaded(): void {
    if (!this.media) return;
    if (this.wanted > 0) this.media.currentTime = this.wanted;
    this.media.playbackRate = this.state.rate;
    this.set({ phase: 'ready', problem: null });
  }

  private started(): void {
    this.pausedSince = null;
    this.set({ playing: true });
    const run = () => {
      this.tick();
      this.frame = requestAnimationFrame(run);
    };
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(run);
  }

  private paused(): void {
    cancelAnimationFrame(this.frame);
    this.pausedSince = Date.now();
    this.set({ playing: false });
    this.tick();
    this.keepPosition();
  }

  private tick(): void {
    if (!this.media || this.media.readyState === 0) return;
    const at = this.media.currentTime;
    if (this.state.playing && at > this.wanted + 1) this.stumbles = 0;
    this.tell(at);
    if (this.state.playing && performance.now() - this.lastSave > SAVE_EVERY_MS) this.keepPosition();
  }

  private tell(at: number): void {
    this.tickers.forEach((listener) => listener(at));
  }

  private keepPosition(): void {
    this.lastSave = performance.now();
    if (this.state.sound && this.media && this.media.readyState > 0) {
      savePosition(this.state.sound.id, this.media.currentTime, this.state.sound.duration);
    }
  }

  private set(change: Partial<PlayerState>): void {
    this.state = { ...this.state, ...change };
    this.listeners.forEach((listener) => listener());
  }
}

function savedRate(): number {
  const rate = Number(localStorage.getItem(RATE_KEY));
  return rate >= 0.5 && rate <= 3 ? rate : 1;
}
