/** What this tab's worker and the other tabs' workers tell each other. */
import type { TabNews } from '../messages';
import { heldNames, RECORDING, waitForLock } from './locks';

export class Tabs {
  private readonly channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('reelkeep');
  private watching = false;

  constructor(
    onNews: (news: TabNews) => void,
    private readonly onRecording: (on: boolean) => void,
  ) {
    if (this.channel !== null) this.channel.onmessage = ({ data }: MessageEvent<TabNews>) => onNews(data);
  }

  tell(news: TabNews): void {
    this.channel?.postMessage(news);
  }

  /** Says whether another tab records, until it does no more: the lock goes with its tab. */
  async watch(mine: boolean): Promise<void> {
    if (this.watching || mine) return;
    if (!(await heldNames()).has(RECORDING)) return this.onRecording(false);
    this.watching = true;
    this.onRecording(true);
    (await waitForLock(RECORDING, 'shared'))();
    this.watching = false;
    this.onRecording(false);
  }
}
