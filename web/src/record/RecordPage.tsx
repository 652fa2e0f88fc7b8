import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';

import { keys } from '@/api/queries';
import { t } from '@/messages';
import { PageTitle } from '@/ui';

import { deviceRecorder, useRecorder } from './device';
import { fetchPages } from './fetchPages';
import styles from './Record.module.css';
import { RecorderView } from './RecorderView';
import { useMayRecord } from './useMayRecord';

export function RecordPage() {
  const may = useMayRecord();
  return (
    <div className={styles['page']}>
      <PageTitle name={t.record.title} className={styles['title'] ?? ''} />
      {may ? <DeviceRecorder /> : <NotAllowed />}
    </div>
  );
}

/** Recording goes on when this page is left; coming back shows it as it then is. */
function DeviceRecorder() {
  const snapshot = useRecorder();
  const recorder = deviceRecorder();
  const client = useQueryClient();
  useEffect(() => {
    const look = () => void recorder.recheck();
    window.addEventListener('focus', look);
    look();
    // Whether this computer is shared may have been decided a moment ago.
    void client.invalidateQueries({ queryKey: keys.me });
    void fetchPages();
    return () => {
      window.removeEventListener('focus', look);
      recorder.release();
    };
  }, [recorder, client]);
  return <RecorderView recorder={recorder} snapshot={snapshot} />;
}

export function NotAllowed() {
  return (
    <div className={styles['empty']}>
      <h2>{t.record.notAllowedTitle}</h2>
      <p className="muted">{t.record.notAllowed}</p>
      <Link to="/recordings">{t.record.toRecordings}</Link>
    </div>
  );
}
