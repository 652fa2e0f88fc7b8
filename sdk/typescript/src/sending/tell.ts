/** Tells the server a name that the recording was given after its upload had begun. */
import type { Held } from '../keeper/held';
import type { World } from './carry';

/** Nothing to tell is a success; a failure is thrown and may be tried again. */
export async function tell(held: Held, world: World): Promise<void> {
  const { title } = held.entry.details;
  if (title === undefined || title === held.entry.told?.title) return;
  const headers = await world.authorize();
  if (headers === null) throw new Error('Nobody is signed in.');
  for (const { recordingId } of held.entry.parts) {
    if (recordingId === null) continue;
    const response = await fetch(`${world.base}/api/v1/recordings/${recordingId}`, {
      method: 'PATCH',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ title }),
      credentials: 'same-origin',
    });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  }
  await held.change({ told: held.entry.details });
}
