import { useEffect } from 'react';

import { usePermission } from '@/me/usePermission';
import { t } from '@/messages';
import { PageTitle } from '@/ui';

import { deviceRecorder, useRecorder } from './device';
import styles from './Record.module.css';
import { RecorderView } from './RecorderView';

/** Recording goes on when this page is left; coming back shows it as it then is. */
export function RecordPage() {
  const may = usePermission('recordings.write');
  const snapshot = useRecorder();
  const recorder = deviceRecorder();
  useEffect(() => {
    const look = () => void recorder.recheck();
    window.addEventListener('focus', look);
    look();
    return () => {
      window.removeEventListener('focus', look);
      recorder.release();
    };
  }, [recorder]);
  return (
    <div className={styles['page']}>
      <PageTitle name={t.record.title} className={styles['title'] ?? ''} />
      {may ? <RecorderView recorder={recorder} snapshot={snapshot} /> : <p>{t.record.notAllowed}</p>}
    </div>
  );
}
