/** A recording that is being made: chunks to disk, its length by the media's own clock, gaps, the watchdog. */
import { type MediaClock, mediaClock } from '../media/clock';
import type { Chunk, Written } from '../messages';
import type { Gap, Seam } from '../types';
import { SpillingFile } from './disk';
import { GapFinder } from './gaps';
import type { Held } from './held';
import { newPart } from './journal';
import { type Alarm, Watchdog } from './watchdog';
import { isEncrypted } from './words';

const LOOK_MS = 1000;

export class LiveRecording {
  private clock: MediaClock;
  private readonly gaps: GapFinder;
  private readonly watchdog: Watchdog;
  private readonly timer: ReturnType<typeof setInterval>;
  private number: number;
  /** Seconds in the parts before this one. */
  private before: number;
  /** Where the media's clock cannot be read: time in which this part was being recorded. */
  private activeMs = 0;
  private activeSince: number | null = Date.now();
  /** Bytes and seconds over all parts, a pair a chunk: how far what was sent reaches. */
  private readonly course: { bytes: number; seconds: number }[] = [];
  onSpill: (error: unknown) => void = () => undefined;

  constructor(
    readonly held: Held,
    part: number,
    mimeType: string,
    onAlarm: (alarm: Alarm) => void,
  ) {
    const now = Date.now();
    this.number = part;
    this.before = held.entry.parts.reduce((sum, one) => sum + (one.number === part ? 0 : one.seconds), 0);
    this.clock = mediaClock(mimeType);
    this.gaps = new GapFinder(this.before);
    this.gaps.start(now);
    this.watchdog = new Watchdog(now);
    this.timer = setInterval(() => {
      if (this.activeSince === null) return;
      const alarm = this.watchdog.look(Date.now());
      if (alarm !== null) onAlarm(alarm);
    }, LOOK_MS);
  }

  /** Opens the file of the present part. */
  async open(): Promise<void> {
    const file = new SpillingFile(await this.held.open(this.number));
    file.onSpill = (error) => this.onSpill(error);
    this.held.files.set(this.number, file);
  }

  /** Durable when done. A chunk of a part that has ended since still goes to its own part. */
  async write({ part, bytes, mimeType }: Chunk): Promise<Written> {
    const { held } = this;
    const file = held.files.get(part);
    const now = Date.now();
    this.watchdog.calm(now);
    if (file === undefined || held.part(part).closed) return this.written(null);
    const data = new Uint8Array(bytes);
    await file.append(data);
    if (part !== this.number) return this.written(null);
    if (file.size === data.length) await this.typed(mimeType);
    this.clock.feed(data);
    const seconds = this.clock.seconds ?? this.activeSeconds(now);
    const gap = data.length === 0 ? null : this.gaps.look(this.before + seconds, now);
    if (gap !== null) await this.remember(gap);
    // A hint for a later page; the bytes themselves are on disk already.
    await held.changePart(part, { bytes: file.size, durable: file.durable, seconds }).catch(() => undefined);
    this.course.push({ bytes: this.bytes, seconds: this.before + seconds });
    held.more.ring();
    return this.written(gap);
  }

  /** Ends the present part and begins the next. */
  async next(number: number, reason: Seam['reason'], mimeType: string): Promise<Seam> {
    await this.close();
    const seam = { at: this.seconds, part: number, reason, when: Date.now() };
    this.before = this.seconds;
    this.number = number;
    this.clock = mediaClock(mimeType);
    this.activeMs = 0;
    this.activeSince = this.activeSince === null ? null : Date.now();
    this.watchdog.calm(Date.now());
    const { entry } = this.held;
    const part = newPart(number, mimeType, Date.now(), isEncrypted(entry));
    await this.held.change({ parts: [...entry.parts, part], seams: [...entry.seams, seam] });
    await this.open();
    return seam;
  }

  pause(now: number): void {
    this.gaps.pause(now);
    this.activeMs += now - (this.activeSince ?? now);
    this.activeSince = null;
  }

  resume(now: number): void {
    this.activeSince ??= now;
    this.gaps.start(now);
    this.watchdog.calm(now);
  }

  /** The last gap is certain at once. Parts without a byte go. */
  async stop(): Promise<Gap | null> {
    clearInterval(this.timer);
    const gap = this.activeSince === null ? null : this.gaps.look(this.seconds, Date.now(), true);
    if (gap !== null) await this.remember(gap);
    await this.close();
    return gap;
  }

  /** Seconds over all parts, of the bytes that the server has. */
  get sentSeconds(): number {
    const { sentBytes } = this;
    return this.course.findLast(({ bytes }) => bytes <= sentBytes)?.seconds ?? 0;
  }

  get sentBytes(): number {
    return this.held.entry.parts.reduce((sum, { safe, ackedBytes, bytes }) => sum + (safe ? bytes : ackedBytes), 0);
  }

  private get bytes(): number {
    return this.held.entry.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private get seconds(): number {
    return this.before + (this.held.has(this.number) ? this.held.part(this.number).seconds : 0);
  }

  private written(gap: Gap | null): Written {
    const keptIn = this.held.files.get(this.number)?.keptIn ?? this.held.entry.keptIn;
    return { seconds: this.seconds, bytes: this.bytes, keptIn, gap };
  }

  /** The recorder tells what it makes only with its first bytes. */
  private async typed(mimeType: string): Promise<void> {
    this.clock = mediaClock(mimeType);
    const { held } = this;
    if (this.number === 1) held.entry = { ...held.entry, mimeType };
    await held.changePart(this.number, { mimeType }).catch(() => undefined);
  }

  private activeSeconds(now: number): number {
    return (this.activeMs + now - (this.activeSince ?? now)) / 1000;
  }

  private async remember(gap: Gap): Promise<void> {
    await this.held.change({ gaps: [...this.held.entry.gaps, gap] }).catch(() => undefined);
  }

  private async close(): Promise<void> {
    const { held, number } = this;
    const file = held.files.get(number);
    await file?.close();
    if ((file?.size ?? 0) > 0) {
      await held.changePart(number, { closed: true }).catch(() => undefined);
    } else {
      await held.change({ parts: held.entry.parts.filter((part) => part.number !== number) }).catch(() => undefined);
      await held.removeBytes(number);
    }
    held.more.ring();
  }
}
