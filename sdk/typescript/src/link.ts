/** The page's end of the line to its worker. */
import type { Calls, FromWorker, News, ToWorker } from './messages';
import type { RequestHeaders } from './types';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Link {
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;
  private heard = false;
  private dead: Error | null = null;

  constructor(
    private readonly worker: Worker,
    private readonly authorize: () => RequestHeaders | Promise<RequestHeaders>,
    private readonly onNews: (news: Exclude<News, { news: 'authorize' }>) => void,
  ) {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      this.heard = true;
      this.hear(data);
    };
    // One that has spoken goes on after an error of its own.
    worker.onerror = ({ message }) => {
      if (!this.heard) this.die(new Error(`The recorder could not be started: ${message || 'its worker was not loaded.'}`));
    };
  }

  call<Name extends keyof Calls>(
    name: Name,
    args: Parameters<Calls[Name]>,
  ): Promise<ReturnType<Calls[Name]>> {
    if (this.dead !== null) return Promise.reject(this.dead);
    this.last += 1;
    const id = this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: (result) => resolve(result as ReturnType<Calls[Name]>), reject });
      this.post({ call: name, id, args });
    });
  }

  close(): void {
    this.worker.terminate();
    this.die(new Error('The client was closed.'));
  }

  private hear(data: FromWorker): void {
    if ('news' in data) {
      if (data.news === 'authorize') void this.answerWithHeaders(data.id);
      else this.onNews(data);
      return;
    }
    const waiting = this.waiting.get(data.answer);
    this.waiting.delete(data.answer);
    if ('error' in data) waiting?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    else waiting?.resolve(data.result);
  }

  private async answerWithHeaders(id: number): Promise<void> {
    let headers: RequestHeaders | null = null;
    try {
      headers = await this.authorize();
    } catch {
      // Nobody is signed in: the recording waits for somebody who is.
    }
    this.post({ authorized: id, headers });
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private die(error: Error): void {
    this.dead = error;
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
