import { LockKeyhole, VolumeX } from 'lucide-react';

import type { RecordingDetail } from '@/api/types';
import { t } from '@/messages';

import styles from './Recording.module.css';

type Facts = Pick<RecordingDetail, 'client_encrypted' | 'media_kept' | 'original_removed' | 'status'>;

/** Whether there will never be a sound to play, whatever is waited for. */
export const isSoundless = (recording: Pick<Facts, 'client_encrypted' | 'media_kept'>) =>
  recording.client_encrypted || !recording.media_kept;

/** In the player's place: why nothing can be played. */
export function NoSound({ recording }: { recording: Facts }) {
  const Icon = recording.client_encrypted ? LockKeyhole : VolumeX;
  const words = recording.client_encrypted ? t.recording.encrypted : t.recording.unkept;
  const underway = !recording.client_encrypted && !recording.original_removed;
  return (
    <section className={styles['noSound']} aria-label={t.player.label}>
      <Icon size={24} strokeWidth={1.75} aria-hidden />
      <div>
        <h2>{underway ? t.recording.unkept.soonTitle : words.title}</h2>
        <p>{underway ? t.recording.unkept.soon : words.text}</p>
      </div>
    </section>
  );
}
