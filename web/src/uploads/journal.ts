/** What this device still has to send, remembered across a reload. Only names and sizes: a page cannot keep the file. */
import type { Upload } from './state';
import { isHopeless, newUpload } from './state';

const KEY = 'reelkeep.uploads';

type Note = Pick<Upload, 'id' | 'name' | 'size' | 'type' | 'recordingId' | 'delivered'>;

function isNote(value: unknown): value is Note {
  if (typeof value !== 'object' || value === null) return false;
  const note = value as Partial<Record<keyof Note, unknown>>;
  return typeof note.id === 'string' && typeof note.name === 'string' && typeof note.size === 'number';
}

export function parseJournal(text: string | null): Upload[] {
  if (text === null) return [];
  try {
    const notes: unknown = JSON.parse(text);
    if (!Array.isArray(notes)) return [];
    return notes.filter(isNote).map((note) => ({
      ...newUpload(note.id, note),
      recordingId: note.recordingId,
      delivered: note.delivered,
      phase: note.delivered ? ('waiting' as const) : ('interrupted' as const),
    }));
  } catch {
    return [];
  }
}

export function journalOf(uploads: readonly Upload[]): string {
  const notes = uploads
    .filter((upload) => upload.phase !== 'safe' && !isHopeless(upload))
    .map(({ id, name, size, type, recordingId, delivered }): Note => ({
      id,
      name,
      size,
      type,
      recordingId,
      delivered,
    }));
  return JSON.stringify(notes);
}

// One journal a tab: two tabs that send must not overwrite each other's.
export function readJournal(): Upload[] {
  return parseJournal(sessionStorage.getItem(KEY));
}

export function writeJournal(uploads: readonly Upload[]): void {
  sessionStorage.setItem(KEY, journalOf(uploads));
}
