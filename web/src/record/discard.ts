import { trashRecording } from '@/api/changes';
import { api, bodyOf } from '@/api/client';
import { keys } from '@/api/queries';
import { queries } from '@/queries';

import { currentRecorder, deviceClient } from './device';

/** Here, and what was begun of it on the server, which would stand in the list as failed. */
export async function discard(id: string): Promise<void> {
  const held = deviceClient().unsent().find((one) => one.id === id);
  await deviceClient().discard(id);
  const recorder = currentRecorder();
  if (recorder?.getSnapshot().id === id) recorder.again();
  await Promise.allSettled((held?.recordingIds ?? []).map(trashUnsealed));
  await queries.invalidateQueries({ queryKey: keys.lists });
}

/** A part that the server has safe is not what was discarded. */
async function trashUnsealed(id: string): Promise<void> {
  const { uploaded_at: sealedAt } = await bodyOf(
    api.GET('/api/v1/recordings/{recording_id}', { params: { path: { recording_id: id } } }),
  );
  if (sealedAt === null) await trashRecording(id);
}
