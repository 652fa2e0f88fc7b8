import { beforeEach, describe, expect, it } from 'vitest';

import type { JournalEntry, Owner } from '../types';
import { Cipher } from './cipher';
import { MemoryFile, SpillingFile } from './disk';
import { EncryptedFile, SEGMENT_BYTES_MAX } from './encrypted';
import { MemoryJournal, newPart } from './journal';
import { type DeviceKey, Keyring, type KeyStore } from './keyring';
import { EncryptingJournal } from './words';

const some = (length: number, from = 0) => Uint8Array.from({ length }, (_, at) => ((from + at) * 31) % 251);
const plain = async (file: EncryptedFile) => new Uint8Array(await (await file.blob('')).arrayBuffer());
const kept = async (file: MemoryFile) => (await file.read(0, file.size)).slice();

const OVERHEAD = 4 + 12 + 16;

/** A file whose bytes can be looked at and changed. */
class Lying extends MemoryFile {
  async change(edit: (bytes: Uint8Array) => Uint8Array): Promise<void> {
    const bytes = edit(await kept(this));
    await this.cut(0);
    await this.append(bytes);
  }
}

async function aesKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

describe('an encrypted file', () => {
  const chunks = [some(1000), some(70, 1000), some(500_000, 1070), some(1, 501_070)];
  const whole = some(501_071);
  let cipher: Cipher;
  let file: Lying;
  let encrypted: EncryptedFile;
  beforeEach(async () => {
    cipher = new Cipher(await aesKey());
    file = new Lying();
    encrypted = await EncryptedFile.open(file, cipher, 'a.1', 0);
    for (const chunk of chunks) await encrypted.append(chunk);
  });
  const again = (promised = 0, name = 'a.1', by = cipher) => EncryptedFile.open(file, by, name, promised);

  it('has the sizes of its bytes, and gives them back', async () => {
    expect(encrypted.size).toBe(whole.length);
    expect(Buffer.from(await plain(encrypted)).equals(whole)).toBe(true);
    expect(Buffer.from(await plain(await again())).equals(whole)).toBe(true);
    // Three chunks of one segment, and one of two.
    expect(file.size).toBe(whole.length + 5 * OVERHEAD);
  });

  it.each([[0, 10], [995, 20], [1069, 2], [1070, 400_000], [300_000, 1], [501_070, 100], [262_200, 300], [501_071, 5]])(
    'reads %i + %i as if it were not encrypted',
    async (offset, length) => {
      for (const one of [encrypted, await again()]) {
        expect(Buffer.from(await one.read(offset, length)).equals(whole.subarray(offset, offset + length))).toBe(true);
      }
    },
  );

  it('shows nothing of its bytes', async () => {
    const secret = new TextEncoder().encode('Rex has a cough');
    await encrypted.append(secret);
    expect(Buffer.from(await kept(file)).includes(Buffer.from(secret))).toBe(false);
  });

  it('never encrypts the same bytes the same way', async () => {
    const [one, other] = [await cipher.encrypt(some(50), 'x'), await cipher.encrypt(some(50), 'x')];
    expect(Buffer.from(one.subarray(0, 12)).equals(other.subarray(0, 12))).toBe(false);
    expect(Buffer.from(one.subarray(12)).equals(other.subarray(12))).toBe(false);
  });

  it.each([1, OVERHEAD, OVERHEAD + 1, 3, 40])('loses no whole segment when the last is torn by %i bytes, and goes on', async (torn) => {
    await file.change((bytes) => bytes.subarray(0, bytes.length - torn));
    const left = await again();
    const expected = torn < OVERHEAD + 1 ? 501_070 : torn === OVERHEAD + 1 ? 501_070 : 1070 + SEGMENT_BYTES_MAX;
    expect(left.size).toBe(expected);
    await left.append(some(9, expected));
    for (const one of [left, await again()]) {
      expect(Buffer.from(await plain(one)).equals(some(expected + 9))).toBe(true);
    }
  });

  it('takes a last segment for torn that has its length and not its bytes', async () => {
    await file.change((bytes) => bytes.fill(0, bytes.length - 8));
    const left = await again(501_000);
    expect(left.size).toBe(501_070);
    await file.change((bytes) => bytes.fill(0, bytes.length - OVERHEAD - 1));
    expect((await again(501_000)).size).toBe(501_070);
  });

  it('says so when its end is gone that was durable once', async () => {
    await file.change((bytes) => bytes.subarray(0, 1070 + 2 * OVERHEAD));
    const short = await again(501_071);
    expect(short.size).toBe(501_071);
    expect(Buffer.from(await short.read(1000, 500)).equals(whole.subarray(1000, 1070))).toBe(true);
    await expect(short.read(1070, 10)).rejects.toThrow('Only 1070 of 501071 bytes are there.');
    await expect(short.append(some(1))).rejects.toThrow('Only 1070');
    expect((await plain(short)).length).toBe(1070);
  });

  it('notices a changed byte, and reads the rest', async () => {
    await file.change((bytes) => {
      bytes[500] = (bytes[500] ?? 0) ^ 1;
      return bytes;
    });
    const damaged = await again();
    await expect(damaged.read(0, 10)).rejects.toThrow('damaged');
    await expect(damaged.blob('')).rejects.toThrow('damaged');
    expect(Buffer.from(await damaged.read(1000, 70)).equals(whole.subarray(1000, 1070))).toBe(true);
  });

  it('notices segments that changed places, that are missing, or that are of another file', async () => {
    const [one, two] = [1000 + OVERHEAD, 70 + OVERHEAD];
    await file.change((bytes) => Uint8Array.from([...bytes.subarray(one, one + two), ...bytes.subarray(0, one), ...bytes.subarray(one + two)]));
    await expect((await again()).read(0, 10)).rejects.toThrow('damaged');
    await file.change((bytes) => bytes.subarray(two));
    await expect((await again(501_071)).read(1200, 10)).rejects.toThrow('damaged');
    const other = await EncryptedFile.open(new MemoryFile(), cipher, 'a.2', 0);
    await other.append(some(10));
    await file.change((bytes) => bytes.subarray(0, one));
    await expect((await again(1, 'a.2')).read(0, 10)).rejects.toThrow('damaged');
  });

  it('opens with its own key alone', async () => {
    const wrong = await again(501_071, 'a.1', new Cipher(await aesKey()));
    expect(wrong.size).toBe(501_071);
    await expect(wrong.read(0, 1)).rejects.toThrow('damaged');
    expect(file.size).toBeGreaterThan(501_071);
  });

  it('goes on in memory when the disk is full, and only what is on disk is durable', async () => {
    const full = new MemoryFile();
    full.append = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    const spilling = new SpillingFile(await EncryptedFile.open(full, cipher, 'a.1', 0));
    await spilling.append(some(10));
    expect([spilling.size, spilling.durable, spilling.keptIn]).toEqual([10, 0, 'memory']);
    expect([...(await spilling.read(2, 3))]).toEqual([...some(3, 2)]);
  });
});

