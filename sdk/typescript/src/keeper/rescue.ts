/** After a worker died: its recording is taken back in hand, with the chunks that it had not answered. */
import { mediaClock } from '../media/clock';
import type { Rescue, Unanswered } from '../messages';
import { SpillingFile } from './disk';
import type { Held } from './held';
import { newPart } from './journal';
import { entryLock, type Release, tryLock } from './locks';
import type { Shelf } from './shelf';
import { KEY_LOST } from './storage';
import { isEncrypted } from './words';

/** The locks of a worker that was ended go a moment later, and others look at them for a moment. */
const TRIES_MAX = 20;
const TRY_MS = 150;
const READ_BYTES = 1 << 20;

/** Null where nothing of it is left on this device: it was in the memory of the worker that died. */
export async function rescue(shelf: Shelf, { id, owner, chunks }: Rescue): Promise<Held | null> {
  // The page itself has recorded it, whoever is signed in by now.
  if (owner !== null) shelf.storage.keys.trust(id, owner);
  const held = shelf.helds.get(id) ?? (await takeBack(shelf, id));
  if (held === null) return null;
  for (const number of new Set(chunks.map(({ part }) => part))) {
    await complete(held, number, chunks.filter(({ part }) => part === number));
  }
  return held;
}

async function takeBack(shelf: Shelf, id: string): Promise<Held | null> {
  const release = await patiently(id);
  const entry = await shelf.storage.journal.get(id);
  if (entry === null) {
    release();
    return null;
  }
  if (entry.locked !== undefined) {
    release();
    throw new Error(KEY_LOST.message);
  }
  const held = shelf.hold(entry, release);
  await held.adopt();
  return held;
}

async function patiently(id: string): Promise<Release> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const release = await tryLock(entryLock(id));
    if (release !== null) return release;
    await new Promise((resolve) => setTimeout(resolve, TRY_MS));
  }
  throw new Error('This recording is in the hands of another tab.');
}

/** Each chunk says where it belongs: what the old worker did write is not written twice. */
async function complete(held: Held, number: number, chunks: readonly Unanswered[]): Promise<void> {
  if (held.has(number) && held.part(number).safe) return;
  const mimeType = chunks[0]?.mimeType ?? held.entry.mimeType;
  if (!held.has(number)) {
    const part = newPart(number, mimeType, Date.now(), isEncrypted(held.entry));
    await held.change({ parts: [...held.entry.parts, part] });
  }
  const file = new SpillingFile(held.files.get(number) ?? (await held.open(number)));
  held.files.set(number, file);
  for (const { at, bytes } of chunks) {
    const missing = new Uint8Array(bytes).subarray(Math.max(0, file.size - at));
    if (at <= file.size && missing.length > 0) await file.append(missing);
  }
  await file.close();
  await held.changePart(number, {
    bytes: file.size,
    durable: file.durable,
    seconds: await secondsOf(held, number, mimeType),
    closed: true,
  });
}

async function secondsOf(held: Held, number: number, mimeType: string): Promise<number> {
  const clock = mediaClock(mimeType);
  const size = held.sizeOf(number);
  for (let offset = 0; offset < size; ) {
    const piece = await held.files.get(number)?.read(offset, READ_BYTES);
    if (piece === undefined || piece.length === 0) break;
    clock.feed(piece);
    offset += piece.length;
  }
  return clock.seconds ?? held.part(number).seconds;
}
