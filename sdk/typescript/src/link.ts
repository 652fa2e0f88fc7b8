/** The page's end of the line to its worker, which is started again when it dies. */
import type { Calls, FromWorker, News, ToWorker } from './messages';
import { Pulse, TICK_MS } from './pulse';
import type { RequestHeaders } from './types';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** What a call is refused with whose worker died; another one is there. */
export const isWorkerEnded = (error: unknown) => error instanceof Error && error.name === 'WorkerEnded';

export class Link {
  private readonly waiting = new Map<number, Waiting>();
  private readonly pulse = new Pulse();
  private readonly ticking: ReturnType<typeof setInterval>;
  private worker: Worker;
  private last = 0;
  private heard = false;
  private dead: Error | null = null;
  private resting = false;

  constructor(
    private readonly spawn: () => Worker,
    private readonly authorize: () => RequestHeaders | Promise<RequestHeaders>,
    private readonly onNews: (news: Exclude<News, { news: 'authorize' }>) => void,
    private readonly onRestart: () => void,
  ) {
    this.worker = this.start();
    this.ticking = setInterval(() => this.tick(), TICK_MS);
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
    this.die(new Error('The client was closed.'));
  }

  /** The page is put away: its worker would stand still with its locks, and no other page could send or record. */
  rest(): void {
    if (this.dead !== null) return;
    this.resting = true;
    this.worker.terminate();
  }

  /** The page is back. */
  rise(): void {
    if (!this.resting || this.dead !== null) return;
    this.resting = false;
    this.renew();
  }

  private start(): Worker {
    const worker = this.spawn();
    this.heard = false;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (worker !== this.worker) return;
      this.heard = true;
      this.pulse.heard();
      this.hear(data, worker);
    };
    // One that has spoken goes on after an error of its own, or falls silent.
    worker.onerror = ({ message }) => {
      if (this.heard || worker !== this.worker) return;
      this.die(new Error(`The recorder could not be started: ${message || 'its worker was not loaded.'}`));
    };
    return worker;
  }

  /** One that is still loading is waited for. */
  private tick(): void {
    if (this.resting) return;
    const found = this.pulse.tick(this.heard && this.waiting.size > 0);
    if (found === 'ask') this.post({ ping: true });
    else if (found === 'dead') this.restart();
  }

  private restart(): void {
    if (!this.pulse.mayRestart(Date.now())) {
      return this.die(new Error('The recorder stopped working again and again. Close this page and open it once more.'));
    }
    // Also one that only hangs: it must not write beside the new one.
    this.worker.terminate();
    this.renew();
  }

  /** Another worker; what the former one was asked and did not answer is refused. */
  private renew(): void {
    const lost = [...this.waiting.values()];
    this.waiting.clear();
    this.worker = this.start();
    this.onRestart();
    const ended = Object.assign(new Error('The recorder was started again; please try once more.'), { name: 'WorkerEnded' });
    for (const one of lost) one.reject(ended);
  }

  private hear(data: FromWorker, from: Worker): void {
    if ('pong' in data) return;
    if ('news' in data) {
      if (data.news === 'authorize') void this.answerWithHeaders(data.id, from);
      else this.onNews(data);
      return;
    }
    const waiting = this.waiting.get(data.answer);
    this.waiting.delete(data.answer);
    if ('error' in data) waiting?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    else waiting?.resolve(data.result);
  }

  private async answerWithHeaders(id: number, from: Worker): Promise<void> {
    let headers: RequestHeaders | null = null;
    try {
      headers = await this.authorize();
    } catch {
      // Nobody is signed in: the recording waits for somebody who is.
    }
    from.postMessage({ authorized: id, headers } satisfies ToWorker);
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private die(error: Error): void {
    clearInterval(this.ticking);
    this.worker.terminate();
    this.dead = error;
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
