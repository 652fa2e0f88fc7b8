import type { RecordingDetail } from '@/api/types';
import { t } from '@/messages';

/** The sound first; of the original alone, only that it cannot be downloaded now. */
export function awayOf(recording: Pick<RecordingDetail, 'media_state' | 'original_state' | 'original_removed'>) {
  const { media_state: sound, original_state: original } = recording;
  if (sound !== null && sound !== 'available') return t.recording.away.sound[sound];
  if (original !== null && original !== 'available') return t.recording.away.original[original];
  return recording.original_removed ? t.recording.away.originalRemoved : null;
}
