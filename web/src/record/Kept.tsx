import type { RecorderSnapshot } from '@reelkeep/client';
import { Check, CloudUpload, Smartphone, TriangleAlert, WifiOff } from 'lucide-react';

import { clock } from '@/format/time';
import { t } from '@/messages';

import { useUnsent } from './device';
import styles from './Record.module.css';

/** In the page's fixed words: on this device, then sent. */
export function Kept({ snapshot }: { snapshot: RecorderSnapshot }) {
  const { keptIn, sides } = snapshot;
  const onDisk = keptIn === 'disk' || keptIn === 'database';
  const Sent = sides.offline ? WifiOff : CloudUpload;
  const problem = useUnsent().find(({ id }) => id === snapshot.id)?.problem;
  const refused = problem && problem.status !== null && problem.status !== 401 ? problem : null;
  return (
    <ul className={styles['kept']}>
      <li data-kind={onDisk ? 'ok' : 'warn'}>
        {onDisk ? <Smartphone size={20} strokeWidth={1.75} aria-hidden /> : <TriangleAlert size={20} strokeWidth={1.75} aria-hidden />}
        {onDisk ? (snapshot.encrypted ? t.record.onDeviceEncrypted : t.record.onDevice) : t.record.notOnDisk}
        {onDisk && <Check size={16} strokeWidth={2} aria-hidden />}
      </li>
      <li>
        <Sent size={20} strokeWidth={1.75} aria-hidden />
        {sentWords(snapshot)}
      </li>
      {refused && (
        <li data-kind="warn">
          <TriangleAlert size={20} strokeWidth={1.75} aria-hidden />
          {t.record.notSent(refused.message)}
        </li>
      )}
    </ul>
  );
}

function sentWords({ sentSeconds, seconds, sides }: RecorderSnapshot): string {
  if (sides.offline) return t.record.offlineKept(clock(seconds));
  return sentSeconds >= 1 ? t.record.sentTo(clock(Math.min(sentSeconds, seconds))) : t.record.notSentYet;
}
