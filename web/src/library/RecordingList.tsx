import { useId } from 'react';

import type { Recording } from '@/api/types';
import { roughDuration } from '@/format/time';
import { t } from '@/messages';

import { groupByDay, type Day } from './groups';
import styles from './Library.module.css';
import { RecordingRow } from './RecordingRow';

export function RecordingList({ recordings }: { recordings: readonly Recording[] }) {
  return groupByDay(recordings, new Date()).map((day) => <DayList key={day.key} day={day} />);
}

function DayList({ day }: { day: Day }) {
  const heading = useId();
  const duration = day.duration === null ? null : roughDuration(day.duration);
  return (
    <section aria-labelledby={heading} className={styles['day']}>
      <div className={styles['dayHead']}>
        <h2 id={heading}>{day.label}</h2>
        <span className={styles['totals']}>{t.library.dayTotals(day.recordings.length, duration)}</span>
      </div>
      <ul className={styles['rows']}>
        {day.recordings.map((recording) => (
          <RecordingRow key={recording.id} recording={recording} />
        ))}
      </ul>
    </section>
  );
}