class MemoryKeys implements KeyStore {
  readonly keys: DeviceKey[] = [];
  get = (id: string) => Promise.resolve(this.keys.find((key) => key.id === id) ?? null);
  of = (owner: DeviceKey['owner']) => Promise.resolve(this.find(owner));
  add(key: DeviceKey): Promise<DeviceKey> {
    const before = this.find(key.owner);
    if (before === null) this.keys.push(key);
    return Promise.resolve(before ?? key);
  }
  private find([organization, user]: DeviceKey['owner']): DeviceKey | null {
    return this.keys.find(({ owner }) => owner[0] === organization && owner[1] === user) ?? null;
  }
}

describe('an encrypting journal', () => {
  const ada: Owner = { userId: 'ada', organizationId: 'clinic', secret: 'told to ada' };
  const bob: Owner = { userId: 'bob', organizationId: 'clinic', secret: 'told to bob' };
  const part = { ...newPart(1, 'audio/webm', 1, true), bytes: 10, durable: 10, uploadUrl: 'https://x/secret-address', uploadKey: 'k' };
  const entryOf = (keyId: string | null, id = 'a'): JournalEntry => ({
    id, kind: 'recording', version: 1, startedAt: 1, stoppedAt: null, mimeType: 'audio/webm', details: { title: 'Rex check-up', metadata: { n: 1 } },
    owner: { userId: 'ada', organizationId: 'clinic' }, keptIn: 'disk', keyId, parts: [part], marks: [{ id: 'm', at: 1, name: 'cough' }],
    gaps: [], seams: [], problem: null, fingerprint: null, told: { title: 'Rex' },
  });
  const inner = () => new MemoryJournal();

  async function written(store = new MemoryKeys()) {
    const lying = inner();
    const keys = new Keyring(store);
    keys.admit(ada);
    const entry = entryOf(await keys.make('a', ada));
    await new EncryptingJournal(lying, keys).put(entry);
    const reader = (owner: Owner | null) => {
      const ring = new Keyring(store);
      ring.admit(owner);
      return new EncryptingJournal(lying, ring);
    };
    return { lying, entry, store, reader, keys };
  }

  it('writes nothing that tells of a recording, and gives it back to its owner', async () => {
    const { lying, entry, reader } = await written();
    const [stored] = await lying.all();
    const text = JSON.stringify(stored);
    for (const secret of ['Rex', 'cough', 'secret-address', '"n"']) expect(text).not.toContain(secret);
    expect(await reader(ada).get('a')).toEqual(entry);
    expect(await reader(ada).all()).toEqual([entry]);
  });

  it('stays closed to others, and to nobody', async () => {
    const { reader } = await written();
    for (const other of [bob, null, { ...ada, organizationId: 'school' }]) {
      const found = await reader(other).get('a');
      expect(found).toMatchObject({ locked: 'other', details: {}, marks: [] });
      await expect(reader(other).put(found as JournalEntry)).rejects.toThrow('encrypted');
    }
  });

  it('says that it is lost without its key, or with another secret, and overwrites nothing', async () => {
    const { reader, store, entry } = await written();
    expect(await reader({ ...ada, secret: 'another' }).get('a')).toMatchObject({ locked: 'lost' });
    const taken = store.keys.splice(0);
    const lost = await reader(ada).get('a');
    expect(lost).toMatchObject({ locked: 'lost', details: {} });
    await expect(reader(ada).put(lost as JournalEntry)).rejects.toThrow('its key is not here');
    store.keys.push(...taken);
    expect(await reader(ada).get('a')).toEqual(entry);
  });

  it('goes on with what is in hand when its owner has signed out', async () => {
    const { keys, lying, entry, reader } = await written();
    keys.admit(null);
    await new EncryptingJournal(lying, keys).put({ ...entry, stoppedAt: 5 });
    expect(await reader(ada).get('a')).toEqual({ ...entry, stoppedAt: 5 });
  });

  it('leaves alone what is not encrypted, also of an older version', async () => {
    const { lying, reader } = await written();
    const old = { ...entryOf(null, 'old'), keyId: undefined } as unknown as JournalEntry;
    await lying.put(old);
    expect(await reader(bob).get('old')).toEqual(old);
    await reader(null).put(entryOf(null, 'new'));
    expect((await lying.get('new'))?.details.title).toBe('Rex check-up');
  });

  it('has one key for a person, and another for each recording', async () => {
    const store = new MemoryKeys();
    const rings = [new Keyring(store), new Keyring(store)];
    rings.forEach((ring) => ring.admit(ada));
    const names = await Promise.all(rings.map((ring, at) => ring.make(`r${at}`, ada)));
    expect(new Set(names).size).toBe(1);
    expect(store.keys).toHaveLength(1);
    expect(store.keys[0]?.key.extractable).toBe(false);
    const [one, other] = [await rings[0]?.cipherOf(entryOf(names[0] ?? null, 'r0')), await rings[1]?.cipherOf(entryOf(names[0] ?? null, 'r1'))];
    if (!(one instanceof Cipher) || !(other instanceof Cipher)) throw new Error('closed');
    await expect(other.decrypt(await one.encrypt(some(4), 'x'), 'x')).rejects.toThrow();
  });

  it('has none where the browser can keep none', async () => {
    expect(await new Keyring(null).make('a', ada)).toBeNull();
  });
});
