/** Keeps the screen on while something is recorded, and says whether that works. */
import type { ScreenLock } from '../types';

export class WakeLock {
  private sentinel: WakeLockSentinel | null = null;
  private wanted = false;

  constructor(private readonly onState: (state: ScreenLock) => void) {
    document.addEventListener('visibilitychange', this.again);
  }

  want(): void {
    this.wanted = true;
    this.again();
  }

  unwant(): void {
    this.wanted = false;
    this.sentinel?.release().catch(() => undefined);
    this.sentinel = null;
    this.onState('off');
  }

  end(): void {
    this.unwant();
    document.removeEventListener('visibilitychange', this.again);
  }

  /** The browser takes it away whenever the page is hidden. */
  private readonly again = () => {
    if (this.wanted && document.visibilityState === 'visible' && this.sentinel === null) void this.ask();
  };

  private async ask(): Promise<void> {
    const { wakeLock } = navigator as { wakeLock?: globalThis.WakeLock };
    if (wakeLock === undefined) return this.onState('unsupported');
    try {
      const sentinel = await wakeLock.request('screen');
      if (!this.wanted) return void sentinel.release();
      this.sentinel = sentinel;
      sentinel.onrelease = () => {
        this.sentinel = null;
        if (this.wanted) this.onState('refused');
      };
      this.onState('kept-on');
    } catch {
      this.onState('refused');
    }
  }
}
