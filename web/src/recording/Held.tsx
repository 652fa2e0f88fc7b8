import type { RecordingDetail } from '@/api/types';
import { dateAndTime } from '@/format/time';
import { t } from '@/messages';

import styles from './Recording.module.css';

/** That nothing of it can be removed, and who said why. */
export function Held({ recording }: { recording: Pick<RecordingDetail, 'held' | 'holds'> }) {
  if (!recording.held) return null;
  return (
    <div className={styles['partial']}>
      <div className={styles['holds']}>
        <p>{t.recording.held}</p>
        <ul>
          {recording.holds.map((hold) => (
            <li key={hold.id} dir="auto">
              {t.recording.heldFor(hold.reason, dateAndTime(hold.created_at))}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
