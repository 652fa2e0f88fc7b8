/** A recording or file that this tab has in hand: under its lock, its journal entry and its bytes. */
import { filenameOf } from '../recorder/formats';
import type { JournalEntry, JournalPart, Owner, Problem, UnsentPhase, UnsentRecording } from '../types';
import { Bell } from './bell';
import type { PartFile } from './disk';
import { fileOf, isSafe, type Journal, withPart } from './journal';
import type { Release } from './locks';
import { KEY_LOST, openPart, type Storage } from './storage';
import { isEncrypted } from './words';

export class Held {
  readonly files = new Map<number, PartFile>();
  /** Of a picked file: the file itself, while the page has it. */
  picked: File | null = null;
  phase: UnsentPhase = 'on-device';
  retryAt: number | null = null;
  speed: number | null = null;
  found = false;
  /** Rung when there is more to send. */
  readonly more = new Bell();
  /** Rung when there is a reason to try again at once. */
  readonly again = new Bell();
  /** How often somebody has said to try again. */
  asked = 0;
  readonly stop = new AbortController();
  private saving: Promise<void> = Promise.resolve();

  constructor(
    public entry: JournalEntry,
    private readonly journal: Journal,
    private readonly storage: Storage,
    readonly release: Release,
    private readonly onChange: () => void,
    /** False: nothing of it may be written, as it should be encrypted and cannot be. */
    private readonly journaled = true,
  ) {}

  get id(): string {
    return this.entry.id;
  }

  get live(): boolean {
    return this.entry.kind === 'recording' && this.entry.stoppedAt === null;
  }

  part(number: number): JournalPart {
    const part = this.entry.parts.find((one) => one.number === number);
    if (part === undefined) throw new Error(`The recording has no part ${number}.`);
    return part;
  }

  has(number: number): boolean {
    return this.entry.parts.some((part) => part.number === number);
  }

  sizeOf(number: number): number {
    if (this.picked !== null) return this.picked.size;
    return this.files.get(number)?.size ?? this.entry.parts.find((part) => part.number === number)?.bytes ?? 0;
  }

  /** Nothing is sent or remembered by this tab any more. */
  halt(): void {
    this.stop.abort();
    this.more.ring();
    this.again.ring();
  }

  /** Opens what is on disk; a part that a closed page left open ends where its bytes end. */
  async adopt(): Promise<void> {
    if (this.entry.kind === 'file') return;
    const parts: JournalPart[] = [];
    for (const part of this.entry.parts) {
      const bytes = part.safe ? part.bytes : (await this.open(part.number)).size;
      // A part that never had a byte is none; one whose bytes are gone is told of.
      if (bytes > 0 || part.bytes > 0) parts.push({ ...part, bytes, closed: true });
    }
    // Should this fail, the next page finds it as it was.
    await this.change({ parts, stoppedAt: this.entry.stoppedAt ?? Date.now() }).catch(() => undefined);
  }

  async open(number: number): Promise<PartFile> {
    const file = await openPart(this.storage, this.entry, number);
    this.files.set(number, file);
    return file;
  }

  /** Seen at once, durable when done; changes follow each other. */
  change(changes: Partial<JournalEntry>): Promise<void> {
    this.entry = { ...this.entry, ...changes };
    return this.save();
  }

  changePart(number: number, changes: Partial<JournalPart>): Promise<void> {
    this.entry = withPart(this.entry, number, changes);
    return this.save();
  }

  show(changes: { phase?: UnsentPhase; retryAt?: number | null; speed?: number | null }): void {
    Object.assign(this, changes);
    this.onChange();
  }

  /** The bytes go; what is remembered of the recording may stay. */
  async removeBytes(number: number): Promise<void> {
    await this.files.get(number)?.close();
    this.files.delete(number);
    await this.storage.disks[this.entry.keptIn]?.remove(fileOf(this.id, number));
  }

  async remove(): Promise<void> {
    this.halt();
    await this.saving.catch(() => undefined);
    // The journal last: bytes that no entry names would never be found.
    for (const { number } of this.entry.parts) await this.removeBytes(number);
    await this.journal.remove(this.id);
    this.release();
  }

