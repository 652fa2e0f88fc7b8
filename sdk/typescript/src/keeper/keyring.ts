/**
 * The keys of what is kept encrypted on this device. Each person in each organization has one here, made once,
 * that no script can read out; of it, and of the secret that only their sign-in tells, each recording's own key
 * is derived. So neither a copy of this browser's files nor another person's sign-in opens a recording.
 */
import type { Owner } from '../types';
import { resultOf } from './database';
import { newId } from './ids';
import { Cipher } from './cipher';

export interface DeviceKey {
  readonly id: string;
  /** Organization and user. */
  readonly owner: readonly [string, string];
  readonly key: CryptoKey;
}

export interface KeyStore {
  get(id: string): Promise<DeviceKey | null>;
  of(owner: DeviceKey['owner']): Promise<DeviceKey | null>;
  /** The one that is there in the end: of two tabs that make one at once, the first one's. */
  add(key: DeviceKey): Promise<DeviceKey>;
}

/** What is to be opened or encrypted: an entry of the journal, or as much of it. */
export interface Kept {
  readonly id: string;
  readonly keyId: string | null;
  readonly owner: Owner | null;
}

/** Why something stays closed: its owner is not signed in, or their key opens it no more. */
export type Locked = 'other' | 'lost';

const KEY_BYTES = 32;

export class Keyring {
  private readonly ciphers = new Map<string, Cipher>();
  private owner: Owner | null = null;
  private readonly trusted = new Map<string, Owner>();

  constructor(private readonly store: KeyStore | null) {}

  /** Only what is theirs is opened from now on; what is in hand stays open until it is let go. */
  admit(owner: Owner | null): void {
    this.owner = owner;
  }

  /** For the one recording that this very page makes, whoever is signed in by now. */
  trust(id: string, owner: Owner): void {
    this.trusted.set(id, owner);
  }

  /** The key's name for a new recording, or null where this browser can keep no key. */
  async make(id: string, owner: Owner): Promise<string | null> {
    if (this.store === null || !canEncrypt()) return null;
    try {
      const known = (await this.store.of(nameOf(owner))) ?? (await this.store.add(await newKey(owner)));
      this.ciphers.set(id, await derive(known.key, owner, id));
      return known.id;
    } catch {
      return null;
    }
  }

  /** The cipher of what is encrypted; one that is in use is there whoever is signed in. */
  async cipherOf({ id, keyId, owner }: Kept): Promise<Cipher | Locked> {
    const known = this.ciphers.get(id);
    if (known !== undefined) return known;
    const reader = owner && [this.owner, this.trusted.get(id)].find((one) => one && isSame(one, owner));
    if (!reader) return 'other';
    try {
      const found = keyId === null ? null : await this.store?.get(keyId);
      if (!found) return 'lost';
      const cipher = await derive(found.key, reader, id);
      this.ciphers.set(id, cipher);
      return cipher;
    } catch {
      return 'lost';
    }
  }

  forget(id: string): void {
    this.ciphers.delete(id);
  }
}

/** Pages without https have no `crypto.subtle`. */
const canEncrypt = () => (globalThis.crypto as Partial<Crypto>).subtle !== undefined;

const nameOf = (owner: Owner) => [owner.organizationId, owner.userId] as const;

const isSame = (one: Owner, other: Owner) =>
  one.userId === other.userId && one.organizationId === other.organizationId;

async function newKey(owner: Owner): Promise<DeviceKey> {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const key = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey']);
  bytes.fill(0);
  return { id: newId(), owner: nameOf(owner), key };
}

async function derive(key: CryptoKey, owner: Owner, id: string): Promise<Cipher> {
  const text = new TextEncoder();
  const [salt, info] = [text.encode(owner.secret ?? ''), text.encode(`reelkeep/1 ${id}`)];
  const how = { name: 'HKDF', hash: 'SHA-256', salt, info };
  const made = { name: 'AES-GCM', length: 256 };
  return new Cipher(await crypto.subtle.deriveKey(how, key, made, false, ['encrypt', 'decrypt']));
}

const NAME = 'reelkeep-keys';
const KEYS = 'keys';
const OWNER = 'owner';

/** A database of its own: the journal's keeps its version. Null where this browser has none to give. */
export async function openKeyStore(): Promise<KeyStore | null> {
  try {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(KEYS, { keyPath: 'id' }).createIndex(OWNER, 'owner');
    };
    const database = await resultOf(request);
    database.onversionchange = () => database.close();
    return new DatabaseKeys(database);
  } catch {
    return null;
  }
}

class DatabaseKeys implements KeyStore {
  constructor(private readonly database: IDBDatabase) {}

  async get(id: string): Promise<DeviceKey | null> {
    return usable(await resultOf(this.keys('readonly').get(id) as IDBRequest<unknown>));
  }

  async of(owner: DeviceKey['owner']): Promise<DeviceKey | null> {
    return firstUsable(await resultOf(this.keys('readonly').index(OWNER).getAll([...owner])));
  }

  async add(key: DeviceKey): Promise<DeviceKey> {
    const keys = this.keys('readwrite');
    const before = firstUsable(await resultOf(keys.index(OWNER).getAll([...key.owner])));
    if (before !== null) return before;
    const { transaction } = keys;
    keys.add({ ...key, owner: [...key.owner] });
    // Durable before anything is encrypted with it.
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('The key could not be kept.'));
    });
    return key;
  }

  private keys(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(KEYS, mode, { durability: 'strict' }).objectStore(KEYS);
  }
}

/** A browser may give the record back and not its key. */
function usable(found: unknown): DeviceKey | null {
  const record = found as Partial<DeviceKey> | undefined;
  return record?.key instanceof CryptoKey ? (record as DeviceKey) : null;
}

const firstUsable = (found: readonly unknown[]) => found.map(usable).find((key) => key !== null) ?? null;
