import { Check, CircleAlert } from 'lucide-react';

import type { Recording } from '@/api/types';
import { t } from '@/messages';
import { Progress } from '@/ui/shell';

import styles from './Library.module.css';

/** One state in the page's fixed words; progress only where it is known. */
export function StateMark({ recording }: { recording: Recording }) {
  const { status, progress } = recording;
  if (status === 'failed') {
    return (
      <div className={styles['state']} data-kind="failed">
        <span className={styles['stateWords']}>
          <CircleAlert size={16} strokeWidth={1.75} aria-hidden />
          {t.status.failed}
        </span>
        {recording.processing_error && (
          <span className={styles['reason']} title={recording.processing_error} dir="auto">
            {recording.processing_error}
          </span>
        )}
      </div>
    );
  }
  if (status === 'processing') {
    const percent = progress === null ? null : Math.floor(progress * 100);
    const words = percent === null ? t.status.processing : t.statusPercent(t.status.processing, percent);
    return (
      <div className={styles['state']}>
        <span className={styles['stateWords']}>{words}</span>
        <Progress value={progress} label={t.status.processing} />
      </div>
    );
  }
  const done = status === 'transcribed' || status === 'processed';
  return (
    <div className={styles['state']} data-kind={done ? 'done' : undefined}>
      <span className={styles['stateWords']}>
        {done && <Check size={16} strokeWidth={2} aria-hidden />}
        {done && recording.client_encrypted ? t.library.encrypted : t.status[status]}
      </span>
    </div>
  );
}
