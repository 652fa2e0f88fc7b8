/** The worker's part: keeps recordings on disk and carries them to the server. One a tab. */
import type { Hello, News, Rescue, TabNews } from '../messages';
import { carry, type World } from '../sending/carry';
import { Gate } from '../sending/gate';
import { isTold, tell } from '../sending/tell';
import { end } from '../sending/tus';
import type { Owner, RecordingDetails, RequestHeaders, UnsentRecording } from '../types';
import { adoptFile } from './files';
import { type Held, isMine } from './held';
import { isSafe } from './journal';
import { entryLock, SENDER, tryLock, waitForLock } from './locks';
import { rescue } from './rescue';
import { Shelf } from './shelf';
import { openPart, openStorage } from './storage';
import { Studio } from './studio';
import { Tabs } from './tabs';
import { isEncrypted } from './words';

const PUBLISH_MS = 200;
const REQUESTS_AT_ONCE = 3;

export class Keeper {
  private base = '';
  private owner: Owner | null = null;
  private sendsByItself = true;
  private leads = false;
  private publishing: ReturnType<typeof setTimeout> | undefined;
  private readonly carried = new Set<string>();
  private readonly gate = new Gate(REQUESTS_AT_ONCE);
  private readonly tabs: Tabs;

  private constructor(
    readonly shelf: Shelf,
    readonly studio: Studio,
    private readonly news: (news: News) => void,
    private readonly authorize: () => Promise<RequestHeaders | null>,
  ) {
    this.tabs = new Tabs(
      (heard) => void this.hear(heard),
      (on) => this.news({ news: 'other-tab', on }),
    );
  }

  static async open(news: (news: News) => void, authorize: () => Promise<RequestHeaders | null>): Promise<Keeper> {
    const late: { keeper?: Keeper } = {};
    const shelf = new Shelf(
      await openStorage(),
      () => late.keeper?.changed(),
      (held) => late.keeper?.adopted(held),
    );
    const studio = new Studio(shelf, news, (held) => late.keeper?.start(held));
    late.keeper = new Keeper(shelf, studio, news, authorize);
    return late.keeper;
  }

  async hello({ base, owner, sendUnsent }: Hello): Promise<void> {
    Object.assign(this, { base, owner, sendsByItself: sendUnsent });
    this.shelf.storage.keys.admit(owner);
    void this.lead();
    void this.tabs.watch(this.studio.busy);
    await this.publish();
  }

  async setOwner(owner: Owner | null): Promise<void> {
    this.owner = owner;
    this.shelf.storage.keys.admit(owner);
    this.wake();
    this.changed();
    if (this.leads) void this.shelf.adoptAll();
    await this.forgetOthers();
  }

  /** What is encrypted, safe and told of is no business of the next one's at this computer. */
  private async forgetOthers(): Promise<void> {
    for (const held of [...this.shelf.helds.values()]) {
      const { entry } = held;
      const over = isEncrypted(entry) && isSafe(entry) && isTold(entry);
      if (over && !isMine(entry, this.owner)) await this.shelf.drop(held);
    }
  }

  /** Another recording began: the other tabs' pages say so. */
  recordingBegan(): void {
    this.tabs.tell({ kind: 'recording' });
  }

  /** Another tab records: told until it does no more. */
  async watchOthers(): Promise<void> {
    await this.tabs.watch(this.studio.busy);
  }

  callOther(): void {
    this.tabs.tell({ kind: 'call' });
  }

  /** What waits tries again; what was refused does not. */
  wake(): void {
    for (const held of this.shelf.helds.values()) held.again.ring();
  }

  list(): Promise<readonly UnsentRecording[]> {
    return this.shelf.list(this.owner);
  }

  async send(id: string | null): Promise<void> {
    for (const { id: one, mine } of await this.list()) {
      if (id === null ? mine : one === id) this.sendOne(one);
    }
  }

  async describe(id: string, details: RecordingDetails): Promise<void> {
    const held = this.shelf.helds.get(id);
    if (held === undefined) return this.tabs.tell({ kind: 'describe', id, details });
    await held.change({ details: { ...held.entry.details, ...details } });
    // A failure is told again when the journal is next read.
    if (isSafe(held.entry)) await tell(held, this.world).catch(() => undefined);
  }

  /** The recording of a worker that died: whole again, and sent as far as it came. */
  async rescue(lost: Rescue): Promise<void> {
    const held = await rescue(this.shelf, lost);
    if (held !== null) this.start(held);
  }

  /** The bytes of each part as they are on this device; none once they are safe. */
  async open(id: string): Promise<readonly Blob[]> {
    const held = this.shelf.helds.get(id);
    const entry = held?.entry ?? (await this.shelf.storage.journal.get(id));
    if (entry !== null && isEncrypted(entry) && !isMine(entry, this.owner)) {
      throw new Error('It belongs to somebody else, and is encrypted: sign in as them.');
    }
    if (entry === null || entry.kind === 'file') return held?.picked ? [held.picked] : [];
    const kept = entry.parts.filter(({ safe }) => !safe);
    const blobs = kept.map(async ({ number, mimeType }) => {
      const file = held?.files.get(number) ?? (await openPart(this.shelf.storage, entry, number));
      return file.blob(mimeType);
    });
    return Promise.all(blobs);
  }

