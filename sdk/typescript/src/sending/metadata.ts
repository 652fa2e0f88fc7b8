/** The metadata of an upload: its name, its kind, its place in a session. */
import type { Held } from '../keeper/held';
import { filenameOf } from '../recorder/formats';

/** What the server is told with the request that begins the upload. */
export function metadataOf(held: Held, number: number, numbered: boolean): Record<string, string> {
  const { entry } = held;
  const { details, kind } = entry;
  const part = held.part(number);
  // Parts of one recording are one session, unless the host application has its own: there it comes last.
  const own = kind === 'recording' && details.sessionId === undefined ? entry.id : undefined;
  const place = own !== undefined && numbered ? { part_number: String(number) } : {};
  const words = {
    title: details.title,
    session_id: details.sessionId ?? own,
    recording_type: details.recordingType,
    appointment_id: details.appointmentId,
    visit_id: details.visitId,
    transcribe: details.transcribe === false ? 'false' : undefined,
  };
  return {
    ...freeFields(details.metadata ?? {}),
    filename: details.filename ?? filenameOf(part.startedAt, part.mimeType, number === 1 ? null : number),
    filetype: part.mimeType === '' ? 'application/octet-stream' : part.mimeType,
    ...place,
    ...Object.fromEntries(Object.entries(words).flatMap(([key, value]) => (value ? [[key, value]] : []))),
  };
}

/** What has no field of its own is kept with the recording, as text. */
function freeFields(metadata: Readonly<Record<string, unknown>>): Record<string, string> {
  const named = Object.entries(metadata).filter(([key, value]) => /^[\w.-]+$/.test(key) && value !== undefined);
  return Object.fromEntries(named.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]));
}
