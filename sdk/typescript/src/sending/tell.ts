/** Tells the server what only came after the upload had begun: a name, marks, and what was not heard. */
import type { Held } from '../keeper/held';
import type { World } from './carry';

/** Nothing to tell is a success; a failure is thrown and may be tried again. */
export async function tell(held: Held, world: World): Promise<void> {
  const { details, told, marks, gaps, seams } = held.entry;
  const named = details.title === undefined || details.title === told?.title ? {} : { title: details.title };
  const noted = marks.length + gaps.length + seams.length > 0 && told === null;
  const change = { ...named, ...(noted ? { recording_metadata: { marks, gaps, seams } } : {}) };
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