  async discard(id: string): Promise<void> {
    const held = await this.inHand(id, 'discard');
    if (held === null) return;
    if (held.live && held.entry.locked === undefined) throw new Error('Stop the recording before throwing it away.');
    const begun = held.entry.parts.flatMap(({ safe, uploadUrl }) => (safe || uploadUrl === null ? [] : [uploadUrl]));
    await this.shelf.drop(held);
    this.news({ news: 'discarded', id });
    this.tabs.tell({ kind: 'changed' });
    // Should this fail, the server cleans up what nobody goes on with.
    await Promise.allSettled(begun.map((url) => end(url, AbortSignal.timeout(10_000))));
  }

  async dismiss(id: string): Promise<void> {
    const held = await this.inHand(id, 'dismiss');
    if (held !== null && isSafe(held.entry)) await this.shelf.drop(held);
  }

  async upload(file: File, details: RecordingDetails) {
    const { held, resumedAt } = await adoptFile(this.shelf, file, details, this.owner, (id) =>
      this.tabs.tell({ kind: 'do', id, what: 'release' }),
    );
    this.start(held);
    held.asked += 1;
    held.again.ring();
    return { id: held.id, resumedAt };
  }

  view(held: Held): UnsentRecording {
    return held.view(this.owner);
  }

  /** Sends it in the background, for as long as it takes. */
  start(held: Held): void {
    if (this.carried.has(held.id)) return;
    this.carried.add(held.id);
    void carry(held, this.world).finally(() => this.carried.delete(held.id));
  }

  private get world(): World {
    return {
      base: this.base,
      gate: this.gate,
      owner: () => this.owner,
      authorize: () => this.authorize(),
      onSent: (held) => this.tellSent(held),
      onSafe: (held) => this.news({ news: 'safe', entry: held.view(this.owner) }),
      onRefused: (held) => this.news({ news: 'refused', entry: held.view(this.owner) }),
    };
  }

  private tellSent(held: Held): void {
    const live = this.studio.live(held.id);
    if (live !== undefined) this.news({ news: 'sent', id: held.id, seconds: live.sentSeconds, bytes: live.sentBytes });
  }

  /** One tab at a time looks after what no tab has in hand; when it goes, another does. */
  private async lead(): Promise<void> {
    await waitForLock(SENDER);
    this.leads = true;
    await this.shelf.adoptAll();
  }

  private adopted(held: Held): void {
    if (isSafe(held.entry)) {
      const done = tell(held, this.world).catch(() => undefined);
      void done.then(() => this.shelf.drop(held));
      return;
    }
    if (held.found) this.news({ news: 'found', entry: held.view(this.owner) });
    if (this.sendsByItself || held.entry.kind === 'file') this.start(held);
  }

  private sendOne(id: string): void {
    const held = this.shelf.helds.get(id);
    if (held === undefined) return this.tabs.tell({ kind: 'do', id, what: 'send' });
    held.asked += 1;
    this.start(held);
    held.again.ring();
  }

  /** In hand here, or taken in hand; null when another tab has it and was asked to do it. */
  private async inHand(id: string, what: 'discard' | 'dismiss'): Promise<Held | null> {
    const known = this.shelf.helds.get(id);
    if (known !== undefined) return known;
    const release = await tryLock(entryLock(id));
    const entry = release === null ? null : await this.shelf.storage.journal.get(id);
    if (release !== null && entry !== null) return this.shelf.hold(entry, release);
    release?.();
    this.tabs.tell({ kind: 'do', id, what });
    return null;
  }

  private async hear(news: TabNews): Promise<void> {
    switch (news.kind) {
      case 'changed':
        if (this.leads) await this.shelf.adoptAll();
        return this.publish();
      case 'recording':
        return this.tabs.watch(this.studio.busy);
      case 'call':
        return this.studio.busy ? this.news({ news: 'called' }) : undefined;
      case 'describe':
        return this.shelf.helds.has(news.id) ? this.describe(news.id, news.details) : undefined;
      case 'do':
        return this.obey(news.id, news.what);
    }
  }

  private async obey(id: string, what: 'send' | 'discard' | 'dismiss' | 'release'): Promise<void> {
    const held = this.shelf.helds.get(id);
    if (held === undefined) return;
    if (what === 'send') this.sendOne(id);
    else if (what === 'discard') await this.discard(id);
    else if (what === 'dismiss') await this.dismiss(id);
    else if (held.picked === null && held.entry.kind === 'file') this.shelf.letGo(held);
  }

  private changed(): void {
    this.publishing ??= setTimeout(() => {
      this.publishing = undefined;
      this.tabs.tell({ kind: 'changed' });
      void this.publish();
    }, PUBLISH_MS);
  }

  private async publish(): Promise<void> {
    this.news({ news: 'unsent', list: await this.list() });
  }
}
