/** Picked files: the same one chosen again goes on where it stopped. */
import type { JournalEntry, Owner, RecordingDetails } from '../types';
import { type Held, isMine } from './held';
import { fingerprintOf, newId } from './ids';
import { isSafe, newPart, whoIs } from './journal';
import { entryLock, tryLock } from './locks';
import type { Shelf } from './shelf';

const HAND_OVER_MS = 3000;
const LOOK_MS = 50;

export async function adoptFile(
  shelf: Shelf,
  file: File,
  details: RecordingDetails,
  owner: Owner | null,
  askForRelease: (id: string) => void,
): Promise<{ held: Held; resumedAt: number }> {
  const fingerprint = await fingerprintOf(file);
  const entries = await shelf.storage.journal.all();
  const known = entries.find((entry) => entry.fingerprint === fingerprint && !isSafe(entry) && isMine(entry, owner));
  const held = known === undefined ? null : await takeOver(shelf, known, askForRelease);
  if (held !== null) {
    held.picked = file;
    return { held, resumedAt: held.entry.parts[0]?.ackedBytes ?? 0 };
  }
  return { held: await begin(shelf, file, fingerprint, details, owner), resumedAt: 0 };
}

/** Null when another tab sends it itself, from its own copy of the file. */
async function takeOver(shelf: Shelf, entry: JournalEntry, askForRelease: (id: string) => void): Promise<Held | null> {
  const here = shelf.helds.get(entry.id);
  if (here !== undefined) return here;
  askForRelease(entry.id);
  for (const until = Date.now() + HAND_OVER_MS; Date.now() < until; ) {
    const release = await tryLock(entryLock(entry.id));
    if (release !== null) return shelf.hold((await shelf.storage.journal.get(entry.id)) ?? entry, release);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return null;
}

async function begin(
  shelf: Shelf,
  file: File,
  fingerprint: string,
  details: RecordingDetails,
  owner: Owner | null,
): Promise<Held> {
  const id = newId();
  const startedAt = Date.now();
  const shared = owner?.sharedComputer === true;
  const keyId = shared ? await shelf.storage.keys.make(id, owner) : null;
  const part = { ...newPart(1, file.type, startedAt), bytes: file.size, closed: true };
  const entry: JournalEntry = {
    id, kind: 'file', version: 1, startedAt, stoppedAt: startedAt, mimeType: file.type, owner: owner && whoIs(owner), keptIn: 'memory', keyId,
    details: { filename: file.name, ...details },
    parts: [part], marks: [], gaps: [], seams: [], problem: null, fingerprint, told: null,
  };
  const release = (await tryLock(entryLock(id))) ?? (() => undefined);
  // Its name is private too: where it cannot be encrypted, it is not remembered.
  const held = shelf.hold(entry, release, keyId !== null || !shared);
  held.picked = file;
  await held.change({});
  return held;
}
