import type { RecordingDetail } from '@/api/types';
import { t } from '@/messages';

type Facts = Pick<
  RecordingDetail,
  'media_state' | 'original_state' | 'original_removed' | 'client_encrypted' | 'media_kept'
>;

/** The sound first; of the original alone, only that it cannot be downloaded now. */
export function awayOf(recording: Facts) {
  const { media_state: sound, original_state: original } = recording;
  // What is not kept is not away: the page says so in the player's place.
  if (!recording.media_kept) return null;
  if (recording.client_encrypted) {
    return original === null || original === 'available' ? null : t.recording.away.encrypted[original];
  }
  if (sound !== null && sound !== 'available') return t.recording.away.sound[sound];
  if (original !== null && original !== 'available') return t.recording.away.original[original];
  return recording.original_removed ? t.recording.away.originalRemoved : null;
}
