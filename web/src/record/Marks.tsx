import type { Recorder, RecorderSnapshot } from '@reelkeep/client';
import { Flag, X } from 'lucide-react';

import { clock } from '@/format/time';
import { t } from '@/messages';
import { IconButton } from '@/ui/shell';

import styles from './Record.module.css';

/** Places to come back to, the newest first. */
export function Marks({ recorder, snapshot: { marks } }: { recorder: Recorder; snapshot: RecorderSnapshot }) {
  if (marks.length === 0) return null;
  return (
    <ul className={styles['marks']} aria-label={t.record.marks}>
      {[...marks].reverse().map((mark) => (
        <li key={mark.id}>
          <Flag size={16} strokeWidth={1.75} aria-hidden />
          <time>{clock(mark.at)}</time>
          <bdi>{mark.name}</bdi>
          <IconButton icon={X} label={t.record.removeMark(mark.name)} onClick={() => recorder.removeMark(mark.id)} />
        </li>
      ))}
    </ul>
  );
}