  view(owner: Owner | null): UnsentRecording {
    const view = viewOf(this.entry, owner);
    const { phase, retryAt, speed } = this;
    const bytes = sum(this.entry.parts, (part) => this.sizeOf(part.number));
    const shown = isSafe(this.entry) ? 'safe' : this.live ? 'recording' : phase;
    return { ...view, bytes, phase: shown, retryAt, speed, foundAfterClose: this.found, keptIn: this.spilled ? 'memory' : this.entry.keptIn };
  }

  /** Some of it is in memory, since the disk took no more. */
  get spilled(): boolean {
    return this.entry.keptIn !== 'memory' && [...this.files.values()].some((file) => file.keptIn === 'memory');
  }

  private save(): Promise<void> {
    this.onChange();
    const saved = this.saving
      // A save that failed has been told to whoever made it.
      .catch(() => undefined)
      .then(() => (this.stop.signal.aborted || !this.journaled ? undefined : this.journal.put(this.entry)));
    this.saving = saved;
    return saved;
  }
}

/** An entry as the list shows it, told from the journal alone. */
export function viewOf(entry: JournalEntry, owner: Owner | null, elsewhere = false): UnsentRecording {
  const bytes = sum(entry.parts, (part) => part.bytes);
  const sentBytes = sum(entry.parts, (part) => (part.safe ? part.bytes : Math.min(part.ackedBytes, part.bytes)));
  const mine = isMine(entry, owner);
  // What is encrypted is its owner's alone, also while it is open here since it is being sent.
  const open = mine || !isEncrypted(entry);
  const problem = entry.locked === 'lost' ? KEY_LOST : entry.problem;
  return {
    id: entry.id,
    kind: entry.kind,
    title: open ? (entry.details.title ?? null) : null,
    startedAt: entry.startedAt,
    seconds: entry.kind === 'file' ? null : sum(entry.parts, (part) => part.seconds),
    bytes,
    sentBytes,
    progress: bytes === 0 ? 0 : Math.min(1, sentBytes / bytes),
    speed: null,
    mimeType: entry.mimeType,
    filename: (open ? entry.details.filename : undefined) ?? filenameOf(entry.startedAt, entry.mimeType, null),
    parts: entry.parts.length,
    marks: open ? entry.marks : [],
    gaps: entry.gaps,
    owner: entry.owner,
    mine,
    foundAfterClose: false,
    keptIn: entry.keptIn,
    encrypted: isEncrypted(entry),
    phase: phaseInJournal(entry, elsewhere),
    problem,
    retryAt: null,
    recordingIds: !open ? [] : entry.parts.flatMap(({ recordingId }) => (recordingId === null ? [] : [recordingId])),
  };
}

/** What another tab has in hand, as far as the journal tells. */
function phaseInJournal(entry: JournalEntry, elsewhere: boolean): UnsentPhase {
  if (isSafe(entry)) return 'safe';
  if (entry.locked === 'lost') return 'refused';
  if (entry.locked === 'other' && !elsewhere) return 'needs-sign-in';
  if (!elsewhere) return entry.kind === 'file' ? 'needs-file' : 'on-device';
  if (entry.stoppedAt === null) return 'recording';
  return entry.problem === null ? 'sending' : problemPhase(entry.problem);
}

const problemPhase = (problem: Problem): UnsentPhase =>
  problem.status !== null && problem.status >= 400 && problem.status < 500 ? 'refused' : 'waiting';

/** What began while nobody was signed in belongs to whoever signs in at this device. */
export function isMine(entry: Pick<JournalEntry, 'owner'>, owner: Owner | null): boolean {
  if (owner === null) return false;
  if (entry.owner === null) return true;
  return entry.owner.userId === owner.userId && entry.owner.organizationId === owner.organizationId;
}

const sum = <T>(list: readonly T[], of: (one: T) => number) => list.reduce((total, one) => total + of(one), 0);
