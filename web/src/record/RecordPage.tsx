import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';

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
  useEffect(() => {
    const look = () => void recorder.recheck();
    window.addEventListener('focus', look);
    look();
    void fetchPages();
    return () => {
      window.removeEventListener('focus', look);
      recorder.release();
    };
  }, [recorder]);
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
