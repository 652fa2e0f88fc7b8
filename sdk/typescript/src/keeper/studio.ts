/** The recordings being made in this tab (one at a time): their beginning, their bytes, their end. */
import type { BeginRecording, Begun, Chunk, News, Written } from '../messages';
import { minutesIn } from '../recorder/quality';
import type { JournalEntry, KeptIn, Mark, Seam } from '../types';
import { type Held, isMine } from './held';
import { newPart, whoIs } from './journal';
import { LiveRecording } from './live';
import { entryLock, RECORDING, type Release, tryLock } from './locks';
import type { Shelf } from './shelf';
import { roomBytes } from './storage';
import { isEncrypted } from './words';

const ROOM_LOOK_MS = 30_000;

/** Whose it is, and under which key it is kept. */
type Key = Pick<JournalEntry, 'keyId' | 'owner'>;

export class Studio {
  private lives = new Map<string, LiveRecording>();
  private recording: Release | null = null;
  private room: ReturnType<typeof setInterval> | undefined;
  /** What a recorder says is done in the order in which it says it. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly shelf: Shelf,
    private readonly tell: (news: News) => void,
    private readonly carry: (held: Held) => void,
  ) {}

  get busy(): boolean {
    return this.recording !== null;
  }

  live(id: string): LiveRecording | undefined {
    return this.lives.get(id);
  }

  /** Also a further part of one that had stopped, which may be on the server already. */
  begin(begin: BeginRecording): Promise<Begun> {
    return this.inOrder(async () => {
      const lock = this.busy ? null : await tryLock(RECORDING);
      if (lock === null) return { kind: 'other-tab' };
      this.recording = lock;
      try {
        return await this.open(begin);
      } catch (error) {
        this.free();
        throw error;
      }
    });
  }

  chunk(chunk: Chunk): Promise<Written> {
    return this.inOrder(() => this.known(chunk.id).write(chunk));
  }

  part(id: string, number: number, reason: Seam['reason'], mimeType: string): Promise<Seam> {
    return this.inOrder(() => this.known(id).next(number, reason, mimeType));
  }

  /** The clock runs at once: only bytes wait for each other. */
  pause(id: string): void {
    this.lives.get(id)?.pause(Date.now());
  }

  resume(id: string): void {
    this.lives.get(id)?.resume(Date.now());
  }

  async marks(id: string, marks: readonly Mark[]): Promise<void> {
    await this.shelf.helds.get(id)?.change({ marks });
  }

  /** What was kept, or null when there was nothing at all. */
  stop(id: string): Promise<Held | null> {
    return this.inOrder(async () => {
      const live = this.known(id);
      const { held } = live;
      await live.stop();
      this.lives.delete(id);
      this.free();
      if (held.entry.parts.length === 0) {
        await this.shelf.drop(held);
        return null;
      }
      // Not durable is no reason to keep the person waiting: a later page closes what it finds open.
      await held.change({ stoppedAt: Date.now() }).catch(() => undefined);
      held.more.ring();
      this.carry(held);
      return held;
    });
  }

  private async open(begin: BeginRecording): Promise<Begun> {
    const known = this.shelf.helds.get(begin.id);
    const key = await this.keyFor(begin, known?.entry);
    const held = known ?? (await this.hold(begin, key));
    const number = Math.max(begin.partsBefore, ...held.entry.parts.map((part) => part.number)) + 1;
    const part = newPart(number, begin.mimeType, Date.now(), key.keyId !== null);
    const seams = number === 1 ? [] : [{ at: begin.secondsBefore, part: number, reason: begin.reason, when: Date.now() }];
    const live = await this.write(held, part.number, begin, () =>
      held.change({
        ...key,
        parts: [...held.entry.parts, part],
        seams: [...held.entry.seams, ...seams],
        stoppedAt: null,
        problem: null,
      }),
    );
    this.lives.set(begin.id, live);
    this.watchRoom(begin);
    this.carry(held);
    const { keptIn } = held.entry;
    const encrypted = isEncrypted(held.entry);
    return { kind: 'begun', keptIn, encrypted, part: number, minutesLeft: await minutesLeft(keptIn, begin.bitsPerSecond) };
  }

  /** What began unencrypted is encrypted from this part on, and what began encrypted stays so. */
  private async keyFor({ id, owner }: BeginRecording, entry: JournalEntry | undefined): Promise<Key> {
    const now = { keyId: entry?.keyId ?? null, owner: entry?.owner ?? (owner && whoIs(owner)) };
    if (now.keyId !== null || owner?.sharedComputer !== true || !isMine(now, owner)) return now;
    return { ...now, keyId: await this.shelf.storage.keys.make(id, owner) };
  }

  /** On disk where that works; else in memory, which the person is told. */
  private async write(held: Held, number: number, begin: BeginRecording, journaled: () => Promise<void>) {
    const { id } = begin;
    const make = () =>
      new LiveRecording(held, number, begin.mimeType, (alarm) => this.tell({ news: 'alarm', id, alarm }));
    let live: LiveRecording | undefined;
    try {
      await journaled();
      live = make();
      await live.open();
    } catch {
      held.entry = { ...held.entry, keptIn: 'memory' };
      live ??= make();
      await live.open();
    }
    live.onSpill = () => void this.tellRoom(begin);
    return live;
  }

  private async hold(begin: BeginRecording, key: Key): Promise<Held> {
    const release = await tryLock(entryLock(begin.id));
    if (release === null) throw new Error('This recording is in the hands of another tab.');
    // Where it should be encrypted and no key can be kept, nothing of it is written.
    const written = key.keyId !== null || begin.owner?.sharedComputer !== true;
    const keptIn = written ? this.shelf.storage.disk.keptIn : 'memory';
    return this.shelf.hold(newEntry(begin, keptIn, key), release, written);
  }

  private known(id: string): LiveRecording {
    const live = this.lives.get(id);
    if (live === undefined) throw new Error('This recording has ended.');
    return live;
  }

  private free(): void {
    clearInterval(this.room);
    this.recording?.();
    this.recording = null;
  }

  private watchRoom(begin: BeginRecording): void {
    this.room = setInterval(() => void this.tellRoom(begin), ROOM_LOOK_MS);
  }

  private async tellRoom({ id, bitsPerSecond }: BeginRecording): Promise<void> {
    const held = this.shelf.helds.get(id);
    const keptIn = held?.entry.keptIn ?? 'memory';
    // A disk that refused bytes is full, whatever the browser estimates.
    const left = held?.spilled ? 0 : await minutesLeft(keptIn, bitsPerSecond);
    this.tell({ news: 'room', id, minutesLeft: left });
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

async function minutesLeft(keptIn: KeptIn, bitsPerSecond: number): Promise<number | null> {
  if (keptIn === 'memory') return null;
  const bytes = await roomBytes();
  return bytes === null ? null : minutesIn(bytes, bitsPerSecond);
}

function newEntry({ id, startedAt, mimeType, details }: BeginRecording, keptIn: KeptIn, key: Key): JournalEntry {
  return {
    id, kind: 'recording', version: 1, startedAt, stoppedAt: null, mimeType, details, ...key, keptIn,
    parts: [], marks: [], gaps: [], seams: [], problem: null, fingerprint: null, told: null,
  };
}
