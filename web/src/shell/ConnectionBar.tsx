import { WifiOff } from 'lucide-react';

import { t } from '@/messages';
import { isUnsafe } from '@/uploads/state';
import { useUploads } from '@/uploads/use';

import styles from './ConnectionBar.module.css';
import { useOnline } from './useOnline';

/** Only while it matters. */
export function ConnectionBar() {
  const online = useOnline();
  const waiting = useUploads().filter(isUnsafe).length;
  return (
    <div role="status">
      {!online && (
        <p className={styles['bar']}>
          <WifiOff size={20} strokeWidth={1.75} aria-hidden />
          {waiting > 0 ? t.connection.offlineWaiting(waiting) : t.connection.offline}
        </p>
      )}
    </div>
  );
}
