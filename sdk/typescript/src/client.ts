/** The page's one client: what this device holds, its recorder, picked files. */
import { Link } from './link';
import type { News } from './messages';
import { MicrophoneRecorder } from './recorder/recorder';
import { spawn } from './spawn';
import type {
  ClientEvents,
  ClientOptions,
  Owner,
  Recorder,
  RecorderOptions,
  RecordingDetails,
  ReelkeepClient,
  UnsentRecording,
  Upload,
} from './types';

type Listener = (event: never) => void;
export type RecorderNews =
  | Extract<News, { news: 'sent' | 'alarm' | 'room' | 'other-tab' }>
  /** The worker died, and another one is there that knows of no recording under way. */
  | { readonly news: 'restarted' };

export const createClient = (options: ClientOptions): ReelkeepClient => new Client(options);

export class Client implements ReelkeepClient {
  readonly link: Link;
  owner: Owner | null;
  private list: readonly UnsentRecording[] = [];
  private wasRead = false;
  private readonly changed = new Set<() => void>();
  private readonly listeners = new Map<keyof ClientEvents, Set<Listener>>();
  /** Recorders hear more than the world does. */
  readonly recorders = new Set<(news: RecorderNews) => void>();
  otherTab = false;
  private readonly base: string;
  private readonly sendsUnsent: boolean;
  private readonly unlisten = new AbortController();

  constructor(options: ClientOptions) {
    this.owner = options.owner;
    this.base = new URL(options.baseUrl ?? '', location.origin).href.replace(/\/$/, '');
    this.sendsUnsent = options.sendUnsent ?? true;
    this.link = new Link(
      options.worker ?? spawn,
      options.authorize,
      (news) => this.hear(news),
      () => this.restarted(),
    );
    this.hello();
    this.listen();
  }

  async setOwner(owner: Owner | null): Promise<void> {
    this.owner = owner;
    await this.link.call('owner', [owner]).catch(() => undefined);
  }

  createRecorder(options: RecorderOptions = {}): Recorder {
    return new MicrophoneRecorder(this, options);
  }

  async listUnsent(): Promise<readonly UnsentRecording[]> {
    this.take(await this.link.call('list', []));
    return this.list;
  }

  readonly unsent = () => this.list;
  readonly loaded = () => this.wasRead;
  readonly subscribe = (listener: () => void) => {
    this.changed.add(listener);
    return () => void this.changed.delete(listener);
  };

  async sendUnsent(id?: string): Promise<void> {
    await this.link.call('send', [id ?? null]);
  }

  openLocal(id: string): Promise<readonly Blob[]> {
    return this.link.call('open', [id]);
  }

  async saveAs(id: string, filename?: string): Promise<void> {
    const blobs = await this.openLocal(id);
    const entry = this.list.find((one) => one.id === id);
    const name = filename ?? entry?.filename ?? 'recording';
    blobs.forEach((blob, index) => download(blob, blobs.length === 1 ? name : numbered(name, index + 1)));
  }

  async describe(id: string, details: RecordingDetails): Promise<void> {
    await this.link.call('describe', [id, details]);
  }

  async discard(id: string): Promise<void> {
    await this.link.call('discard', [id]);
    await this.listUnsent();
  }

  async dismiss(id: string): Promise<void> {
    await this.link.call('dismiss', [id]);
    await this.listUnsent();
  }

  async createUpload(file: File, details: RecordingDetails = {}): Promise<Upload> {
    const ends = this.ends();
    const { id, resumedAt } = await this.link.call('upload', [file, details]);
    return { id, resumedAt, done: ends.of(id) };
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => void set.delete(listener);
  }

  close(): void {
    this.unlisten.abort();
    this.link.close();
  }

  private hello(): void {
    const { base, owner, sendsUnsent: sendUnsent } = this;
    // Should the worker not load, every call says so; this one has nobody to say it to.
    this.link.call('hello', [{ base, owner, sendUnsent }]).catch(() => undefined);
  }

  private restarted(): void {
    this.hello();
    this.recorders.forEach((listener) => listener({ news: 'restarted' }));
  }

  /** Reasons to try again at once. */
  private listen(): void {
    const { signal } = this.unlisten;
    const wake = () => {
      if (document.visibilityState === 'visible') this.link.call('wake', []).catch(() => undefined);
    };
    window.addEventListener('online', () => void this.link.call('wake', []).catch(() => undefined), { signal });
    window.addEventListener('pagehide', ({ persisted }) => (persisted && !this.inMemory ? this.link.rest() : undefined), { signal });
    window.addEventListener('pageshow', () => (this.link.rise(), wake()), { signal });
    window.addEventListener('focus', wake, { signal });
    document.addEventListener('visibilitychange', wake, { signal });
    window.addEventListener('beforeunload', (event) => this.guard(event), { signal });
  }

  /** Only what would be lost holds the page: what is in memory alone, whether recorded or picked. */
  private guard(event: BeforeUnloadEvent): void {
    if (this.inMemory) event.preventDefault();
  }

  /** The worker is all that has it. */
  private get inMemory(): boolean {
    return this.list.some(({ kind, keptIn, phase }) => kind === 'recording' && keptIn === 'memory' && phase !== 'safe');
  }

  private hear(news: Exclude<News, { news: 'authorize' }>): void {
    switch (news.news) {
      case 'unsent':
        return this.take(news.list);
      case 'safe':
      case 'refused':
      case 'found':
        return this.emit(news.news, news.entry);
      case 'called':
        return this.emit('called', undefined);
      case 'discarded':
        return this.discarded.forEach((listener) => listener(news.id));
      default:
        if (news.news === 'other-tab') this.otherTab = news.on;
        return this.recorders.forEach((listener) => listener(news));
    }
  }

  private readonly discarded = new Set<(id: string) => void>();

  /** Listens from now on, since what is small may be safe before its id is known here. */
  private ends() {
    const over = new Map<string, UnsentRecording | Error>();
    let settle: (() => void) | null = null;
    const note = (id: string, end: UnsentRecording | Error) => {
      over.set(id, end);
      settle?.();
    };
    const discarded = (id: string) => note(id, new Error('It was taken away before it was safe.'));
    const offs = [
      this.on('safe', (entry) => note(entry.id, entry)),
      this.on('refused', (entry) => note(entry.id, new Error(entry.problem?.message ?? 'The server refused it.'))),
      () => void this.discarded.delete(discarded),
    ];
    this.discarded.add(discarded);
    const of = (id: string) => {
      const done = new Promise<UnsentRecording>((resolve, reject) => {
        settle = () => {
          const end = over.get(id);
          if (end === undefined) return;
          offs.forEach((off) => off());
          if (end instanceof Error) reject(end);
          else resolve(end);
        };
        settle();
      });
      // Whoever does not ask how it ended is not to be told as of an error of theirs.
      done.catch(() => undefined);
      return done;
    };
    return { of };
  }

  private emit<Name extends keyof ClientEvents>(name: Name, event: ClientEvents[Name]): void {
    this.listeners.get(name)?.forEach((listener) => (listener as (event: ClientEvents[Name]) => void)(event));
  }

  private take(list: readonly UnsentRecording[]): void {
    this.list = list;
    this.wasRead = true;
    this.changed.forEach((listener) => listener());
  }
}

function numbered(name: string, number: number): string {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? `${name} part ${number}` : `${name.slice(0, dot)} part ${number}${name.slice(dot)}`;
}

function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: the browser may still be about to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
