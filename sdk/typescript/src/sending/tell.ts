/** Tells the server what only came after the upload had begun: a name, marks, and what was not heard. */
import type { Held } from '../keeper/held';
import type { JournalEntry } from '../types';
import type { World } from './carry';

/** Whether the server knows all that there is to tell. */
export const isTold = (entry: JournalEntry) => Object.keys(untold(entry)).length === 0;

function untold({ details, told, marks, gaps, seams }: JournalEntry): object {
  const named = details.title === undefined || details.title === told?.title ? {} : { title: details.title };
  const noted = marks.length + gaps.length + seams.length > 0 && told === null;
  return { ...named, ...(noted ? { recording_metadata: { marks, gaps, seams } } : {}) };
}

/** Nothing to tell is a success; a failure is thrown and may be tried again. */
export async function tell(held: Held, world: World): Promise<void> {
  const change = untold(held.entry);
  if (Object.keys(change).length === 0) return;
  const headers = await world.authorize();
  if (headers === null) throw new Error('Nobody is signed in.');
  for (const { recordingId } of held.entry.parts) {
    if (recordingId === null) continue;
    const response = await fetch(`${world.base}/api/v1/recordings/${recordingId}`, {
      method: 'PATCH',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify(change),
      credentials: 'same-origin',
    });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  }
  await held.change({ told: held.entry.details });
}
