/** Carries recordings to another's tus server, @tus/server, through a front that goes wrong on demand. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { MemoryDisk } from '../src/keeper/disk';
import { Held } from '../src/keeper/held';
import { Keyring } from '../src/keeper/keyring';
import { MemoryJournal, newPart, withPart } from '../src/keeper/journal';
import { carry, type World } from '../src/sending/carry';
import { Gate } from '../src/sending/gate';
import type { JournalEntry, UnsentRecording } from '../src/types';

/** Not false: this request was dealt with and does not reach the server; `once` is over with it. */
type Fault = (request: IncomingMessage, response: ServerResponse) => false | 'once' | 'always';

const folder = mkdtempSync(join(tmpdir(), 'tus-'));
const owner = { userId: 'ada', organizationId: 'clinic' };
let http: HttpServer;
let base = '';
let faults: Fault[] = [];
let seen: string[] = [];

beforeAll(async () => {
  const tus = new Server({ path: '/api/v1/uploads/tus', datastore: new FileStore({ directory: folder }) });
  http = createServer((request, response) => {
    seen.push(request.method ?? '');
    for (const fault of faults) {
      const dealt = fault(request, response);
      if (dealt === 'once') faults = faults.filter((one) => one !== fault);
      if (dealt !== false) return;
    }
    void tus.handle(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => http.close(resolve)));
beforeEach(() => {
  faults = [];
  seen = [];
});

const on = (method: string, act: (request: IncomingMessage, response: ServerResponse) => void): Fault => (request, response) => {
  if (request.method !== method) return false;
  act(request, response);
  return 'once';
};
const refuse = (status: number, body: object | null = null, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) => response.writeHead(status, headers).end(body === null ? '' : JSON.stringify(body));
const cut = (request: IncomingMessage) => {
  request.once('data', () => request.socket.destroy());
};

/** What a beginning said of its upload. */
function saidIn(request: IncomingMessage): Record<string, string> {
  const pairs = String(request.headers['upload-metadata']).split(',').map((pair) => pair.split(' '));
  return Object.fromEntries<string>(pairs.map(([name, value]) => [name ?? '', Buffer.from(value ?? '', 'base64').toString()]));
}

interface Made {
  readonly held: Held;
  readonly journal: MemoryJournal;
  readonly safe: Promise<UnsentRecording>;
  readonly refused: UnsentRecording[];
}

async function begin(bytes: Uint8Array | null, signedIn: { now: boolean } = { now: true }): Promise<Made> {
  const part = { ...newPart(1, 'audio/webm', 0), bytes: bytes?.length ?? 0, closed: bytes !== null };
  const entry: JournalEntry = {
    id: crypto.randomUUID(), kind: 'recording', version: 1, startedAt: Date.now(), stoppedAt: bytes === null ? null : 1, mimeType: 'audio/webm',
    details: { title: 'Rex' }, owner, keptIn: 'memory', keyId: null, parts: [part], marks: [], gaps: [], seams: [], problem: null, fingerprint: null, told: null,
  };
  return goOn(entry, new MemoryJournal(), bytes, signedIn);
}

/** What a worker does with an entry of the journal. */
async function goOn(entry: JournalEntry, journal: MemoryJournal, bytes: Uint8Array | null, signedIn = { now: true }): Promise<Made> {
  const disk = new MemoryDisk();
  const storage = { disk, journal, disks: { disk: null, database: null, memory: disk }, keys: new Keyring(null) };
  const held = new Held(entry, journal, storage, () => undefined, () => undefined);
  const file = await held.open(1);
  if (bytes !== null) await file.append(bytes);
  const refused: UnsentRecording[] = [];
  const safe = new Promise<UnsentRecording>((resolve) => {
    const world: World = {
      base,
      gate: new Gate(3),
      owner: () => (signedIn.now ? owner : null),
      authorize: () => Promise.resolve({ Authorization: 'Bearer x' }),
      onSent: () => undefined,
      onSafe: (one) => resolve(one.view(owner)),
      onRefused: (one) => refused.push(one.view(owner)),
    };
    void carry(held, world);
  });
  return { held, journal, safe, refused };
}

const some = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31) % 251);
/** The newest upload's bytes at the server. */
function received(held: Held): Uint8Array {
  const id = held.part(1).uploadUrl?.split('/').at(-1) ?? '';
  return readFileSync(join(folder, id));
}
async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition(); ) {
    expect(Date.now()).toBeLessThan(end);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it('brings a recording over whole, and removes the copy only then', async () => {
  const bytes = some(300_000);
  const { held, safe } = await begin(bytes);
  expect((await safe).phase).toBe('safe');
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
  expect(held.files.size).toBe(0);
});

it('sends while it grows, and declares the length at the end', async () => {
  const { held, safe } = await begin(null);
  const whole = some(700_000);
  const grow = async (from: number, to: number) => {
    await held.files.get(1)?.append(whole.subarray(from, to));
    held.entry = withPart(held.entry, 1, { bytes: to });
    held.more.ring();
  };
  await grow(0, 300_000);
  await until(() => held.part(1).ackedBytes === 300_000);
  await grow(300_000, 700_000);
  await until(() => held.part(1).ackedBytes === 700_000);
  expect(held.part(1).safe).toBe(false);
  held.entry = { ...withPart(held.entry, 1, { closed: true }), stoppedAt: 1 };
  held.more.ring();
  await safe;
  expect(Buffer.from(received(held)).equals(whole)).toBe(true);
});

it('goes on from what came when the line is cut in the midst of a request', async () => {
  const bytes = some(3_000_000);
  faults = [on('PATCH', cut), on('PATCH', cut)];
  const { held, safe } = await begin(bytes);
  await until(() => faults.length < 2);
  held.again.ring();
  await until(() => faults.length < 1);
  held.again.ring();
  await safe;
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
  expect(seen).toContain('HEAD');
});

it('asks for the same upload again after a worker that died while the server answered', async () => {
  const bytes = some(200_000);
  const said: Record<string, string>[] = [];
  const kept: (string | null | undefined)[] = [];
  const listen: Fault = (request) => {
    if (request.method === 'POST') said.push(saidIn(request));
    return false;
  };
  const unanswered = on('POST', (request) => {
    void first.journal.get(first.held.id).then((entry) => kept.push(entry?.parts[0]?.uploadKey));
    request.resume();
  });
  faults = [listen, unanswered];
  const first = await begin(bytes);
  await until(() => kept.length === 1);
  const entry = await first.journal.get(first.held.id);
  first.held.halt();
  if (entry === null) throw new Error('The journal forgot it.');

  const { held, safe } = await goOn(entry, first.journal, bytes);
  await safe;
  expect(said.map(({ part_number }) => part_number)).toEqual(['1', '1']);
  expect(said[0]?.['upload_key']).toMatch(/^[\da-f-]{36}$/);
  expect(new Set([...said.map(({ upload_key }) => upload_key), ...kept]).size).toBe(1);
  // It may have been begun, and told a length, before: the server is asked.
  expect(seen).toEqual(['POST', 'POST', 'HEAD', 'PATCH']);
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
});

it('gives an upload that is begun anew another name', async () => {
  const keys: (string | undefined)[] = [];
  const listen: Fault = (request) => {
    if (request.method === 'POST') keys.push(saidIn(request)['upload_key']);
    return false;
  };
  faults = [listen, on('PATCH', refuse(404))];
  const { safe } = await begin(some(1000));
  await safe;
  expect(new Set(keys).size).toBe(2);
});

it('begins anew from the copy when the server has lost the upload', async () => {
  const bytes = some(200_000);
  faults = [on('PATCH', refuse(404))];
  const { held, safe } = await begin(bytes);
  await safe;
  expect(seen.filter((method) => method === 'POST')).toHaveLength(2);
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
});

it('is told by a PATCH why a HEAD found its upload gone, and keeps what is refused', async () => {
  const why = refuse(410, { message: 'Not what it says.', error_code: 'TYPE_MISMATCH' });
  const always: Fault = (request, response) => {
    if (request.method !== 'HEAD' && request.method !== 'PATCH') return false;
    (request.method === 'HEAD' ? refuse(410) : why)(request, response);
    return 'always';
  };
  faults = [on('PATCH', refuse(503, null, { 'Retry-After': '0' })), always];
  const { held, refused } = await begin(some(1000));
  await until(() => refused.length === 1);
  expect(refused[0]?.problem).toEqual({ code: 'TYPE_MISMATCH', message: 'Not what it says.', status: 410 });
  expect(held.sizeOf(1)).toBe(1000);
  held.again.ring();
  held.more.ring();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(seen).toEqual(['POST', 'PATCH', 'HEAD', 'PATCH']);
});

it('tries again what was refused when somebody says so', async () => {
  faults = [on('POST', refuse(403, { message: 'Full.', error_code: 'QUOTA_EXCEEDED' }))];
  const { held, safe, refused } = await begin(some(1000));
  await until(() => refused.length === 1);
  held.asked += 1;
  held.again.ring();
  expect((await safe).problem).toBeNull();
});

it('sends less at once when a proxy takes no more', async () => {
  const limit: Fault = (request, response) => {
    if (request.method !== 'PATCH' || Number(request.headers['content-length']) <= 300_000) return false;
    response.writeHead(413).end('<html>');
    return 'always';
  };
  faults = [limit];
  const bytes = some(2_000_000);
  const { held, safe } = await begin(bytes);
  await safe;
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
});

it('waits for its owner to sign in, without asking the server', async () => {
  const signedIn = { now: false };
  const { held, safe } = await begin(some(1000), signedIn);
  await until(() => held.phase === 'needs-sign-in');
  expect(seen).toEqual([]);
  signedIn.now = true;
  held.again.ring();
  await safe;
});

it('believes only the server: a final request without an answer is looked at again', async () => {
  const bytes = some(1000);
  const swallowed: Fault = on('HEAD', refuse(423, null, { 'Retry-After': '0' }));
  faults = [on('PATCH', refuse(503, { message: 'Wait.', error_code: 'SEAL_PENDING' }, { 'Retry-After': '0' })), swallowed];
  const { held, safe } = await begin(bytes);
  await safe;
  expect(seen).toEqual(['POST', 'PATCH', 'HEAD', 'HEAD', 'PATCH']);
  expect(Buffer.from(received(held)).equals(bytes)).toBe(true);
});
