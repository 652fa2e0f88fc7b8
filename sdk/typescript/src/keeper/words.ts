/** The journal, in which an encrypted entry hides what is said of a recording, and where it is sent. */
import type { JournalEntry, JournalPart } from '../types';
import type { Journal } from './journal';
import type { Keyring } from './keyring';
import type { Cipher } from './cipher';

/** What nobody else is to read: names, marks, and upload addresses, which are an authority of their own. */
interface Words extends Pick<JournalEntry, 'details' | 'told' | 'fingerprint' | 'marks'> {
  readonly parts: readonly Sending[];
}

/** How far it is on disk is here since nobody can then cut it short unnoticed. */
type Sending = Pick<JournalPart, 'uploadKey' | 'uploadUrl' | 'recordingId' | 'durable'>;

const UNTOLD = { details: {}, told: null, fingerprint: null, marks: [] } as const;
const UNSENT: Sending = { uploadKey: null, uploadUrl: null, recordingId: null, durable: 0 };

/** As it lies in the journal. */
export type StoredEntry = JournalEntry & { readonly words?: Uint8Array };

export class EncryptingJournal implements Journal {
  constructor(
    private readonly journal: Journal,
    private readonly keys: Keyring,
  ) {}

  async all(): Promise<JournalEntry[]> {
    return Promise.all((await this.journal.all()).map((entry) => this.opened(entry)));
  }

  async get(id: string): Promise<JournalEntry | null> {
    const found = await this.journal.get(id);
    return found && this.opened(found);
  }

  async put(entry: JournalEntry): Promise<void> {
    if (!isEncrypted(entry)) return this.journal.put(entry);
    const cipher = entry.locked === undefined ? await this.keys.cipherOf(entry) : entry.locked;
    if (typeof cipher === 'string') throw new Error('This recording is encrypted, and its key is not here.');
    await this.journal.put(await closed(entry, cipher));
  }

  remove(id: string): Promise<void> {
    this.keys.forget(id);
    return this.journal.remove(id);
  }

  private async opened(stored: StoredEntry): Promise<JournalEntry> {
    if (!isEncrypted(stored)) return stored;
    const cipher = await this.keys.cipherOf(stored);
    if (typeof cipher === 'string') return { ...stored, locked: cipher };
    try {
      return await openedWith(cipher, stored);
    } catch {
      // Another key than it was encrypted with, be it for another secret.
      this.keys.forget(stored.id);
      return { ...stored, locked: 'lost' };
    }
  }
}

export type EncryptedEntry = JournalEntry & { readonly keyId: string };

/** What was kept before the policy, or by an older version of this module, is not. */
export const isEncrypted = (entry: JournalEntry): entry is EncryptedEntry => typeof entry.keyId === 'string';

const placeOf = ({ id }: JournalEntry) => `${id} words`;

async function closed(entry: JournalEntry, cipher: Cipher): Promise<StoredEntry> {
  const { details, told, fingerprint, marks } = entry;
  const parts = entry.parts.map((part) => pick(part));
  const words: Words = { details, told, fingerprint, marks, parts };
  const bytes = new TextEncoder().encode(JSON.stringify(words));
  const shown = entry.parts.map((part) => ({ ...part, ...UNSENT }));
  return { ...entry, ...UNTOLD, parts: shown, words: await cipher.encrypt(bytes, placeOf(entry)) };
}

const pick = ({ uploadKey, uploadUrl, recordingId, durable }: JournalPart): Sending => ({
  uploadKey, uploadUrl, recordingId, durable,
});

async function openedWith(cipher: Cipher, { words: hidden, ...entry }: StoredEntry): Promise<JournalEntry> {
  const bytes = await cipher.decrypt(hidden ?? new Uint8Array(0), placeOf(entry));
  const { parts, ...words } = JSON.parse(new TextDecoder().decode(bytes)) as Words;
  return { ...entry, ...words, parts: entry.parts.map((part, place) => ({ ...part, ...parts[place] })) };
}
